/** Ours in suite `io`: the work of `servers.ts`, written as a user would write it. */
import type { Connection, Reactor } from 'percore';
import { OK } from 'percore/queues';
import { MESSAGE_BYTES, STREAM_BYTES, streamByte, streamBytes } from './stream.js';
import type { Work } from './servers.js';

export type ServerServices = { listen(work: Work): number };

const stream = streamBytes();

export default function start(reactor: Reactor<ServerServices>): void {
  reactor.handle('listen', (work) => reactor.io.listen({ port: 0 }, { echo, reply, sink, source, datagram: refuse }[work]).port);
}

function refuse(): never {
  throw new Error('this version has no datagrams');
}

function echo(connection: Connection): void {
  connection.onData((bytes) => void connection.offer(bytes));
}

/** Each message has an answer of its own. One that lies across two reads is put together first. */
function reply(connection: Connection): void {
  const half = new Uint8Array(MESSAGE_BYTES);
  let have = 0;
  connection.onData((bytes) => {
    let at = 0;
    if (have !== 0) {
      at = Math.min(MESSAGE_BYTES - have, bytes.length);
      half.set(bytes.subarray(0, at), have);
      have += at;
      if (have < MESSAGE_BYTES) return;
      connection.offer(half);
      have = 0;
    }
    for (; at + MESSAGE_BYTES <= bytes.length; at += MESSAGE_BYTES) connection.offer(bytes, at, MESSAGE_BYTES);
    half.set(bytes.subarray(at));
    have = bytes.length - at;
  });
}

function sink(connection: Connection): void {
  let count = 0;
  let isWrong = false;
  connection.onData((bytes) => {
    isWrong ||= bytes[0] !== streamByte(count) || bytes[bytes.length - 1] !== streamByte(count + bytes.length - 1);
    count += bytes.length;
  });
  connection.onEnd(() => {
    const answer = new DataView(new ArrayBuffer(8));
    answer.setBigUint64(0, isWrong ? 2n ** 64n - 1n : BigInt(count), true);
    connection.offer(new Uint8Array(answer.buffer));
    connection.end();
  });
}

function source(connection: Connection): void {
  connection.onData((bytes) => void send(connection, Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true))));
}

async function send(connection: Connection, total: number): Promise<void> {
  for (let left = total; left > 0 && !connection.isClosed;) {
    const bytes = left < STREAM_BYTES ? stream.subarray(0, left) : stream;
    if (connection.offer(bytes) === OK) left -= bytes.length;
    else await connection.writable();
  }
}

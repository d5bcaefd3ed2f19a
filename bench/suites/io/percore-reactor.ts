/** Ours in suite `io`: the work that servers.ts describes, written as a user would write it. */
import type { Connection, Reactor } from 'percore';
import { OK } from 'percore/queues';
import { MESSAGE_BYTES, STREAM_BYTES, streamByte, streamBytes } from './stream.js';
import type { Work } from './servers.js';

export type ServerServices = { listen(work: Work): number };

const stream = streamBytes();

export default function start(reactor: Reactor<{ calls: ServerServices }>): void {
  reactor.handle('listen', (work) =>
    work === 'datagram' ? datagram(reactor) : reactor.io.listen({ port: 0 }, { echo, reply, sink, source }[work]).port,
  );
}

function datagram(reactor: Reactor<{ calls: ServerServices }>): number {
  const socket = reactor.io.udp();
  socket.onReceive((bytes, offset, length, peer) => void socket.send(bytes, offset, length, peer));
  return socket.port;
}

function echo(connection: Connection): void {
  connection.onReceive((bytes, offset, length) => void connection.offer(bytes, offset, length));
}

/** Answers each message by itself. A message that is split between two reads is put together first. */
function reply(connection: Connection): void {
  let half: Uint8Array | undefined;
  let have = 0;
  connection.onReceive((bytes, offset, length) => {
    const end = offset + length;
    let at = offset;
    if (have !== 0) {
      const taken = Math.min(MESSAGE_BYTES - have, length);
      half!.set(bytes.subarray(at, at + taken), have);
      at += taken;
      have += taken;
      if (have < MESSAGE_BYTES) return;
      connection.offer(half!);
    }
    for (; at + MESSAGE_BYTES <= end; at += MESSAGE_BYTES) connection.offer(bytes, at, MESSAGE_BYTES);
    have = end - at;
    if (have !== 0) (half ??= new Uint8Array(MESSAGE_BYTES)).set(bytes.subarray(at, end));
  });
}

function sink(connection: Connection): void {
  let count = 0;
  let isWrong = false;
  connection.onReceive((bytes, offset, length) => {
    isWrong ||= bytes[offset] !== streamByte(count) || bytes[offset + length - 1] !== streamByte(count + length - 1);
    count += length;
  });
  connection.onEnd(() => {
    const answer = new DataView(new ArrayBuffer(8));
    answer.setBigUint64(0, isWrong ? 2n ** 64n - 1n : BigInt(count), true);
    connection.offer(new Uint8Array(answer.buffer));
    connection.end();
  });
}

function source(connection: Connection): void {
  connection.onData(
    (bytes) => void send(connection, Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true))),
  );
}

async function send(connection: Connection, total: number): Promise<void> {
  for (let left = total; left > 0 && !connection.isClosed;) {
    const bytes = left < STREAM_BYTES ? stream.subarray(0, left) : stream;
    if (connection.offer(bytes) === OK) left -= bytes.length;
    else await connection.room();
  }
}

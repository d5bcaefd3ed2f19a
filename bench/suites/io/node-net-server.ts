/**
 * `node-net-server.js WORK [corked]`: the baseline `node:net`. One event loop does the work that servers.ts describes.
 * Nagle's algorithm is off.
 */
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { MESSAGE_BYTES, STREAM_BYTES, streamByte, streamBytes } from './stream.js';
import type { Work } from './servers.js';

const stream = streamBytes();
/**
 * As many bytes may wait in a socket as in one of ours. With Node's default of 16 KiB, each write of 64 KiB would wait
 * for the one before.
 */
const HIGH_WATER_BYTES = 1 << 20;

function echo(socket: Socket): void {
  socket.on('data', (bytes) => void socket.write(bytes));
}

/** Answers each message by itself. A message that is split between two reads is put together first. */
function reply(socket: Socket): void {
  let half = Buffer.alloc(0);
  socket.on('data', (read) => {
    const bytes = half.length === 0 ? read : Buffer.concat([half, read]);
    let at = 0;
    for (; at + MESSAGE_BYTES <= bytes.length; at += MESSAGE_BYTES) {
      socket.write(bytes.subarray(at, at + MESSAGE_BYTES));
    }
    half = bytes.subarray(at);
  });
}

/** Does the same, but writes all answers to one read by one writev. */
function replyCorked(socket: Socket): void {
  let half = Buffer.alloc(0);
  socket.on('data', (read) => {
    const bytes = half.length === 0 ? read : Buffer.concat([half, read]);
    let at = 0;
    socket.cork();
    for (; at + MESSAGE_BYTES <= bytes.length; at += MESSAGE_BYTES) {
      socket.write(bytes.subarray(at, at + MESSAGE_BYTES));
    }
    socket.uncork();
    half = bytes.subarray(at);
  });
}

function sink(socket: Socket): void {
  let count = 0;
  let isWrong = false;
  socket.on('data', (bytes) => {
    isWrong ||= bytes[0] !== streamByte(count) || bytes[bytes.length - 1] !== streamByte(count + bytes.length - 1);
    count += bytes.length;
  });
  socket.on('end', () => {
    const answer = Buffer.alloc(8);
    answer.writeBigUInt64LE(isWrong ? 2n ** 64n - 1n : BigInt(count));
    socket.end(answer);
  });
}

function source(socket: Socket): void {
  socket.on('data', (bytes) => {
    let left = Number(bytes.readBigUInt64LE());
    const send = (): void => {
      for (let hasRoom = true; left > 0 && hasRoom;) {
        const block = left < STREAM_BYTES ? stream.subarray(0, left) : stream;
        left -= block.length;
        hasRoom = socket.write(block);
      }
      if (left > 0) socket.once('drain', send);
    };
    send();
  });
}

const work = process.argv[2] as Exclude<Work, 'datagram'>;
const serve = { echo, reply: process.argv[3] === 'corked' ? replyCorked : reply, sink, source }[work];
const server = createServer(
  { noDelay: true, allowHalfOpen: work === 'sink', highWaterMark: HIGH_WATER_BYTES },
  (socket) => {
    // A client that has finished resets its connections.
    socket.on('error', () => undefined);
    serve(socket);
  },
);
server.listen(0, '127.0.0.1', 511, () =>
  process.stdout.write(`${JSON.stringify({ port: (server.address() as AddressInfo).port })}\n`),
);
process.stdin.resume().on('end', () => process.exit(0));

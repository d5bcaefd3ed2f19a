/**
 * The server of the RESP sample on node:net, as a baseline: the same parser, commands, keys and replies in one thread;
 * only the connections are Node's. It is as good as it can be: Nagle's algorithm is off, and all replies to one read go
 * out in one write, as on Percore.
 *
 *     node dist/bench/suites/io/resp-node-net.js [--port N]     prints "listening 127.0.0.1:PORT reactors=1"
 */
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { parseArgs } from 'node:util';
import { BACK_PRESSURED, CLOSED, OK } from 'percore';
import { Counters } from '../../../examples/resp/counters.js';
import { Server } from '../../../examples/resp/server.js';
import { Session } from '../../../examples/resp/session.js';

/** As many bytes as a Percore connection takes before it refuses. */
const HIGH_WATER_BYTES = 1 << 20;
/** The longest time that setTimeout can wait. */
const MOST_DELAY_MS = 2 ** 31 - 1;

const server = new Server({
  id: 0,
  ownerOf: () => 0,
  counters: new Counters(Counters.allocate(1), 1, 0),
  keyspaceHost: {
    nowMs: () => Math.floor(performance.now()),
    after: (delayMs, then) => setTimeout(then, Math.min(Math.ceil(delayMs), MOST_DELAY_MS)).unref(),
    cancel: (timer) => clearTimeout(timer as NodeJS.Timeout),
  },
  port: () => (listener.address() as AddressInfo).port,
  later: (then) => void setImmediate(then),
});

function serve(socket: Socket): void {
  socket.setNoDelay(true);
  const session = new Session(server, {
    offer: (bytes, offset, length) => {
      if (socket.destroyed || socket.writableEnded) return CLOSED;
      if (socket.writableLength !== 0 && socket.writableLength + length > HIGH_WATER_BYTES) return BACK_PRESSURED;
      const copy = Buffer.allocUnsafe(length);
      for (let i = 0; i < length && length <= 48; i++) copy[i] = bytes[offset + i]!;
      if (length > 48) copy.set(bytes.subarray(offset, offset + length));
      socket.write(copy);
      return OK;
    },
    whenWritable: (then) => {
      // 'drain' may have come already, if a single write was longer than the mark.
      if (!socket.writableNeedDrain) return void setImmediate(then);
      const done = (): void => {
        socket.off('drain', done).off('close', done);
        then();
      };
      socket.on('drain', done).on('close', done);
    },
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    end: () => void socket.end(),
    close: () => void socket.destroy(),
  });
  socket.on('data', (bytes) => session.receive(bytes as Buffer, 0, bytes.length));
  socket.on('end', () => session.noteEnd()).on('close', () => session.noteClosed()).on('error', () => undefined);
}

const { port } = parseArgs({ options: { port: { type: 'string', default: '0' } } }).values;
const listener = createServer({ allowHalfOpen: true }, serve);
listener.listen(Number(port), '127.0.0.1', () =>
  process.stdout.write(`listening 127.0.0.1:${(listener.address() as AddressInfo).port} reactors=1\n`),
);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(0));

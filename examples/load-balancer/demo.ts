/**
 * Feeds and reads the program by itself: a flood of band 1, as fast as it is taken, beside a hundred lines of band 6 a
 * second. They come over ordinary connections, as from any other client.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Options } from './options.js';
import type { Ports } from './reactor.js';

/** The kernel spreads connections over the reactors, so one of them alone would flood one reactor alone. */
const FLOODS = 4;
const URGENT_EVERY_MS = 10;
/** A write of some 64 KiB. */
const FLOOD = Array.from({ length: 3600 }, (_, i) => `1 key${i % 100} some payload\n`).join('');

/** Starts the clients. What it returns ends them, and resolves when all that they had sent has been read. */
export function startDemo({ host }: Options, { input, output }: Ports): () => Promise<void> {
  const sockets = Array.from({ length: FLOODS + 2 }, (_, i) => connect({ host, port: i === 0 ? output : input! }));
  // At the end the program closes them, perhaps in the middle of a write.
  for (const socket of sockets) socket.on('error', () => undefined);
  const [reader, urgent, ...floods] = sockets as [Socket, Socket, ...Socket[]];
  reader.resume();
  for (const socket of floods) {
    const flood = (): void => {
      while (!isOver && !socket.destroyed && socket.write(FLOOD));
    };
    socket.on('connect', flood).on('drain', flood);
  }
  let isOver = false;
  let count = 0;
  const timer = setInterval(() => urgent.write(`6 alarm${count++ % 10} now\n`), URGENT_EVERY_MS);
  return async () => {
    isOver = true;
    clearInterval(timer);
    const feeders = [urgent, ...floods];
    await Promise.all(feeders.map((socket) => once(socket.resume().end(), 'close')));
  };
}

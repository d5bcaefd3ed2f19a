/**
 * Feeds and reads the program by itself: a flood of band 1, as fast as it is taken, beside a hundred lines of band 6 a
 * second. They come over ordinary connections, as from any other client. The flood has a thread of its own, since it
 * would keep the urgent lines waiting on their way here already.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import type { Options } from './options.js';
import type { Ports } from './reactor.js';

/** The kernel spreads connections over the reactors, so one of them alone would flood one reactor alone. */
const FLOODS = 4;
const URGENT_EVERY_MS = 10;
/** A write of some 64 KiB. */
const FLOOD = Array.from({ length: 3600 }, (_, i) => `1 key${i % 100} some payload\n`).join('');

interface Addresses extends Ports {
  readonly host: string;
}

/** Starts the clients. What it returns ends them, and resolves when all that they had sent has been read. */
export function startDemo({ host }: Options, ports: Ports): () => Promise<unknown> {
  const flood = new Worker(new URL(import.meta.url), { workerData: { host, ...ports } satisfies Addresses });
  const urgent = open(host, ports.input!).setNoDelay();
  let count = 0;
  const timer = setInterval(() => urgent.write(`6 alarm${count++ % 10} now\n`), URGENT_EVERY_MS);
  return async () => {
    clearInterval(timer);
    flood.postMessage('end');
    await Promise.all([once(flood, 'message'), ended(urgent)]);
  };
}

function open(host: string, port: number): Socket {
  // What comes back is let go. At the end the program closes its connections, perhaps in the middle of a write.
  return connect({ host, port }).on('error', () => undefined).resume();
}

const ended = (socket: Socket): Promise<unknown> => once(socket.end(), 'close');

/** The thread of the flood, which also reads the results. */
async function flood({ host, input, output }: Addresses): Promise<void> {
  let isOver = false;
  const reader = open(host, output);
  const feeders = Array.from({ length: FLOODS }, () => {
    const socket = open(host, input!);
    const write = (): void => {
      while (!isOver && !socket.destroyed && socket.write(FLOOD));
    };
    return socket.on('connect', write).on('drain', write);
  });
  await once(parentPort!, 'message');
  isOver = true;
  await Promise.all(feeders.map(ended));
  parentPort!.postMessage('ended');
  // The results of the last lines are still read, until the program ends the connection.
  if (!reader.destroyed) await once(reader, 'close');
  parentPort!.close();
}

if (!isMainThread && parentPort !== null) await flood(workerData as Addresses);

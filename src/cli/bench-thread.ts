/**
 * What `percore bench` runs on the other thread, for all three sides: a reactor's entry, a task of piscina's by its
 * name, and a plain worker that answers by postMessage. Each does the same: it adds up, or adds one.
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { Reactor } from '../reactor/index.js';

export interface BenchServices {
  calls: { addOne(argument: number): number; total(): number };
  messages: { add: number };
}

/** The data of a plain worker, by which it knows what it is. */
export const PLAIN = 'percore bench: plain worker';

export default function start(reactor: Reactor<BenchServices>): void {
  let total = 0;
  reactor.spawn<number>({ name: 'add' }, (message) => { total += message; });
  reactor.handle('addOne', (argument) => argument + 1);
  reactor.handle('total', () => total);
}

export function addOne(argument: number): number {
  return argument + 1;
}

/** For the plain worker: a number to add up, or a request for an answer. */
export type PlainMessage = number | { readonly addOne: number } | { readonly total: true };

if (workerData === PLAIN) {
  const port = parentPort!;
  let total = 0;
  port.on('message', (message: PlainMessage) => {
    if (typeof message === 'number') total += message;
    else port.postMessage('addOne' in message ? message.addOne + 1 : total);
  });
}

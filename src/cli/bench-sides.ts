/** The three sides that `percore bench` runs in turn, behind one interface. */
import { Worker } from 'node:worker_threads';
import { programPath } from '../native.js';
import { createRuntime } from '../reactor/index.js';
import { BACK_PRESSURED } from '../result-codes.js';
import { PLAIN, type BenchServices, type PlainMessage } from './bench-thread.js';

/** One other thread, which adds. */
export interface Side {
  readonly name: 'percore' | 'postMessage' | 'piscina';
  /** Asks the other thread to add one, and promises what it has answered. */
  addOne(argument: number): Promise<number>;
  /** Sends this many ones without an answer, then promises the sum of all that have ever come. Not for piscina. */
  readonly send?: (ones: number) => Promise<number>;
  close(): Promise<unknown>;
}

const threadFile = (): string => programPath(import.meta.url, 'bench-thread.js');
/** How many sends a plain loop makes before it lets the event loop go round: ports buffer without a bound. */
const BURST = 1000;

export async function openPercore(): Promise<Side> {
  const runtime = await createRuntime<BenchServices>({ entry: threadFile(), reactors: 1 });
  const toFirst = { reactor: 0 } as const;
  const adder = runtime.address('add', toFirst);
  return {
    name: 'percore',
    addOne: (argument) => runtime.call('addOne', argument, toFirst),
    async send(ones) {
      for (let sent = 0; sent < ones; sent++) {
        while (adder.send(1) === BACK_PRESSURED)
          await new Promise<void>((resolve) => runtime.whenRoom(toFirst, resolve));
      }
      return runtime.call('total', undefined, toFirst);
    },
    close: () => runtime.close(),
  };
}

export function openPlain(): Side {
  const worker = new Worker(threadFile(), { workerData: PLAIN });
  const waiting: ((answer: number) => void)[] = [];
  worker.on('message', (answer: number) => waiting.shift()!(answer));
  const ask = (message: PlainMessage): Promise<number> => new Promise((resolve) => {
    waiting.push(resolve);
    worker.postMessage(message);
  });
  return {
    name: 'postMessage',
    addOne: (addOne) => ask({ addOne }),
    async send(ones) {
      for (let sent = 0; sent < ones; sent++) {
        worker.postMessage(1);
        if (sent % BURST === BURST - 1) await new Promise(setImmediate);
      }
      return ask({ total: true });
    },
    close: () => worker.terminate(),
  };
}

export async function openPiscina(): Promise<Side> {
  const { Piscina } = await import('piscina');
  const pool = new Piscina({
    filename: threadFile(), name: 'addOne', minThreads: 1, maxThreads: 1, concurrentTasksPerWorker: 64,
  });
  return {
    name: 'piscina',
    addOne: (argument) => pool.run(argument) as Promise<number>,
    close: () => pool.destroy(),
  };
}

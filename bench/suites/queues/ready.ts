/**
 * Row `spsc-ready`: a question over one ring and its answer over another. Both sides sleep in `await consumer.ready()`.
 * The baseline is `postMessage`.
 */
import { once } from 'node:events';
import { MessageChannel, Worker } from 'node:worker_threads';
import { create } from 'percore/queues';
import { twoCpus } from '../../cpus.js';
import { check, compare, type Bench, type Contender } from '../../harness.js';
import type { ReadyWorkerData } from './ready-worker.js';

type Figures = 'p50' | 'p99';

async function run(
  dataOf: (side: number) => Pick<ReadyWorkerData, 'queues' | 'port'>,
): Promise<Record<Figures, number>> {
  const workers = twoCpus().map((cpu, side) => {
    const workerData: ReadyWorkerData = { ...dataOf(side), isAsking: side === 0, cpu };
    return new Worker(new URL('./ready-worker.js', import.meta.url), {
      workerData,
      transferList: workerData.port === undefined ? [] : [workerData.port],
    });
  });
  const [{ p50, p99, wrong }] = (await once(workers[0], 'message')) as [{ p50: number; p99: number; wrong: number }];
  await Promise.all(workers.map((worker) => worker.terminate()));
  check(wrong === 0, `${wrong} answers were wrong`);
  return { p50, p99 };
}

const ours: Contender<Figures> = {
  name: 'percore',
  run() {
    const queues = {
      questions: create({ kind: 'spsc', capacity: 16, recordBytes: 8 }),
      answers: create({ kind: 'spsc', capacity: 16, recordBytes: 8 }),
    };
    return run(() => ({ queues }));
  },
};

const messages: Contender<Figures> = {
  name: 'postMessage',
  run() {
    const { port1, port2 } = new MessageChannel();
    return run((side) => ({ port: side === 0 ? port1 : port2 }));
  },
};

export const ready: Bench = {
  name: 'spsc-ready',
  run: () => compare({
    runs: 9,
    ours,
    baselines: [messages],
    figures: [
      { of: 'p50', metric: 'p50', unit: 'µs', better: 'lower' },
      { of: 'p99', metric: 'p99', unit: 'µs', better: 'lower' },
    ],
  }),
};

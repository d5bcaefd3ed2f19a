/**
 * Row `await-wake`: a question and its answer. Each side sleeps until its message comes: in `await consumer.ready()`,
 * in a blocking call, or in the event loop. The asking side rests for 200 µs before it asks, so that the other one has
 * gone to sleep.
 */
import { once } from 'node:events';
import { MessageChannel, Worker } from 'node:worker_threads';
import { create } from 'percore/queues';
import { twoCpus } from '../../cpus.js';
import { check, compare, type Bench, type Contender } from '../../harness.js';
import { noteOf, queues, type PeerName, type Trial } from './programs.js';
import { RUNS } from './rates.js';
import type { WakeResult, WakeWorkerData } from './wake-worker.js';

const CAPACITY = 2048;
const MEASURE_MS = 600;
type Figures = 'p50' | 'p99';

export const WAKES: readonly PeerName[] = [
  'disruptor blocking', 'crossbeam', 'std sync_channel', 'tokio mpsc', 'go channel', 'zeromq', 'nng',
];

async function run(
  dataOf: (side: number) => Pick<WakeWorkerData, 'queues' | 'port'>, measureMs: number,
): Promise<Record<Figures, number>> {
  const workers = twoCpus().map((cpu, side) => {
    const workerData: WakeWorkerData = { ...dataOf(side), isAsking: side === 0, cpu, measureMs };
    return new Worker(new URL('./wake-worker.js', import.meta.url), {
      workerData,
      transferList: workerData.port === undefined ? [] : [workerData.port],
    });
  });
  const failed = Promise.race(workers.map(async (worker) => { throw ((await once(worker, 'error')) as [Error])[0]; }));
  failed.catch(() => undefined);
  try {
    const [{ p50, p99, wrong }] = (await Promise.race([once(workers[0], 'message'), failed])) as [WakeResult];
    check(wrong === 0, `${wrong} answers were wrong`);
    return { p50, p99 };
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

/** Two workers that sleep in `ready()`. */
export const parked = (measureMs: number): Contender<Figures> => ({
  name: 'percore',
  run() {
    const rings = {
      questions: create({ kind: 'spsc', capacity: CAPACITY, recordBytes: 8 }),
      answers: create({ kind: 'spsc', capacity: CAPACITY, recordBytes: 8 }),
    };
    return run(() => ({ queues: rings }), measureMs);
  },
});

export const postMessage = (measureMs: number): Contender<Figures> => ({
  name: 'postMessage',
  run() {
    const { port1, port2 } = new MessageChannel();
    return run((side) => ({ port: side === 0 ? port1 : port2 }), measureMs);
  },
});

export const awaitWake: Bench = {
  name: 'await-wake',
  async run() {
    const trials = WAKES.map((peer): Trial => ({ peer, pattern: 'wake', capacity: CAPACITY, measureMs: MEASURE_MS }));
    const all = await queues<Figures>(trials);
    return compare({
      runs: RUNS,
      ours: parked(MEASURE_MS),
      baselines: [postMessage(MEASURE_MS), ...all.present],
      figures: (['p50', 'p99'] as const).map((of) => ({ of, metric: of, unit: 'ns', better: 'lower' as const })),
      note: () => noteOf(all),
    });
  },
};

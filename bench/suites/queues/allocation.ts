/**
 * Row `allocation`: the bytes that a message leaves on the heap in steady state, for each way of using a ring that
 * promises not to allocate. Each way has an isolate of its own.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { check, compare, type Bench, type Contender, type Figure } from '../../harness.js';

/** The loops in allocation-worker.ts. */
export const ways = ['words', 'batch64', 'offer', 'drain', 'variable', 'variable-offer', 'variable-drain'] as const;
export type Way = (typeof ways)[number] | 'empty loop';
export interface AllocationWorkerData { readonly way: Way }

async function bytesPerMessage(way: Way): Promise<number> {
  const workerData: AllocationWorkerData = { way };
  const worker = new Worker(new URL('./allocation-worker.js', import.meta.url), { workerData });
  const [bytes] = (await once(worker, 'message')) as [number];
  await worker.terminate();
  // If more was collected than left in most windows, the figure is useless.
  check(bytes >= 0, `${way}: the heap in use changed by ${bytes} bytes a message`);
  return bytes;
}

type Figures = (typeof ways)[number];
const percore: Contender<Figures> = {
  name: 'percore',
  async run() {
    const sample: Partial<Record<Figures, number>> = {};
    for (const way of ways) sample[way] = await bytesPerMessage(way);
    return sample as Record<Figures, number>;
  },
};
const emptyLoop: Contender<Figures> = {
  name: 'empty loop',
  async run() {
    const bytes = await bytesPerMessage('empty loop');
    return Object.fromEntries(ways.map((way) => [way, bytes])) as Record<Figures, number>;
  },
};

export const allocation: Bench = {
  name: 'allocation',
  run: () =>
    compare({
      runs: 3,
      ours: percore,
      baselines: [emptyLoop],
      figures: ways.map((way): Figure<Figures> => ({
        of: way,
        metric: 'heap',
        params: { way },
        unit: 'bytes/message',
        better: 'lower',
        targets: { 'empty loop': { of: 'value', atMost: 0 } },
      })),
    }),
};

/**
 * Suite `micro`: nanoseconds for one operation, in one thread without contention, measured by tinybench, which calls a
 * function with many operations. The baseline is the empty loop, which shows how much of a figure is the measuring
 * itself. There are no targets, since the figures that matter are in the other suites.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { compare, type Bench, type Contender, type Suite } from '../harness.js';
import type { MicroWorkerData } from './micro/micro-worker.js';
import { EMPTY_LOOP, operationNames } from './micro/operations.js';

const RUNS = 5;

/**
 * Runs one operation in an isolate of its own, since code that has seen the objects of two operations is slower for
 * both.
 */
const contender = (name: string, operation: string): Contender<'time'> => ({
  name,
  async run() {
    const workerData: MicroWorkerData = { operation };
    const worker = new Worker(new URL('./micro/micro-worker.js', import.meta.url), { workerData });
    const [time] = (await once(worker, 'message')) as [number];
    await worker.terminate();
    return { time };
  },
});

const micro: Suite = {
  name: 'micro',
  benches: operationNames.map((operation): Bench => ({
    name: operation,
    run: () => compare({
      runs: RUNS,
      ours: contender('percore', operation),
      baselines: [contender('empty loop', EMPTY_LOOP)],
      figures: [{ of: 'time', metric: 'p50', unit: 'ns', better: 'lower' }],
    }),
  })),
};
export default micro;

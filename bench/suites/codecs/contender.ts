/** Makes a contender of a trip. Each run has a fresh worker on the first CPU. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { twoCpus } from '../../cpus.js';
import { check, type Contender, type Figure } from '../../harness.js';
import type { TripResult, TripWorkerData } from './trip-worker.js';
import type { TripName } from './trips.js';

export function tripContender(name: TripName, shownName: string = name): Contender<'rate'> {
  return {
    name: shownName,
    async run() {
      const workerData: TripWorkerData = { name, cpu: twoCpus()[0] };
      const worker = new Worker(new URL('./trip-worker.js', import.meta.url), { workerData });
      const [{ rate, isRight }] = (await once(worker, 'message')) as [TripResult];
      await worker.terminate();
      check(isRight, `${name}: what came back is not what was sent`);
      return { rate };
    },
  };
}

export const rateFigure = (params: Figure['params'], targets?: Figure['targets']): Figure<'rate'> =>
  ({ of: 'rate', metric: 'rate', unit: 'M/s', better: 'higher', params, targets });

/**
 * Row `dispatch`: a message to a task of the same reactor until its step runs, in batches, against what Node has for
 * the same: `setImmediate` and `queueMicrotask`. Nanoseconds for each, amortised: sending, selecting, the turn and its
 * way through libuv are all in it. Each run is a process of its own on one CPU.
 */
import { fileURLToPath } from 'node:url';
import { twoCpus } from '../../cpus.js';
import { compare, type Bench, type Contender } from '../../harness.js';
import { runProgram } from '../../programs.js';

const RUNS = 5;

export interface DispatchReport {
  readonly nsEach: number;
}
export type Way = 'percore' | 'setImmediate' | 'queueMicrotask';

export const dispatch: Bench = {
  name: 'dispatch',
  run: () => compare({
    runs: RUNS,
    ours: contender('percore'),
    baselines: [contender('setImmediate'), contender('queueMicrotask')],
    figures: [{
      of: 'nsEach', metric: 'time', unit: 'ns', better: 'lower',
      targets: { setImmediate: { of: 'ratio', atMost: 1 / 15 }, queueMicrotask: { of: 'value', atMost: 60 } },
    }],
  }),
};

function contender(name: Way): Contender<'nsEach'> {
  return {
    name,
    run: async () => (await runProgram('taskset', [
      '-c', twoCpus()[1], process.execPath, fileURLToPath(new URL('./dispatch-process.js', import.meta.url)), name,
    ])) as unknown as DispatchReport,
  };
}

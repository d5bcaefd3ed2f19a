/**
 * Row `dispatch`: from sending a message to a task of the same reactor until its step runs, against what Node has for
 * the same: `setImmediate` and `queueMicrotask`. The figure is nanoseconds for each, and includes sending, selecting,
 * the turn and its pass through libuv. Either one message is under way, and each step sends the next; or 512 are, and
 * Node needs one pass of its loop for all of them. Each run is a process of its own on one CPU.
 */
import { fileURLToPath } from 'node:url';
import { twoCpus } from '../../cpus.js';
import { compare, type Bench, type Contender, type Finding, type Target } from '../../harness.js';
import { runProgram } from '../../programs.js';

const RUNS = 5;

export interface DispatchReport {
  readonly nsEach: number;
}
export type Way = 'percore' | 'setImmediate' | 'queueMicrotask';

export const dispatch: Bench = {
  name: 'dispatch',
  run: async () => [
    ...(await rows(1, { setImmediate: { of: 'ratio', atMost: 1 / 15 } })),
    ...(await rows(512, { queueMicrotask: { of: 'value', atMost: 60 } })),
  ],
};

function rows(underWay: number, targets: Readonly<Record<string, Target>>): Promise<Finding[]> {
  return compare({
    runs: RUNS,
    ours: contender('percore', underWay),
    baselines: [contender('setImmediate', underWay), contender('queueMicrotask', underWay)],
    figures: [{ of: 'nsEach', metric: 'time', unit: 'ns', better: 'lower', params: { underWay }, targets }],
  });
}

function contender(name: Way, underWay: number): Contender<'nsEach'> {
  return {
    name,
    run: async () => (await runProgram('taskset', [
      '-c', twoCpus()[1], process.execPath, fileURLToPath(new URL('./dispatch-process.js', import.meta.url)), name,
      underWay,
    ])) as unknown as DispatchReport,
  };
}

/**
 * Rows `create` and `cancel`: timers a second while a million others with mixed delays are live, against setTimeout and
 * clearTimeout. Both figures include the drain into the native wheel. Only timers that the wheel already has are
 * cancelled, in the order of their creation and in a random one, in which memory latency is most of the cost for both
 * sides. `call` is the method: `after` reads the clock itself, which is a third of its time, and `at` is given a
 * deadline. Each run is a process of its own and is pinned, since otherwise one side would pay for what the other
 * leaves to the collector.
 */
import { fileURLToPath } from 'node:url';
import { compare, type Bench, type Contender, type Figure } from '../../harness.js';
import { twoCpus } from '../../cpus.js';
import { runProgram } from '../../programs.js';
import type { CreateReport } from './create-process.js';

const RUNS = 3;
const LIVE = 1_000_000;

type Figures = keyof CreateReport;
type Order = 'as created' | 'shuffled';
type Call = 'after' | 'at';

const rate = { metric: 'rate', unit: 'timers/s', better: 'higher' } as const;
const created = (call: Call): Figure<Figures> => ({
  ...rate,
  of: 'createRate',
  params: { live: LIVE, call },
  targets: { setTimeout: { of: 'ratio', atLeast: 20 } },
});
const cancelled = (order: Order): Figure<Figures> => ({
  ...rate,
  of: 'cancelRate',
  params: { live: LIVE, order },
  targets: { clearTimeout: { of: 'ratio', atLeast: 8 } },
});

export const createRow: Bench = {
  name: 'create',
  async run() {
    const findings = [];
    for (const call of ['after', 'at'] as const) {
      findings.push(
        ...(await compare({
          runs: RUNS,
          ours: contender('percore', 'as created', call),
          baselines: [contender('setTimeout', 'as created')],
          figures: [created(call)],
        })),
      );
    }
    return findings;
  },
};

export const cancelRow: Bench = {
  name: 'cancel',
  async run() {
    const findings = [];
    for (const order of ['as created', 'shuffled'] as const) {
      findings.push(
        ...(await compare({
          runs: RUNS,
          ours: contender('percore', order, 'after'),
          baselines: [contender('clearTimeout', order)],
          figures: [cancelled(order)],
        })),
      );
    }
    return findings;
  },
};

function contender(
  name: 'percore' | 'setTimeout' | 'clearTimeout', order: Order, call: Call | 'setTimeout' = 'setTimeout',
): Contender<Figures> {
  return {
    name,
    run: async () =>
      (await runProgram('taskset', [
        '-c', twoCpus()[1], process.execPath, fileURLToPath(new URL('./create-process.js', import.meta.url)), call,
        order,
      ])) as unknown as CreateReport,
  };
}

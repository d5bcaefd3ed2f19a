/**
 * Row `cross-dispatch`: from sending a message to a task on another spinning reactor until the step runs. The time is
 * half of a round trip between two tasks, for ours and for the baselines. The rate is that of bursts; each message is
 * checked.
 */
import { createRuntime } from 'percore';
import { twoCpus } from '../../cpus.js';
import { check, compare, type Bench, type Contender } from '../../harness.js';
import { postMessage as postMessageRate } from '../queues/post-message.js';
import { plainThreads, postMessage, reactors, type Plan } from '../spine/round-trip.js';
import type { CrossServices } from './cross-dispatch-reactor.js';

const RUNS = 9;
const plan: Plan = { warmupMs: 300, measureMs: 300 };

export const crossDispatch: Bench = {
  name: 'cross-dispatch',
  run: async () => [
    ...(await compare({
      runs: RUNS,
      ours: oneWay(reactors('spin', plan)),
      baselines: [oneWay(plainThreads('C++ seq_cst', 1_000_000)), oneWay(postMessage(plan))],
      figures: [{
        of: 'p50', metric: 'p50', unit: 'us', better: 'lower', targets: { 'C++ seq_cst': { of: 'ratio', atMost: 4 } },
      }],
    })),
    ...(await compare({
      runs: RUNS,
      ours: bursts,
      baselines: [postMessageRate()],
      figures: [
        {
          of: 'rate', metric: 'rate', unit: 'M messages/s', better: 'higher', params: { bytes: 8 },
          targets: { postMessage: { of: 'ratio', atLeast: 10 } },
        },
        {
          of: 'rate', metric: 'rate', unit: 'M messages/s', better: 'higher', params: { bytes: 8, target: 'absolute' },
          targets: { postMessage: { of: 'value', atLeast: 8 } },
        },
      ],
    })),
  ],
};

function oneWay(contender: Contender<'p50' | 'p99'>): Contender<'p50'> {
  return { name: contender.name, run: async () => ({ p50: (await contender.run()).p50 / 2 }) };
}

const bursts: Contender<'rate'> = {
  name: 'percore',
  async run() {
    await using runtime = await createRuntime<{ calls: CrossServices }>({
      entry: new URL('./cross-dispatch-reactor.js', import.meta.url), reactors: 2, pin: twoCpus(),
      idle: { strategy: 'spin' },
    });
    const { rate, wrong } = await runtime.call('measure', undefined, { reactor: 1, timeoutMs: 60_000 });
    check(wrong === 0, `${wrong} messages came out of turn`);
    // In millions, as in the baseline.
    return { rate: rate / 1e6 };
  },
};

/**
 * Row `reactor-round-trip`: two spinning reactors against two workers with postMessage and two spinning C++ threads.
 */
import { compare, type Bench } from '../../harness.js';
import { plainThreads, postMessage, reactors, type Plan } from './round-trip.js';

const RUNS = 9;
const plan: Plan = { warmupMs: 300, measureMs: 300 };
const targets = { 'postMessage': { of: 'ratio', atMost: 1 / 40 }, 'C++ seq_cst': { of: 'ratio', atMost: 4 } } as const;

export const reactorRoundTrip: Bench = {
  name: 'reactor-round-trip',
  run: () => compare({
    runs: RUNS,
    ours: reactors('spin', plan),
    // C++ comes next to ours, since this ratio depends most on where the CPUs are at the moment.
    baselines: [plainThreads('C++ seq_cst', 1_000_000), postMessage(plan)],
    figures: [
      { of: 'p50', metric: 'p50', unit: 'us', better: 'lower', targets },
      { of: 'p99', metric: 'p99', unit: 'us', better: 'lower' },
    ],
  }),
};

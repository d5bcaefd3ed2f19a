/**
 * Row `overhead`: the round trip of `spine` with figures of tasks, with a bound besides, so that causes are recorded,
 * and with the counters page, each against off. A reactor that answers one message at a time is where it costs most: a
 * turn for each step.
 */
import { publishCounters, setSlo, type Runtime } from 'percore';
import { compare, type Bench, type Finding } from '../../harness.js';
import { reactors, type Plan } from '../spine/round-trip.js';

const RUNS = 9;
const plan: Plan = { warmupMs: 300, measureMs: 300 };
const PAGE_EVERY_MS = 100;

interface Watched {
  readonly of: string;
  readonly metrics: boolean;
  readonly most: number;
  readonly onStart?: (runtime: Runtime) => void;
}
const WAYS: readonly Watched[] = [
  {
    of: 'page', metrics: false, most: 0.01,
    onStart: (runtime) => void publishCounters(runtime, { everyMs: PAGE_EVERY_MS }),
  },
  { of: 'figures', metrics: true, most: 0.02 },
  // It is never broken: what is measured is to remember, not to report.
  {
    of: 'recorder', metrics: true, most: 0.03,
    onStart: (runtime) => void setSlo(runtime, { priority: 3 }, { responseNs: 1e9 }),
  },
];

export const overhead: Bench = {
  name: 'overhead',
  async run() {
    const findings: Finding[] = [];
    for (const { of, metrics, most, onStart } of WAYS) {
      findings.push(...(await compare({
        runs: RUNS,
        ours: reactors('spin', plan, { metrics }, onStart),
        baselines: [{ ...reactors('spin', plan), name: 'off' }],
        figures: [{
          of: 'p50', metric: 'p50', unit: 'us', better: 'lower', params: { with: of, of: 'round trip' },
          targets: { off: { of: 'ratio', atMost: 1 + most } },
        }],
        hasOursAmongBaselines: true,
      })));
    }
    return findings;
  },
};

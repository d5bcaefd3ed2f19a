/**
 * Row `discipline-cost`: the round trip and the load balancer of `spine` with each discipline, against the strict one.
 * A discipline costs most in a reactor that answers one message at a time, where there is nothing to choose. The load
 * balancer has work in all bands.
 */
import { compare, type Bench, type Finding, type Target } from '../../harness.js';
import { percore } from '../spine/load-balancer.js';
import { throughputOf } from '../spine/load-balancer-throughput.js';
import { reactors, type Plan } from '../spine/round-trip.js';
import { DISCIPLINES } from './select.js';

const RUNS = 9;
const LOAD_RUNS = 5;
const plan: Plan = { warmupMs: 300, measureMs: 300 };
/** Disciplines that share out time, or look at the clock, may cost more. */
const MOST = { roundRobin: 0.05, weighted: 0.05, shares: 0.1, deadline: 0.1 } as const;

export const disciplineCost: Bench = {
  name: 'discipline-cost',
  async run() {
    const findings: Finding[] = [];
    for (const [name, most] of Object.entries(MOST)) {
      const { discipline } = DISCIPLINES.find((one) => one.name === name)!;
      const latency: Target = { of: 'ratio', atMost: 1 + most };
      const rate: Target = { of: 'ratio', atLeast: 1 - most };
      findings.push(...(await compare({
        runs: RUNS,
        ours: reactors('spin', plan, { discipline }),
        baselines: [{ ...reactors('spin', plan), name: 'strict' }],
        figures: [{
          of: 'p50', metric: 'p50', unit: 'us', better: 'lower', params: { discipline: name, of: 'round trip' },
          targets: { strict: latency },
        }],
        hasOursAmongBaselines: true,
      })), ...(await compare({
        runs: LOAD_RUNS,
        ours: throughputOf({ ...percore, name, options: ['--discipline', name] }),
        baselines: [throughputOf({ ...percore, name: 'strict' })],
        figures: [{
          of: 'rate', metric: 'rate', unit: 'lines/s', better: 'higher',
          params: { discipline: name, of: 'load balancer' }, targets: { strict: rate },
        }],
        hasOursAmongBaselines: true,
      })));
    }
    return findings;
  },
};

/**
 * Row `overhead`: the round trip and the load balancer of `spine` with figures of tasks, with a bound in addition, so
 * that causes are recorded, and with the counters page, each compared with everything off. It costs most in a reactor
 * that answers one message at a time, where each step has a turn of its own. The row also has what a step costs more by
 * itself, as `metricsOf` measures it.
 */
import { createRuntime, metricsOf, publishCounters, setSlo, type Runtime } from 'percore';
import { compare, type Bench, type Finding } from '../../harness.js';
import { percore } from '../spine/load-balancer.js';
import { throughputOf } from '../spine/load-balancer-throughput.js';
import { reactors, type Plan } from '../spine/round-trip.js';

const RUNS = 9;
const LOAD_BALANCER_RUNS = 5;
const plan: Plan = { warmupMs: 300, measureMs: 300 };
const PAGE_EVERY_MS = 100;
const MOST_STEP_NS = 30;

interface Watched {
  readonly of: 'page' | 'figures' | 'recorder';
  readonly metrics: boolean;
  readonly most: number;
  /** Options of the load balancer. */
  readonly observe: string;
  readonly onStart?: (runtime: Runtime) => void;
}
const WAYS: readonly Watched[] = [
  {
    of: 'page', metrics: false, most: 0.01, observe: 'page',
    onStart: (runtime) => void publishCounters(runtime, { everyMs: PAGE_EVERY_MS }),
  },
  { of: 'figures', metrics: true, most: 0.02, observe: 'figures' },
  // The bound is never exceeded, since what is measured is remembering and not reporting.
  {
    of: 'recorder', metrics: true, most: 0.03, observe: 'bounds',
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
    findings.push(...(await stepCost()));
    for (const { of, most, observe } of WAYS) {
      findings.push(...(await compare({
        runs: LOAD_BALANCER_RUNS,
        ours: throughputOf({ ...percore, options: ['--observe', observe] }),
        baselines: [{ ...throughputOf(percore), name: 'off' }],
        figures: [{
          of: 'rate', metric: 'rate', unit: 'lines/s', better: 'higher', params: { with: of, of: 'load balancer' },
          targets: { off: { of: 'ratio', atLeast: 1 - most } },
        }],
        hasOursAmongBaselines: true,
      })));
    }
    return findings;
  },
};

/**
 * What figures, and the recorder in addition, cost each step in nanoseconds, as the runtime itself measures it (JR-7).
 */
function stepCost(): Promise<Finding[]> {
  return compare({
    runs: LOAD_BALANCER_RUNS,
    ours: {
      name: 'percore',
      async run() {
        await using runtime = await createRuntime({
          entry: new URL('../spine/round-trip-reactor.js', import.meta.url), reactors: 1, metrics: true,
        });
        const { ownCost: { figuresNs, recorderNs } } = metricsOf(runtime as Runtime);
        return { figures: figuresNs, recorder: figuresNs + recorderNs };
      },
    },
    baselines: [{ name: 'off', run: async () => ({ figures: 0, recorder: 0 }) }],
    figures: (['figures', 'recorder'] as const).map((of) => ({
      of, metric: 'step', unit: 'ns', better: 'lower', params: { with: of },
      targets: { off: { of: 'value', atMost: MOST_STEP_NS } },
    })),
  });
}

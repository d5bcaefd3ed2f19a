/**
 * Row `overhead`: the round trip and the load balancer of `spine` with figures of tasks, with a bound in addition, so
 * that causes are recorded, and with the counters page, each against everything off. It costs most in a reactor that
 * answers one message at a time, where each step has a turn of its own. The row also has what a step costs more by
 * itself, as `metricsOf` measures it.
 *
 * Each comparison is one process that switches between slices, since two processes of the same program differ by more
 * than the 1 to 3 % that are to be shown. The row `with: nothing` never switches: it shows what slices can resolve.
 */
import { createRuntime, metricsOf, type Runtime } from 'percore';
import { compare, type Bench, type Finding } from '../../harness.js';
import { slicedLoadBalancer } from './sliced-load-balancer.js';
import { slicedRoundTrip, type Switched } from './sliced-round-trip.js';
import { slicedFinding } from './slices.js';

const RUNS = 5;
const MOST_STEP_NS = 30;
const MOST: readonly (readonly [Switched, number | undefined])[] = [
  ['nothing', undefined], ['page', 0.01], ['figures', 0.02], ['recorder', 0.03],
];

export const overhead: Bench = {
  name: 'overhead',
  async run() {
    const findings: Finding[] = [];
    for (const [what, most] of MOST) {
      findings.push(slicedFinding(await slicedRoundTrip(what), row('round trip', what, most)));
    }
    findings.push(...(await stepCost()));
    for (const [what, most] of MOST) {
      findings.push(slicedFinding(await slicedLoadBalancer(what), row('load balancer', what, most)));
    }
    return findings;
  },
};

function row(of: string, what: Switched, most: number | undefined): Parameters<typeof slicedFinding>[1] {
  return {
    unit: of === 'round trip' ? 'rounds/s' : 'lines/s', params: { with: what, of },
    target: most === undefined ? undefined : { of: 'ratio', atLeast: 1 - most },
  };
}

/**
 * What figures, and the recorder in addition, cost each step in nanoseconds, as the runtime itself measures it (JR-7).
 */
function stepCost(): Promise<Finding[]> {
  return compare({
    runs: RUNS,
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

/**
 * Row `fairness`: four classes with shares 8 : 4 : 2 : 1 that always have work, one of them in long steps. The figure
 * is how far the class with the largest deviation is from its share over one second. The baseline is round robin, which
 * has no shares.
 */
import { createRuntime, type DisciplineChoice } from 'percore';
import { twoCpus } from '../../cpus.js';
import { check, compare, type Bench, type Contender } from '../../harness.js';
import type { FairnessServices } from './fairness-reactor.js';

const RUNS = 5;
const SHARES = { 6: 8, 4: 4, 2: 2, 0: 1 } as const;
const SECONDS = 1;

export const fairness: Bench = {
  name: 'fairness',
  run: () => compare({
    runs: RUNS,
    ours: contender('percore, shares', { kind: 'shares', shares: SHARES }),
    baselines: [contender('percore, roundRobin', 'roundRobin')],
    figures: [{
      of: 'worst', metric: 'worst deviation', unit: '%', better: 'lower', params: { shares: '8:4:2:1' },
      targets: { 'percore, roundRobin': { of: 'value', atMost: 5 } },
    }],
    hasOursAmongBaselines: true,
  }),
};

function contender(name: string, discipline: DisciplineChoice): Contender<'worst'> {
  return {
    name,
    async run() {
      await using runtime = await createRuntime<{ calls: FairnessServices }>({
        entry: new URL('./fairness-reactor.js', import.meta.url), reactors: 1, pin: [twoCpus()[1]], discipline,
      });
      const used = await runtime.call('measure', SECONDS * 1e9, { timeoutMs: 60_000 });
      const total = used.reduce((sum, ns) => sum + ns, 0);
      check(total > SECONDS * 0.5e9, `the classes have used ${total} ns of ${SECONDS} s`);
      const sum = Object.values(SHARES).reduce((a, b) => a + b, 0);
      const deviations = Object.entries(SHARES).map(([band, shares]) =>
        Math.abs(used[Number(band)] / total / (shares / sum) - 1));
      return { worst: 100 * Math.max(...deviations) };
    },
  };
}

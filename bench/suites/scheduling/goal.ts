/**
 * Row `goal`: a class with a goal of 1 ms beside a bulk task with endless steps of 200 µs. The figures are how long the
 * class waits (p99, from ready to running) and what is left for the bulk task. The baseline has the same shares without
 * a goal.
 */
import { createRuntime, type DisciplineChoice } from 'percore';
import { twoCpus } from '../../cpus.js';
import { check, compare, type Bench, type Contender } from '../../harness.js';
import type { GoalServices } from './goal-reactor.js';

const RUNS = 5;
const GOAL_NS = 1_000_000;
const STEP_NS = 200_000;
/**
 * The class has a hundredth of the bulk task's shares, which is less than it needs. The timer that feeds it has enough.
 */
const SHARES = { 7: 100, 6: 1, 1: 100 } as const;

export const goal: Bench = {
  name: 'goal',
  run: () => compare({
    runs: RUNS,
    ours: contender('percore, goal', { kind: 'shares', shares: SHARES, goalsNs: { 6: GOAL_NS } }, 100),
    baselines: [contender('percore, no goal', { kind: 'shares', shares: SHARES }, 0)],
    figures: [
      {
        of: 'p99', metric: 'p99', unit: 'us', better: 'lower', params: { goalUs: GOAL_NS / 1000 },
        targets: { 'percore, no goal': { of: 'value', atMost: (GOAL_NS + STEP_NS) / 1000 } },
      },
      {
        of: 'bulk', metric: 'bulk', unit: '%', better: 'higher', params: { goalUs: GOAL_NS / 1000 },
        targets: { 'percore, no goal': { of: 'value', atLeast: 90 } },
      },
    ],
    hasOursAmongBaselines: true,
  }),
};

/** The class must run at least so many of the 1,600 steps that it gets. */
function contender(name: string, discipline: DisciplineChoice, least: number): Contender<'p99' | 'bulk'> {
  return {
    name,
    async run() {
      await using runtime = await createRuntime<{ calls: GoalServices }>({
        entry: new URL('./goal-reactor.js', import.meta.url), reactors: 1, pin: [twoCpus()[1]], discipline,
      });
      const plan = { forNs: 2e9, stepNs: STEP_NS };
      const { p99Ns, bulk, steps } = await runtime.call('measure', plan, { timeoutMs: 60_000 });
      check(steps >= least, `the class has run ${steps} steps in two seconds`);
      return { p99: p99Ns / 1000, bulk: 100 * bulk };
    },
  };
}

/** Messages a second of one of ours against peers, in turn. */
import { compare, type Contender, type Finding, type Target } from '../../harness.js';
import { contenders, type Trial } from './programs.js';

/** Fewer than elsewhere: a row has many baselines, and those in Java take a second and a half each. */
export const RUNS = 5;

export async function rates(
  ours: Contender<'rate'>,
  trials: readonly Trial[],
  aims: Readonly<Record<string, number>>,
  params: Readonly<Record<string, string | number>>,
): Promise<Finding[]> {
  const { present, note } = await contenders<'rate'>(trials);
  const targets = Object.fromEntries(
    Object.entries(aims).map(([name, atLeast]): [string, Target] => [name, { of: 'ratio', atLeast }]),
  );
  return compare({
    runs: RUNS,
    ours,
    baselines: present,
    figures: [{ of: 'rate', metric: 'rate', unit: 'M messages/s', better: 'higher', params, targets }],
    note: () => note,
  });
}

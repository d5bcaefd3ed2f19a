/** Messages a second of ours against peers, in turn. */
import { compare, finding, type Contender, type Finding, type Target } from '../../harness.js';
import { packages, type PackageTrial } from './npm.js';
import { noteOf, queues, together, type Trial } from './programs.js';

/**
 * The number of runs. It is lower than elsewhere, since a row has many baselines. PERCORE_PEERS_RUNS may set another
 * odd number: a higher one for figures that are to be kept, or 1 to see whether everything works.
 */
export const RUNS = Number(process.env['PERCORE_PEERS_RUNS'] ?? 3);

/** One form of ours, and its target. */
export interface Ours {
  readonly contender: Contender<'rate'>;
  readonly params: Readonly<Record<string, string | number>>;
  /** The least ratio that is the target, by peer. */
  readonly aims?: Readonly<Record<string, number>>;
}

/**
 * Runs all forms of ours and all peers in turn. The peers run only once for all forms, since they take most of the
 * time. Returns a list of findings for each form, in the same order.
 */
export async function rates(
  ours: readonly Ours[], trials: readonly Trial[], npm: readonly PackageTrial<'rate'>[] = [],
): Promise<Finding[][]> {
  const all = together(await queues<'rate'>(trials), packages(npm));
  const figure = { of: 'rate', metric: 'rate', unit: 'M messages/s', better: 'higher' } as const;
  const [first, ...others] = ours.map(({ contender }, at) => ({ ...contender, name: `percore ${at}` }));
  const rows = await compare({
    runs: RUNS, ours: first, baselines: [...others, ...all.present], figures: [figure], hasOursAmongBaselines: true,
  });
  return ours.map(({ params, aims = {} }, at) => {
    const targets = Object.fromEntries(
      Object.entries(aims).map(([name, atLeast]): [string, Target] => [name, { of: 'ratio', atLeast }]),
    );
    const samples = at === 0 ? rows[0].samples.ours : rows[at - 1].samples.baseline;
    return rows.slice(others.length).map(({ baseline, samples: theirs }) => {
      const found = { ...figure, params, targets };
      return finding(found, samples, baseline.name, theirs.baseline, noteOf(all), theirs.distances);
    });
  });
}

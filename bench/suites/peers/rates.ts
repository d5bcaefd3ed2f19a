/** Messages a second of ours against peers, in turn. */
import { compare, finding, type Contender, type Finding, type Target } from '../../harness.js';
import { packages, type PackageTrial } from './npm.js';
import { noteOf, queues, together, type Trial } from './programs.js';

/**
 * Fewer than elsewhere, since a row has many baselines. PERCORE_PEERS_RUNS is another odd number: more for figures to
 * keep, 1 to see that all works.
 */
export const RUNS = Number(process.env['PERCORE_PEERS_RUNS'] ?? 3);

/** A shape of ours, and what is asked of it. */
export interface Ours {
  readonly contender: Contender<'rate'>;
  readonly params: Readonly<Record<string, string | number>>;
  /** Least ratio, by peer. */
  readonly aims?: Readonly<Record<string, number>>;
}

/**
 * All shapes of ours and all peers run in turn, once for all shapes, since the peers take most of the time. A list of
 * findings for each shape, in their order.
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
    return rows.slice(others.length).map(({ baseline, samples: theirs }) =>
      finding({ ...figure, params, targets }, samples, baseline.name, theirs.baseline, noteOf(all)));
  });
}

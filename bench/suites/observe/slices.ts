/**
 * Two states of one process, compared in slices that alternate: so both have the same threads, the same compiled code
 * and the same seconds, and what is left between them is the state.
 *
 *      on off | off on | on off | ...      one ratio for each pair; which comes first alternates, so that a machine
 *       pair                               that becomes slower weighs on both
 *
 * The figure is the median of the ratios. Its spread is the interval in which the median of so many ratios lies in 95
 * of 100 cases, by their ranks (the binomial distribution), whatever the ratios are distributed like.
 */
import type { Finding, Target } from '../../harness.js';

/** For each slice whether it is one of those that are on. */
export function slicesOf(pairs: number): boolean[] {
  return Array.from({ length: pairs }, (_, pair) => [pair % 2 === 0, pair % 2 !== 0]).flat();
}

export interface Sliced {
  /** Messages a second in each slice. */
  readonly rates: readonly number[];
  readonly isOn: readonly boolean[];
}

/** What a row says besides its figures. */
export interface SlicedRow {
  readonly unit: string;
  readonly params: Readonly<Record<string, string | number>>;
  readonly target: Target | undefined;
}

export function slicedFinding({ rates, isOn }: Sliced, { unit, params, target }: SlicedRow): Finding {
  const ours: number[] = [];
  const baseline: number[] = [];
  for (const [at, rate] of rates.entries()) (isOn[at] ? ours : baseline).push(Math.round(rate));
  // Where nothing ran in either slice, there is no ratio.
  const order = ours.map((rate, pair) => ({ pair, ratio: rate / baseline[pair] }))
    .filter(({ ratio }) => !Number.isNaN(ratio)).sort((a, b) => a.ratio - b.ratio);
  const count = order.length;
  const middle = order[count >> 1];
  const reach = 0.98 * Math.sqrt(count);
  const at = (rank: number): number => order[Math.min(count - 1, Math.max(0, Math.round(rank)))].ratio;
  const { ratio } = middle;
  const isMet = target !== undefined && ratio >= (target.atLeast ?? 0);
  return {
    metric: 'rate', params, unit, value: ours[middle.pair], better: 'higher',
    baseline: { name: 'off', value: baseline[middle.pair] }, ratio, runs: count,
    spread: { of: 'ratio', min: at(count / 2 - reach), max: at(count / 2 + reach) },
    verified: true, target: target === undefined ? null : { ...target, isMet }, samples: { ours, baseline },
    note: `one process, ${count} pairs of slices; the spread is the 95 % interval of the median ratio`,
  };
}

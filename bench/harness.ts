/**
 * What every bench is made of: contenders that run in turn, and rows with the results.
 *
 *      run 1            run 2            run 3                     one row for each figure and baseline
 *      A  B1  B2        A  B1  B2        A  B1  B2    ──pairs──> A/B1: ratios of the runs; the median's pair is the row
 *
 * Ours and its baselines run interleaved, and each run is short, because the speed of the machine changes between
 * minutes and even between seconds: a virtual machine moves its CPUs from one core complex to two and back, and then
 * everything that crosses cores takes four times as long. Two runs that follow each other usually meet the same
 * conditions, so the ratio of a pair means something, whereas that of the medians of two series would not.
 *
 *   ratio     the median over all runs of (ours / baseline) of the same run
 *   value     ours, in the run that has this ratio; so value / baseline.value is the ratio exactly
 *   spread    smallest and largest ratio over all runs; those of our value if a baseline of 0 makes ratios meaningless
 *   distance  the middle ratio of the runs in which the CPUs were near each other, and of those in which they were far
 *   samples   everything that was measured, run by run
 *   verified  every run of both sides has passed its check; otherwise there is no number, and the exit code is 1
 *
 * The number of runs is odd, so that the median is that of one run and not the middle of two.
 */
import type { Context } from './context.js';
import { byDistance, type ByDistance } from './distance.js';

/** What one run of one contender has measured, by the names of the figures. */
export type Sample<Name extends string = string> = Readonly<Record<Name, number>>;

export interface Contender<Name extends string = string> {
  /** The name. That of a baseline is exactly the one in the issue that asks for it. */
  readonly name: string;
  /** Builds what it needs, measures, checks and cleans up. Throws CheckFailed if the result is wrong. */
  run(): Promise<Sample<Name>>;
}

/** One figure of a bench: which part of a sample it is, and what the rows say about it. */
export interface Figure<Name extends string = string> {
  readonly of: Name;
  readonly metric: string;
  readonly unit: string;
  readonly better: 'higher' | 'lower';
  readonly params?: Readonly<Record<string, string | number>>;
  /** The target for each baseline. A baseline without a target is reported but not judged. */
  readonly targets?: Readonly<Record<string, Target>>;
}

export interface Target {
  readonly of: 'ratio' | 'value';
  readonly atMost?: number;
  readonly atLeast?: number;
}

export interface Row {
  readonly suite: string;
  readonly name: string;
  readonly metric: string;
  readonly params: Readonly<Record<string, string | number>>;
  readonly unit: string;
  readonly value: number | null;
  readonly better: 'higher' | 'lower';
  readonly baseline: { readonly name: string; readonly value: number | null };
  readonly ratio: number | null;
  readonly runs: number;
  readonly spread: { readonly of: 'ratio' | 'value'; readonly min: number; readonly max: number } | null;
  /** The ratio (or our value, as in `spread`) by the distance of the CPUs, where that was measured. */
  readonly distance?: ByDistance;
  readonly verified: boolean;
  readonly target: (Target & { readonly isMet: boolean }) | null;
  readonly samples: {
    readonly ours: readonly number[];
    readonly baseline: readonly number[];
    /** Around the contenders of each run: ns of a round trip between the CPUs in C++. */
    readonly distances?: readonly (readonly number[])[];
  };
  /** What a reader has to know about this figure, or why there is none. */
  readonly note?: string;
  readonly context?: Context;
}
/** A row, before the harness adds the suite and bench to which it belongs. */
export type Finding = Omit<Row, 'suite' | 'name' | 'context'>;

/** One row of the table in an issue. It may give several figures. */
export interface Bench {
  readonly name: string;
  run(): Promise<Finding[]>;
}

/** The default export of a module in suites/. */
export interface Suite {
  readonly name: string;
  readonly benches: readonly Bench[];
}

/** Says that a result was wrong, so that there is no figure. */
export class CheckFailed extends Error {
  override readonly name = 'CheckFailed';
}

/** Throws CheckFailed unless `isRight`. */
export function check(isRight: boolean, what: string): asserts isRight {
  if (!isRight) throw new CheckFailed(what);
}

export interface Comparison<Name extends string> {
  readonly runs: number;
  readonly ours: Contender<Name>;
  readonly baselines: readonly Contender<Name>[];
  readonly figures: readonly Figure<Name>[];
  /**
   * True if some of `baselines` are other forms of ours, whose samples the bench needs afterwards. Then `--alone` keeps
   * all of them.
   */
  readonly hasOursAmongBaselines?: true;
  /** Called when all runs are over. */
  readonly note?: () => string;
}

/** No run of any bench takes a tenth of this. A run that takes longer hangs, which is a failed check. */
const RUN_MS = 180_000;

let isAlone = false;
/** Leaves the baselines out of every comparison from now on, to compare two checkouts with each other. */
export function leaveBaselinesOut(): void {
  isAlone = true;
}

let measure: (() => Promise<number>) | undefined;
/** Notes from now on how far apart the CPUs are around each run (see distance.ts), or no more. */
export function noteDistances(measureDistance: (() => Promise<number>) | undefined): void {
  measure = measureDistance;
}

/** Runs ours and the baselines in turn, `runs` times, and makes one finding for each figure and baseline. */
export function compare<Name extends string>(comparison: Comparison<Name>): Promise<Finding[]> {
  return compareAll([comparison]);
}

/**
 * The same for several comparisons whose runs take turns. Each round of runs begins with another one, so that no
 * comparison is always the first in the process. All have equally many runs.
 */
export async function compareAll<Name extends string>(comparisons: readonly Comparison<Name>[]): Promise<Finding[]> {
  const { runs } = comparisons[0];
  if (runs % 2 === 0) throw new RangeError(`runs is ${runs}, allowed are odd numbers`);
  const all = comparisons.map((comparison) => {
    const omitsBaselines = isAlone && comparison.hasOursAmongBaselines !== true;
    const baselines = omitsBaselines ? [] : comparison.baselines;
    const contenders = [comparison.ours, ...baselines];
    const samples = contenders.map((): Sample<Name>[] => []);
    return { comparison, omitsBaselines, baselines, contenders, samples, distances: [] as number[][] };
  });
  for (let run = 0; run < runs; run++) {
    for (let turn = 0; turn < all.length; turn++) {
      const { contenders, samples, distances } = all[(run + turn) % all.length];
      const around = measure === undefined ? [] : [await measure()];
      for (const [at, contender] of contenders.entries()) {
        progress(`${contender.name} ${run + 1}/${runs}`);
        samples[at].push(await withinTime(contender));
        if (measure !== undefined) around.push(await measure());
      }
      distances.push(around);
    }
  }
  return all.flatMap(({ comparison: { figures, note }, omitsBaselines, baselines, samples, distances }) =>
    figures.flatMap((figure) => {
      const of = (contender: number): number[] => samples[contender].map((sample) => sample[figure.of]);
      if (omitsBaselines) return [finding(figure, of(0), 'none', of(0), note?.(), distances)];
      return baselines.map(({ name }, at) => finding(figure, of(0), name, of(at + 1), note?.(), distances));
    }));
}

async function withinTime<Name extends string>(contender: Contender<Name>): Promise<Sample<Name>> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new CheckFailed(`${contender.name} has not finished within ${RUN_MS / 1000} s`)),
      RUN_MS,
    );
  });
  try {
    return await Promise.race([contender.run(), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The row for one figure and one baseline: that of the pair of runs with the median ratio. */
export function finding(
  figure: Figure,
  ours: readonly number[],
  baselineName: string,
  baseline: readonly number[],
  note?: string,
  distances: readonly (readonly number[])[] = [],
): Finding {
  const ratios = ours.map((value, run) => value / baseline[run]);
  const hasRatio = ratios.every(Number.isFinite);
  const ranked = hasRatio ? ratios : ours;
  const middle = medianRun(ranked);
  const value = ours[middle];
  const ratio = hasRatio ? ratios[middle] : null;
  const target = figure.targets?.[baselineName];
  return {
    metric: figure.metric,
    params: figure.params ?? {},
    unit: figure.unit,
    value,
    better: figure.better,
    baseline: { name: baselineName, value: baseline[middle] },
    ratio,
    runs: ours.length,
    spread: { of: hasRatio ? 'ratio' : 'value', min: Math.min(...ranked), max: Math.max(...ranked) },
    ...(distances.flat().some(Number.isFinite) ? { distance: byDistance(ranked, distances) } : {}),
    verified: true,
    target: target === undefined ? null : { ...target, isMet: isWithin(target, target.of === 'ratio' ? ratio : value) },
    samples: { ours, baseline, ...(distances.flat().length === 0 ? {} : { distances }) },
    ...(note === undefined ? {} : { note }),
  };
}

/** The row for a figure whose check has failed, or that could not be measured. */
export function refusal(why: string): Finding {
  return {
    metric: 'none',
    params: {},
    unit: '',
    value: null,
    better: 'lower',
    baseline: { name: 'none', value: null },
    ratio: null,
    runs: 0,
    spread: null,
    verified: false,
    target: null,
    samples: { ours: [], baseline: [] },
    note: why,
  };
}

/**
 * A percentile by nearest rank: the smallest value that at least `percent` of all values do not exceed. `sorted` must
 * be in ascending order and not empty.
 */
export function percentile(sorted: ArrayLike<number>, percent: number): number {
  return sorted[Math.max(0, Math.ceil((sorted.length * percent) / 100) - 1)];
}

/**
 * Writes to stderr what is running, so that nobody takes a long silence for a hang. On a terminal it rewrites one line.
 */
export function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The index of the run whose value is the median. */
function medianRun(values: readonly number[]): number {
  const order = values.map((_, run) => run).sort((a, b) => values[a] - values[b]);
  return order[order.length >> 1];
}

function isWithin(target: Target, value: number | null): boolean {
  return value !== null && value <= (target.atMost ?? Infinity) && value >= (target.atLeast ?? -Infinity);
}

/**
 * Jitter: by how much an interval differs from what it should have been. Values are recorded one by one and summarized
 * in constant memory.
 *
 *      record(jitter) ──> the first `exactSamples` values ──────────┐ up to this number the summary is exact,
 *                    └──> log-linear histograms of late and early ──┴ beyond it within 3.2 %, and never too small
 *
 * Percentiles are by nearest rank: the smallest value that this share of all values does not exceed. So each percentile
 * is a value that has occurred, or the upper end of its histogram step. *Signed* percentiles go from the earliest to
 * the latest, *absolute* ones only say how far off. Linear interpolation, which others use, can give values between two
 * modes that never occur.
 */
import { checkInteger, checkOptions, invalidArgument } from '../errors.js';
import { Histogram, HISTOGRAM_WORDS } from '../observe/index.js';
import type { RateTick } from './tick-grid.js';

/**
 * One interval: how long it should have been, and how long it was.
 *
 *     const timer = createRateTimer({ rateHz: 100 }, (tick) => {
 *       if (!JitterMeasurement.of(tick).isWithinTolerance(500_000)) console.log('off by more than half a millisecond');
 *     });
 */
export class JitterMeasurement {
  /** The actual interval minus the expected one, in nanoseconds: above 0 is late, below 0 early. */
  readonly jitterNs: number;

  /**
   * Intervals are in nanoseconds; `timestampNs` is the time at which the interval ended. Throws
   * ERR_PERCORE_INVALID_ARGUMENT for anything but finite numbers.
   */
  constructor(readonly expectedIntervalNs: number, readonly actualIntervalNs: number, readonly timestampNs: number) {
    checkFinite('expectedIntervalNs', expectedIntervalNs);
    checkFinite('actualIntervalNs', actualIntervalNs);
    checkFinite('timestampNs', timestampNs);
    this.jitterNs = actualIntervalNs - expectedIntervalNs;
  }

  /** The interval from the tick before `tick` to this one. */
  static of(tick: RateTick): JitterMeasurement {
    if (typeof tick !== 'object' || tick === null) throw invalidArgument('tick', tick, 'a tick of a rate timer');
    return new JitterMeasurement(tick.expectedIntervalNs, tick.actualIntervalNs, tick.actualNs);
  }

  /** The jitter without its sign, in nanoseconds. */
  get absoluteJitterNs(): number {
    return Math.abs(this.jitterNs);
  }

  /** True if the interval was early or late by `toleranceNs` at most. */
  isWithinTolerance(toleranceNs: number): boolean {
    return this.absoluteJitterNs <= checkTolerance(toleranceNs);
  }
}

/** Percentiles in nanoseconds; all are 0 if nothing was recorded. */
export interface Percentiles {
  /** The median. */
  readonly p50Ns: number;
  /** The value that 95 % do not exceed. */
  readonly p95Ns: number;
  /** The value that 99 % do not exceed. */
  readonly p99Ns: number;
  /** The value that 99.9 % do not exceed. */
  readonly p999Ns: number;
  /** The smallest value. */
  readonly minNs: number;
  /** The largest value. */
  readonly maxNs: number;
}

/**
 * A summary of jitter values. Its own percentiles are those of the absolute jitter; those in `signed` tell early from
 * late.
 */
export interface JitterStats extends Percentiles {
  /** Percentiles of the jitter with its sign: below 0 is early. */
  readonly signed: Percentiles;
  /** The mean of the signed jitter in nanoseconds. It is not near 0 if a clock runs too fast or too slow. */
  readonly meanNs: number;
  /** How many values were recorded. */
  readonly count: number;
  /** How many values were early or late by `toleranceNs` at most. */
  readonly withinTolerance: number;
  /** The share of such values, 0 to 1; it is 1 if nothing was recorded. */
  readonly shareWithinTolerance: number;
  /** The tolerance with which values were compared, in nanoseconds. */
  readonly toleranceNs: number;
  /**
   * True while no more than `exactSamples` values were recorded. Beyond that, percentiles are within 3.2 %; minimum,
   * maximum, mean and counts are always exact.
   */
  readonly isExact: boolean;
}

/** The options of a JitterRecorder. */
export interface JitterOptions {
  /** The largest jitter that counts as within tolerance, in nanoseconds. Default 2,000,000. */
  toleranceNs?: number;
  /** How many values are kept for exact percentiles: 0 to 2^20, at eight bytes each. Default 4,096. */
  exactSamples?: number;
}

export const DEFAULT_TOLERANCE_NS = 2_000_000;

/**
 * Records jitter values one by one and summarizes them.
 *
 *     const jitter = new JitterRecorder({ toleranceNs: 500_000 });
 *     const timer = createRateTimer({ rateHz: 1000 }, (tick) => jitter.record(tick.latenessNs));
 *     // Later:
 *     const { p50Ns, p99Ns, maxNs, shareWithinTolerance } = jitter.stats();
 *
 * It allocates about 50 KiB when it is made, and nothing when it records. Only one thread may use it.
 */
export class JitterRecorder {
  /** The tolerance with which each value is compared, in nanoseconds. */
  readonly toleranceNs: number;
  private readonly exact: Float64Array;
  private readonly lateWords = new Uint32Array(HISTOGRAM_WORDS);
  private readonly earlyWords = new Uint32Array(HISTOGRAM_WORDS);
  private readonly late = new Histogram(this.lateWords);
  private readonly early = new Histogram(this.earlyWords);
  private samples = 0;
  private earlySamples = 0;
  private sumNs = 0;
  private leastNs = Infinity;
  private mostNs = -Infinity;
  private leastAbsoluteNs = Infinity;
  private within = 0;

  constructor(options: JitterOptions = {}) {
    checkOptions('options', options, ['toleranceNs', 'exactSamples']);
    this.toleranceNs = checkTolerance(options.toleranceNs ?? DEFAULT_TOLERANCE_NS);
    this.exact = new Float64Array(checkInteger('exactSamples', options.exactSamples ?? 4096, 0, 2 ** 20));
  }

  /** How many values were recorded since the last reset. */
  get count(): number {
    return this.samples;
  }

  /**
   * Adds a signed jitter in nanoseconds. Takes about 20 ns and does not allocate. Throws ERR_PERCORE_INVALID_ARGUMENT
   * for anything but a finite number.
   */
  record(jitterNs: number): void {
    if (!Number.isFinite(jitterNs)) checkFinite('jitterNs', jitterNs);
    const absoluteNs = Math.abs(jitterNs);
    if (this.samples < this.exact.length) this.exact[this.samples] = jitterNs;
    this.samples++;
    this.sumNs += jitterNs;
    this.leastNs = Math.min(this.leastNs, jitterNs);
    this.mostNs = Math.max(this.mostNs, jitterNs);
    this.leastAbsoluteNs = Math.min(this.leastAbsoluteNs, absoluteNs);
    if (absoluteNs <= this.toleranceNs) this.within++;
    if (jitterNs < 0) {
      this.earlySamples++;
      this.early.record(absoluteNs);
    } else {
      this.late.record(absoluteNs);
    }
  }

  /** Forgets all values. Allocates nothing. */
  reset(): void {
    this.samples = this.earlySamples = this.sumNs = this.within = 0;
    this.leastNs = this.leastAbsoluteNs = Infinity;
    this.mostNs = -Infinity;
    this.lateWords.fill(0);
    this.earlyWords.fill(0);
  }

  /**
   * Summarizes the values since the last reset. It allocates, and sorts up to `exactSamples` values, so do not call it
   * in a tick that must be punctual.
   */
  stats(): JitterStats {
    const count = this.samples;
    const isExact = count <= this.exact.length;
    return {
      ...(count === 0
        ? EMPTY
        : isExact
          ? exactPercentiles(this.exact.slice(0, count).map(Math.abs))
          : this.absolutePercentiles()),
      signed: count === 0 ? EMPTY : isExact ? exactPercentiles(this.exact.slice(0, count)) : this.signedPercentiles(),
      meanNs: count === 0 ? 0 : this.sumNs / count,
      count,
      withinTolerance: this.within,
      shareWithinTolerance: count === 0 ? 1 : this.within / count,
      toleranceNs: this.toleranceNs,
      isExact,
    };
  }

  private absolutePercentiles(): Percentiles {
    const all = new Histogram(new Uint32Array(HISTOGRAM_WORDS));
    all.add(this.late);
    all.add(this.early);
    const mostNs = Math.max(this.mostNs, -this.leastNs);
    return percentiles(
      (share) => Math.min(Math.max(all.percentile(share), this.leastAbsoluteNs), mostNs),
      this.leastAbsoluteNs,
      mostNs,
    );
  }

  private signedPercentiles(): Percentiles {
    const lateSamples = this.samples - this.earlySamples;
    const at = (share: number): number => {
      const rank = nearestRank(share, this.samples);
      // Early values have the lowest ranks, and the earliest of them, which is the largest in its histogram, has rank
      // 1. Asking for the middle of a rank keeps the rounding of the quotient from reaching the next rank.
      if (rank <= this.earlySamples) {
        return -this.early.percentile((this.earlySamples - rank + 0.5) / this.earlySamples);
      }
      return this.late.percentile((rank - this.earlySamples - 0.5) / lateSamples);
    };
    return percentiles((share) => Math.min(Math.max(at(share), this.leastNs), this.mostNs), this.leastNs, this.mostNs);
  }
}

/** Makes a summary of measurements that are kept elsewhere. */
export const JitterStats = {
  /** Summarizes these measurements. Throws ERR_PERCORE_INVALID_ARGUMENT if they are not iterable. */
  from(measurements: Iterable<JitterMeasurement>, options: JitterOptions = {}): JitterStats {
    const recorder = new JitterRecorder(options);
    if (!isIterable(measurements)) {
      throw invalidArgument('measurements', measurements, 'iterable: an array of JitterMeasurement, for example');
    }
    for (const measurement of measurements) recorder.record(measurement?.jitterNs);
    return recorder.stats();
  },
};

const EMPTY: Percentiles = { p50Ns: 0, p95Ns: 0, p99Ns: 0, p999Ns: 0, minNs: 0, maxNs: 0 };

function exactPercentiles(values: Float64Array): Percentiles {
  values.sort();
  return percentiles((share) => values[nearestRank(share, values.length) - 1]!, values[0]!, values.at(-1)!);
}

function percentiles(at: (share: number) => number, minNs: number, maxNs: number): Percentiles {
  return { p50Ns: at(0.5), p95Ns: at(0.95), p99Ns: at(0.99), p999Ns: at(0.999), minNs, maxNs };
}

/** The rank of a percentile, from 1 to `count`. */
const nearestRank = (share: number, count: number): number => Math.max(1, Math.ceil(share * count));

function checkFinite(argument: string, value: unknown): void {
  if (!Number.isFinite(value)) throw invalidArgument(argument, value, 'a finite number of nanoseconds');
}

/** True for iterable objects other than typed arrays, which cannot hold measurements. */
const isIterable = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  !ArrayBuffer.isView(value) &&
  typeof (value as Iterable<unknown>)[Symbol.iterator] === 'function';

export function checkTolerance(value: unknown): number {
  if (typeof value !== 'number' || !(value >= 0) || value === Infinity) {
    throw invalidArgument('toleranceNs', value, 'a finite number of nanoseconds, 0 or more');
  }
  return value;
}

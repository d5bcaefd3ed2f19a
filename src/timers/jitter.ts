/**
 * Jitter: by how much what happened differs from what should have. Measured one by one, summed up in constant memory.
 *
 *      record(jitter) ──> the first `exactSamples`, as they are ────┐ up to so many: exact
 *                    └──> late, early: log-linear histograms ───────┴ beyond: to within 3.2 %, rather too large
 *
 * Percentiles are by nearest rank: the smallest value that this share of all values does not exceed; so each is a value
 * that has occurred (or the upper end of its step). *Signed* they go from the earliest to the latest, *absolute* they
 * ask only how far off. Linear interpolation, as some do, gives values between two modes that never occur.
 */
import { checkInteger, checkOptions, invalidArgument } from '../errors.js';
import { Histogram, HISTOGRAM_WORDS } from '../observe/index.js';
import type { RateTick } from './tick-grid.js';

/** One interval as it should have been and as it was. */
export class JitterMeasurement {
  /** actual less expected: + late, - early. */
  readonly jitterNs: number;

  /** Intervals in nanoseconds; `timestampNs` is when it ended. */
  constructor(readonly expectedIntervalNs: number, readonly actualIntervalNs: number, readonly timestampNs: number) {
    checkFinite('expectedIntervalNs', expectedIntervalNs);
    checkFinite('actualIntervalNs', actualIntervalNs);
    checkFinite('timestampNs', timestampNs);
    this.jitterNs = actualIntervalNs - expectedIntervalNs;
  }

  /** From the last tick to this one. */
  static of(tick: RateTick): JitterMeasurement {
    if (typeof tick !== 'object' || tick === null) throw invalidArgument('tick', tick, 'a tick of a rate timer');
    return new JitterMeasurement(tick.expectedIntervalNs, tick.actualIntervalNs, tick.actualNs);
  }

  /** The jitter without its sign. */
  get absoluteJitterNs(): number {
    return Math.abs(this.jitterNs);
  }

  /** Early or late by at most this, inclusive. */
  isWithinTolerance(toleranceNs: number): boolean {
    return this.absoluteJitterNs <= checkTolerance(toleranceNs);
  }
}

/** Nanoseconds each, 0 when nothing was recorded. */
export interface Percentiles {
  /** The median, in nanoseconds. */
  readonly p50Ns: number;
  /** What 95 of 100 did not exceed. */
  readonly p95Ns: number;
  /** What 99 of 100 did not exceed. */
  readonly p99Ns: number;
  /** What 999 of 1,000 did not exceed. */
  readonly p999Ns: number;
  /** The smallest. */
  readonly minNs: number;
  /** The largest. */
  readonly maxNs: number;
}

/** A summary. Its own percentiles are of the absolute jitter, `signed` tells early from late. */
export interface JitterStats extends Percentiles {
  /** With its sign: below 0 is early. */
  readonly signed: Percentiles;
  /** Of the signed jitter: what a clock that runs fast or slow would show. */
  readonly meanNs: number;
  /** Ticks that it is made of. */
  readonly count: number;
  /** How many, and which share of all, were off by at most the tolerance; the share of none is 1. */
  readonly withinTolerance: number;
  /** The part of them, 0 to 1, that was no further off than `toleranceNs`. */
  readonly shareWithinTolerance: number;
  /** What it was compared with. */
  readonly toleranceNs: number;
  /**
   * False beyond the bound: percentiles are then told to within 3.2 %. Minimum, maximum, mean and counts are always
   * exact.
   */
  readonly isExact: boolean;
}

export interface JitterOptions {
  /** Nanoseconds, inclusive. Default 2,000,000. */
  toleranceNs?: number;
  /** Values kept as they are: 0 to 2^20, eight bytes each. Default 4,096. */
  exactSamples?: number;
}

export const DEFAULT_TOLERANCE_NS = 2_000_000;

/**
 * Takes jitter values one by one and sums them up.
 *
 *     const jitter = new JitterRecorder({ toleranceNs: 500_000 });
 *     const timer = createRateTimer({ rateHz: 1000 }, (tick) => jitter.record(tick.latenessNs));
 *     // Later:
 *     const { p50Ns, p99Ns, maxNs, shareWithinTolerance } = jitter.stats();
 *
 * Allocates at construction (some 50 KiB), not when it records. Only one thread may use it.
 */
export class JitterRecorder {
  /** What each tick is compared with. */
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

  /** Values recorded since the last reset. */
  get count(): number {
    return this.samples;
  }

  /**
   * Adds a signed jitter in nanoseconds. About 20 ns; does not allocate. Not a number is a caller's mistake and throws.
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

  /** Forgets everything. Allocates nothing. */
  reset(): void {
    this.samples = this.earlySamples = this.sumNs = this.within = 0;
    this.leastNs = this.leastAbsoluteNs = Infinity;
    this.mostNs = -Infinity;
    this.lateWords.fill(0);
    this.earlyWords.fill(0);
  }

  /**
   * Sums up what was recorded since the last reset. Allocates and sorts (up to the bound): not in a tick that must be
   * punctual.
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
      // The early ones come first, the earliest of them, which is the largest of its histogram, before all. A rank is
      // asked for by its middle, so that the quotient's rounding cannot make it the next one.
      if (rank <= this.earlySamples) {
        return -this.early.percentile((this.earlySamples - rank + 0.5) / this.earlySamples);
      }
      return this.late.percentile((rank - this.earlySamples - 0.5) / lateSamples);
    };
    return percentiles((share) => Math.min(Math.max(at(share), this.leastNs), this.mostNs), this.leastNs, this.mostNs);
  }
}

/** Makes such a summary, of measurements that are kept elsewhere. */
export const JitterStats = {
  /** A summary of measurements that exist already. */
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

/** 1 to count. */
const nearestRank = (share: number, count: number): number => Math.max(1, Math.ceil(share * count));

function checkFinite(argument: string, value: unknown): void {
  if (!Number.isFinite(value)) throw invalidArgument(argument, value, 'a finite number of nanoseconds');
}

/** Not a typed array, which holds no measurements. */
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

/**
 * A log-linear histogram in shared memory: 32 linear steps in each power of two, so that a value is known to within 3.2
 * %, from 0 to 2^40 (18 minutes in nanoseconds), in constant memory.
 *
 *      value 0..31: exact | 32..63 by 1 | 64..127 by 2 | 128..255 by 4 | ...
 *
 * Why counts of 64 bits: at a million values a second, 32 bits would wrap within an hour. The counts are floats, exact
 * up to 2^53, because one thread can add to a float without atomics. They are statistics: a reader may see them a
 * moment late. Source: HdrHistogram (Gil Tene).
 */
import { checkInteger, invalidArgument } from '../errors.js';

const STEP_BITS = 5;
const STEPS = 1 << STEP_BITS;
const TOP_BITS = 40;
/** One more than the largest value. Written as a number, since a power with a named base is computed anew each time. */
const TOP = 2 ** TOP_BITS;
const COUNTS = (TOP_BITS - STEP_BITS + 1) * STEPS;
const MAX_AT = COUNTS;
/** The smallest value plus 1, so that 0 means that there is none. */
const MIN_AT = COUNTS + 1;
const NOTHING = Object.freeze({ count: 0, sum: 0, mean: 0, p50: 0, p99: 0, p999: 0 });
/** 32-bit words that a histogram needs: its counts, the largest and the smallest value, two words each. */
export const HISTOGRAM_WORDS: number = (COUNTS + 2) * 2;

/**
 * Counts how often each value occurs, such as latencies in nanoseconds, and gives percentiles. One thread records; any
 * thread that has the memory may read meanwhile. Nothing blocks.
 *
 *     const memory = new Uint32Array(new SharedArrayBuffer(HISTOGRAM_WORDS * 4));      // pass it to other threads
 *     const latencies = new Histogram(memory);
 *     latencies.record(1_250);
 *     latencies.percentile(0.99);
 */
export class Histogram {
  private readonly counts: Float64Array;

  /**
   * `memory` is all zeros, or belongs to another thread's histogram. It begins at a multiple of 8 bytes and has
   * HISTOGRAM_WORDS words or more. Throws ERR_PERCORE_INVALID_ARGUMENT.
   */
  constructor(memory: Uint32Array) {
    if (!(memory instanceof Uint32Array) || memory.length < HISTOGRAM_WORDS || memory.byteOffset % 8 !== 0) {
      const words = `${HISTOGRAM_WORDS} words (HISTOGRAM_WORDS)`;
      throw invalidArgument('memory', memory, `a Uint32Array of ${words} or more that begins at a multiple of 8 bytes`);
    }
    this.counts = new Float64Array(memory.buffer, memory.byteOffset, COUNTS + 2);
  }

  /**
   * Adds `count` values (a whole number from 0 to 2^53 - 1) of `value`. Fractions are cut off. A value below 0 counts
   * as 0; values from 2^40 on, including Infinity, count as 2^40 - 1. Does not allocate; costs some nanoseconds. Only
   * the thread that records may call it. Throws ERR_PERCORE_INVALID_ARGUMENT for NaN and for anything that is not a
   * number.
   */
  record(value: number, count = 1): void {
    if (typeof value !== 'number' || value !== value) throw invalidArgument('value', value, 'a number');
    if (count !== 1) checkInteger('count', count, 0, Number.MAX_SAFE_INTEGER);
    if (count === 0) return;
    const whole = value < 0 ? 0 : value >= TOP ? TOP - 1 : Math.floor(value);
    this.counts[indexOf(whole)]! += count;
    if (whole > this.counts[MAX_AT]!) this.counts[MAX_AT] = whole;
    const least = this.counts[MIN_AT]!;
    if (whole < least - 1 || least === 0) this.counts[MIN_AT] = whole + 1;
  }

  /** The smallest value so far, exact; 0 when there is none. */
  min(): number {
    return Math.max(0, this.counts[MIN_AT]! - 1);
  }

  /** The largest value so far, exact; 0 when there is none. */
  max(): number {
    return this.counts[MAX_AT]!;
  }

  /** The number of values recorded so far; exact up to 2^53. Reads each of 1,152 counts. */
  count(): number {
    let sum = 0;
    for (let i = 0; i < COUNTS; i++) sum += this.counts[i]!;
    return sum;
  }

  /**
   * The sum of all values, each taken as the middle of its step: within 1.6 %. It never falls, as long as its thread
   * only records, so that whoever takes differences may. Reads each of 1,152 counts.
   */
  sum(): number {
    let sum = 0;
    for (let i = 0; i < COUNTS; i++) sum += this.counts[i]! * MIDDLES[i]!;
    return sum;
  }

  /**
   * Adds the counts of another histogram, which may be recording. To get percentiles over several reactors, add all of
   * theirs to a histogram of your own. Throws ERR_PERCORE_INVALID_ARGUMENT.
   */
  add(other: Histogram): void {
    if (!(other instanceof Histogram)) throw invalidArgument('other', other, 'a Histogram');
    const [least, others] = [this.counts[MIN_AT]!, other.counts[MIN_AT]!];
    if (others === 0) return;
    const most = other.max();
    for (let i = indexOf(others - 1), last = indexOf(most); i <= last; i++) this.counts[i]! += other.counts[i]!;
    if (most > this.max()) this.counts[MAX_AT] = most;
    if (others < least || least === 0) this.counts[MIN_AT] = others;
  }

  /**
   * What was recorded since `before`, an earlier copy of this one: a histogram of its own, whose smallest and largest
   * values are those since the start. Allocates. Throws ERR_PERCORE_INVALID_ARGUMENT.
   */
  since(before: Histogram): Histogram {
    if (!(before instanceof Histogram)) throw invalidArgument('before', before, 'a Histogram');
    const recent = new Histogram(new Uint32Array(HISTOGRAM_WORDS));
    recent.add(this);
    for (let i = 0; i < COUNTS; i++) recent.counts[i]! -= before.counts[i]!;
    return recent;
  }

  /** The mean of all values, each taken as the middle of its step: within 1.6 %; 0 when there is none. */
  mean(): number {
    let sum = 0;
    let count = 0;
    for (let i = 0; i < COUNTS; i++) {
      const times = this.counts[i]!;
      if (times === 0) continue;
      count += times;
      sum += times * MIDDLES[i]!;
    }
    return count === 0 ? 0 : Math.min(this.max(), Math.max(this.min(), sum / count));
  }

  /**
   * The value that a `share` (0 to 1) of all values does not exceed, by nearest rank: the upper end of its step, at
   * most `max()`; 0 when there is none. Throws ERR_PERCORE_INVALID_ARGUMENT.
   */
  percentile(share: number): number {
    if (typeof share !== 'number' || !(share >= 0 && share <= 1)) {
      throw invalidArgument('share', share, 'a number from 0 to 1, such as 0.99');
    }
    return this.valueAt(share, this.count());
  }

  /**
   * How many values lie below `limit` and not below `from`. This is exact for powers of two; otherwise the values in
   * the limit's own step are left out. Throws ERR_PERCORE_INVALID_ARGUMENT.
   */
  countBelow(limit: number, from = 0): number {
    if (typeof limit !== 'number' || !(limit >= 0)) throw invalidArgument('limit', limit, 'a number from 0 on');
    if (typeof from !== 'number' || !(from >= 0)) throw invalidArgument('from', from, 'a number from 0 on');
    const end = placeOf(limit);
    let sum = 0;
    for (let i = placeOf(from); i < end; i++) sum += this.counts[i]!;
    return sum;
  }

  /**
   * The number of values, their sum and mean, and `percentile` of 0.5, 0.99 and 0.999, in two passes from the smallest
   * to the largest value. Allocates.
   */
  summary(): Readonly<Record<'count' | 'sum' | 'mean' | 'p50' | 'p99' | 'p999', number>> {
    const { counts } = this;
    // Most histograms of a runtime are empty, and looking through one takes as long as a hundred records.
    if (counts[MIN_AT] === 0) return NOTHING;
    const [least, most] = [this.min(), this.max()];
    const [first, last] = [indexOf(least), indexOf(most)];
    let count = 0;
    let sum = 0;
    for (let i = first; i <= last; i++) {
      const times = counts[i]!;
      count += times;
      sum += times * MIDDLES[i]!;
    }
    if (count === 0) return NOTHING;
    const found = [most, most, most];
    const ranks = [0.5, 0.99, 0.999].map((share) => Math.max(1, Math.ceil(share * count)));
    let next = 0;
    let seen = 0;
    for (let i = first; i <= last && next < ranks.length; i++) {
      seen += counts[i]!;
      while (next < ranks.length && seen >= ranks[next]!) found[next++] = Math.min(upperEnd(i), most);
    }
    const [p50, p99, p999] = found as [number, number, number];
    return { count, sum, mean: Math.min(most, Math.max(least, sum / count)), p50, p99, p999 };
  }

  private valueAt(share: number, count: number): number {
    if (count === 0) return 0;
    const rank = Math.max(1, Math.ceil(share * count));
    let seen = 0;
    for (let i = 0; i < COUNTS; i++) {
      seen += this.counts[i]!;
      if (seen >= rank) return Math.min(upperEnd(i), this.max());
    }
    return this.max();
  }
}

/** Where the values from `limit` on begin. */
const placeOf = (limit: number): number => (limit >= TOP ? COUNTS : indexOf(Math.floor(limit)));

function indexOf(value: number): number {
  if (value < STEPS) return value;
  if (value < 2 ** 31) {
    const shift = 31 - Math.clz32(value) - STEP_BITS;
    return (shift + 1) * STEPS + (value >> shift) - STEPS;
  }
  // Values too large for bit operations: the same, from the upper bits.
  return indexOf(Math.floor(value / 2 ** 16)) + 16 * STEPS;
}


function upperEnd(index: number): number {
  if (index < STEPS) return index;
  const shift = Math.floor(index / STEPS) - 1;
  return (STEPS + (index % STEPS) + 1) * 2 ** shift - 1;
}

/** The middle of each step, for sums: computed once, since a power of a number costs more than all else of them. */
const MIDDLES = Float64Array.from({ length: COUNTS }, (_, i) =>
  ((i === 0 ? 0 : upperEnd(i - 1) + 1) + upperEnd(i)) / 2);

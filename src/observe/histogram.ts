/**
 * A log-linear histogram in shared memory: 32 linear steps in each power of two, so that a value is told to within 3.2
 * %, from 0 to 2^40 (18 minutes in nanoseconds), in constant memory.
 *
 *      value 0..31: exact | 32..63 by 1 | 64..127 by 2 | 128..255 by 4 | ...
 *
 * Why counts of 64 bits: at a million values a second, 32 bits would wrap round within an hour. They are floats, exact
 * up to 2^53, because a float can be added to without atomics as long as one thread writes it. They are statistics: a
 * reader may see them a moment late. Source: HdrHistogram (Gil Tene).
 */
import { checkInteger, invalidArgument } from '../errors.js';

const STEP_BITS = 5;
const STEPS = 1 << STEP_BITS;
const TOP_BITS = 40;
const COUNTS = (TOP_BITS - STEP_BITS + 1) * STEPS;
const MAX_AT = COUNTS;
/** 32-bit words that a histogram needs: its counts and the largest value, two words each. */
export const HISTOGRAM_WORDS: number = (COUNTS + 1) * 2;

/**
 * Counts how often which value occurs, such as latencies in nanoseconds, and tells percentiles. One thread records; any
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
   * `memory` is all zeros, or another thread's histogram. It begins at a multiple of 8 bytes and has HISTOGRAM_WORDS
   * words or more. Throws ERR_PERCORE_INVALID_ARGUMENT.
   */
  constructor(memory: Uint32Array) {
    if (!(memory instanceof Uint32Array) || memory.length < HISTOGRAM_WORDS || memory.byteOffset % 8 !== 0) {
      const words = `${HISTOGRAM_WORDS} words (HISTOGRAM_WORDS)`;
      throw invalidArgument('memory', memory, `a Uint32Array of ${words} or more that begins at a multiple of 8 bytes`);
    }
    this.counts = new Float64Array(memory.buffer, memory.byteOffset, COUNTS + 1);
  }

  /**
   * Adds `count` values (a whole number from 0 to 2^53 - 1) of `value`. Fractions are cut; a value below 0 counts as 0,
   * and one from 2^40 on, Infinity included, as 2^40 - 1. Does not allocate; costs some nanoseconds. Only the thread
   * that records may call it. Throws ERR_PERCORE_INVALID_ARGUMENT for NaN and for what is no number.
   */
  record(value: number, count = 1): void {
    if (typeof value !== 'number' || value !== value) throw invalidArgument('value', value, 'a number');
    if (count !== 1) checkInteger('count', count, 0, Number.MAX_SAFE_INTEGER);
    if (count === 0) return;
    const whole = value < 0 ? 0 : value >= 2 ** TOP_BITS ? 2 ** TOP_BITS - 1 : Math.floor(value);
    this.counts[indexOf(whole)]! += count;
    if (whole > this.counts[MAX_AT]!) this.counts[MAX_AT] = whole;
  }

  /** The largest value so far, exact; 0 when there is none. */
  max(): number {
    return this.counts[MAX_AT]!;
  }

  /** Values recorded so far; exact up to 2^53. Looks at each of 1,152 counts. */
  count(): number {
    let sum = 0;
    for (let i = 0; i < COUNTS; i++) sum += this.counts[i]!;
    return sum;
  }

  /**
   * Adds the counts of another, which may be recording. For percentiles over several reactors: add all of them to a
   * histogram of your own. Throws ERR_PERCORE_INVALID_ARGUMENT.
   */
  add(other: Histogram): void {
    if (!(other instanceof Histogram)) throw invalidArgument('other', other, 'a Histogram');
    for (let i = 0; i < COUNTS; i++) this.counts[i]! += other.counts[i]!;
    if (other.max() > this.max()) this.counts[MAX_AT] = other.max();
  }

  /**
   * The value that `share` (0 to 1) of all values do not exceed, by nearest rank: the upper end of its step, at most
   * `max()`; 0 when there is none. Throws ERR_PERCORE_INVALID_ARGUMENT.
   */
  percentile(share: number): number {
    if (typeof share !== 'number' || !(share >= 0 && share <= 1)) {
      throw invalidArgument('share', share, 'a number from 0 to 1, such as 0.99');
    }
    const rank = Math.max(1, Math.ceil(share * this.count()));
    let seen = 0;
    for (let i = 0; i < COUNTS; i++) {
      seen += this.counts[i]!;
      if (seen >= rank) return Math.min(upperEnd(i), this.max());
    }
    return 0;
  }
}

function indexOf(value: number): number {
  if (value < STEPS) return value;
  if (value < 2 ** 31) {
    const shift = 31 - Math.clz32(value) - STEP_BITS;
    return (shift + 1) * STEPS + (value >> shift) - STEPS;
  }
  // Beyond what bit operations see: the same, from the upper bits.
  return indexOf(Math.floor(value / 2 ** 16)) + 16 * STEPS;
}

function upperEnd(index: number): number {
  if (index < STEPS) return index;
  const shift = Math.floor(index / STEPS) - 1;
  return (STEPS + (index % STEPS) + 1) * 2 ** shift - 1;
}

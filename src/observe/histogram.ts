/**
 * A log-linear histogram in shared memory: 32 linear steps in each power of two, so a value is told to within 3.2 %, from 0 to
 * 2^40 (18 minutes in nanoseconds) in constant memory. One thread records, any thread reads.
 *
 *      value 0..31: exact | 32..63 by 1 | 64..127 by 2 | 128..255 by 4 | ...
 *
 * Counts are 64-bit floats of one writer, exact up to 2^53: words of 32 bits would wrap round within an hour at a million a second.
 * They are statistics, which a reader may see a moment late. Source: HdrHistogram (Tene).
 */
import { checkInteger, invalidArgument } from '../errors.js';

const STEP_BITS = 5;
const STEPS = 1 << STEP_BITS;
const TOP_BITS = 40;
const COUNTS = (TOP_BITS - STEP_BITS + 1) * STEPS;
const MAX_AT = COUNTS;
/** 32-bit words that one histogram takes: its counts, then the largest value, each two words. */
export const HISTOGRAM_WORDS: number = (COUNTS + 1) * 2;

export class Histogram {
  private readonly counts: Float64Array;

  /** `memory` begins with zeros, at a multiple of 8 bytes; `HISTOGRAM_WORDS` of it are used. */
  constructor(memory: Uint32Array) {
    if (!(memory instanceof Uint32Array) || memory.length < HISTOGRAM_WORDS || memory.byteOffset % 8 !== 0) {
      throw invalidArgument('memory', memory, `a Uint32Array of ${HISTOGRAM_WORDS} words (HISTOGRAM_WORDS) or more that begins at a multiple of 8 bytes`);
    }
    this.counts = new Float64Array(memory.buffer, memory.byteOffset, COUNTS + 1);
  }

  /**
   * Adds `count` values (0 to 2^53 - 1, a whole number) of `value`: 0 or more. Fractions are cut; less than 0 counts as 0, and 2^40 or
   * more, Infinity included, as 2^40 - 1. Does not allocate. Throws ERR_PERCORE_INVALID_ARGUMENT for NaN and for what is no number.
   */
  record(value: number, count = 1): void {
    if (typeof value !== 'number' || value !== value) throw invalidArgument('value', value, 'a number');
    if (count !== 1) checkInteger('count', count, 0, Number.MAX_SAFE_INTEGER);
    if (count === 0) return;
    const whole = value < 0 ? 0 : value >= 2 ** TOP_BITS ? 2 ** TOP_BITS - 1 : Math.floor(value);
    this.counts[indexOf(whole)]! += count;
    if (whole > this.counts[MAX_AT]!) this.counts[MAX_AT] = whole;
  }

  /** The largest value, exact. */
  max(): number {
    return this.counts[MAX_AT]!;
  }

  /** Values recorded; exact up to 2^53. */
  count(): number {
    let sum = 0;
    for (let i = 0; i < COUNTS; i++) sum += this.counts[i]!;
    return sum;
  }

  /** Adds another's counts; for percentiles over several reactors, on a histogram of one's own. */
  add(other: Histogram): void {
    if (!(other instanceof Histogram)) throw invalidArgument('other', other, 'a Histogram');
    for (let i = 0; i < COUNTS; i++) this.counts[i]! += other.counts[i]!;
    if (other.max() > this.max()) this.counts[MAX_AT] = other.max();
  }

  /** The value that `share` (0 to 1) of all values do not exceed, by nearest rank: the upper end of its step, at most `max()`. 0 when empty. */
  percentile(share: number): number {
    if (typeof share !== 'number' || !(share >= 0 && share <= 1)) throw invalidArgument('share', share, 'a number from 0 to 1, such as 0.99');
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

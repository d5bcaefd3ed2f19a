/**
 * A log-linear histogram in shared memory: 32 linear steps in each power of two, so a value is told to within 3.2 %, from 0 to
 * 2^40 (18 minutes in nanoseconds) in constant memory. One thread records, any thread reads.
 *
 *      value 0..31: exact | 32..63 by 1 | 64..127 by 2 | 128..255 by 4 | ...
 *
 * Counts are plain words of one writer: statistics, which a reader may see a moment late. Source: HdrHistogram (Tene).
 */
const STEP_BITS = 5;
const STEPS = 1 << STEP_BITS;
const TOP_BITS = 40;
/** Words that one histogram takes: its counts, then the largest value as two words. */
export const HISTOGRAM_WORDS: number = (TOP_BITS - STEP_BITS + 1) * STEPS + 2;
const MAX_AT = (TOP_BITS - STEP_BITS + 1) * STEPS;

export class Histogram {
  /** `memory` begins with zeros; `HISTOGRAM_WORDS` of it are used. */
  constructor(private readonly memory: Uint32Array) {}

  /** Adds `count` values of `value` (0 or more; fractions are cut, larger than 2^40 counts as that). Does not allocate. */
  record(value: number, count = 1): void {
    const whole = value < 0 ? 0 : value >= 2 ** TOP_BITS ? 2 ** TOP_BITS - 1 : Math.floor(value);
    this.memory[indexOf(whole)]! += count;
    if (whole > this.max()) {
      this.memory[MAX_AT] = whole % 2 ** 32;
      this.memory[MAX_AT + 1] = Math.floor(whole / 2 ** 32);
    }
  }

  /** The largest value, exact. */
  max(): number {
    return this.memory[MAX_AT]! + this.memory[MAX_AT + 1]! * 2 ** 32;
  }

  count(): number {
    let sum = 0;
    for (let i = 0; i < MAX_AT; i++) sum += this.memory[i]!;
    return sum;
  }

  /** Adds another's counts; for percentiles over several reactors, on a histogram of one's own. */
  add(other: Histogram): void {
    for (let i = 0; i < MAX_AT; i++) this.memory[i]! += other.memory[i]!;
    if (other.max() > this.max()) {
      this.memory[MAX_AT] = other.memory[MAX_AT]!;
      this.memory[MAX_AT + 1] = other.memory[MAX_AT + 1]!;
    }
  }

  /** The value that `share` (0 to 1) of all values do not exceed, by nearest rank: the upper end of its step, at most `max()`. 0 when empty. */
  percentile(share: number): number {
    const rank = Math.max(1, Math.ceil(share * this.count()));
    let seen = 0;
    for (let i = 0; i < MAX_AT; i++) {
      seen += this.memory[i]!;
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

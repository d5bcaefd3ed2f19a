/**
 * Random numbers that can be repeated: the same seed gives the same numbers again. This is mulberry32, which is small
 * and good enough to choose schedules by. Source: Tommy Ettinger, 2017.
 */
export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = seed | 0;
  }

  /** A number from 0 up to, but not including, 1. */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from 0 to `below` - 1. */
  below(below: number): number {
    return Math.floor(this.next() * below);
  }

  /** True once in `many` calls, on average. */
  oneIn(many: number): boolean {
    return this.next() * many < 1;
  }
}

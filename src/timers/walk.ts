/**
 * A timer of more than one tick: it walks a list of intervals, over and over (round robin) or once in their order
 * (linear). An interval that stays is a list of one.
 *
 *     deadlines   base      base + i1       base + i1 + i2        base + i1 + i2 + i0 ...       (over and over)
 *
 * Each deadline is reckoned from the base, however late the ticks ran: no drift, and no rounding that adds up. Ticks
 * that are over when one runs are skipped and counted; their deadlines keep their places.
 */

/**
 * What a timer tells its callback. It is written again: by the timer's next tick, for a timer of one tick by whatever
 * runs next.
 */
export interface Tick {
  /** 0 for the first, growing by one a tick, missed ones included. */
  readonly sequence: number;
  /** When it was due and when it ran, nanoseconds since the runtime's start. */
  readonly expectedNs: number;
  /** When it ran. */
  readonly actualNs: number;
  /** actual less expected; never negative. */
  readonly latenessNs: number;
  /** Ticks skipped since the last one because they were already over. */
  readonly missed: number;
}
export type TickCallback = (tick: Tick) => void;

export class Walk implements Tick {
  sequence = 0;
  expectedNs = 0;
  actualNs = 0;
  latenessNs = 0;
  missed = 0;
  /** Deadline of the first tick, or of the one that was rescheduled, and ticks since then. */
  private baseNs = 0;
  private steps = 0;
  /** Which interval ended with the base, and with the next tick. */
  private baseAt = 0;
  private at = 0;
  /** Sums of the intervals before each. */
  private readonly sumsNs: readonly number[];
  private readonly cycleNs: number;

  constructor(
    private readonly intervalsNs: readonly number[],
    private readonly isCyclic: boolean,
    firstNs: number,
    readonly callback: TickCallback,
  ) {
    let sumNs = 0;
    this.sumsNs = intervalsNs.map((interval) => (sumNs += interval) - interval);
    this.cycleNs = sumNs;
    this.moveTo(firstNs);
  }

  /** Deadline of the next tick. */
  get deadlineNs(): number {
    return this.deadlineAfter(this.steps);
  }

  /** The next tick is due at `deadlineNs`, and those after it are reckoned from there. */
  moveTo(deadlineNs: number): void {
    this.baseNs = deadlineNs;
    this.baseAt = this.at;
    this.steps = 0;
  }

  /** True when no tick follows the one that has begun. */
  get isOver(): boolean {
    return !this.isCyclic && this.at === this.intervalsNs.length - 1;
  }

  /**
   * Makes this the tick that runs at `nowNs`, not before its deadline: skips what is over. Bounded by the length of the
   * list.
   */
  begin(nowNs: number): void {
    let missed = 0;
    if (this.isCyclic) {
      // One cycle less than fit: rounding must not take one too many, which would make the tick an early one.
      const cycles = Math.max(0, Math.floor((nowNs - this.deadlineNs) / this.cycleNs) - 1);
      missed = cycles * this.intervalsNs.length;
      this.steps += missed;
    }
    while (!this.isOver && this.deadlineAfter(this.steps + 1) <= nowNs) {
      this.advance();
      missed++;
    }
    this.sequence += missed;
    this.missed = missed;
    this.expectedNs = this.deadlineNs;
    this.actualNs = nowNs;
    this.latenessNs = nowNs - this.expectedNs;
  }

  /** The tick has run. Not when the walk is over. `movedNs`: somebody has given the next tick this deadline. */
  end(movedNs: number | undefined): void {
    this.sequence++;
    this.advance();
    if (movedNs !== undefined) this.moveTo(movedNs);
  }

  private advance(): void {
    this.steps++;
    this.at = this.at + 1 === this.intervalsNs.length ? 0 : this.at + 1;
  }

  /** Deadline `steps` ticks after the base. */
  private deadlineAfter(steps: number): number {
    const { sumsNs, baseAt } = this;
    const length = sumsNs.length;
    // Every interval from the one after the base to the one that ends with the tick.
    const from = baseAt + 1;
    const to = from + steps;
    const cycles = Math.floor(to / length) - Math.floor(from / length);
    return this.baseNs + (cycles * this.cycleNs + (sumsNs[to % length]! - sumsNs[from % length]!));
  }
}

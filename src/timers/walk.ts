/**
 * A timer with several ticks. It goes through a list of intervals, again and again (round robin) or once (linear). A
 * fixed interval is a list of one.
 *
 *     deadlines   base      base + i1       base + i1 + i2        base + i1 + i2 + i0 ...       (round robin)
 *
 * Each deadline is computed from the base, however late the ticks ran, so there is no drift and no rounding that adds
 * up. Ticks that are already over when one runs are skipped and counted; they do not move the later deadlines.
 */

/**
 * What a timer tells its callback. The object is reused: for the timer's next tick, and if the timer has a single tick,
 * for whichever timer runs next.
 */
export interface Tick {
  /** The number of the tick, from 0; ticks that were missed have numbers too. */
  readonly sequence: number;
  /** When it was due, in nanoseconds since the start of the runtime or of the timers. */
  readonly expectedNs: number;
  /** When it ran, in the same unit. */
  readonly actualNs: number;
  /** `actualNs` minus `expectedNs`: how late it ran. Never below 0. */
  readonly latenessNs: number;
  /** How many ticks were skipped since the last one because they were already over. */
  readonly missed: number;
}

/** What a timer calls for each tick. It may return a promise, whose rejection counts as an error. */
export type TickCallback = (tick: Tick) => void;

/** The state of one such timer, and the tick that its callback is given. */
export class Walk implements Tick {
  sequence = 0;
  expectedNs = 0;
  actualNs = 0;
  latenessNs = 0;
  missed = 0;
  /** The deadline of the first tick, or of the one that was last rescheduled, and how many ticks there were since. */
  private baseNs = 0;
  private steps = 0;
  /** The index of the interval that ended at the base, and of the one that ends with the next tick. */
  private baseAt = 0;
  private at = 0;
  /** For each interval, the sum of those before it. */
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

  /** The deadline of the next tick. */
  get deadlineNs(): number {
    return this.deadlineAfter(this.steps);
  }

  /** Moves the next tick to `deadlineNs`; the later ones are computed from there. */
  moveTo(deadlineNs: number): void {
    this.baseNs = deadlineNs;
    this.baseAt = this.at;
    this.steps = 0;
  }

  /** True if no tick follows the one that has begun. */
  get isOver(): boolean {
    return !this.isCyclic && this.at === this.intervalsNs.length - 1;
  }

  /**
   * Makes this the tick that runs at `nowNs`, which must not be before its deadline, and skips ticks that are already
   * over. The time that this takes is bounded by the length of the list.
   */
  begin(nowNs: number): void {
    let missed = 0;
    if (this.isCyclic) {
      // Skip one cycle less than would fit: with rounding, one too many could be skipped, and the tick would be early.
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

  /**
   * Ends the tick that has run; not to be called if the walk is over. `movedNs` is the deadline of the next tick if it
   * was rescheduled meanwhile.
   */
  end(movedNs: number | undefined): void {
    this.sequence++;
    this.advance();
    if (movedNs !== undefined) this.moveTo(movedNs);
  }

  private advance(): void {
    this.steps++;
    this.at = this.at + 1 === this.intervalsNs.length ? 0 : this.at + 1;
  }

  /** The deadline of the tick that comes `steps` ticks after the base. */
  private deadlineAfter(steps: number): number {
    const { sumsNs, baseAt } = this;
    const length = sumsNs.length;
    // The sum of the intervals after the base, up to the one that ends with the tick.
    const from = baseAt + 1;
    const to = from + steps;
    const cycles = Math.floor(to / length) - Math.floor(from / length);
    return this.baseNs + (cycles * this.cycleNs + (sumsNs[to % length]! - sumsNs[from % length]!));
  }
}

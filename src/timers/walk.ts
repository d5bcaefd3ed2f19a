/**
 * A timer of more than one tick: it walks a list of intervals, over and over (round robin) or once in their order (linear). An
 * interval that stays is a list of one.
 *
 *     deadlines   first      first + i1       first + i1 + i2        first + i1 + i2 + i0 ...       (over and over)
 *
 * Each deadline is the last one and an interval, however late the tick ran: no drift. Ticks that are over when one runs are skipped
 * and counted; their deadlines keep their places.
 */

/** What a timer tells its callback. It is written again: by the timer's next tick, for a timer of one tick by whatever runs next. */
export interface Tick {
  /** 0 for the first, growing by one a tick, missed ones included. */
  readonly sequence: number;
  /** When it was due and when it ran, nanoseconds since the runtime's start. */
  readonly expectedNs: number;
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
  /** Of the next tick. Moved by whoever reschedules the timer. */
  deadlineNs: number;
  /** Which interval ended with the next tick. */
  private at = 0;
  private readonly cycleNs: number;

  constructor(private readonly intervalsNs: readonly number[], private readonly isCyclic: boolean, firstNs: number, readonly callback: TickCallback) {
    this.deadlineNs = firstNs;
    this.cycleNs = intervalsNs.reduce((sum, interval) => sum + interval, 0);
  }

  /** True when no tick follows the one that has begun. */
  get isOver(): boolean {
    return !this.isCyclic && this.at === this.intervalsNs.length - 1;
  }

  /** Makes this the tick that runs at `nowNs`, not before its deadline: skips what is over. Bounded by the length of the list. */
  begin(nowNs: number): void {
    const { intervalsNs } = this;
    let missed = 0;
    if (this.isCyclic) {
      // Rounding may take a whole cycle too many, which would make the tick an early one.
      let cycles = Math.floor((nowNs - this.deadlineNs) / this.cycleNs);
      if (cycles > 0 && this.deadlineNs + cycles * this.cycleNs > nowNs) cycles--;
      missed = cycles * intervalsNs.length;
      this.deadlineNs += cycles * this.cycleNs;
    }
    while (!this.isOver) {
      const next = this.nextAt();
      if (this.deadlineNs + intervalsNs[next]! > nowNs) break;
      this.deadlineNs += intervalsNs[next]!;
      this.at = next;
      missed++;
    }
    this.sequence += missed;
    this.missed = missed;
    this.expectedNs = this.deadlineNs;
    this.actualNs = nowNs;
    this.latenessNs = nowNs - this.expectedNs;
  }

  /** The tick has run. Not when the walk is over. `hasMoved`: somebody has set the next deadline already. */
  end(hasMoved: boolean): void {
    this.sequence++;
    this.at = this.nextAt();
    if (!hasMoved) this.deadlineNs += this.intervalsNs[this.at]!;
  }

  private nextAt(): number {
    return this.at + 1 === this.intervalsNs.length ? 0 : this.at + 1;
  }
}

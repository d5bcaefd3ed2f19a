/**
 * The deadlines of a rate timer, and what becomes of those that have passed unseen. Arithmetic alone: it knows no
 * clock.
 *
 * Deadline n is base + n × interval, from the same base each time, so nothing adds up: not lateness, and not the
 * fraction that an interval of 1/30 s has. Deadlines are rounded up to whole nanoseconds, so that nothing is early.
 *
 *                     due   1    2    3    4    5    6          the thread was away from 1 to just after 4
 *      skip                                 4    5    6          the latest one that is due; 3 are told as missed
 *      burst                            1 2 3 4  5    6          all of them, as fast as they can be had
 *      delay                            1     2     3            none is lost: the grid begins anew at the late tick
 */
import { invalidArgument } from '../errors.js';

/** What to do about deadlines that have passed: leave them out, make up for them, or shift the grid. */
export type CatchUp = 'skip' | 'burst' | 'delay';
const POLICIES: readonly CatchUp[] = ['skip', 'burst', 'delay'];

/** One tick. Times are nanoseconds of the timer's clock. */
export interface RateTick {
  /** 0 for the first, growing by one a tick, missed ones included. */
  readonly sequence: number;
  /** When it was due: a point of the grid. */
  readonly expectedNs: number;
  /** When it fired, just before anybody was told. */
  readonly actualNs: number;
  /** actual less expected: + late, - early; a timer of a running clock is never early. */
  readonly latenessNs: number;
  /** Ticks left out since the last one: `skip` alone leaves out any. */
  readonly missed: number;
  /** From the last tick to this one (for the first: from the start), as it should have been and as it was. */
  readonly expectedIntervalNs: number;
  /** Time since the tick before, in nanoseconds. */
  readonly actualIntervalNs: number;
}
export type WritableTick = { -readonly [K in keyof RateTick]: RateTick[K] };

export const newTick = (): WritableTick => ({
  sequence: 0, expectedNs: 0, actualNs: 0, latenessNs: 0, missed: 0, expectedIntervalNs: 0, actualIntervalNs: 0,
});

export function checkCatchUp(value: unknown): CatchUp {
  if (!POLICIES.includes(value as CatchUp)) throw invalidArgument('catchUp', value, `one of ${POLICIES.join(', ')}`);
  return value as CatchUp;
}

export class TickGrid {
  /** When the next tick is due, whole nanoseconds. */
  nextNs = 0;
  private baseNs = 0;
  /** The next tick's number on the present grid. */
  private index = 0;
  private sequence = 0;
  private lastExpectedNs = 0;
  private lastActualNs = 0;

  /** The first tick is due at `firstNs`; its interval is counted from `startNs`. */
  constructor(startNs: number, firstNs: number, public intervalNs: number, readonly catchUp: CatchUp) {
    this.restart(startNs, firstNs);
  }

  /** Begins a new grid. Sequence numbers go on. */
  restart(startNs: number, firstNs: number): void {
    this.baseNs = firstNs;
    this.index = 0;
    this.nextNs = Math.ceil(firstNs);
    this.lastExpectedNs = this.lastActualNs = startNs;
  }

  /** From the last tick on, ticks are this far apart. One that would be over by now is due now. */
  setInterval(intervalNs: number, nowNs: number): void {
    this.intervalNs = intervalNs;
    this.baseNs = Math.max(this.lastExpectedNs + intervalNs, nowNs);
    this.index = 0;
    this.nextNs = Math.ceil(this.baseNs);
  }

  /**
   * Takes the tick that is due at `nowNs`, which must not be before `nextNs`, and moves on to the next. Does not
   * allocate.
   */
  take(nowNs: number, tick: WritableTick): void {
    tick.missed = this.catchUp === 'skip' ? this.skipTo(nowNs) : 0;
    this.sequence += tick.missed;
    const expectedNs = this.nextNs;
    tick.sequence = this.sequence++;
    tick.expectedNs = expectedNs;
    tick.actualNs = nowNs;
    tick.latenessNs = nowNs - expectedNs;
    tick.expectedIntervalNs = expectedNs - this.lastExpectedNs;
    tick.actualIntervalNs = nowNs - this.lastActualNs;
    this.lastExpectedNs = expectedNs;
    this.lastActualNs = nowNs;
    this.index++;
    if (this.catchUp === 'delay' && this.at(this.index) <= nowNs) {
      // Late by an interval or more. Less than that leaves the grid alone, or it would drift with every tick.
      this.baseNs = nowNs;
      this.index = 1;
      this.lastExpectedNs = nowNs;
    }
    this.nextNs = this.at(this.index);
  }

  /** Moves `index` to the last deadline that is not after now; returns by how many. */
  private skipTo(nowNs: number): number {
    const from = this.index;
    const late = Math.floor((nowNs - this.nextNs) / this.intervalNs);
    this.index = from + late;
    // The quotient may be off by one where it is rounded.
    while (this.index > from && this.at(this.index) > nowNs) this.index--;
    while (this.at(this.index + 1) <= nowNs) this.index++;
    this.nextNs = this.at(this.index);
    return this.index - from;
  }

  private at(index: number): number {
    return Math.ceil(this.baseNs + index * this.intervalNs);
  }
}

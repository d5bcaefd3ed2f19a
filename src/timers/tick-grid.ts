/**
 * The deadlines of a rate timer, and what is done about those that have already passed. This is pure arithmetic without
 * a clock.
 *
 * Deadline n is base + n × interval, always from the same base. So neither lateness adds up, nor the fraction of an
 * interval such as 1/30 s. Deadlines are rounded up to whole nanoseconds, so that no tick is early.
 *
 *                     due   1    2    3    4    5    6          the thread was away from 1 to just after 4
 *      skip                                 4    5    6          the latest one that is due; 3 are counted as missed
 *      burst                            1 2 3 4  5    6          all of them, as fast as they can run
 *      delay                            1     2     3            none is lost: a new grid begins at the late tick
 */
import { invalidArgument } from '../errors.js';

/**
 * What to do about ticks whose deadlines have already passed. 'skip' leaves them out, counts them as missed, and keeps
 * the grid. 'burst' delivers all of them, one after the other without pause. 'delay' begins a new grid at the late
 * tick, so that none is lost and none comes early.
 */
export type CatchUp = 'skip' | 'burst' | 'delay';
const POLICIES: readonly CatchUp[] = ['skip', 'burst', 'delay'];

/** One tick of a rate timer. Times are nanoseconds of the timer's clock. */
export interface RateTick {
  /** The number of the tick, from 0; ticks that were missed have numbers too. */
  readonly sequence: number;
  /** When it was due. */
  readonly expectedNs: number;
  /** When it fired, just before the callback or a promise was told. */
  readonly actualNs: number;
  /** `actualNs` minus `expectedNs`: how late it was. Never below 0. */
  readonly latenessNs: number;
  /** How many ticks were left out since the last one; always 0 unless `catchUp` is 'skip'. */
  readonly missed: number;
  /** How long the interval since the last tick should have been; for the first tick, since the start. */
  readonly expectedIntervalNs: number;
  /** How long that interval was. */
  readonly actualIntervalNs: number;
}

/** The same for whoever writes it. */
export type WritableTick = { -readonly [K in keyof RateTick]: RateTick[K] };

export const newTick = (): WritableTick => ({
  sequence: 0, expectedNs: 0, actualNs: 0, latenessNs: 0, missed: 0, expectedIntervalNs: 0, actualIntervalNs: 0,
});

export function checkCatchUp(value: unknown): CatchUp {
  if (!POLICIES.includes(value as CatchUp)) throw invalidArgument('catchUp', value, `one of ${POLICIES.join(', ')}`);
  return value as CatchUp;
}

/** The deadlines of one rate timer. */
export class TickGrid {
  /** When the next tick is due, in whole nanoseconds. */
  nextNs = 0;
  private baseNs = 0;
  /** The number of the next tick on the present grid. */
  private index = 0;
  private sequence = 0;
  private lastExpectedNs = 0;
  private lastActualNs = 0;

  /** The first tick is due at `firstNs`, and its interval counts from `startNs`. */
  constructor(startNs: number, firstNs: number, public intervalNs: number, readonly catchUp: CatchUp) {
    this.restart(startNs, firstNs);
  }

  /** Begins a new grid. Sequence numbers continue. */
  restart(startNs: number, firstNs: number): void {
    this.baseNs = firstNs;
    this.index = 0;
    this.nextNs = Math.ceil(firstNs);
    this.lastExpectedNs = this.lastActualNs = startNs;
  }

  /** Changes the interval, counted from the last tick. If the next tick would be over by now, it is due now. */
  setInterval(intervalNs: number, nowNs: number): void {
    this.intervalNs = intervalNs;
    this.baseNs = Math.max(this.lastExpectedNs + intervalNs, nowNs);
    this.index = 0;
    this.nextNs = Math.ceil(this.baseNs);
  }

  /**
   * Writes the tick that is due at `nowNs` into `tick`, and moves on to the next one. `nowNs` must not be before
   * `nextNs`. Does not allocate.
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
      // It is late by an interval or more. A smaller lateness must not move the grid, or it would drift with every
      // tick.
      this.baseNs = nowNs;
      this.index = 1;
      this.lastExpectedNs = nowNs;
    }
    this.nextNs = this.at(this.index);
  }

  /** Moves `index` on to the last deadline that is not after `nowNs`; returns how many deadlines that skips. */
  private skipTo(nowNs: number): number {
    const from = this.index;
    const late = Math.floor((nowNs - this.nextNs) / this.intervalNs);
    this.index = from + late;
    // The quotient may be off by one because of rounding.
    while (this.index > from && this.at(this.index) > nowNs) this.index--;
    while (this.at(this.index + 1) <= nowNs) this.index++;
    this.nextNs = this.at(this.index);
    return this.index - from;
  }

  private at(index: number): number {
    return Math.ceil(this.baseNs + index * this.intervalNs);
  }
}

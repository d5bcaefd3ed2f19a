/**
 * Timers of one thread, over the native wheel. Callbacks and generations live here, in tables and not in objects; the
 * wheel knows only slot numbers and deadlines. Creating and cancelling does not cross into native: requests are
 * gathered in a shared array that the next poll drains.
 *
 *     create, reschedule --request--> wheel --poll, when due--> its band --select, run--> callback
 *     cancel: gone at once, from wherever it is
 *
 * This file is what users see; `due-timers.ts` runs what is due. Source of the idea: the timing wheels of Varghese and
 * Lauck, 1987 (native/timer_wheel.h).
 */
import { checkOptions, invalidArgument } from '../errors.js';
import { DueTimers, LAST_NS, type TimersHost } from './due-timers.js';
import type { TimerId } from './timer-id.js';
import {
  AFTER_OPTIONS, AT_OPTIONS, checkBand, checkEvery, checkMove, checkWalk, hasMoreThanDeadline,
  hasMoreThanDelay, invalidTime, isWithin,
  type AfterOptions, type AtOptions, type EveryOptions, type TimerOptions, type WalkOptions,
} from './timer-options.js';
import { WALKS, indexOf, metaAt } from './timer-table.js';
import { Walk, type TickCallback } from './walk.js';

/** Numbers up to here count single nanoseconds: 104 days. */
const EXACT_NS = 2 ** 53;
const ROUNDING_NS = 1024;

/**
 * The timers of one thread: a reactor's are `reactor.timers`, those of any other thread `create()` makes.
 *
 *     const id = timers.after({ delayNs: 250_000 }, (tick) => console.log(`${tick.latenessNs} ns late`));
 *     timers.every({ intervalNs: 1_000_000, priority: 6 }, (tick) => sample(tick.sequence, tick.missed));
 *     timers.cancel(id);
 *
 * There are three kinds, all by absolute deadlines: one tick (`after`, `at`), an interval that stays (`every`), and a
 * list of intervals (`walk`). Times are nanoseconds since the runtime's (or the timers') start, exact up to 2^53 (104
 * days), and beyond that within 1.5 us; no timer is early. A callback runs in its band, 0 low to 7 high.
 *
 * Only the thread that has them may call them. Nothing blocks. Making a timer takes 40 bytes, which the next one gets
 * when it is over; one of more ticks takes an object besides. Methods that make a timer throw
 * ERR_PERCORE_TIMER_INVALID_DELAY, ERR_PERCORE_TIMER_INVALID_INTERVAL, ERR_PERCORE_INVALID_ARGUMENT,
 * ERR_PERCORE_TOO_LARGE when 2^24 are live, and ERR_PERCORE_CLOSED. What a callback throws, and what a promise that it
 * returns is rejected with, is reported and counted; the other timers go on.
 */
export class Timers {
  /** The inner half. */
  protected readonly due: DueTimers;

  /** `host` is the thread: a reactor, or a wheel of its own. */
  constructor(host: TimersHost) {
    this.due = new DueTimers(host);
  }

  /** Timers that have not fired for the last time. */
  get count(): number {
    return this.due.table.count;
  }

  /** Callbacks so far that threw, or whose promise was rejected. */
  get errors(): number {
    return this.due.errors;
  }

  /** The time by which these timers run, in nanoseconds. Does not allocate. */
  nowNs(): number {
    return this.due.nowNs();
  }

  // ---- Creating ---------------------------------------------------------------------------------------------------

  /** Runs `callback` once, `delayNs` from now, never early. */
  after(options: AfterOptions, callback: TickCallback): TimerId {
    const delayNs = options?.delayNs;
    if (!isWithin(delayNs)) throw invalidTime('delayNs', options, AFTER_OPTIONS);
    if (hasMoreThanDelay(options)) checkOptions('options', options, AFTER_OPTIONS);
    return this.due.add(laterNs(this.due.nowNs(), delayNs), checkBand(options.priority), callback, undefined);
  }

  /** Runs `callback` once, not before `deadlineNs`. Reads no clock, so it is the cheapest way to make many. */
  at(options: AtOptions, callback: TickCallback): TimerId {
    const deadlineNs = options?.deadlineNs;
    if (!isWithin(deadlineNs)) throw invalidTime('deadlineNs', options, AT_OPTIONS);
    if (hasMoreThanDeadline(options)) checkOptions('options', options, AT_OPTIONS);
    return this.due.add(deadlineNs, checkBand(options.priority), callback, undefined);
  }

  /**
   * Runs `callback` every `intervalNs` by absolute deadlines. A tick that is over before it runs is skipped and counted
   * in `missed`.
   */
  every(options: EveryOptions, callback: TickCallback): TimerId {
    const { intervalNs, firstNs } = checkEvery(options);
    const deadlineNs = laterNs(this.due.nowNs(), firstNs);
    return this.due.add(
      deadlineNs, checkBand(options.priority), callback, new Walk([intervalNs], true, deadlineNs, callback),
    );
  }

  /** Runs `callback` at the end of each interval of a list, by absolute deadlines as `every` does. */
  walk(options: WalkOptions, callback: TickCallback): TimerId {
    const { intervals, isCyclic } = checkWalk(options);
    const deadlineNs = laterNs(this.due.nowNs(), intervals[0]!);
    return this.due.add(
      deadlineNs, checkBand(options.priority), callback, new Walk(intervals, isCyclic, deadlineNs, callback),
    );
  }

  /** Any of the above, by what the options name: delayNs, deadlineNs, intervalNs or intervalsNs. */
  create(options: TimerOptions, callback: TickCallback): TimerId {
    if (typeof options !== 'object' || options === null) {
      throw invalidArgument('options', options, 'an object with delayNs, deadlineNs, intervalNs or intervalsNs');
    }
    if ('delayNs' in options) return this.after(options, callback);
    if ('deadlineNs' in options) return this.at(options, callback);
    if ('intervalNs' in options) return this.every(options, callback);
    if ('intervalsNs' in options) return this.walk(options, callback);
    throw invalidArgument('options', options, 'an object with delayNs, deadlineNs, intervalNs or intervalsNs');
  }

  // ---- Changing ---------------------------------------------------------------------------------------------------

  /**
   * Ends a timer: its callback will not run again, even if it has expired already. False for one that is over. Constant
   * time.
   */
  cancel(id: TimerId): boolean {
    return this.due.cancel(id);
  }

  /**
   * Moves a timer's next tick, also when it has expired and not run yet; a timer of more ticks goes on from there.
   * False for one that is over, as one of a single tick is in its own callback. Constant time.
   */
  reschedule(id: TimerId, options: { delayNs: number } | { deadlineNs: number }): boolean {
    const { ns, isDelay } = checkMove(options);
    const { due } = this;
    const slot = due.slotOfLive(id);
    if (slot < 0) return false;
    const deadlineNs = isDelay ? laterNs(due.nowNs(), ns) : ns;
    const chunk = due.table.chunkOf(slot);
    if ((chunk.words[metaAt(slot)]! & WALKS) !== 0) (chunk.callbacks[indexOf(slot)] as Walk).moveTo(deadlineNs);
    due.arm(slot, deadlineNs);
    return true;
  }

  // ---- By hand ----------------------------------------------------------------------------------------------------

  /**
   * Puts what the wheel has expired, 256 timers at most unless said otherwise, into its bands; returns how many. Runs
   * nothing.
   */
  poll(): number {
    return this.due.poll();
  }

  /**
   * Takes the next due timer, by band and deadline, without running it; `noTimer` when none is due. Hand it to `run`.
   */
  select(): TimerId {
    return this.due.select();
  }

  /** Runs a timer that `select` gave; false if it is not due, or over. What the callback throws comes out here. */
  run(id: TimerId): boolean {
    const { due } = this;
    const slot = due.slotOfLive(id);
    return slot >= 0 && due.runSlot(slot, due.nowNs());
  }
}

/** The sum, never too early, also beyond the range in which numbers count single nanoseconds. */
function laterNs(nowNs: number, delayNs: number): number {
  const sumNs = nowNs + delayNs;
  return sumNs <= EXACT_NS ? sumNs : Math.min(sumNs + ROUNDING_NS, LAST_NS);
}

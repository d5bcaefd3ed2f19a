/**
 * The timers of one thread, over the native wheel. Callbacks and generations are kept here, in tables and not in
 * objects; the wheel knows only slot numbers and deadlines. Making or cancelling a timer does not call native code:
 * requests are gathered in a shared array, which the next poll drains.
 *
 *     create, reschedule --request--> wheel --poll, when due--> its band --select, run--> callback
 *     cancel: removes the timer at once, wherever it is
 *
 * This file has what users see; `due-timers.ts` runs what is due. Source of the idea: the timing wheels of Varghese and
 * Lauck, 1987 (native/timer_wheel.h).
 */
import { invalidArgument } from '../errors.js';
import { DueTimers, LAST_NS, type TimersHost } from './due-timers.js';
import type { TimerId } from './timer-id.js';
import {
  AFTER_OPTIONS, AT_OPTIONS, checkBand, checkEvery, checkMove, checkTime, checkWalk, hasMoreThanDeadline,
  hasMoreThanDelay, isTime,
  type AfterOptions, type AtOptions, type EveryOptions, type TimerOptions, type WalkOptions,
} from './timer-options.js';
import { WALKS, indexOf, metaAt } from './timer-table.js';
import { Walk, type TickCallback } from './walk.js';

/** Numbers up to this one count single nanoseconds: 104 days. */
const EXACT_NS = 2 ** 53;
const ROUNDING_NS = 1024;

/**
 * The timers of one thread. Those of a reactor are `reactor.timers`; `create()` makes them for any other thread.
 *
 *     const id = timers.after({ delayNs: 250_000 }, (tick) => console.log(`${tick.latenessNs} ns late`));
 *     timers.every({ intervalNs: 1_000_000, priority: 6 }, (tick) => sample(tick.sequence, tick.missed));
 *     timers.cancel(id);
 *
 * There are three kinds, all with absolute deadlines: a single tick (`after`, `at`), a fixed interval (`every`) and a
 * list of intervals (`walk`). Times are nanoseconds since the start of the runtime, or of the timers. They are exact up
 * to 2^53 (104 days) and beyond that within 1.5 µs; no timer is early. A callback runs in its band, from 0 (low) to 7
 * (high).
 *
 * Only the thread that has these timers may call them. Nothing blocks. A timer takes 40 bytes, which are reused when it
 * is over; one with several ticks also takes an object. Methods that make a timer throw
 * ERR_PERCORE_TIMER_INVALID_DELAY, ERR_PERCORE_TIMER_INVALID_INTERVAL, ERR_PERCORE_INVALID_ARGUMENT,
 * ERR_PERCORE_TOO_LARGE if 2^24 timers are live, and ERR_PERCORE_CLOSED. If a callback throws, or returns a promise
 * that is rejected, the error is reported and counted; the other timers go on.
 */
export class Timers {
  /** The inner half: due-timers.ts. */
  protected readonly due: DueTimers;

  /** `host` is what the timers need of their thread. */
  constructor(host: TimersHost) {
    this.due = new DueTimers(host);
  }

  /** How many timers are live: they still have a tick to come. */
  get count(): number {
    return this.due.table.count;
  }

  /** How many callbacks have thrown, or returned a promise that was rejected. */
  get errors(): number {
    return this.due.errors;
  }

  /** The present time by which these timers run, in nanoseconds. Does not allocate. */
  nowNs(): number {
    return this.due.nowNs();
  }

  // ---- Creating ---------------------------------------------------------------------------------------------------

  /** Runs `callback` once, `delayNs` from now and never early. */
  after(options: AfterOptions, callback: TickCallback): TimerId {
    const delayNs = options?.delayNs;
    if (!isTime(delayNs) || hasMoreThanDelay(options)) checkTime('delayNs', delayNs, options, AFTER_OPTIONS);
    return this.due.add(laterNs(this.due.nowNs(), delayNs), checkBand(options.priority), callback, callback);
  }

  /**
   * Runs `callback` once, not before `deadlineNs`. It reads no clock, so this is the cheapest way to make many timers.
   */
  at(options: AtOptions, callback: TickCallback): TimerId {
    const deadlineNs = options?.deadlineNs;
    if (!isTime(deadlineNs) || hasMoreThanDeadline(options)) checkTime('deadlineNs', deadlineNs, options, AT_OPTIONS);
    return this.due.add(deadlineNs, checkBand(options.priority), callback, callback);
  }

  /**
   * Runs `callback` every `intervalNs`, by absolute deadlines. A tick that is over before it could run is skipped and
   * counted in `missed`.
   */
  every(options: EveryOptions, callback: TickCallback): TimerId {
    const { intervalNs, firstNs } = checkEvery(options);
    const deadlineNs = laterNs(this.due.nowNs(), firstNs);
    return this.due.add(
      deadlineNs, checkBand(options.priority) | WALKS, callback, new Walk([intervalNs], true, deadlineNs, callback),
    );
  }

  /** Runs `callback` at the end of each interval in a list, by absolute deadlines as `every` does. */
  walk(options: WalkOptions, callback: TickCallback): TimerId {
    const { intervals, isCyclic } = checkWalk(options);
    const deadlineNs = laterNs(this.due.nowNs(), intervals[0]!);
    return this.due.add(
      deadlineNs, checkBand(options.priority) | WALKS, callback, new Walk(intervals, isCyclic, deadlineNs, callback),
    );
  }

  /** Makes any of these timers, as the options have delayNs, deadlineNs, intervalNs or intervalsNs. */
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
   * Ends a timer: its callback will not run again, even if the timer has already expired. False if it was already over.
   * Takes constant time.
   */
  cancel(id: TimerId): boolean {
    return this.due.cancel(id);
  }

  /**
   * Moves a timer's next tick, even if it has expired and only has not run yet. A timer with several ticks goes on from
   * there. False if the timer is over; one with a single tick is already over in its own callback. Takes constant time.
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
   * Puts the timers that the wheel has expired into their bands, by default 256 at most; returns how many. Runs
   * nothing.
   */
  poll(): number {
    return this.due.poll();
  }

  /**
   * Takes the next due timer, by band and deadline, without running it, for `run`. Returns `noTimer` if none is due.
   */
  select(): TimerId {
    return this.due.select();
  }

  /** Runs a timer that `select` returned; false if it is not due or is over. Throws what the callback throws. */
  run(id: TimerId): boolean {
    const { due } = this;
    const slot = due.slotOfLive(id);
    return slot >= 0 && due.runSlot(slot, due.nowNs());
  }
}

/** The sum of both, which is never too early, even beyond the range in which numbers count single nanoseconds. */
function laterNs(nowNs: number, delayNs: number): number {
  const sumNs = nowNs + delayNs;
  return sumNs <= EXACT_NS ? sumNs : roundedUp(sumNs);
}

const roundedUp = (ns: number): number => Math.min(ns + ROUNDING_NS, LAST_NS);

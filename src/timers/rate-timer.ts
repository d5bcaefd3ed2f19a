/**
 * A timer that ticks at a rate, by absolute deadlines: it does not drift, says how late each tick was, and what was
 * missed.
 *
 *      createRateTimer({ rateHz: 30 }, (tick) => { … })        a callback: the alarm is always armed
 *      await timer.tick()                                  a promise: armed while somebody waits
 *      for await (const tick of timer) { … }               the same, again and again
 *
 *      grid (deadlines) ── next ──> alarm (timerfd, io_uring, spin, manual) ── fired ──> tick ──> promises, callback
 *
 * A tick that is over already when it is asked for comes in the next pass of the event loop, never at once. Otherwise a
 * loop that cannot keep up would keep everything else of its thread from running.
 *
 * A timer of its own descriptor each, for the few things that must be punctual; millions belong in the wheel. Works in
 * any thread: the main one, a worker, a reactor. Not setInterval, which drifts, and ticks in milliseconds, by decision
 * of its maintainers.
 */
import { checkFunction, PercoreError } from '../errors.js';
import { tellError, type ErrorReporter } from '../uncaught.js';
import { checkWaitOptions, Waiters, type StartTimeout, type WaitOptions } from '../waiting.js';
import { ManualAlarm, openAlarm, type OpenedAlarm } from './alarm.js';
import { monotonicClock, type Clock, type SystemClock } from './clock.js';
import { ManualClock } from './manual-clock.js';
import {
  checkRateOptions, type RateTickCallback, type RateTimerOptions, type RateTimerStatus,
} from './rate-timer-options.js';
import { checkIntervalNs, exactIntervalNs, intervalNsToRate } from './rate.js';
import { newTick, TickGrid, type RateTick } from './tick-grid.js';

/**
 * Makes a timer that ticks from now on. With a callback it keeps its thread alive until it is closed (or `unref`),
 * without one only while a tick is awaited. The tick handed to the callback is written again for the next one; promises
 * get one of their own. The callback runs outside of bands, whatever the thread's turn is doing next; what it throws
 * costs itself alone (see `onError`). Throws ERR_PERCORE_TIMER_INVALID_RATE, _TIMER_INVALID_INTERVAL,
 * _INVALID_ARGUMENT, _SYSTEM (the system has no descriptor left).
 */
export function createRateTimer(options: RateTimerOptions, onTick?: RateTickCallback): RateTimer {
  return new RateTimer(options, onTick);
}

/**
 * A timer that ticks at a rate; `createRateTimer` makes it.
 *
 *     const timer = createRateTimer({ rateHz: 30 }, (tick) => render(tick.sequence));
 *     timer.setRate(60);
 *     console.log(timer.status().missed);
 *     timer.close();
 *
 *     for await (const tick of createRateTimer({ intervalNs: 5_000_000 })) poll(tick.latenessNs);
 *
 * Only the thread that made it may call it. Nothing blocks, except that a timer with `spinNs` keeps its thread busy for
 * as much before each tick. What a callback throws, or the promise that it returns is rejected with, goes to `onError`.
 * Without it a reactor counts and reports it as 'stepError', and goes on; in other threads it is an uncaught exception
 * (with a manual clock, it is thrown by what moves the clock). The timer goes on in each case.
 */
export class RateTimer implements AsyncIterable<RateTick>, AsyncDisposable {
  private readonly clock: Clock;
  private readonly opened: OpenedAlarm;
  private readonly grid: TickGrid;
  private readonly current = newTick();
  private readonly spareTick = newTick();
  private readonly spare: TickGrid;
  private readonly onTick: RateTickCallback | undefined;
  private readonly onError: ErrorReporter | undefined;
  private readonly waiters: Waiters<RateTick>;
  /** Without a callback the alarm is armed only while somebody waits. */
  private isAwaited = false;
  private tickCount = 0;
  private missedCount = 0;
  private errorCount = 0;
  private isClosed = false;

  /** `createRateTimer` does the same. */
  constructor(options: RateTimerOptions, onTick?: RateTickCallback) {
    const { intervalNs, firstNs, catchUp } = checkRateOptions(options);
    if (onTick !== undefined) checkFunction('onTick', onTick);
    this.onTick = onTick;
    this.onError = options.onError;
    this.clock = options.clock ?? monotonicClock();
    this.opened = openAlarm(options.backend ?? 'auto', this.clock, options.spinNs, (firedNs) => this.fire(firedNs));
    const now = this.clock.nowNs();
    this.spare = new TickGrid(0, 0, intervalNs, catchUp);
    this.grid = new TickGrid(now, now + firstNs, intervalNs, catchUp);
    this.waiters = new Waiters('no tick', () => this.watchIfAwaited(), timeoutBy(this.clock));
    if (onTick !== undefined) this.arm();
  }

  /** The present rate in ticks a second. */
  get rateHz(): number {
    return intervalNsToRate(this.grid.intervalNs);
  }

  /** The present interval in nanoseconds, with its fraction. */
  get intervalNs(): number {
    return this.grid.intervalNs;
  }

  /**
   * Changes the rate: the next tick comes one new interval after the last one, or now if that is over. This thread;
   * does not block.
   */
  setRate(rateHz: number): void {
    this.change(exactIntervalNs(rateHz));
  }

  /** The same by the interval. */
  setIntervalNs(intervalNs: number): void {
    this.change(checkIntervalNs(intervalNs));
  }

  /** Begins anew: the next tick comes one interval from now. */
  reset(): void {
    const now = this.clock.nowNs();
    this.grid.restart(now, now + this.grid.intervalNs);
    this.rearm();
  }

  /**
   * Promises the next tick; all callers that wait get the same one. Rejects with ERR_PERCORE_CLOSED, _TIMEOUT,
   * _INVALID_ARGUMENT, or the signal's reason; then the tick is not lost, but the next call's. Allocates the promise
   * and the tick.
   */
  tick(options?: WaitOptions): Promise<RateTick> {
    return this.waiters.wait(options);
  }

  /** Tick after tick, until the timer is closed. Leaving the loop does not close it. */
  ticks(options: WaitOptions = {}): AsyncIterable<RateTick> {
    checkWaitOptions(options);
    return { [Symbol.asyncIterator]: () => ({ next: () => this.next(options) }) };
  }

  [Symbol.asyncIterator](): AsyncIterator<RateTick> {
    return { next: () => this.next({}) };
  }

  /** Asked, granted, and what has happened so far. */
  status(): RateTimerStatus {
    const { asked, granted, why } = this.opened;
    return {
      backend: { asked, granted, ...(why === undefined ? {} : { why }) },
      clock:
        this.clock instanceof ManualClock ? 'manual' : ((this.clock as SystemClock).kind as 'monotonic' | 'boottime'),
      rateHz: this.rateHz,
      intervalNs: this.intervalNs,
      catchUp: this.grid.catchUp,
      ticks: this.tickCount,
      missed: this.missedCount,
      errors: this.errorCount,
      isClosed: this.isClosed,
    };
  }

  /** Lets its thread end although the timer is armed. */
  unref(): this {
    this.opened.alarm.setRef(false);
    return this;
  }

  /** Keeps its thread alive while it is armed, as it does at first. */
  ref(): this {
    this.opened.alarm.setRef(true);
    return this;
  }

  /**
   * Ends the timer: no tick comes after this. Those who wait are rejected with ERR_PERCORE_CLOSED, loops end. Also from
   * inside a tick; twice is once.
   */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.opened.alarm.close();
    this.waiters.fail(closed());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  // ---- Inside -------------------------------------------------------------------------------------------------------

  private fire(firedNs: number): void {
    if (this.isClosed) return;
    if (firedNs < this.grid.nextNs) return this.rehearse();
    const tick = this.current;
    this.grid.take(firedNs, tick);
    this.tickCount++;
    this.missedCount += tick.missed;
    // One copy for all who wait: `tick` is written again for the next.
    if (this.waiters.count !== 0) this.waiters.settle({ ...tick });
    if (this.onTick === undefined) {
      // Those who were waiting run now, and arm it if they want more.
      this.isAwaited = false;
      this.opened.alarm.arm(Infinity);
      return;
    }
    // Before the callback: it goes on when that throws.
    this.arm();
    let result: unknown;
    try {
      result = this.onTick(tick);
    } catch (error) {
      this.noteThrown(error);
      return;
    }
    if (typeof result === 'object' && result !== null) this.follow(result);
  }

  /** An asynchronous callback, or an object that only says that it is a promise. */
  private follow(result: object): void {
    Promise.resolve(result).then(undefined, (error: unknown) => this.noteThrown(error));
  }

  private noteThrown(error: unknown): void {
    this.errorCount++;
    const name: unknown = Object.getOwnPropertyDescriptor(this.onTick, 'name')?.value;
    const whose = typeof name === 'string' && name !== '' ? `callback "${name}" of ` : '';
    tellError(this.onError, error, `${whose}a rate timer at ${this.rateHz} Hz`);
  }

  /**
   * The alarm came too early: for practice, or since the grid was moved while it was on its way. After a sleep the
   * caches hold nothing of what a tick runs, so it is run here on a grid that does not count.
   */
  private rehearse(): void {
    this.clock.nowNs();
    this.spare.restart(0, 0);
    this.spare.take(0, this.spareTick);
    this.arm();
  }

  private arm(): void {
    this.opened.alarm.arm(this.grid.nextNs);
  }

  private rearm(): void {
    if (!this.isClosed && (this.onTick !== undefined || this.waiters.count !== 0)) this.arm();
  }

  private change(intervalNs: number): void {
    this.grid.setInterval(intervalNs, this.clock.nowNs());
    this.rearm();
  }

  private next(options: WaitOptions): Promise<IteratorResult<RateTick>> {
    if (this.isClosed) return Promise.resolve({ done: true, value: undefined });
    return this.tick(options).then((value) => ({ done: false, value }), (error: unknown) => {
      if (this.isClosed && error instanceof PercoreError && error.code === 'ERR_PERCORE_CLOSED') {
        return { done: true, value: undefined };
      }
      throw error;
    });
  }

  /** Called when a wait begins or is given up. */
  private watchIfAwaited(): void {
    if (this.isClosed) throw closed();
    const isAwaited = this.waiters.count > 0;
    if (this.onTick !== undefined || isAwaited === this.isAwaited) return;
    this.isAwaited = isAwaited;
    this.opened.alarm.arm(isAwaited ? this.grid.nextNs : Infinity);
  }
}

/** Time-outs by the timer's own clock; those of a clock that runs by itself are Node's. */
function timeoutBy(clock: Clock): StartTimeout | undefined {
  if (!(clock instanceof ManualClock)) return undefined;
  return (timeoutMs, then) => {
    const alarm = new ManualAlarm(clock, () => then());
    alarm.arm(clock.nowNs() + timeoutMs * 1e6);
    return () => alarm.close();
  };
}

const closed = (): PercoreError => new PercoreError('ERR_PERCORE_CLOSED', 'the timer is closed');

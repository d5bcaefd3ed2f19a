/**
 * A timer that ticks at a rate, by absolute deadlines. It does not drift, and it says how late each tick was and how
 * many ticks were missed.
 *
 *      createRateTimer({ rateHz: 30 }, (tick) => { … })    with a callback, the alarm is always armed
 *      await timer.tick()                                  without one, it is armed while somebody waits
 *      for await (const tick of timer) { … }               the same, again and again
 *
 *      grid (deadlines) ── next ──> alarm (timerfd, io_uring, spin, manual) ── fired ──> tick ──> promises, callback
 *
 * A tick that is already over when it is asked for comes in the next pass of the event loop and never at once.
 * Otherwise a loop that cannot keep up would keep everything else in its thread from running.
 *
 * Each of these timers has a descriptor of its own, so they are meant for the few things that must be punctual;
 * millions of timers belong in the wheel. They work in any thread: the main thread, a worker, a reactor. setInterval
 * would not do: it drifts and counts milliseconds, which its maintainers have decided to keep.
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
 * Makes a timer that ticks from now on. With a callback it keeps its thread alive until it is closed, or until
 * `unref()` is called; without one, only while a tick is awaited. The object given to the callback is reused for the
 * next tick; promises resolve with an object of their own. The callback does not run in a band but as soon as the event
 * loop gets to it. If it throws, nothing else is affected (see `onError`). Throws ERR_PERCORE_TIMER_INVALID_RATE,
 * ERR_PERCORE_TIMER_INVALID_INTERVAL, ERR_PERCORE_INVALID_ARGUMENT, and ERR_PERCORE_SYSTEM, such as when there is no
 * descriptor left.
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
 * Only the thread that made it may call it. Nothing blocks, except that the timer keeps its thread busy for up to
 * `spinNs` before a tick. If a callback throws, or returns a promise that is rejected, the error goes to `onError`.
 * Without that, a reactor counts and reports it as 'stepError'; in other threads it is an uncaught exception, or with a
 * manual clock it is thrown by the call that moves the clock. The timer goes on in each case.
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
  /** True while somebody waits. Without a callback, the alarm is armed only then. */
  private isAwaited = false;
  private tickCount = 0;
  private missedCount = 0;
  private errorCount = 0;
  private isClosed = false;

  /** Does what `createRateTimer` does. */
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
   * Changes the rate. The next tick comes one new interval after the last one, or now if that time is over. Throws
   * ERR_PERCORE_TIMER_INVALID_RATE.
   */
  setRate(rateHz: number): void {
    this.change(exactIntervalNs(rateHz));
  }

  /** Does the same, by the interval. Throws ERR_PERCORE_TIMER_INVALID_INTERVAL. */
  setIntervalNs(intervalNs: number): void {
    this.change(checkIntervalNs(intervalNs));
  }

  /** Starts again: the next tick comes one interval from now. */
  reset(): void {
    const now = this.clock.nowNs();
    this.grid.restart(now, now + this.grid.intervalNs);
    this.rearm();
  }

  /**
   * Resolves at the next tick; all callers that wait get the same one. Rejects with ERR_PERCORE_CLOSED,
   * ERR_PERCORE_TIMEOUT, ERR_PERCORE_INVALID_ARGUMENT or the signal's reason; the tick is not lost then, since the next
   * call gets it. Allocates the promise and the tick.
   */
  tick(options?: WaitOptions): Promise<RateTick> {
    return this.waiters.wait(options);
  }

  /**
   * All ticks one after the other, until the timer is closed. Leaving the loop does not close the timer. `options`
   * limits the wait for each tick.
   */
  ticks(options: WaitOptions = {}): AsyncIterable<RateTick> {
    checkWaitOptions(options);
    return { [Symbol.asyncIterator]: () => ({ next: () => this.next(options) }) };
  }

  /** The same as `ticks()`, for `for await (const tick of timer)`. */
  [Symbol.asyncIterator](): AsyncIterator<RateTick> {
    return { next: () => this.next({}) };
  }

  /** What was asked for, what was granted, and the counts so far. Allocates. */
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

  /** Lets the thread end although the timer is armed. */
  unref(): this {
    this.opened.alarm.setRef(false);
    return this;
  }

  /** Keeps the thread alive while the timer is armed, as it does at first. */
  ref(): this {
    this.opened.alarm.setRef(true);
    return this;
  }

  /**
   * Ends the timer: no tick comes after this. Waits are rejected with ERR_PERCORE_CLOSED, and loops end. May be called
   * within a tick, and more than once.
   */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.opened.alarm.close();
    this.waiters.fail(closed());
  }

  /** Closes the timer, for `await using`. */
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
    // One copy for all that wait, since `tick` is reused for the next one.
    if (this.waiters.count !== 0) this.waiters.settle({ ...tick });
    if (this.onTick === undefined) {
      // Those that were waiting run after this, and arm the alarm if they want another tick.
      this.isAwaited = false;
      this.opened.alarm.arm(Infinity);
      return;
    }
    // Before the callback, so that the timer goes on even if that throws.
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

  /** Follows the promise of an asynchronous callback, or an object that only looks like a promise. */
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
   * Called when the alarm fires too early: as a rehearsal, or because the grid was moved meanwhile. After a sleep the
   * caches hold nothing of the code that a tick runs, so it is run here, on a grid that does not count.
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

/** How time-outs run: by the manual clock if the timer has one, and otherwise by Node. */
function timeoutBy(clock: Clock): StartTimeout | undefined {
  if (!(clock instanceof ManualClock)) return undefined;
  return (timeoutMs, then) => {
    const alarm = new ManualAlarm(clock, () => then());
    alarm.arm(clock.nowNs() + timeoutMs * 1e6);
    return () => alarm.close();
  };
}

const closed = (): PercoreError => new PercoreError('ERR_PERCORE_CLOSED', 'the timer is closed');

/** The options of a rate timer and their checks, and its status. */
import { checkFunction, checkInteger, checkOptions, invalidArgument } from '../errors.js';
import type { RateBackend } from './alarm.js';
import type { SystemClock } from './clock.js';
import type { ManualClock } from './manual-clock.js';
import { checkIntervalNs, exactIntervalNs, MOST_INTERVAL_NS } from './rate.js';
import { checkCatchUp, type CatchUp, type RateTick } from './tick-grid.js';

/** The options of a rate timer. Either `rateHz` or `intervalNs` must be given. */
export interface RateTimerOptions {
  /** Ticks a second: 3.2e-10 (one in a century) to 1,000,000. */
  rateHz?: number;
  /** Nanoseconds between two ticks: 1,000 to a century; may have a fraction. */
  intervalNs?: number;
  /** Nanoseconds from now to the first tick: 0 to a century. Default: one interval. */
  firstNs?: number;
  /**
   * What the timer sleeps on. 'timerfd' is the kernel's timer; 'io_uring' is a time-out on a ring, for which timerfd
   * stands in where it is refused; 'spin' keeps a CPU busy before each tick to be punctual to microseconds; 'manual'
   * needs a ManualClock as its clock. Default 'auto': 'manual' with a ManualClock, otherwise 'timerfd'. `status()` says
   * which backend was granted.
   */
  backend?: RateBackend | 'auto';
  /** What to do about ticks that are over before they could run: see CatchUp. Default 'skip'. */
  catchUp?: CatchUp;
  /**
   * The clock by which it runs. Default: this thread's monotonic clock. In a reactor, pass `reactor.clock` if the times
   * of ticks should be comparable to `reactor.nowNs()`.
   */
  clock?: SystemClock | ManualClock;
  /**
   * For how many nanoseconds before a deadline the thread may be kept busy, 0 to 10^7, so that the tick comes in time.
   * 'spin' uses all of it each time (default 200,000). 'timerfd' and 'io_uring' use as much as waking takes on this
   * machine, but not more than this (default 50,000); with 0 they wake at the deadline.
   */
  spinNs?: number;
  /**
   * Gets what the callback throws, or the reason for which its promise is rejected, and a text that names the callback.
   * Without it a reactor counts and reports the error as 'stepError'; in other threads it is an uncaught exception, as
   * with setInterval. Every error is counted in `status().errors`, and the timer goes on.
   */
  onError?: (error: unknown, where: string) => void;
}

/** Called for each tick of a rate timer. It may return a promise; the object `tick` is reused for the next tick. */
export type RateTickCallback = (tick: RateTick) => void;

/** What `RateTimer.status()` returns. */
export interface RateTimerStatus {
  /** The backend that was asked for, the one that is used, and if the system refused the first one, why. */
  readonly backend: { readonly asked: RateBackend | 'auto'; readonly granted: RateBackend; readonly why?: string };
  /** The clock by which it runs. */
  readonly clock: 'monotonic' | 'boottime' | 'manual';
  /** The present rate in ticks a second. */
  readonly rateHz: number;
  /** The present interval between two ticks in nanoseconds, with its fraction. */
  readonly intervalNs: number;
  /** What is done about ticks that are over before they could run. */
  readonly catchUp: CatchUp;
  /** How many ticks were delivered. */
  readonly ticks: number;
  /** How many ticks were left out, since they were over before they could run. */
  readonly missed: number;
  /** How many callbacks threw, or returned a promise that was rejected. */
  readonly errors: number;
  /** True when the timer was closed: no tick comes after that. */
  readonly isClosed: boolean;
}

const OPTIONS = ['rateHz', 'intervalNs', 'firstNs', 'backend', 'catchUp', 'clock', 'spinNs', 'onError'];
const MOST_SPIN_NS = 10_000_000;

/** Checks all options except `backend` and `clock`, which `openAlarm` checks. Fills in the defaults of the times. */
export function checkRateOptions(options: RateTimerOptions): { intervalNs: number; firstNs: number; catchUp: CatchUp } {
  if (typeof options !== 'object' || options === null) {
    throw invalidArgument('options', options, 'an object with rateHz or intervalNs');
  }
  checkOptions('options', options, OPTIONS);
  const intervalNs = checkOneOf(options);
  const firstNs = options.firstNs ?? intervalNs;
  if (typeof firstNs !== 'number' || !(firstNs >= 0) || firstNs > MOST_INTERVAL_NS) {
    const allowed = `nanoseconds from 0 to ${MOST_INTERVAL_NS} (a century)`;
    throw invalidArgument('firstNs', firstNs, allowed, 'ERR_PERCORE_TIMER_INVALID_INTERVAL');
  }
  const catchUp = checkCatchUp(options.catchUp ?? 'skip');
  if (options.spinNs !== undefined) checkInteger('spinNs', options.spinNs, 0, MOST_SPIN_NS);
  if (options.onError !== undefined) checkFunction('onError', options.onError);
  return { intervalNs, firstNs, catchUp };
}

function checkOneOf(options: RateTimerOptions): number {
  const { rateHz, intervalNs } = options;
  if (rateHz !== undefined && intervalNs !== undefined) {
    throw invalidArgument('intervalNs', intervalNs, 'left out when rateHz is given');
  }
  return intervalNs === undefined ? exactIntervalNs(rateHz as number) : checkIntervalNs(intervalNs);
}

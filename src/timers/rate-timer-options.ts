/** The options of a rate timer, its figures, and how options are checked. */
import { checkFunction, checkInteger, checkOptions, invalidArgument } from '../errors.js';
import type { RateBackend } from './alarm.js';
import type { SystemClock } from './clock.js';
import type { ManualClock } from './manual-clock.js';
import { checkIntervalNs, exactIntervalNs, MOST_INTERVAL_NS } from './rate.js';
import { checkCatchUp, type CatchUp, type RateTick } from './tick-grid.js';

export interface RateTimerOptions {
  /** Ticks a second, 3.2e-10 to 1,000,000. Either this or `intervalNs`. */
  rateHz?: number;
  /** Nanoseconds between ticks, 1,000 to a century; may have a fraction. */
  intervalNs?: number;
  /** Nanoseconds from now to the first tick, 0 to a century; one interval if left out. */
  firstNs?: number;
  /** Default 'auto': timerfd, or manual with a manual clock. What was granted is in `status()`. */
  backend?: RateBackend | 'auto';
  /** About ticks that are over before they could run. Default 'skip'. */
  catchUp?: CatchUp;
  /**
   * By what it runs. Default: this thread's monotonic clock. In a reactor, `reactor.clock` makes its times those of
   * `reactor.nowNs()`.
   */
  clock?: SystemClock | ManualClock;
  /**
   * Nanoseconds before a deadline from which on the thread does nothing else, 0 to 10^7. For 'spin' that much each time
   * (default 200,000), for 'timerfd' and 'io_uring' as much as waking takes here, and this at most (default 50,000; 0:
   * they wake at the deadline).
   */
  spinNs?: number;
  /**
   * Gets what the callback throws, or what the promise that it returns is rejected with, and words for whose it was.
   * Without it a reactor counts and reports it as 'stepError'; in other threads it is an uncaught exception, as from
   * setInterval. Each is counted in `status().errors`, and the timer goes on.
   */
  onError?: (error: unknown, where: string) => void;
}
export type RateTickCallback = (tick: RateTick) => void;

export interface RateTimerStatus {
  /** What was asked and what is used; `why` where they differ. */
  readonly backend: { readonly asked: RateBackend | 'auto'; readonly granted: RateBackend; readonly why?: string };
  readonly clock: 'monotonic' | 'boottime' | 'manual';
  /** Ticks a second. */
  readonly rateHz: number;
  /** Time between two ticks, in nanoseconds. */
  readonly intervalNs: number;
  /** What becomes of ticks that were missed. */
  readonly catchUp: CatchUp;
  /** Ticks delivered, and ticks left out. */
  readonly ticks: number;
  /** Ticks that came due while an earlier one could not run. */
  readonly missed: number;
  /** Callbacks that threw, or whose promise was rejected. */
  readonly errors: number;
  /** No tick comes any more. */
  readonly isClosed: boolean;
}

const OPTIONS = ['rateHz', 'intervalNs', 'firstNs', 'backend', 'catchUp', 'clock', 'spinNs', 'onError'];
const MOST_SPIN_NS = 10_000_000;

/** Checks all of them. The times are with what was left out. */
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

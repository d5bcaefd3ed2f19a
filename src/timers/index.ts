/**
 * `percore/timers`: millions of cheap timers, in a reactor (`reactor.timers`) or in any other thread (`create`); rate
 * timers that do not drift; clocks, the measuring of jitter, and rate control.
 *
 * @module
 */
export { create, LocalTimers, type LocalTimersOptions, type TimersClock } from './timer-wheel.js';
export { Timers } from './timers.js';
export type { TimersHost } from './due-timers.js';
export type {
  AfterOptions, AtOptions, BandOption, EveryOptions, TimerOptions, WalkOptions,
} from './timer-options.js';
export type { Tick, TickCallback } from './walk.js';
export { noTimer, type TimerId } from './timer-id.js';
export { SystemClock, monotonicClock, type Clock, type ClockKind, type SystemClockOptions } from './clock.js';
export { ManualClock, type ClockFollower, type HandDrivenTimers } from './manual-clock.js';
export {
  intervalNsToRate, rateToIntervalNs, LEAST_INTERVAL_NS, LEAST_RATE_HZ, MOST_INTERVAL_NS, MOST_RATE_HZ,
  NANOS_PER_SECOND,
} from './rate.js';
export { createRateTimer, RateTimer } from './rate-timer.js';
export type { RateTickCallback, RateTimerOptions, RateTimerStatus } from './rate-timer-options.js';
export type { RateBackend } from './alarm.js';
export type { WaitOptions } from '../waiting.js';
export type { CatchUp, RateTick } from './tick-grid.js';
export { JitterMeasurement, JitterRecorder, JitterStats, type JitterOptions, type Percentiles } from './jitter.js';
export { createRateState } from './rate-state.js';
export { RateSurface, type RateSurfaceOptions } from './rate-surface.js';
export {
  RateController, type JitterWarning, type RateControllerOptions, type RateControllerStatus, type RateStats,
} from './rate-controller.js';

/**
 * Converts rates to intervals and back (interval in nanoseconds = 10^9 / rate), and checks both.
 *
 * An interval is at least a microsecond, since with a shorter one a tick would take longer than that, and at most a
 * century.
 */
import { invalidArgument } from '../errors.js';

/** Nanoseconds in a second: 10^9. */
export const NANOS_PER_SECOND = 1_000_000_000;
/** The shortest interval: a microsecond. */
export const LEAST_INTERVAL_NS = 1000;
/** The longest interval: a century with 365.25 days in a year. */
export const MOST_INTERVAL_NS: number = 36_525 * 86_400 * NANOS_PER_SECOND;
/** The highest rate: a tick in each microsecond, which is 1,000,000 Hz. */
export const MOST_RATE_HZ: number = NANOS_PER_SECOND / LEAST_INTERVAL_NS;
/** The lowest rate: one tick in a century, about 3.2 * 10^-10 Hz. */
export const LEAST_RATE_HZ: number = NANOS_PER_SECOND / MOST_INTERVAL_NS;

/**
 * The whole nanoseconds between two ticks at this rate, rounded down: 33,333,333 for 30 Hz. Throws
 * ERR_PERCORE_TIMER_INVALID_RATE.
 */
export function rateToIntervalNs(rateHz: number): number {
  return Math.floor(exactIntervalNs(rateHz));
}

/** The ticks in a second at this interval. Throws ERR_PERCORE_TIMER_INVALID_INTERVAL. */
export function intervalNsToRate(intervalNs: number): number {
  return NANOS_PER_SECOND / checkIntervalNs(intervalNs);
}

/**
 * The interval at a rate, with its fraction. Timers run by this one, since a rounded interval would drift from the rate
 * by up to a nanosecond with each tick.
 */
export function exactIntervalNs(rateHz: number, argument = 'rateHz'): number {
  // At the ends of the range, the quotient may be rounded to just outside of it.
  return Math.min(Math.max(NANOS_PER_SECOND / checkRateHz(rateHz, argument), LEAST_INTERVAL_NS), MOST_INTERVAL_NS);
}

/** Throws ERR_PERCORE_TIMER_INVALID_RATE unless `value` is a rate that a timer can have. */
export function checkRateHz(value: unknown, argument = 'rateHz'): number {
  if (typeof value === 'number' && value >= LEAST_RATE_HZ && value <= MOST_RATE_HZ) return value;
  throw invalidArgument(
    argument, value, `a rate from ${LEAST_RATE_HZ} Hz (once a century) to ${MOST_RATE_HZ} Hz (each microsecond)`,
    'ERR_PERCORE_TIMER_INVALID_RATE',
  );
}

/** Throws ERR_PERCORE_TIMER_INVALID_INTERVAL unless `value` is an interval that a timer can have. */
export function checkIntervalNs(value: unknown, argument = 'intervalNs'): number {
  if (typeof value === 'number' && value >= LEAST_INTERVAL_NS && value <= MOST_INTERVAL_NS) return value;
  throw invalidArgument(
    argument, value, `nanoseconds from ${LEAST_INTERVAL_NS} (a microsecond) to ${MOST_INTERVAL_NS} (a century)`,
    'ERR_PERCORE_TIMER_INVALID_INTERVAL',
  );
}

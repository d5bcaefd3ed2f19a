/**
 * Rates and intervals: interval = 10^9 / rate, in nanoseconds, both ways; and what is allowed of either.
 *
 * An interval of a timer is from a microsecond, below which a tick costs more than it lasts, to a century.
 */
import { invalidArgument } from '../errors.js';

/** 10^9. */
export const NANOS_PER_SECOND = 1_000_000_000;
/** 1,000,000 Hz. */
export const LEAST_INTERVAL_NS = 1000;
/** A century of 365.25 days a year. */
export const MOST_INTERVAL_NS: number = 36_525 * 86_400 * NANOS_PER_SECOND;
/** A tick each microsecond: 1,000,000. */
export const MOST_RATE_HZ: number = NANOS_PER_SECOND / LEAST_INTERVAL_NS;
/** A tick in a century: about 3.2 * 10^-10. */
export const LEAST_RATE_HZ: number = NANOS_PER_SECOND / MOST_INTERVAL_NS;

/**
 * Whole nanoseconds between two ticks at this rate, rounded down: 30 Hz are 33,333,333. Throws
 * ERR_PERCORE_TIMER_INVALID_RATE.
 */
export function rateToIntervalNs(rateHz: number): number {
  return Math.floor(exactIntervalNs(rateHz));
}

/** Ticks a second at this interval. Throws ERR_PERCORE_TIMER_INVALID_INTERVAL. */
export function intervalNsToRate(intervalNs: number): number {
  return NANOS_PER_SECOND / checkIntervalNs(intervalNs);
}

/**
 * The interval with its fraction: what a timer runs by, since a rounded one would drift from the rate by up to a
 * nanosecond a tick.
 */
export function exactIntervalNs(rateHz: number, argument = 'rateHz'): number {
  // At the ends of the range the quotient may round to just outside.
  return Math.min(Math.max(NANOS_PER_SECOND / checkRateHz(rateHz, argument), LEAST_INTERVAL_NS), MOST_INTERVAL_NS);
}

export function checkRateHz(value: unknown, argument = 'rateHz'): number {
  if (typeof value === 'number' && value >= LEAST_RATE_HZ && value <= MOST_RATE_HZ) return value;
  throw invalidArgument(
    argument, value, `a rate from ${LEAST_RATE_HZ} Hz (once a century) to ${MOST_RATE_HZ} Hz (each microsecond)`,
    'ERR_PERCORE_TIMER_INVALID_RATE',
  );
}

export function checkIntervalNs(value: unknown, argument = 'intervalNs'): number {
  if (typeof value === 'number' && value >= LEAST_INTERVAL_NS && value <= MOST_INTERVAL_NS) return value;
  throw invalidArgument(
    argument, value, `nanoseconds from ${LEAST_INTERVAL_NS} (a microsecond) to ${MOST_INTERVAL_NS} (a century)`,
    'ERR_PERCORE_TIMER_INVALID_INTERVAL',
  );
}

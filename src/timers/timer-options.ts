/** The options with which timers are made and moved, and their checks. */
import { checkOptions, invalidArgument, type PercoreError } from '../errors.js';
import { BANDS } from '../layout.js';
import { DEFAULT_BAND } from '../scheduling/internal.js';

/** The option that all timers have. */
export interface BandOption {
  /** The band in which the callback runs, from 0 (low) to 7 (high). Default 3. */
  priority?: number;
}
/** The options of `timers.after`. */
export interface AfterOptions extends BandOption {
  /** Nanoseconds from now: 0 to 2^62. */
  delayNs: number;
}
/** The options of `timers.at`. */
export interface AtOptions extends BandOption {
  /**
   * Nanoseconds since the start of the runtime, or of the timers: 0 to 2^62. If it is over, the timer runs in the next
   * turn.
   */
  deadlineNs: number;
}
/** The options of `timers.every`. */
export interface EveryOptions extends BandOption {
  /** Nanoseconds between two ticks: 1,000 (a microsecond) to 2^62. */
  intervalNs: number;
  /** Nanoseconds from now to the first tick, 0 to 2^62. Default: one interval. */
  firstNs?: number;
}
/** The options of `timers.walk`. */
export interface WalkOptions extends BandOption {
  /**
   * 1 to 4,096 intervals of 1,000 to 2^62 nanoseconds each. The first is the time from now to the first tick, the
   * second from there to the second tick, and so on.
   */
  intervalsNs: readonly number[];
  /**
   * 'round-robin' goes through the intervals again and again. 'linear' goes through them once; then the timer is over.
   */
  order: 'round-robin' | 'linear';
}
/** The options of `timers.create`. */
export type TimerOptions = AfterOptions | AtOptions | EveryOptions | WalkOptions;

/** The largest delay, interval or deadline: 146 years. */
const MOST_NS = 2 ** 62;
const LEAST_INTERVAL_NS = 1000;
const MOST_INTERVALS = 4096;

export const AFTER_OPTIONS: readonly string[] = ['delayNs', 'priority'];
export const AT_OPTIONS: readonly string[] = ['deadlineNs', 'priority'];
const EVERY_OPTIONS = ['intervalNs', 'firstNs', 'priority'];
const WALK_OPTIONS = ['intervalsNs', 'order', 'priority'];
const RESCHEDULE_OPTIONS = ['delayNs', 'deadlineNs'];

/** True if `ns` is a time from `least` to the largest that is allowed. */
const isWithin = (ns: unknown, least: number): ns is number =>
  typeof ns === 'number' && ns >= least && ns <= MOST_NS;

/**
 * True if `ns` is a time from 0 to the largest that is allowed. It does not call `isWithin`, so that V8 takes it into
 * the code of those who make timers.
 */
export const isTime = (ns: unknown): ns is number => typeof ns === 'number' && ns >= 0 && ns <= MOST_NS;

/**
 * True if there is any option other than the delay and the band. Allocates nothing. There is a function for each name
 * because with a constant name V8 knows the answer for an object literal; with a parameter it has to look, which takes
 * 7 to 10 ns.
 */
export function hasMoreThanDelay(options: object): boolean {
  for (const key in options) if (key !== 'delayNs' && key !== 'priority') return true;
  return false;
}

/** True if there is any option other than the deadline and the band. */
export function hasMoreThanDeadline(options: object): boolean {
  for (const key in options) if (key !== 'deadlineNs' && key !== 'priority') return true;
  return false;
}

/** The band of a callback: `priority` if it is valid, or the default if it is left out. */
export const checkBand = (priority: number | undefined): number =>
  priority === undefined ? DEFAULT_BAND : checkGivenBand(priority);

function checkGivenBand(priority: number): number {
  if (!Number.isInteger(priority) || priority < 0 || priority >= BANDS) {
    throw invalidArgument('priority', priority, `a whole number from 0 to ${BANDS - 1}`);
  }
  return priority;
}

/** Checks the options of `every`: the interval, and the delay of the first tick. */
export function checkEvery(options: EveryOptions): { intervalNs: number; firstNs: number } {
  const { intervalNs, firstNs = intervalNs } = checkOptions('options', options, EVERY_OPTIONS);
  if (!isWithin(intervalNs, LEAST_INTERVAL_NS)) throw invalidInterval('intervalNs', intervalNs);
  if (!isTime(firstNs)) throw invalidDelay('firstNs', firstNs);
  return { intervalNs, firstNs };
}

/** Checks the options of `walk`. Returns a copy of the intervals, and whether they are repeated. */
export function checkWalk(options: WalkOptions): { intervals: number[]; isCyclic: boolean } {
  const { intervalsNs, order } = checkOptions('options', options, WALK_OPTIONS);
  if (!Array.isArray(intervalsNs) || intervalsNs.length === 0 || intervalsNs.length > MOST_INTERVALS) {
    throw invalidArgument('intervalsNs', intervalsNs, `an array of 1 to ${MOST_INTERVALS} intervals`);
  }
  // Copy first, so that what is used is what was checked. A hole in the array becomes undefined, which is refused.
  const intervals = Array.from(intervalsNs as readonly number[]);
  intervals.forEach((interval, at) => {
    if (!isWithin(interval, LEAST_INTERVAL_NS)) throw invalidInterval(`intervalsNs[${at}]`, interval);
  });
  if (order !== 'round-robin' && order !== 'linear') {
    throw invalidArgument('order', order, "'round-robin' or 'linear'");
  }
  return { intervals, isCyclic: order === 'round-robin' };
}

/** Checks the options of `reschedule`: either a delay or a deadline. */
export function checkMove(options: { delayNs: number } | { deadlineNs: number }): { ns: number; isDelay: boolean } {
  checkOptions('options', options ?? null, RESCHEDULE_OPTIONS);
  const argument = 'delayNs' in options ? 'delayNs' : 'deadlineNs';
  if (argument === 'delayNs' && 'deadlineNs' in options) {
    throw invalidArgument('deadlineNs', options.deadlineNs, 'left out when delayNs is given');
  }
  const ns = (options as Record<string, number>)[argument]!;
  if (!isTime(ns)) throw invalidDelay(argument, ns);
  return { ns, isDelay: argument === 'delayNs' };
}

/**
 * Throws unless `value`, which was read from the options, is a time, and the options have known names alone. Often the
 * options are not an object, or the name is misspelt (delayMs). It is more helpful to say that than to say that the
 * time is missing. It is called where a quick look has found something, and stays out of the code that V8 compiles for
 * that.
 */
export function checkTime(
  argument: 'delayNs' | 'deadlineNs', value: unknown, options: unknown, known: readonly string[],
): void {
  if (typeof options !== 'object' || options === null) {
    throw invalidArgument('options', options, `an object with ${argument} (and priority if wanted)`);
  }
  checkOptions('options', options, known);
  if (!isTime(value)) throw invalidDelay(argument, value);
}

function invalidDelay(argument: string, value: unknown): PercoreError {
  return invalidArgument(argument, value, `nanoseconds from 0 to ${MOST_NS}`, 'ERR_PERCORE_TIMER_INVALID_DELAY');
}

function invalidInterval(argument: string, value: unknown): PercoreError {
  return invalidArgument(
    argument, value, `nanoseconds from ${LEAST_INTERVAL_NS} to ${MOST_NS}`, 'ERR_PERCORE_TIMER_INVALID_INTERVAL',
  );
}

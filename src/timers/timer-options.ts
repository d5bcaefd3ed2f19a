/** What a timer may be told when it is made or moved, and what is refused. */
import { checkOptions, invalidArgument, type PercoreError } from '../errors.js';
import { BANDS } from '../layout.js';
import { DEFAULT_BAND } from '../scheduling/internal.js';

export interface BandOption {
  /** Band of the callback, 0 low to 7 high. Default 3. */
  priority?: number;
}
export interface AfterOptions extends BandOption {
  /** Nanoseconds from now: 0 to 2^62. */
  delayNs: number;
}
export interface AtOptions extends BandOption {
  /** Nanoseconds since the runtime's start: 0 to 2^62. One that is over runs in the next turn. */
  deadlineNs: number;
}
export interface EveryOptions extends BandOption {
  /** Nanoseconds between ticks: 1,000 (a microsecond) to 2^62. */
  intervalNs: number;
  /** Nanoseconds from now to the first tick; one interval if left out. */
  firstNs?: number;
}
export interface WalkOptions extends BandOption {
  /** 1 to 4,096 intervals of 1,000 to 2^62 nanoseconds: the first from now to the first tick, and so on. */
  intervalsNs: readonly number[];
  /** 'round-robin': over and over. 'linear': once in their order; the last tick is the timer's end. */
  order: 'round-robin' | 'linear';
}
export type TimerOptions = AfterOptions | AtOptions | EveryOptions | WalkOptions;

/** A century and more. */
const MOST_NS = 2 ** 62;
const LEAST_INTERVAL_NS = 1000;
const MOST_INTERVALS = 4096;

export const AFTER_OPTIONS: readonly string[] = ['delayNs', 'priority'];
export const AT_OPTIONS: readonly string[] = ['deadlineNs', 'priority'];
const EVERY_OPTIONS = ['intervalNs', 'firstNs', 'priority'];
const WALK_OPTIONS = ['intervalsNs', 'order', 'priority'];
const RESCHEDULE_OPTIONS = ['delayNs', 'deadlineNs'];

/** True for a time that may be asked for. */
export const isWithin = (ns: unknown, least = 0): ns is number =>
  typeof ns === 'number' && ns >= least && ns <= MOST_NS;

/**
 * True when there is an option besides the delay and the band. Allocates nothing. A function of its own for each name:
 * with a constant V8 knows the answer for an object literal, with a parameter it looks, which takes 7 to 10 ns.
 */
export function hasMoreThanDelay(options: object): boolean {
  for (const key in options) if (key !== 'delayNs' && key !== 'priority') return true;
  return false;
}

/** The same besides the deadline. */
export function hasMoreThanDeadline(options: object): boolean {
  for (const key in options) if (key !== 'deadlineNs' && key !== 'priority') return true;
  return false;
}

/** The band of a callback. */
export function checkBand(priority: number | undefined): number {
  if (priority === undefined) return DEFAULT_BAND;
  if (!Number.isInteger(priority) || priority < 0 || priority >= BANDS) {
    throw invalidArgument('priority', priority, `a whole number from 0 to ${BANDS - 1}`);
  }
  return priority;
}

/** Of `every`: the interval and the delay of the first tick. */
export function checkEvery(options: EveryOptions): { intervalNs: number; firstNs: number } {
  const { intervalNs, firstNs = intervalNs } = checkOptions('options', options, EVERY_OPTIONS);
  if (!isWithin(intervalNs, LEAST_INTERVAL_NS)) throw invalidInterval('intervalNs', intervalNs);
  if (!isWithin(firstNs)) throw invalidDelay('firstNs', firstNs);
  return { intervalNs, firstNs };
}

/** Of `walk`: the intervals, which are a copy, and whether they come again. */
export function checkWalk(options: WalkOptions): { intervals: number[]; isCyclic: boolean } {
  const { intervalsNs, order } = checkOptions('options', options, WALK_OPTIONS);
  if (!Array.isArray(intervalsNs) || intervalsNs.length === 0 || intervalsNs.length > MOST_INTERVALS) {
    throw invalidArgument('intervalsNs', intervalsNs, `an array of 1 to ${MOST_INTERVALS} intervals`);
  }
  // A copy first: what was checked is what is used. A hole is undefined in it, and refused as that.
  const intervals = Array.from(intervalsNs as readonly number[]);
  intervals.forEach((interval, at) => {
    if (!isWithin(interval, LEAST_INTERVAL_NS)) throw invalidInterval(`intervalsNs[${at}]`, interval);
  });
  if (order !== 'round-robin' && order !== 'linear') {
    throw invalidArgument('order', order, "'round-robin' or 'linear'");
  }
  return { intervals, isCyclic: order === 'round-robin' };
}

/** Of `reschedule`: either a delay or a deadline. */
export function checkMove(options: { delayNs: number } | { deadlineNs: number }): { ns: number; isDelay: boolean } {
  checkOptions('options', options ?? null, RESCHEDULE_OPTIONS);
  const argument = 'delayNs' in options ? 'delayNs' : 'deadlineNs';
  if (argument === 'delayNs' && 'deadlineNs' in options) {
    throw invalidArgument('deadlineNs', options.deadlineNs, 'left out when delayNs is given');
  }
  const ns = (options as Record<string, number>)[argument]!;
  if (!isWithin(ns)) throw invalidDelay(argument, ns);
  return { ns, isDelay: argument === 'delayNs' };
}

/**
 * A time that cannot be: most often the options are something else, or it is misspelt (delayMs), which says more than
 * that it is missing.
 */
export function invalidTime(
  argument: 'delayNs' | 'deadlineNs',
  options: unknown,
  known: readonly string[],
): PercoreError {
  if (typeof options !== 'object' || options === null) {
    return invalidArgument('options', options, `an object with ${argument} (and priority if wanted)`);
  }
  checkOptions('options', options, known);
  return invalidDelay(argument, (options as Record<string, unknown>)[argument]);
}

function invalidDelay(argument: string, value: unknown): PercoreError {
  return invalidArgument(argument, value, `nanoseconds from 0 to ${MOST_NS}`, 'ERR_PERCORE_TIMER_INVALID_DELAY');
}

function invalidInterval(argument: string, value: unknown): PercoreError {
  return invalidArgument(
    argument, value, `nanoseconds from ${LEAST_INTERVAL_NS} to ${MOST_NS}`, 'ERR_PERCORE_TIMER_INVALID_INTERVAL',
  );
}

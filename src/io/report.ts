/**
 * Reports what a user's callback has thrown in a step of its own, so that whoever runs steps counts and reports it like
 * the error of any step. A callback that throws thus affects neither its caller nor what the caller still had to do.
 */
import type { Ready, Schedule } from '../scheduling/internal.js';

class Thrown implements Ready {
  isReady = false;
  private isTold = false;

  constructor(readonly band: number, private readonly error: unknown, readonly where: string) {}

  run(): boolean {
    if (this.isTold) return false;
    this.isTold = true;
    throw this.error;
  }
}

/** Reports `error` in the next step of `band`. `where` says which handler threw it. */
export function reportThrown(schedule: Schedule, band: number, error: unknown, where: string): void {
  schedule(new Thrown(band, error, where));
}

/** Follows what a callback has returned: if it is a promise, a rejection is reported. Other values mean nothing. */
export function followResult(schedule: Schedule, band: number, result: unknown, where: () => string): void {
  if (typeof (result as { then?: unknown } | null)?.then !== 'function') return;
  // `await` copes with thenables that call back twice, throw, or lie.
  void (async () => {
    try {
      await result;
    } catch (error) {
      reportThrown(schedule, band, error, where());
    }
  })();
}

/** The owner of a handler: its band, and the words for a report. */
export interface HandlerOwner {
  readonly band: number;
  describe(): string;
}

/**
 * Calls a user's handler. What it throws, and the rejection of a promise that it returns, is reported in a step of the
 * owner's band. `name` is the name of the handler. False when it has thrown.
 */
export function callBack(schedule: Schedule, name: string, owner: HandlerOwner, callback: () => unknown): boolean {
  const where = (): string => `${name} of ${owner.describe()}`;
  try {
    const result = callback();
    if (result !== undefined) followResult(schedule, owner.band, result, where);
    return true;
  } catch (error) {
    reportThrown(schedule, owner.band, error, where());
    return false;
  }
}

/**
 * Calls a user's handler outside its endpoint's step. What it throws is reported at once, and the rejection of a
 * promise that it returns as soon as it is known. Whoever caused the call goes on, which may be another handler of the
 * user's or a callback of Node's. `where` says which handler it is.
 */
export function tell<T>(
  reporter: { report(error: unknown, where: string): void },
  handler: ((value: T) => void) | undefined, value: T, where: string,
): void {
  if (handler === undefined) return;
  try {
    const result: unknown = handler(value);
    if (result !== undefined) Promise.resolve(result).catch((error: unknown) => reporter.report(error, where));
  } catch (error) {
    reporter.report(error, where);
  }
}

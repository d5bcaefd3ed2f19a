/**
 * What a user's callback threw, in a step of its own: whoever runs steps counts and reports it, as it does what a step
 * throws. So a callback that throws affects neither its caller nor what the caller still had to do.
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

/** Reports `error` in the next step of `band`; `where` says whose it is. */
export function reportThrown(schedule: Schedule, band: number, error: unknown, where: string): void {
  schedule(new Thrown(band, error, where));
}

/** What a callback returned: of a promise, a rejection is reported; anything else means nothing. */
export function followResult(schedule: Schedule, band: number, result: unknown, where: () => string): void {
  if (typeof (result as { then?: unknown } | null)?.then !== 'function') return;
  // `await` itself takes care of thenables that call back twice, throw, or lie.
  void (async () => {
    try {
      await result;
    } catch (error) {
      reportThrown(schedule, band, error, where());
    }
  })();
}

/** Whose handler it is: its band, and words for the report. */
export interface HandlerOwner {
  readonly band: number;
  describe(): string;
}

/**
 * Calls a user's handler whose errors are reported in a step of the owner's band; those of a promise that it returns as
 * well. `name` is the handler's. False: it has thrown.
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
 * Calls a user's handler outside of its endpoint's step. What it throws is reported at once, what a promise that it
 * returns is rejected with as soon as it is known, and whoever has caused the call, which may be another handler of the
 * user's or a callback of Node's, goes on. `where` says which handler it is.
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

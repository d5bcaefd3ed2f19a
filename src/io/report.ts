/**
 * What a user's callback threw, in a step of its own: whoever runs steps counts and reports it, as it does what a step throws. So a callback
 * costs itself alone: not the one who happened to call it, nor what that one had still to do.
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

/**
 * Orders to a broker that cannot take them yet: while the brokers of a cluster find each other, and elect who leads
 * them and each stream, they answer that they are not ready, or not at all.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { isTimeout, jetStreamCode } from './failures.js';

/** No answer that is whole, no peers yet, no leader, a stream or a consumer without one. */
const NOT_YET = [10004, 10005, 10008, 10009, 10118, 10119];
const FIRST_PAUSE_MS = 50;
const LAST_PAUSE_MS = 1000;

/** What is wanted is not there yet. */
export class NotYet extends Error {
  override readonly message = 'the broker has not heard of it yet';
}

/** Tries until it is done, refused for good, or `mostMs` are over; then it rejects with what it was told last. */
export async function patiently<T>(mostMs: number, isOver: () => boolean, order: () => Promise<T>): Promise<T> {
  const endMs = performance.now() + mostMs;
  for (let pauseMs = FIRST_PAUSE_MS;; pauseMs = Math.min(LAST_PAUSE_MS, 2 * pauseMs)) {
    try {
      return await order();
    } catch (error) {
      if (!isNotYet(error) || isOver() || performance.now() + pauseMs > endMs) throw error;
    }
    await pause(pauseMs);
  }
}

/** What was wrapped for the user has it as its cause. */
function isNotYet(error: unknown): boolean {
  return error instanceof Error
    && (error instanceof NotYet || NOT_YET.includes(jetStreamCode(error)) || isTimeout(error) || isNotYet(error.cause));
}

/** Waits until no more than a number of bytes is pending: for room, or for everything to be sent. See waiting.ts. */
import { isPassDue, nextPass } from '../loop-pass.js';
import { checkWaitOptions, throwIfAborted, Waiters, type WaitOptions } from '../waiting.js';

/** What is missing when a wait for room, or for everything to be sent, times out. */
export const NO_ROOM = 'no room';
export const NOT_FLUSHED = 'not everything was taken by the kernel';

/** Those who wait; `settle(pending)` wakes those who wait for no less. */
export function createPendingWaiters(): Waiters<number> {
  return new Waiters<number>(NO_ROOM);
}

/** Resolves when `pending` answers no more than `most`, or `waiters` are told so. Rejects as waiting.ts says. */
export async function whenAtMost(
  most: number, pending: () => number, waiters: () => Waiters<number>, given: WaitOptions | undefined,
  missed: string = NO_ROOM,
): Promise<void> {
  const options = checkWaitOptions(given);
  for (;;) {
    throwIfAborted(options.signal);
    if (pending() > most) break;
    if (!isPassDue()) return;
    // Then it is looked at again, since it may be otherwise by then.
    await nextPass();
  }
  await waiters().wait(options, (left) => left <= most, missed);
}

/**
 * Bytes that may wait when `refused` more are taken, and so those at which their wait ends: half of the mark at most,
 * so that one wait makes room for many offers. What is larger than the mark is taken when nothing waits.
 */
export function roomFor(refused: number, highWaterBytes: number): number {
  return Math.min(highWaterBytes / 2, Math.max(0, highWaterBytes - refused));
}

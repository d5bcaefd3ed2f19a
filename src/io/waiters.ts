/** Waits until at most a given number of bytes is pending: for room, or until everything is sent. See waiting.ts. */
import { isPassDue, nextPass } from '../loop-pass.js';
import { checkWaitOptions, throwIfAborted, Waiters, type WaitOptions } from '../waiting.js';

/** What a wait for room, or for everything to be sent, says was missing when it times out. */
export const NO_ROOM = 'no room';
export const NOT_FLUSHED = 'not everything was taken by the kernel';

/** Those who wait. `settle(pending)` wakes all who wait for at least that number. */
export function createPendingWaiters(): Waiters<number> {
  return new Waiters<number>(NO_ROOM);
}

/** Resolves when `pending()` is at most `most`, or `waiters` are told so. Rejects as waiting.ts says. */
export async function whenAtMost(
  most: number, pending: () => number, waiters: () => Waiters<number>, given: WaitOptions | undefined,
  missed: string = NO_ROOM,
): Promise<void> {
  const options = checkWaitOptions(given);
  for (;;) {
    throwIfAborted(options.signal);
    if (pending() > most) break;
    if (!isPassDue()) return;
    // After the pass it is checked again, since that may have changed.
    await nextPass();
  }
  await waiters().wait(options, (left) => left <= most, missed);
}

/**
 * How many bytes may still wait when a wait ends that `refused` bytes had caused. It is at most half of the mark, so
 * that one wait makes room for many offers. A piece larger than the mark is taken only when nothing waits.
 */
export function roomFor(refused: number, highWaterBytes: number): number {
  return Math.min(highWaterBytes / 2, Math.max(0, highWaterBytes - refused));
}

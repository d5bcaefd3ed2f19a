/**
 * How one thread waits for another at a queue: by an event count. The side that waits and the side that rings keep to
 * this order:
 *
 *   the side that waits                  the side that publishes or releases
 *   1. seen = bell                       1. moves its cursor
 *   2. sets its flag in `attention`      2. finds the flag, clears it
 *   3. looks once more; goes if it can   3. bell + 1, notify
 *   4. sleeps while bell is `seen`
 *
 * Whichever side comes later sees the other. The sleep is a futex: `Atomics.wait` for a thread that may block,
 * `Atomics.waitAsync` for one that has an event loop to serve. No descriptor is involved, so nothing can outlive its
 * thread. A thread that dies between clearing the flag and ringing the bell leaves a sleeper behind, which is why
 * `recover` rings every bell. ../waiting.ts has the rules for `signal` and `timeoutMs`.
 *
 * Source: event counts, Reed and Kanodia 1979; futex(2).
 */
import { isPassDue, nextPass } from '../loop-pass.js';
import {
  checkMayBlock, checkSyncWaitOptions, checkWaitOptions, throwIfAborted, timedOut, whenAborted, type SyncWaitOptions,
  type WaitOptions,
} from '../waiting.js';
import { BACK_PRESSURED, type ResultCode } from '../result-codes.js';
import { farBellsOf } from './far-bells.js';

/** What somebody waits for, and at which bell. */
export interface Wish {
  readonly bellWords: Int32Array;
  readonly bell: number;
  /** What `look` answers while there is reason to wait. */
  readonly notYet: ResultCode;
  /** Looks whether the wait is over; called before and after `arm`, and after each sleep. Does not block. */
  look(): ResultCode;
  /** Sets the flag that makes the other side ring. */
  arm(): void;
  /** When `look` may change its answer without a ring, on the clock of `performance.now()`. */
  untilMs?(): number;
}

/** Wakes everybody who sleeps at this bell. */
export function ringBell(words: Int32Array, at: number): void {
  // ring.bell: pairs with the load and the sleep of the waiting side. The count grows first, so that a thread which is
  // about to sleep does not.
  Atomics.add(words, at, 1);
  const far = farBellsOf(words);
  if (far === null) Atomics.notify(words, at);
  else far.wake(words, at);
}

/**
 * Sleeps until the wish is fulfilled, which freezes this thread. Returns the wish's code, or `notYet` after
 * `timeoutMs`. Throws where a thread may not block, such as in a reactor.
 */
export function waitBlocking(wish: Wish, given?: SyncWaitOptions): ResultCode {
  checkMayBlock('Await room() or ready(), or let the consumer subscribe with another whenSlow than "block"');
  const { timeoutMs = Infinity } = checkSyncWaitOptions(given);
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    // ring.bell: the count before the last look.
    const seen = Atomics.load(wish.bellWords, wish.bell);
    wish.arm();
    const code = wish.look();
    if (code !== wish.notYet) return code;
    const nowMs = performance.now();
    if (deadlineMs <= nowMs) return code;
    // ring.bell: pairs with ringBell(). If the bell has rung since `seen` was loaded, the sleep ends at once.
    const far = farBellsOf(wish.bellWords);
    if (far === null) Atomics.wait(wish.bellWords, wish.bell, seen, sleepMs(wish, deadlineMs, nowMs));
    else far.sleep(wish.bellWords, wish.bell, seen, sleepMs(wish, deadlineMs, nowMs));
  }
}

/**
 * Resolves with the wish's code once it is fulfilled. That is never before the caller's turn of the event loop is over,
 * and now and then it is after one whole pass of the loop, so that the loop is served; the wish is then looked at
 * again. Rejects by `signal` and `timeoutMs`. Keeps the thread's loop alive meanwhile.
 */
export async function waitAsync(wish: Wish, given?: WaitOptions): Promise<ResultCode> {
  const { signal, timeoutMs = Infinity } = checkWaitOptions(given);
  const deadlineMs = performance.now() + timeoutMs;
  for (let isFirst = true; ; isFirst = false) {
    throwIfAborted(signal);
    // ring.bell: the count before the last look.
    const seen = Atomics.load(wish.bellWords, wish.bell);
    let code = wish.look();
    if (code !== wish.notYet) {
      // Look once more when the caller's turn is over: the caller may have closed this end.
      if (isFirst) await undefined;
      else if (isPassDue()) await nextPass();
      else return code;
      continue;
    }
    wish.arm();
    code = wish.look();
    if (code !== wish.notYet) {
      await undefined;
      continue;
    }
    const nowMs = performance.now();
    if (deadlineMs <= nowMs)
      throw timedOut(wish.notYet === BACK_PRESSURED ? 'no room in the queue' : 'no record in the queue', timeoutMs);
    await sleepAt(wish, seen, sleepMs(wish, deadlineMs, nowMs), signal);
  }
}

/** How long to sleep: until the deadline, or until there is reason to look again without a ring. */
function sleepMs(wish: Wish, deadlineMs: number, nowMs: number): number {
  return Math.max(0, Math.min(deadlineMs, wish.untilMs?.() ?? Infinity) - nowMs);
}

type WaitAsync = (words: Int32Array, at: number, value: number, timeoutMs: number) =>
  { async: false; value: string } | { async: true; value: Promise<unknown> };

async function sleepAt(wish: Wish, seen: number, leftMs: number, signal: AbortSignal | undefined): Promise<void> {
  const far = farBellsOf(wish.bellWords);
  const sleep = far !== null
    ? { async: true as const, value: far.sleepLater(wish.bellWords, wish.bell, seen, leftMs) }
    : (Atomics as unknown as { waitAsync: WaitAsync }).waitAsync(wish.bellWords, wish.bell, seen, leftMs);
  if (!sleep.async) return;
  // A single sleeper cannot be taken out of the futex, so everybody at this bell is woken and looks again.
  const wakeAll = (): void => {
    if (far === null) Atomics.notify(wish.bellWords, wish.bell);
    // Some thread may be about to sleep there; a bell that has rung keeps it awake.
    else ringBell(wish.bellWords, wish.bell);
  };
  const stopListening = signal === undefined ? undefined : whenAborted(signal, wakeAll);
  keepAlive(1);
  try {
    await sleep.value;
  } finally {
    keepAlive(-1);
    stopListening?.();
  }
}

let waiters = 0;
let handle: NodeJS.Timeout | undefined;
/** A pending waitAsync does not keep the event loop alive. One timer that never fires does so for all of them. */
function keepAlive(change: number): void {
  waiters += change;
  if (waiters > 0) handle ??= setInterval(() => {}, 2 ** 30);
  else if (handle !== undefined) {
    clearInterval(handle);
    handle = undefined;
  }
}

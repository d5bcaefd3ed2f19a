/**
 * How one thread waits for another at a queue. Who waits and who rings keep to one order, an event count:
 *
 *   who waits                            who publishes or releases
 *   1. seen = bell                       1. moves its cursor
 *   2. sets its flag in `attention`      2. finds the flag, clears it
 *   3. looks once more; goes if it can   3. bell + 1, notify
 *   4. sleeps while bell is `seen`
 *
 * Whichever of the two comes later sees the other. The sleep is a futex: `Atomics.wait` for a thread that may stand still,
 * `Atomics.waitAsync` for one that has a loop to serve. No descriptor is involved, so nothing can outlive its thread. A thread that
 * dies between clearing the flag and the bell leaves a sleeper behind: `recover` rings every bell.
 *
 * Source: event counts, Reed and Kanodia 1979; futex(2).
 */
import { checkSignal, whenAborted } from '../abort.js';
import { PercoreError, checkOptions, invalidArgument } from '../errors.js';
import { isTurnDue, turn } from '../turns.js';
import type { ResultCode } from './result-codes.js';

export interface WaitOptions {
  /** Gives up with ERR_PERCORE_ABORTED; its reason is the error's `cause`. */
  signal?: AbortSignal | undefined;
  /** Gives up with ERR_PERCORE_TIMEOUT after so many milliseconds, 0 or more. For ever if left out. */
  timeoutMs?: number | undefined;
}

/** What somebody waits for, and at which bell. */
export interface Wish {
  readonly bellWords: Int32Array;
  readonly bell: number;
  /** Answer of `look` while there is reason to wait. */
  readonly notYet: ResultCode;
  look(): ResultCode;
  /** Sets the flag that makes the other side ring. */
  arm(): void;
  /** When `look` may answer otherwise though nobody rings, on the clock of `performance.now()`. */
  untilMs?(): number;
}

/** Wakes whoever sleeps at this bell. */
export function ringBell(words: Int32Array, at: number): void {
  // ring.bell: pairs with the load and the sleep of who waits. Grows first, so that who is about to sleep does not.
  Atomics.add(words, at, 1);
  Atomics.notify(words, at);
}

let mayBlock = true;
/** A reactor forbids its thread to stand still. */
export function forbidBlocking(): void {
  mayBlock = false;
}

/** Sleeps until the wish is fulfilled; freezes this thread. Its code, or `notYet` after `timeoutMs`. Refused inside a reactor. */
export function waitBlocking(wish: Wish, options?: WaitOptions): ResultCode {
  if (!mayBlock) {
    throw new PercoreError('ERR_PERCORE_WOULD_BLOCK', 'a reactor may not stand still for a queue: its sockets and timers would. Await space() or ready(), or let the consumer subscribe with another whenSlow than "block"');
  }
  const deadlineMs = deadlineOf(checkWaitOptions(options));
  for (;;) {
    // ring.bell: as it was before the last look.
    const seen = Atomics.load(wish.bellWords, wish.bell);
    wish.arm();
    const code = wish.look();
    if (code !== wish.notYet) return code;
    const nowMs = performance.now();
    if (deadlineMs <= nowMs) return code;
    // ring.bell: pairs with ringBell(). A bell that has rung since `seen` was loaded ends it at once.
    Atomics.wait(wish.bellWords, wish.bell, seen, sleepMs(wish, deadlineMs, nowMs));
  }
}

/**
 * Resolves with the wish's code: at once where it is fulfilled, unless this thread's loop is due to turn first. Rejects with ERR_PERCORE_TIMEOUT or
 * ERR_PERCORE_ABORTED. Keeps the thread's loop alive meanwhile.
 */
export async function waitAsync(wish: Wish, given?: WaitOptions): Promise<ResultCode> {
  const options = checkWaitOptions(given);
  const deadlineMs = deadlineOf(options);
  for (;;) {
    checkAborted(options.signal);
    // ring.bell: as it was before the last look.
    const seen = Atomics.load(wish.bellWords, wish.bell);
    let code = wish.look();
    if (code !== wish.notYet) {
      if (!isTurnDue()) return code;
      // Then once more, since it may be otherwise by then.
      await turn();
      continue;
    }
    wish.arm();
    code = wish.look();
    if (code !== wish.notYet) return code;
    const nowMs = performance.now();
    if (deadlineMs <= nowMs) throw new PercoreError('ERR_PERCORE_TIMEOUT', `nothing came of the wait within ${options.timeoutMs} ms`, { argument: 'timeoutMs', value: options.timeoutMs });
    await sleepAt(wish, seen, sleepMs(wish, deadlineMs, nowMs), options.signal);
  }
}

/** To the deadline, or until there is reason to look again without a bell. */
const sleepMs = (wish: Wish, deadlineMs: number, nowMs: number): number => Math.max(0, Math.min(deadlineMs, wish.untilMs?.() ?? Infinity) - nowMs);

type WaitAsync = (words: Int32Array, at: number, value: number, timeoutMs: number) => { async: false; value: string } | { async: true; value: Promise<string> };

async function sleepAt(wish: Wish, seen: number, leftMs: number, signal: AbortSignal | undefined): Promise<void> {
  const sleep = (Atomics as unknown as { waitAsync: WaitAsync }).waitAsync(wish.bellWords, wish.bell, seen, leftMs);
  if (!sleep.async) return;
  // The futex has no way to be left: everybody at this bell is woken and looks again.
  const wakeAll = (): void => void Atomics.notify(wish.bellWords, wish.bell);
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
/** A pending waitAsync does not keep the loop alive; one timer that never fires does, for all of them. */
function keepAlive(change: number): void {
  waiters += change;
  if (waiters > 0) handle ??= setInterval(() => {}, 2 ** 30);
  else if (handle !== undefined) {
    clearInterval(handle);
    handle = undefined;
  }
}

const deadlineOf = ({ timeoutMs = Infinity }: WaitOptions): number => performance.now() + timeoutMs;

/** Throws for what are no options of a wait; an AbortSignal may be of another realm. The options, or none. */
export function checkWaitOptions(options: WaitOptions | undefined): WaitOptions {
  if (options === undefined) return {};
  const { signal, timeoutMs } = checkOptions('options', options, ['signal', 'timeoutMs']);
  if (timeoutMs !== undefined && (typeof timeoutMs !== 'number' || !(timeoutMs >= 0))) throw invalidArgument('timeoutMs', timeoutMs, 'a number of milliseconds, 0 or more');
  checkSignal(signal);
  return options;
}

/** Throws when the signal has been given. */
export function checkAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new PercoreError('ERR_PERCORE_ABORTED', 'the wait was aborted', { argument: 'signal', cause: signal.reason });
}

/**
 * One way to wait with `{ signal, timeoutMs }`, for every promise that Percore hands out.
 *
 *     await consumer.ready({ timeoutMs: 500, signal });
 *
 * | what is the case, in this order   | what the promise does                                                       |
 * |-----------------------------------|-----------------------------------------------------------------------------|
 * | the options are invalid           | rejects with ERR_PERCORE_INVALID_ARGUMENT                                   |
 * | the signal has already aborted    | rejects with `signal.reason` itself, even if what is waited for is there    |
 * | what is waited for is there       | resolves, if it is still there when the caller's own code has run, or after |
 * |                                   | one pass of the loop (loop-pass.ts)                                         |
 * | `timeoutMs` is 0                  | rejects with ERR_PERCORE_TIMEOUT                                            |
 * | what is waited for comes          | resolves                                                                    |
 * | `timeoutMs` milliseconds are over | rejects with ERR_PERCORE_TIMEOUT, which says what did not come and when     |
 * | the signal aborts                 | rejects with `signal.reason` itself                                         |
 *
 * However a wait ends, it leaves no timer and no listener behind. What comes after it has ended is not lost: the next
 * caller gets it.
 *
 * Blocking waits (`…Sync`) freeze their thread, so a signal could never abort in it. They therefore take only
 * `timeoutMs`, answer a result code when it is over, and are refused in a reactor.
 */
import { PercoreError, checkOptions, invalidArgument } from './errors.js';
import { isPassDue, nextPass } from './loop-pass.js';

/** The options of every call that returns a promise and waits for something. */
export interface WaitOptions {
  /** Ends the wait when it aborts: the promise then rejects with `signal.reason` itself. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Ends the wait after this many milliseconds, 0 to 2^31 - 1: the promise then rejects with ERR_PERCORE_TIMEOUT. With
   * 0 it rejects unless what is waited for is already there. Default: the wait has no limit.
   */
  readonly timeoutMs?: number | undefined;
}

/** The options of every call that waits by freezing its thread. */
export type SyncWaitOptions = Pick<WaitOptions, 'timeoutMs'>;

/** The longest time-out that a timer of Node can have, 24 days; a longer one would fire at once. */
export const MAX_TIMEOUT_MS: number = 2 ** 31 - 1;

const NO_OPTIONS: WaitOptions = Object.freeze({});

/** Checks the options of a wait, which may be left out. Throws ERR_PERCORE_INVALID_ARGUMENT for anything else. */
export function checkWaitOptions(given: WaitOptions | undefined): WaitOptions {
  if (given === undefined) return NO_OPTIONS;
  const { signal, timeoutMs } = checkOptions('options', given, ['signal', 'timeoutMs']);
  if (timeoutMs !== undefined) checkTimeoutMs(timeoutMs);
  checkSignal(signal);
  // Return the values that were checked: a getter might answer something else the next time.
  return { signal, timeoutMs };
}

/** The same for a call that freezes its thread. */
export function checkSyncWaitOptions(given: SyncWaitOptions | undefined): SyncWaitOptions {
  if (given === undefined) return NO_OPTIONS;
  const { timeoutMs } = checkOptions('options', given, ['timeoutMs']);
  if (timeoutMs !== undefined) checkTimeoutMs(timeoutMs);
  return { timeoutMs };
}

/** Throws unless `value` is a number of milliseconds from 0 to MAX_TIMEOUT_MS. */
export function checkTimeoutMs(value: unknown): void {
  if (typeof value === 'number' && value >= 0 && value <= MAX_TIMEOUT_MS) return;
  const allowed = `a number of milliseconds from 0 to ${MAX_TIMEOUT_MS}, or left out to wait for ever`;
  throw invalidArgument('timeoutMs', value, allowed);
}

/**
 * Throws unless `signal` is undefined or an AbortSignal, be it of this realm, of another, or of a library with its own.
 */
export function checkSignal(signal: unknown): void {
  if (signal !== undefined && !isSignal(signal)) throw invalidArgument('signal', signal, 'an AbortSignal');
}

function isSignal(value: unknown): boolean {
  const signal = value as Partial<AbortSignal> | null;
  if (typeof signal !== 'object' || signal === null) return false;
  try {
    return typeof signal.aborted === 'boolean' && typeof signal.addEventListener === 'function'
      && typeof signal.removeEventListener === 'function';
  } catch {
    // A Proxy of a signal, or an object that merely inherits from its prototype, throws whatever property is read.
    return false;
  }
}

/** Throws `signal.reason` if the signal has aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw signal.reason;
}

/**
 * The error for a time-out. `missed` says what did not come: 'no tick' becomes "no tick within 500 ms". `reactorId` is
 * the reactor that should have answered, if it was one.
 */
export function timedOut(missed: string, timeoutMs: number, reactorId?: number): PercoreError {
  return new PercoreError('ERR_PERCORE_TIMEOUT', `${missed} within ${timeoutMs} ms`, {
    argument: 'timeoutMs', value: timeoutMs, ...(reactorId === undefined ? {} : { reactorId }),
  });
}

/** Calls `then` after `timeoutMs` milliseconds, unless the returned function is called before that. */
export type StartTimeout = (timeoutMs: number, then: () => void) => () => void;

const startNodeTimeout: StartTimeout = (timeoutMs, then) => {
  const timer = setTimeout(then, timeoutMs);
  return () => clearTimeout(timer);
};

/**
 * Limits a wait for something that is not there yet. When the time is over or the signal aborts, `giveUp` is called
 * once with the reason for which the promise is to be rejected; the returned function stops both limits. If the signal
 * has already aborted or `timeoutMs` is 0, that reason is thrown at once. `options` must have been checked; `missed`
 * and `reactorId` are as in `timedOut`. `startTimeout` serves waits by another clock than Node's.
 */
export function limitWait(
  options: WaitOptions, missed: string, giveUp: (reason: unknown) => void,
  startTimeout: StartTimeout = startNodeTimeout, reactorId?: number,
): () => void {
  const { signal, timeoutMs } = options;
  if (signal === undefined && timeoutMs === undefined) return nothing;
  throwIfOver(options, missed, reactorId);
  let stopListening: (() => void) | undefined;
  let stopTimeout: (() => void) | undefined;
  const stop = (): void => {
    stopTimeout?.();
    stopListening?.();
  };
  const end = (reason: unknown): void => {
    stop();
    giveUp(reason);
  };
  // First, since a signal of another library may throw, and then no timer must be left behind.
  if (signal !== undefined) stopListening = whenAborted(signal, () => end(signal.reason));
  if (timeoutMs !== undefined)
    stopTimeout = startTimeout(timeoutMs, () => end(timedOut(missed, timeoutMs, reactorId)));
  return stop;
}

/** For a wait that would have to begin now: throws if the signal has already aborted or `timeoutMs` is 0. */
export function throwIfOver({ signal, timeoutMs }: WaitOptions, missed: string, reactorId?: number): void {
  throwIfAborted(signal);
  if (timeoutMs === 0) throw timedOut(missed, timeoutMs, reactorId);
}

const nothing = (): void => undefined;
const always = (): boolean => true;

interface Waiter<T> {
  readonly accepts: (value: T) => boolean;
  readonly resolve: (value: T) => void;
  readonly reject: (reason: unknown) => void;
  stop: () => void;
}

/**
 * The promises that wait for one event of one object: records to read, room, a tick. Whoever makes the event happen
 * settles all of them: the first caller to look takes what has come, and the others look and wait again. If only one
 * were woken, the event would be lost whenever that one is no longer interested. To be used by one thread.
 *
 *     const readers = new Waiters<ResultCode>('no record');
 *     ready(options) { return readers.waitUnless(() => (this.depth > 0 ? OK : undefined), options); }
 *     offer(value) { …; readers.settle(OK); }
 */
export class Waiters<T> {
  private waiting: Waiter<T>[] = [];

  /**
   * `missed` is as in `timedOut`. `onChange` is called after a wait has begun, timed out or been aborted, so that a
   * source needs to be watched only while somebody waits. If it throws when a wait begins, that wait is rejected.
   */
  constructor(
    private readonly missed: string,
    private readonly onChange: () => void = nothing,
    private readonly startTimeout: StartTimeout = startNodeTimeout,
  ) {}

  /** How many promises are waiting. */
  get count(): number {
    return this.waiting.length;
  }

  /**
   * Resolves with the next value given to `settle` for which `accepts` returns true. Call it when it is known that what
   * is waited for is not there. Rejects as the table above says.
   */
  wait(given?: WaitOptions, accepts: (value: T) => boolean = always, missed: string = this.missed): Promise<T> {
    return new Promise((resolve, reject) => {
      const options = checkWaitOptions(given);
      const waiter: Waiter<T> = { accepts, resolve, reject, stop: nothing };
      waiter.stop = limitWait(options, missed, (reason) => {
        this.remove(waiter);
        reject(reason);
        this.onChange();
      }, this.startTimeout);
      this.waiting.push(waiter);
      try {
        this.onChange();
      } catch (error) {
        this.remove(waiter);
        waiter.stop();
        throw error;
      }
    });
  }

  /**
   * Like `wait`, but if `look` returns a value, it resolves with that once the caller's own code has run, or after one
   * pass of this thread's loop if that is due. It calls `look` again then, since the caller may have closed the object.
   */
  async waitUnless(look: () => T | undefined, given?: WaitOptions): Promise<T> {
    const options = checkWaitOptions(given);
    for (let isFirst = true; ; isFirst = false) {
      throwIfAborted(options.signal);
      const value = look();
      if (value === undefined) return this.wait(options);
      if (isFirst) await undefined;
      else if (isPassDue()) await nextPass();
      else return value;
    }
  }

  /** Resolves all waits that accept `value`. Code that awaits them runs later, and not within this call. */
  settle(value: T): void {
    if (this.waiting.length === 0) return;
    const { waiting } = this;
    this.waiting = [];
    for (const waiter of waiting) {
      if (!waiter.accepts(value)) {
        this.waiting.push(waiter);
        continue;
      }
      waiter.stop();
      waiter.resolve(value);
    }
  }

  /** Rejects all waits with `reason`. */
  fail(reason: unknown): void {
    const { waiting } = this;
    this.waiting = [];
    for (const waiter of waiting) {
      waiter.stop();
      waiter.reject(reason);
    }
  }

  private remove(waiter: Waiter<T>): void {
    this.waiting = this.waiting.filter((other) => other !== waiter);
  }
}

// ---- Signals --------------------------------------------------------------------------------------------------------

interface Listening {
  readonly callbacks: Set<() => void>;
  readonly listener: () => void;
}

const listening = new WeakMap<AbortSignal, Listening>();

/**
 * Calls `then` when the signal aborts, unless the returned function is called before that. A program may give one
 * signal, such as one for its own end, to thousands of waits. If each of them added a listener, Node would warn of a
 * leak from the eleventh on, and removing one would mean a search through all. So each signal gets one listener,
 * however many waits use it.
 */
export function whenAborted(signal: AbortSignal, then: () => void): () => void {
  let mine = listening.get(signal);
  if (mine === undefined) {
    mine = listenTo(signal);
    listening.set(signal, mine);
  }
  const { callbacks, listener } = mine;
  // Two waits may pass the same function, and a Set holds it only once.
  const callback = (): void => then();
  callbacks.add(callback);
  return () => {
    if (!callbacks.delete(callback) || callbacks.size > 0 || listening.get(signal)?.callbacks !== callbacks) return;
    listening.delete(signal);
    try {
      signal.removeEventListener('abort', listener);
    } catch (error) {
      // A signal of another library. Whoever ends a wait must be able to go on with the next one.
      throwLater(error);
    }
  };
}

function listenTo(signal: AbortSignal): Listening {
  const callbacks = new Set<() => void>();
  const listener = (): void => {
    listening.delete(signal);
    for (const callback of callbacks) {
      try {
        callback();
      } catch (error) {
        // As if each had a listener of its own: the others are still called.
        throwLater(error);
      }
    }
  };
  signal.addEventListener('abort', listener, { once: true });
  return { callbacks, listener };
}

/** Throws an error outside of the present call, as Node does with that of a listener. */
function throwLater(error: unknown): void {
  process.nextTick(() => {
    throw error;
  });
}

// ---- Blocking waits -------------------------------------------------------------------------------------------------

let mayBlock = true;

/**
 * Forbids calls that freeze this thread. A reactor calls it for its own thread, whose sockets and timers would stop.
 */
export function forbidBlocking(): void {
  mayBlock = false;
}

/** Throws ERR_PERCORE_WOULD_BLOCK in a thread that must not block. `instead` says what its code can do instead. */
export function checkMayBlock(instead: string): void {
  if (mayBlock) return;
  const why = 'a reactor may not stand still: its sockets and timers would';
  throw new PercoreError('ERR_PERCORE_WOULD_BLOCK', `${why}. ${instead}`);
}

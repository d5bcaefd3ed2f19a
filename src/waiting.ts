/**
 * One way to wait with `{ signal, timeoutMs }`, for every promise that Percore hands out.
 *
 *     await consumer.ready({ timeoutMs: 500, signal });
 *
 * | what happens, in this order    | what the promise does                                                       |
 * |--------------------------------|-----------------------------------------------------------------------------|
 * | the options are no options     | rejects with ERR_PERCORE_INVALID_ARGUMENT                                   |
 * | the signal has already aborted | rejects with `signal.reason` itself, even if what is waited for is there    |
 * | what is waited for is there    | resolves if it is so still when the caller's turn is over, or after one     |
 * |                                | pass of the loop (loop-pass.ts)                                             |
 * | `timeoutMs` is 0               | rejects with ERR_PERCORE_TIMEOUT                                            |
 * | it comes                       | resolves                                                                    |
 * | `timeoutMs` are over           | rejects with ERR_PERCORE_TIMEOUT, which says what did not come and how long |
 * | the signal aborts              | rejects with `signal.reason` itself                                         |
 *
 * Whatever ends a wait, nothing of it is left behind: no timer, no listener. What would have come is not lost, it
 * goes to the next one that asks.
 *
 * Blocking waits (`…Sync`) freeze their thread, so no signal could abort in it: they take `timeoutMs` alone, answer
 * a result code when it is over, and are refused in a reactor.
 */
import { PercoreError, checkOptions, invalidArgument } from './errors.js';
import { isPassDue, nextPass } from './loop-pass.js';

/** How long a promise may wait. */
export interface WaitOptions {
  /** Gives up when it aborts: the promise rejects with `signal.reason` itself. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Gives up with ERR_PERCORE_TIMEOUT after so many milliseconds, 0 to 2^31 - 1; 0 gives up unless what is waited for
   * is there already. Default: waits for ever.
   */
  readonly timeoutMs?: number | undefined;
}

/** How long a call that freezes its thread may wait. */
export type SyncWaitOptions = Pick<WaitOptions, 'timeoutMs'>;

/** The longest time-out that a timer of Node takes, 24 days; longer ones would fire at once. */
export const MAX_TIMEOUT_MS: number = 2 ** 31 - 1;

const NO_OPTIONS: WaitOptions = Object.freeze({});

/** The options of a wait, or none. Throws ERR_PERCORE_INVALID_ARGUMENT for anything else. */
export function checkWaitOptions(given: WaitOptions | undefined): WaitOptions {
  if (given === undefined) return NO_OPTIONS;
  const { signal, timeoutMs } = checkOptions('options', given, ['signal', 'timeoutMs']);
  if (timeoutMs !== undefined) checkTimeoutMs(timeoutMs);
  checkSignal(signal);
  // What was checked, and not what a getter says the next time.
  return { signal, timeoutMs };
}

/** The same for a call that freezes its thread. */
export function checkSyncWaitOptions(given: SyncWaitOptions | undefined): SyncWaitOptions {
  if (given === undefined) return NO_OPTIONS;
  const { timeoutMs } = checkOptions('options', given, ['timeoutMs']);
  if (timeoutMs !== undefined) checkTimeoutMs(timeoutMs);
  return { timeoutMs };
}

/** Throws unless `value` is a time-out. */
export function checkTimeoutMs(value: unknown): void {
  if (typeof value === 'number' && value >= 0 && value <= MAX_TIMEOUT_MS) return;
  const allowed = `a number of milliseconds from 0 to ${MAX_TIMEOUT_MS}, or left out to wait for ever`;
  throw invalidArgument('timeoutMs', value, allowed);
}

/**
 * Throws unless `signal` is undefined or an AbortSignal: of this realm, of another, or of a library that has its own.
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
    // A Proxy of a signal, or an object that has only its prototype, throws at every question.
    return false;
  }
}

/** Throws the reason of a signal that has aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw signal.reason;
}

/**
 * The error of a time-out. `missed` says what did not come: 'no tick' becomes "no tick within 500 ms". `reactorId`: who
 * was to answer, if it was a reactor.
 */
export function timedOut(missed: string, timeoutMs: number, reactorId?: number): PercoreError {
  return new PercoreError('ERR_PERCORE_TIMEOUT', `${missed} within ${timeoutMs} ms`, {
    argument: 'timeoutMs', value: timeoutMs, ...(reactorId === undefined ? {} : { reactorId }),
  });
}

/** Calls `then` after this many milliseconds; the returned function prevents that. */
export type StartTimeout = (timeoutMs: number, then: () => void) => () => void;

const startNodeTimeout: StartTimeout = (timeoutMs, then) => {
  const timer = setTimeout(then, timeoutMs);
  return () => clearTimeout(timer);
};

/**
 * Limits a wait for what is not there yet. Calls `giveUp` once, with what the promise is to be rejected with, when the
 * time is over or the signal aborts; the returned function ends both. Throws that reason if it is already so: the
 * signal has aborted, or `timeoutMs` is 0. `options` have been checked; `missed` and `reactorId` are as in `timedOut`.
 * `startTimeout` is for waits on another clock than Node's.
 */
export function limitWait(
  options: WaitOptions, missed: string, giveUp: (reason: unknown) => void,
  startTimeout: StartTimeout = startNodeTimeout, reactorId?: number,
): () => void {
  const { signal, timeoutMs } = options;
  if (signal === undefined && timeoutMs === undefined) return nothing;
  throwIfOver(options, missed, reactorId);
  const stop = (): void => {
    stopTimeout?.();
    stopListening?.();
  };
  const end = (reason: unknown): void => {
    stop();
    giveUp(reason);
  };
  const stopTimeout = timeoutMs === undefined ? undefined
    : startTimeout(timeoutMs, () => end(timedOut(missed, timeoutMs, reactorId)));
  const stopListening = signal === undefined ? undefined : whenAborted(signal, () => end(signal.reason));
  return stop;
}

/** Throws what a wait ends with that cannot even begin: the signal has aborted, or `timeoutMs` is 0. */
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
 * The promises of one thing that wait for the same event: records to read, room, a tick. Whoever makes it happen
 * settles all of them: the first to look takes what has come, the others look again and wait again. To wake only one
 * would lose the event whenever that one has lost interest. One thread.
 *
 *     const readers = new Waiters<ResultCode>('no record');
 *     ready(options) { return readers.waitUnless(() => (this.depth > 0 ? OK : undefined), options); }
 *     offer(value) { …; readers.settle(OK); }
 */
export class Waiters<T> {
  private waiting: Waiter<T>[] = [];

  /**
   * `missed` is as in `timedOut`. `onChange` is called after a wait has begun, has timed out or was aborted, so that a
   * source is watched only while somebody waits; what it throws when a wait begins rejects that wait.
   */
  constructor(
    private readonly missed: string,
    private readonly onChange: () => void = nothing,
    private readonly startTimeout: StartTimeout = startNodeTimeout,
  ) {}

  /** Promises that wait now. */
  get count(): number {
    return this.waiting.length;
  }

  /**
   * Resolves with the next value settled that `accepts` says yes to. For what is known not to be there; rejects as the
   * table above says.
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
   * As `wait`, but resolves with what `look` says if that is a value, when the caller's own turn is over, or after one
   * pass of this thread's loop if that is due. It is looked at once more then: the caller may have closed it.
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

  /** Resolves all waits that accept `value`. What waits for them runs later, so nothing of it happens in this call. */
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

  /** Rejects all waits. */
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
 * Calls `then` when the signal aborts; the function returned prevents that. A program gives one signal, such as that
 * of its own end, to thousands of waits: with a listener for each, Node warns of a leak from the eleventh on, and to
 * take one away means a search through all. So each signal has one listener, however many wait by it.
 */
export function whenAborted(signal: AbortSignal, then: () => void): () => void {
  let mine = listening.get(signal);
  if (mine === undefined) {
    mine = listenTo(signal);
    listening.set(signal, mine);
  }
  const { callbacks, listener } = mine;
  // Two waits may give the same function.
  const callback = (): void => then();
  callbacks.add(callback);
  return () => {
    if (!callbacks.delete(callback) || callbacks.size > 0 || listening.get(signal)?.callbacks !== callbacks) return;
    listening.delete(signal);
    signal.removeEventListener('abort', listener);
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
        // As with a listener of its own: the others are called all the same.
        process.nextTick(() => {
          throw error;
        });
      }
    }
  };
  signal.addEventListener('abort', listener, { once: true });
  return { callbacks, listener };
}

// ---- Blocking waits -------------------------------------------------------------------------------------------------

let mayBlock = true;

/** From now on no call may freeze this thread. A reactor says so of its own, whose sockets and timers would stop. */
export function forbidBlocking(): void {
  mayBlock = false;
}

/** Throws ERR_PERCORE_WOULD_BLOCK in a thread that may not stand still. `instead` says what its code can do. */
export function checkMayBlock(instead: string): void {
  if (mayBlock) return;
  const why = 'a reactor may not stand still: its sockets and timers would';
  throw new PercoreError('ERR_PERCORE_WOULD_BLOCK', `${why}. ${instead}`);
}

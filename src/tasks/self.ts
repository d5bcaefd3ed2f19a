/** What the body of a process gets: its inbox, its signal, and the ways to wait. */
import { invalidArgument } from '../errors.js';
import type { WaitOptions } from '../waiting.js';

/** What a Self needs of its process. */
export interface SelfHost<M> {
  readonly name: string;
  readonly depth: number;
  readonly from: number;
  readonly restarts: number;
  readonly signal: AbortSignal;
  readonly isStopping: boolean;
  data: unknown;
  poll(): M | undefined;
  next(options: WaitOptions | undefined): Promise<M>;
  pause(): Promise<unknown>;
  shouldYield(): boolean;
}

/** A generator that yields it goes on with the next message. */
export const RECEIVE: unique symbol = Symbol('percore.receive');

const ASK: IteratorYieldResult<symbol> = Object.freeze({ done: false, value: RECEIVE });

/** The iterator behind `yield* self.receive()`: the same object each time, since a body waits in one place at once. */
class Receiver<M> implements Iterator<symbol, M, unknown> {
  private hasAsked = false;

  [Symbol.iterator](): this {
    this.hasAsked = false;
    return this;
  }

  next(message: unknown): IteratorResult<symbol, M> {
    if (this.hasAsked) return { done: true, value: message as M };
    this.hasAsked = true;
    return ASK;
  }

  throw(error: unknown): never {
    throw error;
  }
}

/**
 * What the body of a process gets. It belongs to the body: nobody else takes its messages, and after a restart the new
 * run of the body gets the same one. Nothing here blocks.
 *
 *     createProcess(reactor, { name: 'book', priority: 6 }, function* (self: Self<Order>) {
 *       let total = 0;                                        // its own state
 *       try {
 *         for (;;) total += (yield* self.receive()).price;    // one step for each message
 *       } finally {
 *         console.log(total);                                 // also when it is cancelled
 *       }
 *     });
 */
export class Self<M = unknown> {
  readonly #host: SelfHost<M>;
  readonly #receiver = new Receiver<M>();

  /** `createProcess` makes it. */
  constructor(host: SelfHost<M>) {
    this.#host = host;
  }

  /** The name that others send to. */
  get name(): string {
    return this.#host.name;
  }

  /** Aborts when the process is cancelled, with the given reason. Stays the same over restarts. */
  get signal(): AbortSignal {
    return this.#host.signal;
  }

  /** Messages that wait. */
  get depth(): number {
    return this.#host.depth;
  }

  /** The party that sent the message that was received last; the main thread comes after the last reactor. */
  get from(): number {
    return this.#host.from;
  }

  /** How often the body has begun anew after a failure. */
  get restarts(): number {
    return this.#host.restarts;
  }

  /**
   * True when the reactor is told to stop: a body that would go on for ever without a message should return then. One
   * that waits for messages need not look.
   */
  get isStopping(): boolean {
    return this.#host.isStopping;
  }

  /** Whatever the body wants `tasksOf` to show of its state: plain data, and small. */
  get data(): unknown {
    return this.#host.data;
  }
  set data(data: unknown) {
    this.#host.data = data;
  }

  /** Takes the next message if there is one, without waiting; undefined otherwise. */
  poll(): M | undefined {
    return this.#host.poll();
  }

  /**
   * For generators: `yield* self.receive()` ends the step and goes on with the next message. After a cancellation it
   * throws the reason.
   */
  receive(): Iterable<symbol, M, unknown> {
    return this.#receiver;
  }

  /**
   * For generators: `yield* self.until(promise)` ends the step and goes on, in the turn of its band, when the promise
   * has settled: with its value, or by throwing what it rejected with. Throws ERR_PERCORE_INVALID_ARGUMENT for what is
   * not a promise.
   */
  *until<T>(promise: PromiseLike<T>): Generator<PromiseLike<T>, T, unknown> {
    const { then } = (promise ?? {}) as Partial<PromiseLike<T>>;
    if (typeof then !== 'function') throw invalidArgument('promise', promise, 'a promise, or an object with then()');
    return (yield promise) as T;
  }

  /**
   * For asynchronous bodies: promises the next message. It settles when the process is selected in its band, and
   * whatever awaits it runs before anything else is selected. Rejects with the reason of a cancellation, with that of
   * `options.signal`, or with ERR_PERCORE_TIMEOUT, ERR_PERCORE_CLOSED after the body has ended, _INVALID_ARGUMENT.
   */
  next(options?: WaitOptions): Promise<M> {
    return this.#host.next(options);
  }

  /** For asynchronous bodies: goes on after the others of its band, as `yield` does. Rejects as `next` does. */
  async pause(): Promise<void> {
    await this.#host.pause();
  }

  /** True when a long step should end: see `Reactor.shouldYield`. */
  shouldYield(): boolean {
    return this.#host.shouldYield();
  }
}

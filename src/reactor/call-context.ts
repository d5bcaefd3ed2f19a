/** What a handler is told about the call that it answers, and what it can do with the rest of its time. */
import type { AskedCall } from './call-asked.js';
import type { CallOptions } from './calls.js';
import { checkCallOptions } from './reactor-checks.js';
import type { Answer, CallName, CallRest, Protocol, Untyped } from './protocol.js';

/**
 * Who asks, how, and until when. Each call has its own, which stays valid after an `await`.
 *
 *     reactor.handle('report', async (day, context) => {
 *       const rows = await context.call('rows', day, { reactor: 1 });    // in what is left of the caller's time
 *       for (const row of rows) {
 *         if (context.signal.aborted) break;                              // nobody waits any more
 *         await write(row);
 *       }
 *     });
 *
 * What a handler does not look at costs nothing. The idea is that of contexts in Go and of deadlines in gRPC.
 */
export interface CallContext<P extends Protocol = Untyped> {
  /** The party that asks: a reactor's number, or the number of reactors for the main thread. */
  readonly from: number;
  /** The band in which it asks, and in which the answer goes back. */
  readonly priority: number;
  /** When the caller gives up, by the clock of `reactor.nowNs()`, which all parties share; Infinity: never. */
  readonly deadlineNs: number;
  /** How much time is left: milliseconds, 0 or more, with fractions; Infinity without a deadline. */
  readonly remainingMs: number;
  /**
   * Aborts when nobody waits for the answer any more: at the deadline, with ERR_PERCORE_TIMEOUT; when the caller has
   * aborted, with an error that repeats its reason; when the caller has died, with ERR_PERCORE_REACTOR_DIED. It is made
   * when it is first read. Once the call is answered it aborts no more.
   */
  readonly signal: AbortSignal;
  /**
   * As `Reactor.call`, within what is left of this call: it has the earlier of both deadlines, and when this call is
   * given up, so is that one, and its handler is told. `reactor.call` in a handler inherits nothing.
   */
  call<N extends CallName<P>>(name: N, ...rest: CallRest<P, N>): Promise<Answer<P, N>>;
}

const NO_OPTIONS: CallOptions = Object.freeze({});

let insideOf: (context: unknown) => AskedCall | undefined;

export class HandlerContext implements CallContext {
  readonly from: number;
  readonly priority: number;
  readonly #asked: AskedCall;

  static {
    insideOf = (context) => {
      return typeof context === 'object' && context !== null && #asked in context ? context.#asked : undefined;
    };
  }

  constructor(asked: AskedCall) {
    this.from = asked.from;
    this.priority = asked.band;
    this.#asked = asked;
  }

  get deadlineNs(): number {
    const { deadlineNs } = this.#asked;
    return deadlineNs === 0 ? Infinity : deadlineNs;
  }

  get remainingMs(): number {
    return this.#asked.remainingMs;
  }

  get signal(): AbortSignal {
    return this.#asked.signal;
  }

  call(name: string, argument?: unknown, options: CallOptions = NO_OPTIONS): Promise<never> {
    const asked = this.#asked;
    try {
      return asked.host.asker.call(name, argument, checkCallOptions(name, options), asked) as Promise<never>;
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }
}

/** The inside of a context, for the package itself; undefined if it is not a context. */
export const askedIn = (context: unknown): AskedCall | undefined => insideOf(context);

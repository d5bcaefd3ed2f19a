/**
 * One run of a body, from its beginning to its end or failure: what generators and asynchronous functions have in
 * common.
 */
import type { Pause } from './process-options.js';
import type { Self } from './self.js';

/**
 * The body of a process: a generator function, each of whose `yield`s ends a step, or an asynchronous function. `M` are
 * its messages, `R` is what it returns.
 */
export type ProcessBody<M, R> = (self: Self<M>) => Generator<Pause, R, unknown> | Promise<R>;

/** What a run needs of its process. */
export interface RunHost<M> {
  readonly name: string;
  /** Messages that wait. */
  readonly depth: number;
  /** The next of them; there must be one. */
  take(): M;
  /** What the run waited for has arrived: a step must follow. */
  wake(): void;
  /** A step that ends with BACK_PRESSURED waits for those that have refused it, and for `wake`. */
  noteHeld(): void;
  /** `isUnsettled` may have changed. */
  changed(): void;
  /** The body has returned. */
  returned(value: unknown): void;
  /** The body has thrown. */
  threw(error: unknown): void;
}

export interface Run {
  /** Whether a step would find something to go on with. */
  canGoOn(): boolean;
  /** Whether it waits for a message and for nothing else. */
  readonly isReceiving: boolean;
  /** Whether it waits for a promise of its own. */
  readonly isUnsettled: boolean;
  /** One step: returns OK, BACK_PRESSURED or AGAIN, as any step. Never throws. */
  resume(): number;
  /** It was cancelled: the next step ends it, as far as it can be ended. */
  stop(reason: unknown): void;
  /** A child has escalated: the next step throws this where the body waits. */
  raise(error: unknown): void;
  /** It is over: nobody waits here any more. */
  close(): void;
}

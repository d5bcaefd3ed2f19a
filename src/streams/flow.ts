/**
 * What runs when a stream is read: a chain of flows, each of which asks the one above it for the next value. A flow
 * hands on only what it was asked for. Backpressure therefore needs no messages of its own: a reader that does not ask
 * holds back everything above it.
 *
 *      source <--poll-- map <--poll-- filter <--poll-- reader (a task of a band, or `for await`)
 *             --ready-->    --ready-->       --ready-->
 *
 * The shape is that of a queue's consumer, so a reactor reads a flow as it reads a queue.
 */
import { EMPTY } from '../result-codes.js';

/** One link of the chain: a source, a stage, or what a reader asks. */
export interface Flow<T> {
  /** What the last poll found: OK, EMPTY (nothing now), or CLOSED (nothing any more). */
  readonly state: number;
  /** The next value. Throws what a stage or the source has thrown; nothing follows after that. Never waits. */
  poll(): T | undefined;
  /** After EMPTY: settles when a poll may find something. Only one request may be open at a time. */
  ready(): Promise<unknown>;
  /** Says that nobody reads any more. A second call does nothing. */
  close(): void;
}

/** What a flow needs of the thread that reads it. */
export interface FlowHost {
  /** Calls `then` once after this many milliseconds; the returned function prevents that. */
  after(ms: number, then: () => void): () => void;
}

/** Makes the flow of a stream when the stream is read; nothing runs before. */
export type Open<T> = (host: FlowHost) => Flow<T>;

/** How many values one poll may pass over before others of its band have their turn. */
export const MOST_PASSED = 64;

/** One promise at a time for everybody who waits; whoever rings resolves it. */
export class Bell {
  private promise: Promise<void> | undefined;
  private resolve: (() => void) | undefined;
  private reject: ((error: unknown) => void) | undefined;

  /** The promise that the next ring resolves, or the next failure rejects. */
  wait(): Promise<void> {
    return this.promise ??= new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }

  /** Resolves the promise of all who wait now. */
  ring(): void {
    const { resolve } = this;
    this.promise = this.resolve = this.reject = undefined;
    resolve?.();
  }

  /** Rejects the promise of all who wait now. */
  fail(error: unknown): void {
    const { reject } = this;
    this.promise = this.resolve = this.reject = undefined;
    reject?.(error);
  }
}

/**
 * Asks a flow for `ready` once at a time, for everybody who waits, and rings when the flow has answered. To ask anew
 * for each of them would keep everybody who has ever asked in memory. If the flow cannot be waited for, the wait of all
 * fails: to ask again and again would keep the thread from everything else.
 */
export class Watch {
  private isAsked = false;

  constructor(private readonly flow: Flow<unknown>, private readonly bell: Bell) {}

  /** Makes sure that the flow was asked. */
  ask(): void {
    if (this.isAsked) return;
    this.isAsked = true;
    const fail = (error: unknown): void => {
      this.isAsked = false;
      this.bell.fail(error);
    };
    const tell = (): void => {
      this.isAsked = false;
      this.bell.ring();
    };
    try {
      this.flow.ready().then(tell, fail);
    } catch (error) {
      fail(error);
    }
  }
}

/** A flow with one above it. */
export abstract class Stage<T, U> implements Flow<U> {
  state: number = EMPTY;

  constructor(protected readonly above: Flow<T>) {}

  abstract poll(): U | undefined;

  ready(): Promise<unknown> {
    return this.above.ready();
  }

  close(): void {
    this.above.close();
  }
}

/**
 * What runs when a stream is read: a chain of flows, each of which asks the one above it for the next value. No flow
 * hands on what it was not asked for, so that backpressure needs no messages of its own: a reader that does not ask
 * holds back everything above it.
 *
 *      source <--poll-- map <--poll-- filter <--poll-- reader (a task of a band, or `for await`)
 *             --ready-->    --ready-->       --ready-->
 *
 * The shape is that of a queue's consumer, so a consumer is a flow, and a reactor reads a flow as it reads a queue.
 */
import { EMPTY } from '../result-codes.js';

export interface Flow<T> {
  /** What the last poll found: OK, EMPTY (nothing now), or CLOSED (nothing any more). */
  readonly state: number;
  /** The next value. Throws what a stage or the source has thrown; nothing follows after that. Never waits. */
  poll(): T | undefined;
  /** After EMPTY: settles when a poll may find something. Only one request may be open at a time. */
  ready(): Promise<unknown>;
  /** Nobody reads any more. A second call does nothing. */
  close(): void;
}

/** What a flow needs of the thread that reads it. */
export interface FlowHost {
  /** Calls `then` once after this many milliseconds; the returned function prevents that. */
  after(ms: number, then: () => void): () => void;
}

/** Makes the flow of a stream when it is read; nothing runs before. */
export type Open<T> = (host: FlowHost) => Flow<T>;

/** How many values one poll may pass over before others of its band have their turn. */
export const MOST_PASSED = 64;

/** One promise at a time for everybody who waits; whoever rings resolves it. */
export class Bell {
  private promise: Promise<void> | undefined;
  private settle: (() => void) | undefined;

  wait(): Promise<void> {
    return this.promise ??= new Promise((resolve) => (this.settle = resolve));
  }

  ring(): void {
    const { settle } = this;
    this.promise = this.settle = undefined;
    settle?.();
  }
}

/**
 * Asks a flow for `ready` once at a time, whoever waits, and rings when it has answered. A promise that is asked for
 * again and again would keep everybody who has ever asked.
 */
export class Watch {
  private isAsked = false;

  constructor(private readonly flow: Flow<unknown>, private readonly bell: Bell) {}

  ask(): void {
    if (this.isAsked) return;
    this.isAsked = true;
    const tell = (): void => {
      this.isAsked = false;
      this.bell.ring();
    };
    // If it fails, the next poll says why.
    this.flow.ready().then(tell, tell);
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

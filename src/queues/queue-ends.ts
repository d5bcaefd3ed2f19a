/**
 * The two ends of a queue at the level of values: what every backend gives, whatever carries the values (a ring, a
 * chain of arrays, a pipe). The byte level (claim, commit, views) belongs to the rings alone.
 *
 *     offer / flush / room  --> [ backend ] --> ready / poll / drain / for await
 *
 * No method but the two that return promises waits for anything, and those two let the thread's loop run.
 */
import { PercoreError } from '../errors.js';
import { isPassDue, nextPass } from '../loop-pass.js';
import { CLOSED, EVICTED, OK, type ResultCode } from '../result-codes.js';
import type { WaitOptions } from '../waiting.js';

export type { WaitOptions } from '../waiting.js';

/** The producing end at the level of values. One thread, one at a time. */
export interface QueueProducer<T> {
  /**
   * OK, BACK_PRESSURED, CLOSED, TOO_LARGE, or DROPPED: this record was dropped by the chosen policy, and counted. Never
   * blocks.
   */
  offer(value: T): ResultCode;
  /** Publishes what is committed. OK or CLOSED. */
  flush(): ResultCode;
  /**
   * Resolves OK when what was last refused would be taken, or anything if nothing was, though another producer may be
   * quicker; CLOSED when nothing will be any more, or this end closes. See WaitOptions for rejections.
   */
  room(options?: WaitOptions): Promise<ResultCode>;
  /** Publishes what is committed; no record will follow. A second call does nothing. */
  close(): void;
}

/** The consuming end at the level of values. One thread, one at a time. */
export interface QueueConsumer<T> extends AsyncIterable<T> {
  /**
   * The next value, or undefined when there is none now; `state` then says why. A value may itself be undefined: then
   * `state` is OK.
   */
  poll(): T | undefined;
  /** What the last `poll` met: OK, EMPTY, CLOSED or EVICTED. */
  readonly state: ResultCode;
  /**
   * Calls `handler` for up to `limit` values that are there now; returns how many, 0 when empty, CLOSED when none will
   * follow, EVICTED. A value counts as read once its handler is called, thrown or not: at most once within a batch.
   */
  drain(handler: (value: T) => void, limit?: number): number;
  /**
   * Resolves OK when something can be read, which another consumer may take; CLOSED when nothing will follow, or this
   * end closes. See WaitOptions for rejections.
   */
  ready(options?: WaitOptions): Promise<ResultCode>;
  /** Nobody will read here any more. A second call does nothing. */
  close(): void;
}

export type KindName = 'spsc' | 'mpsc' | 'spmc' | 'mpmc' | 'banded';
export type QueueBackend = 'fixed' | 'linked' | 'deque' | 'window' | 'pipe';

export interface DroppedCounts {
  /** Refused for good because the queue was full (`drop-newest`). */
  readonly newest: number;
  /** Overwritten before anybody read them (`drop-oldest`, `window`, a lap). */
  readonly oldest: number;
  /** Lost to consumers that were evicted. */
  readonly evicted: number;
  /** Accepted, and then an end closed or died before they were delivered. */
  readonly closed: number;
  /** Written by somebody who keeps to no limit, and too large for this reader. Pipes alone. */
  readonly tooLarge?: number;
}

export interface ConsumerProperties {
  /** Which of the queue's consumers: 0 for the first that opened. */
  readonly place: number;
  /** What is published and this consumer has not read; in the unit of `depth`. */
  readonly lag: number;
  /** Records that it has read. */
  readonly consumed: number;
}

/** What any thread may ask of a queue without stopping anyone. Totals count records from the queue's making. */
export interface QueueProperties {
  readonly kind: KindName;
  readonly backend: QueueBackend;
  /** The most it holds: records, or bytes where records vary (`pipe`). */
  readonly capacity: number;
  /** What it holds now, in the unit of `capacity`. */
  readonly depth: number;
  /** The most it has held. */
  readonly highWater: number;
  /** Records accepted. */
  readonly published: number;
  /** Records that all its consumers together have read. */
  readonly consumed: number;
  /** Offers answered BACK_PRESSURED. */
  readonly refused: number;
  /** Records that were not delivered, by reason. */
  readonly dropped: DroppedCounts;
  /** Each of its consumers. */
  readonly consumers: readonly ConsumerProperties[];
  /** True when no record will follow or nobody will read any more. */
  readonly isClosed: boolean;
}

/**
 * The iterator of every consumer: ends when the queue does. Leaving the loop early closes nothing. The loop throws what
 * a wait rejects with, and ERR_PERCORE_CLOSED for a consumer that was evicted: an end that was not the queue's must not
 * look like it.
 */
export function valuesOf<T>(consumer: QueueConsumer<T>): AsyncIterator<T> {
  return {
    // Not a generator: that would wait for a value that is itself a promise, in place of handing it on.
    async next(): Promise<IteratorResult<T>> {
      for (;;) {
        // With a producer that keeps up, values are there at once, for ever.
        if (isPassDue()) await nextPass();
        const value = consumer.poll();
        if (consumer.state === OK) return { done: false, value: value as T };
        if (consumer.state === CLOSED) return { done: true, value: undefined };
        if (consumer.state === EVICTED)
          throw new PercoreError(
            'ERR_PERCORE_CLOSED',
            'this consumer was evicted: it was too slow for too long. What it has lost is counted: '
              + 'inspect(queue).dropped.evicted. Call its leave(), then subscribe again',
          );
        await consumer.ready();
      }
    },
  };
}

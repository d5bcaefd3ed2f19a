/**
 * The two ends of a queue at the level of values: what every backend offers, whatever carries the values (a ring, a
 * chain of arrays, a pipe). The level of bytes (claim, commit, views) belongs to the rings alone.
 *
 *     offer / flush / room  --> [ backend ] --> ready / poll / drain / for await
 *
 * Only the two methods that return promises wait for anything, and they let the thread's event loop run.
 */
import { PercoreError } from '../errors.js';
import { isPassDue, nextPass } from '../loop-pass.js';
import { CLOSED, EVICTED, OK, type ResultCode } from '../result-codes.js';
import type { WaitOptions } from '../waiting.js';

export type { WaitOptions } from '../waiting.js';

/** The producing end at the level of values. It belongs to one thread. */
export interface QueueProducer<T> {
  /**
   * Offers one value. Returns OK, BACK_PRESSURED, CLOSED, TOO_LARGE, or DROPPED, which means that the queue's policy
   * has dropped the value and counted it. Never blocks. Throws for a value that cannot be sent.
   */
  offer(value: T): ResultCode;
  /** Publishes what is committed. Returns OK or CLOSED; never blocks. */
  flush(): ResultCode;
  /**
   * Resolves OK when the value that was last refused would be taken, or any value if none was refused; another producer
   * may be quicker. Resolves CLOSED when no value will be taken any more, or when this end closes. WaitOptions has the
   * rejections.
   */
  room(options?: WaitOptions): Promise<ResultCode>;
  /** Publishes what is committed and declares that no value will follow. A second call does nothing. */
  close(): void;
}

/** The consuming end at the level of values. It belongs to one thread. */
export interface QueueConsumer<T> extends AsyncIterable<T> {
  /**
   * The next value, or undefined when there is none now; `state` then says why. A value may itself be undefined: then
   * `state` is OK.
   */
  poll(): T | undefined;
  /** What the last `poll` met: OK, EMPTY, CLOSED or EVICTED. */
  readonly state: ResultCode;
  /**
   * Calls `handler` for up to `limit` values that are there now. Returns how many there were, 0 when empty, CLOSED when
   * none will follow, or EVICTED. A value counts as read as soon as its handler is called, even if the handler throws:
   * delivery is at most once within a batch.
   */
  drain(handler: (value: T) => void, limit?: number): number;
  /**
   * Resolves OK when something can be read, which another consumer may take first. Resolves CLOSED when nothing will
   * follow, or when this end closes. WaitOptions has the rejections.
   */
  ready(options?: WaitOptions): Promise<ResultCode>;
  /** Declares that nobody will read here any more. A second call does nothing. */
  close(): void;
}

/** Who may write to a queue and read from it. */
export type KindName = 'spsc' | 'mpsc' | 'spmc' | 'mpmc' | 'banded';
/** Where the values of a queue lie. */
export type QueueBackend = 'fixed' | 'linked' | 'deque' | 'window' | 'pipe';

/** How many records were not delivered, by reason. */
export interface DroppedCounts {
  /** Dropped at the producer because the queue was full (`drop-newest`). */
  readonly newest: number;
  /** Overwritten before they were read (`drop-oldest`, `window`). */
  readonly oldest: number;
  /** Lost to consumers that were evicted. */
  readonly evicted: number;
  /** Accepted, but an end closed or died before they were delivered. */
  readonly closed: number;
  /** Only of a pipe: too large for this reader, because a writer did not keep to the limit. */
  readonly tooLarge?: number;
}

/** The figures of one consumer. */
export interface ConsumerProperties {
  /** The number of this consumer's place: 0 for the first that was opened. */
  readonly place: number;
  /** How much is published that this consumer has not read, in the unit of `depth`. */
  readonly lag: number;
  /** How many records it has read. */
  readonly consumed: number;
}

/** What any thread may ask of a queue without stopping anyone. Totals count records since the queue was made. */
export interface QueueProperties {
  /** Who may write and read. */
  readonly kind: KindName;
  /** Where the values lie. */
  readonly backend: QueueBackend;
  /** The most that the queue holds: records, or bytes if the length of records varies (as in a `pipe`). */
  readonly capacity: number;
  /** How much it holds now, in the unit of `capacity`. */
  readonly depth: number;
  /** The most that it has held. */
  readonly highWater: number;
  /** How many records were accepted. */
  readonly published: number;
  /** How many records all its consumers together have read. */
  readonly consumed: number;
  /** How many offers were answered BACK_PRESSURED. */
  readonly refused: number;
  /** How many records were not delivered, by reason. */
  readonly dropped: DroppedCounts;
  /** The figures of each consumer. */
  readonly consumers: readonly ConsumerProperties[];
  /** True when no record will follow, or nobody will read any more. */
  readonly isClosed: boolean;
}

/**
 * The iterator of every consumer. It ends when the queue does; leaving the loop early closes nothing. The loop throws
 * what a wait rejects with. It throws ERR_PERCORE_CLOSED for a consumer that was evicted, because that must not look
 * like the end of the queue.
 */
export function valuesOf<T>(consumer: QueueConsumer<T>): AsyncIterator<T> {
  return {
    // This is not a generator, which would wait for a value that is itself a promise instead of handing it on.
    async next(): Promise<IteratorResult<T>> {
      for (;;) {
        // If the producer keeps up, there is always a value at once, so the loop would never get its turn.
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

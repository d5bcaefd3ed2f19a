/** What a publisher is for its user. */
import type { WaitOptions } from '../waiting.js';
import type { NatsPublishOptions } from './publish-options.js';

/** What a publisher has done. Counts from 0 and only grow, but for `pending` and `pendingBytes`. */
export interface NatsPublisherStatus {
  readonly subject: string;
  /** Messages that were taken and that the broker has not confirmed. */
  readonly pending: number;
  /** Their bytes. */
  readonly pendingBytes: number;
  /** Messages that the broker has stored. */
  readonly confirmed: number;
  /** Of these, what it had already, under the same identifier. */
  readonly duplicates: number;
  /** Messages sent more than once, each time counted. */
  readonly resent: number;
  /** Messages that `publish` has refused for want of room. */
  readonly refused: number;
  /** Times that the broker has refused a message that is tried again. */
  readonly refusedByBroker: number;
  /** Messages lost: the stream takes none so large, or it was closed before the broker had confirmed them. */
  readonly dropped: number;
  /** The broker refuses, and it is tried again. */
  readonly isStalled: boolean;
}

/**
 * Publishes to one stream, made by `createNatsPublisher`. It belongs to the thread that made it; nothing blocks.
 *
 *     const orders = createNatsPublisher(nats, { subject: 'orders' });
 *     if (orders.publish(JSON.stringify(order), { key: order.symbol }) === BACK_PRESSURED) orders.whenRoom(() => …);
 *     await orders.flushed();                                                  // the broker has stored all of them
 */
export interface NatsPublisher {
  readonly subject: string;
  /**
   * Takes a message. OK: it will be sent until the broker has stored it, once. BACK_PRESSURED: `mostPending` or
   * `mostPendingBytes` wait for that; a step that answers the same waits for room. TOO_LARGE for the broker; CLOSED.
   * Bytes are not copied: do not change them before they are confirmed. Allocates.
   */
  publish(payload: Uint8Array | string, options?: NatsPublishOptions): number;
  /**
   * The same, and resolves when the broker has stored it; waits for room where there is none. Rejects with
   * ERR_PERCORE_TOO_LARGE, ERR_PERCORE_CLOSED, ERR_PERCORE_BROKER_REFUSED (larger than the stream takes).
   */
  stored(payload: Uint8Array | string, options?: NatsPublishOptions): Promise<void>;
  /** Calls `then` once, in a later turn, when a message would be taken, or it is closed. */
  whenRoom(then: () => void): void;
  /** Resolves when all that was taken until now is confirmed or dropped. */
  flushed(options?: WaitOptions): Promise<void>;
  /** A fresh object. */
  status(): NatsPublisherStatus;
  /** Takes nothing more; what is not confirmed is dropped and counted. Twice is once. */
  close(): void;
}

/** What users see of a publisher. */
import type { WaitOptions } from '../waiting.js';
import type { NatsPublishOptions } from './publish-options.js';

/** What a publisher has done. All are counts from 0 that only grow, except `pending` and `pendingBytes`. */
export interface NatsPublisherStatus {
  readonly subject: string;
  /** Messages that it has taken and that the broker has not yet confirmed. */
  readonly pending: number;
  /** Their bytes. */
  readonly pendingBytes: number;
  /** Messages that the broker has stored. */
  readonly confirmed: number;
  /** How many of these the broker had already, under the same identifier. */
  readonly duplicates: number;
  /** Messages that were sent more than once, counted each time. */
  readonly resent: number;
  /**
   * Messages that were sent again after `duplicatesMs` without a confirmation, of which it could not be told whether
   * the broker had stored them: they may be stored twice. Reported as a 'stepError', but not each of them.
   */
  readonly uncertain: number;
  /** Messages that `publish` has refused because there was no room. */
  readonly refused: number;
  /** How often the broker has refused a message, which is then tried again. */
  readonly refusedByBroker: number;
  /**
   * Messages lost: they would never be taken (too large for the stream, or by their headers), this user may not publish
   * them (`confirmMs` long), or it was closed before the broker had confirmed them.
   */
  readonly dropped: number;
  /** The broker refuses, or does not answer, and it is tried again. */
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
   * Takes a message. OK: it will be sent until the broker has stored it, once. BACK_PRESSURED: `mostPending` messages
   * or `mostPendingBytes` already wait for that; a step that returns this code waits for room. TOO_LARGE for the
   * broker; CLOSED. The bytes are not copied: do not change them before they are confirmed. Allocates.
   */
  publish(payload: Uint8Array | string, options?: NatsPublishOptions): number;
  /**
   * The same, and resolves when the broker has stored it; waits for room where there is none. Rejects with
   * ERR_PERCORE_TOO_LARGE, ERR_PERCORE_CLOSED, ERR_PERCORE_BROKER_REFUSED (larger than the stream takes,
   * never taken because of its headers, or forbidden).
   */
  stored(payload: Uint8Array | string, options?: NatsPublishOptions): Promise<void>;
  /** Calls `then` once, in a later turn, when a message would be taken, or when the publisher is closed. */
  whenRoom(then: () => void): void;
  /**
   * Resolves when everything that was taken until now is confirmed, or was dropped because it would never be taken
   * (`status().dropped`). Rejects with ERR_PERCORE_CLOSED, or with why the connection has ended, where that comes
   * first.
   */
  flushed(options?: WaitOptions): Promise<void>;
  /** A fresh object. */
  status(): NatsPublisherStatus;
  /** Takes nothing more; whatever is not confirmed is dropped and counted. A second call does nothing. */
  close(): void;
}

/** What users see of a bridge. */
import type { PercoreError } from '../errors.js';
import type { WaitOptions } from '../waiting.js';

/** What a bridge has done. All are counts from 0 that only grow, except `unflushedBytes`. */
export interface NatsStatus {
  /** The broker was there when it was heard of last. */
  readonly isOnline: boolean;
  /** It is closed for good and does not connect again. */
  readonly isClosed: boolean;
  /** Where it looks for a broker, as `openNats` was told. */
  readonly servers: readonly string[];
  /** The broker that it is connected to. */
  readonly server: string | undefined;
  /** How often the broker was found again after a loss. */
  readonly reconnects: number;
  /** Plain messages that `publish` has taken. */
  readonly published: number;
  /** Plain messages that were refused because there was no room. */
  readonly refused: number;
  /** Bytes of plain messages that the broker has not yet said it has. */
  readonly unflushedBytes: number;
  /** Publishers of `createNatsPublisher` that are open. */
  readonly publishers: number;
  /** Consumers of `createNatsConsumer` that are open. */
  readonly consumers: number;
  /** What went wrong last, if anything. */
  readonly lastError: string | undefined;
}

/**
 * The connection of one reactor to a broker, made by `openNats`. Publishers and consumers use it. It belongs to the
 * thread that made it; nothing blocks.
 *
 *     await using nats = await openNats(reactor, { servers: 'nats://127.0.0.1:4222' });
 *     nats.publish('prices.eur', Buffer.from('1.08'));
 */
export interface Nats extends AsyncDisposable {
  /** Where it looks for a broker, as `openNats` was told. */
  readonly servers: readonly string[];
  /** False from the moment in which the broker is lost until it is found again. */
  readonly isOnline: boolean;
  /** Resolves when it is closed for good, with an error if the broker has refused it. Never rejects. */
  readonly closed: Promise<PercoreError | undefined>;
  /**
   * Publishes a plain message (core NATS). Nobody keeps it: whoever does not subscribe at that moment never gets it.
   * Returns OK; BACK_PRESSURED while the broker is away, or while it has not confirmed 4 MiB of earlier messages;
   * TOO_LARGE above what the broker takes (1 MiB unless configured otherwise); CLOSED. The bytes are read until the end
   * of this pass of the event loop: do not change them before. Throws ERR_PERCORE_INVALID_ARGUMENT for an invalid
   * subject or bytes.
   */
  publish(subject: string, bytes: Uint8Array): number;
  /** Calls `then` once, in a later turn, when `publish` would take a message again, or when it is closed. */
  whenRoom(then: () => void): void;
  /** Resolves when the broker has received everything that was published before. */
  flushed(options?: WaitOptions): Promise<void>;
  /** A fresh object. */
  status(): NatsStatus;
  /**
   * Stops reading, waits until the steps under way are done and the broker has confirmed what was published, and closes
   * the connection. `timeoutMs` (default 5,000) bounds the wait. Whatever is left then is dropped and counted, and the
   * broker gives out again the messages that were not acknowledged. A second call does nothing.
   */
  close(options?: { readonly timeoutMs?: number }): Promise<void>;
}

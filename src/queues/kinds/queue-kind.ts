/**
 * What a kind of queue is: the verbs of index.ts, for the handles of that kind. registry.ts knows all kinds; each has a
 * file of its own in this folder, and nobody else asks a handle for its kind.
 */
import type { CodecFor } from '../codec.js';
import type { BandedSubOptions, PubOptions, SubOptions } from '../handles.js';
import type { Recovered } from '../place-recovery.js';
import type { QueueProperties } from '../queue-ends.js';
import type { WorkerLike } from '../thread-ids.js';

/** Options of `sub`, of whatever kind. */
export type AnySubOptions = SubOptions & BandedSubOptions;

/** `Handle` and `Options` are those of one kind; the registry knows the kinds without them. */
export interface QueueKind<Handle = unknown, Options = unknown, Producer = unknown, Consumer = unknown> {
  /** Checks the options, takes the memory, returns the handle. */
  create(options: Options): Handle;
  pub(queue: Handle, options: PubOptions): Producer;
  sub(queue: Handle, options: AnySubOptions): Consumer;
  /** No producer may join any more. */
  close(queue: Handle): void;
  /** Frees the places of a thread that has exited; left out, of processes that have, where others share the queue. */
  recover(queue: Handle, worker?: number | WorkerLike): Recovered;
  /** The same for a sharer of a queue in a file, by its number. Left out if there can be no such queue. */
  recoverSharer?(queue: Handle, dead: number): Recovered;
  inspect(queue: Handle): QueueProperties;
  /** True while the thread has a place in the queue that others may want. */
  hasPlace(queue: Handle, threadId: number): boolean;
}

/** A kind whose records are bytes in rings, so that it can carry values by a codec. */
export interface RingKind<Handle, Options, Producer, Consumer> extends QueueKind<Handle, Options, Producer, Consumer> {
  /** Records of one length are counted, and not by their bytes. */
  readonly countsRecords: boolean;
  /** The producing end with a codec on top. */
  pubValues(ring: Producer, codec: CodecFor<unknown>): unknown;
}

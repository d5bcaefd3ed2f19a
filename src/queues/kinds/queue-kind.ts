/**
 * What a kind of queue is: the verbs of index.ts, for the handles of that kind. registry.ts knows all kinds. Each has
 * its own file in this folder, and nothing else asks a handle for its kind.
 */
import type { CodecFor } from '../codec.js';
import type { BandedSubOptions, PubOptions, SubOptions } from '../handles.js';
import type { Recovered } from '../place-recovery.js';
import type { QueueProperties } from '../queue-ends.js';
import type { WorkerLike } from '../thread-ids.js';

/** The options of `sub` for any kind. */
export type AnySubOptions = SubOptions & BandedSubOptions;

/** A kind of queue. `Handle` and `Options` are those of the kind; the registry knows the kinds without them. */
export interface QueueKind<Handle = unknown, Options = unknown, Producer = unknown, Consumer = unknown> {
  /** Checks the options, makes the memory and returns the handle. */
  create(options: Options): Handle;
  /** Opens the producing end. */
  pub(queue: Handle, options: PubOptions): Producer;
  /** Opens the consuming end. */
  sub(queue: Handle, options: AnySubOptions): Consumer;
  /** Closes the queue: no producer may join any more. */
  close(queue: Handle): void;
  /**
   * Frees the places of a thread that has exited. Without `worker`, those of processes that have exited, if the queue
   * is in a file.
   */
  recover(queue: Handle, worker?: number | WorkerLike): Recovered;
  /** The same for a sharer of a queue in a file, by its number. Missing if queues of this kind cannot be in files. */
  recoverSharer?(queue: Handle, dead: number): Recovered;
  /** The figures of the queue. */
  inspect(queue: Handle): QueueProperties;
  /** True while the thread has a place in the queue that others may want. */
  hasPlace(queue: Handle, threadId: number): boolean;
}

/** A kind whose records are bytes in rings, so that a codec can make it carry values. */
export interface RingKind<Handle, Options, Producer, Consumer> extends QueueKind<Handle, Options, Producer, Consumer> {
  /** True if `capacity` counts records of one length; false if it always counts bytes. */
  readonly countsRecords: boolean;
  /** The producing end with a codec on top. */
  pubValues(ring: Producer, codec: CodecFor<unknown>): unknown;
}

/**
 * The handles of queues made of rings, and the options that make and open them. There are only types here.
 *
 * A handle is a plain object that survives structured clone, so that it can go to another thread by workerData or
 * postMessage. `Names` are the names of the declared consumers, if the compiler knows them.
 */
import type { Carries, CodecDescription, CodecFor } from './codec.js';
import type { WhenSlow } from './ring.js';

/** How many producers and consumers a queue of rings has, and in which order records arrive. See `create`. */
export type Kind = 'spsc' | 'mpsc' | 'spmc' | 'banded';

/** A queue made of rings, as `create` returns it. */
export interface Queue<K extends Kind = Kind, Names extends string = string> {
  /** Who may produce and consume. */
  readonly kind: K;
  /** Where the records lie. */
  readonly backend: 'fixed' | 'linked';
  /** The memory of the queue. For a queue in a file, it is the file's memory. */
  readonly buffer: SharedArrayBuffer;
  /** The byte offset in `buffer` at which the queue begins. */
  readonly byteOffset: number;
  /** Records (fixed) or bytes (variable) that the queue holds; in each lane, or in each band. */
  readonly capacity: number;
  /** The length of each record in bytes, or 0 for records of any length. */
  readonly recordBytes: number;
  /** Places for producers: the lanes of `mpsc`, 1 for other kinds. */
  readonly maxProducers: number;
  /** Places for consumers. */
  readonly maxConsumers: number;
  /** The file that the queue lies in, if it was made with `memory` or opened. */
  readonly memory?: QueueFile;
  /** The declared consumers by name, and the number of each one's place. */
  readonly consumers?: Readonly<Record<Names, number>>;
}

/** The file of a queue, as the queue's handle names it. */
export interface QueueFile {
  /** The path of the file. */
  readonly path: string;
  /**
   * The device of the file. Together with `inode` it tells which file that was: another file with the same name is
   * refused.
   */
  readonly device: number;
  /** The inode of the file; see `device`. */
  readonly inode: number;
}

/**
 * Where a queue lies that other processes can open: a file at `path`, or a file in memory with the name `name`, which
 * is `/dev/shm/<name>`.
 */
export type MemoryGiven = ({ readonly path: string; readonly name?: undefined } | {
  readonly name: string;
  readonly path?: undefined;
}) & {
  /**
   * Permissions: a new file gets these, and a file that is opened may have no more than these. The default is 0o600, so
   * that no other user can write to it.
   */
  readonly mode?: number;
  /** The number of the user whose file may be opened. The default is the user of this process. */
  readonly owner?: number;
};

/** A queue of records of one length. */
export interface FixedQueue<K extends Kind = 'spsc', Names extends string = string> extends Queue<K, Names> {
  /** Records have one length. */
  readonly fixed: true;
  /** A queue without a codec carries bytes. */
  readonly codec?: undefined;
}

/** A queue of records of any length. */
export interface VariableQueue<K extends Kind = 'spsc', Names extends string = string> extends Queue<K, Names> {
  /** Records have any length. */
  readonly fixed: false;
  /** A queue without a codec carries bytes. */
  readonly codec?: undefined;
}

/** A linked queue. Its `capacity` is how many bytes all of its chunks have together when it is full. */
export interface LinkedQueue extends VariableQueue<'spsc', never> {
  /** Its records lie in chunks. */
  readonly backend: 'linked';
  /** The size in bytes of each chunk by which it grows. */
  readonly chunkBytes: number;
}

/** A queue with a codec. */
export interface ValueQueue<T, K extends Kind = 'spsc', Names extends string = string>
  extends Queue<K, Names>, Carries<T> {
  /** True if records have one length, as those of a struct do. */
  readonly fixed: boolean;
  /** The codec that makes records of values. */
  readonly codec: CodecFor<T>;
}

// ---- Options of create
// ------------------------------------------------------------------------------------------------

/**
 * A consumer that is declared when its queue is made. Records are kept for it from the start, and whenever nobody has
 * its place.
 */
export interface DeclaredConsumer<Names extends string = string> {
  /**
   * Names of declared consumers that must have released a record before this one reads it. This makes a pipeline, or a
   * diamond.
   */
  after?: readonly Names[];
  /** What happens when this consumer cannot keep up; default 'wait'. */
  whenSlow?: WhenSlow;
  /** For `whenSlow: 'evict'`: how long it may stand still, in milliseconds, 0 to 2^31 - 1. Default 1000. */
  evictAfterMs?: number;
}

/** The options that all queues made of rings share. */
export interface RingOptions<K extends Kind, Names extends string = string> {
  /**
   * `spsc`: one producer and one consumer. `mpsc`: each producer has a lane of its own, and order is kept for each
   * producer. `spmc`: every consumer gets every record. `banded`: spsc with eight priorities.
   */
  kind: K;
  /** Where the records lie; a ring is the default. */
  backend?: 'fixed';
  /** Places for producers of `mpsc`, 1 to 64. Default 16. */
  maxProducers?: number;
  /** Places for consumers of `spmc` and `mpsc`, 1 to 32. Default 16. */
  maxConsumers?: number;
  /** Declared consumers of `spmc`, by name. */
  consumers?: { readonly [Name in Names]: DeclaredConsumer<NoInfer<Names>> };
  /** Where the cursors begin: any int32. Tests begin just below the wrap. Default 0. */
  startSequence?: number;
  /**
   * Memory to use instead of a new SharedArrayBuffer. It must be all zero from `byteOffset` on and large enough: a
   * queue of one ring takes `bytesFor(...)` bytes, and an `mpsc` or `banded` queue takes more.
   */
  buffer?: SharedArrayBuffer;
  /** The byte offset in `buffer` at which the queue begins: a multiple of 8. Default 0. */
  byteOffset?: number;
  /**
   * A file to use instead of memory of this process, for other processes and languages. See docs/guide/processes.md.
   */
  memory?: MemoryGiven;
}

/** Options for a queue of bytes whose records have one length. */
export interface FixedOptions<K extends Kind = 'spsc', Names extends string = string> extends RingOptions<K, Names> {
  /** How many records the ring holds (each lane, each band): a power of two, 2 to 2^30. */
  capacity: number;
  /** The length of each record in bytes: 1 to 2^20. */
  recordBytes: number;
  /** Left out: bytes need no codec. */
  codec?: undefined;
}

/** Options for a queue of bytes whose records have any length. */
export interface VariableOptions<K extends Kind = 'spsc', Names extends string = string> extends RingOptions<K, Names> {
  /**
   * How many bytes the ring holds (each lane, each band), headers included: a power of two, 32 to 2^30. The longest
   * payload is half of that less 8.
   */
  capacityBytes: number;
  /** Left out: bytes need no codec. */
  codec?: undefined;
}

/** Options for a queue that grows by chunks. */
export interface LinkedOptions {
  /** A linked queue has one producer and one consumer. */
  kind: 'spsc';
  /** Records lie in chunks. */
  backend: 'linked';
  /**
   * The most bytes that the queue ever takes, headers and table included, up to 2^30. It grows by chunks and makes no
   * chunk that would go beyond this.
   */
  capacityBytes: number;
  /**
   * The size of each chunk in bytes: a power of two, 32 to 2^28. Default 65536. The longest payload is 16 less.
   * `capacityBytes` must have room for two chunks.
   */
  chunkBytes?: number;
  /** Where the cursors begin: any int32 that is a multiple of 8. Tests begin just below the wrap. Default 0. */
  startSequence?: number;
  /** Left out: bytes need no codec. */
  codec?: undefined;
}

/** The description of a codec, or the function that makes it: `value` stands for `value()`. */
export type CodecGiven<T, Name extends CodecDescription['name']> =
  | (CodecFor<T> & { readonly name: Name })
  | (() => CodecFor<T> & { readonly name: Name });

/** Options for a queue of structs, whose records all have one length. */
export interface StructOptions<T, K extends Kind = 'spsc', Names extends string = string> extends RingOptions<
  K,
  Names
> {
  /** What the values are: `struct({ ... })`. */
  codec: CodecGiven<T, 'struct'>;
  /** How many values the ring holds (each lane, each band): a power of two, 2 to 2^30. */
  capacity: number;
  /** Left out: `capacity` counts the values. */
  capacityBytes?: undefined;
}

/** Options for a queue of values whose records vary in length. */
export interface ValueOptions<T, K extends Kind = 'spsc', Names extends string = string> extends RingOptions<K, Names> {
  /** What the values are: `bytes`, `value<T>()` or `msgpack<T>()`. */
  codec: CodecGiven<T, 'bytes' | 'value' | 'msgpack'>;
  /** How many bytes the ring holds (each lane, each band), 8 for each value included: a power of two, 32 to 2^30. */
  capacityBytes: number;
  /** Left out: `capacityBytes` counts the bytes. */
  capacity?: undefined;
}

/** Options for values of any codec in a queue that grows by chunks. */
export interface LinkedValueOptions<T> extends Omit<LinkedOptions, 'codec'> {
  /** What the values are: `struct({ ... })`, `bytes`, `value<T>()` or `msgpack<T>()`. */
  codec: CodecGiven<T, CodecDescription['name']>;
}

// ---- Options of pub and sub
// -------------------------------------------------------------------------------------------

/** Options of `pub`. */
export interface PubOptions {
  /**
   * Committed records are published at the latest when there are this many of them: 1 to 2^30. The default is 1, which
   * publishes each at once; in a reactor it is 64, and also at the end of the step. Call `flush` before you wait for an
   * answer.
   */
  publishEvery?: { readonly records: number };
}

/** Options of `sub`. */
export interface SubOptions<Names extends string = string> {
  /**
   * What happens when the ring is full because this consumer is slow. `wait` (default): producers get BACK_PRESSURED,
   * and may await `room()`. `block`: their `offer` blocks until there is room (refused in a reactor). `drop-newest`:
   * their offer answers DROPPED. `drop-oldest`: this consumer is lapped and told how many records it lost. `evict`: it
   * loses its place if it stands still for `evictAfterMs`. Every dropped record is counted, see `inspect`.
   */
  whenSlow?: WhenSlow;
  /** For `evict`: how long this consumer may stand still, in milliseconds, 0 to 2^31 - 1. Default 1000. */
  evictAfterMs?: number;
  /**
   * For `spmc`: which of the declared consumers this one is. Its `whenSlow` and `after` are those that were declared.
   */
  name?: Names;
  /**
   * For `spmc`: those consumers that must have released a record before this one reads it, by the names of declared
   * consumers or by the places of present ones.
   */
  after?: readonly (Names | number)[];
}

/** Further options of `sub` for a banded queue. */
export interface BandedSubOptions {
  /**
   * After this many records of the highest bands, a lower band that waits gets one. 0 (default) means never, so that
   * low bands may starve.
   */
  quantum?: number;
}

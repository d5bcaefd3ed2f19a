/**
 * The handles of queues made of rings, and the options that make and open them: types alone.
 *
 * A handle is a plain object that survives structured clone, so it goes to another thread by workerData or postMessage.
 * `Names` are the names of the consumers that were declared, where the compiler knows them.
 */
import type { Carries, CodecDescription, CodecFor } from './codec.js';
import type { WhenSlow } from './ring.js';

/** How many producers and consumers a queue of rings has, and in which order records come. See `create`. */
export type Kind = 'spsc' | 'mpsc' | 'spmc' | 'banded';

/** A queue made of rings. `recordBytes` 0 means records of any length. */
export interface Queue<K extends Kind = Kind, Names extends string = string> {
  /** Who may produce and consume. */
  readonly kind: K;
  /** Where the records lie. */
  readonly backend: 'fixed' | 'linked';
  /** The memory of the queue. Of a queue in a file it shows the file. */
  readonly buffer: SharedArrayBuffer;
  /** Where in `buffer` the queue begins. */
  readonly byteOffset: number;
  /** Records (fixed) or bytes (variable); of each lane, or of each band. */
  readonly capacity: number;
  /** Bytes of each record; 0 where they have any length. */
  readonly recordBytes: number;
  /** Places for producers: lanes of `mpsc`, else 1. */
  readonly maxProducers: number;
  /** Places for consumers. */
  readonly maxConsumers: number;
  /** The file that it lies in, where it was made with `memory`, or opened. */
  readonly memory?: QueueFile;
  /** Declared consumers by name, and their places. */
  readonly consumers?: Readonly<Record<Names, number>>;
}

/** The file of a queue, as its handle names it. */
export interface QueueFile {
  /** Where the file lies. */
  readonly path: string;
  /** Which file that was: another one of the same name is refused. */
  readonly device: number;
  /** With `device`: which file that was. */
  readonly inode: number;
}

/**
 * Where a queue lies that other processes open: a file at `path`, or one of memory alone by `name`, which is
 * `/dev/shm/<name>`.
 */
export type MemoryGiven = ({ readonly path: string; readonly name?: undefined } | {
  readonly name: string;
  readonly path?: undefined;
}) & {
  /**
   * Permissions: those that the file is made with, and the most that one which is opened may have. Default 0o600, so
   * that no other user can write to it.
   */
  readonly mode?: number;
  /** User whose file is opened, by number. Default: the user of this process. */
  readonly owner?: number;
};

/** A queue of records of one length. */
export interface FixedQueue<K extends Kind = 'spsc', Names extends string = string> extends Queue<K, Names> {
  /** Records have one length. */
  readonly fixed: true;
  readonly codec?: undefined;
}

/** A queue of records of any length. */
export interface VariableQueue<K extends Kind = 'spsc', Names extends string = string> extends Queue<K, Names> {
  /** Records have any length. */
  readonly fixed: false;
  readonly codec?: undefined;
}

/** A linked queue. Its `capacity` is the bytes of all chunks that it may have. */
export interface LinkedQueue extends VariableQueue<'spsc', never> {
  readonly backend: 'linked';
  /** Bytes of each chunk that it grows by. */
  readonly chunkBytes: number;
}

/** A queue with a codec. */
export interface ValueQueue<T, K extends Kind = 'spsc', Names extends string = string>
  extends Queue<K, Names>, Carries<T> {
  /** Records have one length, as those of a struct. */
  readonly fixed: boolean;
  /** How a value becomes a record. */
  readonly codec: CodecFor<T>;
}

// ---- Options of create
// ------------------------------------------------------------------------------------------------

/**
 * A consumer that is declared when its queue is made: its records are kept for it from the start, and whenever nobody
 * has its place.
 */
export interface DeclaredConsumer<Names extends string = string> {
  /**
   * Names of declared consumers that must have released a record before this one reads it: a pipeline, or a diamond.
   */
  after?: readonly Names[];
  /** What happens when it cannot keep up; default 'wait'. */
  whenSlow?: WhenSlow;
  /** For `whenSlow: 'evict'`: the longest standstill in milliseconds, 0 to 2^31 - 1. Default 1000. */
  evictAfterMs?: number;
}

/** Options that all queues made of rings share. */
export interface RingOptions<K extends Kind, Names extends string = string> {
  /**
   * `spsc`: one producer, one consumer. `mpsc`: a lane of its own for each producer, order kept for each. `spmc`: every
   * consumer gets every record. `banded`: spsc with eight priorities.
   */
  kind: K;
  backend?: 'fixed';
  /** Places for producers of `mpsc`, 1 to 64. Default 16. */
  maxProducers?: number;
  /** Places for consumers of `spmc` and `mpsc`, 1 to 32. Default 16. */
  maxConsumers?: number;
  /** Declared consumers of `spmc`, by name. */
  consumers?: { readonly [Name in Names]: DeclaredConsumer<NoInfer<Names>> };
  /** Where the cursors begin: any int32. Tests start just below the wrap. Default 0. */
  startSequence?: number;
  /**
   * Memory to use in place of a new SharedArrayBuffer: all zero, `bytesFor(...)` long from `byteOffset`, a multiple of
   * 8. Not for groups (mpsc, banded).
   */
  buffer?: SharedArrayBuffer;
  /** Where in `buffer` it begins: a multiple of 8, default 0. */
  byteOffset?: number;
  /** A file in place of memory of this process, for other processes and languages. See docs/guide/processes.md. */
  memory?: MemoryGiven;
}

/** Options for records of one length, as bytes. */
export interface FixedOptions<K extends Kind = 'spsc', Names extends string = string> extends RingOptions<K, Names> {
  /** Records that the ring holds (each lane, each band): a power of two, 2 to 2^30. */
  capacity: number;
  /** Bytes of each record: 1 to 2^20. */
  recordBytes: number;
  codec?: undefined;
}

/** Options for records of any length, as bytes. */
export interface VariableOptions<K extends Kind = 'spsc', Names extends string = string> extends RingOptions<K, Names> {
  /**
   * Bytes that the ring holds (each lane, each band), headers included: a power of two, 32 to 2^30. The longest payload
   * is half of it less 8.
   */
  capacityBytes: number;
  codec?: undefined;
}

/** Options for a queue that grows by chunks. */
export interface LinkedOptions {
  kind: 'spsc';
  backend: 'linked';
  /**
   * Most bytes that the queue ever takes, headers and table included, to 2^30: it grows by chunks up to it, and holds
   * no chunk that would go beyond.
   */
  capacityBytes: number;
  /**
   * Bytes of each chunk: a power of two, 32 to 2^28. Default 65536. The longest payload is 16 less. The cap must have
   * room for two.
   */
  chunkBytes?: number;
  /** Where the cursors begin: any int32 that is a multiple of 8. Tests start just below the wrap. Default 0. */
  startSequence?: number;
  codec?: undefined;
}

/** The description of a codec, or the function that makes it: `value` for `value()`. */
export type CodecGiven<T, Name extends CodecDescription['name']> =
  | (CodecFor<T> & { readonly name: Name })
  | (() => CodecFor<T> & { readonly name: Name });

/** Options for values of a struct, whose records all have one length. */
export interface StructOptions<T, K extends Kind = 'spsc', Names extends string = string> extends RingOptions<
  K,
  Names
> {
  /** What the values are: `struct({ ... })`. */
  codec: CodecGiven<T, 'struct'>;
  /** Values that the ring holds (each lane, each band): a power of two, 2 to 2^30. */
  capacity: number;
  capacityBytes?: undefined;
}

/** Options for values whose records vary in length. */
export interface ValueOptions<T, K extends Kind = 'spsc', Names extends string = string> extends RingOptions<K, Names> {
  /** What the values are: `bytes`, `value<T>()` or `msgpack<T>()`. */
  codec: CodecGiven<T, 'bytes' | 'value' | 'msgpack'>;
  /** Bytes that the ring holds (each lane, each band), 8 a value included: a power of two, 32 to 2^30. */
  capacityBytes: number;
  capacity?: undefined;
}

/** Options for values, of any codec, in a queue that grows by chunks. */
export interface LinkedValueOptions<T> extends Omit<LinkedOptions, 'codec'> {
  codec: CodecGiven<T, CodecDescription['name']>;
}

// ---- Options of pub and sub
// -------------------------------------------------------------------------------------------

export interface PubOptions {
  /**
   * Publish at the latest after this many committed records: 1 to 2^30. Default 1, each at once; in a reactor 64, and
   * at the end of the step. Call `flush` before you wait for an answer.
   */
  publishEvery?: { readonly records: number };
}

export interface SubOptions<Names extends string = string> {
  /**
   * What happens when this consumer is slow and the ring full. `wait` (default): producers get BACK_PRESSURED, and may
   * await `room()`. `block`: their `offer` stands still until there is room (refused in a reactor). `drop-newest`:
   * their offer answers DROPPED. `drop-oldest`: this consumer is lapped and told how many records it lost. `evict`: it
   * is put out after `evictAfterMs`. Every record dropped is counted, see `inspect`.
   */
  whenSlow?: WhenSlow;
  /** For `evict`: the longest standstill of this consumer in milliseconds, 0 to 2^31 - 1. Default 1000. */
  evictAfterMs?: number;
  /** `spmc`: the declared consumer to be; it brings its `whenSlow` and `after`. */
  name?: Names;
  /**
   * `spmc`: names of declared consumers, or places of those that are there now, who must have released a record before
   * this one reads it.
   */
  after?: readonly (Names | number)[];
}

export interface BandedSubOptions {
  /**
   * Records of the highest bands after which a lower band that waits gets one; 0 (default): never, low bands may
   * starve.
   */
  quantum?: number;
}

/** The memory of rings: how much they take, how they are made, and how they are opened by a handle. */
import { PercoreError, checkInteger, invalidArgument } from '../errors.js';
import { LAYOUT_VERSION, MAX_CONSUMERS, QUEUE_MAGIC, placeLayout, queueLayout, type LayoutField } from '../layout.js';
import {
  AFTER, CURSOR, EVICT_AFTER_MS, HELD, POLICIES, POLICY, PUSH_CURSOR, RECORDS_BELL, STATE, TAKEN, placeAt,
  type QueueMemory, type WhenSlow,
} from './ring.js';

/**
 * Bytes behind the last record that every view reaches. On Node 24, a DataView access to the very last element makes
 * the calling function slow for good.
 */
export const SLACK_BYTES = 8;
/** The most records, or bytes, that a queue can hold. */
export const MAX_CAPACITY: number = 2 ** 30;
/** The most bytes that a ring may take: words and offsets in it are int32. */
export const MAX_BYTES: number = 2 ** 31 - 1;

/** A ring, as a plain object that survives structured clone. */
export interface RingHandle {
  readonly buffer: SharedArrayBuffer;
  readonly byteOffset: number;
  /** Records (fixed) or bytes (variable). */
  readonly capacity: number;
  /** 0 means records of any length. */
  readonly recordBytes: number;
  /** Places for consumers; 1 if left out. */
  readonly maxConsumers?: number;
  /** For a queue in a file: the number of this thread among those that share it. See QueueMemory. */
  readonly sharer?: number;
}

/**
 * A consumer that is declared when its queue is made. Its place holds the records for it from the start, and whenever
 * nobody has the place.
 */
export interface DeclaredPlace {
  readonly whenSlow: WhenSlow;
  readonly evictAfterMs: number;
  /** The places of the consumers that read before this one. */
  readonly after: readonly number[];
}

const headerBytes = (places: number): number => queueLayout.bytes + (places - 1) * placeLayout.bytes;

/**
 * How many bytes of memory a ring takes, header and slack included: a ring of `capacity` records of `recordBytes` bytes
 * each, or of `capacity` bytes if `recordBytes` is 0, with `places` places for consumers (1 to 32). Throws
 * ERR_PERCORE_INVALID_ARGUMENT for a number out of range. An `mpsc` or `banded` queue takes more, since it is several
 * rings.
 *
 *     const buffer = new SharedArrayBuffer(bytesFor(4096, 16));
 *     const ticks = create({ kind: 'spsc', capacity: 4096, recordBytes: 16, buffer });
 */
export function bytesFor(capacity: number, recordBytes: number, places = 1): number {
  checkInteger('capacity', capacity, 1, MAX_CAPACITY);
  checkInteger('recordBytes', recordBytes, 0, MAX_RECORD_BYTES);
  checkInteger('places', places, 1, MAX_CONSUMERS);
  return headerBytes(places) + capacity * (recordBytes === 0 ? 1 : recordBytes) + SLACK_BYTES;
}

/** The most records that a ring can hold: an empty variable record takes 8 bytes, those of its header. */
export const mostRecords = ({
  capacity, recordBytes,
}: {
  readonly capacity: number;
  readonly recordBytes: number;
}): number => (recordBytes === 0 ? capacity >> 3 : capacity);

/**
 * Shared memory of `bytes` bytes, all zero, which may grow to `maxByteLength`. Throws ERR_PERCORE_SYSTEM if the system
 * has no such memory.
 */
export function sharedMemory(bytes: number, maxByteLength?: number): SharedArrayBuffer {
  const Shared = SharedArrayBuffer as new (length: number, options?: { maxByteLength: number }) => SharedArrayBuffer;
  try {
    return maxByteLength === undefined ? new Shared(bytes) : new Shared(bytes, { maxByteLength });
  } catch (cause) {
    const most = maxByteLength ?? bytes;
    throw new PercoreError(
      'ERR_PERCORE_SYSTEM',
      `cannot make a queue of ${most} bytes: ENOMEM, the system gives no such memory. Ask for a smaller capacity, or `
        + 'for fewer producers',
      { argument: 'capacity', value: most, errno: 'ENOMEM', cause },
    );
  }
}

/** Writes the header of a new ring into memory that is all zero. */
export function makeRing(ring: RingHandle, start: number, declared: readonly DeclaredPlace[] = []): void {
  const places = ring.maxConsumers ?? 1;
  const words = new Int32Array(ring.buffer, ring.byteOffset, headerBytes(places) >> 2);
  const set = (field: LayoutField, value: number): void => {
    // Nobody else reads these words before the magic below. The stores are atomic so that the magic carries them.
    Atomics.store(words, field.at >> 2, value);
  };
  const { fields } = queueLayout;
  set(fields.version, LAYOUT_VERSION);
  set(fields.capacity, ring.capacity);
  set(fields.recordBytes, ring.recordBytes);
  set(fields.startSequence, start);
  set(fields.places, places);
  set(fields.kept, declared.length === 32 ? -1 : (1 << declared.length) - 1);
  set(fields.producerCursor, start);
  for (let i = 0; i < places; i++) {
    // A position to which no push has gone. Otherwise a lossy consumer that comes to stand at 0 would find a push noted
    // there.
    for (const slot of [0, 1]) words[placeAt(i) + PUSH_CURSOR + slot] = (start - 1) | 0;
  }
  // If none is declared, the first place holds the records for whoever comes first.
  (declared.length === 0 ? [{ whenSlow: 'wait', evictAfterMs: 0, after: [] } as DeclaredPlace] : declared).forEach(
    (place, i) => {
      const at = placeAt(i);
      words[at + CURSOR] = start;
      words[at + TAKEN] = start;
      words[at + POLICY] = POLICIES.indexOf(place.whenSlow);
      words[at + EVICT_AFTER_MS] = place.evictAfterMs;
      words[at + AFTER] = place.after.reduce((bits, other) => bits | (1 << other), 0);
      // ring.join: pairs with the loads of whoever opens the ring, by way of the magic below.
      Atomics.store(words, at + STATE, HELD);
    },
  );
  set(fields.magic, QUEUE_MAGIC);
}

/** The longest record of a ring of fixed records, in bytes. */
export const MAX_RECORD_BYTES: number = 2 ** 20;
/** True for a whole number from `least` to `most`. */
export const isWhole = (value: unknown, least: number, most: number): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most;
/** True for a power of two from `least` to MAX_CAPACITY. */
export const isPowerOfTwo = (value: unknown, least: number): value is number =>
  isWhole(value, least, MAX_CAPACITY) && (value & (value - 1)) === 0;

/**
 * Throws unless the numbers of a handle, which may have been written by hand, can be those of a ring. openRing()
 * compares them with what the memory says.
 */
export function checkHandle(handle: RingHandle): void {
  const isRing =
    typeof handle === 'object'
    && handle !== null
    && isWhole(handle.capacity, 1, MAX_CAPACITY)
    && isWhole(handle.recordBytes, 0, MAX_RECORD_BYTES)
    && isWhole(handle.maxConsumers ?? 1, 1, MAX_CONSUMERS);
  if (!isRing) throw invalidArgument('queue', handle, 'what create() returned, or its structured clone');
}

/** Throws unless `handle` has a SharedArrayBuffer with `length` bytes from its offset on. */
export function checkMemory(handle: Pick<RingHandle, 'buffer' | 'byteOffset'>, length: number): void {
  if (
    !(handle?.buffer instanceof SharedArrayBuffer)
    || !isWhole(handle.byteOffset, 0, 2 ** 53 - 1)
    || handle.byteOffset % 8 !== 0
    || !isWhole(length, 1, 2 ** 53 - 1)
  ) {
    throw invalidArgument('queue', handle, 'what create() returned, or its structured clone');
  }
  if (handle.byteOffset + length <= handle.buffer.byteLength) return;
  throw new PercoreError(
    'ERR_PERCORE_INVALID_ARGUMENT',
    `queue.buffer has ${handle.buffer.byteLength} bytes, the queue needs ${handle.byteOffset + length}`,
    { argument: 'queue' },
  );
}

/**
 * Opens the ring of a handle. `bell` is that of the group which the ring belongs to, if there is one. `bytes` is how
 * long its memory is now, if it grows. Throws for memory that holds no such ring.
 */
export function openRing(
  ring: RingHandle, bell?: { words: Int32Array; at: number; isLane: boolean }, bytes?: number,
): QueueMemory {
  checkHandle(ring);
  const places = ring.maxConsumers ?? 1;
  const length = bytes ?? bytesFor(ring.capacity, ring.recordBytes, places);
  checkMemory(ring, Math.max(length, headerBytes(places)));
  // A whole number of words; the slack lets every view reach past the last record.
  const words = new Int32Array(ring.buffer, ring.byteOffset, length >> 2);
  const get = (field: LayoutField): number => Atomics.load(words, field.at >> 2);
  const { fields } = queueLayout;
  // Pairs with the stores in makeRing(): whoever sees the magic sees a complete header.
  const magic = get(fields.magic);
  const version = get(fields.version);
  if (magic !== QUEUE_MAGIC || version !== LAYOUT_VERSION) {
    throw new PercoreError(
      'ERR_PERCORE_LAYOUT_MISMATCH',
      `queue memory has magic ${magic} and layout version ${version}; this build writes ${QUEUE_MAGIC} and `
        + `${LAYOUT_VERSION}. Use one version of percore in all threads`,
      { argument: 'queue' },
    );
  }
  const made = [get(fields.capacity), get(fields.recordBytes), get(fields.places)];
  if (made[0] !== ring.capacity || made[1] !== ring.recordBytes || made[2] !== places) {
    throw new PercoreError(
      'ERR_PERCORE_INVALID_ARGUMENT',
      `the handle says capacity, recordBytes and maxConsumers ${ring.capacity}, ${ring.recordBytes}, ${places}; the `
        + `memory was made with ${made.join(', ')}. Pass the handle as create() returned it`,
      { argument: 'queue' },
    );
  }
  return {
    words,
    bytes: new Uint8Array(ring.buffer, ring.byteOffset, length),
    view: new DataView(ring.buffer, ring.byteOffset, length),
    counters: new Float64Array(ring.buffer, ring.byteOffset, headerBytes(places) >> 3),
    capacity: ring.capacity,
    recordBytes: ring.recordBytes,
    places,
    kept: get(fields.kept),
    dataBytes: headerBytes(places),
    bellWords: bell?.words ?? words,
    bell: bell?.at ?? RECORDS_BELL,
    isLane: bell?.isLane ?? false,
    sharer: ring.sharer ?? 0,
  };
}

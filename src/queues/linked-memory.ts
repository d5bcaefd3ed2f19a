/**
 * Memory of a linked queue: chunks in one SharedArrayBuffer that grows with them, up to a cap in bytes, and a table
 * that says which chunk holds which stretch of the sequence. See linked-queue.ts for how it is used.
 *
 *   | Queue | Linked | table | chunk 0 | chunk 1 |  ... grows here ...  | cap
 *
 * The cap counts all of it: headers, table and chunks. Two chunks are there from the start, so that a queue still moves
 * when the system refuses to let it grow. A SharedArrayBuffer never shrinks: chunks are never returned to the system,
 * but used again, the one that was given back last first.
 */
import { PercoreError, checkInteger, checkOptions, invalidArgument } from '../errors.js';
import { LAYOUT_VERSION, LINE_BYTES, LINKED_MAGIC, linkedLayout, queueLayout, type LayoutField } from '../layout.js';
import type { LinkedOptions, LinkedQueue } from './handles.js';
import { seenFrom } from './mark.js';
import { MAX_CAPACITY, checkMemory, isPowerOfTwo, makeRing, openRing, sharedMemory } from './memory.js';
import { CURSOR, PRODUCER_CURSOR, placeAt, type QueueMemory } from './ring.js';

/** The most chunks that one queue may have. */
export const MAX_CHUNKS = 65_536;
const LEAST_CHUNK_BYTES = 32;
const LEAST_CHUNKS = 2;
const DEFAULT_CHUNK_BYTES = 65_536;
const fields = linkedLayout.fields;
const TABLE_BYTES = queueLayout.bytes + linkedLayout.bytes;
/** The index of the counter in 8-byte words, from the queue's beginning. */
export const GROWTHS_REFUSED: number = (queueLayout.bytes + fields.growthsRefused.at) >> 3;

/** What ES2024 adds to a SharedArrayBuffer. */
export interface GrowableBuffer extends SharedArrayBuffer {
  readonly growable: boolean;
  readonly maxByteLength: number;
  grow(byteLength: number): void;
}

/** An opened linked queue. Its views reach as far as the buffer did when it was opened. */
export interface LinkedMemory extends QueueMemory {
  readonly buffer: GrowableBuffer;
  readonly chunkBytes: number;
  readonly mostChunks: number;
  /** Byte offset of chunk 0. */
  readonly firstChunk: number;
  /**
   * For each slot of a stretch, the number of the chunk that holds it. These are plain words; linked-queue.ts says why.
   */
  readonly table: Int32Array;
}

/** How many chunks a linked queue has, and how many it uses. */
export interface ChunkProperties {
  /** The size of each chunk in bytes. */
  readonly chunkBytes: number;
  /** How many chunks hold records that are published and not released, the producer's present chunk included. */
  readonly inUse: number;
  /** How many chunks the buffer has: the most that were ever needed at once. The number never shrinks. */
  readonly allocated: number;
  /** How many chunks the cap allows. */
  readonly most: number;
  /** How often the system gave no memory for one chunk more, which producers feel as BACK_PRESSURED. */
  readonly growthsRefused: number;
}

/**
 * The size of the table: a power of two, at least `chunks`, so that slots follow one another across the wrap of the
 * sequence.
 */
const tableWords = (chunks: number): number => 1 << (32 - Math.clz32(chunks - 1));
const firstChunkOf = (mostChunks: number): number =>
  TABLE_BYTES + ((tableWords(mostChunks) * 4 + LINE_BYTES - 1) & -LINE_BYTES);

/** Byte offset of chunk `chunk`. */
export const offsetOfChunk = (memory: LinkedMemory, chunk: number): number =>
  memory.firstChunk + chunk * memory.chunkBytes;
/** How many chunks the buffer holds now. */
export const allocatedChunks = (memory: LinkedMemory): number =>
  Math.floor((memory.buffer.byteLength - memory.firstChunk) / memory.chunkBytes);
/** The table's slot for the stretch in which the sequence `position` lies. */
export const slotOf = (memory: LinkedMemory, position: number): number =>
  (position >>> (31 - Math.clz32(memory.chunkBytes))) & (memory.table.length - 1);

/** Makes the memory of a new linked queue. See `create` in index.ts. */
export function createLinked(options: LinkedOptions): LinkedQueue {
  const { capacityBytes, chunkBytes = DEFAULT_CHUNK_BYTES } = options;
  if ((options as { memory?: unknown }).memory !== undefined)
    throw invalidArgument(
      'memory', (options as { memory?: unknown }).memory,
      "left out for the backend 'linked', whose memory grows: a queue in a file is made of rings, without `backend`",
    );
  refuse(options, ['recordBytes', 'capacity', 'consumers', 'buffer', 'byteOffset']);
  checkOptions('options', options, [
    'kind', 'backend', 'capacityBytes', 'chunkBytes', 'startSequence', 'maxProducers', 'maxConsumers', 'recordBytes',
    'capacity', 'consumers', 'buffer', 'byteOffset', 'codec',
  ]);
  if (!isPowerOfTwo(chunkBytes, LEAST_CHUNK_BYTES) || chunkBytes > MAX_CAPACITY / 4) {
    throw invalidArgument('chunkBytes', chunkBytes, `a power of two from ${LEAST_CHUNK_BYTES} to ${MAX_CAPACITY / 4}`);
  }
  checkInteger('capacityBytes', capacityBytes, firstChunkOf(LEAST_CHUNKS) + LEAST_CHUNKS * chunkBytes, MAX_CAPACITY);
  let mostChunks = Math.floor((capacityBytes - TABLE_BYTES) / chunkBytes);
  if (mostChunks > MAX_CHUNKS)
    throw invalidArgument(
      'chunkBytes', chunkBytes, `so large that ${capacityBytes} bytes are at most ${MAX_CHUNKS} chunks`,
    );
  while (firstChunkOf(mostChunks) + mostChunks * chunkBytes > capacityBytes) mostChunks--;
  const start = checkInteger('startSequence', options.startSequence ?? 0, -(2 ** 31), 2 ** 32 - 1) | 0;
  if ((start & 7) !== 0)
    throw invalidArgument('startSequence', start, 'a multiple of 8 for a queue of variable records');

  const firstChunk = firstChunkOf(mostChunks);
  const maxByteLength = firstChunk + mostChunks * chunkBytes;
  const buffer = sharedMemory(firstChunk + LEAST_CHUNKS * chunkBytes, maxByteLength);
  // The sequence begins in a stretch that lies in chunk 0, which is what a table of zeros says.
  const words = new Int32Array(buffer, queueLayout.bytes, linkedLayout.bytes >> 2);
  words[fields.version.at >> 2] = LAYOUT_VERSION;
  words[fields.chunkBytes.at >> 2] = chunkBytes;
  words[fields.mostChunks.at >> 2] = mostChunks;
  // The magic comes last, so whoever sees it sees all of the above. Nobody has the handle yet and could look earlier.
  Atomics.store(words, fields.magic.at >> 2, LINKED_MAGIC);
  const capacity = mostChunks * chunkBytes;
  makeRing({ buffer, byteOffset: 0, capacity, recordBytes: 0 }, start);
  return {
    kind: 'spsc', backend: 'linked', buffer, byteOffset: 0, capacity, recordBytes: 0, maxProducers: 1, maxConsumers: 1,
    fixed: false, chunkBytes,
  };
}

/** Throws for options that only other backends have. */
function refuse(options: object, names: readonly string[]): void {
  const given = options as Record<string, unknown>;
  for (const name of names)
    if (given[name] !== undefined) throw invalidArgument(name, given[name], "left out for the backend 'linked'");
  for (const name of ['maxProducers', 'maxConsumers']) {
    if (given[name] !== undefined && given[name] !== 1)
      throw invalidArgument(name, given[name], "1 for the backend 'linked'");
  }
}

/** Opens the queue of a handle. Throws for memory that holds no such queue. */
export function openLinked(queue: LinkedQueue): LinkedMemory {
  const buffer = queue.buffer as GrowableBuffer;
  if (
    !isPowerOfTwo(queue.chunkBytes, LEAST_CHUNK_BYTES)
    || !(buffer instanceof SharedArrayBuffer)
    || buffer.growable !== true
  ) {
    throw invalidArgument('queue', queue, "what create() returned for the backend 'linked', or its structured clone");
  }
  checkMemory(queue, firstChunkOf(LEAST_CHUNKS) + LEAST_CHUNKS * queue.chunkBytes);
  const ring = openRing(queue, undefined, buffer.byteLength);
  // Pairs with the stores of createLinked(): the magic, which is read first, was stored last.
  const get = (field: LayoutField): number => Atomics.load(ring.words, (queueLayout.bytes + field.at) >> 2);
  const made = [
    get(fields.magic), get(fields.version), get(fields.chunkBytes), get(fields.mostChunks) * queue.chunkBytes,
  ];
  const expected = [LINKED_MAGIC, LAYOUT_VERSION, queue.chunkBytes, queue.capacity];
  if (made.some((value, i) => value !== expected[i])) {
    throw new PercoreError(
      'ERR_PERCORE_LAYOUT_MISMATCH',
      `queue memory has magic, layout version, chunkBytes and capacity ${made.join(', ')}; expected `
        + `${expected.join(', ')}. Use one version of percore in all threads, and pass the handle as create() `
        + `returned it`,
      { argument: 'queue' },
    );
  }
  const mostChunks = get(fields.mostChunks);
  const firstChunk = firstChunkOf(mostChunks);
  // With more chunks than that, the table would lie beyond the buffer.
  if (firstChunk + mostChunks * queue.chunkBytes > buffer.maxByteLength)
    throw invalidArgument('queue', queue, 'what create() returned, or its structured clone');
  return {
    ...ring,
    counters: new Float64Array(buffer, 0, TABLE_BYTES >> 3),
    dataBytes: firstChunk,
    offsetAt,
    buffer, chunkBytes: queue.chunkBytes, mostChunks, firstChunk,
    table: new Int32Array(buffer, TABLE_BYTES, tableWords(mostChunks)),
  };
}

/** For recover(), which counts the records between two cursors. */
function offsetAt(this: LinkedMemory, cursor: number): number {
  return offsetOfChunk(this, this.table[slotOf(this, cursor)]!) + (cursor & (this.chunkBytes - 1));
}

/** True for the memory of a linked queue. */
export const isLinked = (memory: QueueMemory): memory is LinkedMemory => memory.offsetAt !== undefined;

/** The figures of its chunks, read without stopping anyone. */
export function chunksOf(memory: LinkedMemory): ChunkProperties {
  const { chunkBytes, words } = memory;
  // The consumer's cursor is loaded before the producer's, as in inspectRing(), so that the difference is never
  // negative.
  const released = Atomics.load(words, placeAt(0) + CURSOR);
  const oldest = released & -chunkBytes;
  const newest = seenFrom(released, Atomics.load(words, PRODUCER_CURSOR)) & -chunkBytes;
  const allocated = allocatedChunks(memory);
  return {
    chunkBytes, allocated, most: memory.mostChunks, growthsRefused: memory.counters[GROWTHS_REFUSED]!,
    inUse: Math.min(allocated, ((newest - oldest) | 0) / chunkBytes + 1),
  };
}

/**
 * Gives an end views that reach as far as the buffer does now. Views of a fixed length are as fast as views of memory
 * that cannot grow; those that follow a growing buffer by themselves take ten times as long.
 */
export function reachAll(
  end: { words: Int32Array; bytes: Uint8Array; view: DataView }, buffer: SharedArrayBuffer,
): void {
  const length = buffer.byteLength;
  end.words = new Int32Array(buffer, 0, length >> 2);
  end.bytes = new Uint8Array(buffer, 0, length);
  end.view = new DataView(buffer, 0, length);
}

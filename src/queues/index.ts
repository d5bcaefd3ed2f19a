/**
 * `percore/queues`: rings in shared memory between any two threads.
 *
 *     const queue = create({ kind: 'spsc', capacity: 4096, recordBytes: 8 });   // a plain object: pass it in workerData
 *     const producer = pub(queue);    // in one thread
 *     const consumer = sub(queue);    // in the other
 */
import { checkInteger, invalidArgument, PercoreError } from '../errors.js';
import { LAYOUT_VERSION, QUEUE_MAGIC, queueLayout } from '../layout.js';
import { FixedConsumer, FixedProducer, VariableConsumer, VariableProducer, type QueueMemory } from './spsc-queue.js';

export { AGAIN, BACK_PRESSURED, CLOSED, EMPTY, OK, TOO_LARGE, nameOfCode, type ResultCode } from './result-codes.js';
export { FixedConsumer, FixedProducer, VariableConsumer, VariableProducer } from './spsc-queue.js';

/** Bytes after the last record that every view reaches: on Node 24 a DataView access to its very last element makes the function slow for good. */
export const SLACK_BYTES = 8;
export const MAX_CAPACITY = 2 ** 30;

/** A queue, as a plain object that survives structured clone. `recordBytes` 0 means records of any length. */
export interface Queue {
  readonly kind: 'spsc';
  readonly buffer: SharedArrayBuffer;
  readonly byteOffset: number;
  readonly capacity: number;
  readonly recordBytes: number;
}
export interface FixedQueue extends Queue { readonly fixed: true }
export interface VariableQueue extends Queue { readonly fixed: false }

interface CommonOptions {
  kind: 'spsc';
  /** Where both cursors begin: any int32. Tests start just below the wrap. Default 0. */
  startSequence?: number;
  /** Memory to use in place of a new SharedArrayBuffer; all zero, `bytesFor(...)` long from `byteOffset`, a multiple of 8. */
  buffer?: SharedArrayBuffer;
  byteOffset?: number;
}
export interface FixedOptions extends CommonOptions {
  /** Records the ring holds: a power of two, 2 to 2^30. */
  capacity: number;
  /** Bytes of each record: 1 to 2^20. */
  recordBytes: number;
}
export interface VariableOptions extends CommonOptions {
  /** Bytes the ring holds, headers included: a power of two, 32 to 2^30. The longest payload is half of it less 8. */
  capacityBytes: number;
}

/** Bytes of memory a queue takes, header and slack included. */
export function bytesFor(capacity: number, recordBytes: number): number {
  return queueLayout.bytes + capacity * (recordBytes === 0 ? 1 : recordBytes) + SLACK_BYTES;
}

function checkPowerOfTwo(argument: string, value: unknown, least: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > MAX_CAPACITY || (value & (value - 1)) !== 0) {
    throw invalidArgument(argument, value, `a power of two from ${least} to ${MAX_CAPACITY}`);
  }
  return value;
}

/** Makes a queue. Allocates its memory unless `buffer` is given; blocks nobody. Throws PercoreError for a bad option. */
export function create(options: FixedOptions): FixedQueue;
export function create(options: VariableOptions): VariableQueue;
export function create(options: FixedOptions | VariableOptions): FixedQueue | VariableQueue {
  if (options?.kind !== 'spsc') throw invalidArgument('kind', options?.kind, "'spsc'");
  const fixed = 'recordBytes' in options && options.recordBytes !== undefined;
  const recordBytes = fixed ? checkInteger('recordBytes', options.recordBytes, 1, 2 ** 20) : 0;
  const capacity = fixed
    ? checkPowerOfTwo('capacity', options.capacity, 2)
    : checkPowerOfTwo('capacityBytes', (options as VariableOptions).capacityBytes, 32);
  const start = checkInteger('startSequence', options.startSequence ?? 0, -(2 ** 31), 2 ** 32 - 1) | 0;
  if (!fixed && (start & 7) !== 0) throw invalidArgument('startSequence', start, 'a multiple of 8 for a queue of variable records');
  const bytes = bytesFor(capacity, recordBytes);
  const byteOffset = options.byteOffset ?? 0;
  const buffer = options.buffer ?? new SharedArrayBuffer(bytes);
  if (byteOffset % 8 !== 0) throw invalidArgument('byteOffset', byteOffset, 'a multiple of 8');
  if (buffer.byteLength < bytes) throw invalidArgument('buffer', buffer.byteLength, `at least ${bytes} bytes long`);
  checkInteger('byteOffset', byteOffset, 0, buffer.byteLength - bytes);

  const words = new Int32Array(buffer, byteOffset, queueLayout.bytes >> 2);
  const set = (field: keyof typeof queueLayout.fields, value: number) => {
    // Before the magic below, nobody else reads these; stored atomically so that the magic carries them.
    Atomics.store(words, queueLayout.fields[field].at >> 2, value);
  };
  set('version', LAYOUT_VERSION);
  set('capacity', capacity);
  set('recordBytes', recordBytes);
  set('startSequence', start);
  set('producerCursor', start);
  set('consumerCursor', start);
  set('magic', QUEUE_MAGIC);
  return { kind: 'spsc', buffer, byteOffset, capacity, recordBytes, fixed } as FixedQueue | VariableQueue;
}

function open(queue: Queue): QueueMemory {
  if (!(queue?.buffer instanceof SharedArrayBuffer)) throw invalidArgument('queue', queue, 'what create() returned, or its structured clone');
  const length = bytesFor(queue.capacity, queue.recordBytes);
  if (queue.byteOffset + length > queue.buffer.byteLength) {
    throw new PercoreError('ERR_PERCORE_INVALID_ARGUMENT', `queue.buffer has ${queue.buffer.byteLength} bytes, the queue needs ${queue.byteOffset + length}`, { argument: 'queue' });
  }
  // A whole number of words; the slack lets every view reach past the last record.
  const words = new Int32Array(queue.buffer, queue.byteOffset, length >> 2);
  // Pairs with the stores in create(): a complete header is seen behind its magic.
  const magic = Atomics.load(words, queueLayout.fields.magic.at >> 2);
  const version = Atomics.load(words, queueLayout.fields.version.at >> 2);
  if (magic !== QUEUE_MAGIC || version !== LAYOUT_VERSION) {
    throw new PercoreError('ERR_PERCORE_LAYOUT_MISMATCH', `queue memory has magic ${magic} and layout version ${version}; this build writes ${QUEUE_MAGIC} and ${LAYOUT_VERSION}. Use one version of percore in all threads`, { argument: 'queue' });
  }
  return {
    words,
    bytes: new Uint8Array(queue.buffer, queue.byteOffset, length),
    view: new DataView(queue.buffer, queue.byteOffset, length),
    capacity: queue.capacity,
    recordBytes: queue.recordBytes,
  };
}

export interface PubOptions {
  /** Publish at the latest after so many committed records: 1 (default, each at once) to 2^30. Call `flush` before you wait. */
  publishEvery?: number;
}

/** The producing end. One thread only, and one at a time. Throws for a handle that is not a queue of this layout. */
export function pub(queue: FixedQueue, options?: PubOptions): FixedProducer;
export function pub(queue: VariableQueue, options?: PubOptions): VariableProducer;
export function pub(queue: FixedQueue | VariableQueue, options: PubOptions = {}): FixedProducer | VariableProducer {
  const memory = open(queue);
  const publishEvery = checkInteger('publishEvery', options.publishEvery ?? 1, 1, 2 ** 30);
  return memory.recordBytes === 0 ? new VariableProducer(memory, publishEvery) : new FixedProducer(memory, publishEvery);
}

/** The consuming end. One thread only, and one at a time. */
export function sub(queue: FixedQueue): FixedConsumer;
export function sub(queue: VariableQueue): VariableConsumer;
export function sub(queue: FixedQueue | VariableQueue): FixedConsumer | VariableConsumer {
  const memory = open(queue);
  return memory.recordBytes === 0 ? new VariableConsumer(memory) : new FixedConsumer(memory);
}

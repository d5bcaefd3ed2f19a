/**
 * A real-time FIFO: real-time code writes and never waits; ordinary code reads when it has time.
 *
 *      real-time thread: write --room? a store of each field, and one that publishes--> ring
 *                              --none? counted as dropped, answered DROPPED
 *      ordinary thread:  every `pollMs` it looks, reads all there is: an async iterator, or a named pipe
 *
 * The writer makes no system call at all, not even to wake its reader, which is why the reader polls. If something must
 * be known at once, use a readiness (`createReadiness` of percore/io), which costs a system call. Memory: a
 * RealtimeFifo of counts, and a Queue of fixed records (both in src/layout.ts), with the fields of each record where
 * `struct` has placed them. Source: RT-FIFOs of RTLinux (Yodaiken and Barabanov, 1997): a full one drops, and neither
 * side waits for the other.
 */
import { checkInteger, checkOptions, invalidArgument } from '../errors.js';
import { FIFO_MAGIC, LAYOUT_VERSION, realtimeFifoLayout } from '../layout.js';
import {
  BACK_PRESSURED, CLOSED, create, DROPPED, OK, pub, sub,
  type StructDescription, type StructFields, type StructRecord, type ValueProducer, type ValueQueue,
} from '../queues/index.js';
import { isPowerOfTwo } from '../queues/internal.js';
import { checkSignal } from '../waiting.js';

/** A real-time FIFO as a plain object: pass it to the writing thread by `data`, `workerData` or postMessage. */
export interface RealtimeFifo<Fields extends StructFields = StructFields> {
  readonly kind: 'realtime-fifo';
  /** Where the records lie. */
  readonly queue: ValueQueue<StructRecord<Fields>>;
  /** What `realtimeFifoStatus` reads. */
  readonly counts: SharedArrayBuffer;
}

export interface RealtimeFifoOptions<Fields extends StructFields> {
  /** Records that it holds: a power of two from 2 to 2^20. Default 1,024. */
  readonly capacity?: number;
  /** The shape of a record: `struct({ atNs: 'f64', value: 'f32' })` of percore/queues. */
  readonly codec: StructDescription<Fields>;
}

/** Counts of a real-time FIFO. */
export interface RealtimeFifoStatus {
  /** Records that the FIFO has taken. */
  readonly written: number;
  /** Records for which there was no room. */
  readonly dropped: number;
}

const MOST_RECORDS = 2 ** 20;
const MAGIC = realtimeFifoLayout.fields.magic.at >> 2;
const VERSION = realtimeFifoLayout.fields.version.at >> 2;
const WRITTEN = realtimeFifoLayout.fields.written.at >> 3;
const DROPPED_COUNT = realtimeFifoLayout.fields.dropped.at >> 3;

/**
 * Makes a FIFO from one real-time writer to one ordinary reader. Allocates all its memory at once. May be called in any
 * thread. Throws ERR_PERCORE_INVALID_ARGUMENT.
 *
 *     const samples = createRealtimeFifo({ capacity: 4096, codec: struct({ atNs: 'f64', value: 'f64' }) });
 *     for await (const { atNs, value } of readRealtimeFifo(samples)) log(atNs, value);
 */
export function createRealtimeFifo<Fields extends StructFields>(
  options: RealtimeFifoOptions<Fields>,
): RealtimeFifo<Fields> {
  const { capacity = 1024, codec } = checkOptions('options', options, ['capacity', 'codec']);
  if (codec?.name !== 'struct') throw invalidArgument('codec', codec, 'what struct({ … }) of percore/queues returns');
  if (!isPowerOfTwo(capacity, 2) || capacity > MOST_RECORDS) {
    throw invalidArgument('capacity', capacity, `a power of two from 2 to ${MOST_RECORDS}`);
  }
  const queue = create({ kind: 'spsc', capacity, codec }) as ValueQueue<StructRecord<Fields>>;
  const counts = new SharedArrayBuffer(realtimeFifoLayout.bytes);
  const header = new Int32Array(counts);
  // Before any other thread has it.
  header[VERSION] = LAYOUT_VERSION;
  header[MAGIC] = FIFO_MAGIC;
  return { kind: 'realtime-fifo', queue, counts };
}

/**
 * The writing end, for one thread.
 *
 *     const writer = openRealtimeFifo(samples);
 *     writer.write({ atNs: tick.deadlineNs, value: read() });
 */
export class RealtimeFifoWriter<Fields extends StructFields = StructFields> {
  readonly #producer: ValueProducer<StructRecord<Fields>>;
  readonly #counts: Float64Array;

  /** `openRealtimeFifo` does the same. */
  constructor(fifo: RealtimeFifo<Fields>) {
    this.#counts = countsOf(fifo);
    this.#producer = pub(fifo.queue, { publishEvery: { records: 1 } });
  }

  /**
   * Writes a record, which is visible at once. Returns OK; DROPPED if there is no room, which is counted; CLOSED if the
   * reader has gone. Never blocks and makes no system call; numbers and booleans allocate nothing. Throws
   * ERR_PERCORE_UNSERIALIZABLE for what a field cannot hold.
   */
  write(record: StructRecord<Fields>): number {
    const code = this.#producer.offer(record);
    if (code === OK) {
      this.#counts[WRITTEN]!++;
      return OK;
    }
    if (code !== BACK_PRESSURED) return code;
    this.#counts[DROPPED_COUNT]!++;
    return DROPPED;
  }

  /** No record comes after this: the reader reads what there is, and ends. */
  close(): void {
    this.#producer.close();
  }
}

/** Opens the writing end of a FIFO, for one thread at a time. Throws ERR_PERCORE_NO_PLACE while another has it. */
export function openRealtimeFifo<Fields extends StructFields>(
  fifo: RealtimeFifo<Fields>,
): RealtimeFifoWriter<Fields> {
  return new RealtimeFifoWriter(fifo);
}

export interface RealtimeFifoReadOptions {
  /** Milliseconds between two looks while it is empty: 1 to 60,000. Default 5. A record is seen this late at most. */
  readonly pollMs?: number;
  /** Ends the loop when it aborts. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads, in one ordinary thread, record after record, until the writer closes the FIFO or the signal aborts. Keeps the
 * thread's loop going meanwhile. Leaving the loop gives up the reading end; the next reader goes on from there.
 */
export async function* readRealtimeFifo<Fields extends StructFields>(
  fifo: RealtimeFifo<Fields>, options?: RealtimeFifoReadOptions,
): AsyncGenerator<StructRecord<Fields>, void, undefined> {
  const { pollMs = 5, signal } = checkOptions('options', options, ['pollMs', 'signal']);
  checkInteger('pollMs', pollMs, 1, 60_000);
  checkSignal(signal);
  countsOf(fifo);
  const consumer = sub(fifo.queue);
  try {
    while (signal?.aborted !== true) {
      const record = consumer.poll();
      if (consumer.state === OK) yield record as StructRecord<Fields>;
      else if (consumer.state === CLOSED) return;
      else await pause(pollMs, signal);
    }
  } finally {
    consumer.leave();
  }
}

/** How many records were written and dropped. Any thread may call it; the figures may be a moment late. */
export function realtimeFifoStatus(fifo: RealtimeFifo): RealtimeFifoStatus {
  const counts = countsOf(fifo);
  return { written: counts[WRITTEN]!, dropped: counts[DROPPED_COUNT]! };
}

function countsOf(fifo: { readonly counts: SharedArrayBuffer }): Float64Array {
  const { counts } = fifo ?? {};
  if (!(counts instanceof SharedArrayBuffer) || counts.byteLength !== realtimeFifoLayout.bytes
    || new Int32Array(counts)[MAGIC] !== FIFO_MAGIC) {
    throw invalidArgument('fifo', fifo, 'what createRealtimeFifo has returned');
  }
  return new Float64Array(counts);
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener('abort', end);
  });
}

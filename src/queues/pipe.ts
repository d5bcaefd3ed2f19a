/**
 * The backend `pipe`: an operating-system pipe, so that another process, or `cat`, can be at either end. A full pipe
 * does not block; it answers BACK_PRESSURED.
 *
 *     const log = createPipe({ path: '/run/app.log', framing: 'line' });    // a FIFO: `cat /run/app.log` shows it
 *     const producer = pubPipe(log);                                        // in any one thread
 *     producer.offer('started');                                            // BACK_PRESSURED until somebody reads
 *     if ((await producer.room()) === OK) producer.offer('started');
 *
 *     const jobs = createPipe();                              // anonymous, for threads and child processes
 *     spawn('worker', { stdio: [jobs.readDescriptor, 'inherit', 'inherit'] });
 *     closePipe(jobs, 'consumer');                            // the child has it; ours would hide its death
 *
 * One system call for each record makes a pipe some hundred times slower than a ring. Between threads use a ring; a
 * pipe is for what a ring cannot reach. Each handle has one producing and one consuming end. Several writers to one
 * FIFO are safe for records of up to PIPE_BUF (4,096) bytes, frame included; longer records would be torn by each
 * other. Several readers of one pipe are not safe, since each gets pieces.
 *
 * Sources: pipe(7), fifo(7), fcntl(2).
 */
import { resolve } from 'node:path';
import { EEXIST } from '../errno.js';
import { checkInteger, checkOneOf, checkOptions, invalidArgument } from '../errors.js';
import { LAYOUT_VERSION, PIPE_MAGIC, pipeLayout, words as shared } from '../layout.js';
import { native } from '../native.js';
import type { PubOptions } from './handles.js';
import { publishEveryOf } from './lazy.js';
import { PipeConsumer } from './pipe-consumer.js';
import type { Framing, PipeValues } from './pipe-frames.js';
import {
  CONSUMED, CONSUMER_END, CONSUMER_FD, CONSUMER_HIGH_WATER, DROPPED_NEWEST, DROPPED_TOO_LARGE, DROPPED_UNREAD,
  DROPPED_UNSENT, IS_BROKEN, IS_ENDED, MAGIC, MAX_PIPE_RECORD_BYTES, PRODUCER_END, PRODUCER_FD, PRODUCER_HIGH_WATER,
  PUBLISHED, REFUSED, VERSION, memoryOf, systemError, viewsOf, type PipeQueue,
} from './pipe-memory.js';
import { PipeProducer } from './pipe-producer.js';
import type { QueueConsumer, QueueProducer, QueueProperties } from './queue-ends.js';

export type { PipeQueue, PipeValue } from './pipe-memory.js';

/** Options of a pipe or FIFO. */
export interface PipeQueueOptions {
  /** A pipe has one producing and one consuming end. */
  kind?: 'spsc';
  /**
   * `line`: each record is a line, as `cat` shows and `echo` writes it; what comes last is a line even without a line
   * feed. `length`: four bytes of length, then any bytes; a record that was cut off is dropped and counted. Default
   * `length`.
   */
  framing?: Framing;
  /**
   * What `offer` takes and `poll` gives: strings (as UTF-8) or Uint8Array. The default is text for lines and bytes for
   * lengths.
   */
  values?: PipeValues;
  /**
   * The longest record without its frame: 1 to 2^28 bytes, default 2^20. Each end may come to hold a buffer of that
   * size.
   */
  maxRecordBytes?: number;
  /**
   * How many bytes the pipe should hold: 1 to 2^30. The system rounds up, and may refuse (/proc/sys/fs/pipe-max-size);
   * the handle and `inspect` say what it has granted.
   */
  capacityBytes?: number;
  /**
   * What a full pipe does with an offer: answers BACK_PRESSURED (`wait`, the default), or drops it, answers DROPPED and
   * counts it.
   */
  whenSlow?: 'wait' | 'drop-newest';
  /** The path of a FIFO, instead of an anonymous pipe. The FIFO is made if it does not exist; nobody removes it. */
  path?: string;
  /** The permissions of a FIFO that is made, less the umask of the process: 0 to 0o777, default 0o600. */
  mode?: number;
  /**
   * A FIFO's consumer goes on when the last writer has closed, and waits for the next: one `echo` after another.
   * Default false.
   */
  keepOpen?: boolean;
}

const DEFAULT_MAX_RECORD_BYTES = 2 ** 20;

/**
 * Makes a pipe, or the file of a FIFO. An anonymous pipe takes two descriptors. Each belongs to the thread that opens
 * its end; until then both belong to this thread, which closes them when it ends. Throws ERR_PERCORE_INVALID_ARGUMENT
 * for a bad option, and ERR_PERCORE_SYSTEM for what the system refuses.
 */
export function createPipe(
  options: PipeQueueOptions & ({ values: 'text' } | { values?: undefined; framing: 'line' }),
): PipeQueue<string>;
export function createPipe(
  options?: PipeQueueOptions & ({ values: 'bytes' } | { values?: undefined; framing?: 'length' }),
): PipeQueue<Uint8Array>;
export function createPipe(options?: PipeQueueOptions): PipeQueue;
export function createPipe(options: PipeQueueOptions = {}): PipeQueue {
  checkOptions('options', options, [
    'kind', 'backend', 'framing', 'values', 'maxRecordBytes', 'capacityBytes', 'whenSlow', 'path', 'mode', 'keepOpen',
  ]);
  const framing = checkOneOf('framing', options.framing ?? 'length', ['line', 'length']);
  const values = checkOneOf('values', options.values ?? (framing === 'line' ? 'text' : 'bytes'), ['text', 'bytes']);
  const whenSlow = checkOneOf('whenSlow', options.whenSlow ?? 'wait', ['wait', 'drop-newest']);
  const maxRecordBytes = checkInteger(
    'maxRecordBytes', options.maxRecordBytes ?? DEFAULT_MAX_RECORD_BYTES, 1, MAX_PIPE_RECORD_BYTES,
  );
  const asked =
    options.capacityBytes === undefined ? 0 : checkInteger('capacityBytes', options.capacityBytes, 1, 2 ** 30);
  const mode = checkInteger('mode', options.mode ?? 0o600, 0, 0o777);
  const path = options.path ?? '';
  const keepOpen = options.keepOpen ?? false;
  if (options.path !== undefined && (typeof path !== 'string' || path === '' || path.includes('\0')))
    throw invalidArgument('path', path, 'the path of a FIFO, or of nothing yet');
  if (typeof keepOpen !== 'boolean') throw invalidArgument('keepOpen', keepOpen, 'true or false');
  if (keepOpen && path === '')
    throw invalidArgument('keepOpen', keepOpen, 'false without a path: nobody can come back to an anonymous pipe');

  const buffer = new SharedArrayBuffer(pipeLayout.bytes);
  const { words, bytes } = viewsOf(buffer);
  words[PRODUCER_FD] = words[CONSUMER_FD] = -1;
  let capacityBytes = asked;
  if (path === '') {
    capacityBytes = native().pipes.create(bytes, asked);
    if (capacityBytes < 0) throw systemError(capacityBytes, 'pipe2', '');
  } else {
    const made = native().pipes.makeFifo(path, mode);
    if (made === -EEXIST) throw invalidArgument('path', path, 'the path of a FIFO, or of nothing yet');
    if (made < 0) throw systemError(made, 'mkfifo', path);
  }
  // These pair with the loads of whoever opens the handle; the magic comes last.
  Atomics.store(words, VERSION, LAYOUT_VERSION);
  Atomics.store(words, MAGIC, PIPE_MAGIC);
  return {
    kind: 'spsc', backend: 'pipe', framing, values, maxRecordBytes, whenSlow, capacityBytes,
    path: path === '' ? '' : resolve(path), keepOpen, readDescriptor: words[CONSUMER_FD]!,
    writeDescriptor: words[PRODUCER_FD]!, shared: buffer,
  };
}

/**
 * Opens the producing end in this thread, which owns its descriptor from now on: `close` closes it, and so does the end
 * of the thread. A FIFO is opened by the first offer that finds a reader. Throws when the end is open elsewhere.
 */
export function pubPipe<T extends string | Uint8Array>(
  queue: PipeQueue<T>, options: PubOptions = {},
): QueueProducer<T> {
  // Even in a reactor each record is sent by itself, because the readers of a pipe wait elsewhere.
  return new PipeProducer<T>(queue, publishEveryOf(options, 1));
}

/**
 * Opens the consuming end in this thread, which owns its descriptor from now on. Throws when the end is open elsewhere,
 * and ERR_PERCORE_SYSTEM for what open(2) refuses.
 */
export function subPipe<T extends string | Uint8Array>(queue: PipeQueue<T>): QueueConsumer<T> {
  return new PipeConsumer<T>(queue);
}

/**
 * Closes the ends of an anonymous pipe that nobody has opened: both, or the one that is named. From any thread; blocks
 * nobody. Call it after a child process was given a descriptor, since the child's death can be seen only when no other
 * copy of the descriptor is open. Throws ERR_PERCORE_INVALID_ARGUMENT for anything but a pipe's handle.
 *
 *     closePipe(jobs, 'consumer');                            // after spawn(..., { stdio: [jobs.readDescriptor, …] })
 */
export function closePipe(queue: PipeQueue, end?: 'producer' | 'consumer'): void {
  const { bytes } = memoryOf(queue);
  if (end !== undefined) checkOneOf('end', end, ['producer', 'consumer']);
  if (end !== 'consumer') native().pipes.closeUnopenedEnd(bytes, true);
  if (end !== 'producer') native().pipes.closeUnopenedEnd(bytes, false);
}

/**
 * What the pipe is and has done, from any thread of this process. `capacity`, `depth`, `lag` and `highWater` are bytes,
 * as the kernel tells them; the depth, and the capacity of a FIFO, are known while an end is open in this process.
 * `highWater` is the most that an end has met: the consumer in one read, the producer when it was refused. Totals are
 * those of the ends of this handle; nothing is known of other processes.
 */
export function propertiesOfPipe(queue: PipeQueue): QueueProperties {
  const { words, counts, bytes } = memoryOf(queue);
  const depthAndCapacity = new Float64Array([0, queue.capacityBytes]);
  native().pipes.inspect(bytes, depthAndCapacity);
  const [depth, capacity] = depthAndCapacity as unknown as [number, number];
  const { OPEN, CLOSED } = shared.pipeEndState;
  // These pair with the end's own stores in native code. They are figures only, with no order between them.
  const [producerEnd, consumerEnd] = [Atomics.load(words, PRODUCER_END), Atomics.load(words, CONSUMER_END)];
  return {
    kind: 'spsc',
    backend: 'pipe',
    capacity,
    depth,
    highWater: Math.max(depth, counts[PRODUCER_HIGH_WATER]!, counts[CONSUMER_HIGH_WATER]!),
    published: counts[PUBLISHED]!,
    consumed: counts[CONSUMED]!,
    refused: counts[REFUSED]!,
    dropped: {
      newest: counts[DROPPED_NEWEST]!, oldest: 0, evicted: 0, closed: counts[DROPPED_UNSENT]! + counts[DROPPED_UNREAD]!,
      tooLarge: counts[DROPPED_TOO_LARGE]!,
    },
    consumers: consumerEnd === OPEN ? [{ place: 0, lag: depth, consumed: counts[CONSUMED]! }] : [],
    isClosed: producerEnd === CLOSED || consumerEnd === CLOSED || words[IS_BROKEN] === 1 || words[IS_ENDED] === 1,
  };
}

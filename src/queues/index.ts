/**
 * `percore/queues`: queues between any two threads, and a few that stay within one or lead out of the process. Four
 * verbs:
 *
 *     const orders = create({ kind: 'spsc', capacity: 4096, codec: struct({ price: 'f64', size: 'u32' }) });
 *     pub(orders).offer({ price: 101.5, size: 20 });       // in one thread: a result code
 *     for await (const order of sub(orders)) { ... }       // in the other
 *     link(sub(from), pub(to)).run();                      // from queue to queue, backpressure carried through
 *
 * | kind     | producers   | consumers                         | order                            |
 * |----------|-------------|-----------------------------------|----------------------------------|
 * | `spsc`   | one         | one                               | as sent                          |
 * | `mpsc`   | a lane each | one, or lanes handed to several   | of each producer                 |
 * | `spmc`   | one         | each gets every record            | as sent; stages behind stages    |
 * | `banded` | one         | one                               | eight bands, the highest first   |
 *
 * | backend  | where the records lie                                  | for                                     |
 * |----------|--------------------------------------------------------|-----------------------------------------|
 * | `fixed`  | a ring in shared memory, all of it made at the start   | speed; every kind                       |
 * | `linked` | chunks of one growing SharedArrayBuffer, up to a cap   | bursts; spsc                            |
 * | `deque`  | references in this thread, growing up to a capacity    | work handed around inside a thread      |
 * | `window` | references in this thread, the newest `capacity`       | the last events                         |
 * | `pipe`   | an operating-system pipe or FIFO                       | `cat`, child processes, other programs  |
 *
 * With a `codec` the ends carry values. Without one, the ends carry bytes, which are written and read in place. See
 * ring.ts for how a ring works.
 *
 * @module
 */
import { checkOptions } from '../errors.js';
import type { BandedConsumer, BandedProducer } from './banded-queue.js';
import type { DequeOptions, DequeQueue } from './deque.js';
import type { FixedConsumer, FixedProducer } from './fixed-records.js';
import type {
  BandedSubOptions, CodecGiven, FixedOptions, FixedQueue, Kind, LinkedOptions, LinkedQueue, LinkedValueOptions,
  MemoryGiven, PubOptions, Queue, StructOptions, SubOptions, ValueOptions, ValueQueue, VariableOptions, VariableQueue,
} from './handles.js';
import type { InThreadQueue } from './in-thread.js';
import type { RingsProperties } from './inspect.js';
import { openInFile, type AskedQueue } from './kinds/in-files.js';
import { kindOfQueue, kindToMake } from './kinds/registry.js';
import { linkEnds, type Link } from './link.js';
import type { CodecDescription } from './codec.js';
import type { LinkableFrom, LinkableTo } from './link-ends.js';
import type { LinkedConsumer, LinkedProducer } from './linked-queue.js';
import type { LossyConsumer } from './lossy-consumer.js';
import type { MpscConsumer } from './mpsc-queue.js';
import type { PipeQueueOptions } from './pipe.js';
import type { PipeQueue, PipeValue } from './pipe-memory.js';
import type { Recovered } from './place-recovery.js';
import type { QueueConsumer, QueueProducer, QueueProperties } from './queue-ends.js';
import type { WorkerLike } from './thread-ids.js';
import type { BandedValueProducer, ValueConsumer, ValueProducer } from './value-queue.js';
import type { VariableConsumer } from './variable-consumer.js';
import type { VariableProducer } from './variable-records.js';
import type { WindowOptions, WindowQueue } from './window.js';

export {
  AGAIN, BACK_PRESSURED, CLOSED, DROPPED, EMPTY, EVICTED, OK, TOO_LARGE, nameOfCode, type ResultCode,
} from '../result-codes.js';
export {
  bytes, msgpack, value, type BytesCodecDescription, type Carries, type Codec, type CodecDescription, type CodecFor,
  type MsgpackCodecDescription, type RecordMemory, type ValueCodecDescription, type ValueOf,
} from './codec.js';
export { codecOf } from './codecs.js';
export { recordMemory } from './record-memory.js';
export type { FieldType, FieldValue } from './field-types.js';
export { struct, type StructDescription, type StructFields, type StructRecord } from './struct-layout.js';
export { structReader, structWriter, type StructMemory, type StructReader, type StructWriter } from './struct-view.js';
export { BandedConsumer, BandedProducer, type BandConsumer, type BandProducer } from './banded-queue.js';
export type {
  BandedSubOptions, CodecGiven, DeclaredConsumer, FixedOptions, FixedQueue, Kind, LinkedOptions, LinkedQueue,
  LinkedValueOptions, MemoryGiven, PubOptions, Queue, QueueFile, RingOptions, StructOptions, SubOptions, ValueOptions,
  ValueQueue,
  VariableOptions, VariableQueue,
} from './handles.js';
export type { DequeOptions, DequePolicy, DequeQueue } from './deque.js';
export { FixedConsumer, FixedProducer } from './fixed-records.js';
export type { InThreadQueue } from './in-thread.js';
export type { RingConsumerProperties, RingsProperties } from './inspect.js';
export { Link } from './link.js';
export type { LinkableFrom, LinkableTo } from './link-ends.js';
export type { ChunkProperties } from './linked-memory.js';
export { LinkedConsumer, LinkedProducer } from './linked-queue.js';
export { LossyConsumer } from './lossy-consumer.js';
export { MAX_CAPACITY, SLACK_BYTES, bytesFor } from './memory.js';
export { MpscConsumer, type Lane } from './mpsc-queue.js';
export { closePipe, type PipeQueueOptions } from './pipe.js';
export type { Framing, PipeValues } from './pipe-frames.js';
export type { PipeQueue, PipeValue } from './pipe-memory.js';
export type { Recovered } from './place-recovery.js';
export type {
  ConsumerProperties, DroppedCounts, KindName, QueueBackend, QueueConsumer, QueueProducer, QueueProperties,
} from './queue-ends.js';
export type { WhenSlow } from './ring.js';
export type { WorkerLike } from './thread-ids.js';
export { BandedValueProducer, ValueConsumer, ValueProducer } from './value-queue.js';
export { VariableConsumer } from './variable-consumer.js';
export { VariableProducer } from './variable-records.js';
export type { SyncWaitOptions, WaitOptions } from '../waiting.js';
export type { WindowOptions, WindowQueue } from './window.js';

type Backend<Name extends string> = { readonly backend: Name };

/**
 * Makes a queue: a plain object that survives structured clone, to be passed to the threads that use it. Allocates its
 * memory, unless `buffer` or `memory` is given. Blocks nobody. Throws ERR_PERCORE_INVALID_ARGUMENT for a bad option.
 *
 *     const ticks = create({ kind: 'spsc', capacity: 4096, recordBytes: 16 });             // bytes of one length
 *     const lines = create({ kind: 'mpsc', capacityBytes: 2 ** 16 });                      // bytes of any length
 *     const orders = create({ kind: 'spsc', capacityBytes: 2 ** 16, codec: value<Order>() });   // values
 */
export function create<T>(options: DequeOptions & Backend<'deque'>): DequeQueue<T>;
export function create<T>(options: WindowOptions & Backend<'window'>): WindowQueue<T>;
export function create(
  options: PipeQueueOptions & Backend<'pipe'> & ({ values: 'text' } | { values?: undefined; framing: 'line' }),
): PipeQueue<string>;
export function create(
  options: PipeQueueOptions & Backend<'pipe'> & ({ values: 'bytes' } | { values?: undefined; framing?: 'length' }),
): PipeQueue<Uint8Array>;
export function create<T>(options: LinkedValueOptions<T>): ValueQueue<T, 'spsc', never>;
export function create(options: LinkedOptions): LinkedQueue;
export function create<T, K extends Kind, Names extends string = never>(
  options: StructOptions<T, K, Names>,
): ValueQueue<T, K, Names>;
export function create<T, K extends Kind, Names extends string = never>(
  options: ValueOptions<T, K, Names>,
): ValueQueue<T, K, Names>;
export function create<K extends Kind, Names extends string = never>(
  options: FixedOptions<K, Names>,
): FixedQueue<K, Names>;
export function create<K extends Kind, Names extends string = never>(
  options: VariableOptions<K, Names>,
): VariableQueue<K, Names>;
export function create(options: object): unknown {
  return kindToMake(options).create(options);
}

/** What the program that opens a queue expects it to be; see `open`. */
interface Opened<K extends Kind> {
  kind: K;
  memory: MemoryGiven;
}

/**
 * Opens a queue that another process has made by `create({ …, memory })`. Give the `kind`, and the `codec` or
 * `recordBytes`, with which it was made: they are compared with what the file says. The handle is used like one that
 * `create` returns. Maps the file; blocks nobody. Throws ERR_PERCORE_SYSTEM if there is no such file,
 * ERR_PERCORE_LAYOUT_MISMATCH for the file of another version, ERR_PERCORE_FILE_TRUNCATED and ERR_PERCORE_DAMAGED for a
 * file that is broken, and ERR_PERCORE_INVALID_ARGUMENT for the file of another user or a queue of another shape.
 *
 *     const orders = open({ kind: 'spsc', codec: order, memory: { name: 'orders' } });
 */
export function open<T, K extends Kind>(
  options: Opened<K> & { codec: CodecGiven<T, CodecDescription['name']> },
): ValueQueue<T, K, string>;
export function open<K extends Kind>(
  options: Opened<K> & { codec?: undefined; recordBytes: number },
): FixedQueue<K, string>;
export function open<K extends Kind>(
  options: Opened<K> & { codec?: undefined; recordBytes?: undefined },
): VariableQueue<K, string>;
export function open(options: object): unknown {
  return openInFile(checkOptions('options', options, ['kind', 'memory', 'codec', 'recordBytes']) as AskedQueue);
}

type Plain = 'spsc' | 'spmc' | 'mpsc';
type AnyQueue = Queue | InThreadQueue<unknown> | PipeQueue;

/**
 * Opens the producing end, which belongs to one thread; in an `mpsc` queue each producer has a lane. Allocates; blocks
 * nobody. Throws ERR_PERCORE_NO_PLACE when all places are taken, ERR_PERCORE_CLOSED when the queue is closed, and
 * ERR_PERCORE_INVALID_ARGUMENT or ERR_PERCORE_LAYOUT_MISMATCH for a handle that is not a queue of this version.
 *
 *     const producer = pub(orders);
 *     if (producer.offer({ price: 101.5, size: 20 }) === BACK_PRESSURED) await producer.room();
 */
export function pub(queue: FixedQueue<Plain>, options?: PubOptions): FixedProducer;
export function pub(queue: LinkedQueue, options?: PubOptions): LinkedProducer;
export function pub(queue: VariableQueue<Plain>, options?: PubOptions): VariableProducer;
export function pub(queue: FixedQueue<'banded'>, options?: PubOptions): BandedProducer<FixedProducer>;
export function pub(queue: VariableQueue<'banded'>, options?: PubOptions): BandedProducer<VariableProducer>;
export function pub<T>(queue: ValueQueue<T, 'banded'>, options?: PubOptions): BandedValueProducer<T>;
export function pub<T>(queue: ValueQueue<T, Plain>, options?: PubOptions): ValueProducer<T>;
export function pub<T>(queue: InThreadQueue<T>): QueueProducer<T>;
export function pub<T extends PipeValue>(queue: PipeQueue<T>, options?: PubOptions): QueueProducer<T>;
export function pub(queue: AnyQueue, options: PubOptions = {}): unknown {
  return kindOfQueue(queue).pub(queue, options);
}

type Losing = { whenSlow: 'drop-oldest' | 'evict' };
type Named<Names extends string> = SubOptions<Names> & { name: Names };

/**
 * Opens the consuming end, which belongs to one thread. The first consumer of a queue begins with its first record. A
 * consumer that takes over a place that was left, or a declared place, begins where that place stands. Any other
 * consumer of `spmc` begins at what is published when it joins. Allocates; blocks nobody. Throws ERR_PERCORE_NO_PLACE
 * when all places are taken, ERR_PERCORE_CLOSED when the only consumer has closed the queue, and
 * ERR_PERCORE_INVALID_ARGUMENT for a bad option or handle.
 *
 *     for await (const order of sub(orders)) handle(order);                       // ends when the queue is closed
 */
export function sub<Names extends string>(
  queue: FixedQueue<'spmc', Names>, options: Named<NoInfer<Names>>,
): FixedConsumer | LossyConsumer;
export function sub<Names extends string>(
  queue: VariableQueue<'spmc', Names>, options: Named<NoInfer<Names>>,
): VariableConsumer | LossyConsumer;
export function sub<Names extends string>(
  queue: FixedQueue<'spsc' | 'spmc', Names> | VariableQueue<'spsc' | 'spmc', Names>,
  options: SubOptions<NoInfer<Names>> & Losing,
): LossyConsumer;
export function sub<Names extends string>(
  queue: FixedQueue<'spsc' | 'spmc', Names>, options?: SubOptions<NoInfer<Names>>,
): FixedConsumer;
export function sub(queue: LinkedQueue, options?: SubOptions<never>): LinkedConsumer;
export function sub<Names extends string>(
  queue: VariableQueue<'spsc' | 'spmc', Names>, options?: SubOptions<NoInfer<Names>>,
): VariableConsumer;
export function sub(
  queue: FixedQueue<'mpsc'> | VariableQueue<'mpsc'>, options: SubOptions<never> & Losing,
): MpscConsumer<LossyConsumer>;
export function sub(queue: FixedQueue<'mpsc'>, options?: SubOptions<never>): MpscConsumer<FixedConsumer>;
export function sub(queue: VariableQueue<'mpsc'>, options?: SubOptions<never>): MpscConsumer<VariableConsumer>;
export function sub(
  queue: FixedQueue<'banded'> | VariableQueue<'banded'>, options: SubOptions<never> & BandedSubOptions & Losing,
): BandedConsumer<LossyConsumer>;
export function sub(
  queue: FixedQueue<'banded'>, options?: SubOptions<never> & BandedSubOptions,
): BandedConsumer<FixedConsumer>;
export function sub(
  queue: VariableQueue<'banded'>, options?: SubOptions<never> & BandedSubOptions,
): BandedConsumer<VariableConsumer>;
export function sub<T, Names extends string>(
  queue: ValueQueue<T, Kind, Names>, options?: SubOptions<NoInfer<Names>> & BandedSubOptions,
): ValueConsumer<T>;
export function sub<T>(queue: InThreadQueue<T>): QueueConsumer<T>;
export function sub<T extends PipeValue>(queue: PipeQueue<T>): QueueConsumer<T>;
export function sub(queue: AnyQueue, options: SubOptions & BandedSubOptions = {}): unknown {
  return kindOfQueue(queue).sub(queue, options);
}

/**
 * Closes a queue for everybody. No producer may join any more, the present ones get CLOSED after their next publish at
 * the latest, and consumers get it when they have read what is left. From any thread; blocks nobody. It is for queues
 * made of rings: the ends of a deque or window close themselves, and a pipe has `closePipe`.
 */
export function close(queue: Queue): void {
  kindOfQueue(queue).close(queue);
}

/**
 * Frees the places of a worker that has exited. A supervisor calls it after the worker's `exit` event, which alone is
 * proof of death. `worker` is the Worker, or its `threadId` as it was while it ran (Node sets it to -1 before `exit`).
 * The other ends go on. A runtime does this for its own reactors. At most what the worker had not published is lost,
 * and what a `drain` of the worker had begun. From any thread; allocates the answer. It is for queues made of rings:
 * the system closes the pipe of a dead worker, and a deque or window has only its own thread.
 *
 * For a queue in a file, `recover(queue)` without a worker looks at once for processes that have died. Without that
 * call, the threads that have ends of the queue find out within milliseconds, unless they never wait and never return
 * to their event loop.
 *
 *     worker.on('exit', () => recover(queue, worker));
 */
export function recover(queue: Queue, worker?: number | WorkerLike): Recovered {
  return kindOfQueue(queue).recover(queue, worker);
}

/**
 * The figures of a queue: kind, backend, depth, the lag of each consumer, totals, and drops by reason. Stops nobody;
 * allocates the answer. From any thread, except for a deque or window.
 */
export function inspect(queue: Queue): RingsProperties;
export function inspect(queue: AnyQueue): QueueProperties;
export function inspect(queue: AnyQueue): QueueProperties {
  return kindOfQueue(queue).inspect(queue);
}

/**
 * Joins one queue to another: `move` takes records from `from` to `to` with one copy, and `run` does so until `from`
 * ends. Backpressure is carried through. Both ends belong to this thread. Throws ERR_PERCORE_INVALID_ARGUMENT if a
 * record of `from` might not fit `to`. Ends with a codec are linked by their records, without reading a value; both
 * must have the same codec.
 */
export function link(from: LinkableFrom, to: LinkableTo): Link {
  return linkEnds(from, to);
}

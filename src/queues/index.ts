/**
 * `percore/queues`: queues between any two threads, and a few beside them. Four verbs:
 *
 *     const orders = create({ kind: 'spsc', capacity: 4096, codec: struct({ price: 'f64', size: 'u32' }) });   // a plain object: pass it in workerData
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
 * With a `codec` the ends carry values; without one, bytes where they lie. See ring.ts for how a ring works.
 */
import { PercoreError, checkOptions, invalidArgument } from '../errors.js';
import type { BandedConsumer, BandedProducer, BandedSubOptions } from './banded-queue.js';
import type { Carries, CodecDescription } from './codec.js';
import { createRings, type FixedOptions, type FixedQueue, type Kind, type Queue, type VariableOptions, type VariableQueue } from './create.js';
import { createDeque, type DequeOptions, type DequeQueue } from './deque.js';
import type { FixedConsumer, FixedProducer } from './fixed-records.js';
import { propertiesInThread, pubInThread, subInThread, type InThreadQueue } from './in-thread.js';
import type { RingsProperties } from './inspect.js';
import { Link, checkLink, type LinkSource, type LinkTarget } from './link.js';
import { createLinked, type LinkedOptions, type LinkedQueue } from './linked-memory.js';
import type { LossyConsumer } from './lossy-consumer.js';
import type { MpscConsumer } from './mpsc-queue.js';
import { closePipe, createPipe, propertiesOfPipe, pubPipe, subPipe, type PipeOptions, type PipeQueue } from './pipe.js';
import type { Recovered } from './places.js';
import type { QueueConsumer, QueueProducer, QueueProperties } from './queue-ends.js';
import { closeRings, inspectRings, pubRings, recoverRings, subRings, type PubOptions, type SubOptions } from './rings.js';
import { BandedValueProducer, ValueConsumer, ValueProducer, checkCodec, createValueRings, type ByteConsumer, type ByteProducer, type ValueOptions, type ValueQueue } from './value-queue.js';
import type { VariableConsumer, VariableProducer } from './variable-records.js';
import { idOfDead, type WorkerLike } from './thread-ids.js';
import { createWindow, type WindowOptions, type WindowQueue } from './window.js';

export { AGAIN, BACK_PRESSURED, CLOSED, DROPPED, EMPTY, EVICTED, OK, TOO_LARGE, nameOfCode, type ResultCode } from './result-codes.js';
export * from './codec.js';
export { BandedConsumer, BandedProducer, type BandedSubOptions } from './banded-queue.js';
export type { DeclaredConsumer, FixedOptions, FixedQueue, Kind, Queue, VariableOptions, VariableQueue } from './create.js';
export type { DequeOptions, DequeQueue } from './deque.js';
export { FixedConsumer, FixedProducer } from './fixed-records.js';
export type { RingConsumerProperties, RingsProperties } from './inspect.js';
export { Link, type LinkSource, type LinkTarget } from './link.js';
export type { ChunkProperties, LinkedOptions, LinkedQueue } from './linked-memory.js';
export { LinkedConsumer, LinkedProducer } from './linked-queue.js';
export { LossyConsumer } from './lossy-consumer.js';
export { MAX_CAPACITY, SLACK_BYTES, bytesFor } from './memory.js';
export { MpscConsumer } from './mpsc-queue.js';
export { closePipe, type PipeOptions, type PipeQueue } from './pipe.js';
export type { Recovered } from './places.js';
export type { ConsumerProperties, DroppedCounts, QueueConsumer, QueueProducer, QueueProperties } from './queue-ends.js';
export type { WhenSlow } from './ring.js';
export type { PubOptions, SubOptions } from './rings.js';
export { BandedValueProducer, ValueConsumer, ValueProducer, type ValueOptions, type ValueQueue } from './value-queue.js';
export { VariableConsumer, VariableProducer } from './variable-records.js';
export type { SyncWaitOptions, WaitOptions } from '../waiting.js';
export type { WindowOptions, WindowQueue } from './window.js';

const KINDS = ['spsc', 'mpsc', 'spmc', 'banded'];
const BACKENDS = ['fixed', 'linked', 'deque', 'window', 'pipe'];

type Backend<Name extends string> = { readonly backend: Name };

/** Makes a queue. Allocates its memory unless `buffer` is given; blocks nobody. Throws PercoreError for a bad option. */
export function create<T>(options: DequeOptions & Backend<'deque'>): DequeQueue<T>;
export function create<T>(options: WindowOptions & Backend<'window'>): WindowQueue<T>;
export function create(options: PipeOptions & Backend<'pipe'> & ({ values: 'text' } | { values?: undefined; framing: 'line' })): PipeQueue<string>;
export function create(options: PipeOptions & Backend<'pipe'> & ({ values: 'bytes' } | { values?: undefined; framing?: 'length' })): PipeQueue<Uint8Array>;
export function create<T, K extends Kind>(options: ValueOptions<T, K>): ValueQueue<T, K>;
export function create<K extends Kind>(options: FixedOptions<K>): FixedQueue<K>;
export function create(options: LinkedOptions): LinkedQueue;
export function create<K extends Kind>(options: VariableOptions<K>): VariableQueue<K>;
export function create(options: { kind?: unknown; backend?: unknown; codec?: unknown }): unknown {
  const backend = options?.backend ?? 'fixed';
  if (!BACKENDS.includes(backend as string)) throw invalidArgument('backend', backend, BACKENDS.map((name) => `'${name}'`).join(', '));
  if (backend === 'deque') return createDeque(options as DequeOptions);
  if (backend === 'window') return createWindow(options as WindowOptions);
  if (backend === 'pipe') return createPipe(options as PipeOptions);
  if (!KINDS.includes(options?.kind as string)) throw invalidArgument('kind', options?.kind, KINDS.map((kind) => `'${kind}'`).join(', '));
  if (options.codec !== undefined) return createValueRings(options as ValueOptions<unknown, Kind>);
  return backend === 'linked' ? createLinked(options as LinkedOptions) : createRings(options as FixedOptions<Kind>);
}

type Plain = 'spsc' | 'spmc' | 'mpsc';
type AnyQueue = Queue | InThreadQueue<unknown> | PipeQueue<any>;

/**
 * The producing end. One thread only; an `mpsc` queue has a lane for each. Throws ERR_PERCORE_NO_PLACE when all places are taken,
 * ERR_PERCORE_CLOSED when the queue is closed, and for a handle that is not a queue of this layout.
 */
export function pub(queue: FixedQueue<Plain>, options?: PubOptions): FixedProducer;
export function pub(queue: VariableQueue<Plain>, options?: PubOptions): VariableProducer;
export function pub(queue: FixedQueue<'banded'>, options?: PubOptions): BandedProducer<FixedProducer>;
export function pub(queue: VariableQueue<'banded'>, options?: PubOptions): BandedProducer<VariableProducer>;
export function pub<T>(queue: ValueQueue<T, 'banded'>, options?: PubOptions): BandedValueProducer<T>;
export function pub<T>(queue: ValueQueue<T, Plain>, options?: PubOptions): ValueProducer<T>;
export function pub<T>(queue: InThreadQueue<T>): QueueProducer<T>;
export function pub<T extends string | Uint8Array>(queue: PipeQueue<T>, options?: PubOptions): QueueProducer<T>;
export function pub(queue: AnyQueue, options: PubOptions = {}): unknown {
  checkQueue(queue);
  if (isInThread(queue)) return pubInThread(queue, options);
  if (isPipe(queue)) return pubPipe(queue, options);
  if (isValueQueue(queue)) checkCodec(queue);
  const ends = pubRings(queue, options);
  if (!isValueQueue(queue)) return ends;
  return queue.kind === 'banded' ? new BandedValueProducer(ends as BandedProducer, queue.codec) : new ValueProducer(ends as ByteProducer, queue.codec);
}

type Losing = { whenSlow: 'drop-oldest' | 'evict' };

/**
 * The consuming end. One thread only. A consumer of `spmc` begins at what is published when it joins; the first one, a declared one, or
 * one that takes over a place that was left, where that place stands. Throws ERR_PERCORE_NO_PLACE when all places are taken.
 */
export function sub(queue: FixedQueue<'spsc' | 'spmc'> | VariableQueue<'spsc' | 'spmc'>, options: SubOptions & Losing): LossyConsumer;
export function sub(queue: FixedQueue<'spmc'>, options: SubOptions & { name: string }): FixedConsumer | LossyConsumer;
export function sub(queue: VariableQueue<'spmc'>, options: SubOptions & { name: string }): VariableConsumer | LossyConsumer;
export function sub(queue: FixedQueue<'spsc' | 'spmc'>, options?: SubOptions): FixedConsumer;
export function sub(queue: VariableQueue<'spsc' | 'spmc'>, options?: SubOptions): VariableConsumer;
export function sub(queue: FixedQueue<'mpsc'> | VariableQueue<'mpsc'>, options: SubOptions & Losing): MpscConsumer<LossyConsumer>;
export function sub(queue: FixedQueue<'mpsc'>, options?: SubOptions): MpscConsumer<FixedConsumer>;
export function sub(queue: VariableQueue<'mpsc'>, options?: SubOptions): MpscConsumer<VariableConsumer>;
export function sub(queue: FixedQueue<'banded'> | VariableQueue<'banded'>, options: SubOptions & BandedSubOptions & Losing): BandedConsumer<LossyConsumer>;
export function sub(queue: FixedQueue<'banded'>, options?: SubOptions & BandedSubOptions): BandedConsumer<FixedConsumer>;
export function sub(queue: VariableQueue<'banded'>, options?: SubOptions & BandedSubOptions): BandedConsumer<VariableConsumer>;
export function sub<T>(queue: ValueQueue<T, Kind>, options?: SubOptions & BandedSubOptions): ValueConsumer<T>;
export function sub<T>(queue: InThreadQueue<T>): QueueConsumer<T>;
export function sub<T extends string | Uint8Array>(queue: PipeQueue<T>): QueueConsumer<T>;
export function sub(queue: AnyQueue, options: SubOptions & BandedSubOptions = {}): unknown {
  checkQueue(queue);
  if (isInThread(queue)) return subInThread(queue, options);
  if (isPipe(queue)) {
    checkOptions('options', options, []);
    return subPipe(queue);
  }
  if (isValueQueue(queue)) checkCodec(queue);
  const ends = subRings(queue, options);
  return isValueQueue(queue) ? new ValueConsumer(ends as ByteConsumer, queue.codec) : ends;
}

/**
 * No producer may join any more; those that there are get CLOSED after their next publish at the latest, consumers when they have drained.
 * From any thread; blocks nobody. For queues made of rings: the ends of a deque or window close themselves, for pipes see `closePipe`.
 */
export function close(queue: Queue): void {
  checkQueue(queue);
  if (isInThread(queue)) throw inOneThread('close', queue);
  if (isPipe(queue)) closePipe(queue);
  else closeRings(queue);
}

/**
 * Frees the places of a worker that has exited; what a supervisor calls after the `exit` event, which alone is proof of death. `worker` is the
 * Worker, or its `threadId` as it was while it ran (Node sets it to -1 before `exit`). The others go on. A runtime does this for its own reactors. Lost is at most what the worker had not published, and what a `drain` of it had begun. From any thread. For queues made of rings: the
 * system closes a dead worker's pipe, and a deque or window has only its own thread.
 */
export function recover(queue: Queue, worker: number | WorkerLike): Recovered {
  checkQueue(queue);
  if (isInThread(queue)) throw inOneThread('recover', queue);
  if (isPipe(queue)) throw new PercoreError('ERR_PERCORE_INVALID_ARGUMENT', 'recover(queue, worker) is for queues made of rings: the system closes the pipe of a worker that has exited', { argument: 'queue' });
  return recoverRings(queue, idOfDead(worker));
}

const inOneThread = (verb: string, { backend }: InThreadQueue<unknown>): PercoreError => new PercoreError('ERR_PERCORE_INVALID_ARGUMENT', `${verb}(queue) is for queues that threads share. A ${backend} has one thread, and ends when the last of its producers calls close()`, { argument: 'queue' });

/** What the queue says of itself: kind, backend, depth, lag of each consumer, totals, drops by reason. Stops nobody; allocates. From any thread, but deque and window. */
export function inspect(queue: Queue): RingsProperties;
export function inspect(queue: AnyQueue): QueueProperties;
export function inspect(queue: AnyQueue): QueueProperties {
  checkQueue(queue);
  if (isInThread(queue)) return propertiesInThread(queue);
  return isPipe(queue) ? propertiesOfPipe(queue) : inspectRings(queue);
}

/**
 * Joins one queue to another: `move` takes records from `from` to `to` with one copy, `run` does so until `from` ends. Backpressure is
 * carried through. Both ends belong to this thread. Throws where a record of `from` could not fit `to`. Ends with a codec are linked by their
 * records, without reading a value; both must have the same codec.
 */
export function link(from: LinkSource | ValueConsumer<never>, to: LinkTarget | ValueProducer<never>): Link {
  const source = from instanceof ValueConsumer ? (from.ring as LinkSource) : from;
  const target = to instanceof ValueProducer ? to.ring : to;
  if (from instanceof ValueConsumer && to instanceof ValueProducer && JSON.stringify(from.description) !== JSON.stringify(to.description)) {
    throw invalidArgument('to', to.description.name, `a queue with the codec of the source, ${from.description.name}`);
  }
  checkLink(source, target);
  return new Link(source, target);
}

/** Throws for what is no handle of a queue. What its memory says is looked at by whoever opens it. */
function checkQueue(queue: unknown): void {
  const { kind, backend } = (typeof queue === 'object' && queue !== null ? queue : {}) as { kind?: unknown; backend?: unknown };
  if (BACKENDS.includes(backend as string) && [...KINDS, 'mpmc'].includes(kind as string)) return;
  throw invalidArgument('queue', queue, 'what create() returned, or its structured clone');
}

const isInThread = (queue: unknown): queue is InThreadQueue<unknown> => (queue as AnyQueue).backend === 'deque' || (queue as AnyQueue).backend === 'window';
const isPipe = (queue: unknown): queue is PipeQueue<any> => (queue as AnyQueue).backend === 'pipe';
const isValueQueue = (queue: AnyQueue): queue is Queue & { codec: CodecDescription & Carries<unknown> } => (queue as { codec?: unknown })?.codec !== undefined;

/**
 * `percore/queues`: rings in shared memory between any two threads.
 *
 *     const queue = create({ kind: 'spsc', capacity: 4096, recordBytes: 8 });   // a plain object: pass it in workerData
 *     const producer = pub(queue);    // in one thread
 *     const consumer = sub(queue);    // in the other
 */
import { PercoreError, checkInteger, invalidArgument } from '../errors.js';
import { BandedConsumer, BandedProducer, type BandedSubOptions } from './banded-queue.js';
import { checkLossy, checkPolicy, createRings, type FixedOptions, type FixedQueue, type Kind, type Queue, type VariableOptions, type VariableQueue } from './create.js';
import { FixedConsumer, FixedProducer } from './fixed-records.js';
import { IS_CLOSING, closeGroup, closeRing, joinGroup, openGroup, openRingOf, recoverGroup, threadsOf, type Group, type GroupHandle } from './group.js';
import { inspectGroup, inspectRing, type QueueProperties } from './inspect.js';
import { lazyHost } from './lazy.js';
import { Link, checkLink, type LinkSource, type LinkTarget } from './link.js';
import { chunksOf, createLinked, isLinked, openLinked, type LinkedOptions, type LinkedQueue } from './linked-memory.js';
import { LinkedConsumer, LinkedProducer } from './linked-queue.js';
import { LossyConsumer } from './lossy-consumer.js';
import { openRing } from './memory.js';
import { MpscConsumer, joinLane, type Lane } from './mpsc-queue.js';
import { isLosing, isLossyPlace, join, joinAsProducer, me, recoverRing, type JoinOptions, type Recovered } from './places.js';
import { ATTENTION, CLOSING, OPEN, PHASE, PRODUCER_THREAD, type QueueMemory, type WhenSlow } from './ring.js';
import { VariableConsumer, VariableProducer } from './variable-records.js';

export { AGAIN, BACK_PRESSURED, CLOSED, DROPPED, EMPTY, EVICTED, OK, TOO_LARGE, nameOfCode, type ResultCode } from './result-codes.js';
export { FixedConsumer, FixedProducer } from './fixed-records.js';
export { VariableConsumer, VariableProducer } from './variable-records.js';
export { LossyConsumer } from './lossy-consumer.js';
export { MpscConsumer } from './mpsc-queue.js';
export { BandedConsumer, BandedProducer, type BandedSubOptions } from './banded-queue.js';
export { MAX_CAPACITY, SLACK_BYTES, bytesFor } from './memory.js';
export type { DeclaredConsumer, FixedOptions, FixedQueue, Kind, Queue, VariableOptions, VariableQueue } from './create.js';
export type { ConsumerProperties, DroppedCounts, QueueProperties } from './inspect.js';
export { Link, type LinkSource, type LinkTarget } from './link.js';
export { LinkedConsumer, LinkedProducer } from './linked-queue.js';
export type { ChunkProperties, LinkedOptions, LinkedQueue } from './linked-memory.js';
export type { Recovered } from './places.js';
export type { WhenSlow } from './ring.js';
export type { WaitOptions } from './waiting.js';

const KINDS = ['spsc', 'mpsc', 'spmc', 'banded'];

/** Makes a queue. Allocates its memory unless `buffer` is given; blocks nobody. Throws PercoreError for a bad option. */
export function create<K extends Kind>(options: FixedOptions<K>): FixedQueue<K>;
export function create(options: LinkedOptions): LinkedQueue;
export function create<K extends Kind>(options: VariableOptions<K>): VariableQueue<K>;
export function create(options: FixedOptions<Kind> | VariableOptions<Kind> | LinkedOptions): FixedQueue<Kind> | VariableQueue<Kind> {
  if (!KINDS.includes(options?.kind)) throw invalidArgument('kind', options?.kind, KINDS.map((kind) => `'${kind}'`).join(', '));
  if ('backend' in options && options.backend === 'linked') return createLinked(options);
  return createRings(options as FixedOptions<Kind> | VariableOptions<Kind>);
}

export interface PubOptions {
  /**
   * Publish at the latest after so many committed records: 1 to 2^30. Default 1, each at once; in a reactor 64, and at the end of the step.
   * Call `flush` before you wait for an answer.
   */
  publishEvery?: number;
}

type Plain = 'spsc' | 'spmc' | 'mpsc';

/**
 * The producing end. One thread only; an `mpsc` queue has a lane for each. Throws ERR_PERCORE_NO_PLACE when all places are taken,
 * ERR_PERCORE_CLOSED when the queue is closed, and for a handle that is not a queue of this layout.
 */
export function pub(queue: FixedQueue<Plain>, options?: PubOptions): FixedProducer;
export function pub(queue: VariableQueue<Plain>, options?: PubOptions): VariableProducer;
export function pub(queue: FixedQueue<'banded'>, options?: PubOptions): BandedProducer<FixedProducer>;
export function pub(queue: VariableQueue<'banded'>, options?: PubOptions): BandedProducer<VariableProducer>;
export function pub(queue: FixedQueue<Kind> | VariableQueue<Kind>, options: PubOptions = {}): FixedProducer | VariableProducer | BandedProducer {
  const publishEvery = checkInteger('publishEvery', options.publishEvery ?? lazyHost()?.publishEvery ?? 1, 1, 2 ** 30);
  if (queue?.kind === 'banded') {
    const group = openGroup(groupOf(queue));
    return new BandedProducer(group, Array.from({ length: group.rings }, (_, band) => producerOf(joined(openRingOf(group, band, false)), publishEvery)));
  }
  return producerOf(queue?.kind === 'mpsc' ? joinLane(checkOpen(openGroup(groupOf(queue)))) : joined(openSingle(queue)), publishEvery);
}

function producerOf(memory: QueueMemory, publishEvery: number): FixedProducer | VariableProducer {
  const producer = isLinked(memory) ? new LinkedProducer(memory, publishEvery) : memory.recordBytes === 0 ? new VariableProducer(memory, publishEvery) : new FixedProducer(memory, publishEvery);
  const host = lazyHost();
  if (host !== null && publishEvery > 1) {
    const late = {
      isDirty: false,
      flush(): void {
        late.isDirty = false;
        producer.flush();
      },
    };
    // Once a step, however often it publishes by itself meanwhile.
    producer.onUnpublished = () => {
      if (late.isDirty) return;
      late.isDirty = true;
      host.markDirty(late);
    };
  }
  return producer;
}

function joined(memory: QueueMemory): QueueMemory {
  // ring.attention: pairs with close(). The phase follows only when an end of the ring has noticed.
  if (Atomics.load(memory.words, PHASE) !== OPEN || (Atomics.load(memory.words, ATTENTION) & CLOSING) !== 0) throw new PercoreError('ERR_PERCORE_CLOSED', 'the queue is closed; nobody may join it any more');
  if (joinAsProducer(memory)) return memory;
  const owner = Atomics.load(memory.words, PRODUCER_THREAD);
  const fix = owner === me() ? 'by this thread. Use that producer, or call its leave() first' : `by thread ${owner - 1}. Use kind 'mpsc' for several, or call recover(queue, ${owner - 1}) if that worker has exited`;
  throw new PercoreError('ERR_PERCORE_NO_PLACE', `the only place for a producer is taken ${fix}`, { argument: 'maxProducers', value: 1 });
}

function checkOpen(group: Group): Group {
  if (Atomics.load(group.words, IS_CLOSING) === 1) throw new PercoreError('ERR_PERCORE_CLOSED', 'the queue is closed; nobody may join it any more');
  return group;
}

export interface SubOptions {
  /**
   * What happens when this consumer is slow and the ring full. `wait` (default): producers get BACK_PRESSURED, and may await `space()`.
   * `block`: their `offer` stands still until there is room (refused inside a reactor). `drop-newest`: their offer answers DROPPED.
   * `drop-oldest`: this consumer is lapped and told how many records it lost. `evict`: it is put out after `evictAfterMs`. Every
   * record dropped is counted, see `inspect`.
   */
  whenSlow?: WhenSlow;
  /** For `evict`: the longest standstill of this consumer in milliseconds, 0 to 2^31 - 1. Default 1000. */
  evictAfterMs?: number;
  /** `spmc`: the declared consumer to be. */
  name?: string;
  /** `spmc`: names or places of consumers that must have released a record before this one reads it. */
  after?: readonly (string | number)[];
}
type Losing = { whenSlow: 'drop-oldest' | 'evict' };

/**
 * The consuming end. One thread only. A consumer of `spmc` begins at what is published when it joins; the first one, a declared one, or
 * one that takes over a place that was left, where that place stands. Throws ERR_PERCORE_NO_PLACE when all places are taken.
 */
export function sub(queue: Queue<'spsc' | 'spmc'>, options: SubOptions & Losing): LossyConsumer;
export function sub(queue: FixedQueue<'spmc'>, options: SubOptions & { name: string }): FixedConsumer | LossyConsumer;
export function sub(queue: VariableQueue<'spmc'>, options: SubOptions & { name: string }): VariableConsumer | LossyConsumer;
export function sub(queue: FixedQueue<'spsc' | 'spmc'>, options?: SubOptions): FixedConsumer;
export function sub(queue: VariableQueue<'spsc' | 'spmc'>, options?: SubOptions): VariableConsumer;
export function sub(queue: Queue<'mpsc'>, options: SubOptions & Losing): MpscConsumer<LossyConsumer>;
export function sub(queue: FixedQueue<'mpsc'>, options?: SubOptions): MpscConsumer<FixedConsumer>;
export function sub(queue: VariableQueue<'mpsc'>, options?: SubOptions): MpscConsumer<VariableConsumer>;
export function sub(queue: Queue<'banded'>, options: SubOptions & BandedSubOptions & Losing): BandedConsumer<LossyConsumer>;
export function sub(queue: FixedQueue<'banded'>, options?: SubOptions & BandedSubOptions): BandedConsumer<FixedConsumer>;
export function sub(queue: VariableQueue<'banded'>, options?: SubOptions & BandedSubOptions): BandedConsumer<VariableConsumer>;
export function sub(queue: Queue, options: SubOptions & BandedSubOptions = {}): FixedConsumer | VariableConsumer | LossyConsumer | MpscConsumer | BandedConsumer {
  const wanted = joinOptions(queue, options);
  switch (queue?.kind) {
    case 'mpsc': {
      const group = openGroup(groupOf(queue));
      const place = joinGroup(group);
      if (place < 0) throw new PercoreError('ERR_PERCORE_NO_PLACE', `all ${group.places} places for consumers are taken (threads ${threadsOf(group).join(', ')}). Create the queue with a larger maxConsumers, or call recover(queue, threadId) for a worker that has exited`, { argument: 'maxConsumers', value: group.places });
      return new MpscConsumer(group, place, consumerOf, wanted);
    }
    case 'banded': {
      const group = openGroup(groupOf(queue));
      const rings = Array.from({ length: group.rings }, (_, band) => openRingOf(group, band, false));
      return new BandedConsumer(group, rings.map((ring) => consumerOf(ring, join(ring, wanted))), options);
    }
    default: {
      const ring = openSingle(queue);
      return consumerOf(ring, join(ring, wanted));
    }
  }
}

function joinOptions(queue: Queue, options: SubOptions): JoinOptions {
  const whenSlow = checkPolicy(options.whenSlow ?? 'wait');
  const after = (options.after ?? []).map((other) => (typeof other === 'string' ? placeOf(queue, 'after', other) : checkInteger('after', other, 0, (queue?.maxConsumers ?? 1) - 1)));
  if (after.length > 0 && queue?.kind !== 'spmc') throw invalidArgument('after', options.after, "left out, unless kind is 'spmc'");
  checkLossy(whenSlow, after.length > 0, queue?.capacity ?? 0);
  if (queue?.backend === 'linked' && isLosing(whenSlow)) throw invalidArgument('whenSlow', whenSlow, "'wait', 'block' or 'drop-newest' for the backend 'linked'");
  return {
    whenSlow, after, evictAfterMs: checkInteger('evictAfterMs', options.evictAfterMs ?? 1000, 0, 2 ** 31 - 1),
    ...(options.name === undefined ? {} : { place: placeOf(queue, 'name', options.name) }),
  };
}

function placeOf(queue: Queue, argument: string, name: string): number {
  const place = queue?.consumers?.[name];
  if (place === undefined) throw invalidArgument(argument, name, `a declared consumer: ${Object.keys(queue?.consumers ?? {}).join(', ') || 'the queue has none'}`);
  return place;
}

/** The consumer for a place that was joined: by what its policy is, which a declared place brings with it. */
function consumerOf(memory: QueueMemory, place: number): Lane {
  if (isLinked(memory)) return new LinkedConsumer(memory, place);
  if (isLossyPlace(memory, place)) return new LossyConsumer(memory, place);
  return memory.recordBytes === 0 ? new VariableConsumer(memory, place) : new FixedConsumer(memory, place);
}

/**
 * No producer may join any more; those that there are get CLOSED after their next publish at the latest, consumers when they have drained.
 * From any thread; blocks nobody.
 */
export function close(queue: Queue): void {
  if (isGroup(queue)) closeGroup(openGroup(groupOf(queue)));
  else closeRing(openSingle(queue));
}

/**
 * Frees the places of a worker that has exited; what a supervisor calls after the `exit` event, which alone is proof of death. The others
 * go on. Lost is at most what the worker had not published, and what a `drain` of it had begun. From any thread.
 */
export function recover(queue: Queue, threadId: number): Recovered {
  checkInteger('threadId', threadId, 0, 2 ** 31 - 2);
  return isGroup(queue) ? recoverGroup(openGroup(groupOf(queue)), threadId) : recoverRing(openSingle(queue), threadId);
}

/** What the queue says of itself: kind, depth, lag of each consumer, totals, drops by reason. From any thread; stops nobody. Allocates. */
export function inspect(queue: Queue): QueueProperties {
  const figures = isGroup(queue) ? inspectGroup(openGroup(groupOf(queue))) : inspectSingle(queue);
  const { kind, backend, capacity, recordBytes } = queue;
  return { kind, backend, capacity, recordBytes, ...figures };
}

/**
 * Joins one queue to another: `move` takes records from `from` to `to` with one copy, `run` does so until `from` ends. Backpressure is
 * carried through. Both ends belong to this thread. Throws where a record of `from` could not fit `to`.
 */
export function link(from: LinkSource, to: LinkTarget): Link {
  checkLink(from, to);
  return new Link(from, to);
}

function inspectSingle(queue: Queue): ReturnType<typeof inspectRing> & Pick<QueueProperties, 'chunks'> {
  const ring = openSingle(queue);
  return isLinked(ring) ? { ...inspectRing(ring), chunks: chunksOf(ring) } : inspectRing(ring, queue.consumers);
}

/** The memory of a queue that is no group. */
const openSingle = (queue: Queue): QueueMemory => (queue?.backend === 'linked' ? openLinked(queue as LinkedQueue) : openRing(queue));
const isGroup = (queue: Queue): boolean => queue?.kind === 'mpsc' || queue?.kind === 'banded';
const groupOf = (queue: Queue): GroupHandle => ({
  buffer: queue?.buffer, byteOffset: queue?.byteOffset, capacity: queue?.capacity, recordBytes: queue?.recordBytes,
  rings: queue?.kind === 'mpsc' ? queue.maxProducers : 8, groupPlaces: queue?.maxConsumers,
});

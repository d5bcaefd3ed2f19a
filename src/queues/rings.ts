/** Queues made of rings in shared memory: how their ends are opened, closed, freed and asked. index.ts says what each promises. */
import { PercoreError, checkInteger, checkOptions, invalidArgument } from '../errors.js';
import { BandedConsumer, BandedProducer, checkQuantum, type BandedSubOptions } from './banded-queue.js';
import { checkLossy, checkPolicy, checkShared, type Queue } from './create.js';
import { FixedConsumer, FixedProducer } from './fixed-records.js';
import { IS_CLOSING, closeGroup, closeRing, joinGroup, openGroup, openRingOf, recoverGroup, threadsOf, type Group, type GroupHandle } from './group.js';
import { inspectGroup, inspectRing, type RingsProperties } from './inspect.js';
import { lazyHost } from './lazy.js';
import { chunksOf, isLinked, openLinked, type LinkedQueue } from './linked-memory.js';
import { LinkedConsumer, LinkedProducer } from './linked-queue.js';
import { LossyConsumer } from './lossy-consumer.js';
import { openRing } from './memory.js';
import { MpscConsumer, joinLane, type Lane } from './mpsc-queue.js';
import { isLosing, isLossyPlace, join, joinAsProducer, me, recoverRing, type JoinOptions, type Recovered } from './places.js';
import { ATTENTION, CLOSING, OPEN, PHASE, PRODUCER_THREAD, type QueueMemory, type WhenSlow } from './ring.js';
import { VariableConsumer, VariableProducer } from './variable-records.js';

export interface PubOptions {
  /**
   * Publish at the latest after so many committed records: 1 to 2^30. Default 1, each at once; in a reactor 64, and at the end of the step.
   * Call `flush` before you wait for an answer.
   */
  publishEvery?: number;
}

/** See `pub`. */
export function pubRings(queue: Queue, options: PubOptions = {}): FixedProducer | VariableProducer | BandedProducer {
  checkOptions('options', options, ['publishEvery']);
  const publishEvery = checkInteger('publishEvery', options.publishEvery ?? lazyHost()?.publishEvery ?? 1, 1, 2 ** 30);
  if (queue?.kind === 'banded') {
    const group = openGroup(groupOf(queue));
    lazyHost()?.onOpen(queue);
    return new BandedProducer(group, joinBands(group, (ring) => producerOf(joined(ring), publishEvery)));
  }
  if (queue?.kind === 'mpsc') {
    const group = checkOpen(openGroup(groupOf(queue)));
    lazyHost()?.onOpen(queue);
    return producerOf(joinLane(group), publishEvery);
  }
  const ring = openSingle(queue);
  lazyHost()?.onOpen(queue);
  return producerOf(joined(ring), publishEvery);
}

/** An end in every band, or none: whoever has some of the bands still is on its way out. */
function joinBands<End extends { leave(): void }>(group: Group, joinBand: (ring: QueueMemory) => End): End[] {
  const ends: End[] = [];
  try {
    for (let band = 0; band < group.rings; band++) ends.push(joinBand(openRingOf(group, band, false)));
  } catch (error) {
    for (const end of ends) end.leave();
    throw error;
  }
  return ends;
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
  const fix = owner === me() ? 'by this thread. Use that producer, or call its leave() first' : `by thread ${owner - 1}. Use kind 'mpsc' for several, or call recover(queue, worker) if that worker has exited`;
  throw new PercoreError('ERR_PERCORE_NO_PLACE', `the only place for a producer is taken ${fix}`, { argument: 'maxProducers', value: 1 });
}

function checkOpen(group: Group): Group {
  // group.close: pairs with closeGroup(). Who joins after this look finds the ring itself closing.
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
  /** `spmc`: the declared consumer to be; it brings its `whenSlow` and `after`. */
  name?: string;
  /** `spmc`: names of declared consumers, or places of those that are there now, who must have released a record before this one reads it. */
  after?: readonly (string | number)[];
}
/** See `sub`. */
export function subRings(queue: Queue, options: SubOptions & BandedSubOptions = {}): FixedConsumer | VariableConsumer | LossyConsumer | MpscConsumer | BandedConsumer {
  const wanted = joinOptions(queue, options);
  switch (queue?.kind) {
    case 'mpsc': {
      const group = openGroup(groupOf(queue));
      lazyHost()?.onOpen(queue);
      const place = joinGroup(group);
      if (place < 0) throw new PercoreError('ERR_PERCORE_NO_PLACE', `all ${group.places} places for consumers are taken (threads ${threadsOf(group).join(', ')}). Create the queue with a larger maxConsumers, or call recover(queue, worker) for a worker that has exited`, { argument: 'maxConsumers', value: group.places });
      return new MpscConsumer(group, place, consumerOf, wanted);
    }
    case 'banded': {
      const group = openGroup(groupOf(queue));
      const quantum = checkQuantum(options.quantum);
      lazyHost()?.onOpen(queue);
      return new BandedConsumer(group, joinBands(group, (ring) => consumerOf(ring, join(ring, wanted))), quantum);
    }
    default: {
      const ring = openSingle(queue);
      lazyHost()?.onOpen(queue);
      return consumerOf(ring, join(ring, wanted));
    }
  }
}

function joinOptions(queue: Queue, options: SubOptions & BandedSubOptions): JoinOptions {
  checkOptions('options', options, ['whenSlow', 'evictAfterMs', 'name', 'after', 'quantum']);
  if (options.quantum !== undefined && queue?.kind !== 'banded') throw invalidArgument('quantum', options.quantum, "left out, unless kind is 'banded'");
  if (options.after !== undefined && !Array.isArray(options.after)) throw invalidArgument('after', options.after, 'an array of names or places of consumers');
  const whenSlow = options.whenSlow === undefined ? undefined : checkPolicy(options.whenSlow);
  if (whenSlow !== undefined) checkShared(queue?.kind, whenSlow);
  const after = (options.after ?? []).map((other) => (typeof other === 'string' ? placeOf(queue, 'after', other) : checkInteger('after', other, 0, (queue?.maxConsumers ?? 1) - 1)));
  if (after.length > 0 && queue?.kind !== 'spmc') throw invalidArgument('after', options.after, "left out, unless kind is 'spmc'");
  checkLossy(whenSlow ?? 'wait', after.length > 0, queue?.capacity ?? 0);
  if (queue?.backend === 'linked' && isLosing(whenSlow)) throw invalidArgument('whenSlow', whenSlow, "'wait', 'block' or 'drop-newest' for the backend 'linked'");
  return {
    whenSlow, after, evictAfterMs: checkInteger('evictAfterMs', options.evictAfterMs ?? 1000, 0, 2 ** 31 - 1),
    ...(options.name === undefined ? {} : { place: placeOf(queue, 'name', options.name) }),
  };
}

function placeOf(queue: Queue, argument: string, name: string): number {
  const consumers = queue?.consumers;
  const place = typeof consumers === 'object' && consumers !== null && typeof name === 'string' && Object.hasOwn(consumers, name) ? consumers[name] : undefined;
  if (place === undefined || !Number.isInteger(place) || place < 0 || place >= queue.maxConsumers) throw invalidArgument(argument, name, `a declared consumer: ${Object.keys(queue?.consumers ?? {}).join(', ') || 'the queue has none'}`);
  return place;
}

/** The consumer for a place that was joined: by what its policy is, which a declared place brings with it. */
function consumerOf(memory: QueueMemory, place: number): Lane {
  if (isLinked(memory)) return new LinkedConsumer(memory, place);
  if (isLossyPlace(memory, place)) return new LossyConsumer(memory, place);
  return memory.recordBytes === 0 ? new VariableConsumer(memory, place) : new FixedConsumer(memory, place);
}

/** See `close`. */
export function closeRings(queue: Queue): void {
  if (isGroup(queue)) closeGroup(openGroup(groupOf(queue)));
  else closeRing(openSingle(queue));
}

/** See `recover`. */
export function recoverRings(queue: Queue, threadId: number): Recovered {
  return isGroup(queue) ? recoverGroup(openGroup(groupOf(queue)), threadId, queue.kind === 'banded') : recoverRing(openSingle(queue), threadId);
}

/** True while thread `threadId` has a place in the queue that others may want: in one that is closed, only where records are left. */
export function hasPlace(queue: Queue, threadId: number): boolean {
  const { producers, consumers, isClosed, depth } = inspectRings(queue);
  if (isClosed && depth === 0) return false;
  // A consumer of mpsc has a place in the group, also while it has no lane.
  const sharing = queue.kind === 'mpsc' ? threadsOf(openGroup(groupOf(queue))) : [];
  return sharing.includes(threadId) || [...producers, ...consumers].some((end) => end.threadId === threadId);
}

/** See `inspect`. */
export function inspectRings(queue: Queue): RingsProperties {
  const figures = isGroup(queue) ? inspectGroup(openGroup(groupOf(queue))) : inspectSingle(queue);
  const { kind, backend, capacity, recordBytes } = queue;
  return { kind, backend, capacity, recordBytes, ...figures };
}

function inspectSingle(queue: Queue): ReturnType<typeof inspectRing> & Pick<RingsProperties, 'chunks'> {
  const ring = openSingle(queue);
  return isLinked(ring) ? { ...inspectRing(ring), chunks: chunksOf(ring) } : inspectRing(ring, queue.consumers ?? {});
}

/** The memory of a queue that is no group. */
const openSingle = (queue: Queue): QueueMemory => (queue?.backend === 'linked' ? openLinked(queue as LinkedQueue) : openRing(queue));
const isGroup = (queue: Queue): boolean => queue?.kind === 'mpsc' || queue?.kind === 'banded';
const groupOf = (queue: Queue): GroupHandle => ({
  buffer: queue?.buffer, byteOffset: queue?.byteOffset, capacity: queue?.capacity, recordBytes: queue?.recordBytes,
  rings: queue?.kind === 'mpsc' ? queue.maxProducers : 8, groupPlaces: queue?.maxConsumers,
});

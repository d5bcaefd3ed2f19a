/**
 * What a queue says of itself to any thread, without stopping anyone. The words are read one after another while the
 * others go on: each figure is right for some moment of the call, two of them need not be of the same one. Depth and
 * lag are bounded by that.
 */
import { IS_CLOSING, type Group, openRingOf } from './group.js';
import type { ChunkProperties } from './linked-memory.js';
import type { ConsumerProperties, QueueProperties } from './queue-ends.js';
import type { QueueMemory } from './ring.js';
import {
  CONSUMED, CURSOR, DROPPED_CLOSED, DROPPED_EVICTED, DROPPED_NEWEST, DROPPED_OLDEST, ATTENTION, CLOSING, FREE, HELD,
  HIGH_WATER, LOSSY, LOSSY_CURSOR, OPEN, PHASE, PUSHED, POLICIES, POLICY, PRODUCER_CURSOR, PRODUCER_HIGH_WATER,
  PRODUCER_THREAD, PUBLISHED, REFUSED, STATE, THREAD, placeAt, type WhenSlow,
} from './ring.js';

export interface RingConsumerProperties extends ConsumerProperties {
  /** Its name, if it was declared. */
  readonly name?: string;
  /** `held`: nobody has the place, and the records are kept for whoever comes. */
  readonly state: 'reading' | 'held' | 'evicted';
  /** What happens when it cannot keep up. */
  readonly whenSlow: WhenSlow;
  /** threadId of the consumer; undefined when nobody has the place. */
  readonly threadId: number | undefined;
  /** Of a queue in a file: whose thread that is. Its `threadId` is 0 for a process of another language. */
  readonly processId?: number;
  /** Of it and of whoever had its place before, as `consumed` is. */
  readonly droppedOldest: number;
  /** Records that it did not get since it was evicted. */
  readonly droppedEvicted: number;
}

/**
 * `place` is the number of a consumer's place; in an MPSC queue that of the lane, in a banded one that of the band.
 * `capacity` is that of each ring, `depth` that of all together, `highWater` that of the ring that was deepest; all in
 * records, or in bytes where records vary.
 */
export interface RingsProperties extends QueueProperties {
  /** Bytes of each record; 0 where they have any length. */
  readonly recordBytes: number;
  /** Each place for a producer, and who has it. */
  readonly producers: readonly { readonly place: number; readonly threadId: number; readonly processId?: number }[];
  /** Each place for a consumer, and who has it. */
  readonly consumers: readonly RingConsumerProperties[];
  /** Of a linked queue alone. */
  readonly chunks?: ChunkProperties;
}

type Figures = Omit<RingsProperties, 'kind' | 'backend' | 'capacity' | 'recordBytes'>;

/** The figures of one ring. */
export function inspectRing(memory: QueueMemory, names: Readonly<Record<string, number>> = {}, number = 0): Figures {
  const { words, counters } = memory;
  const consumers: RingConsumerProperties[] = [];
  let depth = 0;
  let consumed = 0;
  let oldest = 0;
  let evicted = 0;
  let highWater = words[PRODUCER_HIGH_WATER]!;
  for (let place = 0; place < memory.places; place++) {
    const at = placeAt(place);
    // Pairs with nothing, like all figures here: no order is promised between them, only that each is whole and not
    // stale for ever.
    const state = Atomics.load(words, at + STATE);
    // Who has left is counted on.
    consumed += counters[(at >> 1) + CONSUMED]!;
    oldest += counters[(at >> 1) + DROPPED_OLDEST]!;
    evicted += counters[(at >> 1) + DROPPED_EVICTED]!;
    if (state === FREE) continue;
    // The consumer's cursor before the producer's: the lag is never negative.
    // ring.free, ring.lap: pair with publishRelease() and push(), for the figure alone.
    const cursor =
      Atomics.load(words, at + (state < LOSSY ? CURSOR : LOSSY_CURSOR)) & (memory.recordBytes === 0 ? ~PUSHED : -1);
    // ring.publish: pairs with flush(), for the figure alone: no record is read by it.
    const lag = Math.max(0, (Atomics.load(words, PRODUCER_CURSOR) - cursor) | 0);
    // Records are kept for one that was evicted only where they would be kept for its place without it.
    if (state <= LOSSY || isKeptFor(memory, place)) depth = Math.max(depth, Math.min(lag, memory.capacity));
    highWater = Math.max(highWater, words[at + HIGH_WATER]!);
    // ring.join: pairs with claim() of places.ts. Nothing else of the place is read by it.
    const thread = Atomics.load(words, at + THREAD);
    const name = Object.keys(names).find((each) => names[each] === place);
    consumers.push({
      place: place + number, ...(name === undefined ? {} : { name }),
      state: state === HELD ? 'held' : state > LOSSY ? 'evicted' : 'reading',
      whenSlow: POLICIES[Atomics.load(words, at + POLICY)]!, threadId: thread === 0 ? undefined : thread - 1, lag,
      consumed: counters[(at >> 1) + CONSUMED]!, droppedOldest: counters[(at >> 1) + DROPPED_OLDEST]!,
      droppedEvicted: counters[(at >> 1) + DROPPED_EVICTED]!,
    });
  }
  // Pairs with joinAsProducer(), for the figure alone.
  const producer = Atomics.load(words, PRODUCER_THREAD);
  return {
    depth, highWater: Math.min(memory.capacity, Math.max(highWater, depth)), published: counters[PUBLISHED]!, consumed,
    refused: counters[REFUSED]!,
    dropped: { newest: counters[DROPPED_NEWEST]!, oldest, evicted, closed: counters[DROPPED_CLOSED]! },
    producers: producer === 0 ? [] : [{ place: number, threadId: producer - 1 }],
    consumers,
    // ring.attention: pairs with close(), as in takeProducer().
    isClosed: Atomics.load(words, PHASE) !== OPEN || (Atomics.load(words, ATTENTION) & CLOSING) !== 0,
  };
}

/**
 * True when the records of an evicted consumer's place are held for whoever comes next: it was declared, or nobody else
 * reads. As `leave` does it.
 */
function isKeptFor({ words, places, kept }: QueueMemory, place: number): boolean {
  if ((kept & (1 << place)) !== 0) return true;
  for (let other = 0; other < places; other++) {
    // Pairs with the joining and leaving of the other consumers, for the figure alone.
    const state = Atomics.load(words, placeAt(other) + STATE);
    if (other !== place && state !== FREE && state <= LOSSY) return false;
  }
  return true;
}

/** The figures of all rings of a group together. */
export function inspectGroup(group: Group): Figures {
  const rings = Array.from({ length: group.rings }, (_, i) => inspectRing(openRingOf(group, i, false), {}, i));
  const sum = (of: (figures: Figures) => number): number => rings.reduce((total, figures) => total + of(figures), 0);
  return {
    depth: sum(({ depth }) => depth),
    highWater: Math.max(...rings.map(({ highWater }) => highWater)),
    published: sum(({ published }) => published),
    consumed: sum(({ consumed }) => consumed),
    refused: sum(({ refused }) => refused),
    dropped: {
      newest: sum(({ dropped }) => dropped.newest), oldest: sum(({ dropped }) => dropped.oldest),
      evicted: sum(({ dropped }) => dropped.evicted), closed: sum(({ dropped }) => dropped.closed),
    },
    producers: rings.flatMap(({ producers }) => producers),
    consumers: rings.flatMap(({ consumers }) => consumers),
    // The consumer of a banded queue closes ring by ring.
    isClosed: Atomics.load(group.words, IS_CLOSING) === 1 || rings.every(({ isClosed }) => isClosed),
  };
}

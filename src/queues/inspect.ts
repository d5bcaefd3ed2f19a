/**
 * What a queue says of itself to any thread, without stopping anyone. The words are read one after another while the
 * ends go on: each figure is right for some moment of the call, but two figures need not be of the same moment. Depth
 * and lag are limited to values that can be.
 */
import { IS_CLOSING, type Group, openRingOf } from './group.js';
import type { ChunkProperties } from './linked-memory.js';
import { seenFrom } from './mark.js';
import type { ConsumerProperties, QueueProperties } from './queue-ends.js';
import type { QueueMemory } from './ring.js';
import {
  CONSUMED, CURSOR, DROPPED_CLOSED, DROPPED_EVICTED, DROPPED_NEWEST, DROPPED_OLDEST, ATTENTION, CLOSING, FREE, HELD,
  HIGH_WATER, LOSSY, LOSSY_CURSOR, OPEN, PHASE, PUSHED, POLICIES, POLICY, PRODUCER_CURSOR, PRODUCER_HIGH_WATER,
  PRODUCER_THREAD, PUBLISHED, REFUSED, STATE, THREAD, placeAt, type WhenSlow,
} from './ring.js';

/** The figures of one consumer's place in a queue made of rings. */
export interface RingConsumerProperties extends ConsumerProperties {
  /** The name of the consumer, if it was declared. */
  readonly name?: string;
  /** `held` means that nobody has the place, and that the records are kept for the next consumer to come. */
  readonly state: 'reading' | 'held' | 'evicted';
  /** What happens when it cannot keep up. */
  readonly whenSlow: WhenSlow;
  /** The threadId of the consumer; undefined if nobody has the place. */
  readonly threadId: number | undefined;
  /** For a queue in a file: the process of that thread. The `threadId` is 0 for a process in another language. */
  readonly processId?: number;
  /**
   * How many records were overwritten before they were read, by this consumer and those that had the place before it;
   * `consumed` counts them together as well.
   */
  readonly droppedOldest: number;
  /** How many records a consumer has missed since it was evicted, counted in the same way. */
  readonly droppedEvicted: number;
}

/**
 * The figures of a queue made of rings. `place` is the number of a consumer's place; in an MPSC queue it is the number
 * of the lane, and in a banded queue that of the band. `capacity` is that of each ring, `depth` that of all rings
 * together, and `highWater` that of the deepest ring. All are in records, or in bytes where the length of records
 * varies.
 */
export interface RingsProperties extends QueueProperties {
  /** The length of each record in bytes, or 0 for records of any length. */
  readonly recordBytes: number;
  /** Each place for a producer, and who has it. */
  readonly producers: readonly { readonly place: number; readonly threadId: number; readonly processId?: number }[];
  /** Each place for a consumer, and who has it. */
  readonly consumers: readonly RingConsumerProperties[];
  /** Only of a linked queue: its chunks. */
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
    // Pairs with nothing, like all figures here: no order among them is promised, only that each is whole and not stale
    // for ever.
    const state = Atomics.load(words, at + STATE);
    // Consumers that have left still count.
    consumed += counters[(at >> 1) + CONSUMED]!;
    oldest += counters[(at >> 1) + DROPPED_OLDEST]!;
    evicted += counters[(at >> 1) + DROPPED_EVICTED]!;
    if (state === FREE) continue;
    // The consumer's cursor is loaded before the producer's, so that the lag is never negative. ring.free, ring.lap:
    // pair with publishRelease() and push(), for the figure alone.
    const cursor =
      Atomics.load(words, at + (state < LOSSY ? CURSOR : LOSSY_CURSOR)) & (memory.recordBytes === 0 ? ~PUSHED : -1);
    // ring.publish: pairs with flush(), for the figure alone; no record is read because of it.
    const lag = (seenFrom(cursor, Atomics.load(words, PRODUCER_CURSOR)) - cursor) | 0;
    // Records count for an evicted consumer only if they would be kept for its place without it.
    if (state <= LOSSY || isKeptFor(memory, place)) depth = Math.max(depth, Math.min(lag, memory.capacity));
    highWater = Math.max(highWater, words[at + HIGH_WATER]!);
    // ring.join: pairs with claim() of places.ts. Nothing else of the place is read because of it.
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
    // ring.attention: pairs with closeRing() and close() of a consumer, for the figure alone.
    isClosed: Atomics.load(words, PHASE) !== OPEN || (Atomics.load(words, ATTENTION) & CLOSING) !== 0,
  };
}

/**
 * True if the records of an evicted consumer's place are kept for the next consumer: the place was declared, or nobody
 * else reads. This is the rule of `leave`.
 */
function isKeptFor({ words, places, kept }: QueueMemory, place: number): boolean {
  if ((kept & (1 << place)) !== 0) return true;
  for (let other = 0; other < places; other++) {
    // Pairs with the joining and leaving of other consumers, for the figure alone.
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
    // The consumer of a banded queue closes ring by ring, so a group is closed when all its rings are.
    isClosed: Atomics.load(group.words, IS_CLOSING) === 1 || rings.every(({ isClosed }) => isClosed),
  };
}

/**
 * One ring in shared memory: its words, and which thread may touch which of them when. Every queue that crosses threads
 * is made of these rings. SPSC is one ring with a place for one consumer, SPMC is one ring with many places, and MPSC
 * is many rings, one for each producer.
 *
 *              slowest cursor          other cursors       producerCursor         producer's private `next`
 *   sequence ------|-----------------------|--------- published ----|---- committed, unpublished ----|---- free ----
 *
 * Sequences are int32 and wrap. They are compared only by `(a - b) | 0`, which is right as long as the two are less
 * than 2^31 apart; a capacity is at most 2^30. A ring of fixed records counts records, and a ring of variable records
 * counts bytes.
 *
 * Ordering table. JavaScript offers sequential consistency (seq_cst) only. The last column says what the algorithm
 * needs; "rel/acq" is a release store that pairs with an acquire load.
 *
 * | pair           | write side                | read side               | carries                        | needs   |
 * |----------------|---------------------------|-------------------------|--------------------------------|---------|
 * | ring.publish   | producer `flush`          | consumer `lookAgain`    | the records' bytes             | rel/acq |
 * | ring.free      | consumer `publishRelease` | producer `look`         | the slot may be written again  | rel/acq |
 * | ring.follow    | consumer `publishRelease` | follower `behindOthers` | the stage before has read it   | rel/acq |
 * | ring.attention | whoever waits or closes   | who publishes, releases | "look after me"                | seq_cst |
 * | ring.mark      | `markCursor`              | producer `flush`        | "look at attention"            | seq_cst |
 * | ring.phase     | `close`, `obeyClosing`    | consumer `lookAtEnd`    | where the ring ends            | seq_cst |
 * | ring.join      | places `enter`            | producer `look`         | "my cursor holds you back now" | seq_cst |
 * | ring.lap       | producer `push`           | LossyConsumer `claim`   | "this was overwritten"         | seq_cst |
 * | ring.bell      | who publishes or releases | whoever waits           | "look again"                   | seq_cst |
 *
 * Payload bytes are plain accesses: the producer's lie between ring.free and ring.publish, the consumer's between
 * ring.publish and ring.free. Nothing else orders them, on ARM as on x86, and nothing else needs to. Each counter is a
 * plain word with one writer; `inspect` reads the counters without any order, and its documentation says so. Methods
 * use the global `Atomics`, indexed access and no try/catch, because the interleaving explorer (percore/testing) runs
 * this very text.
 *
 * Fields that a constructor fills are written with `declare`, in all ends of rings. Otherwise the language defines each
 * of them as undefined first; then V8 holds none of them for a constant or a small integer, and checks all of them at
 * every message.
 *
 * Source: Lamport 1977; cached cursors from FastForward (Giacomoni 2008) and rigtorp's SPSCQueue; padding records from
 * Agrona; a cursor for each consumer, and consumers behind consumers, from the LMAX Disruptor (Thompson et al. 2011).
 */
import { FIRST_PLACE_BYTES, placeLayout, queueLayout } from '../layout.js';
import { damagedWord } from './copy-bytes.js';

const queue = queueLayout.fields;
const place = placeLayout.fields;

/** Word numbers of the ring's header. */
export const PRODUCER_CURSOR: number = queue.producerCursor.at >> 2;
export const PHASE: number = queue.phase.at >> 2;
export const PRODUCER_THREAD: number = queue.producerThread.at >> 2;
export const ATTENTION: number = queue.attention.at >> 2;
export const RECORDS_BELL: number = queue.recordsBell.at >> 2;
export const ROOM_BELL: number = queue.roomBell.at >> 2;
export const PRODUCER_HIGH_WATER: number = queue.highWater.at >> 2;
/** The producer's counters, as indexes of 8-byte words. */
export const PUBLISHED: number = queue.published.at >> 3;
export const REFUSED: number = queue.refused.at >> 3;
export const DROPPED_NEWEST: number = queue.droppedNewest.at >> 3;
export const DROPPED_CLOSED: number = queue.droppedClosed.at >> 3;

/** Word number of place `index`. */
export const placeAt = (index: number): number => (FIRST_PLACE_BYTES + index * placeLayout.bytes) >> 2;
export const PLACE_WORDS: number = placeLayout.bytes >> 2;
/** Words of a place, counted from its first word. */
export const CURSOR: number = place.cursor.at >> 2;
export const STATE: number = place.state.at >> 2;
export const POLICY: number = place.policy.at >> 2;
export const AFTER: number = place.after.at >> 2;
export const THREAD: number = place.thread.at >> 2;
export const FINAL: number = place.final.at >> 2;
export const TAKEN: number = place.taken.at >> 2;
export const EVICT_AFTER_MS: number = place.evictAfterMs.at >> 2;
export const HIGH_WATER: number = place.highWater.at >> 2;
export const LOSSY_CURSOR: number = place.lossyCursor.at >> 2;
export const PUSH_CURSOR: number = place.pushCursor.at >> 2;
export const PUSH_COUNT: number = place.pushCount.at >> 2;
/** Counters of a place, counted in 8-byte words from its beginning. */
export const CONSUMED: number = place.consumed.at >> 3;
export const DROPPED_OLDEST: number = place.droppedOldest.at >> 3;
export const DROPPED_EVICTED: number = place.droppedEvicted.at >> 3;

/** Bits of `attention`. */
export const CONSUMER_WAITS = 1;
export const PRODUCER_WAITS = 2;
export const FOLLOWER_WAITS = 4;
export const CLOSING = 8;

/** Values of `phase`. A consumer that has ended the ring stores ENDED_BY plus the number of its place. */
export const OPEN = 0;
export const SEALED = 1;
export const ABANDONED = 2;
export const ENDED_BY = 16;
/** The word that says where the ring ends, if the consumer of a place has ended it. Throws for an impossible phase. */
export function finalAt(places: number, phase: number): number {
  if (!(phase >= ENDED_BY && phase - ENDED_BY < places)) throw damagedWord('phase', phase, ENDED_BY + places - 1);
  return placeAt(phase - ENDED_BY) + FINAL;
}

/**
 * States of a place. From HELD on, the place holds the producer back. From LOSSY on it does so by `lossyCursor`, which
 * the producer may push.
 *
 *     FREE --join--> JOINING --> ENTERING --> GATING --leave--> HELD --nobody else reads--> HELD
 *     HELD --join-----------------------------^  |  \--other consumers read--> FREE
 *                                                +--by a policy that loses--> LOSSY --evict--> EVICTED_PLACE --leave-->
 *                                                GATING ...
 */
export const FREE = 0;
export const JOINING = 1;
export const HELD = 2;
export const ENTERING = 3;
export const GATING = 4;
export const LOSSY = 5;
export const EVICTED_PLACE = 6;

/**
 * This bit of a `lossyCursor` says that a push has put the cursor there and that the consumer has not moved it since.
 * Only variable records use it: their cursors are multiples of 8, so the bit is free.
 */
export const PUSHED = 1;

/** What the producer does when a consumer is slow. The index in this list is the number of the policy. */
export const POLICIES = ['wait', 'block', 'drop-newest', 'drop-oldest', 'evict'] as const;
/** One of the names in `POLICIES`; the guide to queues says what each of them does. */
export type WhenSlow = (typeof POLICIES)[number];
export const WAIT = 0;
export const BLOCK = 1;
export const DROP_NEWEST = 2;
export const DROP_OLDEST = 3;
export const EVICT = 4;

/** The same bytes of one ring, header first, seen in four ways. `wordOf` and `offsetOf` give positions in them. */
export interface QueueMemory {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly counters: Float64Array;
  /** Records (fixed) or bytes (variable). */
  readonly capacity: number;
  /** 0 means records of any length. */
  readonly recordBytes: number;
  /** How many consumers can have a place, 1 to 32. */
  readonly places: number;
  /** Bit p says that place p is declared; it is HELD while nobody has it. */
  readonly kept: number;
  /** Byte offset of the first record. */
  readonly dataBytes: number;
  /** Byte offset of the record at a cursor; only rings whose records lie in chunks have it. */
  offsetAt?(cursor: number): number;
  /** Whoever waits for records sleeps at this bell: the ring's own, or that of the group which the ring belongs to. */
  readonly bellWords: Int32Array;
  readonly bell: number;
  /** True for one lane of several. When its producer ends, the queue does not. */
  readonly isLane: boolean;
  /**
   * For a queue in a file: the number of this thread among those that share it, from 1 on. 0 means memory of this
   * process.
   */
  readonly sharer: number;
}

/** How many records the consumer of a ring with one place has neither read nor lost, according to the counters. */
export function unreadOfOnly(counters: Float64Array): number {
  const at = placeAt(0) >> 1;
  return (
    counters[PUBLISHED]! - counters[at + CONSUMED]! - counters[at + DROPPED_OLDEST]! - counters[at + DROPPED_EVICTED]!
  );
}

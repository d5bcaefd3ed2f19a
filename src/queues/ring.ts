/**
 * One ring in shared memory: its words, and who may touch which when. Everything in `queues/` that crosses threads is
 * made of these rings: SPSC is one ring with one place for a consumer, SPMC one ring with many, MPSC many rings, one a
 * producer.
 *
 *              slowest cursor          other cursors       producerCursor         producer's private `next`
 *   sequence ------|-----------------------|--------- published ----|---- committed, unpublished ----|---- free ----
 *
 * Sequences are int32 and wrap; they are compared only by `(a - b) | 0`, which is right while the two are less than
 * 2^31 apart, and capacity is at most 2^30. A ring of fixed records counts records, one of variable records counts
 * bytes.
 *
 * Ordering table. JavaScript offers sequential consistency (seq_cst) only; `needs` is what the algorithm needs
 * (rel/acq: a release that an acquire meets).
 *
 * | pair           | write side                | read side               | carries                        | needs   |
 * |----------------|---------------------------|-------------------------|--------------------------------|---------|
 * | ring.publish   | producer `flush`          | consumer `look`         | the records' bytes             | rel/acq |
 * | ring.free      | consumer `publishRelease` | producer `look`         | the slot may be written again  | rel/acq |
 * | ring.follow    | consumer `publishRelease` | follower `behindOthers` | the stage before has read it   | rel/acq |
 * | ring.attention | who waits or closes sets  | who publishes, releases | "look after me"                | seq_cst |
 * | ring.phase     | `close`, `obeyClosing`    | consumer `lookAtEnd`    | where the ring ends            | seq_cst |
 * | ring.join      | places `join`             | producer `look`         | "my cursor holds you back now" | seq_cst |
 * | ring.lap       | producer `push`           | LossyConsumer `claim`   | "this was overwritten"         | seq_cst |
 * | ring.bell      | who publishes or releases | who waits               | "look again"                   | seq_cst |
 *
 * Payload bytes are plain accesses: the producer's between ring.free and ring.publish, the consumer's between
 * ring.publish and ring.free. On ARM as on x86 nothing else orders them, and nothing else needs to. Counters are plain
 * words of one writer each; `inspect` reads them without order and says so. Methods use the global `Atomics`, indexed
 * access and no try/catch: the interleaving explorer (percore/testing) runs this very text.
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
/** Numbers of its counters, which are 8 bytes wide. */
export const PUBLISHED: number = queue.published.at >> 3;
export const REFUSED: number = queue.refused.at >> 3;
export const DROPPED_NEWEST: number = queue.droppedNewest.at >> 3;
export const DROPPED_CLOSED: number = queue.droppedClosed.at >> 3;

/** Word number of place `index`. */
export const placeAt = (index: number): number => (FIRST_PLACE_BYTES + index * placeLayout.bytes) >> 2;
export const PLACE_WORDS: number = placeLayout.bytes >> 2;
/** Words of a place, from its first. */
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
/** Counters of a place, in units of 8 bytes from its first. */
export const CONSUMED: number = place.consumed.at >> 3;
export const DROPPED_OLDEST: number = place.droppedOldest.at >> 3;
export const DROPPED_EVICTED: number = place.droppedEvicted.at >> 3;

/** Bits of `attention`. */
export const CONSUMER_WAITS = 1;
export const PRODUCER_WAITS = 2;
export const FOLLOWER_WAITS = 4;
export const CLOSING = 8;

/** Values of `phase`; from ENDED_BY on, the place that has ended the ring is added. */
export const OPEN = 0;
export const SEALED = 1;
export const ABANDONED = 2;
export const ENDED_BY = 16;
/** Word that says where the ring ends, when a place has ended it. Throws for a phase that there cannot be. */
export function finalAt(places: number, phase: number): number {
  if (!(phase >= ENDED_BY && phase - ENDED_BY < places)) throw damagedWord('phase', phase, ENDED_BY + places - 1);
  return placeAt(phase - ENDED_BY) + FINAL;
}

/**
 * States of a place. From HELD on it holds the producer back; from LOSSY on by `lossyCursor`, which the producer may
 * push.
 *
 *   FREE --join--> JOINING --> ENTERING --> GATING --leave--> HELD --nobody else reads--> HELD
 *   HELD --join-----------------------------^  |  \--other consumers read--> FREE
 *                                              +--by a policy that loses--> LOSSY --evict--> EVICTED_PLACE --leave-->
 *                                              GATING ...
 */
export const FREE = 0;
export const JOINING = 1;
export const HELD = 2;
export const ENTERING = 3;
export const GATING = 4;
export const LOSSY = 5;
export const EVICTED_PLACE = 6;

/**
 * Set in a `lossyCursor` of variable records, whose cursors are multiples of 8: a push has put it there, the consumer
 * has not moved it since.
 */
export const PUSHED = 1;

/** What the producer does when this consumer is slow. */
export const POLICIES = ['wait', 'block', 'drop-newest', 'drop-oldest', 'evict'] as const;
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
  /** 0: of any length. */
  readonly recordBytes: number;
  readonly places: number;
  /** Bit p: place p is declared, and HELD while nobody has it. */
  readonly kept: number;
  /** Where the records begin. */
  readonly dataBytes: number;
  /** Where the record at a cursor lies, if the records are in chunks. */
  offsetAt?(cursor: number): number;
  /** Who waits for records listens here: the ring's own bell, or that of the group it belongs to. */
  readonly bellWords: Int32Array;
  readonly bell: number;
  /** One lane of many: its producer's end is not the queue's. */
  readonly isLane: boolean;
  /** Of a queue in a file: who this thread is among its sharers, from 1 on. 0: memory of this process alone. */
  readonly sharer: number;
}

/** By the counters of a ring with one place: the records that its consumer has neither read nor lost. */
export function unreadOfOnly(counters: Float64Array): number {
  const at = placeAt(0) >> 1;
  return (
    counters[PUBLISHED]! - counters[at + CONSUMED]! - counters[at + DROPPED_OLDEST]! - counters[at + DROPPED_EVICTED]!
  );
}

/**
 * MPSC: one ring for each producer, and a consumer with a cursor in each.
 *
 *   producer A --> lane 0 |=====>    |--+
 *   producer B --> lane 1 |==>       |--+--> consumer      reads them in turn, at most a quantum from each
 *   producer C --> lane 2 |          |--+
 * No two threads claim the same thing. So there is no hole when a producer dies, no compare-and-exchange for each
 * record, and no ABA. Order is kept for each producer, not between producers. A producer joins a free lane at run time
 * and leaves it again. A lane can be handed to another consumer together with its cursor, which is how work moves to
 * another core.
 *
 * Why not one ring with a shared tail: it costs an exchange for each record, and a producer that dies between its claim
 * and its publish stops everybody behind it; 42 such ends were found in other libraries. Source: the lanes of Aeron's
 * and Seastar's cross-core queues.
 */
import { checkFunction, checkInteger, invalidArgument } from '../errors.js';
import { limitOf } from './copy-bytes.js';
import { ARM, LINK_FROM, SHAPE, WISH } from './doors.js';
import type { FixedConsumer } from './fixed-records.js';
import {
  GROUP_BELL, IS_CLOSING, LANES_VERSION, announceLanes, isTaken, leaveGroup, openRingOf, ownerOf, threadsOf, usedLanes,
  type Group,
} from './group.js';
import type { LinkFrom, LinkableFrom, Linked, RecordShape } from './link-ends.js';
import type { LossyConsumer } from './lossy-consumer.js';
import { isAtEnd } from './mpsc-lanes.js';
import { isLosing, tryJoin, type JoinOptions } from './places.js';
import { CLOSED, EMPTY, EVICTED, OK, type ResultCode } from '../result-codes.js';
import type { QueueMemory } from './ring.js';
import type { VariableConsumer } from './variable-consumer.js';
import type { SyncWaitOptions, WaitOptions } from '../waiting.js';
import { ringBell, waitAsync, waitBlocking, type Wish } from './event-count.js';

/** The consumer of one lane: of fixed or of variable records, or one that may be lapped. */
export type Lane = FixedConsumer | VariableConsumer | LossyConsumer;
type Handler = (view: DataView, offset: number, length: number, type: number) => void;

/** How many records are taken from one lane before the next lane has its turn. */
const QUANTUM = 256;

/**
 * The consuming end of an MPSC queue, over all lanes that it owns. The consumer with the lowest place owns every lane
 * that no other consumer owns, and those of producers that join later. Another consumer that joins gets no record until
 * lanes are handed to it, or until it has the lowest place. It belongs to one thread at a time; nothing blocks except
 * what says so.
 *
 *     const consumer = sub(jobs);                                   // create({ kind: 'mpsc', capacityBytes: 2 ** 16 })
 *     while ((await consumer.ready()) === OK) consumer.drain((view, offset, length) => handle(view, offset, length));
 *
 *     consumer.handOver(consumer.lanes[0], other);                   // to the consumer at place `other`
 */
export class MpscConsumer<L extends Lane = Lane> implements LinkFrom, LinkableFrom {
  /** The number of this consumer's place; others name it in `handOver`. */
  readonly place: number;
  private readonly owned: L[] = [];
  private readonly laneNumbers: number[] = [];
  private seenVersion = -1;
  /** The lane of `owned` to read next. */
  private next = 0;
  private hasLeft = false;
  /** All our lanes have come to their end, and the other consumers know. */
  private hasEnded = false;

  constructor(
    private readonly group: Group, place: number, private readonly make: (ring: QueueMemory, place: number) => L,
    private readonly options: JoinOptions,
  ) {
    this.place = place;
    this.refresh();
  }

  /** The shape of the records in its lanes. */
  get [SHAPE](): RecordShape {
    return {
      recordBytes: this.group.handle.recordBytes, capacity: this.group.handle.capacity,
      isLosing: isLosing(this.options.whenSlow),
    };
  }

  /** The numbers of the lanes that this consumer owns now. Allocates. */
  get lanes(): number[] {
    this.refresh();
    return [...this.laneNumbers];
  }

  [LINK_FROM](): Linked<LinkFrom> {
    return { end: this };
  }

  /** How many records this consumer has lost in the lanes that it owns now, if its policy may lose any. */
  get lost(): number {
    return this.owned.reduce((sum, lane) => sum + lane.lost, 0);
  }

  /**
   * Calls `handler(view, offset, length, type)` for up to `limit` records in place, from each lane in turn and at most
   * 256 from one. Returns how many there were, 0 when empty, CLOSED when none will follow, and EVICTED when a producer
   * has evicted this consumer from a lane. Delivery is at most once, as by `drain` of a single ring. Do not keep
   * `offset` beyond the call.
   */
  drain(handler: Handler, limit = 0x7fffffff): number {
    checkFunction('handler', handler);
    limit = limitOf(limit);
    this.refresh();
    const lanes = this.owned.length;
    let total = 0;
    // A handler may hand lanes over, or leave.
    for (let visited = 0; visited < lanes && total < limit && this.owned.length > 0; visited++) {
      const count = this.nextLane().drain(handler, Math.min(QUANTUM, limit - total));
      if (count > 0) total += count;
    }
    return total > 0 ? total : this.atEmpty();
  }

  /**
   * The next lane in turn that has a record now, to be read through its own `peek` and `release` (at least once). Null
   * when no lane has one; `look` says why.
   */
  select(): L | null {
    this.refresh();
    for (let visited = 0; visited < this.owned.length; visited++) {
      const lane = this.nextLane();
      if (lane.look() === OK) return lane;
    }
    return null;
  }

  /** Copies one record out; EMPTY, CLOSED or EVICTED when there is none. Allocates the copy. */
  poll(): Uint8Array | typeof EMPTY | typeof CLOSED | typeof EVICTED {
    const lane = this.select();
    // Not look(), which would answer OK for a record that comes just now.
    return lane === null ? ((this.atEmpty() || EMPTY) as typeof EMPTY) : lane.poll();
  }

  /**
   * OK when a record can be read; EMPTY; CLOSED when none will follow; or EVICTED, by one of the lanes. Takes nothing
   * and does not block.
   */
  look(): ResultCode {
    this.refresh();
    for (const lane of this.owned) if (lane.look() === OK) return OK;
    return (this.atEmpty() || EMPTY) as ResultCode;
  }

  /**
   * Resolves OK when a record can be read, and CLOSED (or EVICTED) when none will be. Rejects with `signal.reason` when
   * `signal` aborts, and with ERR_PERCORE_TIMEOUT after `timeoutMs`.
   */
  ready(options?: WaitOptions): Promise<ResultCode> {
    this.publishRelease();
    return waitAsync(this[WISH](), options);
  }

  /** As `ready`, but freezes the thread; a reactor may not call it. Returns EMPTY after `timeoutMs`. */
  readySync(options?: SyncWaitOptions): ResultCode {
    this.publishRelease();
    return waitBlocking(this[WISH](), options);
  }

  /** Gives back what was read in each lane, so that no producer waits for a consumer that waits for it. */
  private publishRelease(): void {
    for (const lane of this.owned) lane.publishRelease();
  }

  /** What `ready` waits for: a record in any lane. */
  [WISH](): Wish {
    return {
      bellWords: this.group.words, bell: GROUP_BELL, notYet: EMPTY, look: () => this.look(),
      arm: () => {
        // Without this, a lane that is found only in the look that follows would not be armed.
        this.refresh();
        for (const lane of this.owned) lane[ARM]();
      },
    };
  }

  /**
   * Hands a lane to the consumer at place `to`, which goes on where this one stopped. What this consumer has read is
   * released; nothing is lost or repeated, and what was peeked but not released is read by the other. Throws
   * ERR_PERCORE_INVALID_ARGUMENT if the lane is not ours or there is no consumer at `to`.
   */
  handOver(lane: number, to: number): void {
    checkInteger('to', to, 0, this.group.places - 1);
    const i = this.laneNumbers.indexOf(lane);
    if (i < 0)
      throw invalidArgument('lane', lane, `a lane of this consumer: ${this.laneNumbers.join(', ') || 'it owns none'}`);
    if (!isTaken(this.group, to))
      throw invalidArgument(
        'to', to, `the place of a consumer; there are consumers of threads ${threadsOf(this.group).join(', ')}`,
      );
    this.drop(i, to + 1);
    announceLanes(this.group);
  }

  /**
   * Gives all lanes and the place up. Other consumers take the lanes, or the next one to subscribe does. Do not use the
   * consumer afterwards; a second call does nothing.
   */
  leave(): void {
    if (this.hasLeft) return;
    this.hasLeft = true;
    while (this.owned.length > 0) this.drop(0, 0);
    leaveGroup(this.group, this.place);
    announceLanes(this.group);
  }

  /** As `leave`: the lanes go to other consumers, or to the next one to subscribe. `close(queue)` ends the queue. */
  close(): void {
    this.leave();
  }

  /** Takes lanes that were handed to us or that nobody owns. Costs one load while nothing has changed. */
  private refresh(): void {
    const { words } = this.group;
    // group.lanes: loaded before the owners, so that a later change is seen next time.
    const version = Atomics.load(words, LANES_VERSION);
    if (version === this.seenVersion || this.hasLeft) return;
    let isComplete = true;
    let isFirst = true;
    for (let place = 0; place < this.place; place++) if (isTaken(this.group, place)) isFirst = false;
    // group.lanes: pairs with the producer that has raised the number of used lanes and then announced its lane.
    const used = usedLanes(this.group);
    for (let lane = 0; lane < used; lane++) {
      if (!this.own(lane, isFirst) || this.laneNumbers.includes(lane)) continue;
      const ring = openRingOf(this.group, lane, true);
      // The previous owner may still be about to leave.
      if (tryJoin(ring, { ...this.options, place: 0 }) < 0) isComplete = false;
      else {
        this.owned.push(this.make(ring, 0));
        this.laneNumbers.push(lane);
        this.hasEnded = false;
      }
    }
    if (isComplete) this.seenVersion = version;
  }

  /** True if the lane is ours, either already or from now on: a lane that nobody owns goes to the first consumer. */
  private own(lane: number, isFirst: boolean): boolean {
    const { words } = this.group;
    // group.owner: as the previous owner has left it or handed it over. Carries the cursor.
    const owner = Atomics.load(words, ownerOf(lane));
    if (owner === this.place + 1) return true;
    // The lane may have been handed to a consumer that has left, or died, before it looked.
    if (!isFirst || (owner !== 0 && isTaken(this.group, owner - 1))) return false;
    // group.owner: while a consumer leaves, two others may take themselves for the first. One of them gets the lane.
    return Atomics.compareExchange(words, ownerOf(lane), owner, this.place + 1) === owner;
  }

  private drop(i: number, owner: number): void {
    const lane = this.laneNumbers[i]!;
    this.owned[i]!.leave();
    this.owned.splice(i, 1);
    this.laneNumbers.splice(i, 1);
    // group.owner: pairs with the load and the exchange in own(). The ring's cursor was stored before.
    Atomics.store(this.group.words, ownerOf(lane), owner);
  }

  private nextLane(): L {
    if (this.next >= this.owned.length) this.next = 0;
    return this.owned[this.next++]!;
  }

  /**
   * Nothing was found. Returns 0; CLOSED when nothing will follow; or EVICTED when a producer has evicted us from a
   * lane.
   */
  private atEmpty(): number {
    if (this.hasLeft) return CLOSED;
    // group.close: pairs with closeGroup(). Loaded before the lanes are looked at: producers that join after it give
    // up.
    const isClosing = Atomics.load(this.group.words, IS_CLOSING) === 1;
    if (isClosing) this.refresh();
    let open = 0;
    for (const lane of this.owned) {
      const code = lane.look();
      if (code === EVICTED) return EVICTED;
      if (code !== CLOSED) open++;
    }
    if (!isClosing || open > 0) return 0;
    if (!this.hasEnded) {
      this.hasEnded = true;
      // Other consumers wait until our lanes are at their end too.
      if (this.group.places > 1) ringBell(this.group.words, GROUP_BELL);
    }
    return this.areOthersDone() ? CLOSED : 0;
  }

  /**
   * True if all lanes of other consumers are at their end. Until then they may still come to us, by a hand-over or
   * because their owner leaves.
   */
  private areOthersDone(): boolean {
    const used = usedLanes(this.group);
    for (let lane = 0; lane < used; lane++) {
      if (!this.laneNumbers.includes(lane) && !isAtEnd(openRingOf(this.group, lane, true))) return false;
    }
    return true;
  }
}

/**
 * MPSC: one ring for each producer, and a consumer with a cursor in each.
 *
 *   producer A --> lane 0 |=====>    |--+
 *   producer B --> lane 1 |==>       |--+--> consumer      in turn, at most a quantum from each
 *   producer C --> lane 2 |          |--+
 *
 * Nothing is claimed by two: no hole when a producer dies, no compare-and-exchange in the way of a record, no ABA.
 * Order is kept for each producer, not between producers. A producer joins a free lane at run time and leaves it; a
 * lane can be handed to another consumer with its cursor, which is how work moves to another core.
 *
 * Why not one ring with a shared tail: it costs an exchange a record, and a producer that dies between its claim and
 * its publish stops everybody behind it (RELIABILITY 2.1 found 42 such ends). Source: the lanes of Aeron's and
 * Seastar's cross-core queues.
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

export type Lane = FixedConsumer | VariableConsumer | LossyConsumer;
type Handler = (view: DataView, offset: number, length: number, type: number) => void;

/** Records taken from one lane before the next has its turn. */
const QUANTUM = 256;

/**
 * The consuming end of an MPSC queue, over all lanes that it owns. The consumer with the lowest place owns all that
 * nobody else does, those of later producers too; another that joins waits until lanes are handed to it, or until it
 * has become the first. One thread at a time; nothing blocks but what says so.
 *
 *     const consumer = sub(jobs);                                   // create({ kind: 'mpsc', capacityBytes: 2 ** 16 })
 *     while ((await consumer.ready()) === OK) consumer.drain((view, offset, length) => handle(view, offset, length));
 *
 *     consumer.handOver(consumer.lanes[0], other);                   // to the consumer at place `other`
 */
export class MpscConsumer<L extends Lane = Lane> implements LinkFrom, LinkableFrom {
  /** Number of this consumer's place; others name it in `handOver`. */
  readonly place: number;
  private readonly owned: L[] = [];
  private readonly laneNumbers: number[] = [];
  private seenVersion = -1;
  /** Of `owned`, the lane to read next. */
  private next = 0;
  private hasLeft = false;
  /** All our lanes have come to their end, and the others know. */
  private hasEnded = false;

  constructor(
    private readonly group: Group, place: number, private readonly make: (ring: QueueMemory, place: number) => L,
    private readonly options: JoinOptions,
  ) {
    this.place = place;
    this.refresh();
  }

  /** What the records of its lanes are like. */
  get [SHAPE](): RecordShape {
    return {
      recordBytes: this.group.handle.recordBytes, capacity: this.group.handle.capacity,
      isLosing: isLosing(this.options.whenSlow),
    };
  }

  /** Numbers of the lanes that this consumer owns now. Allocates. */
  get lanes(): number[] {
    this.refresh();
    return [...this.laneNumbers];
  }

  [LINK_FROM](): Linked<LinkFrom> {
    return { end: this };
  }

  /** Records lost by this consumer in all lanes it owns now, where it subscribed with a policy that loses. */
  get lost(): number {
    return this.owned.reduce((sum, lane) => sum + lane.lost, 0);
  }

  /**
   * Calls `handler(view, offset, length, type)` for up to `limit` records, in turn from each lane and at most 256 from
   * one, in place. Returns how many, 0 when empty, CLOSED when none will follow. At most once, as `drain` of a single
   * ring. `lane` says whose they are.
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
   * The next lane, in turn, that has a record now, to be read by its own `peek` and `release` (at least once); null
   * when none has: see `look`.
   */
  select(): L | null {
    this.refresh();
    for (let visited = 0; visited < this.owned.length; visited++) {
      const lane = this.nextLane();
      if (lane.look() === OK) return lane;
    }
    return null;
  }

  /** One record, a copy; EMPTY, CLOSED or EVICTED when there is none. Allocates. */
  poll(): Uint8Array | typeof EMPTY | typeof CLOSED | typeof EVICTED {
    const lane = this.select();
    // Not look(): a record that comes now would make it answer OK.
    return lane === null ? ((this.atEmpty() || EMPTY) as typeof EMPTY) : lane.poll();
  }

  /**
   * OK when a record can be read; EMPTY, CLOSED when none will follow, or EVICTED from one of the lanes. Takes nothing.
   */
  look(): ResultCode {
    this.refresh();
    for (const lane of this.owned) if (lane.look() === OK) return OK;
    return (this.atEmpty() || EMPTY) as ResultCode;
  }

  /** Resolves OK when a record can be read, CLOSED when none will be. Rejects by `signal` and `timeoutMs`. */
  ready(options?: WaitOptions): Promise<ResultCode> {
    return waitAsync(this[WISH](), options);
  }

  /** The same for a thread that may stand still: not inside a reactor. EMPTY after `timeoutMs`. */
  readySync(options?: SyncWaitOptions): ResultCode {
    return waitBlocking(this[WISH](), options);
  }

  /** What `ready` waits for: any lane. */
  [WISH](): Wish {
    return {
      bellWords: this.group.words, bell: GROUP_BELL, notYet: EMPTY, look: () => this.look(),
      arm: () => {
        // A lane that is found only in the look that follows would not be armed.
        this.refresh();
        for (const lane of this.owned) lane[ARM]();
      },
    };
  }

  /**
   * Hands a lane to the consumer at place `to`, which goes on where this one stopped: what this one has read is
   * released, nothing is lost or repeated, and what was peeked and not released is read by the other. Throws when the
   * lane is not ours or nobody is at `to`.
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
   * Gives all lanes and the place up; other consumers take the lanes, or the next one to subscribe. Not to be used
   * after.
   */
  leave(): void {
    if (this.hasLeft) return;
    this.hasLeft = true;
    while (this.owned.length > 0) this.drop(0, 0);
    leaveGroup(this.group, this.place);
    announceLanes(this.group);
  }

  /** As `leave`: the lanes go to other consumers, or to the next one. `close(queue)` ends the queue. */
  close(): void {
    this.leave();
  }

  /** Takes lanes that were handed to us or that nobody owns. One load while nothing has changed. */
  private refresh(): void {
    const { words } = this.group;
    // group.lanes: loaded before the owners, so that a change after it is seen next time.
    const version = Atomics.load(words, LANES_VERSION);
    if (version === this.seenVersion || this.hasLeft) return;
    let isComplete = true;
    let isFirst = true;
    for (let place = 0; place < this.place; place++) if (isTaken(this.group, place)) isFirst = false;
    // group.lanes: pairs with the producer that took a lane beyond it, then announced.
    const used = usedLanes(this.group);
    for (let lane = 0; lane < used; lane++) {
      if (!this.own(lane, isFirst) || this.laneNumbers.includes(lane)) continue;
      const ring = openRingOf(this.group, lane, true);
      // Whoever had it may still be on its way out.
      if (tryJoin(ring, { ...this.options, place: 0 }) < 0) isComplete = false;
      else {
        this.owned.push(this.make(ring, 0));
        this.laneNumbers.push(lane);
        this.hasEnded = false;
      }
    }
    if (isComplete) this.seenVersion = version;
  }

  /** True when the lane is ours, already or from now on: what nobody owns goes to the first consumer. */
  private own(lane: number, isFirst: boolean): boolean {
    const { words } = this.group;
    // group.owner: as it was left or handed over. Carries the cursor.
    const owner = Atomics.load(words, ownerOf(lane));
    if (owner === this.place + 1) return true;
    // It may have been handed to one who has left, or died, before it looked.
    if (!isFirst || (owner !== 0 && isTaken(this.group, owner - 1))) return false;
    // group.owner: two may take themselves for the first while one leaves; one of them gets it.
    return Atomics.compareExchange(words, ownerOf(lane), owner, this.place + 1) === owner;
  }

  private drop(i: number, owner: number): void {
    const lane = this.laneNumbers[i]!;
    this.owned[i]!.leave();
    this.owned.splice(i, 1);
    this.laneNumbers.splice(i, 1);
    // group.owner: pairs with the exchange in refresh(). The ring's cursor was stored before.
    Atomics.store(this.group.words, ownerOf(lane), owner);
  }

  private nextLane(): L {
    if (this.next >= this.owned.length) this.next = 0;
    return this.owned[this.next++]!;
  }

  /** Nothing was found: 0, CLOSED when nothing will be, or EVICTED when one of the lanes has put us out. */
  private atEmpty(): number {
    if (this.hasLeft) return CLOSED;
    // group.close: pairs with closeGroup(). Before the lanes are looked at: those that join after it give up.
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
      // Others wait until our lanes are at their end too.
      if (this.group.places > 1) ringBell(this.group.words, GROUP_BELL);
    }
    return this.areOthersDone() ? CLOSED : 0;
  }

  /** Until all lanes are at their end, those of other consumers may still come to us: handed over, or left. */
  private areOthersDone(): boolean {
    const used = usedLanes(this.group);
    for (let lane = 0; lane < used; lane++) {
      if (!this.laneNumbers.includes(lane) && !isAtEnd(openRingOf(this.group, lane, true))) return false;
    }
    return true;
  }
}

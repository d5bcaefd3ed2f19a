/**
 * What all consumers that read in place share: the private cursor, the release, the look for records and the end. See
 * ring.ts for the picture and the ordering table, and lossy-consumer.ts for consumers that may be lapped.
 *
 * One exchange of `phase` decides, once, where a queue ends. Either the producer seals it behind all it has published,
 * or, when somebody else closed the queue, the first consumer that notices ends it at what is published then. Every
 * consumer reads up to that one end, and a producer that has published beyond it is told so.
 */
import { damagedCursor } from './copy-bytes.js';
import { ARM, LINK_FROM, MOVE_TO, ON_ROOM, SHAPE, WISH } from './doors.js';
import type { LinkCounts, LinkFrom, LinkSource, LinkTo, LinkableFrom, Linked, RecordShape } from './link-ends.js';
import { CLOSED, EMPTY, OK, type ResultCode } from '../result-codes.js';
import {
  ABANDONED, AFTER, ATTENTION, CLOSING, CONSUMED, CONSUMER_WAITS, CURSOR, ENDED_BY, FINAL, FOLLOWER_WAITS, HIGH_WATER,
  OPEN, PHASE, PRODUCER_CURSOR, PRODUCER_WAITS, ROOM_BELL, TAKEN, finalAt, placeAt, type QueueMemory,
} from './ring.js';
import { markCursor, seenFrom } from './mark.js';
import { isLossyPlace, leave } from './places.js';
import { slowestOf } from './stages.js';
import type { SyncWaitOptions, WaitOptions } from '../waiting.js';
import { ringBell, waitAsync, waitBlocking, type Wish } from './event-count.js';

/**
 * The base of every consumer of one ring. Everything here belongs to the one thread that called `sub`; nothing blocks
 * except `readySync`.
 */
export abstract class RingConsumer implements LinkFrom, LinkSource, LinkableFrom {
  /** The ring's memory as 32-bit words, header included; `wordOf` gives positions in it. */
  declare readonly words: Int32Array;
  /** The same memory as bytes; `offsetOf` and `peek` give positions in it. */
  declare readonly bytes: Uint8Array;
  /** The same memory as a DataView, with the same positions as `bytes`. */
  declare readonly view: DataView;
  /** Records that the ring holds (fixed) or its bytes (variable). */
  declare readonly capacity: number;
  /** The number of this consumer's place. Others name it in `after`, or hand lanes to it. */
  declare readonly place: number;
  /** Records that were lost because this consumer was too slow. It is always 0 for one that holds the producer back. */
  lost = 0;
  /**
   * Called after a release for which the producer has asked; whoever parks the producer's thread sets it. Must not
   * throw.
   */
  protected onRoom: (() => void) | null = null;
  /** Units that must be free before the producer is told. */
  private leastRoom = 0;
  protected declare mask: number;
  /** The sequence of the next record to read. Only this thread uses it. */
  protected declare next: number;
  /** The sequence up to which records were given back to the producer. */
  protected declare released: number;
  /** The sequence up to which records may be read, as of our last look. */
  protected declare seen: number;
  /** Records that were read since the last release. */
  protected unreleased = 0;
  /** The word number of this consumer's place. */
  protected declare readonly at: number;
  protected declare readonly counters: Float64Array;
  private declare readonly isFollower: boolean;
  private declare readonly bellWords: Int32Array;
  private declare readonly bell: number;
  private declare highWater: number;
  private hasLeft = false;
  /** True once this end reads nothing any more, because it has left or closed. */
  protected isOver = false;
  protected declare readonly memory: QueueMemory;

  constructor(memory: QueueMemory, place: number) {
    this.memory = memory;
    this.words = memory.words;
    this.bytes = memory.bytes;
    this.view = memory.view;
    this.counters = memory.counters;
    this.capacity = memory.capacity;
    this.mask = memory.capacity - 1;
    this.bellWords = memory.bellWords;
    this.bell = memory.bell;
    this.place = place;
    this.at = placeAt(place);
    // ring.follow: stored by describe() in this very thread, or by create().
    this.isFollower = Atomics.load(this.words, this.at + AFTER) !== 0;
    // Stored by join(); only this thread moves it.
    this.next = Atomics.load(this.words, this.at + CURSOR);
    this.released = this.next;
    this.seen = this.next;
    this.highWater = this.words[this.at + HIGH_WATER]!;
  }

  /**
   * The shape of its records. `isLosing` says that they may be overwritten before they are read. `maxRecordBytes` is
   * present only where it is not half the capacity.
   */
  get [SHAPE](): RecordShape {
    return {
      recordBytes: this.memory.recordBytes, capacity: this.capacity, isLosing: isLossyPlace(this.memory, this.place),
    };
  }

  /** Tells the producer, by one store, that everything read so far may be overwritten. */
  publishRelease(): void {
    if (this.released === this.next) return;
    this.released = this.next;
    // Only this thread writes the counter, and there is no copy of it: a number field of an object that is no small
    // integer is allocated anew at each change.
    this.counters[(this.at >> 1) + CONSUMED]! += this.unreleased;
    this.unreleased = 0;
    // Without this, the mark of a consumer that only peeks would stay, and would mean something else 2^31 records
    // later.
    this.take(this.next);
    // ring.free, ring.follow: pair with the loads in look() of the producer and in behindOthers(). Every read of these
    // records comes before this store.
    Atomics.store(this.words, this.at + CURSOR, this.next);
    // ring.attention: look for wishes after the cursor is stored. Pairs with askForUnits() and arm().
    if ((Atomics.load(this.words, ATTENTION) & (PRODUCER_WAITS | FOLLOWER_WAITS)) !== 0) this.attend();
  }

  /** True while records remain that the last look at the producer's cursor has seen. Costs no shared access. */
  hasSeenMore(): boolean {
    return this.next !== this.seen;
  }

  /**
   * OK when a record can be read now; EMPTY; CLOSED when none will follow; or EVICTED. Takes nothing and does not
   * block.
   */
  look(): ResultCode {
    return this.lookAhead();
  }

  /** This consumer if it has a record, null if not: the same method as that of consumers which read several rings. */
  select(): this | null {
    return this.look() === OK ? this : null;
  }

  /** See doors.ts. */
  [LINK_FROM](): Linked<LinkFrom> {
    return { end: this };
  }

  /** See doors.ts. */
  [ON_ROOM](then: () => void, least = 0): void {
    this.onRoom = then;
    this.leastRoom = least;
  }

  /** Moves up to `limit` records to another queue; see link-ends.ts. */
  abstract [MOVE_TO](to: LinkTo, limit: number, counts: LinkCounts): ResultCode;

  /**
   * Resolves OK when a record can be read, and CLOSED (or EVICTED) when none will be. Gives back what was read first.
   * Rejects with `signal.reason` when `signal` aborts, and with ERR_PERCORE_TIMEOUT after `timeoutMs`.
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

  /** What `ready` waits for. MPSC and banded queues wait for many of these at once. */
  [WISH](): Wish {
    return {
      bellWords: this.bellWords, bell: this.bell, notYet: EMPTY, look: () => this.lookAhead(), arm: () => this[ARM](),
    };
  }

  /** Says that somebody sleeps until this ring has records; see doors.ts. */
  [ARM](): void {
    // ring.attention: set our wish, after which the caller looks again. Pairs with flush() of the producer, or with
    // publishRelease() of the stage before.
    Atomics.or(this.words, ATTENTION, this.isFollower ? FOLLOWER_WAITS : CONSUMER_WAITS);
    // ring.follow: when all stages before have left, it is the producer that we wait for. Loaded after the wish is set,
    // so that a stage which leaves now rings.
    const isBehindProducer = !this.isFollower || Atomics.load(this.words, this.at + AFTER) === 0;
    if (this.isFollower && isBehindProducer) Atomics.or(this.words, ATTENTION, CONSUMER_WAITS);
    // ring.mark: comes after the bit, which the producer looks for if it finds the mark.
    if (isBehindProducer) markCursor(this.memory, this.next);
  }

  /**
   * Gives the place up. What was read is released. What was not read stays for the next consumer of this place if the
   * place is declared or if nobody else reads; otherwise nobody waits for it. Do not use the consumer afterwards; a
   * second call does nothing.
   */
  leave(): void {
    // The place may belong to another consumer by now.
    if (this.hasLeft) return;
    this.hasLeft = true;
    this.end();
    leave(this.memory, this.place);
    // Those that read behind us may go on without us, and our own waits end.
    ringBell(this.bellWords, this.bell);
    this.tellRoom();
  }

  /**
   * As `leave`, except for the only place of a queue: that one is given up for good. Its producer then gets CLOSED and
   * counts the records that nobody has read. Do not use the consumer afterwards.
   */
  close(): void {
    if (this.memory.places > 1 || this.memory.isLane || this.hasLeft) {
      this.leave();
      return;
    }
    this.end();
    // ring.phase: pairs with obeyClosing(). If the producer has closed already, there is nobody to tell.
    Atomics.compareExchange(this.words, PHASE, OPEN, ABANDONED);
    // ring.attention, ring.mark: make the producer look at the phase at its next publish, or when the ring is full.
    Atomics.or(this.words, ATTENTION, CLOSING);
    markCursor(this.memory, this.next);
    // Ends our own waits.
    ringBell(this.bellWords, this.bell);
    this.tellRoom();
  }

  /** Releases what was read. From here on nothing is found, not even by a `drain` whose handler has called this. */
  private end(): void {
    this.publishRelease();
    this.isOver = true;
    this.seen = this.next;
  }

  /** OK when a record can be read, EMPTY, or CLOSED when none will follow. */
  protected lookAhead(): ResultCode {
    return this.next !== this.seen ? OK : this.lookAgain();
  }

  private lookAgain(): ResultCode {
    const words = this.words;
    if (this.isOver) return CLOSED;
    // ring.publish: pairs with the store in flush(). The bytes of the records are visible after this load.
    let seen = seenFrom(this.next, Atomics.load(words, PRODUCER_CURSOR));
    if (this.isFollower) seen = this.behindOthers(seen);
    // ring.attention: pairs with closeRing() and close() of a consumer. Loaded after the cursor: if the queue is not
    // closing yet, everything up to the cursor will lie before its end.
    if ((Atomics.load(words, ATTENTION) & CLOSING) !== 0) return this.lookAtEnd();
    if (this.next !== seen) {
      this.seen = seen;
      const unread = (seen - this.released) >>> 0;
      if (unread > this.highWater) this.noteDepth(unread, seen);
      return OK;
    }
    // ring.phase: pairs with close() of the producer.
    return Atomics.load(words, PHASE) === OPEN ? EMPTY : this.lookAtEnd();
  }

  /**
   * Notes that more is unread than ever before, or throws if the producer's cursor cannot be one that it has published.
   */
  private noteDepth(unread: number, seen: number): void {
    // A consumer that may be lapped finds that out later.
    if (unread > this.capacity && !this.mayBeLapped()) {
      this.seen = this.next;
      throw damagedCursor('producer', seen, this.released, this.capacity);
    }
    this.words[this.at + HIGH_WATER] = this.highWater = Math.min(unread, this.capacity);
  }

  /** True for a consumer whose records may be overwritten before it has read them. */
  protected mayBeLapped(): boolean {
    return false;
  }

  /** The queue is closing or closed: finds what is left up to its end. */
  private lookAtEnd(): ResultCode {
    const words = this.words;
    // ring.phase: pairs with obeyClosing() and close() of the producer.
    let phase = Atomics.load(words, PHASE);
    if (phase === OPEN) {
      // ring.publish: the end that we propose. Loaded after CLOSING was seen, hence not before anything that was read.
      // ring.mark: of what is published from there on, the producer learns that it lies behind the end.
      Atomics.store(words, this.at + FINAL, markCursor(this.memory, this.next));
      // ring.phase: the first exchange decides where the ring ends. Carries FINAL.
      phase = Atomics.compareExchange(words, PHASE, OPEN, ENDED_BY + this.place);
      if (phase === OPEN) phase = ENDED_BY + this.place;
    }
    // ring.publish: a sealed ring ends behind everything that was published before it was sealed.
    const end = phase >>> 0 < ENDED_BY
      ? seenFrom(this.next, Atomics.load(words, PRODUCER_CURSOR))
      : Atomics.load(words, finalAt(this.memory.places, phase));
    // A consumer that has joined after the end was decided may stand behind it.
    if (((end - this.next) | 0) <= 0) return CLOSED;
    if ((end - this.released) >>> 0 > this.capacity && !this.mayBeLapped())
      throw damagedCursor('producer', end, this.released, this.capacity);
    this.seen = this.isFollower ? this.behindOthers(end) : end;
    return this.next === this.seen ? EMPTY : OK;
  }

  /**
   * `limit`, or the cursor of the slowest consumer that we read behind, whichever is less; but never less than where we
   * stand.
   */
  private behindOthers(limit: number): number {
    // ring.follow: a consumer that leaves clears its bit.
    const slowest = slowestOf(this.words, this.memory.places, Atomics.load(this.words, this.at + AFTER), limit);
    // A consumer that joins begins at what is published, which those before it may not have reached yet.
    return ((slowest - this.next) | 0) > 0 ? slowest : this.next;
  }

  /**
   * Notes how far records have been given to a handler. Nobody reads this before a death; then `recover` goes on behind
   * it.
   */
  protected take(sequence: number): void {
    this.words[this.at + TAKEN] = sequence;
  }

  /** Somebody waits for what was just released. */
  private attend(): void {
    if (this.leastRoom !== 0 && !this.hasLeastRoom()) return;
    // ring.attention: the one whose exchange finds a bit rings, once for each wish; it is set again by who must wait
    // again.
    const flags = Atomics.and(this.words, ATTENTION, ~(PRODUCER_WAITS | FOLLOWER_WAITS));
    if ((flags & FOLLOWER_WAITS) !== 0) ringBell(this.bellWords, this.bell);
    if ((flags & PRODUCER_WAITS) !== 0) this.tellRoom();
  }

  /**
   * Whether so much is free that the producer, which waits for no less, would be told to some purpose. If not, its wish
   * stays for the next release.
   */
  private hasLeastRoom(): boolean {
    // ring.publish: who waits for room has published all that it has committed, so what is free is what it will find.
    const unread = (seenFrom(this.next, Atomics.load(this.words, PRODUCER_CURSOR)) - this.next) | 0;
    return this.capacity - unread >= this.leastRoom;
  }

  private tellRoom(): void {
    ringBell(this.words, ROOM_BELL);
    if (this.onRoom !== null) this.onRoom();
  }
}

/**
 * What all consumers that read in place share: the private cursor, release, the look for records, the end. See ring.ts
 * for the picture and the ordering table; lossy-consumer.ts for those that may be lapped.
 *
 * Where a queue ends is decided once, by an exchange of `phase`: by the producer, which seals it behind all it has
 * published; or, when somebody else closed the queue, by the first consumer that notices, at what is published then.
 * Every consumer reads up to that one end, and a producer that published beyond it is told.
 */
import { damagedCursor } from './copy-bytes.js';
import { ARM, LINK_FROM, MOVE_TO, ON_ROOM, SHAPE, WISH } from './doors.js';
import type { LinkCounts, LinkFrom, LinkSource, LinkTo, LinkableFrom, Linked, RecordShape } from './link-ends.js';
import { CLOSED, EMPTY, OK, type ResultCode } from '../result-codes.js';
import {
  ABANDONED, AFTER, ATTENTION, CLOSING, CONSUMED, CONSUMER_WAITS, CURSOR, ENDED_BY, FINAL, FOLLOWER_WAITS, HIGH_WATER,
  OPEN, PHASE, PRODUCER_CURSOR, PRODUCER_WAITS, ROOM_BELL, TAKEN, finalAt, placeAt, type QueueMemory,
} from './ring.js';
import { isLossyPlace, leave } from './places.js';
import { slowestOf } from './stages.js';
import type { SyncWaitOptions, WaitOptions } from '../waiting.js';
import { ringBell, waitAsync, waitBlocking, type Wish } from './event-count.js';

/** What every consumer can be asked, whatever kind it is. */
export abstract class RingConsumer implements LinkFrom, LinkSource, LinkableFrom {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly capacity: number;
  /** Number of this consumer's place: others name it in `after` or hand lanes to it. */
  readonly place: number;
  /** Records lost because this consumer was too slow; always 0 for one that holds the producer back. */
  lost = 0;
  /** Called after a release when the producer had asked for room: for whoever parks its thread. Must not throw. */
  protected onRoom: (() => void) | null = null;
  /** Units that must be free before the producer is told. */
  private leastRoom = 0;
  protected mask: number;
  /** Sequence of the next record to read. Only this thread uses it. */
  protected next: number;
  protected released: number;
  /** Sequence up to which records may be read, as we last saw it. */
  protected seen: number;
  /** Records read since the last release. */
  protected unreleased = 0;
  /** Word number of this consumer's place. */
  protected readonly at: number;
  protected readonly counters: Float64Array;
  private readonly isFollower: boolean;
  private readonly bellWords: Int32Array;
  private readonly bell: number;
  private highWater: number;
  private hasLeft = false;
  /** This end reads nothing any more: it has left, or closed. */
  protected isOver = false;
  protected readonly memory: QueueMemory;

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
    // ring.follow: stored by describe() of this very thread, or by create().
    this.isFollower = Atomics.load(this.words, this.at + AFTER) !== 0;
    // Stored by join(); only this thread moves it.
    this.next = Atomics.load(this.words, this.at + CURSOR);
    this.released = this.next;
    this.seen = this.next;
    this.highWater = this.words[this.at + HIGH_WATER]!;
  }

  /**
   * What its records are like; `isLosing`: they may be overwritten before they are read. `maxRecordBytes` where it is
   * not half the capacity.
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
    // Ours alone to write, and kept nowhere else: a field of an object would allocate for each change once it is no
    // small integer.
    this.counters[(this.at >> 1) + CONSUMED]! += this.unreleased;
    this.unreleased = 0;
    // One that only peeks would leave a mark that means something else 2^31 records later.
    this.take(this.next);
    // ring.free, ring.follow: pair with the loads in look() of the producer and behindOthers(). All reads of the
    // records above come before this store.
    Atomics.store(this.words, this.at + CURSOR, this.next);
    // ring.attention: look for a wish after the cursor is stored. Pairs with askForRoom() and arm().
    if ((Atomics.load(this.words, ATTENTION) & (PRODUCER_WAITS | FOLLOWER_WAITS)) !== 0) this.attend();
  }

  /** True while records are left that the last look at the producer's cursor has seen. Costs no shared access. */
  hasSeenMore(): boolean {
    return this.next !== this.seen;
  }

  /** OK when a record can be read now; EMPTY, CLOSED when none will follow, or EVICTED. Takes nothing. */
  look(): ResultCode {
    return this.lookAhead();
  }

  /** As of consumers of several rings: this one, if it has a record; null if not. */
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
   * Resolves OK when a record can be read, CLOSED (or EVICTED) when none will be. Rejects by `signal` and `timeoutMs`.
   */
  ready(options?: WaitOptions): Promise<ResultCode> {
    this.publishRelease();
    return waitAsync(this[WISH](), options);
  }

  /** The same for a thread that may stand still: not inside a reactor. EMPTY after `timeoutMs`. */
  readySync(options?: SyncWaitOptions): ResultCode {
    this.publishRelease();
    return waitBlocking(this[WISH](), options);
  }

  /** What `ready` waits for; MPSC and banded queues wait for many at once. */
  [WISH](): Wish {
    return {
      bellWords: this.bellWords, bell: this.bell, notYet: EMPTY, look: () => this.lookAhead(), arm: () => this[ARM](),
    };
  }

  [ARM](): void {
    // ring.attention: set my wish; the caller looks again. Pairs with flush() of the producer, or publishRelease() of
    // the stage before.
    Atomics.or(this.words, ATTENTION, this.isFollower ? FOLLOWER_WAITS : CONSUMER_WAITS);
    // ring.follow: when all stages before have left, the producer is whom we wait for. Loaded after the wish, so that
    // one which leaves now rings.
    if (this.isFollower && Atomics.load(this.words, this.at + AFTER) === 0)
      Atomics.or(this.words, ATTENTION, CONSUMER_WAITS);
  }

  /**
   * Gives the place up. What is read is released; what is not stays for the next consumer of this place if it is
   * declared or if nobody else reads, and is otherwise nobody's concern. Do not use it afterwards; a second call does
   * nothing.
   */
  leave(): void {
    // The place may have another owner by now.
    if (this.hasLeft) return;
    this.hasLeft = true;
    this.end();
    leave(this.memory, this.place);
    // Those that read behind us may read on without us; our own waits are over.
    ringBell(this.bellWords, this.bell);
    this.tellRoom();
  }

  /**
   * Leaves; the only place of a queue is given up for good, so that its producer gets CLOSED and counts what nobody has
   * read. Not to be used after.
   */
  close(): void {
    if (this.memory.places > 1 || this.memory.isLane || this.hasLeft) {
      this.leave();
      return;
    }
    this.end();
    // ring.phase: pairs with obeyClosing(). After a producer that has closed there is nobody to tell.
    Atomics.compareExchange(this.words, PHASE, OPEN, ABANDONED);
    // ring.attention: makes the producer look at the phase with its next publish, or when it is full.
    Atomics.or(this.words, ATTENTION, CLOSING);
    // Our own waits are over.
    ringBell(this.bellWords, this.bell);
    this.tellRoom();
  }

  /** Releases what was read. From here on nothing is found, also by a `drain` whose handler has called this. */
  private end(): void {
    this.publishRelease();
    this.isOver = true;
    this.seen = this.next;
  }

  /** OK when a record can be read; EMPTY, or CLOSED when none will follow. */
  protected lookAhead(): ResultCode {
    return this.next !== this.seen ? OK : this.lookAgain();
  }

  private lookAgain(): ResultCode {
    const words = this.words;
    if (this.isOver) return CLOSED;
    // ring.publish: pairs with the store in flush(). The records' bytes are visible after this load.
    let seen = Atomics.load(words, PRODUCER_CURSOR);
    if (this.isFollower) seen = this.behindOthers(seen);
    // ring.attention: pairs with close(). Loaded after the cursor: unless the queue closes, all up to the cursor will
    // be within its end.
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

  /** More is unread than ever before; or the producer's cursor is not a sequence that it can have published. */
  private noteDepth(unread: number, seen: number): void {
    // One that may be lapped finds that out later.
    if (unread > this.capacity && !this.mayBeLapped()) {
      this.seen = this.next;
      throw damagedCursor('producer', seen, this.released, this.capacity);
    }
    this.words[this.at + HIGH_WATER] = this.highWater = Math.min(unread, this.capacity);
  }

  protected mayBeLapped(): boolean {
    return false;
  }

  /** The queue is closing or closed: what is left up to its end. */
  private lookAtEnd(): ResultCode {
    const words = this.words;
    // ring.phase: pairs with obeyClosing() and close() of the producer.
    let phase = Atomics.load(words, PHASE);
    if (phase === OPEN) {
      // ring.publish: the end that we propose. Loaded after CLOSING was seen, hence beyond what anybody has read.
      Atomics.store(words, this.at + FINAL, Atomics.load(words, PRODUCER_CURSOR));
      // ring.phase: whoever exchanges first says where the ring ends. Carries FINAL.
      phase = Atomics.compareExchange(words, PHASE, OPEN, ENDED_BY + this.place);
      if (phase === OPEN) phase = ENDED_BY + this.place;
    }
    // ring.publish: a sealed ring ends behind all that was published before it was sealed.
    const end = Atomics.load(words, phase >>> 0 < ENDED_BY ? PRODUCER_CURSOR : finalAt(this.memory.places, phase));
    // A consumer that joined after the end was found may stand behind it.
    if (((end - this.next) | 0) <= 0) return CLOSED;
    if ((end - this.released) >>> 0 > this.capacity && !this.mayBeLapped())
      throw damagedCursor('producer', end, this.released, this.capacity);
    this.seen = this.isFollower ? this.behindOthers(end) : end;
    return this.next === this.seen ? EMPTY : OK;
  }

  /**
   * `limit`, or the cursor of the slowest of those that we read behind, if that is less; but never less than where we
   * stand.
   */
  private behindOthers(limit: number): number {
    // ring.follow: who leaves takes its bit out.
    const slowest = slowestOf(this.words, this.memory.places, Atomics.load(this.words, this.at + AFTER), limit);
    // Who joins begins at what is published, where those before it may not have come yet.
    return ((slowest - this.next) | 0) > 0 ? slowest : this.next;
  }

  /**
   * Notes how far records have been given to a handler: after a death `recover` goes on behind them. Read by nobody
   * before.
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
    const unread = (Atomics.load(this.words, PRODUCER_CURSOR) - this.next) >>> 0;
    return this.capacity - unread >= this.leastRoom;
  }

  private tellRoom(): void {
    ringBell(this.words, ROOM_BELL);
    if (this.onRoom !== null) this.onRoom();
  }
}

/**
 * What all producers share: the private cursor, lazy publishing, the look for room, closing. See ring.ts for the
 * picture and the ordering table.
 *
 * Publishing is lazy when `publishEvery` is above 1: the store that publishes costs a locked exchange, so it is made
 * once for many records. A producer that dies before `flush` loses what it had not published and nothing else: there is
 * no shared claim, hence no hole and no repair.
 */
import { checkInteger } from '../errors.js';
import { awaitPromised, noteRefusal, type Refuser } from '../refusals.js';
import type { LinkTo, LinkableTo, Linked } from './link-ends.js';
import { BACK_PRESSURED, CLOSED, DROPPED, OK, type ResultCode } from '../result-codes.js';
import { me } from './places.js';
import {
  ABANDONED, ATTENTION, BLOCK, CLOSING, CONSUMED, CONSUMER_WAITS, CURSOR, DROPPED_CLOSED, DROPPED_EVICTED,
  DROPPED_NEWEST, DROPPED_OLDEST, DROP_NEWEST, DROP_OLDEST, EVICT, EVICTED_PLACE, EVICT_AFTER_MS, HELD, LOSSY,
  LOSSY_CURSOR, OPEN, PHASE, PLACE_WORDS, POLICY, PRODUCER_CURSOR, PRODUCER_HIGH_WATER, PRODUCER_THREAD, PRODUCER_WAITS,
  PUBLISHED, PUSHED, PUSH_COUNT, PUSH_CURSOR, REFUSED, SEALED, ROOM_BELL, STATE, THREAD, finalAt, placeAt,
  type QueueMemory,
} from './ring.js';
import type { SyncWaitOptions, WaitOptions } from '../waiting.js';
import { ringBell, waitAsync, waitBlocking, type Wish } from './event-count.js';

const FIRST_PLACE = placeAt(0);
/** What may be asked for at once: the longest ring there is. */
export const MOST_ASKED = 2 ** 30;

export abstract class RingProducer implements Refuser, LinkTo, LinkableTo {
  /**
   * The ring's memory, header included; `offsetOf` and `tryClaim` give positions in it. Words are fastest for aligned
   * 32-bit fields.
   */
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly capacity: number;
  /** Publish at the latest after so many committed records; 1 publishes each at once. */
  publishEvery: number;
  /** Records committed and not yet published. */
  unpublished = 0;
  /** Called when a commit leaves the first record unpublished: somebody will flush it later. */
  onUnpublished: (() => void) | null = null;
  /** Called after each publish, before anybody is woken: a banded queue says which band is ready. */
  onPublish: (() => void) | null = null;
  /** Steps of this thread that it refuses wait for it. A lane's outlet waits in its own way. */
  isRefuser = true;
  protected mask: number;
  /** PUSHED where the records vary in length, else 0. */
  private readonly pushedBit: number;
  /** Sequence of the next claim. Only this thread uses it. */
  protected next: number;
  /** Sequence up to which records are published. */
  protected published: number;
  /** Cursor of the slowest consumer when we last looked: it may be further by now. */
  protected gate: number;
  /** CLOSED from now on. */
  protected isEnded = false;
  /**
   * What was last refused for want of room, as its claim was written: records, or bytes. 0 when it has been taken
   * since.
   */
  protected refused = 0;
  private hasLeft = false;
  protected readonly counters: Float64Array;
  private readonly endOfPlaces: number;
  /** Places that are declared, a bit each. */
  private readonly kept: number;
  private readonly bellWords: Int32Array;
  private readonly bell: number;
  /** One of many producers: what ends with it is its lane, not the queue. */
  private readonly isLane: boolean;
  /** A consumer in the way has asked that `offer` stand still. */
  private isBlocked = false;
  /**
   * Of each place that may be evicted: where it stood when we first found it in the way, and since when. Made with the
   * first.
   */
  private standstills: { readonly cursors: Int32Array; readonly sinceMs: Float64Array } | null = null;
  /** When the next of them is due. */
  private evictionAtMs = Infinity;

  constructor(memory: QueueMemory, publishEvery: number) {
    this.words = memory.words;
    this.bytes = memory.bytes;
    this.view = memory.view;
    this.counters = memory.counters;
    this.capacity = memory.capacity;
    this.mask = memory.capacity - 1;
    this.pushedBit = memory.recordBytes === 0 ? PUSHED : 0;
    this.endOfPlaces = placeAt(memory.places);
    this.kept = memory.kept;
    this.bellWords = memory.bellWords;
    this.bell = memory.bell;
    this.isLane = memory.isLane;
    this.publishEvery = publishEvery;
    // Stored by the producer before this one, or by create(); only a producer moves it.
    this.next = Atomics.load(this.words, PRODUCER_CURSOR);
    this.published = this.next;
    // As if the ring were full, so that the first claim looks.
    this.gate = (this.next - this.capacity) | 0;
  }

  /**
   * Makes all committed records visible with one store. OK, or CLOSED when the queue was closed before them; then they
   * are counted as dropped.
   */
  flush(): ResultCode {
    const count = this.unpublished;
    if (count === 0) return this.isEnded ? CLOSED : OK;
    this.unpublished = 0;
    if (this.isEnded) return this.forget(count);
    this.published = this.next;
    // Ours alone to write, and kept nowhere else: a field of an object would allocate for each change once it is no
    // small integer.
    this.counters[PUBLISHED]! += count;
    // ring.publish: pairs with the load in look() of the consumer. The records above must be visible before this cursor
    // is.
    Atomics.store(this.words, PRODUCER_CURSOR, this.next);
    if (this.onPublish !== null) this.onPublish();
    // ring.attention: the cursor is stored, now look who waits for it. Pairs with arm() of consumers and close().
    return Atomics.load(this.words, ATTENTION) === 0 ? OK : this.attend(count);
  }

  /**
   * This producer sends nothing more. With one place for producers that ends the queue: consumers drain, then get
   * CLOSED. With more (MPSC) it gives the place up, and `close(queue)` ends the queue.
   */
  close(): void {
    if (this.isLane || this.hasLeft) {
      this.leave();
      return;
    }
    this.hasLeft = true;
    this.flush();
    // Follows the last ring.publish. Where the consumer has ended the ring before, this is when we learn what nobody
    // has read.
    if (!this.isEnded) this.obeyClosing(0);
    Atomics.store(this.words, PRODUCER_THREAD, 0);
    // Everybody who waits for records learns that there will be none; our own waits for room, that they are over.
    ringBell(this.bellWords, this.bell);
    ringBell(this.words, ROOM_BELL);
  }

  /**
   * Publishes what is committed and gives the place up: another `pub` may go on where this one stopped. Not to be used
   * after; once more does nothing.
   */
  leave(): void {
    // The place may have another owner by now.
    if (this.hasLeft) return;
    this.hasLeft = true;
    this.flush();
    // ring.attention: pairs with close(). Nobody else would count what a closing queue has not taken from us.
    if (!this.isEnded && (Atomics.load(this.words, ATTENTION) & CLOSING) !== 0) this.obeyClosing(0);
    this.isEnded = true;
    this.gate = (this.next - this.capacity) | 0;
    // Carries the cursor and the counters to the next producer, which takes the place by an exchange.
    Atomics.store(this.words, PRODUCER_THREAD, 0);
    // Our own waits for room are over.
    ringBell(this.words, ROOM_BELL);
  }

  /** To wait at the bell of this ring until `units` are free. This thread alone. */
  private wishFor(units: () => number): Wish {
    return {
      bellWords: this.words, bell: ROOM_BELL, notYet: BACK_PRESSURED, look: () => this.lookFor(units()),
      arm: () => void Atomics.or(this.words, ATTENTION, PRODUCER_WAITS), untilMs: () => this.evictionAtMs,
    };
  }

  /**
   * To wait until nothing will be taken any more: this end has closed or left, the queue is closing, or its only
   * consumer has closed.
   */
  endWish(): Wish {
    // ring.attention: as in wishFor().
    return {
      bellWords: this.words, bell: ROOM_BELL, notYet: BACK_PRESSURED,
      look: () => (this.hasEnded() ? CLOSED : BACK_PRESSURED),
      arm: () => void Atomics.or(this.words, ATTENTION, PRODUCER_WAITS),
    };
  }

  linkTo(): Linked<LinkTo> {
    return { end: this };
  }

  abstract takesAll(recordBytes: number, longest: number): boolean;
  abstract claimFor(length: number, type: number): number;
  abstract commit(): ResultCode;
  abstract room(units?: number, options?: WaitOptions): Promise<ResultCode>;

  private hasEnded(): boolean {
    // ring.attention: pairs with close(). What is committed is published first: it may still be within the end.
    if (!this.isEnded && (Atomics.load(this.words, ATTENTION) & CLOSING) !== 0) {
      this.flush();
      if (!this.isEnded) this.obeyClosing(0);
    }
    return this.isEnded || this.hasLeft;
  }

  /**
   * Resolves OK when `units()` are free, CLOSED when there never will be. How many it takes may change with where the
   * producer stands. Flushes first.
   */
  protected roomFor(units: () => number, options: WaitOptions | undefined): Promise<ResultCode> {
    return waitAsync(this.wishFor(units), options);
  }

  /** For steps of reactors alone, of one that was refused; see `Refuser`. */
  awaitRoom(units: number, then: () => void): () => void {
    return awaitPromised((options) => this.roomFor(() => units, options), then);
  }

  protected blockFor(units: () => number, options: SyncWaitOptions | undefined): ResultCode {
    return waitBlocking(this.wishFor(units), options);
  }

  /**
   * Asks the consumer to tell when it releases records; returns true if there is already room for `needed`, so that
   * nobody must wait. The caller then parks or goes on; who tells it is the consumer's `onRoom`.
   */
  askForRoom(needed: number): boolean {
    if (typeof needed !== 'number' || (needed | 0) !== needed || needed < 0)
      checkInteger('needed', needed, 0, MOST_ASKED);
    // ring.attention: set my wish, then look again. Pairs with publishRelease(), which stores the cursor, then looks
    // for wishes. Sequentially consistent on both ends, or both could miss each other. Bit by bit, since others have
    // bits here.
    Atomics.or(this.words, ATTENTION, PRODUCER_WAITS);
    if (this.lookFor(needed) === BACK_PRESSURED) return false;
    // Only a hint is lost if the consumer clears it at the same moment.
    Atomics.and(this.words, ATTENTION, ~PRODUCER_WAITS);
    return true;
  }

  /**
   * OK when `needed` units beyond `next` are free for `records` records, after one look at the consumers if need be.
   */
  protected ensureRoom(needed: number, records: number): ResultCode {
    return ((this.next + needed - this.gate) | 0) <= this.capacity ? OK : this.findRoom(needed, records);
  }

  private findRoom(needed: number, records: number): ResultCode {
    const code = this.lookFor(needed);
    this.refused = 0;
    if (code === BACK_PRESSURED) {
      this.counters[REFUSED]!++;
      if (this.isRefuser) noteRefusal(this, needed);
    }
    else if (code === DROPPED) this.counters[DROPPED_NEWEST]! += records;
    return code;
  }

  /** True when the last look has found a consumer in the way that has asked that `offer` sleep until there is room. */
  protected mustBlock(): boolean {
    return this.isBlocked;
  }

  /**
   * Moves from `cursor` over whole records until at least `least`. Returns the new cursor; `skippedRecords` says how
   * many.
   */
  protected abstract skip(cursor: number, least: number): number;
  protected skippedRecords = 0;

  /** A commit of `count` records: publishes now or lets somebody know that it must be done later. */
  protected committed(count: number): ResultCode {
    this.unpublished += count;
    if (this.unpublished >= this.publishEvery) return this.flush();
    if (this.onUnpublished !== null && this.unpublished === count) this.onUnpublished();
    return OK;
  }

  private lookFor(needed: number): ResultCode {
    if (this.isEnded) return CLOSED;
    let code = this.look(needed);
    if (code === OK) return OK;
    // What is committed but unpublished can never be drained: nobody may wait for room on it.
    if (this.unpublished > 0) {
      this.flush();
      code = this.isEnded ? CLOSED : this.look(needed);
    }
    // ring.attention: pairs with close(). A full ring is asked whether it will ever be drained.
    if (code !== OK && !this.isEnded && (Atomics.load(this.words, ATTENTION) & CLOSING) !== 0) this.obeyClosing(0);
    return this.isEnded ? CLOSED : code;
  }

  /** Looks at every consumer's cursor, and pushes those that may be lapped and stand in the way. */
  protected look(needed: number): ResultCode {
    const words = this.words;
    /** No cursor may stand before this one. */
    const least = (this.next + needed - this.capacity) | 0;
    // Where nobody holds us back, nothing beyond what is published may be overwritten: who joins now begins there.
    let gate = this.published;
    let slow = 0;
    let code: ResultCode = OK;
    this.isBlocked = false;
    this.evictionAtMs = Infinity;
    for (let at = FIRST_PLACE; at < this.endOfPlaces; at += PLACE_WORDS) {
      // ring.join: pairs with join(). A place that is not seen here has not begun to read; it will begin at what is
      // published, or later.
      const state = Atomics.load(words, at + STATE);
      if (state < HELD) continue;
      // ring.free: pairs with publishRelease(). What the consumer read is read before we overwrite it.
      const cursor = Atomics.load(words, at + (state < LOSSY ? CURSOR : LOSSY_CURSOR)) & ~this.pushedBit;
      if (((gate - cursor) | 0) > 0) gate = cursor;
      if (((least - cursor) | 0) <= 0) continue;
      if (state >= LOSSY && this.mayPush(at, state, cursor)) {
        slow++;
        continue;
      }
      // Written before the state by the consumer, so a place that holds us back shows its policy.
      const policy = Atomics.load(words, at + POLICY);
      if (policy === BLOCK && this.mayBlock(at)) this.isBlocked = true;
      // Whoever takes this place over has not stood still yet.
      if (state < LOSSY && this.standstills !== null) this.standstills.sinceMs[(at - FIRST_PLACE) / PLACE_WORDS] = 0;
      if (policy !== DROP_NEWEST) code = BACK_PRESSURED;
      else if (code === OK) code = DROPPED;
    }
    this.gate = gate;
    if (code !== OK) {
      const depth = (this.next - gate) | 0;
      if (depth > this.words[PRODUCER_HIGH_WATER]!) this.words[PRODUCER_HIGH_WATER] = depth;
      return code;
    }
    if (slow > 0) return this.pushAll(needed, least);
    return ((this.next + needed - gate) | 0) <= this.capacity ? OK : BACK_PRESSURED;
  }

  /**
   * True when it makes sense to stand still for this place: its consumer lives in another thread, or is declared and
   * may come. One of this very thread could never make room meanwhile; and a policy that nobody has asked for stands in
   * memory that something else has written to.
   */
  protected mayBlock(at: number): boolean {
    // Pairs with claim() of places.ts, which writes the name before the policy. Only the choice of an answer hangs on
    // it.
    const owner = Atomics.load(this.words, at + THREAD);
    return owner === 0 ? (this.kept & (1 << ((at - FIRST_PLACE) / PLACE_WORDS))) !== 0 : owner !== me();
  }

  /** A place in the way that may be lapped now: by its own choice, or because its time is up. */
  private mayPush(at: number, state: number, cursor: number): boolean {
    if (state === EVICTED_PLACE) return true;
    const policy = Atomics.load(this.words, at + POLICY);
    if (policy === DROP_OLDEST) return true;
    // It has left, and whoever takes the place over has not said yet what it wants.
    if (policy !== EVICT) return false;
    const place = (at - FIRST_PLACE) / PLACE_WORDS;
    const places = (this.endOfPlaces - FIRST_PLACE) / PLACE_WORDS;
    const { cursors, sinceMs } = (this.standstills ??= {
      cursors: new Int32Array(places), sinceMs: new Float64Array(places),
    });
    const nowMs = performance.now();
    if (sinceMs[place] === 0 || cursors[place] !== cursor) {
      cursors[place] = cursor;
      sinceMs[place] = nowMs;
    }
    // Pairs with describe(), which stores it before the state of a lossy place.
    const dueMs = sinceMs[place]! + Atomics.load(this.words, at + EVICT_AFTER_MS);
    if (nowMs < dueMs) {
      this.evictionAtMs = Math.min(this.evictionAtMs, dueMs);
      return false;
    }
    // ring.lap: it may have left at this moment, then it holds nobody back any more. From here on its cursor is ours to
    // push.
    return Atomics.compareExchange(this.words, at + STATE, LOSSY, EVICTED_PLACE) === LOSSY;
  }

  private pushAll(needed: number, least: number): ResultCode {
    // Never past what is published: a consumer that joins or reads on begins there at the earliest.
    if (((least - this.published) | 0) > 0) return BACK_PRESSURED;
    for (let at = FIRST_PLACE; at < this.endOfPlaces; at += PLACE_WORDS) {
      const state = Atomics.load(this.words, at + STATE);
      if (state >= LOSSY) this.push(at, state, least);
    }
    // One look more: cursors have moved, and one may have turned from lossy to gating meanwhile.
    let gate = this.published;
    for (let at = FIRST_PLACE; at < this.endOfPlaces; at += PLACE_WORDS) {
      // ring.join, ring.free: pair as in look().
      const state = Atomics.load(this.words, at + STATE);
      if (state < HELD) continue;
      const cursor = Atomics.load(this.words, at + (state < LOSSY ? CURSOR : LOSSY_CURSOR)) & ~this.pushedBit;
      if (((gate - cursor) | 0) > 0) gate = cursor;
    }
    this.gate = gate;
    return ((this.next + needed - gate) | 0) <= this.capacity ? OK : BACK_PRESSURED;
  }

  /**
   * Laps the consumer of a place: moves its cursor, by whole records, to `least` or beyond, and leaves word how many it
   * lost.
   */
  private push(at: number, state: number, least: number): void {
    const words = this.words;
    for (;;) {
      // ring.lap: as it is now; the exchange below fails if the consumer has moved it.
      const found = Atomics.load(words, at + LOSSY_CURSOR);
      const cursor = found & ~this.pushedBit;
      // ring.lap: one that has left may not be pushed any more; what it has put there lies too far back. And bounded:
      // each failure means that the consumer has read on.
      if (
        Atomics.load(words, at + STATE) < LOSSY
        || ((least - cursor) | 0) <= 0
        || ((this.published - cursor) | 0) > this.capacity
      )
        return;
      const target = this.skip(cursor, least) | this.pushedBit;
      if (this.pushedBit !== 0) this.notePush(at, found, target);
      // ring.lap: only if it has read nothing since; then what lies before `target` is ours, and its own claim of it
      // fails.
      if (Atomics.compareExchange(words, at + LOSSY_CURSOR, found, target) !== found) continue;
      this.counters[(at >> 1) + (state === LOSSY ? DROPPED_OLDEST : DROPPED_EVICTED)]! += this.skippedRecords;
      return;
    }
  }

  /**
   * Says, before a push is done, how many records it and those right before it have passed over: the consumer finds it
   * by its new cursor. Where bytes are counted it could not know. A note of a push that does not come about stays, and
   * is found by nobody.
   */
  private notePush(at: number, found: number, target: number): void {
    const words = this.words;
    // ring.lap: only producers write these. The slot of the push that the cursor stands at stays as it is until this
    // push has succeeded.
    const last = (found & PUSHED) === 0 ? -1 : Atomics.load(words, at + PUSH_CURSOR) === found ? 0 : 1;
    const before = last < 0 ? 0 : Atomics.load(words, at + PUSH_COUNT + last);
    // Two slots never name the same cursor, also after a producer has died between a note and its push.
    const slot = last >= 0 ? last ^ 1 : Atomics.load(words, at + PUSH_CURSOR + 1) === target ? 1 : 0;
    Atomics.store(words, at + PUSH_COUNT + slot, (before + this.skippedRecords) | 0);
    Atomics.store(words, at + PUSH_CURSOR + slot, target);
  }

  /** Something waits for records, or the queue is closing. `count` records were just published. */
  private attend(count: number): ResultCode {
    // ring.attention: the one whose exchange finds the bit rings, once for all who wait.
    const flags = Atomics.and(this.words, ATTENTION, ~CONSUMER_WAITS);
    if ((flags & CONSUMER_WAITS) !== 0) ringBell(this.bellWords, this.bell);
    return (flags & CLOSING) === 0 ? OK : this.obeyClosing(count);
  }

  /** The queue was closed by somebody else: seals the ring, unless a consumer has found its end already. */
  private obeyClosing(count: number): ResultCode {
    this.isEnded = true;
    this.gate = (this.next - this.capacity) | 0;
    // ring.phase: pairs with lookAtEnd(). Whoever exchanges first says where the ring ends; what is published now is
    // within, if it is we.
    const phase = Atomics.compareExchange(this.words, PHASE, OPEN, SEALED);
    if (phase === OPEN || phase === SEALED) return OK;
    if (phase === ABANDONED) {
      // Everything that the only consumer has neither read nor lost.
      const at = FIRST_PLACE >> 1;
      const unread =
        this.counters[PUBLISHED]!
        - this.counters[at + CONSUMED]!
        - this.counters[at + DROPPED_OLDEST]!
        - this.counters[at + DROPPED_EVICTED]!;
      this.drop(unread);
      // It may have read the last batch too before it closed, between our store of the cursor and our look.
      return unread === 0 ? OK : CLOSED;
    }
    // ring.phase: stored by that consumer before its exchange. The last batch was published by one store: it is within
    // or it is not.
    const final = Atomics.load(this.words, finalAt((this.endOfPlaces - FIRST_PLACE) / PLACE_WORDS, phase));
    if (final === this.published) return OK;
    this.drop(count);
    return CLOSED;
  }

  /** Committed behind the end: as if it had never been. */
  private forget(count: number): ResultCode {
    this.next = this.published;
    this.drop(count);
    return CLOSED;
  }

  private drop(count: number): void {
    this.counters[DROPPED_CLOSED]! += count;
  }
}

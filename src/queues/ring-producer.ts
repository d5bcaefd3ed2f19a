/**
 * What all producers share: the private cursor, lazy publishing, closing; how they look for room stands in
 * producer-gate.ts. See ring.ts for the picture and the ordering table.
 *
 * Publishing is lazy when `publishEvery` is above 1: the store that publishes costs a locked exchange, so it is made
 * once for many records. A producer that dies before `flush` loses what it had not published and nothing else: there is
 * no shared claim, hence no hole and no repair.
 */
import { checkInteger } from '../errors.js';
import { AWAIT_ROOM, awaitPromised, noteRefusal, type Refuser } from '../refusals.js';
import { CLAIM_FOR, END_WISH, LINK_TO, ON_PUBLISH, ON_UNPUBLISHED, SERVE_LANE, TAKES_ALL } from './doors.js';
import type { LinkTo, LinkableTo, Linked } from './link-ends.js';
import { BACK_PRESSURED, CLOSED, DROPPED, OK, type ResultCode } from '../result-codes.js';
import { ProducerGate } from './producer-gate.js';
import {
  ABANDONED, ATTENTION, CLOSING, CONSUMER_WAITS, DROPPED_CLOSED, DROPPED_NEWEST, OPEN, PHASE, PLACE_WORDS,
  PRODUCER_CURSOR, PRODUCER_THREAD, PRODUCER_WAITS, PUBLISHED, REFUSED, SEALED, ROOM_BELL, finalAt, placeAt,
  unreadOfOnly, type QueueMemory,
} from './ring.js';
import type { SyncWaitOptions, WaitOptions } from '../waiting.js';
import { ringBell, waitAsync, waitBlocking, type Wish } from './event-count.js';

const FIRST_PLACE = placeAt(0);
/** What may be asked for at once: the longest ring there is. */
export const MOST_ASKED: number = 2 ** 30;

export abstract class RingProducer extends ProducerGate implements Refuser, LinkTo, LinkableTo {
  /** Publish at the latest after this many committed records; 1 publishes each at once. */
  publishEvery: number;
  /** Records committed and not yet published. */
  unpublished = 0;
  /** Called when a commit leaves the first record unpublished: somebody will flush it later. */
  protected onUnpublished: (() => void) | null = null;
  /** Called after each publish, before anybody is woken: a banded queue says which band is ready. */
  protected onPublish: (() => void) | null = null;
  /** Steps of this thread that it refuses wait for it. A lane's outlet waits in its own way. */
  protected isRefuser = true;
  /** CLOSED from now on. */
  protected isEnded = false;
  /**
   * What was last refused for want of room, as its claim was written: records, or bytes. 0 when it has been taken
   * since.
   */
  protected refused = 0;
  private hasLeft = false;
  private readonly bellWords: Int32Array;
  private readonly bell: number;
  /** One of many producers: what ends with it is its lane, not the queue. */
  private readonly isLane: boolean;
  constructor(memory: QueueMemory, publishEvery: number) {
    super(memory);
    this.bellWords = memory.bellWords;
    this.bell = memory.bell;
    this.isLane = memory.isLane;
    this.publishEvery = publishEvery;
  }

  /** Sequence after the last committed record, published or not. This thread alone. */
  get committedSequence(): number {
    return this.next;
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
   * afterwards; a second call does nothing.
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
    return { ...this.wishTo(() => this.lookFor(units())), untilMs: () => this.evictionAtMs };
  }

  /**
   * For waiting until nothing more will be taken: this end has closed or left, the queue is closing, or its only
   * consumer has closed.
   */
  [END_WISH](): Wish {
    return this.wishTo(() => (this.hasEnded() ? CLOSED : BACK_PRESSURED));
  }

  /** To wait at the bell of room until `look` answers otherwise. */
  private wishTo(look: () => ResultCode): Wish {
    return {
      bellWords: this.words, bell: ROOM_BELL, notYet: BACK_PRESSURED, look,
      // ring.attention: set my wish; the caller looks again. Pairs with publishRelease(), as in askForUnits(), and with
      // close() of a consumer or of the queue, which sets CLOSING and then rings.
      arm: () => void Atomics.or(this.words, ATTENTION, PRODUCER_WAITS),
    };
  }

  /** See doors.ts. */
  [LINK_TO](): Linked<LinkTo> {
    return { end: this };
  }

  /** See doors.ts. `then` is called before whoever sleeps is woken. */
  [ON_PUBLISH](then: () => void): void {
    this.onPublish = then;
  }

  /** See doors.ts. */
  [ON_UNPUBLISHED](then: () => void): void {
    this.onUnpublished = then;
  }

  /** See doors.ts. `onPublish` is called also where the ring publishes by itself, because it is full. */
  [SERVE_LANE](onPublish: () => void): void {
    this.onPublish = onPublish;
    this.onUnpublished = null;
    this.isRefuser = false;
  }

  abstract [TAKES_ALL](recordBytes: number, longest: number): boolean;
  abstract [CLAIM_FOR](length: number, type: number): number;
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
  [AWAIT_ROOM](units: number, then: () => void): () => void {
    return awaitPromised((options) => this.roomFor(() => units, options), then);
  }

  protected blockFor(units: () => number, options: SyncWaitOptions | undefined): ResultCode {
    return waitBlocking(this.wishFor(units), options);
  }

  /** Stands still until `units` are free, or nobody in the way asks for that any more: it has left, or died. */
  protected standStill(units: () => number): void {
    const wish = this.wishFor(units);
    const look = (): ResultCode => {
      const code = wish.look();
      return code === BACK_PRESSURED && !this.mustBlock() ? OK : code;
    };
    waitBlocking({ ...wish, look });
  }

  /**
   * Asks the consumer to tell when it releases records; returns true if there is already room for `needed`, so that
   * nobody must wait. The caller then parks or goes on; who tells it is whom the consumer was given by ON_ROOM.
   */
  protected askForUnits(needed: number): boolean {
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
      const unread = unreadOfOnly(this.counters);
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

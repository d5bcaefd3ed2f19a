/**
 * What all producers share: the private cursor, lazy publishing and closing. producer-gate.ts says how they look for
 * room. See ring.ts for the picture and the ordering table.
 *
 * Publishing is lazy when `publishEvery` is above 1. The store that publishes costs a locked exchange, so it is made
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
/** The most units that may be asked for at once: the length of the longest possible ring. */
export const MOST_ASKED: number = 2 ** 30;

/**
 * The base of `FixedProducer` and `VariableProducer`. Everything here belongs to the one thread that called `pub`,
 * except where a comment says otherwise; nothing blocks except what is called `…Sync`.
 */
export abstract class RingProducer extends ProducerGate implements Refuser, LinkTo, LinkableTo {
  /**
   * Committed records are published at the latest when there are this many of them; 1 publishes each record at once.
   */
  declare publishEvery: number;
  /** Records that are committed and not yet published. */
  abstract readonly unpublished: number;
  /** Called when a commit leaves a first record unpublished, so that somebody can arrange to flush it later. */
  protected onUnpublished: (() => void) | null = null;
  /** Called after each publish and before anybody is woken; a banded queue marks the band as ready here. */
  protected onPublish: (() => void) | null = null;
  /**
   * True if a step of this thread that was refused waits for this producer. The outlet of a lane waits in its own way.
   */
  protected isRefuser = true;
  /** True once every further claim answers CLOSED. */
  protected isEnded = false;
  /**
   * How much was last refused for want of room: the number of records or the payload length of that claim. 0 once a
   * claim has succeeded.
   */
  protected refused = 0;
  private hasLeft = false;
  private declare readonly bellWords: Int32Array;
  private declare readonly bell: number;
  /** True for one of many producers: its end closes its own lane and not the queue. */
  private declare readonly isLane: boolean;
  constructor(memory: QueueMemory, publishEvery: number) {
    super(memory);
    this.bellWords = memory.bellWords;
    this.bell = memory.bell;
    this.isLane = memory.isLane;
    this.publishEvery = publishEvery;
  }

  /** The sequence after the last committed record, published or not. */
  get committedSequence(): number {
    return this.next;
  }

  /**
   * Makes all committed records visible with one store. Returns OK, or CLOSED if the queue was closed before they were
   * published; then they are counted as dropped. Never blocks.
   */
  flush(): ResultCode {
    const count = this.takeUnpublished();
    if (count === 0) return this.isEnded ? CLOSED : OK;
    if (this.isEnded) return this.forget(count);
    const before = this.published;
    this.published = this.next;
    // Only this thread writes the counter, and there is no copy of it: a number field of an object that is no small
    // integer is allocated anew at each change.
    this.counters[PUBLISHED]! += count;
    // ring.publish: pairs with the load in lookAgain() of the consumer. The records above must be visible before this
    // cursor is. ring.mark: pairs with markCursor(). What lay here is what we have stored last, unless it was marked.
    const found = Atomics.exchange(this.words, PRODUCER_CURSOR, this.next);
    if (this.onPublish !== null) this.onPublish();
    // ring.attention: the cursor is stored, so now look for those who wait for it. Pairs with arm() of consumers and
    // close(). They mark the cursor, except in a file.
    const isQuiet = this.sharer === 0 ? found === before : Atomics.load(this.words, ATTENTION) === 0;
    return isQuiet ? OK : this.attend(count);
  }

  /**
   * Declares that this producer sends nothing more. If the queue has one place for producers, that ends the queue:
   * consumers read what is left and then get CLOSED. If it has more (MPSC), this gives the place up, and `close(queue)`
   * ends the queue.
   */
  close(): void {
    if (this.isLane || this.hasLeft) {
      this.leave();
      return;
    }
    this.hasLeft = true;
    this.flush();
    // Follows the last ring.publish. If the consumer has ended the ring already, this is where we learn how many
    // records it has not read.
    if (!this.isEnded) this.obeyClosing(0);
    Atomics.store(this.words, PRODUCER_THREAD, 0);
    // Those who wait for records learn that there will be none, and our own waits for room end.
    ringBell(this.bellWords, this.bell);
    ringBell(this.words, ROOM_BELL);
  }

  /**
   * Publishes what is committed and gives the place up. Another `pub` may go on where this producer stopped. Do not use
   * the producer afterwards; a second call does nothing.
   */
  leave(): void {
    // The place may belong to another producer by now.
    if (this.hasLeft) return;
    this.hasLeft = true;
    this.flush();
    // ring.attention: pairs with closeRing() and close() of a consumer. A closing queue may not have taken all that we
    // published, and only we can count it.
    if (!this.isEnded && (Atomics.load(this.words, ATTENTION) & CLOSING) !== 0) this.obeyClosing(0);
    this.end();
    // Carries the cursor and the counters to the next producer, which takes the place by an exchange.
    Atomics.store(this.words, PRODUCER_THREAD, 0);
    // Ends our own waits for room.
    ringBell(this.words, ROOM_BELL);
  }

  /** A wish to wait at this ring's bell until `units()` units are free. For this thread alone. */
  private wishFor(units: () => number): Wish {
    return { ...this.wishTo(() => this.lookFor(units())), untilMs: () => this.evictionAtMs };
  }

  /**
   * A wish to wait until nothing more will be taken: this end has closed or left, the queue is closing, or its only
   * consumer has closed.
   */
  [END_WISH](): Wish {
    return this.wishTo(() => (this.hasEnded() ? CLOSED : BACK_PRESSURED));
  }

  /** A wish to wait at the bell for room until `look` answers anything but BACK_PRESSURED. */
  private wishTo(look: () => ResultCode): Wish {
    return {
      bellWords: this.words, bell: ROOM_BELL, notYet: BACK_PRESSURED, look,
      // ring.attention: set our wish, after which the caller looks again. Pairs with publishRelease(), as in
      // askForUnits(), and with close() of a consumer or of the queue, which sets CLOSING and then rings.
      arm: () => void Atomics.or(this.words, ATTENTION, PRODUCER_WAITS),
    };
  }

  /** See doors.ts. */
  [LINK_TO](): Linked<LinkTo> {
    return { end: this };
  }

  /** See doors.ts. `then` is called before sleeping threads are woken. */
  [ON_PUBLISH](then: () => void): void {
    this.onPublish = then;
  }

  /** See doors.ts. */
  [ON_UNPUBLISHED](then: () => void): void {
    this.onUnpublished = then;
  }

  /** See doors.ts. `onPublish` is also called when the ring publishes by itself because it is full. */
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
    // ring.attention: pairs with closeRing() and close() of a consumer. Committed records are published first, because
    // they may still lie before the end.
    if (!this.isEnded && (Atomics.load(this.words, ATTENTION) & CLOSING) !== 0) {
      this.flush();
      if (!this.isEnded) this.obeyClosing(0);
    }
    return this.isEnded || this.hasLeft;
  }

  /**
   * Resolves OK when `units()` are free, CLOSED when they never will be, and DROPPED at once if a consumer that drops
   * the newest records is in the way. `units` is a function because padding depends on where the producer stands.
   * Publishes what is committed first.
   */
  protected roomFor(units: () => number, options: WaitOptions | undefined): Promise<ResultCode> {
    return waitAsync(this.wishFor(units), options);
  }

  /** Only for steps of reactors that this producer has refused; see `Refuser`. */
  [AWAIT_ROOM](units: number, then: () => void): () => void {
    return awaitPromised((options) => this.roomFor(() => units, options), then);
  }

  /** As `roomFor`, but freezes the thread. Returns BACK_PRESSURED after `timeoutMs`. */
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
   * Asks the consumer to say when it releases records. Returns true if `needed` units are free already, so that nobody
   * has to wait. Otherwise the caller parks or goes on, and the consumer calls the function that it was given by
   * ON_ROOM.
   */
  protected askForUnits(needed: number): boolean {
    if (typeof needed !== 'number' || (needed | 0) !== needed || needed < 0)
      checkInteger('needed', needed, 0, MOST_ASKED);
    // ring.attention: set our wish, then look again. Pairs with publishRelease(), which stores the cursor and then
    // looks for wishes. Both ends need sequential consistency, or each could miss the other. It is an `or` because
    // other threads have bits in this word.
    Atomics.or(this.words, ATTENTION, PRODUCER_WAITS);
    if (this.lookFor(needed) === BACK_PRESSURED) return false;
    // If the consumer clears the bit at the same moment, only a hint is lost.
    Atomics.and(this.words, ATTENTION, ~PRODUCER_WAITS);
    return true;
  }

  /**
   * OK when `needed` units beyond `next` are free for `records` records. Looks at the consumers' cursors only if what
   * it knew of them is not enough.
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

  /** True if the last look found a consumer in the way which has asked that `offer` block until there is room. */
  protected mustBlock(): boolean {
    return this.isBlocked;
  }

  /** Returns `unpublished`, which is 0 from then on, as soon as the cursor is stored or the records are forgotten. */
  protected abstract takeUnpublished(): number;

  /**
   * Ends a commit of `count` records, after which `unpublished` are: publishes them now, or reports that somebody has
   * to do so later.
   */
  protected committed(count: number, unpublished: number): ResultCode {
    if (unpublished >= this.publishEvery) return this.flush();
    if (this.onUnpublished !== null && unpublished === count) this.onUnpublished();
    return OK;
  }

  private lookFor(needed: number): ResultCode {
    if (this.isEnded) return CLOSED;
    let code = this.look(needed);
    if (code === OK) return OK;
    // Committed records that are not published can never be read, so nobody may wait for their room.
    if (this.next !== this.published) {
      this.flush();
      code = this.isEnded ? CLOSED : this.look(needed);
    }
    // ring.attention: pairs with closeRing() and close() of a consumer. If the ring is full, find out whether anybody
    // will ever drain it.
    if (code !== OK && !this.isEnded && (Atomics.load(this.words, ATTENTION) & CLOSING) !== 0) this.obeyClosing(0);
    return this.isEnded ? CLOSED : code;
  }

  /** Somebody waits for records, or the queue is closing. `count` records were just published. */
  private attend(count: number): ResultCode {
    // ring.attention: whoever's exchange finds the bit rings the bell, once for all who wait.
    const flags = Atomics.and(this.words, ATTENTION, ~CONSUMER_WAITS);
    if ((flags & CONSUMER_WAITS) !== 0) ringBell(this.bellWords, this.bell);
    return (flags & CLOSING) === 0 ? OK : this.obeyClosing(count);
  }

  /** Somebody else has closed the queue: seals the ring, unless a consumer has already decided where it ends. */
  private obeyClosing(count: number): ResultCode {
    this.end();
    // ring.phase: pairs with lookAtEnd(). The first exchange decides where the ring ends. If it is ours, what is
    // published now lies before the end.
    const phase = Atomics.compareExchange(this.words, PHASE, OPEN, SEALED);
    if (phase === OPEN || phase === SEALED) return OK;
    if (phase === ABANDONED) {
      const unread = unreadOfOnly(this.counters);
      this.drop(unread);
      // The consumer may also have read the last batch before it closed, between our store of the cursor and this look.
      return unread === 0 ? OK : CLOSED;
    }
    // ring.phase: that consumer stored this word before its exchange. The last batch was published by one store, so it
    // lies wholly before the end or wholly behind it.
    const final = Atomics.load(this.words, finalAt((this.endOfPlaces - FIRST_PLACE) / PLACE_WORDS, phase));
    if (final === this.published) return OK;
    this.drop(count);
    return CLOSED;
  }

  /** From now on every claim is answered CLOSED, and so is a commit, even of one that would be published later. */
  private end(): void {
    this.isEnded = true;
    this.gate = (this.next - this.capacity) | 0;
    this.publishEvery = 1;
  }

  /** Takes back records that were committed behind the end, and counts them as dropped. */
  protected forget(count: number): ResultCode {
    this.next = this.published;
    this.drop(count);
    return CLOSED;
  }

  private drop(count: number): void {
    this.counters[DROPPED_CLOSED]! += count;
  }
}

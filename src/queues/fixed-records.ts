/**
 * Rings of fixed records. The position of a record follows from its sequence, so there is no header, and a batch is one
 * run of memory except at the wrap. The fastest way to use them is `words`: claim or peek many records at once, and
 * call `wordOf` outside of the loop.
 *
 * For the ordering see ring.ts. Every access to a record here lies between ring.free and ring.publish (producer) or
 * between ring.publish and ring.free (consumer).
 */
import { PercoreError, checkFunction, checkInteger, invalidArgument, show } from '../errors.js';
import { copyBytes, refuseClaim, lengthOf, limitOf } from './copy-bytes.js';
import { MOVE_TO, TAKES_ALL, CLAIM_FOR, ASK_FOR_ROOM } from './doors.js';
import { moveFixed, type LinkCounts, type LinkTo } from './link-ends.js';
import { BACK_PRESSURED, CLOSED, EMPTY, OK, TOO_LARGE, type ResultCode } from '../result-codes.js';
import { RingConsumer } from './ring-consumer.js';
import { RingProducer } from './ring-producer.js';
import type { QueueMemory } from './ring.js';
import type { SyncWaitOptions, WaitOptions } from '../waiting.js';

/**
 * The producing end of a queue of fixed records. It belongs to one thread at a time. Nothing blocks or allocates except
 * where that is said. A queue of 8-byte records moves 30 million a second when each is published by itself, and over
 * 400 million in batches of 64 through `words`.
 *
 *     const producer = pub(create({ kind: 'spsc', capacity: 4096, recordBytes: 8 }));
 *     const at = producer.tryClaim(2);                                     // an index, or a code below 0
 *     if (at >= 0) {
 *       for (let i = 0; i < 2; i++) producer.words[producer.wordOf(at, i)] = i;
 *       producer.commit();                                                 // both are seen at once
 *     }
 */
export class FixedProducer extends RingProducer {
  /** The length of each record in bytes. */
  declare readonly recordBytes: number;
  private declare readonly recordWords: number;
  private declare readonly dataBytes: number;
  private declare readonly dataWords: number;
  /** The sequence behind the open claim; that of the next claim if none is open. */
  private declare claimEnd: number;

  constructor(memory: QueueMemory, publishEvery: number) {
    super(memory, publishEvery);
    this.claimEnd = this.next;
    this.recordBytes = memory.recordBytes;
    this.recordWords = memory.recordBytes >> 2;
    this.dataBytes = memory.dataBytes;
    this.dataWords = memory.dataBytes >> 2;
  }

  /**
   * Claims the next `count` records (1 to capacity; 1 if left out) for writing in place. Returns the index of the first
   * one, 0 or more, for `offsetOf` and `wordOf`; or BACK_PRESSURED, TOO_LARGE (count above capacity), CLOSED, or
   * DROPPED. The records are yours until `commit` or `abort`; another claim before that replaces the first one. Throws
   * ERR_PERCORE_INVALID_ARGUMENT for anything but a whole number.
   */
  tryClaim(count = 1): number {
    if (typeof count !== 'number' || (count | 0) !== count || count < 1 || count > this.capacity)
      return this.refuse(count);
    const room = this.ensureRoom(count, count);
    if (room !== OK) {
      this.refused = count;
      return room;
    }
    this.claimEnd = (this.next + count) | 0;
    return this.next & this.mask;
  }

  private refuse(count: number): typeof TOO_LARGE {
    return refuseClaim('count', count, 1, this.capacity);
  }

  /** As `tryClaim`, but blocks where a consumer has asked for that with `whenSlow: 'block'`. */
  claimOrBlock(count: number): number {
    let at = this.tryClaim(count);
    while (at === BACK_PRESSURED && this.mustBlock()) {
      this.standStillFor(count);
      at = this.tryClaim(count);
    }
    return at;
  }

  /** Its own function, since a closure in the one above would allocate for each claim. */
  private standStillFor(count: number): void {
    this.standStill(() => count);
  }

  /**
   * Byte offset in `view` and `bytes` of record `i` of the claim that began at index `at`. Throws
   * ERR_PERCORE_INVALID_ARGUMENT for anything but an index, such as the negative code of a claim that was refused.
   */
  offsetOf(at: number, i = 0): number {
    if (!isIndex(at) || !isIndex(i)) throw indexError(isIndex(at) ? 'i' : 'at', isIndex(at) ? i : at);
    return this.dataBytes + ((at + i) & this.mask) * this.recordBytes;
  }

  /** As `offsetOf`, but a position in `words`; for record lengths that are multiples of 4. */
  wordOf(at: number, i = 0): number {
    if (!isIndex(at) || !isIndex(i)) throw indexError(isIndex(at) ? 'i' : 'at', isIndex(at) ? i : at);
    return this.dataWords + ((at + i) & this.mask) * this.recordWords;
  }

  /**
   * Accepts the first `count` claimed records (all, if left out). They are published at once or later, as
   * `publishEvery` says. Returns OK, or CLOSED if the queue was closed before they were published; then they are
   * counted as dropped. Throws ERR_PERCORE_CLAIM if fewer records are claimed.
   */
  commit(count: number = this.claimed): ResultCode {
    if (count !== this.claimed) this.giveUpBehind(count);
    this.next = (this.next + count) | 0;
    return this.committed(count, (this.next - this.published) | 0);
  }

  /** Shortens the claim to `count` records. Stands apart from commit(), which most often accepts all of them. */
  private giveUpBehind(count: number): void {
    if (typeof count !== 'number' || count !== (count | 0) || count < 0 || count > this.claimed)
      throw claimError('commit', count, this.claimed);
    this.claimEnd = (this.next + count) | 0;
  }

  /**
   * How many records are claimed. This and `unpublished` follow from cursors, because each word that a commit stores
   * holds up the producer: a core has only so many stores under way to lines that the consumer's core has.
   */
  private get claimed(): number {
    return (this.claimEnd - this.next) | 0;
  }

  /** Records that are committed and not yet published. */
  get unpublished(): number {
    return (this.next - this.published) | 0;
  }

  protected takeUnpublished(): number {
    return (this.next - this.published) | 0;
  }

  protected override forget(count: number): ResultCode {
    this.claimEnd = (this.claimEnd - count) | 0;
    return super.forget(count);
  }

  /** Gives the claim up, as if it had never been made. */
  abort(): void {
    this.claimEnd = this.next;
  }

  /**
   * Copies one record in; its length is measured once, when this is called. A shorter record is filled up with zeros.
   * Returns OK, BACK_PRESSURED, TOO_LARGE (longer than recordBytes), CLOSED, or DROPPED where a consumer has chosen
   * that. Blocks only if a consumer has subscribed with `whenSlow: 'block'`. Throws ERR_PERCORE_INVALID_ARGUMENT for
   * anything but a Uint8Array.
   */
  offer(record: Uint8Array): ResultCode {
    const length = lengthOf(record);
    if (length > this.recordBytes) return TOO_LARGE;
    const at = this.claimOrBlock(1);
    if (at < 0) return at as ResultCode;
    const offset = this.offsetOf(at);
    copyBytes(record, length, this.bytes, offset);
    if (length < this.recordBytes) this.bytes.fill(0, offset + length, offset + this.recordBytes);
    return this.commit(1);
  }

  /**
   * Resolves OK when `count` records can be claimed, and CLOSED when they never will be or when this end closes or
   * leaves. If `count` is left out, it is that of the claim which was last refused. Resolves DROPPED at once if a
   * consumer with `whenSlow: 'drop-newest'` is in the way. Publishes what is committed first. Rejects with
   * `signal.reason` when `signal` aborts, and with ERR_PERCORE_TIMEOUT after `timeoutMs`.
   */
  room(count: number = this.refused || 1, options?: WaitOptions): Promise<ResultCode> {
    this.checkCount(count);
    return this.roomFor(() => count, options);
  }

  /** As `room`, but freezes the thread; a reactor may not call it. Returns BACK_PRESSURED after `timeoutMs`. */
  roomSync(count: number = this.refused || 1, options?: SyncWaitOptions): ResultCode {
    this.checkCount(count);
    return this.blockFor(() => count, options);
  }

  /** See doors.ts: asks for room for `count` records. Returns true if there is room now. */
  [ASK_FOR_ROOM](count: number): boolean {
    return this.askForUnits(count);
  }

  [TAKES_ALL](recordBytes: number): boolean {
    return recordBytes === this.recordBytes;
  }

  [CLAIM_FOR](): number {
    const at = this.tryClaim(1);
    return at < 0 ? at : this.offsetOf(at);
  }

  protected skip(cursor: number, least: number): number {
    this.skippedRecords = (least - cursor) | 0;
    return least;
  }

  private checkCount(count: number): number {
    return checkInteger('count', count, 1, this.capacity);
  }
}

/**
 * The consuming end of a queue of fixed records. It belongs to one thread at a time. Nothing blocks except `readySync`,
 * and only `poll` allocates.
 *
 *     consumer.drain((view, offset) => handle(view.getFloat64(offset, true)));      // at most once
 *
 *     const count = consumer.available();                                           // or at least once:
 *     for (let i = 0; i < count; i++) handle(consumer.view.getFloat64(consumer.offsetOf(i), true));
 *     if (count > 0) consumer.release(count);
 */
export class FixedConsumer extends RingConsumer {
  /** The length of each record in bytes. */
  declare readonly recordBytes: number;
  private declare readonly recordWords: number;
  private declare readonly dataBytes: number;
  private declare readonly dataWords: number;

  constructor(memory: QueueMemory, place = 0) {
    super(memory, place);
    this.recordBytes = memory.recordBytes;
    this.recordWords = memory.recordBytes >> 2;
    this.dataBytes = memory.dataBytes;
    this.dataWords = memory.dataBytes >> 2;
  }

  /**
   * Calls `handler(view, offset, length, 1)` for up to `limit` records in place, then releases them with one store.
   * Returns how many there were, 0 when empty, and CLOSED when none will follow. Delivery is at most once: a record
   * counts as read as soon as its handler is called, even if the handler throws, and after a death `recover` skips the
   * whole batch that was begun. Do not keep `offset` beyond the call.
   */
  drain(
    handler: (view: DataView, offset: number, length: number, type: number) => void, limit = this.capacity,
  ): number {
    checkFunction('handler', handler);
    limit = limitOf(limit);
    const state = this.lookAhead();
    if (state !== OK) {
      // A handler that threw last time may have left its record unreleased.
      this.publishRelease();
      return state === CLOSED ? CLOSED : 0;
    }
    const ready = (this.seen - this.next) | 0;
    const count = ready < limit ? ready : limit;
    this.take((this.next + count) | 0);
    // The handler may read on by itself, or leave; then fewer records are left than were counted.
    for (let i = 0; i < count && this.next !== this.seen; i++) {
      const offset = this.dataBytes + (this.next & this.mask) * this.recordBytes;
      this.next = (this.next + 1) | 0;
      this.unreleased++;
      handler(this.view, offset, this.recordBytes, 1);
    }
    this.publishRelease();
    return count;
  }

  /**
   * How many records can be read in place now, up to `limit`; EMPTY or CLOSED when there are none. `offsetOf(i)` and
   * `wordOf(i)` say where they are, and `release` gives them back. Delivery is at least once: the next consumer of this
   * place reads again what was not released.
   */
  available(limit: number = this.capacity): number {
    limit = limitOf(limit);
    const state = this.lookAhead();
    if (state !== OK) return state;
    const ready = (this.seen - this.next) | 0;
    return ready < limit ? ready : limit;
  }

  /** Byte offset of the `i`th unread record. Throws ERR_PERCORE_INVALID_ARGUMENT for anything but an index. */
  offsetOf(i = 0): number {
    if (!isIndex(i)) throw indexError('i', i);
    return this.dataBytes + ((this.next + i) & this.mask) * this.recordBytes;
  }

  /** As `offsetOf`, but a position in `words`. */
  wordOf(i = 0): number {
    if (!isIndex(i)) throw indexError('i', i);
    return this.dataWords + ((this.next + i) & this.mask) * this.recordWords;
  }

  /**
   * Takes `count` available records as read and gives them back to the producer at once. Throws
   * ERR_PERCORE_INVALID_ARGUMENT for more than `available()` found.
   */
  release(count = 1): void {
    if (typeof count !== 'number' || count !== (count | 0) || count < 0 || count > ((this.seen - this.next) | 0))
      throw invalidArgument('count', count, `0 to ${(this.seen - this.next) | 0}, the records that available() found`);
    this.next = (this.next + count) | 0;
    this.unreleased += count;
    this.publishRelease();
  }

  /** Copies one record out. Returns EMPTY or CLOSED when there is none. Allocates the copy. */
  poll(): Uint8Array | typeof EMPTY | typeof CLOSED {
    const state = this.lookAhead();
    if (state !== OK) return state === CLOSED ? CLOSED : EMPTY;
    const offset = this.offsetOf();
    const copy = this.bytes.slice(offset, offset + this.recordBytes);
    this.release();
    return copy;
  }

  [MOVE_TO](to: LinkTo, limit: number, counts: LinkCounts): ResultCode {
    return moveFixed(this, to, limit, counts);
  }
}

/** A whole number, 0 or more. Where V8 knows that the value is an integer, only one comparison of this is left. */
const isIndex = (value: number): boolean => typeof value === 'number' && (value | 0) === value && value >= 0;

function indexError(argument: string, value: unknown): PercoreError {
  return invalidArgument(
    argument, value,
    'the index of a record: a whole number, 0 or more. What tryClaim or available() answers is an index unless it is '
      + 'negative',
  );
}

/** The error for accepting more than was claimed, or without a claim. */
export function claimError(verb: string, asked: unknown, claimed: number): PercoreError {
  return new PercoreError(
    'ERR_PERCORE_CLAIM',
    `${verb}(${show(asked)}) without a claim that large; claimed: ${Math.max(claimed, 0)}. Call tryClaim first and `
      + `check that it is not negative`,
    {
      argument: verb, value: asked, allowed: `0 to ${Math.max(claimed, 0)}`,
    },
  );
}

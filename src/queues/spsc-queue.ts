/**
 * SPSC: one producer thread, one consumer thread, one ring in shared memory. The one primitive that every other kind
 * and every lane is made of.
 *
 *                 consumerCursor            producerCursor         producer's private `next`
 *   sequence ----------|-------- published -------|---- committed, unpublished ----|---- free ----
 *
 * Sequences are int32 and wrap; they are compared only by `(a - b) | 0`, which is right while the two are less than
 * 2^31 apart, and capacity is at most 2^30. A fixed queue counts records, a variable one counts bytes.
 *
 * Ordering table. JavaScript offers sequential consistency only; `needs` is what the algorithm needs.
 *
 * | pair         | write side              | read side             | carries                        | needs                   |
 * |--------------|-------------------------|-----------------------|--------------------------------|-------------------------|
 * | spsc.publish | `flush`                 | `available`           | the record's bytes             | release -> acquire      |
 * | spsc.free    | `publishRelease`        | `room`                | the slot may be written again  | release -> acquire      |
 * | spsc.close   | `close` of the producer | `available`           | no record will follow          | release -> acquire      |
 * | spsc.abandon | `close` of the consumer | `room`                | nobody will read               | release -> acquire      |
 * | spsc.waits   | `askForSpace`           | `publishRelease`      | tell me when there is space    | sequentially consistent |
 *
 * Payload bytes are plain accesses: the producer's between spsc.free and spsc.publish, the consumer's between
 * spsc.publish and spsc.free. Publishing is lazy when `publishEvery` is above 1: the store that publishes costs a
 * locked exchange, so it is made once for many records (see DESIGN: 30 against 155 million records a second).
 *
 * A producer that dies before `flush` loses what it had not published and nothing else; there is no shared claim, hence
 * no hole and no repair. Methods use the global `Atomics`, indexed access and no try/catch: the interleaving explorer
 * runs this very text.
 *
 * Source: Lamport 1977; cached cursors from FastForward (Giacomoni 2008) and rigtorp's SPSCQueue; padding records from Agrona.
 */
import { PercoreError } from '../errors.js';
import { queueLayout } from '../layout.js';
import { HEADER_BYTES, PADDING, framedBytes } from './record.js';
import { BACK_PRESSURED, CLOSED, EMPTY, OK, TOO_LARGE } from './result-codes.js';

const DATA_BYTES = queueLayout.bytes;
const DATA_WORDS = DATA_BYTES >> 2;
const PRODUCER_CURSOR = queueLayout.fields.producerCursor.at >> 2;
const CONSUMER_CURSOR = queueLayout.fields.consumerCursor.at >> 2;
const PRODUCER_WAITS = queueLayout.fields.producerWaits.at >> 2;
const IS_CLOSED = queueLayout.fields.isClosed.at >> 2;
const IS_ABANDONED = queueLayout.fields.isAbandoned.at >> 2;

/** The same bytes of one queue, header first, seen as words, as bytes and through a DataView. */
export interface QueueMemory {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly capacity: number;
  readonly recordBytes: number;
}

/** What both producers share: the private cursor, lazy publishing, closing, and asking for space. */
class Producer {
  /** The queue's memory, header included; `offsetOf` and `tryClaim` give positions in it. Words are fastest for aligned 32-bit fields. */
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly capacity: number;
  /** Publish at the latest after so many committed records; 1 publishes each at once. */
  publishEvery: number;
  /** Records committed and not yet published. */
  unpublished = 0;
  protected readonly mask: number;
  /** Sequence of the next claim. Only this thread uses it. */
  protected next: number;
  protected cachedConsumerCursor: number;

  constructor(memory: QueueMemory, publishEvery: number) {
    this.words = memory.words;
    this.bytes = memory.bytes;
    this.view = memory.view;
    this.capacity = memory.capacity;
    this.mask = memory.capacity - 1;
    this.publishEvery = publishEvery;
    // Both cursors were stored before this handle was made, and only this thread moves the producer's.
    this.next = Atomics.load(this.words, PRODUCER_CURSOR);
    // spsc.free: pairs with publishRelease().
    this.cachedConsumerCursor = Atomics.load(this.words, CONSUMER_CURSOR);
  }

  /** Makes all committed records visible with one store. Any thread may then read them. */
  flush(): void {
    if (this.unpublished === 0) return;
    this.unpublished = 0;
    // spsc.publish: pairs with the load in available(). The records above must be visible before this cursor is.
    Atomics.store(this.words, PRODUCER_CURSOR, this.next);
  }

  /** Publishes what is committed and says that no record will follow. The consumer drains, then sees CLOSED. */
  close(): void {
    this.flush();
    // spsc.close: pairs with the load in available(); follows the last spsc.publish.
    Atomics.store(this.words, IS_CLOSED, 1);
  }

  /**
   * Asks the consumer to tell when it releases records; returns true if there is already room for `needed`, so that
   * nobody must wait. The caller then parks or goes on; who tells it is the consumer's `onSpace`.
   */
  askForSpace(needed: number): boolean {
    // spsc.waits: store my wish, then look again. Pairs with publishRelease(), which stores the cursor, then looks for
    // wishes. Sequentially consistent on both ends, or both could miss each other.
    Atomics.store(this.words, PRODUCER_WAITS, 1);
    if (this.room(needed) === BACK_PRESSURED) return false;
    // Only a hint is lost if the consumer clears it at the same moment: both write 0.
    Atomics.store(this.words, PRODUCER_WAITS, 0);
    return true;
  }

  /** OK when `needed` units beyond `next` are free, after one look at the other side if need be. */
  protected room(needed: number): number {
    if (((this.next + needed - this.cachedConsumerCursor) | 0) <= this.capacity) return OK;
    // spsc.free: pairs with the store in publishRelease(). What the consumer read is read before we overwrite it.
    this.cachedConsumerCursor = Atomics.load(this.words, CONSUMER_CURSOR);
    if (((this.next + needed - this.cachedConsumerCursor) | 0) <= this.capacity) return OK;
    // spsc.abandon: pairs with close() of the consumer.
    return Atomics.load(this.words, IS_ABANDONED) === 1 ? CLOSED : BACK_PRESSURED;
  }
}

/** What both consumers share: the private cursor, lazy release, closing. */
class Consumer {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly capacity: number;
  /** Called after a release when the producer had asked for space. Must not throw. */
  onSpace: (() => void) | null = null;
  protected readonly mask: number;
  /** Sequence of the next record to read. Only this thread uses it. */
  protected next: number;
  protected released: number;
  protected cachedProducerCursor: number;

  constructor(memory: QueueMemory) {
    this.words = memory.words;
    this.bytes = memory.bytes;
    this.view = memory.view;
    this.capacity = memory.capacity;
    this.mask = memory.capacity - 1;
    // Only this thread moves the consumer's cursor.
    this.next = Atomics.load(this.words, CONSUMER_CURSOR);
    this.released = this.next;
    this.cachedProducerCursor = this.next;
  }

  /** Tells the producer, by one store, that everything read so far may be overwritten. */
  publishRelease(): void {
    if (this.released === this.next) return;
    this.released = this.next;
    // spsc.free: pairs with the load in room(). All reads of the records above come before this store.
    Atomics.store(this.words, CONSUMER_CURSOR, this.next);
    // spsc.waits: look for a wish after the cursor is stored. Pairs with askForSpace().
    if (Atomics.load(this.words, PRODUCER_WAITS) === 1) {
      // spsc.waits: only one wake for one wish; the producer sets it again when it must.
      Atomics.store(this.words, PRODUCER_WAITS, 0);
      if (this.onSpace !== null) this.onSpace();
    }
  }

  /** True while records are left that the last look at the producer's cursor has seen. Costs no shared access. */
  hasSeenMore(): boolean {
    return this.next !== this.cachedProducerCursor;
  }

  /** Says that nobody will read any more: the producer gets CLOSED once the ring is full. */
  close(): void {
    // spsc.abandon: pairs with the load in room().
    Atomics.store(this.words, IS_ABANDONED, 1);
    // spsc.waits: as in publishRelease(): who waits for space learns that there will be none.
    if (Atomics.load(this.words, PRODUCER_WAITS) === 1 && this.onSpace !== null) this.onSpace();
  }

  /** OK when a record can be read; EMPTY, or CLOSED when none will follow. */
  protected available(): number {
    if (this.next !== this.cachedProducerCursor) return OK;
    // spsc.publish: pairs with the store in flush(). The records' bytes are visible after this load.
    this.cachedProducerCursor = Atomics.load(this.words, PRODUCER_CURSOR);
    if (this.next !== this.cachedProducerCursor) return OK;
    // spsc.close: pairs with close() of the producer.
    if (Atomics.load(this.words, IS_CLOSED) === 0) return EMPTY;
    // spsc.publish: records may have been published between the two loads above; they come before the end.
    this.cachedProducerCursor = Atomics.load(this.words, PRODUCER_CURSOR);
    return this.next === this.cachedProducerCursor ? CLOSED : OK;
  }
}

/**
 * The producing end of a queue of fixed records. One thread at a time; no method blocks or allocates.
 * A queue of 8-byte records moves 30 million a second published one by one, over 400 million in batches of 64 through `words`.
 */
export class FixedProducer extends Producer {
  readonly recordBytes: number;
  private claimed = 0;

  constructor(memory: QueueMemory, publishEvery: number) {
    super(memory, publishEvery);
    this.recordBytes = memory.recordBytes;
  }

  /**
   * Claims the next `count` records (1 to capacity, 1 if left out) for writing in place. Returns the first one's index,
   * 0 or more, for `offsetOf` and `wordOf`; or BACK_PRESSURED, TOO_LARGE (count above capacity) or CLOSED. The records
   * stay yours until `commit` or `abort`; claiming again before either forgets the first claim.
   */
  tryClaim(count = 1): number {
    if (!(count >= 1 && count <= this.capacity)) return TOO_LARGE;
    const room = this.room(count);
    if (room !== OK) return room;
    this.claimed = count;
    return this.next & this.mask;
  }

  /** Byte offset in `view` and `bytes` of record `i` of the claim that began at index `at`. */
  offsetOf(at: number, i = 0): number {
    return DATA_BYTES + ((at + i) & this.mask) * this.recordBytes;
  }

  /** The same in `words`; for record sizes that are multiples of 4. */
  wordOf(at: number, i = 0): number {
    return DATA_WORDS + ((at + i) & this.mask) * (this.recordBytes >> 2);
  }

  /** Hands on the first `count` claimed records (all, if left out). They are published at once or lazily, see `publishEvery`. */
  commit(count: number = this.claimed): void {
    if (count > this.claimed || count < 0) throw claimError('commit', count, this.claimed);
    this.claimed = 0;
    this.next = (this.next + count) | 0;
    this.unpublished += count;
    if (this.unpublished >= this.publishEvery) this.flush();
  }

  /** Gives the claim up; the records were never there. */
  abort(): void {
    this.claimed = 0;
  }

  /** Copies one record in. OK, BACK_PRESSURED, TOO_LARGE (more than recordBytes) or CLOSED. Shorter ones are filled with zeros. */
  offer(record: Uint8Array): number {
    if (record.length > this.recordBytes) return TOO_LARGE;
    const at = this.tryClaim(1);
    if (at < 0) return at;
    const offset = this.offsetOf(at);
    this.bytes.set(record, offset);
    if (record.length < this.recordBytes) this.bytes.fill(0, offset + record.length, offset + this.recordBytes);
    this.commit(1);
    return OK;
  }
}

/** The consuming end of a queue of fixed records. One thread at a time; nothing blocks; only `poll` allocates. */
export class FixedConsumer extends Consumer {
  readonly recordBytes: number;

  constructor(memory: QueueMemory) {
    super(memory);
    this.recordBytes = memory.recordBytes;
  }

  /**
   * Calls `handler(view, offset, length)` for up to `limit` records in place, then releases them with one store. Returns how
   * many, 0 when empty, CLOSED when none will follow. A record counts as read once its handler is called, thrown or not
   * (at most once). Do not keep `offset` past the call.
   */
  drain(handler: (view: DataView, offset: number, length: number) => void, limit = this.capacity): number {
    const state = this.available();
    if (state !== OK) {
      // A handler that threw last time has left its record to be released.
      this.publishRelease();
      return state === CLOSED ? CLOSED : 0;
    }
    const ready = (this.cachedProducerCursor - this.next) | 0;
    const count = ready < limit ? ready : Math.max(limit, 0);
    for (let i = 0; i < count; i++) {
      const offset = DATA_BYTES + (this.next & this.mask) * this.recordBytes;
      this.next = (this.next + 1) | 0;
      handler(this.view, offset, this.recordBytes);
    }
    this.publishRelease();
    return count;
  }

  /**
   * How many records can be read in place now, up to `limit`; `offsetOf(i)` and `wordOf(i)` say where; `release` gives them
   * back. EMPTY or CLOSED when none.
   */
  peek(limit = this.capacity): number {
    const state = this.available();
    if (state !== OK) return state;
    const ready = (this.cachedProducerCursor - this.next) | 0;
    return ready < limit ? ready : limit;
  }

  /** Byte offset of the `i`th unread record. */
  offsetOf(i = 0): number {
    return DATA_BYTES + ((this.next + i) & this.mask) * this.recordBytes;
  }

  /** The same in `words`. */
  wordOf(i = 0): number {
    return DATA_WORDS + ((this.next + i) & this.mask) * (this.recordBytes >> 2);
  }

  /** Takes `count` peeked records as read and releases them at once. */
  release(count = 1): void {
    this.next = (this.next + count) | 0;
    this.publishRelease();
  }

  /** Copies one record out; EMPTY or CLOSED when there is none. Allocates the copy. */
  poll(): Uint8Array | typeof EMPTY | typeof CLOSED {
    const state = this.available();
    if (state !== OK) return state === CLOSED ? CLOSED : EMPTY;
    const offset = this.offsetOf();
    const copy = this.bytes.slice(offset, offset + this.recordBytes);
    this.release();
    return copy;
  }
}

/** The producing end of a queue of variable records. One thread at a time; no method blocks or allocates. */
export class VariableProducer extends Producer {
  /** The longest payload that always fits an empty ring, wherever its cursor stands. */
  readonly maxRecordBytes: number;
  private claimedLength = -1;
  private claimedType = 0;
  /** Bytes of padding in front of the open claim. */
  private skipped = 0;

  constructor(memory: QueueMemory, publishEvery: number) {
    super(memory, publishEvery);
    this.maxRecordBytes = (memory.capacity >> 1) - HEADER_BYTES;
  }

  /**
   * Claims a contiguous payload of `length` bytes (0 to maxRecordBytes) for writing in place. Returns its byte offset, a
   * multiple of 8, or BACK_PRESSURED, TOO_LARGE or CLOSED. `type` (0 to 2^31-1) travels with it.
   */
  tryClaim(length: number, type = 1): number {
    if (!(length >= 0 && length <= this.maxRecordBytes)) return TOO_LARGE;
    const needed = framedBytes(length);
    const at = this.next & this.mask;
    const toEnd = this.capacity - at;
    const skipped = needed <= toEnd ? 0 : toEnd;
    const room = this.room(needed + skipped);
    if (room !== OK) return room;
    this.claimedLength = length;
    this.claimedType = type;
    this.skipped = skipped;
    return DATA_BYTES + (skipped === 0 ? at : 0) + HEADER_BYTES;
  }

  /** Hands on the claimed record, shortened to `length` if given. Published at once or lazily, see `publishEvery`. */
  commit(length: number = this.claimedLength): void {
    if (length > this.claimedLength || length < 0) throw claimError('commit', length, this.claimedLength);
    let at = this.next & this.mask;
    if (this.skipped !== 0) {
      const padding = DATA_WORDS + (at >> 2);
      this.words[padding] = this.skipped;
      this.words[padding + 1] = PADDING;
      at = 0;
    }
    const header = DATA_WORDS + (at >> 2);
    this.words[header] = length;
    this.words[header + 1] = this.claimedType;
    this.next = (this.next + this.skipped + framedBytes(length)) | 0;
    this.claimedLength = -1;
    this.unpublished++;
    if (this.unpublished >= this.publishEvery) this.flush();
  }

  /** Gives the claim up; the record was never there. */
  abort(): void {
    this.claimedLength = -1;
  }

  /** Copies one record in. OK, BACK_PRESSURED, TOO_LARGE or CLOSED. */
  offer(record: Uint8Array, type = 1): number {
    const offset = this.tryClaim(record.length, type);
    if (offset < 0) return offset;
    this.bytes.set(record, offset);
    this.commit();
    return OK;
  }

  /** Asks for space for a payload of `length`; see `askForSpace`. True: there is room now. */
  askForRecord(length: number): boolean {
    const needed = framedBytes(length);
    const toEnd = this.capacity - (this.next & this.mask);
    return this.askForSpace(needed <= toEnd ? needed : needed + toEnd);
  }
}

/** The consuming end of a queue of variable records. One thread at a time; nothing blocks; only `poll` allocates. */
export class VariableConsumer extends Consumer {
  /** Payload length and type of the record that `peek` found. */
  length = 0;
  type = 0;

  /**
   * The next record, in place: its payload's byte offset, with `length` and `type` set; EMPTY or CLOSED when there is none.
   * It stays until `advance` and `publishRelease`, so reading it again is safe (at least once).
   */
  peek(): number {
    for (;;) {
      const state = this.available();
      if (state !== OK) return state;
      const at = this.next & this.mask;
      const header = DATA_WORDS + (at >> 2);
      this.length = this.words[header]!;
      this.type = this.words[header + 1]!;
      if (this.type !== PADDING) return DATA_BYTES + at + HEADER_BYTES;
      // At most once a lap: the padding reaches the ring's end, and a record always follows it in the same publish.
      this.next = (this.next + this.length) | 0;
    }
  }

  /** Takes the peeked record as read. Its space returns to the producer with the next `publishRelease`. */
  advance(): void {
    this.next = (this.next + framedBytes(this.length)) | 0;
  }

  /**
   * Calls `handler(view, offset, length, type)` for up to `limit` records in place, then releases them with one store. Returns
   * how many, 0 when empty, CLOSED when none will follow. A record counts as read once its handler is called, thrown or not
   * (at most once).
   */
  drain(handler: (view: DataView, offset: number, length: number, type: number) => void, limit = 0x7fffffff): number {
    let count = 0;
    while (count < limit) {
      const offset = this.peek();
      if (offset < 0) {
        if (count === 0 && offset === CLOSED) return CLOSED;
        break;
      }
      this.advance();
      count++;
      handler(this.view, offset, this.length, this.type);
    }
    this.publishRelease();
    return count;
  }

  /** Copies one payload out; EMPTY or CLOSED when there is none. Allocates the copy. Its type is then in `type`. */
  poll(): Uint8Array | typeof EMPTY | typeof CLOSED {
    const offset = this.peek();
    if (offset < 0) return offset === CLOSED ? CLOSED : EMPTY;
    const copy = this.bytes.slice(offset, offset + this.length);
    this.advance();
    this.publishRelease();
    return copy;
  }
}

function claimError(verb: string, asked: number, claimed: number): PercoreError {
  return new PercoreError('ERR_PERCORE_CLAIM', `${verb}(${asked}) without a claim that large; claimed: ${Math.max(claimed, 0)}. Call tryClaim first and check that it is not negative`, {
    argument: verb, value: asked, allowed: `0 to ${Math.max(claimed, 0)}`,
  });
}

/**
 * A consumer that may be lapped: `drop-oldest`, or `evict` after a deadline. It never holds the producer back; the
 * price is that it copies.
 *
 *   consumer   1. copies records [next, end) out          producer, when the ring is full
 *              2. exchanges lossyCursor: next -> end         exchanges lossyCursor: next -> further on
 *              3. only then hands the copies on              only then overwrites
 *
 * One exchange wins. If it is the consumer's, the producer had overwritten nothing of what was copied, since it
 * overwrites only after an exchange of its own. The copy is therefore whole, although it was made without any order. If
 * it is the producer's, the copy may hold anything and is thrown away unread. (To read first and compare a sequence
 * afterwards, as a seqlock does, is not enough: JavaScript allows a plain read to be satisfied after a later atomic
 * load, and ARM does that.)
 *
 * The number of lost records is exact. For fixed records it is how far the cursor has been moved. For variable records
 * a push leaves its target and the count in one of two slots, and marks the cursor (PUSHED); the consumer finds the
 * slot whose target is its new cursor. That slot cannot change meanwhile, because the next push takes the other one,
 * and the push after that comes only when the next has moved the cursor. Counts begin anew whenever the consumer has
 * moved its cursor, so nothing depends on what earlier consumers, or a producer that died, have left behind.
 */
import { checkFunction } from '../errors.js';
import { damaged, damagedCursor, limitOf } from './copy-bytes.js';
import { MOVE_TO } from './doors.js';
import { mostRecords } from './memory.js';
import { HEADER_BYTES, PADDING, framedBytes } from './record.js';
import { CLOSED, EMPTY, EVICTED, OK, type ResultCode } from '../result-codes.js';
import { RingConsumer } from './ring-consumer.js';
import {
  CONSUMED, EVICTED_PLACE, LOSSY, LOSSY_CURSOR, PUSHED, PUSH_COUNT, PUSH_CURSOR, ROOM_BELL, STATE, type QueueMemory,
} from './ring.js';
import { ringBell } from './event-count.js';

/** The most bytes that are copied at once. */
const SCRATCH_BYTES = 16 * 1024;
/** For up to this many variable records, the headers are read before the records are copied. */
const FEW = 64;

/**
 * The consuming end of a ring that may lap it. It belongs to one thread at a time. Nothing blocks except `readySync`,
 * and only `poll` allocates. It hands out copies of records, by `drain` or `poll`, each at most once.
 *
 *     const consumer = sub(prices, { whenSlow: 'drop-oldest' });
 *     consumer.drain((view, offset) => show(view.getFloat64(offset, true)));
 *     if (consumer.lost > 0) console.log(`${consumer.lost} prices were overwritten before they were read`);
 */
export class LossyConsumer extends RingConsumer {
  /** The length in bytes of the record that `poll` or `drain` has handed out last. */
  length = 0;
  /** The type of the same record; always 1 for fixed records. */
  type = 0;
  private declare readonly lossyCursor: number;
  private declare readonly dataBytes: number;
  private declare readonly scratch: Uint8Array;
  private declare readonly scratchWords: Int32Array;
  private declare readonly scratchView: DataView;
  private declare readonly recordBytes: number;
  /** How many units of the ring the scratch memory holds. */
  private declare readonly most: number;
  /** LOSSY_CURSOR as we left it or last found it. */
  private declare found: number;
  /** How many records pushes have passed over since we last moved the cursor, as far as `lost` includes them. */
  private counted = 0;
  private isEvicted = false;
  /** The records that are ours but not handed out yet lie between these two bytes of the scratch memory. */
  private from = 0;
  private until = 0;
  /** Where the record of the last step lies in the scratch memory. */
  private offset = 0;

  constructor(memory: QueueMemory, place: number) {
    super(memory, place);
    this.lossyCursor = this.at + LOSSY_CURSOR;
    this.dataBytes = memory.dataBytes;
    this.recordBytes = memory.recordBytes;
    // One record always fits, even the longest of a variable ring. There is slack as in a ring: see SLACK_BYTES.
    const largest = memory.recordBytes > 0 ? memory.recordBytes : memory.capacity >> 1;
    const bytes = Math.max(SCRATCH_BYTES, largest);
    this.scratch = new Uint8Array((bytes + 15) & ~7);
    this.scratchWords = new Int32Array(this.scratch.buffer);
    this.scratchView = new DataView(this.scratch.buffer);
    this.most = memory.recordBytes > 0 ? Math.floor(bytes / memory.recordBytes) : bytes;
    this.found = this.next;
    // ring.lap: pairs with the load in push(); the state below carries it.
    Atomics.store(this.words, this.lossyCursor, this.next);
    // ring.lap: from here on the producer uses LOSSY_CURSOR, stored above, and may push it.
    Atomics.store(this.words, this.at + STATE, LOSSY);
    // Until here this consumer has held the producer back as every other does. The producer may have gone to sleep over
    // that, and nobody else will wake it.
    ringBell(this.words, ROOM_BELL);
  }

  /**
   * Calls `handler(view, offset, length, type)` for copies of up to `limit` records (as many as the ring holds, if left
   * out). Returns how many there were, 0 when empty, CLOSED when none will follow, and EVICTED when the producer has
   * evicted this consumer. Delivery is at most once; `lost` counts what was overwritten. Do not keep `offset` beyond
   * the call.
   */
  drain(
    handler: (view: DataView, offset: number, length: number, type: number) => void, limit = mostRecords(this.memory),
  ): number {
    checkFunction('handler', handler);
    limit = limitOf(limit);
    let count = 0;
    while (count < limit) {
      if (this.from === this.until) {
        const state = this.claim(limit - count);
        if (state !== OK) return count === 0 && state !== EMPTY ? state : count;
      }
      if (!this.step()) continue;
      count++;
      handler(this.scratchView, this.offset, this.length, this.type);
    }
    return count;
  }

  /** Hands out a copy of one record; EMPTY, CLOSED or EVICTED when there is none. Allocates the copy. */
  poll(): Uint8Array | typeof EMPTY | typeof CLOSED | typeof EVICTED {
    for (;;) {
      if (this.from === this.until) {
        const state = this.claim(1);
        if (state !== OK) return state as typeof EMPTY;
      }
      if (this.step()) return this.scratch.slice(this.offset, this.offset + this.length);
    }
  }

  /** This consumer holds nothing back, so it has nothing to release. */
  override publishRelease(): void {}

  /**
   * As for every consumer. If a handler threw, the records behind it in the scratch memory count as read, since nobody
   * else can get them.
   */
  override leave(): void {
    while (this.from !== this.until) this.step();
    super.leave();
  }

  /** As `leave`, so a `drain` whose handler closes this end hands out nothing more. */
  override close(): void {
    while (this.from !== this.until) this.step();
    super.close();
  }

  /** Never called, because `link` refuses a source that may be lapped. */
  [MOVE_TO](): ResultCode {
    return EMPTY;
  }

  protected override mayBeLapped(): boolean {
    return true;
  }

  protected override lookAhead(): ResultCode {
    // A handler that threw has left these behind.
    if (this.from !== this.until) return OK;
    // The place may belong to another consumer by now.
    if (this.isOver) return CLOSED;
    if (Atomics.load(this.words, this.lossyCursor) !== this.found) this.learnLost();
    // An evicted consumer is in the way until it leaves, and goes on being pushed. `lost` counts that, as `inspect`
    // does.
    if (this.isEvicted) return EVICTED;
    // ring.lap: pairs with the exchange in mayPush().
    if (Atomics.load(this.words, this.at + STATE) === EVICTED_PLACE) {
      this.isEvicted = true;
      return EVICTED;
    }
    return super.lookAhead();
  }

  /**
   * Copies up to `limit` records into the scratch memory, as many as fit, and makes them ours. Returns OK, EMPTY,
   * CLOSED or EVICTED.
   */
  private claim(limit: number): ResultCode {
    for (;;) {
      const state = this.lookAhead();
      if (state !== OK) return state;
      const unread = (this.seen - this.next) | 0;
      // If we were lapped since the look, more seems unread than the ring holds. The same shows when the producer's
      // cursor is damaged, and the exchange below tells the two apart.
      const seen = unread > 0 && unread <= this.capacity ? Math.min(unread, this.most) : 0;
      const units = this.recordBytes > 0 ? Math.min(seen, limit) : this.bytesOf(seen, limit);
      this.copy((this.next & this.mask) * (this.recordBytes || 1), units * (this.recordBytes || 1));
      const whole = this.recordBytes > 0 ? units : this.wholeRecords(units, limit);
      const target = (this.next + whole) | 0;
      // ring.lap: see the head of this file. The exchange fails if the producer has pushed us meanwhile. The loop is
      // bounded, since the producer pushes only as it goes on writing.
      if (whole > 0 && Atomics.compareExchange(this.words, this.lossyCursor, this.found, target) === this.found) {
        this.next = this.released = this.found = target;
        this.counted = 0;
        this.from = 0;
        this.until = whole * (this.recordBytes || 1);
        return OK;
      }
      // ring.lap: an exchange that changes nothing. If it succeeds, nobody has pushed us before it, so what we have
      // copied is what lies there.
      if (whole <= 0 && Atomics.compareExchange(this.words, this.lossyCursor, this.found, this.found) === this.found) {
        if (seen <= 0) throw damagedCursor('producer', this.seen, this.next, this.capacity);
        throw damaged(this.next, this.scratchWords[0]!, this.scratchWords[1]!, 'where a record should begin');
      }
      this.learnLost();
    }
  }

  /**
   * The length of the next `limit` variable records in the ring, at most `units` bytes, so that a small limit does not
   * copy many records. May be nonsense if we were lapped.
   */
  private bytesOf(units: number, limit: number): number {
    if (limit > FEW) return units;
    let bytes = 0;
    for (let records = 0; records < limit && bytes < units;) {
      const header = (this.dataBytes + ((this.next + bytes) & this.mask)) >> 2;
      const length = this.words[header]!;
      const isPadding = this.words[header + 1] === PADDING;
      const frame = isPadding ? length : framedBytes(length);
      if (frame < HEADER_BYTES) break;
      bytes += frame;
      if (!isPadding) records++;
    }
    return Math.min(bytes, units) & ~7;
  }

  /**
   * How many of the first `units` bytes in the scratch memory are whole records of a variable ring, up to `limit`
   * records. May be nonsense if we were lapped.
   */
  private wholeRecords(units: number, limit: number): number {
    let at = 0;
    for (let records = 0; records < limit && at + HEADER_BYTES <= units;) {
      const length = this.scratchWords[at >> 2]!;
      const isPadding = this.scratchWords[(at >> 2) + 1] === PADDING;
      const bytes = isPadding ? length : framedBytes(length);
      // Cut off by the end of the scratch memory, or no header at all.
      if (length < 0 || bytes < HEADER_BYTES || (bytes & 7) !== 0 || at + bytes > units) break;
      if (isPadding && bytes !== this.capacity - ((this.next + at) & this.mask)) break;
      at += bytes;
      if (!isPadding) records++;
    }
    return at;
  }

  /**
   * Copies `bytes` bytes from byte `from` of the records, around the ring's end. It goes word by word, so that no views
   * are made.
   */
  private copy(from: number, bytes: number): void {
    const ringBytes = this.capacity * (this.recordBytes || 1);
    if (((this.recordBytes | ringBytes) & 3) === 0) {
      const base = this.dataBytes >> 2;
      const end = ringBytes >> 2;
      for (let i = 0, at = from >> 2; i < bytes >> 2; i++) {
        this.scratchWords[i] = this.words[base + at]!;
        if (++at === end) at = 0;
      }
      return;
    }
    for (let i = 0, at = from; i < bytes; i++) {
      this.scratch[i] = this.bytes[this.dataBytes + at]!;
      if (++at === ringBytes) at = 0;
    }
  }

  /**
   * Moves over the next record in the scratch memory, which counts as read from here on. Returns false if it was
   * padding.
   */
  private step(): boolean {
    if (this.recordBytes > 0) {
      this.offset = this.from;
      this.length = this.recordBytes;
      this.type = 1;
      this.from += this.recordBytes;
    } else {
      this.offset = this.from + HEADER_BYTES;
      this.length = this.scratchWords[this.from >> 2]!;
      this.type = this.scratchWords[(this.from >> 2) + 1]!;
      this.from += this.type === PADDING ? this.length : framedBytes(this.length);
      if (this.type === PADDING) return false;
    }
    this.counters[(this.at >> 1) + CONSUMED]!++;
    return true;
  }

  /** Our cursor is not where we left it: goes on from there, and learns how many records lie between. */
  private learnLost(): void {
    const words = this.words;
    for (;;) {
      // ring.lap: pairs with the exchange in push().
      const found = Atomics.load(words, this.lossyCursor);
      if (found === this.found) return;
      if (this.recordBytes > 0) {
        this.lost += (found - this.next) | 0;
        this.next = found;
      } else {
        // ring.lap: these pair with notePush(), which writes both words before the exchange of the cursor.
        const slot = Atomics.load(words, this.at + PUSH_CURSOR) === found ? 0 : 1;
        const count = Atomics.load(words, this.at + PUSH_COUNT + slot);
        // ring.lap: if the cursor has not been pushed again meanwhile, `count` belongs to it.
        if (Atomics.load(words, this.lossyCursor) !== found) continue;
        this.lost += (count - this.counted) | 0;
        this.counted = count;
        this.next = found & ~PUSHED;
      }
      this.found = found;
      this.released = this.next;
      // What we had seen may lie behind us now.
      this.seen = this.next;
      return;
    }
  }
}

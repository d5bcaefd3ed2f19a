/**
 * A consumer that may be lapped: `drop-oldest`, or `evict` after a deadline. It never holds the producer back; in
 * return it copies.
 *
 *   consumer   1. copies records [next, end) out          producer, when the ring is full
 *              2. exchanges lossyCursor: next -> end         exchanges lossyCursor: next -> further on
 *              3. only then hands the copies on              only then overwrites
 *
 * One exchange wins. If it is the consumer's, the producer had overwritten nothing of what was copied, since it
 * overwrites only after its own exchange; so the copy is whole, though it was made without order. If it is the
 * producer's, the copy may be anything, and is thrown away unread. (Reading first and comparing a sequence after, as a
 * seqlock does, is not enough: JavaScript lets a plain read be satisfied after a later atomic load, and ARM does it.)
 *
 * How many were lost is exact. Of fixed records it is how far the cursor has been moved. Of variable records a push
 * leaves its target and the count in one of two slots, and marks the cursor (PUSHED); the consumer finds the slot whose
 * target is its new cursor. The slot cannot change meanwhile, because the next push takes the other one, and the next
 * but one comes after the next has moved the cursor. Counts begin anew where the consumer has moved its cursor, so
 * nothing rests on what those before it, or a producer that died, have left.
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

/** Most bytes copied at once. */
const SCRATCH_BYTES = 16 * 1024;
/** For up to this many variable records, the headers are looked at before the records are copied. */
const FEW = 64;

/**
 * The consuming end of a ring that may lap it. One thread at a time; nothing blocks; only `poll` allocates. Records are
 * copies: `drain` alone hands them out, at most once.
 *
 *     const consumer = sub(prices, { whenSlow: 'drop-oldest' });
 *     consumer.drain((view, offset) => show(view.getFloat64(offset, true)));
 *     if (consumer.lost > 0) console.log(`${consumer.lost} prices were overwritten before they were read`);
 */
export class LossyConsumer extends RingConsumer {
  /** Length and type of the record that `poll` answered with. */
  length = 0;
  /** The type of the record that `peek` or `drain` shows. */
  type = 0;
  private readonly lossyCursor: number;
  private readonly dataBytes: number;
  private readonly scratch: Uint8Array;
  private readonly scratchWords: Int32Array;
  private readonly scratchView: DataView;
  private readonly recordBytes: number;
  /** Units of the ring that the scratch holds. */
  private readonly most: number;
  /** LOSSY_CURSOR as we left it or last found it. */
  private found: number;
  /** Records that pushes have passed over since we last moved it, as far as `lost` has them. */
  private counted = 0;
  private isEvicted = false;
  /** The records that are ours and not handed on yet lie between these bytes of the scratch. */
  private from = 0;
  private until = 0;
  /** Where the record of the last step lies in the scratch. */
  private offset = 0;

  constructor(memory: QueueMemory, place: number) {
    super(memory, place);
    this.lossyCursor = this.at + LOSSY_CURSOR;
    this.dataBytes = memory.dataBytes;
    this.recordBytes = memory.recordBytes;
    // One record always fits, the longest of a variable ring included. Slack as in a ring: see SLACK_BYTES.
    const largest = memory.recordBytes > 0 ? memory.recordBytes : memory.capacity >> 1;
    const bytes = Math.max(SCRATCH_BYTES, largest);
    this.scratch = new Uint8Array((bytes + 15) & ~7);
    this.scratchWords = new Int32Array(this.scratch.buffer);
    this.scratchView = new DataView(this.scratch.buffer);
    this.most = memory.recordBytes > 0 ? Math.floor(bytes / memory.recordBytes) : bytes;
    this.found = this.next;
    // ring.lap: pairs with the load in push(), carried by the state below.
    Atomics.store(this.words, this.lossyCursor, this.next);
    // ring.lap: from here on the producer goes by LOSSY_CURSOR, stored above, and may push it.
    Atomics.store(this.words, this.at + STATE, LOSSY);
    // Until here we have held the producer back as everybody does; it may have gone to sleep over that, and nobody else
    // will wake it.
    ringBell(this.words, ROOM_BELL);
  }

  /**
   * Calls `handler(view, offset, length, type)` for up to `limit` records (as many as the ring holds, if left out),
   * copies of them. Returns how many, 0 when empty, CLOSED when none will follow, EVICTED when the producer has put
   * this consumer out. At most once. See `lost`.
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

  /** One record, a copy; EMPTY, CLOSED or EVICTED when there is none. Allocates. */
  poll(): Uint8Array | typeof EMPTY | typeof CLOSED | typeof EVICTED {
    for (;;) {
      if (this.from === this.until) {
        const state = this.claim(1);
        if (state !== OK) return state as typeof EMPTY;
      }
      if (this.step()) return this.scratch.slice(this.offset, this.offset + this.length);
    }
  }

  /** Nothing is held back, so nothing is released. */
  override publishRelease(): void {}

  /** As of every consumer; what a handler that threw has left behind was taken, and nobody else gets it. */
  override leave(): void {
    while (this.from !== this.until) this.step();
    super.leave();
  }

  /** Never called: `link` refuses a source that may be lapped. */
  [MOVE_TO](): ResultCode {
    return EMPTY;
  }

  protected override mayBeLapped(): boolean {
    return true;
  }

  protected override lookAhead(): ResultCode {
    // Left behind by a handler that threw.
    if (this.from !== this.until) return OK;
    // Our place may be another's.
    if (this.isOver) return CLOSED;
    if (Atomics.load(this.words, this.lossyCursor) !== this.found) this.learnLost();
    // It stands in the way until it leaves, and goes on being pushed: `lost` counts that as `inspect` does.
    if (this.isEvicted) return EVICTED;
    // ring.lap: pairs with the exchange in mayPush().
    if (Atomics.load(this.words, this.at + STATE) === EVICTED_PLACE) {
      this.isEvicted = true;
      return EVICTED;
    }
    return super.lookAhead();
  }

  /**
   * Copies up to `limit` records into the scratch, as many as fit, and makes them ours. OK, EMPTY, CLOSED or EVICTED.
   */
  private claim(limit: number): ResultCode {
    for (;;) {
      const state = this.lookAhead();
      if (state !== OK) return state;
      const unread = (this.seen - this.next) | 0;
      // One that was lapped since it looked finds more than the ring holds; or the producer's cursor is none, which the
      // exchange below tells.
      const seen = unread <= this.capacity ? Math.min(unread, this.most) : 0;
      const units = this.recordBytes > 0 ? Math.min(seen, limit) : this.bytesOf(seen, limit);
      this.copy((this.next & this.mask) * (this.recordBytes || 1), units * (this.recordBytes || 1));
      const whole = this.recordBytes > 0 ? units : this.wholeRecords(units, limit);
      const target = (this.next + whole) | 0;
      // ring.lap: see above. Fails if the producer has pushed us meanwhile; bounded, since it pushes only as it goes on
      // writing.
      if (whole > 0 && Atomics.compareExchange(this.words, this.lossyCursor, this.found, target) === this.found) {
        this.next = this.released = this.found = target;
        this.counted = 0;
        this.from = 0;
        this.until = whole * (this.recordBytes || 1);
        return OK;
      }
      // ring.lap: an exchange that changes nothing. Where it succeeds nobody has pushed us before it, so what we have
      // copied is what lies there.
      if (whole <= 0 && Atomics.compareExchange(this.words, this.lossyCursor, this.found, this.found) === this.found) {
        if (seen <= 0) throw damagedCursor('producer', this.seen, this.next, this.capacity);
        throw damaged(this.next, this.scratchWords[0]!, this.scratchWords[1]!, 'where a record should begin');
      }
      this.learnLost();
    }
  }

  /**
   * Bytes of the next `limit` variable records in the ring, at most `units`: for few records, not to copy many. May be
   * nonsense if we were lapped.
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
   * How many bytes at the scratch's start, of `units`, are whole records of a variable ring, up to `limit` of them. May
   * be nonsense if we were lapped.
   */
  private wholeRecords(units: number, limit: number): number {
    let at = 0;
    for (let records = 0; records < limit && at + HEADER_BYTES <= units;) {
      const length = this.scratchWords[at >> 2]!;
      const isPadding = this.scratchWords[(at >> 2) + 1] === PADDING;
      const bytes = isPadding ? length : framedBytes(length);
      // Cut off by the scratch, or no header at all.
      if (length < 0 || bytes < HEADER_BYTES || (bytes & 7) !== 0 || at + bytes > units) break;
      if (isPadding && bytes !== this.capacity - ((this.next + at) & this.mask)) break;
      at += bytes;
      if (!isPadding) records++;
    }
    return at;
  }

  /** Copies `bytes` bytes from byte `from` of the records, around the ring's end. Word by word: no views are made. */
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

  /** Moves over the next record of the scratch; false if it was padding. It counts as read from here on. */
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
        // ring.lap: pair with notePush(), which writes both before its exchange of the cursor.
        const slot = Atomics.load(words, this.at + PUSH_CURSOR) === found ? 0 : 1;
        const count = Atomics.load(words, this.at + PUSH_COUNT + slot);
        // ring.lap: unless it was pushed again meanwhile, `count` belongs to it.
        if (Atomics.load(words, this.lossyCursor) !== found) continue;
        this.lost += (count - this.counted) | 0;
        this.counted = count;
        this.next = found & ~PUSHED;
      }
      this.found = found;
      this.released = this.next;
      // What was seen may lie behind us now.
      this.seen = this.next;
      return;
    }
  }
}

/** The consuming end of a ring of variable records. variable-records.ts has the other end. */
import { PercoreError, checkFunction } from '../errors.js';
import { damaged, limitOf } from './copy-bytes.js';
import { MOVE_TO, TAKE_BACK } from './doors.js';
import { moveVariable, type LinkCounts, type LinkTo } from './link-ends.js';
import { HEADER_BYTES, PADDING, framedBytes } from './record.js';
import { CLOSED, EMPTY, OK, type ResultCode } from '../result-codes.js';
import { RingConsumer } from './ring-consumer.js';
import type { QueueMemory } from './ring.js';

/**
 * The consuming end of a queue of variable records. It belongs to one thread at a time. Nothing blocks except
 * `readySync`, and only `poll` allocates.
 *
 *     for (let offset = consumer.peek(); offset >= 0; offset = consumer.peek()) {
 *       handle(consumer.bytes, offset, consumer.length, consumer.type);
 *       consumer.advance();
 *     }
 *     consumer.publishRelease();                                        // what was read may be overwritten
 */
export class VariableConsumer extends RingConsumer {
  /** The payload length in bytes of the record that `peek`, `poll` or `drain` has found last. */
  length = 0;
  /** The type of the same record. */
  type = 0;
  /** Where the record begins that `peek` has found; any other sequence once `advance` has passed it. */
  private declare peeked: number;
  protected declare dataBytes: number;
  protected declare dataWords: number;

  constructor(memory: QueueMemory, place = 0) {
    super(memory, place);
    this.dataBytes = memory.dataBytes;
    this.dataWords = memory.dataBytes >> 2;
    this.peeked = (this.next - 1) | 0;
  }

  /**
   * Finds the next record in place: returns the byte offset of its payload and sets `length` and `type`. Returns EMPTY
   * or CLOSED when there is none. The record stays until `advance` and `publishRelease`, so that it may be read again
   * (at least once).
   */
  peek(): number {
    for (;;) {
      const state = this.lookAhead();
      if (state !== OK) return state;
      const at = this.next & this.mask;
      const header = this.dataWords + (at >> 2);
      const length = this.words[header]!;
      const type = this.words[header + 1]!;
      // A record lies before the ring's end and within what is published. As an unsigned number, a negative length lies
      // far beyond the end.
      if (type !== PADDING) {
        if (length >>> 0 > this.mask - 7 - at || framedBytes(length) > ((this.seen - this.next) | 0))
          throw damaged(this.next, length, type, 'which reaches beyond what is published');
        this.length = length;
        this.type = type;
        this.peeked = this.next;
        return this.dataBytes + at + HEADER_BYTES;
      }
      // At most once a lap: padding reaches the ring's end, and the same publish always has a record behind it.
      if (length !== this.mask + 1 - at || length > ((this.seen - this.next) | 0))
        throw damaged(this.next, length, type, 'which is no padding to the end');
      this.next = (this.next + length) | 0;
      this.goOn();
    }
  }

  /** Goes on at the beginning: of the same memory here, of the next chunk in a queue of chunks. */
  protected goOn(): void {}

  /**
   * Notes, before the peeked record is handled, that it counts as read if this thread dies meanwhile (at most once).
   * Without it, the next consumer is given again what was not released. `drain` does this by itself. Costs a plain
   * store.
   */
  begin(): void {
    if (this.peeked !== this.next || this.next === this.seen) throw notPeeked('begin');
    this.take((this.next + framedBytes(this.length)) | 0);
  }

  /** Takes `begin` back: the peeked record was not handled and stays in the queue. */
  putBack(): void {
    this.take(this.next);
  }

  /**
   * Takes the peeked record as read. Its room returns to the producer at the next `publishRelease`. Throws
   * ERR_PERCORE_CLAIM if `peek` has found no record.
   */
  advance(): void {
    // Nothing was found, this record was passed already, or this end has left since.
    if (this.peeked !== this.next || this.next === this.seen) throw notPeeked('advance');
    this.next = (this.next + framedBytes(this.length)) | 0;
    this.unreleased++;
  }

  /**
   * Calls `handler(view, offset, length, type)` for up to `limit` records in place, then releases them with one store.
   * Returns how many there were, 0 when empty, and CLOSED when none will follow. Delivery is at most once: a record
   * counts as read as soon as its handler is called, even if the handler throws. A death loses no record whose handler
   * was not called. Do not keep `offset` beyond the call.
   */
  drain(handler: (view: DataView, offset: number, length: number, type: number) => void, limit = 0x7fffffff): number {
    checkFunction('handler', handler);
    limit = limitOf(limit);
    let count = 0;
    while (count < limit) {
      const offset = this.peek();
      if (offset < 0) {
        if (count > 0 || offset !== CLOSED) break;
        // A handler that threw last time may have left its record unreleased.
        this.publishRelease();
        return CLOSED;
      }
      this.advance();
      this.take(this.next);
      count++;
      handler(this.view, offset, this.length, this.type);
    }
    this.publishRelease();
    return count;
  }

  /**
   * Copies one payload out and sets `type` to its type. Returns EMPTY or CLOSED when there is none. Allocates the copy.
   */
  poll(): Uint8Array | typeof EMPTY | typeof CLOSED {
    const offset = this.peek();
    if (offset < 0) return offset === CLOSED ? CLOSED : EMPTY;
    const copy = this.bytes.slice(offset, offset + this.length);
    this.advance();
    this.publishRelease();
    return copy;
  }

  /** See doors.ts: whatever was passed since the last release is read again. */
  [TAKE_BACK](): void {
    this.next = this.released;
    this.unreleased = 0;
    this.goOn();
  }

  [MOVE_TO](to: LinkTo, limit: number, counts: LinkCounts): ResultCode {
    return moveVariable(this, to, limit, counts);
  }
}

const notPeeked = (verb: string): PercoreError =>
  new PercoreError(
    'ERR_PERCORE_CLAIM',
    `${verb}() without a record that peek() has found. Call peek first and check that it is not negative`,
    { argument: verb },
  );

/**
 * Rings of variable records. Each payload has a header with its length and type in front of it. Where a record would
 * not fit before the ring's end, padding fills the rest, so that every record is contiguous. See record.ts for the
 * frame.
 *
 * For the ordering see ring.ts. Every access to a header or payload here lies between ring.free and ring.publish
 * (producer) or between ring.publish and ring.free (consumer).
 */
import { PercoreError, checkInteger, invalidArgument } from '../errors.js';
import { copyBytes, damaged, refuseClaim, lengthOf } from './copy-bytes.js';
import { ASK_FOR_ROOM, CLAIM_FOR, LENGTHEN, ROOM_BEHIND, TAKES_ALL } from './doors.js';
import { claimError } from './fixed-records.js';
import { HEADER_BYTES, PADDING, framedBytes } from './record.js';
import { BACK_PRESSURED, OK, TOO_LARGE, type ResultCode } from '../result-codes.js';
import { MOST_ASKED, RingProducer } from './ring-producer.js';
import type { QueueMemory } from './ring.js';
import type { SyncWaitOptions, WaitOptions } from '../waiting.js';

/**
 * The producing end of a queue of variable records. It belongs to one thread at a time. Nothing blocks or allocates
 * except where that is said.
 *
 *     const producer = pub(create({ kind: 'spsc', capacityBytes: 2 ** 16 }));
 *     while (producer.offer(bytes) === BACK_PRESSURED) await producer.room();       // copied in
 *
 *     const offset = producer.tryClaim(16);                                         // or written in place
 *     if (offset >= 0) {
 *       producer.view.setFloat64(offset, 101.5, true);
 *       producer.commit(8);                                                         // shortened to what was needed
 *     }
 */
export class VariableProducer extends RingProducer {
  /** The longest payload in bytes that always fits into an empty ring, wherever the cursor stands. */
  declare readonly maxRecordBytes: number;
  /** Byte offset of the first record; in a queue of chunks, that of the present chunk. */
  protected declare dataBytes: number;
  protected declare dataWords: number;
  /** Records that are committed and not yet published. */
  unpublished = 0;
  protected claimedLength = -1;
  protected claimedType = 0;
  /** Bytes of padding in front of the open claim. */
  protected skipped = 0;

  constructor(memory: QueueMemory, publishEvery: number, maxRecordBytes = (memory.capacity >> 1) - HEADER_BYTES) {
    super(memory, publishEvery);
    this.dataBytes = memory.dataBytes;
    this.dataWords = memory.dataBytes >> 2;
    this.maxRecordBytes = maxRecordBytes;
  }

  /**
   * Claims a contiguous payload of `length` bytes (0 to maxRecordBytes) for writing in place. Returns its byte offset,
   * a multiple of 8; or BACK_PRESSURED, TOO_LARGE, CLOSED or DROPPED. `type` (0 to 2^31-1) travels with the record.
   * Another claim before `commit` or `abort` replaces the first one. Throws ERR_PERCORE_INVALID_ARGUMENT for a length
   * that is no whole number, and for a type out of range.
   */
  tryClaim(length: number, type = 1): number {
    if (typeof length !== 'number' || (length | 0) !== length || length < 0 || length > this.maxRecordBytes)
      return this.refuse(length);
    // A negative type would be taken for padding, and one that is not an int32 would arrive as another.
    if (typeof type !== 'number' || type !== (type | 0) || type < 0) throw typeError(type);
    const needed = framedBytes(length);
    const at = this.next & this.mask;
    const toEnd = this.capacity - at;
    const skipped = needed <= toEnd ? 0 : toEnd;
    const room = this.ensureRoom(needed + skipped, 1);
    if (room !== OK) {
      this.refused = length;
      return room;
    }
    this.claimedLength = length;
    // Stores are dearer than looks; see `claimed` of FixedProducer.
    if (this.claimedType !== type) this.claimedType = type;
    if (this.skipped !== skipped) this.skipped = skipped;
    return this.dataBytes + (skipped === 0 ? at : 0) + HEADER_BYTES;
  }

  protected refuse(length: number): typeof TOO_LARGE {
    return refuseClaim('length', length, 0, this.maxRecordBytes);
  }

  /** As `tryClaim`, but blocks where a consumer has asked for that with `whenSlow: 'block'`. */
  claimOrBlock(length: number, type = 1): number {
    let offset = this.tryClaim(length, type);
    while (offset === BACK_PRESSURED && this.mustBlock()) {
      this.standStillFor(length);
      offset = this.tryClaim(length, type);
    }
    return offset;
  }

  /** Its own function, since a closure in the one above would allocate for each claim. */
  private standStillFor(length: number): void {
    this.standStill(() => this.unitsFor(length));
  }

  /**
   * Accepts the claimed record, shortened to `length` if that is given. It is published at once or later, as
   * `publishEvery` says. Returns OK, or CLOSED if the queue was closed before the record was published; then it is
   * counted as dropped. Throws ERR_PERCORE_CLAIM if no claim that long is open.
   */
  commit(length: number = this.claimedLength): ResultCode {
    if (length !== this.claimedLength || length < 0) this.checkShorter(length);
    let at = this.next & this.mask;
    if (this.skipped !== 0) {
      const padding = this.dataWords + (at >> 2);
      this.words[padding] = this.skipped;
      this.words[padding + 1] = PADDING;
      this.goOn();
      at = 0;
    }
    const header = this.dataWords + (at >> 2);
    this.words[header] = length;
    this.words[header + 1] = this.claimedType;
    this.next = (this.next + this.skipped + framedBytes(length)) | 0;
    this.claimedLength = -1;
    return this.committed(1, ++this.unpublished);
  }

  protected takeUnpublished(): number {
    const count = this.unpublished;
    this.unpublished = 0;
    return count;
  }

  /** Gives the claim up, as if it had never been made. */
  abort(): void {
    this.claimedLength = -1;
  }

  /**
   * Stands apart from commit(), which most often accepts the whole claim: the shorter that method is, the sooner V8
   * inlines it.
   */
  private checkShorter(length: number): void {
    if (typeof length !== 'number' || length !== (length | 0) || length < 0 || length > this.claimedLength)
      throw claimError('commit', length, this.claimedLength);
  }

  /**
   * Copies one record in; its length is measured once, when this is called. Returns OK, BACK_PRESSURED, TOO_LARGE,
   * CLOSED or DROPPED. Blocks only if a consumer has subscribed with `whenSlow: 'block'`. Throws
   * ERR_PERCORE_INVALID_ARGUMENT for anything but a Uint8Array, and for a `type` out of range.
   */
  offer(record: Uint8Array, type = 1): ResultCode {
    const length = lengthOf(record);
    const offset = this.claimOrBlock(length, type);
    if (offset < 0) return offset as ResultCode;
    copyBytes(record, length, this.bytes, offset);
    return this.commit();
  }

  /** See doors.ts: asks for room for a payload of `length` bytes. Returns true if there is room now. */
  [ASK_FOR_ROOM](length: number): boolean {
    if (typeof length !== 'number' || (length | 0) !== length || length < 0)
      checkInteger('length', length, 0, MOST_ASKED);
    return this.askForUnits(this.unitsFor(length));
  }

  /**
   * Resolves OK when a payload of `length` bytes can be claimed, and CLOSED when it never will be or when this end
   * closes or leaves. If `length` is left out, it is the one that was last refused. Resolves DROPPED at once if a
   * consumer with `whenSlow: 'drop-newest'` is in the way. Publishes what is committed first. Rejects with
   * `signal.reason` when `signal` aborts, and with ERR_PERCORE_TIMEOUT after `timeoutMs`.
   */
  room(length: number = this.refused, options?: WaitOptions): Promise<ResultCode> {
    checkInteger('length', length, 0, this.maxRecordBytes);
    return this.roomFor(() => this.unitsFor(length), options);
  }

  /** As `room`, but freezes the thread; a reactor may not call it. Returns BACK_PRESSURED after `timeoutMs`. */
  roomSync(length: number = this.refused, options?: SyncWaitOptions): ResultCode {
    checkInteger('length', length, 0, this.maxRecordBytes);
    return this.blockFor(() => this.unitsFor(length), options);
  }

  [TAKES_ALL](_recordBytes: number, longest: number): boolean {
    return this.maxRecordBytes >= longest;
  }

  [CLAIM_FOR](length: number, type: number): number {
    return this.tryClaim(length, type);
  }

  /**
   * See doors.ts: where `bytes` more would lie that continue the last record, or -1 if it was published, if the ring
   * ends there, or if there is no room as far as is known. `bytes` is a multiple of 8, as is the end of that record.
   */
  [ROOM_BEHIND](bytes: number): number {
    const at = this.next & this.mask;
    if (this.unpublished === 0 || at === 0 || at + bytes > this.capacity) return -1;
    return ((this.next + bytes - this.gate) | 0) <= this.capacity ? this.dataBytes + at : -1;
  }

  /** See doors.ts: the last record, whose payload lies at `at`, has `length` bytes now, `bytes` more than it had. */
  [LENGTHEN](at: number, length: number, type: number, bytes: number): void {
    const { words } = this;
    const header = (at - HEADER_BYTES) >> 2;
    words[header] = length;
    words[header + 1] = type;
    this.next = (this.next + bytes) | 0;
    // A claim that is open lies where these bytes do.
    this.claimedLength = -1;
  }

  /**
   * The bytes that a payload of `length` takes from the present cursor on: its frame, and the padding in front of it if
   * it does not fit before the ring's end.
   */
  protected unitsFor(length: number): number {
    const needed = framedBytes(length);
    const toEnd = this.capacity - (this.next & this.mask);
    return needed <= toEnd ? needed : needed + toEnd;
  }

  /** Goes on at the beginning: of the same memory here, of the next chunk in a queue of chunks. */
  protected goOn(): void {}

  protected skip(cursor: number, least: number): number {
    let at = cursor;
    this.skippedRecords = 0;
    // A producer of this ring wrote these headers, and nobody has overwritten them, since what the consumer has not
    // passed is not free.
    while (((least - at) | 0) > 0) {
      const index = at & this.mask;
      const header = this.dataWords + (index >> 2);
      const length = this.words[header]!;
      const isPadding = this.words[header + 1] === PADDING;
      if (isPadding ? length !== this.capacity - index : length >>> 0 > this.mask - 7 - index)
        throw damaged(at, length, this.words[header + 1]!, 'where a record was');
      at = (at + (isPadding ? length : framedBytes(length))) | 0;
      if (!isPadding) this.skippedRecords++;
    }
    return at;
  }
}

/** The error for a type that a record cannot have. */
export const typeError = (type: unknown): PercoreError =>
  invalidArgument('type', type, 'a whole number from 0 to 2147483647');

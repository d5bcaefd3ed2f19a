/**
 * A linked queue: variable records in chunks that are made as they are needed, up to a cap, and used again. It is meant
 * for bursts: a queue that is mostly short takes two chunks, however high its cap is.
 *
 *                      consumer                          producer
 *   sequence   . . . |----^-------|------------|---------^- - - |     int32, counts bytes, wraps
 *   stretch          |     6      |     7      |        8       |     each as long as a chunk
 *   table               chunk 2      chunk 0        chunk 1           slot = stretch modulo the table's size
 *   not in use:      chunk 3                                          known to the producer alone
 *
 * To both ends it is a variable ring (variable-records.ts) that ends at the end of each chunk. Padding precedes a
 * record that does not fit into the rest of a chunk, and after padding the table says which chunk comes next. Every
 * chunk ends with padding, for which 8 bytes are always left. When a consumer releases records beyond a stretch, that
 * gives the chunk of the stretch back: the cursor says so, and nothing else does.
 *
 * So nothing is linked, in spite of the name. The alternative, a header that names the next chunk and a second ring for
 * the way back, keeps state in places that one store cannot change together, and a death in between leaks a chunk. Here
 * a producer that takes over finds every chunk: those of the stretches between the two cursors are in use, and all
 * others in the buffer are free.
 *
 * The producer first uses the chunk that came back last, which is still in the caches. After a burst the queue
 * therefore stays in few chunks.
 *
 * The ordering is that of ring.ts, and there is no other pair. The table's words are plain. The producer writes a slot
 * between ring.free (the earlier stretch of this slot was released, because there are no more stretches in use than
 * chunks, and no more chunks than slots) and ring.publish of the first record behind it; the consumer reads it after
 * that publish. Growth is ordered too: by the rules of the language `byteLength` is sequentially consistent; it grows
 * before ring.publish and is read after it.
 *
 * Source: uSPSC of FastFlow (Aldinucci et al. 2012), whose buffers come from a pool; the table is that of virtual
 * memory.
 */
import { checkFunction } from '../errors.js';
import { damagedCursor, damagedWord, limitOf } from './copy-bytes.js';
import { SHAPE } from './doors.js';
import { HEADER_BYTES, framedBytes } from './record.js';
import {
  GROWTHS_REFUSED, allocatedChunks, offsetOfChunk, reachAll, slotOf, type LinkedMemory,
} from './linked-memory.js';
import type { RecordShape } from './link-ends.js';
import { mostRecords } from './memory.js';
import { BACK_PRESSURED, CLOSED, DROPPED, OK, type ResultCode } from '../result-codes.js';
import { BLOCK, CURSOR, DROP_NEWEST, POLICY, PRODUCER_HIGH_WATER, placeAt } from './ring.js';
import { VariableConsumer } from './variable-consumer.js';
import { VariableProducer, typeError } from './variable-records.js';

const PLACE = placeAt(0);
/** The table is plain memory, so a chunk's number is checked before it is used as a position. */
function checkChunk(chunk: number, chunks: number): void {
  if (!(chunk >= 0 && chunk < chunks)) throw damagedWord('chunk number in the table', chunk, chunks - 1);
}

/** Stands for no chunk. */
const NONE = -1;
/**
 * What a chunk holds besides its longest payload: the header of that payload, and the header of the padding at its end.
 */
const CHUNK_OVERHEAD_BYTES = 2 * HEADER_BYTES;

/**
 * The producing end of a linked queue. It belongs to one thread at a time; nothing blocks except what says so. It
 * allocates only when the queue grows: then `words`, `bytes` and `view` are new, so read them from the producer after
 * each claim. Positions do not change.
 *
 *     const producer = pub(create({ kind: 'spsc', backend: 'linked', capacityBytes: 2 ** 26 }));
 *     producer.offer(bytes);                                  // BACK_PRESSURED at 64 MiB; two chunks are there at once
 */
export class LinkedProducer extends VariableProducer {
  private declare readonly memory: LinkedMemory;
  /** The chunk that will be used when the present one is full. */
  private following = NONE;
  /** How many chunks the buffer has. */
  private declare allocated: number;
  /** Chunks that hold nothing; the first `freeCount` entries count. */
  private declare readonly free: number[];
  private freeCount = 0;
  /** The first sequence of the oldest stretch whose chunk has not come back. */
  private declare oldest: number;

  constructor(memory: LinkedMemory, publishEvery: number) {
    super(memory, publishEvery, memory.chunkBytes - CHUNK_OVERHEAD_BYTES);
    this.memory = memory;
    this.mask = memory.chunkBytes - 1;
    this.allocated = allocatedChunks(memory);
    this.free = Array.from({ length: memory.mostChunks }, () => NONE);
    // ring.free: reclaim() finds what is released from now on.
    this.oldest = Atomics.load(this.words, PLACE + CURSOR) & ~this.mask;
    this.findFree();
    this.goTo(memory.table[slotOf(memory, this.next)]!, this.next);
  }

  /**
   * Claims a contiguous payload of `length` bytes (0 to maxRecordBytes, which is chunkBytes less 16) for writing in
   * place. Returns its byte offset, a multiple of 8; or BACK_PRESSURED when the cap is reached, TOO_LARGE, CLOSED or
   * DROPPED. `type` (0 to 2^31-1) travels with the record. Throws ERR_PERCORE_INVALID_ARGUMENT as that of a variable
   * ring does.
   */
  override tryClaim(length: number, type = 1): number {
    if (typeof length !== 'number' || (length | 0) !== length || length < 0 || length > this.maxRecordBytes)
      return this.refuse(length);
    // A negative type would be taken for padding, and one that is not an int32 would arrive as another.
    if (typeof type !== 'number' || type !== (type | 0) || type < 0) throw typeError(type);
    const at = this.next & this.mask;
    const units = this.unitsFor(length);
    const room = this.ensureRoom(units, 1);
    if (room !== OK) {
      this.refused = length;
      return room;
    }
    this.claimedLength = length;
    this.claimedType = type;
    this.skipped = units - framedBytes(length);
    return (this.skipped === 0 ? this.dataBytes + at : offsetOfChunk(this.memory, this.following)) + HEADER_BYTES;
  }

  /**
   * The bytes that a payload of `length` takes from the present cursor on: its frame, and the rest of the chunk if that
   * is too short for the frame and the header of the padding.
   */
  protected override unitsFor(length: number): number {
    const needed = framedBytes(length);
    const toEnd = this.mask + 1 - (this.next & this.mask);
    return needed + HEADER_BYTES <= toEnd ? needed : needed + toEnd;
  }

  /** OK when `needed` units lie in the rest of the present chunk, or when there is a chunk to follow it. */
  protected override look(needed: number): ResultCode {
    if (needed <= this.mask + 1 - (this.next & this.mask) - HEADER_BYTES || this.following !== NONE) return OK;
    // ring.free: pairs with publishRelease(). What the consumer has read, it has read before we overwrite it.
    const cursor = Atomics.load(this.words, PLACE + CURSOR);
    this.reclaim(cursor & ~this.mask);
    this.following = this.freeCount > 0 ? this.free[--this.freeCount]! : this.grow();
    if (this.following !== NONE) return OK;
    this.words[PRODUCER_HIGH_WATER] = Math.max(this.words[PRODUCER_HIGH_WATER]!, (this.next - cursor) | 0);
    // The consumer writes its policy before its state, and has held us back since.
    return Atomics.load(this.words, PLACE + POLICY) === DROP_NEWEST ? DROPPED : BACK_PRESSURED;
  }

  /**
   * True if `offer` must block until there is room. The consumer writes its policy before its state, and has held us
   * back since.
   */
  protected override mustBlock(): boolean {
    return Atomics.load(this.words, PLACE + POLICY) === BLOCK && this.mayBlock(PLACE);
  }

  /** The padding is written, and the record goes to the chunk that follows. */
  protected override goOn(): void {
    const begin = (this.next + this.skipped) | 0;
    this.memory.table[slotOf(this.memory, begin)] = this.following;
    this.goTo(this.following, begin);
    this.following = NONE;
  }

  /** Makes `chunk` the present one; `position` lies in its stretch. */
  private goTo(chunk: number, position: number): void {
    checkChunk(chunk, this.allocated);
    this.dataBytes = offsetOfChunk(this.memory, chunk);
    this.dataWords = this.dataBytes >> 2;
    // For room(): as if the ring ended where the last padding has to begin.
    this.gate = ((position | this.mask) + 1 - HEADER_BYTES - this.capacity) | 0;
  }

  /** Takes back the chunks of all stretches before `end`. */
  private reclaim(end: number): void {
    if (((this.next - end) | 0) < 0) throw damagedCursor('consumer', end, this.next, this.capacity);
    for (; ((end - this.oldest) | 0) > 0; this.oldest = (this.oldest + this.mask + 1) | 0) {
      const chunk = this.memory.table[slotOf(this.memory, this.oldest)]!;
      checkChunk(chunk, this.allocated);
      this.free[this.freeCount++] = chunk;
    }
  }

  /**
   * Finds the free chunks: all but those of the stretches from the consumer's cursor to what is published, whatever an
   * earlier producer was about to do.
   */
  private findFree(): void {
    const used = new Set<number>();
    if ((this.next - this.oldest) >>> 0 > this.capacity)
      throw damagedCursor('consumer', this.oldest, this.next, this.capacity);
    for (let at = this.oldest; ((this.next - at) | 0) >= 0; at = (at + this.mask + 1) | 0)
      used.add(this.memory.table[slotOf(this.memory, at)]!);
    // The chunks at the front come last in the list, so that they are used first.
    for (let chunk = this.allocated - 1; chunk >= 0; chunk--) if (!used.has(chunk)) this.free[this.freeCount++] = chunk;
  }

  /** Makes one chunk more, unless the cap is reached or the system has no memory. */
  private grow(): number {
    const { memory, allocated } = this;
    if (allocated === memory.mostChunks) return NONE;
    try {
      memory.buffer.grow(offsetOfChunk(memory, allocated + 1));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.counters[GROWTHS_REFUSED]!++;
      return NONE;
    }
    this.allocated++;
    reachAll(this, memory.buffer);
    return allocated;
  }
}

/**
 * The consuming end of a linked queue. It belongs to one thread at a time. Nothing blocks except `readySync`. Only
 * `poll` allocates, and so does the first access after the queue has grown: then `words`, `bytes` and `view` are new,
 * so read them from the consumer after each `peek`.
 *
 *     for (let offset = consumer.peek(); offset >= 0; offset = consumer.peek()) {
 *       handle(consumer.bytes.subarray(offset, offset + consumer.length));
 *       consumer.advance();
 *     }
 *     consumer.publishRelease();                               // chunks that were passed go back to the producer
 */
export class LinkedConsumer extends VariableConsumer {
  declare protected readonly memory: LinkedMemory;

  constructor(memory: LinkedMemory, place = 0) {
    super(memory, place);
    this.mask = memory.chunkBytes - 1;
    this.goOn();
  }

  override get [SHAPE](): RecordShape {
    return { ...super[SHAPE], maxRecordBytes: this.memory.chunkBytes - CHUNK_OVERHEAD_BYTES };
  }

  /**
   * As that of a variable ring, but each chunk is given back as soon as it is read to its end. Otherwise a drain that
   * never catches up with its producer would take the whole cap.
   */
  override drain(
    handler: (view: DataView, offset: number, length: number, type: number) => void, limit = mostRecords(this.memory),
  ): number {
    checkFunction('handler', handler);
    limit = limitOf(limit);
    let count = 0;
    while (count < limit) {
      const chunk = this.dataBytes;
      const offset = this.peek();
      if (offset < 0) {
        if (count > 0 || offset !== CLOSED) break;
        // A handler that threw last time may have left its record unreleased.
        this.publishRelease();
        return CLOSED;
      }
      if (this.dataBytes !== chunk) this.publishRelease();
      this.advance();
      this.take(this.next);
      count++;
      handler(this.view, offset, this.length, this.type);
    }
    this.publishRelease();
    return count;
  }

  /** Goes on in the chunk that holds `next`. */
  protected override goOn(): void {
    const { memory } = this;
    const chunk = memory.table[slotOf(memory, this.next)]!;
    const begin = offsetOfChunk(memory, chunk);
    if (begin + memory.chunkBytes > this.bytes.length) reachAll(this, memory.buffer);
    checkChunk(chunk, Math.floor((this.bytes.length - memory.firstChunk) / memory.chunkBytes));
    this.dataBytes = begin;
    this.dataWords = begin >> 2;
  }
}

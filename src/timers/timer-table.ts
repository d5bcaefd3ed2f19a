/**
 * Where the timers of one thread are kept: 40 bytes each, and nothing for the garbage collector to walk but the
 * callback. An object a timer would be five times that.
 *
 *     chunk   | the wheel's links and deadline | meta i32 | deadline f64 |  ...      32 bytes, TimerRecord in layout.ts
 *             | callback |  ...                                                       8 bytes
 *
 *     meta      | generation, 26 bits | WALKS | DUE | ARMED | band, 3 bits |
 *     deadline  of a free slot: the next free one
 *
 * The wheel and this table share the record: cancelling a timer out of a million waits for its line of memory once, not
 * twice, and for that of its callback. A table grows by whole chunks, so that growing never copies a million timers;
 * only the first begins small. What it has held at a time it keeps, for the next timers.
 */
import { PercoreError } from '../errors.js';
import { TIMERS_PER_CHUNK, timerRecordLayout } from '../layout.js';
import { MAX_GENERATION, MAX_TIMERS } from './timer-id.js';

const CHUNK_BITS = Math.log2(TIMERS_PER_CHUNK);
const SLOT_MASK = TIMERS_PER_CHUNK - 1;
const FIRST_TIMERS = 64;
const FIRST_FREE = 64;
const NUMBERS_BITS = Math.log2(timerRecordLayout.bytes >> 3);
const DEADLINE = timerRecordLayout.fields.deadlineNs.at >> 3;
const META = timerRecordLayout.fields.meta.at >> 2;

export const BAND_BITS = 7;
/** The wheel has it, or will have with the next requests. */
export const ARMED = 8;
/** Its deadline has come; it waits in its band. */
export const DUE = 16;
/** What stands in place of its callback is a Walk: it has more than one tick. */
export const WALKS = 32;
export const GENERATION_SHIFT = 6;
const ONE_GENERATION = 1 << GENERATION_SHIFT;

export class Chunk {
  /** TimerRecords, shared with the wheel. */
  readonly records: Float64Array;
  /** The same memory by words, for `meta` alone. */
  readonly words: Int32Array;

  constructor(readonly size: number, readonly callbacks: unknown[] = new Array<unknown>(size).fill(undefined)) {
    this.records = new Float64Array((size * timerRecordLayout.bytes) >> 3);
    this.words = new Int32Array(this.records.buffer);
  }

  doubled(): Chunk {
    const larger = new Chunk(this.size * 2, this.callbacks.concat(new Array<unknown>(this.size).fill(undefined)));
    larger.records.set(this.records);
    return larger;
  }
}

/** Index of a slot in its chunk's `callbacks`, of its deadline in `records`, and of its meta in `words`. */
export const indexOf = (slot: number): number => slot & SLOT_MASK;
export const metaAt = (slot: number): number => ((slot & SLOT_MASK) << (NUMBERS_BITS + 1)) + META;
export const deadlineAt = (slot: number): number => ((slot & SLOT_MASK) << NUMBERS_BITS) + DEADLINE;

export class TimerTable {
  /** Slots in use. */
  count = 0;
  /** Slots that have ever been used: 0 to used - 1. */
  used = 0;
  private chunks: Chunk[] = [];
  /** Meta of the slot that was taken last: its generation alone. */
  takenMeta = 0;
  /**
   * A stack of free slots, each with its next meta: taking a slot need not wait for its memory, which may have left the
   * caches long ago.
   */
  private free = new Int32Array(2 * FIRST_FREE);
  /** Words of it in use, two a slot. */
  private freeWords = 0;

  /** `share` gets the records of each chunk. */
  constructor(private readonly share: (index: number, records: Float64Array) => void) {}

  chunkOf(slot: number): Chunk {
    return this.chunks[slot >>> CHUNK_BITS]!;
  }

  /** Whether a number is that of a slot that has ever been used; NaN and fractions are none. */
  isUsed(slot: number): boolean {
    return (slot | 0) === slot && slot < this.used && slot >= 0;
  }

  /** A slot for a new timer; see `takenMeta`. Throws when 2^24 are in use. */
  take(): number {
    if (this.freeWords === 0) return this.extend();
    this.count++;
    this.freeWords -= 2;
    this.takenMeta = this.free[this.freeWords + 1]!;
    return this.free[this.freeWords]!;
  }

  /** Gives a slot back: its number means nothing from here on, and its callback may be collected. */
  release(slot: number): void {
    const chunk = this.chunkOf(slot);
    this.releaseFrom(chunk, slot, chunk.words[metaAt(slot)]!);
  }

  /** The same for a caller that has its chunk and meta. */
  releaseFrom(chunk: Chunk, slot: number, meta: number): void {
    const generation = meta >>> GENERATION_SHIFT;
    chunk.callbacks[indexOf(slot)] = undefined;
    this.count--;
    // No timer has generation 0, so a number that was made up cannot name a timer to come. A slot whose generations are
    // used up is not used again.
    chunk.words[metaAt(slot)] = 0;
    if (generation === MAX_GENERATION) return;
    const next = (generation + 1) << GENERATION_SHIFT;
    if (this.freeWords === this.free.length) this.growFree();
    this.free[this.freeWords] = slot;
    this.free[this.freeWords + 1] = next;
    this.freeWords += 2;
  }

  /** Forgets every timer, and that there ever was one: for a table that is not used again. */
  clear(): void {
    this.chunks = [];
    this.count = this.used = this.freeWords = 0;
  }

  private extend(): number {
    const slot = this.used;
    if (slot === MAX_TIMERS) {
      throw new PercoreError(
        'ERR_PERCORE_TOO_LARGE',
        `${MAX_TIMERS} timers are live: there is no number for one more`,
        { value: slot, allowed: `at most ${MAX_TIMERS} at a time` },
      );
    }
    const at = slot >>> CHUNK_BITS;
    if (at === this.chunks.length) {
      this.chunks.push(this.shared(at, new Chunk(at === 0 ? FIRST_TIMERS : TIMERS_PER_CHUNK)));
    } else if (at === 0 && slot === this.chunks[0]!.size) this.chunks[0] = this.shared(at, this.chunks[0]!.doubled());
    this.chunks[at]!.words[metaAt(slot)] = this.takenMeta = ONE_GENERATION;
    this.used++;
    this.count++;
    return slot;
  }

  private growFree(): void {
    const larger = new Int32Array(this.free.length * 2);
    larger.set(this.free);
    this.free = larger;
  }

  private shared(index: number, chunk: Chunk): Chunk {
    this.share(index, chunk.records);
    return chunk;
  }
}

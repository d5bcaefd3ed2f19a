/**
 * Where the timers of one thread are kept. Each takes 40 bytes, of which the garbage collector has to look only at the
 * callback. An object for each timer would take five times as much.
 *
 *     chunk   | the wheel's links and deadline | meta i32 | deadline f64 |  ...      32 bytes, TimerRecord in layout.ts
 *             | callback |  ...                                                       8 bytes
 *
 *     meta      | generation, 26 bits | WALKS | DUE | ARMED | band, 3 bits |
 *
 * The wheel and this table share the record. So cancelling one timer of a million waits for memory only twice: for the
 * line of the record and for that of the callback. The table grows by whole chunks, so that growing never copies a
 * million timers; only the first chunk begins small. The table never shrinks, but keeps its memory for later timers.
 */
import { PercoreError } from '../errors.js';
import { TIMERS_PER_CHUNK, timerRecordLayout } from '../layout.js';
import { MAX_GENERATION, MAX_TIMERS } from './timer-id.js';

const CHUNK_BITS = Math.log2(TIMERS_PER_CHUNK);
const SLOT_MASK = TIMERS_PER_CHUNK - 1;
const FIRST_TIMERS = 64;
const FRESH_SLOTS = 64;
const NUMBERS_BITS = Math.log2(timerRecordLayout.bytes >> 3);
const WORDS_BITS = NUMBERS_BITS + 1;
const DEADLINE = timerRecordLayout.fields.deadlineNs.at >> 3;
const META = timerRecordLayout.fields.meta.at >> 2;

export const BAND_BITS = 7;
/** The wheel has the timer, or will have it after the next requests. */
export const ARMED = 8;
/** The timer is due and waits in its band. */
export const DUE = 16;
/** The timer has more than one tick: a Walk lies in the place of its callback. */
export const WALKS = 32;
export const GENERATION_SHIFT = 6;
const ONE_GENERATION = 1 << GENERATION_SHIFT;

/** The records and callbacks of `size` timers. */
export class Chunk {
  /** The TimerRecords, which the wheel shares. */
  readonly records: Float64Array;
  /** The same memory as words, to read and write `meta`. */
  readonly words: Int32Array;

  constructor(readonly size: number, readonly callbacks: unknown[] = new Array<unknown>(size).fill(undefined)) {
    this.records = new Float64Array((size * timerRecordLayout.bytes) >> 3);
    this.words = new Int32Array(this.records.buffer);
  }

  /** A chunk of twice the size with the same timers. */
  doubled(): Chunk {
    const larger = new Chunk(this.size * 2, this.callbacks.concat(new Array<unknown>(this.size).fill(undefined)));
    larger.records.set(this.records);
    return larger;
  }
}

/**
 * Where a slot lies in its chunk: its index in `callbacks`, that of its meta in `words`, of its deadline in `records`.
 */
export const indexOf = (slot: number): number => slot & SLOT_MASK;
export const metaAt = (slot: number): number => ((slot & SLOT_MASK) << WORDS_BITS) + META;
export const deadlineAt = (slot: number): number => ((slot & SLOT_MASK) << NUMBERS_BITS) + DEADLINE;

/** All timers of one thread, by their slots. */
export class TimerTable {
  /** How many slots are in use. */
  count = 0;
  /** How many slots have been used, or are free to be: those from 0 to used - 1. */
  used = 0;
  /** How many slots the chunks have. */
  private room = 0;
  private chunks: Chunk[] = [];
  /** The meta of the slot that was last taken, which has only its generation yet. */
  takenMeta = 0;
  /**
   * A stack of free slots, each with the meta that it will have next. So taking a slot need not wait for its record,
   * which may have left the caches long ago.
   */
  private free = new Int32Array(2 * FRESH_SLOTS);
  /** How many words of the stack are in use, two for each slot. */
  private freeWords = 0;

  /** `share` is called with the records of each new chunk. */
  constructor(private readonly share: (index: number, records: Float64Array) => void) {}

  chunkOf(slot: number): Chunk {
    return this.chunks[slot >>> CHUNK_BITS]!;
  }

  /** True if `slot` is the number of one of those slots; false for NaN and fractions. */
  isUsed(slot: number): boolean {
    return (slot | 0) === slot && slot < this.used && slot >= 0;
  }

  /** Takes a slot for a new timer and sets `takenMeta`. Throws ERR_PERCORE_TOO_LARGE if 2^24 slots are in use. */
  take(): number {
    if (this.freeWords === 0) this.extend();
    this.count++;
    this.freeWords -= 2;
    this.takenMeta = this.free[this.freeWords + 1]!;
    return this.free[this.freeWords]!;
  }

  /** Gives a slot back: the timer's number is invalid from now on, and its callback can be collected. */
  release(slot: number): void {
    const chunk = this.chunkOf(slot);
    this.releaseFrom(chunk, slot, chunk.words[metaAt(slot)]!);
  }

  /** Does the same for a caller that already has the chunk and the meta of the slot. */
  releaseFrom(chunk: Chunk, slot: number, meta: number): void {
    const generation = meta >>> GENERATION_SHIFT;
    chunk.callbacks[indexOf(slot)] = undefined;
    this.count--;
    // No timer has generation 0, so a number that somebody makes up cannot name a timer that is yet to be made. A slot
    // whose generations are used up is not used again.
    chunk.words[metaAt(slot)] = 0;
    if (generation === MAX_GENERATION) return;
    const next = (generation + 1) << GENERATION_SHIFT;
    if (this.freeWords === this.free.length) this.growFree();
    this.free[this.freeWords] = slot;
    this.free[this.freeWords + 1] = next;
    this.freeWords += 2;
  }

  /** Forgets all timers and frees their memory. The table must not be used after that. */
  clear(): void {
    this.chunks = [];
    this.count = this.used = this.room = this.freeWords = 0;
  }

  /**
   * Puts the next slots that were never used on the stack, many at a time: `take` is in the code of every method that
   * makes timers, as V8 compiles it, and this should not be.
   */
  private extend(): void {
    const first = this.used;
    if (first === this.room) this.grow(first);
    const fresh = Math.min(FRESH_SLOTS, this.room - first);
    for (let i = 0; i < fresh; i++) {
      // The first one on top.
      this.free[2 * i] = first + fresh - 1 - i;
      this.free[2 * i + 1] = ONE_GENERATION;
    }
    this.freeWords = 2 * fresh;
    this.used += fresh;
  }

  private grow(slot: number): void {
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
    } else {
      this.chunks[0] = this.shared(at, this.chunks[0]!.doubled());
    }
    this.room = at * TIMERS_PER_CHUNK + this.chunks[at]!.size;
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

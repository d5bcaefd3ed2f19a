/**
 * How far a producer may go. It looks at the cursors of all consumers and, for each one in the way, does what that
 * consumer has asked for: it waits, drops, laps or evicts. See ring.ts for the picture and the ordering table, and
 * lossy-consumer.ts for the other side of a lap.
 */
import { BACK_PRESSURED, DROPPED, OK, type ResultCode } from '../result-codes.js';
import { damagedCursor } from './copy-bytes.js';
import { farBellsOf } from './far-bells.js';
import { publishedIn } from './mark.js';
import { meIn } from './places.js';
import {
  BLOCK, CURSOR, DROPPED_EVICTED, DROPPED_OLDEST, DROP_NEWEST, DROP_OLDEST, EVICT, EVICTED_PLACE, EVICT_AFTER_MS,
  HELD, LOSSY, LOSSY_CURSOR, PLACE_WORDS, POLICY, PRODUCER_HIGH_WATER, PUSHED, PUSH_COUNT,
  PUSH_CURSOR, STATE, THREAD, placeAt, type QueueMemory,
} from './ring.js';

const FIRST_PLACE = placeAt(0);

/** The half of a producer that looks for room. */
export abstract class ProducerGate {
  /**
   * The ring's memory as 32-bit words, header included; `wordOf` gives positions in it. Words are the fastest way to
   * read and write aligned 32-bit fields.
   */
  declare readonly words: Int32Array;
  /** The same memory as bytes; `offsetOf` and the `tryClaim` of variable records give positions in it. */
  declare readonly bytes: Uint8Array;
  /** The same memory as a DataView, with the same positions as `bytes`. */
  declare readonly view: DataView;
  /** Records that the ring holds (fixed) or its bytes (variable). */
  declare readonly capacity: number;
  protected declare mask: number;
  /** The sequence of the next claim. Only this thread uses it. */
  protected declare next: number;
  /** The sequence up to which records are published. */
  protected declare published: number;
  /** The cursor of the slowest consumer when we last looked. The consumer may be further by now. */
  protected declare gate: number;
  protected declare readonly counters: Float64Array;
  protected declare readonly endOfPlaces: number;
  /** True if the last look found a consumer in the way which has asked that `offer` block. */
  protected isBlocked = false;
  /** When the next consumer that does not move is to be evicted, on the clock of `performance.now()`. */
  protected evictionAtMs = Infinity;
  /** How many records the last `skip` has passed over. */
  protected skippedRecords = 0;
  /** PUSHED if records vary in length, else 0. */
  private declare readonly pushedBit: number;
  /** One bit for each place that is declared. */
  private declare readonly kept: number;
  protected declare readonly sharer: number;
  /**
   * For each place that may be evicted: its cursor when we first found it in the way, and since when it has stood
   * there. Made when the first such place is found.
   */
  private standstills: { readonly cursors: Int32Array; readonly sinceMs: Float64Array } | null = null;

  constructor(memory: QueueMemory) {
    this.words = memory.words;
    this.bytes = memory.bytes;
    this.view = memory.view;
    this.counters = memory.counters;
    this.capacity = memory.capacity;
    this.mask = memory.capacity - 1;
    this.pushedBit = memory.recordBytes === 0 ? PUSHED : 0;
    this.endOfPlaces = placeAt(memory.places);
    this.kept = memory.kept;
    this.sharer = memory.sharer;
    // Stored by create() or by the previous producer; only a producer moves it.
    this.next = publishedIn(memory);
    this.published = this.next;
    // As if the ring were full, so that the first claim looks at the consumers.
    this.gate = (this.next - this.capacity) | 0;
  }

  /**
   * Moves from `cursor` over whole records until it reaches `least` or passes it. Returns the new cursor and sets
   * `skippedRecords`.
   */
  protected abstract skip(cursor: number, least: number): number;

  /** Looks at every consumer's cursor, and pushes those consumers that are in the way and may be lapped. */
  protected look(needed: number): ResultCode {
    const words = this.words;
    /** No cursor may stand before this one. */
    const least = (this.next + needed - this.capacity) | 0;
    // Even if nobody holds us back, records that are not published may not be overwritten: a consumer that joins now
    // begins at what is published.
    let gate = this.published;
    let slow = 0;
    let code: ResultCode = OK;
    this.isBlocked = false;
    this.evictionAtMs = Infinity;
    for (let at = FIRST_PLACE; at < this.endOfPlaces; at += PLACE_WORDS) {
      // ring.join: pairs with enter() of places.ts. A place that we do not see here has not begun to read, and will
      // begin at what is published by then.
      const state = Atomics.load(words, at + STATE);
      if (state < HELD) continue;
      // ring.free: pairs with publishRelease(). What the consumer has read, it has read before we overwrite it.
      const cursor = Atomics.load(words, at + (state < LOSSY ? CURSOR : LOSSY_CURSOR)) & ~this.pushedBit;
      if (((gate - cursor) | 0) > 0) gate = cursor;
      if (((least - cursor) | 0) <= 0) continue;
      // Nobody has the place, so that nobody would ever make room. Of one that somebody has, the cursor may be an old
      // one for a moment: see enter() and stopPushes().
      if (state === HELD && ((this.published - cursor) | 0) > this.capacity)
        throw damagedCursor('consumer', cursor, this.published, this.capacity);
      if (state >= LOSSY && this.mayPush(at, state, cursor)) {
        slow++;
        continue;
      }
      // The consumer writes its policy before its state, so a place that holds us back shows the right policy.
      const policy = Atomics.load(words, at + POLICY);
      if (policy === BLOCK && this.mayBlock(at)) this.isBlocked = true;
      // The next consumer to take this place starts with no standstill.
      if (state < LOSSY && this.standstills !== null) this.standstills.sinceMs[(at - FIRST_PLACE) / PLACE_WORDS] = 0;
      if (policy !== DROP_NEWEST) code = BACK_PRESSURED;
      else if (code === OK) code = DROPPED;
    }
    this.gate = gate;
    if (code !== OK) {
      const depth = (this.next - gate) | 0;
      if (depth > this.words[PRODUCER_HIGH_WATER]!) this.words[PRODUCER_HIGH_WATER] = depth;
      return code;
    }
    if (slow > 0) return this.pushAll(needed, least);
    return ((this.next + needed - gate) | 0) <= this.capacity ? OK : BACK_PRESSURED;
  }

  /**
   * True when it makes sense to stand still for this place: its consumer lives in another thread, or is declared and
   * may come. One of this very thread could never make room meanwhile; and a policy that nobody has asked for stands in
   * memory that something else has written to, as the name of a thread does that is none of those who share a file.
   */
  protected mayBlock(at: number): boolean {
    // Pairs with claim() of places.ts, which writes the name before the policy. The order does not matter here, since
    // only the choice of an answer depends on it.
    const owner = Atomics.load(this.words, at + THREAD);
    if (owner === 0) return (this.kept & (1 << ((at - FIRST_PLACE) / PLACE_WORDS))) !== 0;
    return owner !== meIn(this.sharer) && (this.sharer === 0 || farBellsOf(this.words)?.isThere(owner) !== false);
  }

  /** True if a place in the way may be lapped now, by its own choice or because its time is up. */
  private mayPush(at: number, state: number, cursor: number): boolean {
    if (state === EVICTED_PLACE) return true;
    const policy = Atomics.load(this.words, at + POLICY);
    if (policy === DROP_OLDEST) return true;
    // The consumer has left, and the next one to take the place has not yet said what it wants.
    if (policy !== EVICT) return false;
    const place = (at - FIRST_PLACE) / PLACE_WORDS;
    const places = (this.endOfPlaces - FIRST_PLACE) / PLACE_WORDS;
    const { cursors, sinceMs } = (this.standstills ??= {
      cursors: new Int32Array(places), sinceMs: new Float64Array(places),
    });
    const nowMs = performance.now();
    if (sinceMs[place] === 0 || cursors[place] !== cursor) {
      cursors[place] = cursor;
      sinceMs[place] = nowMs;
    }
    // Pairs with describe(), which stores it before the state becomes LOSSY.
    const dueMs = sinceMs[place]! + Atomics.load(this.words, at + EVICT_AFTER_MS);
    if (nowMs < dueMs) {
      this.evictionAtMs = Math.min(this.evictionAtMs, dueMs);
      return false;
    }
    // ring.lap: the exchange fails if the consumer has left at this moment; then it holds nobody back any more. If it
    // succeeds, the place's cursor is ours to push.
    return Atomics.compareExchange(this.words, at + STATE, LOSSY, EVICTED_PLACE) === LOSSY;
  }

  private pushAll(needed: number, least: number): ResultCode {
    // Never push past what is published: a consumer that joins or reads on begins there at the earliest.
    if (((least - this.published) | 0) > 0) return BACK_PRESSURED;
    for (let at = FIRST_PLACE; at < this.endOfPlaces; at += PLACE_WORDS) {
      const state = Atomics.load(this.words, at + STATE);
      if (state >= LOSSY) this.push(at, state, least);
    }
    // Look once more, since cursors have moved and a place may have changed from lossy to gating meanwhile.
    let gate = this.published;
    for (let at = FIRST_PLACE; at < this.endOfPlaces; at += PLACE_WORDS) {
      // ring.join, ring.free: pair as in look().
      const state = Atomics.load(this.words, at + STATE);
      if (state < HELD) continue;
      const cursor = Atomics.load(this.words, at + (state < LOSSY ? CURSOR : LOSSY_CURSOR)) & ~this.pushedBit;
      if (((gate - cursor) | 0) > 0) gate = cursor;
    }
    this.gate = gate;
    return ((this.next + needed - gate) | 0) <= this.capacity ? OK : BACK_PRESSURED;
  }

  /**
   * Laps the consumer of a place: moves its cursor by whole records to `least` or beyond, and notes how many records it
   * has lost.
   */
  private push(at: number, state: number, least: number): void {
    const words = this.words;
    for (;;) {
      // ring.lap: the cursor as it is now. The exchange below fails if the consumer has moved it since.
      const found = Atomics.load(words, at + LOSSY_CURSOR);
      const cursor = found & ~this.pushedBit;
      // ring.lap: a consumer that has left may not be pushed any more; the cursor that it stored on leaving lies too
      // far back. The loop is bounded, because each failed exchange means that the consumer has read on.
      if (
        Atomics.load(words, at + STATE) < LOSSY
        || ((least - cursor) | 0) <= 0
        || ((this.published - cursor) >>> 0) > this.capacity
      )
        return;
      const target = this.skip(cursor, least) | this.pushedBit;
      if (this.pushedBit !== 0) this.notePush(at, found, target);
      // ring.lap: succeeds only if the consumer has read nothing since. Then everything before `target` is ours, and
      // the consumer's own claim of it fails.
      if (Atomics.compareExchange(words, at + LOSSY_CURSOR, found, target) !== found) continue;
      this.counters[(at >> 1) + (state === LOSSY ? DROPPED_OLDEST : DROPPED_EVICTED)]! += this.skippedRecords;
      return;
    }
  }

  /**
   * Notes, before a push is done, how many records it and the pushes right before it have passed over. Where cursors
   * count bytes, the consumer could not know otherwise; it finds the note by its new cursor. If the push fails, its
   * note stays and nobody finds it.
   */
  private notePush(at: number, found: number, target: number): void {
    const words = this.words;
    // ring.lap: only producers write these words. The slot that belongs to the present cursor stays unchanged until
    // this push has succeeded.
    const last = (found & PUSHED) === 0 ? -1 : Atomics.load(words, at + PUSH_CURSOR) === found ? 0 : 1;
    const before = last < 0 ? 0 : Atomics.load(words, at + PUSH_COUNT + last);
    // Two slots never name the same cursor, even if a producer has died between a note and its push.
    const slot = last >= 0 ? last ^ 1 : Atomics.load(words, at + PUSH_CURSOR + 1) === target ? 1 : 0;
    Atomics.store(words, at + PUSH_COUNT + slot, (before + this.skippedRecords) | 0);
    Atomics.store(words, at + PUSH_CURSOR + slot, target);
  }
}

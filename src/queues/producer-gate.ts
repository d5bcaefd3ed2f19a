/**
 * How far a producer may go: its look at the cursors of all consumers, and what it does with those that stand in the
 * way: waits, drops, laps or evicts, as each of them has asked. See ring.ts for the picture and the ordering table,
 * lossy-consumer.ts for the other side of a lap.
 */
import { BACK_PRESSURED, DROPPED, OK, type ResultCode } from '../result-codes.js';
import { farBellsOf } from './far-bells.js';
import { meIn } from './places.js';
import {
  BLOCK, CURSOR, DROPPED_EVICTED, DROPPED_OLDEST, DROP_NEWEST, DROP_OLDEST, EVICT, EVICTED_PLACE, EVICT_AFTER_MS,
  HELD, LOSSY, LOSSY_CURSOR, PLACE_WORDS, POLICY, PRODUCER_CURSOR, PRODUCER_HIGH_WATER, PUSHED, PUSH_COUNT,
  PUSH_CURSOR, STATE, THREAD, placeAt, type QueueMemory,
} from './ring.js';

const FIRST_PLACE = placeAt(0);

/** The half of a producer that looks for room. */
export abstract class ProducerGate {
  /**
   * The ring's memory, header included; `offsetOf` and `tryClaim` give positions in it. Words are fastest for aligned
   * 32-bit fields.
   */
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly capacity: number;
  protected mask: number;
  /** Sequence of the next claim. Only this thread uses it. */
  protected next: number;
  /** Sequence up to which records are published. */
  protected published: number;
  /** Cursor of the slowest consumer when we last looked: it may be further by now. */
  protected gate: number;
  protected readonly counters: Float64Array;
  protected readonly endOfPlaces: number;
  /** A consumer in the way has asked that `offer` stand still. */
  protected isBlocked = false;
  /** When the next consumer that stands still is to be evicted, on the clock of `performance.now()`. */
  protected evictionAtMs = Infinity;
  /** Records that the last `skip` has moved over. */
  protected skippedRecords = 0;
  /** PUSHED where the records vary in length, else 0. */
  private readonly pushedBit: number;
  /** Places that are declared, a bit each. */
  private readonly kept: number;
  protected readonly sharer: number;
  /**
   * Of each place that may be evicted: where it stood when we first found it in the way, and since when. Made with the
   * first.
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
    // Stored by the producer before this one, or by create(); only a producer moves it.
    this.next = Atomics.load(this.words, PRODUCER_CURSOR);
    this.published = this.next;
    // As if the ring were full, so that the first claim looks.
    this.gate = (this.next - this.capacity) | 0;
  }

  /**
   * Moves from `cursor` over whole records until at least `least`. Returns the new cursor; `skippedRecords` says how
   * many.
   */
  protected abstract skip(cursor: number, least: number): number;

  /** Looks at every consumer's cursor, and pushes those that may be lapped and stand in the way. */
  protected look(needed: number): ResultCode {
    const words = this.words;
    /** No cursor may stand before this one. */
    const least = (this.next + needed - this.capacity) | 0;
    // Where nobody holds us back, nothing beyond what is published may be overwritten: who joins now begins there.
    let gate = this.published;
    let slow = 0;
    let code: ResultCode = OK;
    this.isBlocked = false;
    this.evictionAtMs = Infinity;
    for (let at = FIRST_PLACE; at < this.endOfPlaces; at += PLACE_WORDS) {
      // ring.join: pairs with join(). A place that is not seen here has not begun to read; it will begin at what is
      // published, or later.
      const state = Atomics.load(words, at + STATE);
      if (state < HELD) continue;
      // ring.free: pairs with publishRelease(). What the consumer read is read before we overwrite it.
      const cursor = Atomics.load(words, at + (state < LOSSY ? CURSOR : LOSSY_CURSOR)) & ~this.pushedBit;
      if (((gate - cursor) | 0) > 0) gate = cursor;
      if (((least - cursor) | 0) <= 0) continue;
      if (state >= LOSSY && this.mayPush(at, state, cursor)) {
        slow++;
        continue;
      }
      // Written before the state by the consumer, so a place that holds us back shows its policy.
      const policy = Atomics.load(words, at + POLICY);
      if (policy === BLOCK && this.mayBlock(at)) this.isBlocked = true;
      // Whoever takes this place over has not stood still yet.
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
    // Pairs with claim() of places.ts, which writes the name before the policy. Only the choice of an answer hangs on
    // it.
    const owner = Atomics.load(this.words, at + THREAD);
    if (owner === 0) return (this.kept & (1 << ((at - FIRST_PLACE) / PLACE_WORDS))) !== 0;
    return owner !== meIn(this.sharer) && (this.sharer === 0 || farBellsOf(this.words)?.isThere(owner) !== false);
  }

  /** A place in the way that may be lapped now: by its own choice, or because its time is up. */
  private mayPush(at: number, state: number, cursor: number): boolean {
    if (state === EVICTED_PLACE) return true;
    const policy = Atomics.load(this.words, at + POLICY);
    if (policy === DROP_OLDEST) return true;
    // It has left, and whoever takes the place over has not said yet what it wants.
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
    // Pairs with describe(), which stores it before the state of a lossy place.
    const dueMs = sinceMs[place]! + Atomics.load(this.words, at + EVICT_AFTER_MS);
    if (nowMs < dueMs) {
      this.evictionAtMs = Math.min(this.evictionAtMs, dueMs);
      return false;
    }
    // ring.lap: it may have left at this moment, then it holds nobody back any more. From here on its cursor is ours to
    // push.
    return Atomics.compareExchange(this.words, at + STATE, LOSSY, EVICTED_PLACE) === LOSSY;
  }

  private pushAll(needed: number, least: number): ResultCode {
    // Never past what is published: a consumer that joins or reads on begins there at the earliest.
    if (((least - this.published) | 0) > 0) return BACK_PRESSURED;
    for (let at = FIRST_PLACE; at < this.endOfPlaces; at += PLACE_WORDS) {
      const state = Atomics.load(this.words, at + STATE);
      if (state >= LOSSY) this.push(at, state, least);
    }
    // One look more: cursors have moved, and one may have turned from lossy to gating meanwhile.
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
   * Laps the consumer of a place: moves its cursor, by whole records, to `least` or beyond, and leaves word how many it
   * lost.
   */
  private push(at: number, state: number, least: number): void {
    const words = this.words;
    for (;;) {
      // ring.lap: as it is now; the exchange below fails if the consumer has moved it.
      const found = Atomics.load(words, at + LOSSY_CURSOR);
      const cursor = found & ~this.pushedBit;
      // ring.lap: one that has left may not be pushed any more; what it has put there lies too far back. And bounded:
      // each failure means that the consumer has read on.
      if (
        Atomics.load(words, at + STATE) < LOSSY
        || ((least - cursor) | 0) <= 0
        || ((this.published - cursor) | 0) > this.capacity
      )
        return;
      const target = this.skip(cursor, least) | this.pushedBit;
      if (this.pushedBit !== 0) this.notePush(at, found, target);
      // ring.lap: only if it has read nothing since; then what lies before `target` is ours, and its own claim of it
      // fails.
      if (Atomics.compareExchange(words, at + LOSSY_CURSOR, found, target) !== found) continue;
      this.counters[(at >> 1) + (state === LOSSY ? DROPPED_OLDEST : DROPPED_EVICTED)]! += this.skippedRecords;
      return;
    }
  }

  /**
   * Says, before a push is done, how many records it and those right before it have passed over: the consumer finds it
   * by its new cursor. Where bytes are counted it could not know. A note of a push that does not come about stays, and
   * is found by nobody.
   */
  private notePush(at: number, found: number, target: number): void {
    const words = this.words;
    // ring.lap: only producers write these. The slot of the push that the cursor stands at stays as it is until this
    // push has succeeded.
    const last = (found & PUSHED) === 0 ? -1 : Atomics.load(words, at + PUSH_CURSOR) === found ? 0 : 1;
    const before = last < 0 ? 0 : Atomics.load(words, at + PUSH_COUNT + last);
    // Two slots never name the same cursor, also after a producer has died between a note and its push.
    const slot = last >= 0 ? last ^ 1 : Atomics.load(words, at + PUSH_CURSOR + 1) === target ? 1 : 0;
    Atomics.store(words, at + PUSH_COUNT + slot, (before + this.skippedRecords) | 0);
    Atomics.store(words, at + PUSH_CURSOR + slot, target);
  }
}

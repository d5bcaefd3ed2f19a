/**
 * The mark in a producer's cursor, by which whoever waits or closes makes the producer look at `attention`.
 *
 *   who waits or closes                the producer
 *   1. sets a bit in `attention`       1. exchanges its cursor, and sees whether it was marked
 *   2. marks the cursor                2. if it was, looks at `attention`
 *   3. looks once more
 *
 * One exchange both publishes and finds the mark, where a store and a load of `attention` would be two calls in V8, for
 * each publish. The mark is the top bit, flipped. Whoever knows a cursor that is less than 2^31 behind sees the
 * producer's through it, and every end knows one, since no capacity is more than 2^30.
 *
 * In a queue in a file nobody marks: its ends in other languages store their cursor and load `attention`, and so does
 * the producer here.
 */
import { farBellsOf } from './far-bells.js';
import { MAX_CAPACITY } from './memory.js';
import {
  CURSOR, HELD, LOSSY, LOSSY_CURSOR, PLACE_WORDS, PRODUCER_CURSOR, PUSHED, STATE, placeAt, type QueueMemory,
} from './ring.js';

const FIRST_PLACE = placeAt(0);
const MARK = 1 << 31;
/** How often a cursor is looked for among the places. One look finds it, unless places change hands meanwhile. */
const LOOKS = 1000;

/** The producer's cursor, given what lies in its word and a cursor less than 2^31 behind it. */
export const seenFrom = (behind: number, found: number): number => (behind + ((found - behind) & ~MARK)) | 0;

/** The producer's cursor, for who has none to compare it with. */
export function publishedIn(memory: QueueMemory): number {
  for (;;) {
    const behind = heldIn(memory);
    // ring.mark: pairs with markCursor(). ring.publish: pairs with flush().
    const found = Atomics.load(memory.words, PRODUCER_CURSOR);
    // Places, and the producer, are no further apart than that. This thread may have stood still in between, while a
    // queue of bytes passed 2^31 of them.
    if (Math.abs((heldIn(memory) - behind) | 0) <= MAX_CAPACITY) return seenFrom(behind, found);
  }
}

/** A cursor that the producer is less than 2^31 beyond, and not behind: that of a place which holds it back. */
export function heldIn({ words, places, recordBytes }: QueueMemory): number {
  const endOfPlaces = FIRST_PLACE + places * PLACE_WORDS;
  for (let looks = 0; looks < LOOKS; looks++) {
    // There is always a place that holds the producer back, or is pushed along by it; see places.ts.
    for (let at = FIRST_PLACE; at < endOfPlaces; at += PLACE_WORDS) {
      // ring.join: only chooses a place.
      const state = Atomics.load(words, at + STATE);
      if (state < HELD) continue;
      // ring.free, ring.lap: for comparison alone.
      const cursor = Atomics.load(words, at + (state < LOSSY ? CURSOR : LOSSY_CURSOR));
      // ring.lap: stopPushes() puts a value far behind there, after it has changed the state.
      if (state >= LOSSY && Atomics.load(words, at + STATE) !== state) continue;
      return recordBytes === 0 ? cursor & ~PUSHED : cursor;
    }
  }
  // Nothing but damaged memory has no such place. For comparison alone.
  return Atomics.load(words, PRODUCER_CURSOR);
}

/**
 * Makes the producer look at `attention` at its next publish; call it when a bit was set there. `behind` is a cursor
 * that it is less than 2^31 beyond. Returns the producer's cursor as it was marked: whatever is published after that,
 * the producer looks. The loop is bounded, because each failed exchange means that the producer has published.
 */
export function markCursor({ words }: QueueMemory, behind: number): number {
  for (;;) {
    // ring.mark: a mark that is there already was not seen yet, so the producer will find our bit as well.
    const found = Atomics.load(words, PRODUCER_CURSOR);
    const cursor = seenFrom(behind, found);
    if (found !== cursor || farBellsOf(words) !== null) return cursor;
    // ring.mark: pairs with the exchange in flush(), which fails this one or finds the mark.
    if (Atomics.compareExchange(words, PRODUCER_CURSOR, found, found ^ MARK) === found) return cursor;
  }
}

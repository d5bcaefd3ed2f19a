/** Consumers that read behind other consumers: how far those others have come. See ring.ts for `ring.follow`. */
import { CURSOR, HELD, PLACE_WORDS, STATE, placeAt } from './ring.js';

const FIRST_PLACE = placeAt(0);

/** `limit`, or the cursor of the slowest of the places whose bits are set in `after`, whichever is less. */
export function slowestOf(words: Int32Array, places: number, after: number, limit: number): number {
  let slowest = limit;
  for (let place = 0, at = FIRST_PLACE; place < places; place++, at += PLACE_WORDS) {
    if ((after & (1 << place)) === 0) continue;
    // ring.join: pairs with claim() and leave() of places.ts. A consumer that has not begun to read, or has left, holds
    // nobody back.
    if (Atomics.load(words, at + STATE) < HELD) continue;
    // ring.follow: pairs with publishRelease() of that stage. What the stage has read, and perhaps written, is visible.
    const cursor = Atomics.load(words, at + CURSOR);
    if (((slowest - cursor) | 0) > 0) slowest = cursor;
  }
  return slowest;
}

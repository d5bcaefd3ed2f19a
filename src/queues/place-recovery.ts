/**
 * What a supervisor does for a ring when a worker has died: it frees the producer's place, and leaves the places of
 * consumers on behalf of the dead thread. See places.ts for what a place is, and for its states.
 */
import { ringBell } from './event-count.js';
import { publishedIn } from './mark.js';
import { leave } from './places.js';
import { HEADER_BYTES, PADDING, framedBytes } from './record.js';
import {
  CONSUMED, CURSOR, ENTERING, FREE, GATING, HELD, JOINING, PRODUCER_THREAD, RECORDS_BELL, ROOM_BELL,
  STATE, TAKEN, THREAD, placeAt, type QueueMemory,
} from './ring.js';

/** What was done for a thread that has exited. */
export interface Recovered {
  /** How many producers' places are free again. */
  producers: number;
  /** How many consumers' places are free again. */
  consumers: number;
  /**
   * How many records a dead consumer had given to a handler of `drain` without releasing them. They are not read again.
   */
  taken: number;
}

/** Nothing was done yet. */
export const noneRecovered = (): Recovered => ({ producers: 0, consumers: 0, taken: 0 });

/** Adds what was done besides to `done`. */
export function addRecovered(done: Recovered, { producers, consumers, taken }: Recovered): void {
  done.producers += producers;
  done.consumers += consumers;
  done.taken += taken;
}

/**
 * Frees what thread `dead` had in this ring. Call it only after the thread's `exit` event, which is proof of death; a
 * pause is not. The next `pub` may take the producer's place and goes on behind the last published record. The
 * consumers' places are left as by `leave`: at the record after the last one that a handler of `drain` was given (at
 * most once), or after the last one that was released, whichever is further.
 */
export function recoverRing(memory: QueueMemory, dead: number): Recovered {
  const { words } = memory;
  const done = noneRecovered();
  // Lets joinAsProducer() have the place. It is an exchange so that, if two threads recover the same thread, one of
  // them counts it.
  if (Atomics.compareExchange(words, PRODUCER_THREAD, dead + 1, 0) === dead + 1) done.producers++;
  for (let place = 0; place < memory.places; place++) {
    const at = placeAt(place);
    // claim() stores the name before anything else, so everything that the dead thread has begun is under its name.
    if (Atomics.load(words, at + THREAD) !== dead + 1) continue;
    const state = Atomics.load(words, at + STATE);
    if (state > HELD) done.consumers++;
    // It had only half joined, and it is not known whether it was safe to begin where it would have begun.
    if (state === JOINING) Atomics.store(words, at + STATE, FREE);
    if (state === ENTERING) Atomics.store(words, at + CURSOR, publishedIn(memory));
    if (state === GATING) done.taken += skipTaken(memory, at);
    if (state >= HELD) leave(memory, place);
    // ring.join: gives the name back, as claim() does.
    else Atomics.store(words, at + THREAD, 0);
  }
  // A thread that died between clearing a flag and ringing the bell has left somebody asleep.
  ringBell(memory.bellWords, memory.bell);
  ringBell(words, RECORDS_BELL);
  ringBell(words, ROOM_BELL);
  return done;
}

/** Moves the cursor of a dead consumer behind what its handlers were given. Returns how many records that is. */
function skipTaken(memory: QueueMemory, at: number): number {
  const { words } = memory;
  // The owner has exited, so neither of the two words moves any more.
  const cursor = Atomics.load(words, at + CURSOR);
  const taken = words[at + TAKEN]!;
  const units = (taken - cursor) | 0;
  // More than the ring holds: something else has written here, and whoever reads next finds that out.
  if (units <= 0 || units > memory.capacity) return 0;
  const count = memory.recordBytes > 0 ? units : recordsBetween(memory, cursor, taken);
  memory.counters[(at >> 1) + CONSUMED]! += count;
  // ring.free: on behalf of the owner. Pairs with look() of the producer.
  Atomics.store(words, at + CURSOR, taken);
  return count;
}

/** How many variable records lie between two cursors. None of them has been released, so they are all still there. */
export function recordsBetween(memory: QueueMemory, from: number, to: number): number {
  let count = 0;
  for (let cursor = from; ((to - cursor) | 0) > 0;) {
    const header =
      (memory.offsetAt === undefined ? memory.dataBytes + (cursor & (memory.capacity - 1)) : memory.offsetAt(cursor))
      >> 2;
    const length = memory.words[header]!;
    const isPadding = memory.words[header + 1] === PADDING;
    const bytes = isPadding ? length : framedBytes(length);
    // The header is damaged: the records behind it cannot be counted, and are passed over like the rest.
    if (!(bytes >= HEADER_BYTES && bytes <= ((to - cursor) | 0))) break;
    cursor = (cursor + bytes) | 0;
    if (!isPadding) count++;
  }
  return count;
}

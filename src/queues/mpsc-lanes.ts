/** Lanes of an MPSC queue (mpsc-queue.ts): how a producer takes one, and when one has come to its end. */
import { PercoreError } from '../errors.js';
import { MAX_PRODUCERS } from '../layout.js';
import { IS_CLOSING, USED, announceLanes, openRingOf, type Group } from './group.js';
import { joinAsProducer } from './places.js';
import {
  CURSOR, ENDED_BY, LOSSY, LOSSY_CURSOR, OPEN, PHASE, PRODUCER_CURSOR, PRODUCER_THREAD, STATE, finalAt, placeAt,
  type QueueMemory,
} from './ring.js';

/** Takes a free lane for a producer of this thread. Throws when there is none, or the queue is closing. */
export function joinLane(group: Group): QueueMemory {
  for (let lane = 0; lane < group.rings; lane++) {
    const ring = openRingOf(group, lane, true);
    if (!joinAsProducer(ring)) continue;
    raiseUsed(group.words, lane + 1);
    announceLanes(group);
    // group.close: looked at after the lane is announced. Either the closer's consumers find the lane, or we find the
    // closing.
    if (Atomics.load(group.words, IS_CLOSING) === 0) return ring;
    // Nothing was sent by it. Carries nothing: pairs with the exchange in joinAsProducer().
    Atomics.store(ring.words, PRODUCER_THREAD, 0);
    // Somebody who waits for the end may have seen us.
    announceLanes(group);
    throw new PercoreError('ERR_PERCORE_CLOSED', 'the queue is closed; nobody may join it any more');
  }
  const which = group.rings === 1 ? 'the only place for a producer is' : `all ${group.rings} places for producers are`;
  throw new PercoreError(
    'ERR_PERCORE_NO_PLACE',
    `${which} taken. Create the queue with a larger maxProducers, call leave() on `
      + `producers that have ended, or recover(queue, worker) for a worker that has exited`,
    {
      argument: 'maxProducers', value: group.rings, allowed: `up to ${MAX_PRODUCERS}`,
    },
  );
}

function raiseUsed(words: Int32Array, lanes: number): void {
  // group.lanes: only ever raised; a lost exchange means that somebody else raised it, perhaps less far.
  for (let used = Atomics.load(words, USED); used < lanes; used = Atomics.load(words, USED)) {
    if (Atomics.compareExchange(words, USED, used, lanes) === used) return;
  }
}

/** True when nothing that is in a lane of a closing queue, or will be, is left to be read. */
export function isAtEnd({ words, places }: QueueMemory): boolean {
  // The producer before its cursor: one that has gone has stored all it will, and no other may come.
  const producer = Atomics.load(words, PRODUCER_THREAD);
  // ring.phase: pairs with obeyClosing() and lookAtEnd().
  const phase = Atomics.load(words, PHASE);
  if (phase === OPEN && producer !== 0) return false;
  const end = Atomics.load(words, phase >>> 0 < ENDED_BY ? PRODUCER_CURSOR : finalAt(places, phase));
  const at = placeAt(0);
  // ring.free: pairs with publishRelease() of whoever owns the lane.
  return ((end - Atomics.load(words, at + (Atomics.load(words, at + STATE) < LOSSY ? CURSOR : LOSSY_CURSOR))) | 0) <= 0;
}

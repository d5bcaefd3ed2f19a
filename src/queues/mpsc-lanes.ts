/** The lanes of an MPSC queue (mpsc-queue.ts): how a producer takes one, and when one has come to its end. */
import { PercoreError } from '../errors.js';
import { MAX_PRODUCERS } from '../layout.js';
import { IS_CLOSING, USED, announceLanes, openRingOf, type Group } from './group.js';
import { seenFrom } from './mark.js';
import { joinAsProducer } from './places.js';
import {
  CURSOR, ENDED_BY, LOSSY, LOSSY_CURSOR, OPEN, PHASE, PRODUCER_CURSOR, PRODUCER_THREAD, STATE, finalAt, placeAt,
  type QueueMemory,
} from './ring.js';

/**
 * Takes a free lane for a producer of this thread. Throws ERR_PERCORE_NO_PLACE when there is none, and
 * ERR_PERCORE_CLOSED when the queue is closing.
 */
export function joinLane(group: Group): QueueMemory {
  for (let lane = 0; lane < group.rings; lane++) {
    const ring = openRingOf(group, lane, true);
    if (!joinAsProducer(ring)) continue;
    raiseUsed(group.words, lane + 1);
    announceLanes(group);
    // group.close: loaded after the lane is announced. Either the consumers of the closing queue find the lane, or we
    // find that it is closing.
    if (Atomics.load(group.words, IS_CLOSING) === 0) return ring;
    // This producer has sent nothing, so the store carries nothing. Pairs with the exchange in joinAsProducer().
    Atomics.store(ring.words, PRODUCER_THREAD, 0);
    // A consumer that waits for the end may have seen us.
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
  // group.lanes: the number is only ever raised. A lost exchange means that another thread has raised it, perhaps by
  // less.
  for (let used = Atomics.load(words, USED); used < lanes; used = Atomics.load(words, USED)) {
    if (Atomics.compareExchange(words, USED, used, lanes) === used) return;
  }
}

/** True if a lane of a closing queue has nothing left to be read, now and later. */
export function isAtEnd({ words, places }: QueueMemory): boolean {
  // Loads the producer before its cursor: a producer that has gone has stored all that it will, and no other may come.
  const producer = Atomics.load(words, PRODUCER_THREAD);
  // ring.phase: pairs with obeyClosing() and lookAtEnd().
  const phase = Atomics.load(words, PHASE);
  if (phase === OPEN && producer !== 0) return false;
  const isSealed = phase >>> 0 < ENDED_BY;
  const end = Atomics.load(words, isSealed ? PRODUCER_CURSOR : finalAt(places, phase));
  const at = placeAt(0);
  // ring.free: pairs with publishRelease() of the lane's owner.
  const cursor = Atomics.load(words, at + (Atomics.load(words, at + STATE) < LOSSY ? CURSOR : LOSSY_CURSOR));
  return (((isSealed ? seenFrom(cursor, end) : end) - cursor) | 0) <= 0;
}

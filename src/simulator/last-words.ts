/**
 * A death between two accesses of shared memory. A thread that Node terminates stops in the middle of everything, and
 * no `catch` nor `finally` of it runs. Here its stack has to be unwound: from the moment of its death on each access of
 * shared memory throws, and what its code stores plainly on the way out is taken back.
 */
import { LANES_PER_PEER, LINE_BYTES, laneOffset, partyLayout, queueLayout } from '../layout.js';
import type { Party, SharedRuntime } from '../reactor/internal.js';

/** Thrown through a thread that has died. */
export const DEAD = new Error('this thread has died');

/** Keeps what party `id` may write plainly; the function returned writes it back. */
export function rememberMemory({ inboxes, buckets, laneBytes }: SharedRuntime, id: number): () => void {
  const parts = [new Uint8Array(inboxes[id]!, 0, partyLayout.bytes), new Uint8Array(buckets[id]!)];
  const laneLength = queueLayout.bytes + laneBytes;
  for (let peer = 0; peer < inboxes.length; peer++) {
    for (const [to, from] of [[id, peer], [peer, id]] as const) {
      const made = new Int32Array(inboxes[to]!, partyLayout.bytes + from * LINE_BYTES, 1)[0]!;
      for (let lane = 0; lane < LANES_PER_PEER; lane++) {
        if ((made & (1 << lane)) === 0) continue;
        parts.push(new Uint8Array(inboxes[to]!, laneOffset(inboxes.length, laneBytes, from, lane), laneLength));
      }
    }
  }
  const kept = parts.map((part) => part.slice());
  return () => {
    for (const [i, part] of parts.entries()) part.set(kept[i]!);
  };
}

/** No step, callback or continuation of a party that has died does anything from now on. */
export function silence(party: Party): void {
  const dead = (): never => {
    throw DEAD;
  };
  const { steps, waits } = party.turn;
  Object.assign(steps, { run: dead, resume: dead });
  Object.assign(waits, { look: dead });
  // What its promises send when they go on is sent by nobody.
  party.peers.isClosed = true;
}

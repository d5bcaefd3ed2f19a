/**
 * A death between two accesses of shared memory. A thread that Node terminates stops in the middle of everything, and
 * none of its `catch` or `finally` blocks runs. Here the stack of the dead thread has to be unwound instead: from the
 * moment of its death each access of shared memory throws, and what its code stores plainly on the way out is undone.
 */
import { LANES_PER_PEER, LINE_BYTES, laneOffset, partyLayout, queueLayout } from '../layout.js';
import { OK } from '../result-codes.js';
import { WaitingLine, type Party, type SharedRuntime } from '../reactor/internal.js';
import { put } from './node-globals.js';

/** Thrown through a thread that has died. */
export const DEAD = new Error('this thread has died');

/** Remembers what party `id` may write plainly; the returned function writes it back. */
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

/** In a dead thread, no callback that waited for room is called. The returned function ends that. */
export function stopCallbacks(check: () => void): () => void {
  const line = WaitingLine.prototype as unknown as { call(waiter: unknown): void };
  const { call } = line;
  return put(line, {
    call(this: typeof line, waiter: unknown): void {
      check();
      call.call(this, waiter);
    },
  });
}

/**
 * Takes over from the process what nobody has caught while a simulation runs; the returned function gives it back. The
 * process would end, or a runner of tests would blame no seed.
 */
export function catchUncaught(note: (what: string, cause: unknown) => void): () => void {
  const kinds = [
    ['unhandledRejection', 'a rejection that nobody handles'],
    ['uncaughtException', 'an exception that nobody catches'],
  ] as const;
  const undo = kinds.map(([event, what]) => {
    const emitter: NodeJS.EventEmitter = process;
    const others = emitter.rawListeners(event) as ((cause: unknown) => void)[];
    emitter.removeAllListeners(event);
    const listener = (cause: unknown): void => note(what, cause);
    emitter.on(event, listener);
    return (): void => {
      emitter.removeListener(event, listener);
      for (const other of others) emitter.on(event, other);
    };
  });
  return () => undo.forEach((giveBack) => giveBack());
}

/** From now on no step, callback or continuation of a dead party does anything. */
export function silence(party: Party, thread: { readonly isDying: boolean }): void {
  const dead = (): number => {
    if (thread.isDying) throw DEAD;
    return OK;
  };
  const { turn } = party;
  // Whoever catches what is thrown here reports it, and reporting throws again.
  Object.assign(turn, { onError: dead });
  Object.assign(turn.steps, { run: dead, resume: dead });
  Object.assign(turn.waits, { look: dead, reportThrown: dead });
  // What its promises send when they go on is not sent, and what they ask opens no lane and is never answered.
  party.peers.isClosed = true;
  Object.assign(party.calls, { call: () => new Promise(() => undefined) });
}

/**
 * Which thread a Worker was. A supervisor may call `recover` only after the worker's `exit` event, but Node clears
 * `worker.threadId` before it emits that. The id is therefore noted while the worker lives, from the moment when
 * percore/queues is loaded in the thread that makes the worker.
 */
import { PercoreError, checkInteger, invalidArgument } from '../errors.js';
import { me } from './places.js';

/** The part of a Worker of node:worker_threads that is used here. */
export interface WorkerLike {
  /** Node's number of the thread. */
  readonly threadId: number;
}

/** There is one map for the whole thread, however often this module is loaded in it. */
const KNOWN = Symbol.for('percore.threadIdsOfWorkers');

const known = ((globalThis as { [KNOWN]?: WeakMap<object, number> })[KNOWN] ??= noteWorkers());

function noteWorkers(): WeakMap<object, number> {
  const ids = new WeakMap<object, number>();
  // Node announces each new worker in the tick after it was made, when it has its id and cannot have ended yet.
  process.on('worker', (worker) => void ids.set(worker, worker.threadId));
  return ids;
}

/**
 * The id of a thread that has exited. Throws for a worker that still runs, for this very thread, and for anything that
 * names no thread.
 */
export function idOfDead(who: number | WorkerLike | undefined): number {
  const trap =
    'Node sets worker.threadId to -1 before it emits "exit". Pass the Worker itself, or the id that you noted at its '
      + '"online" event';
  const describe = `the Worker that has exited, or its threadId as it was while it ran. ${trap}`;
  if (typeof who === 'object' && who !== null) {
    if (typeof who.threadId !== 'number') throw invalidArgument('worker', who, describe);
    if (who.threadId >= 0)
      throw new PercoreError(
        'ERR_PERCORE_INVALID_ARGUMENT',
        `worker ${who.threadId} still runs: call recover(queue, worker) after its "exit" event, which alone is proof `
          + `of death`,
        { argument: 'worker', value: who.threadId },
      );
    const id = known.get(who);
    if (id !== undefined) return id;
    throw new PercoreError(
      'ERR_PERCORE_INVALID_ARGUMENT',
      `this Worker was made before percore/queues was loaded in this thread, or in another thread, so that nobody `
        + `knows which thread it was. ${trap}`,
      { argument: 'worker' },
    );
  }
  if (who === -1)
    throw new PercoreError(
      'ERR_PERCORE_INVALID_ARGUMENT', `threadId must be that of the worker as it was while it ran, not -1. ${trap}`,
      { argument: 'threadId', value: who },
    );
  if (typeof who !== 'number') throw invalidArgument('threadId', who, describe);
  checkInteger('threadId', who, 0, 2 ** 31 - 2);
  if (who === me() - 1)
    throw new PercoreError(
      'ERR_PERCORE_INVALID_ARGUMENT',
      `threadId must be that of a thread that has exited, and ${who} is this one. An end of its own is given up by `
        + `leave()`,
      { argument: 'threadId', value: who },
    );
  return who;
}

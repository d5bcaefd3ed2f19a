/** Which queues a runtime shows in its counters pages and to exporters, and in which pages. */
import { checkText, invalidArgument } from '../errors.js';
import { inspect, type Queue } from '../queues/index.js';
import type { Reactor, Runtime } from '../reactor/index.js';
import { addRoom, controllerOf, partyOf, type Controller } from '../reactor/internal.js';

const ROOM = 'page';

/** A page, as far as showing queues is concerned. */
export interface QueueTaker {
  setQueue(name: string, queue: Queue | undefined): void;
}

/** What a runtime shows: its pages, and the queues that are in each of them. */
interface Shown {
  readonly pages: Set<QueueTaker>;
  readonly queues: Map<string, Queue>;
}
const shown = new WeakMap<Controller, Shown>();

/** What this runtime shows. Only this file and publishCounters may change the set and the map. */
export function shownOf(controller: Controller): Shown {
  let found = shown.get(controller);
  if (found === undefined) shown.set(controller, found = { pages: new Set(), queues: new Map() });
  return found;
}

/** The queues that a runtime shows, by name. */
export const queuesShown = (controller: Controller): ReadonlyMap<string, Queue> => shownOf(controller).queues;

addRoom(ROOM, {
  onMain(controller, _reactor, body) {
    const { name, queue } = body as { name: string; queue: Queue | undefined };
    setQueue(controller as Controller, name, queue);
  },
  onReactor: () => undefined,
});

function setQueue(controller: Controller, name: string, queue: Queue | undefined): void {
  const { pages, queues } = shownOf(controller);
  if (queue === undefined) queues.delete(name);
  else queues.set(name, queue);
  for (const page of pages) page.setQueue(name, queue);
}

/**
 * Shows a queue under a name in the counters pages of this runtime, and to exporters: depth, drops, and each consumer
 * with its lag. `of` is the runtime, or the reactor that has the handle. Another queue of the same name takes its
 * place; undefined for `queue` removes it. This costs the queue nothing. Its memory is kept until it is removed, or
 * until the runtime closes. Throws ERR_PERCORE_INVALID_ARGUMENT for a queue that other threads cannot look at.
 *
 *     showQueue(runtime, 'orders', orders);
 */
export function showQueue(of: Reactor | Runtime, name: string, queue: Queue | undefined): void {
  const party = partyOf(of);
  checkText('name', name);
  const plain = queue === undefined ? undefined : checkQueue(queue);
  if (party.id === party.shared.reactors) setQueue(controllerOf(of as Runtime), name, plain);
  else party.toMain?.(ROOM, { name, queue: plain }, []);
}

/** The handle, without anything that the user may have put on it. */
function checkQueue(queue: Queue): Queue {
  const { backend } = inspect(queue);
  if (backend !== 'fixed' && backend !== 'linked') {
    throw invalidArgument('queue', queue, "a queue of the backend 'fixed' or 'linked', which any thread can look at");
  }
  const { kind, buffer, byteOffset, capacity, recordBytes, maxProducers, maxConsumers, consumers } = queue;
  const { chunkBytes } = queue as Queue & { chunkBytes?: number };
  return {
    kind, backend: queue.backend, buffer, byteOffset, capacity, recordBytes, maxProducers, maxConsumers,
    ...(consumers === undefined ? {} : { consumers: { ...consumers } }),
    ...(chunkBytes === undefined ? {} : { chunkBytes }),
  } as Queue;
}

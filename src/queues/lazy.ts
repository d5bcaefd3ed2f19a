/**
 * What the ends of queues tell the reactor whose thread they are opened in; elsewhere there is no such host.
 *
 * Publishing lazily needs somebody who publishes in the end. A reactor says here, once for its thread, that it flushes
 * at the end of every step; producers made in that thread then publish lazily unless told otherwise. Without a host
 * every record is published at once.
 *
 * And what a thread has opened must be known to somebody who outlives it, or nobody could free its places after its
 * death.
 */
import { checkInteger, checkOptions } from '../errors.js';
import type { PubOptions, Queue } from './handles.js';

export interface LazyHost {
  /** Records after which a producer publishes by itself. */
  readonly publishEvery: number;
  /** Flush this at the end of the step. */
  readonly markDirty: (producer: { flush(): void }) => void;
  /** An end of this queue is about to take its place. Called before it does: the thread may die between the two. */
  readonly onOpen: (queue: Queue) => void;
}

let host: LazyHost | null = null;

export const lazyHost = (): LazyHost | null => host;
/** Of this thread; null takes it away. */
export function setLazyHost(lazy: LazyHost | null): void {
  host = lazy;
}

/** The records after which a producer publishes, by the options of `pub`; `otherwise` if they do not say. */
export function publishEveryOf(options: PubOptions, otherwise: number = host?.publishEvery ?? 1): number {
  const { publishEvery } = checkOptions('options', options, ['publishEvery']);
  const { records } = checkOptions('publishEvery', publishEvery, ['records']);
  return checkInteger('publishEvery.records', records ?? otherwise, 1, 2 ** 30);
}

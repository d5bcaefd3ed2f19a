/**
 * What the ends of queues tell the reactor in whose thread they are opened. In other threads there is no such host.
 *
 * Lazy publishing needs somebody who publishes in the end. A reactor says here, once for its thread, that it flushes at
 * the end of every step; producers made in that thread then publish lazily unless told otherwise. Without a host every
 * record is published at once.
 *
 * Besides, somebody who outlives the thread must know what the thread has opened, or nobody could free its places after
 * its death.
 */
import { checkInteger, checkOptions } from '../errors.js';
import type { PubOptions, Queue } from './handles.js';

/** What a reactor gives to the ends in its thread. */
export interface LazyHost {
  /** The number of records after which a producer publishes by itself. */
  readonly publishEvery: number;
  /** Makes sure that this producer is flushed at the end of the step. */
  readonly markDirty: (producer: { flush(): void }) => void;
  /**
   * An end of this queue is about to take its place. Called before it does, since the thread may die between the two.
   */
  readonly onOpen: (queue: Queue) => void;
}

let host: LazyHost | null = null;

/** The host of this thread, or null. */
export const lazyHost = (): LazyHost | null => host;
/** Sets the host of this thread; null removes it. */
export function setLazyHost(lazy: LazyHost | null): void {
  host = lazy;
}

/**
 * The number of records after which a producer publishes, according to the options of `pub`; `otherwise` if they say
 * nothing.
 */
export function publishEveryOf(options: PubOptions, otherwise: number = host?.publishEvery ?? 1): number {
  const { publishEvery } = checkOptions('options', options, ['publishEvery']);
  const { records } = checkOptions('publishEvery', publishEvery, ['records']);
  return checkInteger('publishEvery.records', records ?? otherwise, 1, 2 ** 30);
}

/** What a RealtimeExecutor and its threads say to each other. */

import type { ReadinessHandle } from '../io/index.js';

/**
 * Work: a function that a module exports. Functions themselves cannot cross to another thread. It is called with
 * `argument`; with the `Tick` if it runs periodically, else undefined; and with the `data` of `createExecutor`:
 *
 *     export function mix(gain: number, tick: Tick | undefined, { frames }: Shared): void { … }
 */
export interface Work {
  /** A file URL, such as `import.meta.url`, or an absolute path. */
  readonly module: URL | string;
  /** The name of the exported function. Default 'default'. */
  readonly export?: string;
}

/** What every thread of an executor gets. */
export interface ExecutorData {
  /** An ExecutorAnswer, and the answer after it. */
  readonly answer: SharedArrayBuffer;
  /** One for each thread: a bit for each of its events. */
  readonly events: readonly ReadinessHandle[];
  /** The system's number of each thread, or ENDED; the thread stores it itself. */
  readonly tids: SharedArrayBuffer;
  /** What each thread has run by itself: see RunCounter. */
  readonly runs: SharedArrayBuffer;
  /** The user's `data`. */
  readonly data: unknown;
}

/** Work that is asked for. */
export interface AskedWork {
  readonly module: string;
  readonly name: string;
  readonly argument: unknown;
  /** When it was asked for, by the clock of all parties. */
  readonly askedNs: number;
}

/** What a thread answers. */
export interface DoneWork {
  readonly value: unknown;
  /** The time from the question to the beginning. */
  readonly latencyNs: number;
}

/** The same, with an answer that goes into shared memory. */
export interface BlockingWork extends AskedWork {
  readonly question: number;
}

/** Work that runs again and again. */
export interface RepeatedWork {
  readonly module: string;
  readonly name: string;
  readonly argument: unknown;
  readonly intervalNs: number;
}

/** Work that runs when an event is raised. */
export interface EventWork {
  readonly module: string;
  readonly name: string;
  readonly argument: unknown;
  readonly bit: number;
}

export const STATE = { NONE: 0, ASKED: 1, ANSWERED: 2, FAILED: 3, TOO_LARGE: 4 } as const;
/** In place of the number of a thread that has ended. */
export const ENDED = -1;

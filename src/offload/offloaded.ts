/**
 * One task of the pool, on the main thread, and what travels on its behalf.
 *
 *      waits for its key --the one before is over--> in the queue --a thread is free--> runs --result--> over
 *               \--------------- cancelled, deadline over: never runs -------------------------------> over
 */
import type { TransferListItem } from 'node:worker_threads';
import type { Failure } from '../reactor/internal.js';
import type { Ready } from '../scheduling/internal.js';

/** The outcome of a task. */
export type Outcome = { readonly value: unknown } | { readonly failure: Failure };

/** What the asker says about a task. */
export interface OffloadRequest {
  readonly id: number;
  /** URL of the module. */
  readonly module: string;
  readonly payload: unknown;
  readonly transfer: readonly TransferListItem[];
  readonly band: number;
  readonly key: string | undefined;
  /** By the clock of all parties; 0: none. */
  readonly deadlineNs: number;
}

/** What a thread of the pool gets. */
export interface OffloadJob {
  readonly id: number;
  /** Node's number of the thread that is to have the result. */
  readonly asker: number;
  readonly module: string;
  readonly payload: unknown;
  /** Its word in the table of the pool. */
  readonly place: number;
}

/** A thread of the pool posts it to whoever asked. */
export interface OffloadResult {
  readonly id: number;
  readonly outcome: Outcome;
}

export class Offloaded implements Ready {
  readonly band: number;
  isReady = false;
  /** It is the one task of its key that may run. */
  holdsKey = false;
  /** A thread has it. */
  isRunning = false;
  isOver = false;

  constructor(readonly request: OffloadRequest, readonly asker: number, readonly place: number) {
    this.band = request.band;
  }

  /** The pool runs it, not a scheduler. */
  run(): boolean {
    return false;
  }
}

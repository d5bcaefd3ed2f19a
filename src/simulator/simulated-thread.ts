import type { Loop } from './loop.js';

/** One thread of the simulated program. */
export interface SimulatedThread {
  /** Node's number of the thread, as places in queues know it. */
  readonly threadId: number;
  /** Which party it is: the main thread comes after the last reactor. */
  readonly party: number;
  loop: Loop | undefined;
  /** It runs nothing before this time. */
  freeAtNs: number;
  hasEnded: boolean;
  /** It has died in the middle of a turn, and its stack is being unwound. */
  isDying: boolean;
}

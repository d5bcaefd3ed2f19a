import type { Loop } from './loop.js';

/** One thread of the simulated program. */
export interface SimulatedThread {
  /** Node's number of it, as places in queues know it. */
  readonly threadId: number;
  /** The party that it is: the main thread comes after the last reactor. */
  readonly party: number;
  loop: Loop | undefined;
  /** It runs nothing before. */
  freeAtNs: number;
  hasEnded: boolean;
  /** It has died amid a turn, and its stack is being unwound. */
  isDying: boolean;
}

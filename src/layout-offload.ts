/** The table of the pool that `offload` runs its tasks on: see layout.ts. */
import type { Structure } from './layout-fields.js';

/** The most tasks that may wait or run in one pool. */
export const MOST_OFFLOADED = 4096;

/** Where the threads of a pool learn that nobody wants the result of a task any longer. */
export const offloadLayout = {
  name: 'Offload',
  bytes: 16384,
  fields: {
    isUnwanted: {
      at: 0, type: 'i32', count: MOST_OFFLOADED, writes: 'runtime', reads: 'the thread that runs the task',
      means: '1: nobody waits any longer for the result of the task that has this place',
    },
  },
} as const satisfies Structure;

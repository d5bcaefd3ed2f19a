/** The table of the pool that `offload` runs its tasks on: see layout.ts. */
import type { Structure } from './layout-fields.js';

/** Tasks that may wait or run on one pool. */
export const MOST_OFFLOADED = 4096;

/** What the threads of a pool are told about the tasks that they run. */
export const offloadLayout = {
  name: 'Offload',
  bytes: 16384,
  fields: {
    isUnwanted: {
      at: 0, type: 'i32', count: MOST_OFFLOADED, writes: 'runtime', reads: 'the thread that runs the task',
      means: '1: nobody waits for the result of the task that has this place',
    },
  },
} as const satisfies Structure;

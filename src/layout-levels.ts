/** The tables of apps of levels, their resources, and real-time FIFOs: see layout.ts and src/levels/. */
import type { Structure } from './layout-fields.js';

/** Most levels of one app: they fit the bits of a word. */
export const MOST_LEVELS = 32;
export const APP_MAGIC = 0x50434131;

/**
 * A lock that hands itself on, in the order in which those who wait have come: src/levels/fair-lock.ts. Its words lie
 * together, since whoever takes it writes the first two.
 */
export const fairLockLayout = {
  name: 'FairLock',
  bytes: 256,
  fields: {
    holder: {
      at: 0, type: 'i32', writes: 'any level; main after a death', reads: 'all levels',
      means: '0 free, else who has it, plus 1; -1 free, and left behind by a level that has died',
    },
    waiters: {
      at: 4, type: 'i32', writes: 'any level; main after a death', reads: 'all levels',
      means: 'a bit for each level that waits',
    },
    next: {
      at: 8, type: 'i32', writes: 'any level; main after a death', reads: 'all levels',
      means: 'the number that the next one to wait draws',
    },
    dead: {
      at: 12, type: 'i32', writes: 'any level; main after a death', reads: 'all levels',
      means: 'a bit for each level that has died',
    },
    wasLeft: {
      at: 16, type: 'i32', writes: 'any level; main after a death', reads: 'all levels',
      means: '1: the next one is told that its holder has died',
    },
    leftCount: {
      at: 20, type: 'i32', writes: 'any level; main after a death', reads: 'all levels',
      means: 'how often a holder has died',
    },
    number: {
      at: 128, type: 'i32', count: MOST_LEVELS, writes: 'each level its own', reads: 'all levels',
      means: 'the number with which it waits',
    },
  },
} as const satisfies Structure;

/** What all levels of an app share, besides resources and counts of messages. */
export const appLayout = {
  name: 'App',
  bytes: 128,
  fields: {
    magic: { at: 0, type: 'i32', writes: 'main', reads: 'all', means: 'APP_MAGIC' },
    version: { at: 4, type: 'i32', writes: 'main', reads: 'all', means: 'LAYOUT_VERSION' },
  },
} as const satisfies Structure;

/** What one core of an app is; its levels take turns by the lock behind it where they cannot preempt each other. */
export const appCoreLayout = {
  name: 'AppCore',
  bytes: 256,
  fields: {
    takesTurns: {
      at: 0, type: 'i32', writes: 'main, before any task runs', reads: 'all levels of the core',
      means: '1: the system refused real-time priorities, so its levels take turns',
    },
    changes: {
      at: 128, type: 'i32', writes: 'any level of the core adds', reads: 'all levels of the core',
      means: 'grows with each step that ends, where levels take turns',
    },
  },
} as const satisfies Structure;

/** What one level of an app is. */
export const appLevelLayout = {
  name: 'AppLevel',
  bytes: 128,
  fields: {
    granted: {
      at: 0, type: 'i32', writes: 'owner', reads: 'main',
      means: 'the SCHED_FIFO priority that it has; 0 none; below 0 the errno of the refusal',
    },
    isBusy: {
      at: 4, type: 'i32', writes: 'owner; main after its death', reads: 'all levels of its core',
      means: '1: a step runs, or is about to, where levels take turns; -1: it has died',
    },
    refused: {
      at: 8, type: 'i32', writes: 'owner', reads: 'main', means: 'messages that it spawned and that were refused',
    },
    notRaised: {
      at: 12, type: 'i32', writes: 'owner', reads: 'main',
      means: 'times that the system refused to raise or lower it, after it had granted its priority',
    },
    ceiling: {
      at: 16, type: 'i32', writes: 'owner; main after its death', reads: 'all levels of its core',
      means: 'the rank to which a lock lifts it that it holds while another level has the turn; 0 for none',
    },
  },
} as const satisfies Structure;

/** The counts of a real-time FIFO; its records lie in a queue of fixed records, which is a Queue. */
export const realtimeFifoLayout = {
  name: 'RealtimeFifo',
  bytes: 256,
  fields: {
    magic: { at: 0, type: 'i32', writes: 'creator', reads: 'all', means: 'FIFO_MAGIC' },
    version: { at: 4, type: 'i32', writes: 'creator', reads: 'all', means: 'LAYOUT_VERSION' },
    written: { at: 128, type: 'f64', writes: 'writer', reads: 'all', means: 'records that were taken' },
    dropped: { at: 136, type: 'f64', writes: 'writer', reads: 'all', means: 'records that found it full' },
  },
} as const satisfies Structure;
export const FIFO_MAGIC = 0x50434631;

/** What `blockOn` of an executor waits for: the answer of one task, serialized behind it. */
export const executorAnswerLayout = {
  name: 'ExecutorAnswer',
  bytes: 128,
  fields: {
    state: {
      at: 0, type: 'i32', writes: 'who asks, then who answers', reads: 'both',
      means: '0 none asked, 1 asked, 2 answered, 3 failed, 4 the answer is too large',
    },
    length: { at: 4, type: 'i32', writes: 'who answers', reads: 'who asks', means: 'bytes of the answer' },
    asked: {
      at: 8, type: 'i32', writes: 'who asks', reads: 'who answers',
      means: 'number of the question: an answer to an earlier one, which nobody waits for, is not written',
    },
  },
} as const satisfies Structure;

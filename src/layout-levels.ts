/** The tables of apps with levels, of their resources, and of real-time FIFOs: see layout.ts and src/levels/. */
import type { Structure } from './layout-fields.js';

/** The most levels that one app may have: each is a bit of one word. */
export const MOST_LEVELS = 32;
export const APP_MAGIC = 0x50434131;

/**
 * A lock that is handed to those who wait in the order in which they came: src/levels/fair-lock.ts. Its words lie close
 * together, since taking the lock writes the first two of them.
 */
export const fairLockLayout = {
  name: 'FairLock',
  bytes: 256,
  fields: {
    holder: {
      at: 0, type: 'i32', writes: 'any level; main after a death', reads: 'all levels',
      means: '0: free; above 0: the level that has it, plus 1; -1: free, but its last holder died with it',
    },
    waiters: {
      at: 4, type: 'i32', writes: 'any level; main after a death', reads: 'all levels',
      means: 'one bit for each level that waits',
    },
    next: {
      at: 8, type: 'i32', writes: 'any level; main after a death', reads: 'all levels',
      means: 'the number that the next level to wait will draw',
    },
    dead: {
      at: 12, type: 'i32', writes: 'any level; main after a death', reads: 'all levels',
      means: 'one bit for each level that has died',
    },
    wasLeft: {
      at: 16, type: 'i32', writes: 'any level; main after a death', reads: 'all levels',
      means: '1: the next level that gets it is told that the last holder died',
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

/** What all levels of an app share, apart from resources and counts of messages. */
export const appLayout = {
  name: 'App',
  bytes: 128,
  fields: {
    magic: { at: 0, type: 'i32', writes: 'main', reads: 'all', means: 'APP_MAGIC' },
    version: { at: 4, type: 'i32', writes: 'main', reads: 'all', means: 'LAYOUT_VERSION' },
    isClosing: {
      at: 8, type: 'i32', writes: 'main', reads: 'all',
      means: '1: the app is being closed, and what is scheduled from now on is refused',
    },
  },
} as const satisfies Structure;

/**
 * The state of one core of an app. Where its levels cannot preempt each other, they take turns by means of the lock
 * that follows this structure.
 */
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
      means: 'grows whenever a step ends, where levels take turns',
    },
  },
} as const satisfies Structure;

/** The state of one level of an app. */
export const appLevelLayout = {
  name: 'AppLevel',
  bytes: 128,
  fields: {
    granted: {
      at: 0, type: 'i32', writes: 'owner', reads: 'main',
      means: 'its SCHED_FIFO priority; 0: none; below 0: the negated errno of the refusal',
    },
    isBusy: {
      at: 4, type: 'i32', writes: 'owner; main after its death', reads: 'all levels of its core',
      means: '1: a step runs or is about to run, where levels take turns; -1: the level has died',
    },
    refused: {
      at: 8, type: 'i32', writes: 'owner', reads: 'main', means: 'messages that it spawned and that were refused',
    },
    notRaised: {
      at: 12, type: 'i32', writes: 'owner', reads: 'main',
      means: 'how often the system refused to raise or lower it although it had granted its priority',
    },
    ceiling: {
      at: 16, type: 'i32', writes: 'owner; main after its death', reads: 'all levels of its core',
      means: 'the rank to which it is raised by a lock that it holds while another level has the turn; 0: none',
    },
    gate: {
      at: 20, type: 'i32', writes: 'owner; main after its death', reads: 'levels of its core above it',
      means: 'the rank up to which no step may begin while it holds a lock, where levels preempt each other; 0: none',
    },
    gateWaits: {
      at: 24, type: 'i32', writes: 'levels of its core above it; main after a death', reads: 'owner',
      means: 'one bit for each level that waits for its gate',
    },
    tid: { at: 28, type: 'i32', writes: 'owner', reads: 'levels of its core above it', means: 'number of its thread' },
    closed: {
      at: 32, type: 'i32', writes: 'owner', reads: 'main',
      means: 'of the refused messages those for a level that has died',
    },
  },
} as const satisfies Structure;

/** The counters of a real-time FIFO. Its records lie in a queue of fixed records, which is a Queue. */
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

/** What `blockOn` of an executor waits for: the answer of one task, which follows in serialized form. */
export const executorAnswerLayout = {
  name: 'ExecutorAnswer',
  bytes: 128,
  fields: {
    state: {
      at: 0, type: 'i32', writes: 'who asks, then who answers', reads: 'both',
      means: '0: nothing asked, 1: asked, 2: answered, 3: failed, 4: the answer is too large',
    },
    length: { at: 4, type: 'i32', writes: 'who answers', reads: 'who asks', means: 'bytes of the answer' },
    asked: {
      at: 8, type: 'i32', writes: 'who asks', reads: 'who answers',
      means: 'number of the question: an answer to an earlier question, for which nobody waits, is not written',
    },
  },
} as const satisfies Structure;

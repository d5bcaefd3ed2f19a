/**
 * The rows of the counters page other than those of tasks: reactors with what was granted to them, classes, lanes,
 * queues and their consumers. Beside each text `x` of a row, `xBytes` says how many bytes of UTF-8 it has. See
 * layout-page.ts.
 */
import { FIGURE_KINDS } from './layout-observe.js';
import type { Structure } from './layout-fields.js';

/** The most rows of each kind. Rows for which there is no room are counted in `leftOut`. */
export const PAGE_LANES = 1024;
export const PAGE_QUEUES = 64;
export const PAGE_CURSORS = 256;
export const PAGE_TOPICS = 512;

const WRITER = { writes: 'publisher', reads: 'other processes' } as const;
const text = (at: number, bytes: number): { at: number; type: 'i32'; count: number } => (
  { at, type: 'i32', count: bytes >> 2 });

/** A reactor, as the main thread knows it. */
export const pageReactorLayout = {
  name: 'PageReactor',
  bytes: 256,
  fields: {
    party: { at: 0, type: 'i32', ...WRITER, means: 'which reactor' },
    generation: { at: 4, type: 'i32', ...WRITER, means: 'threads that have died in its place' },
    restarts: { at: 8, type: 'i32', ...WRITER, means: 'how often it was ready again after a death' },
    tid: { at: 12, type: 'i32', ...WRITER, means: 'the kernel\'s number of its thread; 0 while it is not known' },
    cpu: { at: 16, type: 'i32', ...WRITER, means: 'the CPU that it is pinned to; -1: it may run on several' },
    refusals: { at: 20, type: 'i32', ...WRITER, means: 'how many things that were asked for were not granted' },
    timerSlackNs: { at: 24, type: 'f64', ...WRITER, means: 'timer slack of its sleeps; 0 while it is not known' },
    spinNs: { at: 32, type: 'f64', ...WRITER, means: 'longest spin before it parks' },
    stateBytes: { at: 40, type: 'i32', ...WRITER, means: 'bytes of the state' },
    state: { ...text(44, 20), ...WRITER, means: 'its state, as in runtime.status()' },
    policyBytes: { at: 64, type: 'i32', ...WRITER, means: 'bytes of the policy' },
    policy: { ...text(68, 60), ...WRITER, means: 'how the kernel schedules it, such as fifo 50' },
    idleBytes: { at: 128, type: 'i32', ...WRITER, means: 'bytes of the idle strategy' },
    idle: { ...text(132, 28), ...WRITER, means: 'its idle strategy' },
    sourceBytes: { at: 160, type: 'i32', ...WRITER, means: 'bytes of the source' },
    source: { ...text(164, 28), ...WRITER, means: 'the source of its I/O' },
  },
} as const satisfies Structure;

/** All tasks of a band, of all parties together. */
export const pageClassLayout = {
  name: 'PageClass',
  bytes: 384,
  fields: {
    nameBytes: { at: 0, type: 'i32', ...WRITER, means: 'bytes of its name' },
    name: { ...text(4, 60), ...WRITER, means: 'its name in createRuntime({ classes }), or else such as band 3' },
    band: { at: 64, type: 'i32', ...WRITER, means: '0 to 7' },
    tasks: { at: 68, type: 'i32', ...WRITER, means: 'tasks of this band' },
    steps: { at: 72, type: 'f64', ...WRITER, means: 'steps run in this band, those of handlers included' },
    stepNs: { at: 80, type: 'f64', ...WRITER, means: 'time in its quanta; measured where classes are declared' },
    collectedNs: { at: 88, type: 'f64', ...WRITER, means: 'the part of it that was garbage collection' },
    violations: { at: 96, type: 'f64', count: FIGURE_KINDS, ...WRITER, means: 'values above their bound, by figure' },
    count: { at: 128, type: 'f64', count: FIGURE_KINDS, ...WRITER, means: 'values of each kind of figure' },
    minNs: { at: 160, type: 'f64', count: FIGURE_KINDS, ...WRITER, means: 'the smallest' },
    meanNs: { at: 192, type: 'f64', count: FIGURE_KINDS, ...WRITER, means: 'the mean' },
    p50Ns: { at: 224, type: 'f64', count: FIGURE_KINDS, ...WRITER, means: 'the median' },
    p99Ns: { at: 256, type: 'f64', count: FIGURE_KINDS, ...WRITER, means: 'what 99 % do not exceed' },
    p999Ns: { at: 288, type: 'f64', count: FIGURE_KINDS, ...WRITER, means: 'what 99.9 % do not exceed' },
    maxNs: { at: 320, type: 'f64', count: FIGURE_KINDS, ...WRITER, means: 'the largest' },
  },
} as const satisfies Structure;

/** A lane from one party to another. */
export const pageLaneLayout = {
  name: 'PageLane',
  bytes: 96,
  fields: {
    from: { at: 0, type: 'i32', ...WRITER, means: 'who sends' },
    to: { at: 4, type: 'i32', ...WRITER, means: 'who takes' },
    band: { at: 8, type: 'i32', ...WRITER, means: '0 to 7' },
    isReturn: { at: 12, type: 'i32', ...WRITER, means: '1: it carries answers' },
    published: { at: 16, type: 'f64', ...WRITER, means: 'records published' },
    taken: { at: 24, type: 'f64', ...WRITER, means: 'records taken' },
    lag: { at: 32, type: 'f64', ...WRITER, means: 'records that wait' },
    waitingBytes: { at: 40, type: 'f64', ...WRITER, means: 'bytes that wait' },
    mostBytes: { at: 48, type: 'f64', ...WRITER, means: 'the most that its sender has seen waiting' },
    capacityBytes: { at: 56, type: 'f64', ...WRITER, means: 'what it has room for' },
    refused: { at: 64, type: 'f64', ...WRITER, means: 'times that it was full' },
  },
} as const satisfies Structure;

/**
 * How long messages were under way to a party, for one kind of lane: the time from being published to being taken,
 * measured on samples.
 */
export const pageWayLayout = {
  name: 'PageWay',
  bytes: 96,
  fields: {
    party: { at: 0, type: 'i32', ...WRITER, means: 'who has taken them' },
    band: { at: 4, type: 'i32', ...WRITER, means: '0 to 7' },
    isReturn: { at: 8, type: 'i32', ...WRITER, means: '1: answers' },
    count: { at: 16, type: 'f64', ...WRITER, means: 'how many were measured' },
    minNs: { at: 24, type: 'f64', ...WRITER, means: 'the shortest' },
    meanNs: { at: 32, type: 'f64', ...WRITER, means: 'the mean' },
    p50Ns: { at: 40, type: 'f64', ...WRITER, means: 'the median' },
    p99Ns: { at: 48, type: 'f64', ...WRITER, means: 'what 99 % do not exceed' },
    p999Ns: { at: 56, type: 'f64', ...WRITER, means: 'what 99.9 % do not exceed' },
    maxNs: { at: 64, type: 'f64', ...WRITER, means: 'the longest' },
  },
} as const satisfies Structure;

/** A queue that the program shows. `depth` and `capacity` count records, or bytes where records vary in length. */
export const pageQueueLayout = {
  name: 'PageQueue',
  bytes: 256,
  fields: {
    nameBytes: { at: 0, type: 'i32', ...WRITER, means: 'bytes of its name' },
    name: { ...text(4, 92), ...WRITER, means: 'the name given to showQueue' },
    kindBytes: { at: 96, type: 'i32', ...WRITER, means: 'bytes of its kind' },
    kind: { ...text(100, 20), ...WRITER, means: 'its kind and backend, such as spsc fixed' },
    isClosed: { at: 120, type: 'i32', ...WRITER, means: '1: no record will follow, or nobody reads it any longer' },
    consumers: { at: 124, type: 'i32', ...WRITER, means: 'how many PageCursors belong to this queue' },
    capacity: { at: 128, type: 'f64', ...WRITER, means: 'the most that it holds' },
    depth: { at: 136, type: 'f64', ...WRITER, means: 'what it holds' },
    highWater: { at: 144, type: 'f64', ...WRITER, means: 'the most that it has held' },
    published: { at: 152, type: 'f64', ...WRITER, means: 'records accepted' },
    consumed: { at: 160, type: 'f64', ...WRITER, means: 'records delivered, once for each consumer' },
    refused: { at: 168, type: 'f64', ...WRITER, means: 'offers answered BACK_PRESSURED' },
    droppedNewest: { at: 176, type: 'f64', ...WRITER, means: 'offers that were not taken because a consumer chose so' },
    droppedOldest: { at: 184, type: 'f64', ...WRITER, means: 'records overwritten unread' },
    droppedEvicted: { at: 192, type: 'f64', ...WRITER, means: 'records lost to consumers that were evicted' },
    droppedClosed: {
      at: 200, type: 'f64', ...WRITER,
      means: 'records accepted and lost because the queue ended first',
    },
    droppedTooLarge: {
      at: 208, type: 'f64', ...WRITER,
      means: 'pipes only: records that are longer than the reader takes',
    },
  },
} as const satisfies Structure;

/** A consumer of a queue, and how far it has read. */
export const pageCursorLayout = {
  name: 'PageCursor',
  bytes: 128,
  fields: {
    queue: { at: 0, type: 'i32', ...WRITER, means: 'the number of the queue among those of the page' },
    place: { at: 4, type: 'i32', ...WRITER, means: 'its place in the queue; mpsc: the lane; banded: the band' },
    threadId: { at: 8, type: 'i32', ...WRITER, means: 'Node\'s number of its thread; -1: nobody has the place' },
    nameBytes: { at: 12, type: 'i32', ...WRITER, means: 'bytes of its name' },
    name: { ...text(16, 32), ...WRITER, means: 'its name, if it was declared with one' },
    stateBytes: { at: 48, type: 'i32', ...WRITER, means: 'bytes of the state' },
    state: { ...text(52, 12), ...WRITER, means: 'reading, held or evicted' },
    whenSlowBytes: { at: 64, type: 'i32', ...WRITER, means: 'bytes of the policy' },
    whenSlow: { ...text(68, 12), ...WRITER, means: 'what happens when it is slow' },
    lag: {
      at: 80, type: 'f64', ...WRITER,
      means: 'what is published and not yet read by it, in the unit of the queue\'s depth',
    },
    consumed: { at: 88, type: 'f64', ...WRITER, means: 'records that it has released' },
    droppedOldest: { at: 96, type: 'f64', ...WRITER, means: 'records overwritten before it read them' },
    droppedEvicted: { at: 104, type: 'f64', ...WRITER, means: 'records lost after it was evicted' },
  },
} as const satisfies Structure;

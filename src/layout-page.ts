/**
 * The tables of the counters page: a file that one process writes and others map. Within the process a single thread
 * writes it, copying what all parties count. See layout.ts and src/monitor/page.ts; the rows of lanes, queues and
 * topics are in layout-page-rows.ts.
 */
import { CAUSE_BYTES, FIGURE_KINDS, FIGURE_NAME_BYTES } from './layout-observe.js';
import type { Structure } from './layout-fields.js';

export const PAGE_MAGIC = 0x50435047;
export const PAGE_VERSION = 2;
/** The number of classes into which responses are sorted by how long they took. */
export const PAGE_RESPONSES = 12;

const WRITER = { writes: 'publisher', reads: 'other processes' } as const;

/** The beginning of the file. The sections follow at the offsets that it gives. */
export const pageLayout = {
  name: 'Page',
  bytes: 256,
  fields: {
    magic: { at: 0, type: 'i32', ...WRITER, means: 'PAGE_MAGIC once the page is complete' },
    version: { at: 4, type: 'i32', ...WRITER, means: 'PAGE_VERSION' },
    sequence: { at: 8, type: 'i32', ...WRITER, means: 'odd while the page is being written; grows each time' },
    pid: { at: 12, type: 'i32', ...WRITER, means: 'the process, by its number in its own namespace' },
    startTicks: {
      at: 16, type: 'f64', ...WRITER,
      means: 'when the process began, from /proc; tells it from a later process with its number',
    },
    publishedNs: { at: 24, type: 'f64', ...WRITER, means: 'when it was written last, nanoseconds of CLOCK_MONOTONIC' },
    originNs: {
      at: 32, type: 'f64', ...WRITER,
      means: 'the time on that clock at which the runtime\'s own times begin',
    },
    everyMs: { at: 40, type: 'i32', ...WRITER, means: 'milliseconds from one writing to the next' },
    isClosed: { at: 44, type: 'i32', ...WRITER, means: '1: the runtime has closed' },
    textAt: { at: 64, type: 'i32', ...WRITER, means: 'where the text begins that describes each field in a line' },
    textBytes: { at: 68, type: 'i32', ...WRITER, means: 'bytes of that text' },
    partiesAt: { at: 72, type: 'i32', ...WRITER, means: 'where the parties begin: one PageParty for each' },
    parties: { at: 76, type: 'i32', ...WRITER, means: 'how many; the main thread comes last' },
    tasksAt: { at: 80, type: 'i32', ...WRITER, means: 'where the tasks begin: one PageTask for each' },
    tasks: { at: 84, type: 'i32', ...WRITER, means: 'how many there are now' },
    mostTasks: { at: 88, type: 'i32', ...WRITER, means: 'how many there is room for' },
    ratesAt: { at: 92, type: 'i32', ...WRITER, means: 'where the rate controllers begin: one PageRate for each' },
    rates: { at: 96, type: 'i32', ...WRITER, means: 'how many there are now' },
    asksAt: { at: 100, type: 'i32', ...WRITER, means: 'where the PageAsk lies, which other processes write' },
    answeredId: { at: 104, type: 'f64', ...WRITER, means: 'the id of the request that was answered last' },
    answeredTasks: { at: 112, type: 'i32', ...WRITER, means: 'for how many tasks that request has set bounds' },
    leftOut: { at: 116, type: 'i32', ...WRITER, means: 'rows of any kind for which there was no room' },
    reactorsAt: { at: 120, type: 'i32', ...WRITER, means: 'where the PageReactors begin: what was granted to each' },
    reactors: { at: 124, type: 'i32', ...WRITER, means: 'how many' },
    classesAt: { at: 128, type: 'i32', ...WRITER, means: 'where the classes begin: one PageClass for each' },
    classes: { at: 132, type: 'i32', ...WRITER, means: 'how many' },
    lanesAt: { at: 136, type: 'i32', ...WRITER, means: 'where the lanes begin: one PageLane for each' },
    lanes: { at: 140, type: 'i32', ...WRITER, means: 'how many there are now' },
    waysAt: { at: 144, type: 'i32', ...WRITER, means: 'where the PageWays begin: how long messages were under way' },
    ways: { at: 148, type: 'i32', ...WRITER, means: 'how many there are now' },
    queuesAt: { at: 152, type: 'i32', ...WRITER, means: 'where the queues begin: one PageQueue for each' },
    queues: { at: 156, type: 'i32', ...WRITER, means: 'how many there are now' },
    cursorsAt: { at: 160, type: 'i32', ...WRITER, means: 'where the PageCursors begin: the consumers of the queues' },
    cursors: { at: 164, type: 'i32', ...WRITER, means: 'how many there are now' },
    topicsAt: { at: 168, type: 'i32', ...WRITER, means: 'where topics and subscriptions begin: one TopicRow for each' },
    topics: { at: 172, type: 'i32', ...WRITER, means: 'how many there are now' },
  },
} as const satisfies Structure;

/** One task and its figures. */
export const pageTaskLayout = {
  name: 'PageTask',
  bytes: 768,
  fields: {
    party: { at: 0, type: 'i32', ...WRITER, means: 'where it runs' },
    band: { at: 4, type: 'i32', ...WRITER, means: '0 to 7' },
    nameBytes: { at: 8, type: 'i32', ...WRITER, means: 'bytes of its name' },
    causeBytes: { at: 12, type: 'i32', ...WRITER, means: 'bytes of the cause' },
    name: { at: 16, type: 'i32', count: FIGURE_NAME_BYTES >> 2, ...WRITER, means: 'its name in UTF-8' },
    cause: {
      at: 112, type: 'i32', count: CAUSE_BYTES >> 2, ...WRITER,
      means: 'why it was late the last time, in UTF-8',
    },
    steps: { at: 208, type: 'f64', ...WRITER, means: 'steps begun' },
    messages: { at: 216, type: 'f64', ...WRITER, means: 'messages taken' },
    refused: { at: 224, type: 'f64', ...WRITER, means: 'messages that its mailbox refused' },
    errors: { at: 232, type: 'f64', ...WRITER, means: 'steps that threw' },
    again: { at: 240, type: 'f64', ...WRITER, means: 'steps that asked for their message again' },
    depth: { at: 248, type: 'f64', ...WRITER, means: 'messages in its mailbox' },
    count: { at: 256, type: 'f64', count: FIGURE_KINDS, ...WRITER, means: 'values of each kind of figure' },
    minNs: { at: 288, type: 'f64', count: FIGURE_KINDS, ...WRITER, means: 'the smallest' },
    meanNs: { at: 320, type: 'f64', count: FIGURE_KINDS, ...WRITER, means: 'the mean' },
    p50Ns: { at: 352, type: 'f64', count: FIGURE_KINDS, ...WRITER, means: 'the median' },
    p99Ns: { at: 384, type: 'f64', count: FIGURE_KINDS, ...WRITER, means: 'what 99 % do not exceed' },
    p999Ns: { at: 416, type: 'f64', count: FIGURE_KINDS, ...WRITER, means: 'what 99.9 % do not exceed' },
    maxNs: { at: 448, type: 'f64', count: FIGURE_KINDS, ...WRITER, means: 'the largest' },
    boundNs: { at: 480, type: 'f64', count: FIGURE_KINDS, ...WRITER, means: 'upper bound; 0 for none' },
    violations: { at: 512, type: 'f64', count: FIGURE_KINDS, ...WRITER, means: 'values above it' },
    responses: {
      at: 544, type: 'f64', count: PAGE_RESPONSES, ...WRITER,
      means: 'responses below 2^10 ns, then below 2^12, and so on by a factor of 4; the last class has all longer ones',
    },
    restarts: { at: 640, type: 'f64', ...WRITER, means: 'how often a task of this name was made again' },
  },
} as const satisfies Structure;

/** A rate controller, so that another language can follow it. Whole numbers are floats, exact up to 2^53. */
export const pageRateLayout = {
  name: 'PageRate',
  bytes: 128,
  fields: {
    nameBytes: { at: 0, type: 'i32', ...WRITER, means: 'bytes of its name' },
    name: { at: 4, type: 'i32', count: 15, ...WRITER, means: 'its name in UTF-8' },
    rateHz: { at: 64, type: 'f64', ...WRITER, means: 'ticks a second' },
    lastEmissionNs: { at: 72, type: 'f64', ...WRITER, means: 'when it last ticked, nanoseconds of CLOCK_MONOTONIC' },
    nextEmissionNs: { at: 80, type: 'f64', ...WRITER, means: 'when the next tick is due' },
    p99JitterNs: { at: 88, type: 'f64', ...WRITER, means: 'the jitter that 99 % of the last intervals did not exceed' },
    maxJitterNs: { at: 96, type: 'f64', ...WRITER, means: 'the largest jitter so far' },
  },
} as const satisfies Structure;

const ASKER = { writes: 'whoever asks, all at once', reads: 'publisher' } as const;

/** A request for bounds by another process: see src/monitor/page-asks.ts. */
export const pageAskLayout = {
  name: 'PageAsk',
  bytes: 256,
  fields: {
    id: { at: 0, type: 'f64', ...ASKER, means: 'a random number, not 0; the answer names it' },
    band: { at: 8, type: 'i32', ...ASKER, means: 'the band whose tasks are meant; -1: the task with this name' },
    reactor: { at: 12, type: 'i32', ...ASKER, means: 'the party whose tasks are meant; -1: all parties' },
    nameBytes: { at: 16, type: 'i32', ...ASKER, means: 'bytes of the name; 0 for none' },
    name: { at: 20, type: 'i32', count: FIGURE_NAME_BYTES >> 2, ...ASKER, means: 'the task, in UTF-8' },
    boundsNs: {
      at: 120, type: 'f64', count: FIGURE_KINDS, ...ASKER, means: 'bounds in nanoseconds; 0: none; -1: unchanged',
    },
    checksum: { at: 152, type: 'i32', ...ASKER, means: 'FNV-1a of all bytes before this field' },
  },
} as const satisfies Structure;

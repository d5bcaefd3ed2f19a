/** The tables of what a party measures about its tasks and lanes: see layout.ts. */
import type { Structure } from './layout-fields.js';

export const FIGURES_MAGIC = 0x50434636;
/** The kinds of figures that each task has, each with a histogram: see observe/task-figures.ts. */
export const FIGURE_KINDS = 4;
/** Bytes for a task's name in UTF-8; longer names are cut. */
export const FIGURE_NAME_BYTES = 96;
/** Bytes for the text that names a cause. */
export const CAUSE_BYTES = 96;
/** How many runs of each party a trace keeps; a power of two. */
export const TRACE_SPANS = 16_384;

/** The figures of one party. Only their owner writes them, except for the words by which others ask for something. */
export const figuresLayout = {
  name: 'Figures',
  bytes: 256,
  fields: {
    magic: {
      at: 0, type: 'i32', writes: 'runtime, last', reads: 'all', means: 'FIGURES_MAGIC once the block is complete',
    },
    version: { at: 4, type: 'i32', writes: 'runtime', reads: 'all', means: 'LAYOUT_VERSION' },
    slots: { at: 8, type: 'i32', writes: 'runtime', reads: 'all', means: 'tasks that it has room for' },
    used: {
      at: 64, type: 'i32', writes: 'owner', reads: 'all', means: 'slots whose name is complete; grows by one at a time',
    },
    leftOut: { at: 72, type: 'f64', writes: 'owner', reads: 'all', means: 'tasks for which there was no slot' },
    asked: {
      at: 128, type: 'i32', writes: 'whoever sets a bound adds', reads: 'owner',
      means: 'grows whenever a bound is set: the owner then reads the bounds again',
    },
    isTracing: {
      at: 132, type: 'i32', writes: 'whoever asks for a trace', reads: 'owner',
      means: '1: its runs are kept; whoever changes this adds to asked as well',
    },
    isOff: {
      at: 136, type: 'i32', writes: 'whoever switches the figures', reads: 'owner',
      means: '1: no figures are taken; whoever changes this summons the owner',
    },
  },
} as const satisfies Structure;

/** One task of one party. A histogram for each kind of figure follows it. */
export const taskFiguresLayout = {
  name: 'TaskFigures',
  bytes: 512,
  fields: {
    band: { at: 0, type: 'i32', writes: 'owner', reads: 'all', means: 'its band, 0 to 7' },
    nameBytes: { at: 4, type: 'i32', writes: 'owner', reads: 'all', means: 'bytes of its name' },
    name: {
      at: 8, type: 'i32', count: FIGURE_NAME_BYTES >> 2, writes: 'owner', reads: 'all', means: 'its name in UTF-8',
    },
    steps: { at: 128, type: 'f64', writes: 'owner', reads: 'all', means: 'steps begun' },
    messages: {
      at: 136, type: 'f64', writes: 'owner', reads: 'all',
      means: 'messages that its steps have taken, as of a moment ago',
    },
    refused: {
      at: 144, type: 'f64', writes: 'owner', reads: 'all',
      means: 'messages of its own thread that its mailbox refused, as of a moment ago',
    },
    errors: {
      at: 152, type: 'f64', writes: 'owner', reads: 'all', means: 'steps that threw, as of a moment ago',
    },
    again: {
      at: 160, type: 'f64', writes: 'owner', reads: 'all',
      means: 'steps that asked for their message again, as of a moment ago',
    },
    depth: {
      at: 168, type: 'f64', writes: 'owner', reads: 'all', means: 'messages in its mailbox, as of a moment ago',
    },
    begun: {
      at: 176, type: 'f64', writes: 'owner', reads: 'all',
      means: 'how often a task of this name was made; all but the first were restarts',
    },
    recorded: {
      at: 184, type: 'f64', writes: 'owner', reads: 'all',
      means: 'values in its histograms, of all kinds; grows after they have',
    },
    violations: {
      at: 192, type: 'f64', count: FIGURE_KINDS, writes: 'owner', reads: 'all',
      means: 'values above their bound, by kind',
    },
    boundNs: {
      at: 256, type: 'f64', count: FIGURE_KINDS, writes: 'whoever sets a bound', reads: 'owner',
      means: 'upper bound of each kind in nanoseconds; 0 for none',
    },
    causeChanges: {
      at: 384, type: 'i32', writes: 'owner', reads: 'all',
      means: 'odd while the next two fields are being written; grows with each cause',
    },
    causeBytes: { at: 388, type: 'i32', writes: 'owner', reads: 'all', means: 'bytes of the cause' },
    cause: {
      at: 392, type: 'i32', count: CAUSE_BYTES >> 2, writes: 'owner', reads: 'all',
      means: 'why it was late the last time, in UTF-8',
    },
  },
} as const satisfies Structure;

/** One run in the trace of a party. */
export const traceSpanLayout = {
  name: 'TraceSpan',
  bytes: 32,
  fields: {
    fromNs: { at: 0, type: 'f64', writes: 'owner', reads: 'all', means: 'when it began' },
    toNs: { at: 8, type: 'f64', writes: 'owner', reads: 'all', means: 'when it ended' },
    readyNs: { at: 16, type: 'f64', writes: 'owner', reads: 'all', means: 'when what ran had become ready' },
    what: {
      at: 24, type: 'i32', writes: 'owner', reads: 'all',
      means: 'the slot of its task; below 0: something that is no task',
    },
    sender: {
      at: 28, type: 'i32', writes: 'owner', reads: 'all',
      means: 'the party that sent it; -1: the party itself',
    },
  },
} as const satisfies Structure;

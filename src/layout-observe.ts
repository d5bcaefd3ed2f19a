/** The tables of what a party measures of its tasks and lanes: see layout.ts. */
import type { Structure } from './layout-fields.js';

export const FIGURES_MAGIC = 0x50434636;
/** Kinds of figures that each task has, a histogram each: see observe/task-figures.ts. */
export const FIGURE_KINDS = 4;
/** Bytes of a task's name in UTF-8; of a longer one the rest is left out. */
export const FIGURE_NAME_BYTES = 96;

/** Its owner's alone, but for the words that say what is asked of it. */
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
      means: 'grows with each bound that is set: the owner reads them again',
    },
  },
} as const satisfies Structure;

/** One task of one party, and behind it a histogram for each kind of figure. */
export const taskFiguresLayout = {
  name: 'TaskFigures',
  bytes: 384,
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
      at: 176, type: 'f64', writes: 'owner', reads: 'all', means: 'times that a task of this name was made: restarts',
    },
    violations: {
      at: 192, type: 'f64', count: FIGURE_KINDS, writes: 'owner', reads: 'all',
      means: 'values above their bound, by kind',
    },
    boundNs: {
      at: 256, type: 'f64', count: FIGURE_KINDS, writes: 'whoever sets a bound', reads: 'owner',
      means: 'upper bound of each kind in nanoseconds; 0 for none',
    },
  },
} as const satisfies Structure;

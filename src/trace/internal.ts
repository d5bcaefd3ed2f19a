/** What the command line may import of this room. Nothing of it is an export of the package. */
export { FIGURES, type ThreadFigure, type FigureReport } from './figures.js';
export type { TraceEvent } from './episode.js';
export type { ThreadReport } from './followed-thread.js';
export { MOST_BUFFER_KIB, threadsNamed, Tracer, type TracerSummary } from './tracer.js';

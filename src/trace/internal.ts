/** What the command line may import from this room. The package exports none of it. */
export { FIGURES, type ThreadFigure, type FigureReport } from './figures.js';
export type { TraceEvent } from './episode.js';
export type { ThreadReport } from './followed-thread.js';
export { MOST_BUFFER_KIB, threadsNamed, Tracer, type TracerSummary } from './tracer.js';

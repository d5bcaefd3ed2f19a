/** What the command line may import of this room. Nothing of it is an export of the package. */
export { FIGURES, type ThreadFigure, type FigureReport, type TraceEvent } from './figures.js';
export type { ThreadReport } from './kernel-trace.js';
export { MOST_BUFFER_KIB, threadsNamed, Tracer, type TracerSummary } from './tracer.js';

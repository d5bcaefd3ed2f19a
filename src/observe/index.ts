/**
 * Histograms in shared memory, and why something was late: what this process records of itself.
 *
 * @module
 */
export { HISTOGRAM_WORDS, Histogram } from './histogram.js';
export type { Cause, CauseKind, Span } from './cause.js';
export type { FlightEvent } from './flight-recorder.js';
export type { FigureName } from './task-figures.js';
export type { StallReport } from './stall.js';
export type { SloViolation } from './worst-cases.js';

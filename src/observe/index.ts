/** Histograms in shared memory: what this process records of itself. */
export { HISTOGRAM_WORDS, Histogram } from './histogram.js';

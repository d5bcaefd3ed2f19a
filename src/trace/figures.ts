/** The four figures of a thread, and what is told of them. They are kept by native/followed_thread.h. */
import type { NativeFigure, NativeTraceEvent } from '../native.js';
import { HISTOGRAM_WORDS, Histogram } from '../observe/index.js';

/**
 * | figure | from | to |
 * |---|---|---|
 * | schedule-in | the thread is woken | it has a CPU |
 * | response | the thread is woken | it sleeps of its own accord |
 * | relief | the thread is woken | it sleeps until a timer: the work of this period is done |
 * | irq | | interrupt handlers had its CPU while it ran, in one such time; of a handler's thread: its own run |
 *
 * In the order of `Figure` of the addon. Source: the metrics of jerry_rt_module.
 */
export const FIGURES = ['schedule-in', 'response', 'relief', 'irq'] as const;
export type ThreadFigure = (typeof FIGURES)[number];

/** What happened to a thread since it was woken. */
export type TraceEvent = NativeTraceEvent;

export interface FigureReport {
  readonly count: number;
  /** All times are in nanoseconds, 0 if there is none. Percentiles are within 3.2 %, the others are exact. */
  readonly minNs: number;
  readonly p50Ns: number;
  readonly p99Ns: number;
  readonly maxNs: number;
  readonly boundNs?: number;
  /** How often it was above the bound of that time. */
  readonly violations: number;
  /** When the worst case began (CLOCK_MONOTONIC), what happened, and how many of its events there was no room for. */
  readonly worst?: { readonly beganNs: number; readonly events: readonly TraceEvent[]; readonly leftOut: number };
}

/** `read` copies a histogram and tells the rest. */
export function figureReport(
  read: (histogram: Float64Array) => NativeFigure, boundNs: number | undefined, zeroNs: bigint,
): FigureReport {
  const memory = new Float64Array(HISTOGRAM_WORDS / 2);
  const { count, violations, worst } = read(memory);
  const histogram = new Histogram(new Uint32Array(memory.buffer));
  return {
    count, minNs: histogram.min(), maxNs: histogram.max(), p50Ns: histogram.percentile(0.5),
    p99Ns: histogram.percentile(0.99), ...(boundNs === undefined ? {} : { boundNs }), violations,
    ...(worst === undefined ? {} : { worst: { ...worst, beganNs: Number(zeroNs + BigInt(worst.beganNs)) } }),
  };
}

/** The four figures of a thread, their bounds, and what happened in the worst case of each. */
import { HISTOGRAM_WORDS, Histogram } from '../observe/index.js';
import type { Episode, TraceEvent } from './episode.js';

/**
 * | figure | from | to |
 * |---|---|---|
 * | schedule-in | the thread is woken | it has a CPU |
 * | response | the thread is woken | it sleeps of its own accord |
 * | relief | the thread is woken | it sleeps until a timer: the work of this period is done |
 * | irq | | interrupt handlers had its CPU while it ran, in one such time; of a handler's thread: its own run |
 *
 * Source: the metrics of jerry_rt_module.
 */
export const FIGURES = ['schedule-in', 'response', 'relief', 'irq'] as const;
export type ThreadFigure = (typeof FIGURES)[number];

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

/** One figure of one thread. Its 9 KiB are allocated with the first value. */
export class FigureRecord {
  /** Infinity if there is none. */
  boundNs = Infinity;
  private violations = 0;
  private worstNs = -1;
  private worst: FigureReport['worst'];
  private histogram: Histogram | undefined;
  private count = 0;

  /** Records a value, and copies the episode if it is the worst so far. The number comes first, then the events. */
  record(ns: number, episode: Episode): void {
    this.histogram ??= new Histogram(new Uint32Array(HISTOGRAM_WORDS));
    this.histogram.record(ns);
    this.count++;
    if (ns > this.boundNs) this.violations++;
    if (ns <= this.worstNs) return;
    this.worstNs = ns;
    this.worst = episode.copy();
  }

  report(): FigureReport {
    const { histogram } = this;
    return {
      count: this.count, minNs: histogram?.min() ?? 0, maxNs: histogram?.max() ?? 0,
      p50Ns: histogram?.percentile(0.5) ?? 0, p99Ns: histogram?.percentile(0.99) ?? 0,
      ...(this.boundNs === Infinity ? {} : { boundNs: this.boundNs }), violations: this.violations,
      ...(this.worst === undefined ? {} : { worst: this.worst }),
    };
  }
}

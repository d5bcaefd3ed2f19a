/**
 * The metrics of an executor. What runs by itself, periodically or on an event, each thread counts in shared memory,
 * and the thread that made the executor adds it up.
 */
import type { Tick } from '../timers/index.js';

/** Each thread has 128 bytes to itself, so that no two write to one cache line, or to its neighbour. */
const NUMBERS = 16;
const TICKS = 0;
const MISSED = 1;
const WORST_NS = 2;
const EVENTS = 3;

/** The part of `RealtimeExecutorMetrics` that periodic work and events fill. */
export interface ExecutorRuns {
  /** Runs of periodic work. */
  readonly ticks: number;
  /** Ticks of periodic work that were skipped, since the next one was due before they could begin. */
  readonly missedTicks: number;
  /** The longest that periodic work was late, counted from the first tick that it missed, in nanoseconds. */
  readonly worstTickLatenessNs: number;
  /** Runs of the work of events; one that was raised several times before its work began is one. */
  readonly eventRuns: number;
}

/**
 * Tasks are the work of `spawnRealtime` and `blockOn`, and latency is the time from these until the work begins. What
 * `every` and `onEvent` run is counted by itself: ticks and event runs.
 */
export interface RealtimeExecutorMetrics extends ExecutorRuns {
  /** Work that was asked for. */
  readonly scheduledTasks: number;
  /** Work that has returned, or whose promise was kept. */
  readonly completedTasks: number;
  /** Work that has thrown, could not be sent, or did not answer within the `timeoutMs` of `blockOn`. */
  readonly failedTasks: number;
  /**
   * Mean time from the asking to the beginning, in nanoseconds. The first work of a module in a thread waits until that
   * is imported.
   */
  readonly averageLatencyNs: number;
  /** The time that 99 of 100 did not exceed. */
  readonly p99LatencyNs: number;
}

/** Memory for the runs of so many threads. */
export const newRuns = (threads: number): SharedArrayBuffer => new SharedArrayBuffer(threads * NUMBERS * 8);

/** Counts the runs of one thread; nobody else writes there. */
export class RunCounter {
  readonly #numbers: Float64Array;

  constructor(memory: SharedArrayBuffer, thread: number) {
    this.#numbers = new Float64Array(memory, thread * NUMBERS * 8, NUMBERS);
  }

  tick({ latenessNs, missed }: Tick, intervalNs: number): void {
    const numbers = this.#numbers;
    numbers[TICKS]!++;
    numbers[MISSED]! += missed;
    const lateNs = latenessNs + missed * intervalNs;
    if (lateNs > numbers[WORST_NS]!) numbers[WORST_NS] = lateNs;
  }

  event(): void {
    this.#numbers[EVENTS]!++;
  }
}

/** The runs of all threads. Statistics: a run may be a moment late. */
export function runsIn(memory: SharedArrayBuffer): ExecutorRuns {
  const numbers = new Float64Array(memory);
  let [ticks, missedTicks, worstTickLatenessNs, eventRuns] = [0, 0, 0, 0];
  for (let at = 0; at < numbers.length; at += NUMBERS) {
    ticks += numbers[at + TICKS]!;
    missedTicks += numbers[at + MISSED]!;
    worstTickLatenessNs = Math.max(worstTickLatenessNs, numbers[at + WORST_NS]!);
    eventRuns += numbers[at + EVENTS]!;
  }
  return { ticks, missedTicks, worstTickLatenessNs, eventRuns };
}

/** What the rows about levels ask `levels-process.js` to measure, and what it answers. */
export interface LevelsWish {
  readonly row:
    'preempt' | 'spawn-above' | 'spawn-across' | 'lock' | 'lock-shared' | 'lock-blocking' | 'main-liveness';
  /** The CPU of each core of the app. */
  readonly cpus: readonly [number, number];
  readonly count: number;
  /** So many come before, and do not count: V8 optimizes what runs meanwhile. Default 0. */
  readonly warmUp?: number;
  readonly isPreemptive?: boolean;
  /** True if each busy step makes garbage as well. */
  readonly makesGarbage?: boolean;
  /** As in startApp. */
  readonly restShare?: number;
  /** `main-liveness`: a level saturates the CPU of the main thread as well. */
  readonly onAllCores?: boolean;
}
/** The result: samples in nanoseconds, and whether preemption was granted. */
export interface LevelsReport {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  readonly count: number;
  readonly isPreemptive: boolean;
  /** `lock-blocking`: see `Shared` of levels-process.ts. */
  readonly gap: number;
}

/** The higher of the two levels has priority 80, as cyclictest has in the rows beside it. */
export const LOWEST = 79;
/** The pause before a message to the level above. */
export const ABOVE_PAUSE_NS = 5000;
/** The pause before a message to another core, which is so long that that core has gone to sleep. */
export const ACROSS_PAUSE_NS = 200_000;
/** `lock-blocking`: critical sections of the lower level take up to so long. */
export const SECTION_NS = 30_000;
/**
 * The guide advises all three: code that waits for V8's helpers waits while a level keeps their CPU, up to a second;
 * what runs seldom is interpreted for long; and V8 makes a heap small by collections that take milliseconds.
 */
export const LEVEL_FLAGS = ['--single-threaded', '--always-sparkplug', '--no-memory-reducer'] as const;

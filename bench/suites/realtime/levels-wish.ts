/** What the rows about levels ask of `levels-process.js`, and what it answers. */
export interface LevelsWish {
  readonly row: 'preempt' | 'spawn-above' | 'spawn-across' | 'lock' | 'lock-blocking' | 'main-liveness';
  /** By core. */
  readonly cpus: readonly [number, number];
  readonly count: number;
  readonly isPreemptive?: boolean;
  /** Each busy step makes garbage as well. */
  readonly makesGarbage?: boolean;
}
/** Nanoseconds; `isPreemptive` as it was granted. */
export interface LevelsReport {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  readonly count: number;
  readonly isPreemptive: boolean;
}

/** At 80, as cyclictest in the rows beside it, is the higher of the two levels. */
export const LOWEST = 79;
/** Before a message to the level above. */
export const ABOVE_PAUSE_NS = 5000;
/** Before one to another core: so long that it has gone to sleep. */
export const ACROSS_PAUSE_NS = 200_000;

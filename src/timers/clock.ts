/**
 * Clocks of the kernel, in nanoseconds as plain numbers. Source: clock_gettime(2).
 *
 *   monotonic   what everything here runs by: never set, does not count time that the machine was suspended
 *   boottime    the same, suspended time included
 *   realtime    the wall clock; it may be set, forward and back, so no timer runs by it
 *
 * All threads that read one kind with one origin see one time. A number is exact for 104 days from its origin (2^53
 * ns) and then in steps of 2 ns, 4 ns, …; the wall clock without an origin of its own is 1970's and moves in steps of
 * 256 ns.
 */
import { checkOptions, invalidArgument } from '../errors.js';
import { native } from '../native.js';

/** What anything that needs the time asks. A manual one stands still between two steps of a test: see ManualClock. */
export interface Clock {
  /** Nanoseconds since the clock's origin. */
  nowNs(): number;
}

export type ClockKind = 'monotonic' | 'boottime' | 'realtime';

export interface SystemClockOptions {
  /** Default 'monotonic'. */
  kind?: ClockKind;
  /**
   * Time of the kernel's clock that this one calls 0. Default 0: the kernel's own beginning, for 'monotonic' that of
   * `process.hrtime`.
   */
  originNs?: number;
}

/** clockid_t of Linux. */
const CLOCK_IDS: Readonly<Record<ClockKind, number>> = { realtime: 0, monotonic: 1, boottime: 7 };

/**
 * A function that returns the nanoseconds since `originNs` (a time of the kernel's clock). About 40 ns a call,
 * allocates nothing that outlives it; for the thread that made it alone.
 */
export function createClock(originNs: number, kind: ClockKind = 'monotonic'): () => number {
  const out = new Float64Array(1);
  const read = native().clock.create(out, originNs, CLOCK_IDS[kind]);
  return () => {
    read();
    return out[0]!;
  };
}

/**
 * A clock of the kernel.
 *
 *     const clock = new SystemClock({ kind: 'boottime' });
 *     const startNs = clock.nowNs();
 *
 * Only the thread that made it may use it; another thread makes one of the same kind and origin and reads the same
 * time. Throws ERR_PERCORE_INVALID_ARGUMENT.
 */
export class SystemClock implements Clock {
  /** Which of the system's clocks it is. */
  readonly kind: ClockKind;
  /** The system's time at which this clock shows 0. */
  readonly originNs: number;
  /** Nanoseconds since `originNs`. About 40 ns; allocates nothing. */
  readonly nowNs: () => number;

  constructor(options: SystemClockOptions = {}) {
    checkOptions('options', options, ['kind', 'originNs']);
    this.kind = options.kind ?? 'monotonic';
    if (typeof this.kind !== 'string' || !Object.hasOwn(CLOCK_IDS, this.kind)) {
      throw invalidArgument('kind', this.kind, `one of ${Object.keys(CLOCK_IDS).join(', ')}`);
    }
    this.originNs = options.originNs ?? 0;
    if (!Number.isFinite(this.originNs) || Math.abs(this.originNs) >= 2 ** 62) {
      throw invalidArgument('originNs', this.originNs, 'a time of the kernel in nanoseconds, below 2^62');
    }
    this.nowNs = createClock(this.originNs, this.kind);
  }

  /** For the timers: the clock's number in the kernel. */
  get kernelClock(): number {
    return CLOCK_IDS[this.kind];
  }
}

let shared: SystemClock | undefined;

/**
 * This thread's monotonic clock without an origin of its own: the same time in every thread and process, and in
 * `process.hrtime`.
 */
export function monotonicClock(): SystemClock {
  return (shared ??= new SystemClock());
}

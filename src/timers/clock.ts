/**
 * The clocks of the kernel, in nanoseconds as plain numbers. Source: clock_gettime(2).
 *
 *   monotonic   the clock by which everything here runs: nobody can set it, and it stands still while the machine is
 *               suspended
 *   boottime    the same, except that it goes on while the machine is suspended
 *   realtime    the wall clock; it may be set forward and back, so no timer runs by it
 *
 * All threads that read the same kind of clock with the same origin see the same time. Numbers are exact to the
 * nanosecond for 104 days from the origin (2^53 ns); after that they move in steps of 2 ns, 4 ns and so on. The wall
 * clock counts from 1970 unless it is given another origin, so it moves in steps of 256 ns.
 */
import { checkOptions, invalidArgument } from '../errors.js';
import { native } from '../native.js';

/** A source of the time. See SystemClock, and ManualClock for one that stands still between two steps of a test. */
export interface Clock {
  /** Nanoseconds since the clock's origin. */
  nowNs(): number;
}

/** Which clock of the kernel: see the head of clock.ts, or `SystemClock`. */
export type ClockKind = 'monotonic' | 'boottime' | 'realtime';

/** The options of a SystemClock. */
export interface SystemClockOptions {
  /**
   * 'monotonic' (the default) stands still while the machine is suspended, 'boottime' goes on, and 'realtime' is the
   * wall clock, which may be set forward and back.
   */
  kind?: ClockKind;
  /**
   * The time of the kernel's clock at which this clock shows 0. Default 0: it then shows the kernel's own time, which
   * for 'monotonic' is that of `process.hrtime`.
   */
  originNs?: number;
}

/** The values of Linux's clockid_t. */
const CLOCK_IDS: Readonly<Record<ClockKind, number>> = { realtime: 0, monotonic: 1, boottime: 7 };

/**
 * Makes a function that returns the nanoseconds since `originNs`, which is a time of the kernel's clock. A call takes
 * about 40 ns and allocates nothing that outlives it. Only the thread that made the function may call it.
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
 * Only the thread that made a clock may use it. Another thread that makes one of the same kind and origin reads the
 * same time. The constructor throws ERR_PERCORE_INVALID_ARGUMENT.
 */
export class SystemClock implements Clock {
  /** Which clock of the kernel it is. */
  readonly kind: ClockKind;
  /** The time of the kernel's clock at which this clock shows 0. */
  readonly originNs: number;
  /** Nanoseconds since `originNs`. Takes about 40 ns and allocates nothing. */
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

  /** The clock's number in the kernel, which rate timers need. */
  get kernelClock(): number {
    return CLOCK_IDS[this.kind];
  }
}

let shared: SystemClock | undefined;

/**
 * This thread's clock with the kernel's monotonic time, which is the same in every thread and process and in
 * `process.hrtime`.
 */
export function monotonicClock(): SystemClock {
  return (shared ??= new SystemClock());
}

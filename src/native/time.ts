/**
 * Time: clocks, wheels that no reactor turns, and alarms for rate timers.
 *
 * Required: `clock`, of which CLOCK_MONOTONIC (1) at least.
 * May be missing: other clocks (`clock.create` throws EINVAL), `wheels` (then there are timers in reactors alone), the
 * io_uring alarm (`alarms.create` throws: the timerfd one is taken, and the reason is in the timer's status), `alarms`
 * (then there are no rate timers).
 */

/** The clock that all threads of the machine agree on. */
export interface NativeClock {
  /** CLOCK_MONOTONIC nanoseconds: where a runtime begins to count. */
  nowNs(): number;
  /**
   * A function that writes the nanoseconds since `originNs` to `out[0]`. `clock` is a clockid_t. It takes and returns
   * nothing, since a number to allocate would cost as much as the clock.
   */
  create(out: Float64Array, originNs: number, clock: number): () => void;
}

/** A wheel with its two arrays, and its driver if it has one. Opaque. */
export type TimersHandle = { readonly timers: unique symbol };

export interface NativeTimersOptions {
  /** Laid out as `deliveryLayout` says; the wheel fills `timers` and `timer`. */
  delivery: Int32Array;
  /** Laid out as `timerRequestsLayout` says. */
  timerRequests: Float64Array;
  /** A tick is 2^tickBits nanoseconds. */
  tickBits: number;
  expiriesPerTurn: number;
  originNs: number;
  /** Called by this thread's loop when something is due. Without it only `poll` turns the wheel. */
  deliver?: () => void;
}

/** Timers that no reactor drives. What a wheel must do is in native/timer_wheel.h. */
export interface NativeWheels {
  create(options: NativeTimersOptions): TimersHandle;
  /** As `NativeTurns.knock`. */
  knock?(timers: TimersHandle): void;
  /** Does what was requested. */
  drain(timers: TimersHandle): void;
  /** `records` is chunk `index` of the timers' records: see timers/timer-table.ts. */
  share(timers: TimersHandle, index: number, records: Float64Array): void;
  /** Drains, then delivers all that is due at `nowNs`, however much work that is. */
  poll(timers: TimersHandle, nowNs: number): void;
  /** Drains; the next deadline, or Infinity when nothing is armed. */
  next(timers: TimersHandle): number;
  /** Whether the wheel keeps this thread's loop going. */
  setReferenced(timers: TimersHandle, isReferenced: boolean): void;
  close(timers: TimersHandle): void;
}

/** An alarm in this thread's loop. Opaque. */
export type RateTimerHandle = { readonly rateTimer: unique symbol };

/** One deadline each, to the microsecond: what a rate timer sleeps on. See native/rate_timer.cc. */
export interface NativeAlarms {
  /**
   * Calls `onExpire` at `state[0]`, which is looked at again after it has run; `state[1]` says when that was, and
   * `state[2]` is 1 until it returns. It does
   * not keep the loop going while nothing is armed. It wakes up to `spinNs` early and spins; `isAdaptive`: as long as
   * the sleeps before have shown to be needed.
   */
  create(
    isUring: boolean, clock: number, originNs: number, spinNs: number, isAdaptive: boolean, state: Float64Array,
    onExpire: () => void,
  ): RateTimerHandle;
  /** Takes the deadline of `state[0]`. 0 or -errno. */
  arm(timer: RateTimerHandle): number;
  setReferenced(timer: RateTimerHandle, isReferenced: boolean): void;
  close(timer: RateTimerHandle): void;
}

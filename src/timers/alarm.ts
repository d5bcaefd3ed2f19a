/**
 * What a rate timer sleeps on. An alarm has one deadline at a time. There are four backends, all behind `Alarm`:
 *
 *   timerfd    the kernel's timer in libuv's loop, set early by about the time that waking takes. 'auto' chooses it,
 *              since io_uring is no better here (bench row `seed-table`)
 *   io_uring   a time-out on a ring of its own. Where io_uring is refused (by Docker or a sysctl), timerfd takes its
 *              place, and the status says so
 *   spin       timerfd until `spinNs` before the deadline, then a native loop: only microseconds late, but it uses the
 *              CPU for as long as it spins
 *   manual     a ManualClock, which a test moves
 */
import { invalidArgument, PercoreError, systemCall } from '../errors.js';
import { native, type RateTimerHandle } from '../native.js';
import { SystemClock, type Clock } from './clock.js';
import { ManualClock, type ClockFollower } from './manual-clock.js';

/** What a rate timer sleeps on: see `RateTimerOptions.backend`. */
export type RateBackend = 'timerfd' | 'io_uring' | 'spin' | 'manual';
const BACKENDS: readonly string[] = ['timerfd', 'io_uring', 'spin', 'manual', 'auto'];

/** One deadline at a time, by one of the backends above. */
export interface Alarm {
  /**
   * Fires once, at this time of the clock; Infinity for never. Replaces the deadline that was armed before. A deadline
   * in the past fires in the next pass of the loop.
   */
  arm(deadlineNs: number): void;
  /** Whether an armed alarm keeps its thread alive. */
  setRef(isReferenced: boolean): void;
  /** Ends the alarm: it never fires again. May be called while it fires, and more than once. */
  close(): void;
}

/**
 * Called with the time at which the alarm fired. Before that it may be called with -Infinity as a rehearsal, and then
 * does the same as when an alarm fires too early. If it throws, that is an uncaught exception, or with a manual clock
 * it is thrown by the call that moves the clock.
 */
export type OnExpire = (firedNs: number) => void;

export interface OpenedAlarm {
  readonly alarm: Alarm;
  readonly asked: RateBackend | 'auto';
  readonly granted: RateBackend;
  /** Why the granted backend is not the one that was asked for; left out if it is. */
  readonly why?: string;
}

/**
 * Opens an alarm with the backend that was asked for. Throws ERR_PERCORE_INVALID_ARGUMENT, or ERR_PERCORE_SYSTEM if the
 * system does not even give a timerfd.
 */
export function openAlarm(asked: unknown, clock: Clock, spinNs: number | undefined, onExpire: OnExpire): OpenedAlarm {
  const isManual = clock instanceof ManualClock;
  if (typeof asked !== 'string' || !BACKENDS.includes(asked)) {
    throw invalidArgument('backend', asked, `one of ${BACKENDS.join(', ')}`);
  }
  const backend = asked as RateBackend | 'auto';
  if (backend !== 'auto' && isManual !== (backend === 'manual')) {
    throw invalidArgument(
      'backend',
      backend,
      isManual
        ? "'manual' or 'auto' with a ManualClock"
        : "one of timerfd, io_uring, spin, auto; 'manual' needs a ManualClock as its clock",
    );
  }
  if (isManual) return { alarm: new ManualAlarm(clock, onExpire), asked: backend, granted: 'manual' };
  if (!(clock instanceof SystemClock) || clock.kind === 'realtime') {
    throw invalidArgument(
      'clock',
      clock instanceof SystemClock ? clock.kind : clock,
      'a ManualClock, or a SystemClock that is monotonic or boottime: the wall clock may be set, ' +
        'and then a rate means nothing',
    );
  }
  if (backend === 'io_uring') {
    try {
      return { alarm: new NativeAlarm('io_uring', clock, spinNs, onExpire), asked: backend, granted: 'io_uring' };
    } catch (error) {
      // io_uring is often refused. The caller gets a timer nevertheless, and finds the reason in status().
      const why = (error as Error).message;
      return { alarm: openTimerfd('timerfd', clock, spinNs, onExpire), asked: backend, granted: 'timerfd', why };
    }
  }
  const granted = backend === 'spin' ? 'spin' : 'timerfd';
  return { alarm: openTimerfd(granted, clock, spinNs, onExpire), asked: backend, granted };
}

function openTimerfd(
  backend: 'timerfd' | 'spin', clock: SystemClock, spinNs: number | undefined, onExpire: OnExpire,
): Alarm {
  return systemCall('make a timer', () => new NativeAlarm(backend, clock, spinNs, onExpire));
}

/**
 * The default of `spinNs`. A backend that sleeps may wake at most this long before the deadline; 'spin' always does. It
 * is enough for nearly every wake-up on the machines where it was measured.
 */
const DEFAULT_SPIN_NS = { timerfd: 50_000, io_uring: 50_000, spin: 200_000 } as const;

/** The words of the state that is shared with native/rate_timer.cc, in the order that it uses. */
const DEADLINE_NS = 0;
const FIRED_NS = 1;
const IS_FIRING = 2;
const STATE_WORDS = 3;

class NativeAlarm implements Alarm {
  private readonly alarms = native().alarms;
  private readonly state = new Float64Array(STATE_WORDS);
  private readonly handle: RateTimerHandle;

  constructor(
    backend: 'timerfd' | 'io_uring' | 'spin', clock: SystemClock, spinNs: number = DEFAULT_SPIN_NS[backend],
    onExpire: OnExpire,
  ) {
    const state = this.state;
    state[DEADLINE_NS] = Infinity;
    this.handle = this.alarms.create(
      backend === 'io_uring',
      clock.kernelClock,
      clock.originNs,
      spinNs,
      backend !== 'spin',
      state,
      () => onExpire(state[FIRED_NS]!),
    );
  }

  arm(deadlineNs: number): void {
    this.state[DEADLINE_NS] = deadlineNs;
    // While the alarm fires, native code reads the deadline after all callbacks and promises have run.
    if (this.state[IS_FIRING] !== 0) return;
    const result = this.alarms.arm(this.handle);
    if (result < 0) {
      const errno = native().system.errorName(-result);
      throw new PercoreError('ERR_PERCORE_SYSTEM', `cannot arm a timer: ${errno}`, { errno });
    }
  }

  setRef(isReferenced: boolean): void {
    this.alarms.setReferenced(this.handle, isReferenced);
  }

  close(): void {
    this.alarms.close(this.handle);
  }
}

/** An alarm by a manual clock. It also serves time-outs that run by one. */
export class ManualAlarm implements Alarm, ClockFollower {
  private deadlineNs = Infinity;
  private readonly unfollow: () => void;

  constructor(private readonly clock: ManualClock, private readonly onExpire: OnExpire) {
    this.unfollow = clock.follow(this);
  }

  nextDeadlineNs(): number {
    return this.deadlineNs;
  }

  expire(): void {
    this.deadlineNs = Infinity;
    this.onExpire(this.clock.nowNs());
  }

  arm(deadlineNs: number): void {
    this.deadlineNs = deadlineNs;
  }

  setRef(): void {
    // Nothing to do: a manual clock keeps no thread alive.
  }

  close(): void {
    this.deadlineNs = Infinity;
    this.unfollow();
  }
}

/**
 * What a rate timer sleeps on: one deadline at a time. Four backends, all behind `Alarm`:
 *
 *   timerfd    the kernel's timer in libuv's loop, set a little early by as much as waking takes. 'auto' takes it:
 *              io_uring is not better here (bench, row `seed-table`)
 *   io_uring   a timeout on a ring of its own; where it is refused (Docker, a sysctl) timerfd takes its place, and the
 *              status says so
 *   spin       timerfd to `spinNs` before the deadline, then a native loop: microseconds of lateness for so much CPU
 *   manual     a ManualClock, which a test moves
 */
import { invalidArgument, PercoreError, systemCall } from '../errors.js';
import { native, type RateTimerHandle } from '../native.js';
import { SystemClock, type Clock } from './clock.js';
import { ManualClock, type ClockFollower } from './manual-clock.js';

export type RateBackend = 'timerfd' | 'io_uring' | 'spin' | 'manual';
const BACKENDS: readonly string[] = ['timerfd', 'io_uring', 'spin', 'manual', 'auto'];

export interface Alarm {
  /**
   * Fires at this time of the clock, and once; Infinity for never. Replaces what was armed. Past times fire in the next
   * pass of the loop.
   */
  arm(deadlineNs: number): void;
  /** Whether an armed alarm keeps its thread alive. */
  setRef(isReferenced: boolean): void;
  /** Ends it: nothing fires after this. It may be called while it fires, and twice. */
  close(): void;
}
/**
 * Called with the time at which it fired, and before that with -Infinity, for practice: it then does as when it is too
 * early. What it throws is an uncaught exception, or thrown by what moves a manual clock.
 */
export type OnExpire = (firedNs: number) => void;

export interface OpenedAlarm {
  readonly alarm: Alarm;
  readonly asked: RateBackend | 'auto';
  readonly granted: RateBackend;
  /** Why something else was granted than was asked. */
  readonly why?: string;
}

/**
 * Opens an alarm by the asked backend. Throws ERR_PERCORE_INVALID_ARGUMENT, or ERR_PERCORE_SYSTEM when the system gives
 * not even a timerfd.
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
      // Refusals are ordinary: the caller has a timer all the same and finds the reason in status().
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
 * For a backend that sleeps, the most that it may wake before the deadline; for spin, what it does. Covers nearly every
 * wake-up there.
 */
const DEFAULT_SPIN_NS = { timerfd: 50_000, io_uring: 50_000, spin: 200_000 } as const;

/** Words of the state shared with native/rate_timer.cc, in its order. */
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
    // While it fires, native looks at the deadline when all callbacks and promises have run.
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

/** An alarm of a manual clock. Also for time-outs that are counted on one. */
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
    // A manual clock keeps nothing alive.
  }

  close(): void {
    this.deadlineNs = Infinity;
    this.unfollow();
  }
}

/**
 * A clock that moves only when a test says so, and that runs whatever is due as it moves. Tests with it neither sleep
 * nor depend on chance.
 *
 *      advance(5 ms)       now ──> deadline A ──> deadline B ──> now + 5 ms     each runs at its deadline, as is ideal
 *      setNs(now + 5 ms)   now ─────────────────────────────────> A, B          each runs late, as after a stall
 *
 * Rate timers that are made with the clock follow it by themselves. Timers of a wheel with this clock follow it after
 * `drive(timers)`, and anything else that has deadlines after `follow`. To be used by one thread.
 */
import { checkFunction, invalidArgument, PercoreError } from '../errors.js';
import type { Clock } from './clock.js';

/** Something with deadlines, which `follow` binds to a manual clock. */
export interface ClockFollower {
  /** The time of the clock at which something is due next; Infinity if nothing is. */
  nextDeadlineNs(): number;
  /** Runs what is due. It is called again as long as nextDeadlineNs() is not after now, so it must change that. */
  expire(): void;
}

/** Timers that are run by hand, such as those that `create({ clock })` makes. */
export interface HandDrivenTimers {
  /** The earliest deadline; Infinity if nothing is armed. */
  nextDeadlineNs(): number;
  /** Runs what is due, or a part of it; returns how many ran. */
  turn(): number;
}

/** The most turns that a driven wheel may take for what is due at one moment. */
const MOST_TURNS = 1_000_000;
/** So many expiries in one step of the clock mean that a follower loops for ever. */
const MOST_EXPIRIES = 10_000_000;

/**
 * A clock for tests. Its time stands still until a call moves it, and whatever is due runs within that call.
 *
 *     const clock = new ManualClock();
 *     const timer = createRateTimer({ rateHz: 1000, clock }, (tick) => console.log(tick.sequence));
 *     clock.advance(3_000_000);                                       // ticks 0, 1, 2, each at its deadline
 *     clock.setNs(10_000_000);                                        // one more tick, late, after six missed ones
 *
 * Times are nanoseconds. Only the thread that made the clock may use it. If a follower throws, the call that moves the
 * clock throws that error after all others have run. Errors of timer callbacks in a reactor are counted and reported
 * there instead.
 */
export class ManualClock implements Clock {
  private timeNs: number;
  private readonly followers = new Set<ClockFollower>();

  constructor(startNs = 0) {
    this.timeNs = checkTime('startNs', startNs, -Infinity);
  }

  /** The time to which the clock was last moved. */
  nowNs(): number {
    return this.timeNs;
  }

  /** The earliest deadline of all followers; Infinity if there is none. */
  nextDeadlineNs(): number {
    let next = Infinity;
    for (const follower of this.followers) next = Math.min(next, deadlineOf(follower));
    return next;
  }

  /**
   * Moves the clock on by `ns` and stops at each deadline on the way to run what is due then. Code that awaits promises
   * settled by this runs after it has returned; if such code has to run between two deadlines, use `advanceAsync`.
   * After everything has run, it throws what a follower threw, or an AggregateError if there was more than one error.
   */
  advance(ns: number): void {
    this.run(this.timeNs + checkTime('ns', ns, 0), true);
  }

  /**
   * Does the same, with a pass of the event loop after each deadline, so that code after `await timer.tick()` runs at
   * the time of its tick.
   */
  async advanceAsync(ns: number): Promise<void> {
    const endNs = this.timeNs + checkTime('ns', ns, 0);
    const errors: unknown[] = [];
    // Code that has just been resumed may be about to ask for its first deadline.
    await eventLoopPass();
    for (let expiries = 0; ; expiries++) {
      const nextNs = this.nextDeadlineNs();
      if (nextNs > endNs) break;
      checkProgress(expiries);
      this.expireUntil(Math.max(this.timeNs, nextNs), errors);
      await eventLoopPass();
    }
    this.timeNs = Math.max(this.timeNs, endNs);
    throwAll(errors);
  }

  /**
   * Leaps to the time `ns`, which must not be before now, and then runs what is due, late. Throws as `advance` does.
   */
  setNs(ns: number): void {
    this.run(checkTime('ns', ns, this.timeNs), false);
  }

  /** Lets `follower` follow this clock until the returned function is called. */
  follow(follower: ClockFollower): () => void {
    checkFunction('follower.nextDeadlineNs', follower?.nextDeadlineNs);
    checkFunction('follower.expire', follower.expire);
    this.followers.add(follower);
    return () => void this.followers.delete(follower);
  }

  /**
   * Runs `timers`, which must have this clock, whenever it reaches one of their deadlines, until the returned function
   * is called.
   */
  drive(timers: HandDrivenTimers): () => void {
    checkFunction('timers.nextDeadlineNs', timers?.nextDeadlineNs);
    checkFunction('timers.turn', timers.turn);
    return this.follow({
      nextDeadlineNs: () => timers.nextDeadlineNs(),
      expire() {
        // A turn has a budget, and what it leaves over is due now as well.
        for (let turns = 0; timers.turn() !== 0; turns++) checkProgress(turns, MOST_TURNS);
      },
    });
  }

  private run(endNs: number, isStepwise: boolean): void {
    const errors: unknown[] = [];
    if (!isStepwise) this.timeNs = endNs;
    this.expireUntil(endNs, errors);
    throwAll(errors);
  }

  /** Moves on to `endNs` and runs what is due on the way. Adds what followers throw to `errors`. */
  private expireUntil(endNs: number, errors: unknown[]): void {
    for (let expiries = 0; ; expiries++) {
      const next = this.earliest();
      if (next === undefined || deadlineOf(next) > endNs) break;
      checkProgress(expiries);
      // Never back: a deadline may lie in the past, and a callback may have moved the clock itself.
      this.timeNs = Math.max(this.timeNs, deadlineOf(next));
      try {
        next.expire();
      } catch (error) {
        errors.push(error);
      }
    }
    this.timeNs = Math.max(this.timeNs, endNs);
  }

  private earliest(): ClockFollower | undefined {
    let earliest: ClockFollower | undefined;
    for (const follower of this.followers) {
      if (earliest === undefined || deadlineOf(follower) < deadlineOf(earliest)) earliest = follower;
    }
    return earliest;
  }
}

function throwAll(errors: readonly unknown[]): void {
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) throw new AggregateError(errors, `${errors.length} callbacks threw while the clock moved`);
}

function deadlineOf(follower: ClockFollower): number {
  const ns: unknown = follower.nextDeadlineNs();
  if (typeof ns !== 'number' || ns !== ns) {
    throw invalidArgument('what nextDeadlineNs() of a follower returns', ns, 'a number of nanoseconds, or Infinity');
  }
  return ns;
}

const eventLoopPass = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function checkProgress(count: number, most = MOST_EXPIRIES): void {
  if (count === most) {
    throw new PercoreError(
      'ERR_PERCORE_INVALID_ARGUMENT',
      `${most} deadlines came in one step of the manual clock, and the next one is already due: ` +
        'a follower does not move on, or the step is too long',
    );
  }
}

function checkTime(argument: string, value: unknown, least: number): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < least) {
    throw invalidArgument(
      argument,
      value,
      least === -Infinity ? 'a finite number of nanoseconds' : `nanoseconds of ${least} or more`,
    );
  }
  return value;
}

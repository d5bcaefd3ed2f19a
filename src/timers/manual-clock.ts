/**
 * A clock that moves only when a test says so, and takes along everything that follows it: no sleeping, no chance.
 *
 *      advance(5 ms)       now ──> deadline A ──> deadline B ──> now + 5 ms     each runs at its deadline: the ideal
 *      setNs(now + 5 ms)   now ─────────────────────────────────> A, B          each runs late: a stall
 *
 * Rate timers made with it follow it by themselves. Timers of a wheel with this clock are driven by it after
 * `drive(timers)`, anything else that has deadlines after `follow`. One thread.
 */
import { checkFunction, invalidArgument, PercoreError } from '../errors.js';
import type { Clock } from './clock.js';

/** Something with deadlines that `follow` binds to the clock. */
export interface ClockFollower {
  /** When something is due next, on this clock; Infinity for nothing, and then it is not called. */
  nextDeadlineNs(): number;
  /** Runs what is due. Called while nextDeadlineNs() is not after now; it must move on by that. */
  expire(): void;
}

/** Timers that are run by hand, as `create({ clock })` makes them. */
export interface HandDrivenTimers {
  /** Infinity when nothing is armed. */
  nextDeadlineNs(): number;
  /** Runs what is due, or a part of it; returns how many ran. */
  turn(): number;
}

/** Turns in which a driven wheel may run what is due at one moment. */
const MOST_TURNS = 1_000_000;
/** This many expiries while time stands still are an endless loop of a follower, not a test. */
const MOST_EXPIRIES = 10_000_000;

/**
 * A clock for tests: time stands still until it is told to move, and what is due runs in the call that moves it.
 *
 *     const clock = new ManualClock();
 *     const timer = createRateTimer({ rateHz: 1000, clock }, (tick) => console.log(tick.sequence));
 *     clock.advance(3_000_000);                                       // 0, 1, 2: each at its own deadline
 *     clock.setNs(10_000_000);                                        // one tick more, late, with six missed
 *
 * Times are nanoseconds. Only the thread that made it may use it. What a follower throws is thrown by the call that
 * moves the clock, after all have run; callbacks of timers in a reactor are counted and reported there instead.
 */
export class ManualClock implements Clock {
  private timeNs: number;
  private readonly followers = new Set<ClockFollower>();

  constructor(startNs = 0) {
    this.timeNs = checkTime('startNs', startNs, -Infinity);
  }

  /** The time to which it was moved last. */
  nowNs(): number {
    return this.timeNs;
  }

  /** The earliest deadline of all followers; Infinity when there is none. */
  nextDeadlineNs(): number {
    let next = Infinity;
    for (const follower of this.followers) next = Math.min(next, deadlineOf(follower));
    return next;
  }

  /**
   * Moves on by `ns`, stopping at each deadline on the way to run what is due then. Promises that this settles run
   * after it has returned; where they have to run between two deadlines, use `advanceAsync`. Throws what a follower
   * threw, after all have run (an AggregateError when there was more than one).
   */
  advance(ns: number): void {
    this.run(this.timeNs + checkTime('ns', ns, 0), true);
  }

  /** The same, with a pass of the event loop after each deadline, so that `await timer.tick()` goes on in time. */
  async advanceAsync(ns: number): Promise<void> {
    const endNs = this.timeNs + checkTime('ns', ns, 0);
    // What awaits now may be about to ask for its first deadline.
    await eventLoopPass();
    for (let expiries = 0; ; expiries++) {
      const nextNs = this.nextDeadlineNs();
      if (nextNs > endNs) break;
      checkProgress(expiries);
      this.run(Math.max(this.timeNs, nextNs), true);
      await eventLoopPass();
    }
    this.timeNs = Math.max(this.timeNs, endNs);
  }

  /** Leaps to `ns`, not before now, and runs what has become due, late. Throws as `advance` does. */
  setNs(ns: number): void {
    this.run(checkTime('ns', ns, this.timeNs), false);
  }

  /** Lets something follow this clock until the returned function is called. */
  follow(follower: ClockFollower): () => void {
    checkFunction('follower.nextDeadlineNs', follower?.nextDeadlineNs);
    checkFunction('follower.expire', follower.expire);
    this.followers.add(follower);
    return () => void this.followers.delete(follower);
  }

  /**
   * Runs timers that have this clock whenever it comes to a deadline of theirs, until the returned function is called.
   */
  drive(timers: HandDrivenTimers): () => void {
    checkFunction('timers.nextDeadlineNs', timers?.nextDeadlineNs);
    checkFunction('timers.turn', timers.turn);
    return this.follow({
      nextDeadlineNs: () => timers.nextDeadlineNs(),
      expire() {
        // A turn has a budget: what it leaves is due all the same.
        for (let turns = 0; timers.turn() !== 0; turns++) checkProgress(turns, MOST_TURNS);
      },
    });
  }

  private run(endNs: number, isStepwise: boolean): void {
    const errors: unknown[] = [];
    if (!isStepwise) this.timeNs = endNs;
    for (let expiries = 0; ; expiries++) {
      const next = this.earliest();
      if (next === undefined || deadlineOf(next) > endNs) break;
      checkProgress(expiries);
      // Not back: a deadline may lie in the past, and a callback may have moved the clock itself.
      this.timeNs = Math.max(this.timeNs, deadlineOf(next));
      try {
        next.expire();
      } catch (error) {
        errors.push(error);
      }
    }
    this.timeNs = Math.max(this.timeNs, endNs);
    if (errors.length === 1) throw errors[0];
    if (errors.length > 1) throw new AggregateError(errors, `${errors.length} callbacks threw while the clock moved`);
  }

  private earliest(): ClockFollower | undefined {
    let earliest: ClockFollower | undefined;
    for (const follower of this.followers) {
      if (earliest === undefined || deadlineOf(follower) < deadlineOf(earliest)) earliest = follower;
    }
    return earliest;
  }
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
      `${most} deadlines have come in one step of the manual clock, and the next is already due: ` +
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

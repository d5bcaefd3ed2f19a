/**
 * Timers without a reactor, for the main thread or any worker: a wheel of their own as a guest of the thread's loop.
 *
 *     import { create } from 'percore/timers';
 *     const timers = create();
 *     timers.after({ delayNs: 250_000 }, (tick) => console.log(`${tick.latenessNs} ns late`));
 *
 * A turn polls and runs what is due, by band and deadline, until its budget is spent; then sockets and promises have
 * theirs. Nothing fires early, nothing wakes an idle thread, and timers keep the process alive as Node's do: until none
 * is left, or `unref`.
 *
 * With a clock of your own nothing happens by itself, and nothing sleeps:
 *
 *     const clock = { ns: 0, nowNs: () => clock.ns };
 *     const timers = create({ clock });
 *     timers.after({ delayNs: 1000 }, () => console.log('ran'));
 *     clock.ns = timers.nextDeadlineNs();
 *     timers.turn();                                              // ran; returns 1
 */
import { checkFunction, checkInteger, checkOptions, invalidArgument, systemCall } from '../errors.js';
import { deliveryLayout, timerRequestsLayout } from '../layout.js';
import { native, type Native, type TimersHandle } from '../native.js';
import { Bands, Scheduler } from '../scheduling/internal.js';
import { reportOrThrowLater } from '../uncaught.js';
import { createClock } from './clock.js';
import { Timers } from './timers.js';

/** What timers need of a clock: nanoseconds, never falling. */
export interface TimersClock {
  /** The time in nanoseconds; never less than what it answered before. */
  nowNs(): number;
}

export interface LocalTimersOptions {
  /**
   * Nanoseconds of a slot of the wheel, rounded up to a power of two: 1 to 2^40, default 65,536. Deadlines are exact
   * whatever it is; it says only where slots have their edges.
   */
  tickNs?: number;
  /** Timers that expire in a turn at most, the rest in the next: 1 to 1,024, default 256. */
  expiriesPerTurn?: number;
  /**
   * Nanoseconds after which a turn begins no further quantum (up to 16 callbacks, 5 us): 1,000 to 10^9, default 50,000.
   */
  budgetNs?: number;
  /**
   * Called with what a callback threw, or what the promise that it returned was rejected with, and whose it was: 'timer
   * callback "expire" of band 3'. Left out: it is an uncaught exception, as from setTimeout. The other timers go on
   * either way. What it throws itself is an uncaught exception too.
   */
  onError?: (error: unknown, where: string) => void;
  /**
   * Drive these timers by hand: `turn()`, or `poll()`, `select()` and `run()`. Left out: the real clock, driven by this
   * thread's loop.
   */
  clock?: TimersClock;
}

const HAS_MORE = deliveryLayout.fields.hasMore.at >> 2;

interface Settings {
  readonly tickBits: number;
  readonly expiriesPerTurn: number;
  readonly budgetNs: number;
  readonly onError: (error: unknown, where: string) => void;
  readonly clock: TimersClock | undefined;
  /** Where to count, if not in memory of its own. */
  readonly counters?: Float64Array;
}

/**
 * Timers of any thread, driven by its event loop, or by hand with a clock that the caller moves; `create` makes them.
 *
 *     const timers = create({ onError: (error, where) => console.error(where, error) });
 *     timers.every({ intervalNs: 1_000_000 }, (tick) => sample(tick.missed));
 *     timers.unref();                                             // the process may end all the same
 *     timers.close();                                             // no callback runs after this
 *
 * Only the thread that made them may use them. Nothing blocks.
 */
export class LocalTimers extends Timers implements Disposable {
  /** Nanoseconds of a slot of the wheel, as granted. */
  readonly tickNs: number;
  private readonly addon: Native;
  private readonly handle: TimersHandle;
  private readonly memory: Int32Array;
  private readonly settings: Settings;
  private readonly scheduler: Scheduler;
  private isReferenced = true;

  /** `create` checks the settings. */
  constructor(settings: Settings) {
    const addon = native();
    const delivery = new Int32Array(deliveryLayout.bytes >> 2);
    const timerRequests = new Float64Array(timerRequestsLayout.bytes >> 3);
    const originNs = addon.clock.nowNs();
    const { clock, tickBits, expiriesPerTurn } = settings;
    super({
      delivery,
      timerRequests,
      nowNs: clock === undefined ? createClock(originNs) : () => clock.nowNs(),
      schedule: (ready) => this.scheduler.schedule(ready),
      drainTimerRequests: () => addon.wheels.drain(this.handle),
      shareTimerRecords: (index, records) => addon.wheels.share(this.handle, index, records),
      knock: addon.wheels.knock === undefined ? undefined : () => addon.wheels.knock!(this.handle),
      keepAlive: (isNeeded) => {
        if (this.isReferenced) addon.wheels.setReferenced(this.handle, isNeeded);
      },
      mustYield: (band) => this.scheduler.discipline.hasAbove(band),
      onError: settings.onError,
      ...(settings.counters === undefined ? {} : { counters: settings.counters }),
    });
    this.addon = addon;
    this.memory = delivery;
    this.settings = settings;
    this.scheduler = new Scheduler(new Bands(), {
      nowNs: () => this.nowNs(),
      wantTurn: () => {
        delivery[HAS_MORE] = 1;
        addon.wheels.knock?.(this.handle);
      },
      mustEndTurn: () => false,
      // Thrown by onError itself. What else is due still runs.
      noteThrown: (error) => reportOrThrowLater(error, 'onError of timers'),
    }, MOST_QUANTA);
    this.tickNs = 2 ** tickBits;
    const drive = clock === undefined ? { deliver: () => void this.runTurn() } : {};
    this.handle = systemCall('make timers', () =>
      addon.wheels.create({ delivery, timerRequests, tickBits, expiriesPerTurn, originNs, ...drive }),
    );
  }

  /**
   * Deadline of the earliest timer that has not expired, exactly; Infinity when there is none. Looks into the wheel:
   * 0.2 us and more.
   */
  nextDeadlineNs(): number {
    return this.addon.wheels.next(this.handle);
  }

  /**
   * Puts what is due by the clock into its bands; returns how many. Runs nothing. The thread's loop does it by itself.
   */
  override poll(): number {
    if (this.due.isClosed) return 0;
    this.addon.wheels.poll(this.handle, this.nowNs());
    return super.poll();
  }

  /**
   * One turn by hand: polls, then runs what is due until the budget is spent. Returns how many ran: 0 when nothing is
   * due.
   */
  turn(): number {
    this.poll();
    return this.runTurn();
  }

  /** Lets the process end although timers are live. */
  unref(): this {
    this.isReferenced = false;
    this.addon.wheels.setReferenced(this.handle, false);
    return this;
  }

  /** Keeps the process alive while timers are live (at first). */
  ref(): this {
    this.isReferenced = true;
    if (this.count !== 0) this.addon.wheels.setReferenced(this.handle, true);
    return this;
  }

  /** Ends every timer: none runs after this, not even those that are due in this turn. Calling it twice is harmless. */
  close(): void {
    if (this.due.isClosed) return;
    this.due.close();
    this.memory[HAS_MORE] = 0;
    this.addon.wheels.close(this.handle);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Called by native with the delivery filled, and by turn(). */
  private runTurn(): number {
    super.poll();
    const before = this.due.fired;
    this.scheduler.run(this.nowNs() + this.settings.budgetNs);
    this.memory[HAS_MORE] = this.scheduler.discipline.isEmpty ? 0 : 1;
    return this.due.fired - before;
  }
}

/** Quanta of one turn by a clock that stands still. */
const MOST_QUANTA = 64;

/**
 * Makes timers for this thread. Allocates their two arrays (57 KiB) and a timerfd. Throws ERR_PERCORE_INVALID_ARGUMENT.
 */
export function create(options: LocalTimersOptions = {}): LocalTimers {
  return new LocalTimers(settingsOf(options));
}

/** The same, for timers that count where those of their thread's reactor do (`timerCountersLayout`). */
export function createCounting(counters: Float64Array, options: LocalTimersOptions): LocalTimers {
  return new LocalTimers({ ...settingsOf(options), counters });
}

function settingsOf(options: LocalTimersOptions): Settings {
  const { onError, clock } = (options = checkOptions('options', options, [
    'tickNs', 'expiriesPerTurn', 'budgetNs', 'onError', 'clock',
  ]));
  if (onError !== undefined) checkFunction('onError', onError);
  if (clock !== undefined && typeof clock?.nowNs !== 'function') {
    throw invalidArgument('clock', clock, 'an object with a method nowNs');
  }
  return {
    tickBits: Math.ceil(Math.log2(checkInteger('tickNs', options.tickNs ?? 65_536, 1, 2 ** 40))),
    expiriesPerTurn: checkInteger(
      'expiriesPerTurn', options.expiriesPerTurn ?? 256, 1, deliveryLayout.fields.timer.count,
    ),
    budgetNs: checkInteger('budgetNs', options.budgetNs ?? 50_000, 1000, 1e9),
    onError: onError ?? reportOrThrowLater,
    clock,
  };
}

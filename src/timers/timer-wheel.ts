/**
 * Timers without a reactor, for the main thread or any worker. They have a wheel of their own that runs in the thread's
 * event loop.
 *
 *     import { create } from 'percore/timers';
 *     const timers = create();
 *     timers.after({ delayNs: 250_000 }, (tick) => console.log(`${tick.latenessNs} ns late`));
 *
 * A turn polls the wheel and runs what is due, by band and deadline, until its budget is spent; then sockets and
 * promises get their turn. No timer fires early, and none wakes the thread before its time. Timers keep the process
 * alive as those of Node do, until none is left or `unref()` is called.
 *
 * With a clock of your own, nothing happens by itself and nothing sleeps:
 *
 *     const clock = { ns: 0, nowNs: () => clock.ns };
 *     const timers = create({ clock });
 *     timers.after({ delayNs: 1000 }, () => console.log('ran'));
 *     clock.ns = timers.nextDeadlineNs();
 *     timers.turn();                                              // prints "ran" and returns 1
 */
import { checkFunction, checkInteger, checkOptions, invalidArgument, systemCall } from '../errors.js';
import { deliveryLayout, timerRequestsLayout } from '../layout.js';
import { native, type Native, type TimersHandle } from '../native.js';
import { Bands, Scheduler } from '../scheduling/internal.js';
import { reportOrThrowLater } from '../uncaught.js';
import { createClock } from './clock.js';
import { Timers } from './timers.js';

/** A clock for timers that are driven by hand. */
export interface TimersClock {
  /** The time in nanoseconds. It must never go back. */
  nowNs(): number;
}

/** The options of `create`. */
export interface LocalTimersOptions {
  /**
   * The nanoseconds that a slot of the wheel covers, rounded up to a power of two: 1 to 2^40, default 65,536. Deadlines
   * are exact whatever this is; it only decides where one slot ends and the next begins.
   */
  tickNs?: number;
  /** How many timers may expire in one turn; the rest expire in the next turns. 1 to 1,024, default 256. */
  expiriesPerTurn?: number;
  /**
   * After so many nanoseconds a turn begins no further quantum: 1,000 to 10^9, default 50,000. A quantum is up to 16
   * callbacks or 5 µs.
   */
  budgetNs?: number;
  /**
   * Gets what a callback threw, or the reason for which its promise was rejected, and a text that names the callback:
   * 'timer callback "expire" of band 3'. Left out: the error is an uncaught exception, as with setTimeout. The other
   * timers go on either way. If `onError` itself throws, that is an uncaught exception too.
   */
  onError?: (error: unknown, where: string) => void;
  /**
   * A clock for timers that are driven by hand, with `turn()`, or with `poll()`, `select()` and `run()`. Left out: they
   * run by the real clock and are driven by this thread's event loop.
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
  /** Where to count. Left out: in memory of their own. */
  readonly counters?: Float64Array;
}

/**
 * The timers of a thread that is no reactor. They are driven by its event loop, or by hand with a clock that the caller
 * moves. `create` makes them.
 *
 *     const timers = create({ onError: (error, where) => console.error(where, error) });
 *     timers.every({ intervalNs: 1_000_000 }, (tick) => sample(tick.missed));
 *     timers.unref();                                             // the process may end nevertheless
 *     timers.close();                                             // no callback runs after this
 *
 * Only the thread that made them may use them. Nothing blocks.
 */
export class LocalTimers extends Timers implements Disposable {
  /** The nanoseconds that a slot of the wheel covers: the option, rounded up to a power of two. */
  readonly tickNs: number;
  private readonly addon: Native;
  private readonly handle: TimersHandle;
  private readonly memory: Int32Array;
  private readonly settings: Settings;
  private readonly scheduler: Scheduler;
  private isReferenced = true;

  /** For `create`, which checks the settings. */
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
      // Only onError itself can have thrown this. Whatever else is due still runs.
      noteThrown: (error) => reportOrThrowLater(error, 'onError of timers'),
    }, MOST_QUANTA);
    this.tickNs = 2 ** tickBits;
    const drive = clock === undefined ? { deliver: () => void this.runTurn() } : {};
    this.handle = systemCall('make timers', () =>
      addon.wheels.create({ delivery, timerRequests, tickBits, expiriesPerTurn, originNs, ...drive }),
    );
  }

  /**
   * The exact deadline of the earliest timer that has not expired; Infinity if there is none. It searches the wheel,
   * which takes 0.2 µs or more.
   */
  nextDeadlineNs(): number {
    return this.addon.wheels.next(this.handle);
  }

  /**
   * Puts the timers that are due by the clock into their bands; returns how many. Runs nothing. Timers that the event
   * loop drives need no such call.
   */
  override poll(): number {
    if (this.due.isClosed) return 0;
    this.addon.wheels.poll(this.handle, this.nowNs());
    return super.poll();
  }

  /**
   * Makes one turn by hand: polls, and runs what is due until the budget is spent. Returns how many callbacks ran,
   * which is 0 if nothing was due.
   */
  turn(): number {
    this.poll();
    return this.runTurn();
  }

  /** Lets the process end although there are live timers. */
  unref(): this {
    this.isReferenced = false;
    this.addon.wheels.setReferenced(this.handle, false);
    return this;
  }

  /** Keeps the process alive while there are live timers, as it does at first. */
  ref(): this {
    this.isReferenced = true;
    if (this.count !== 0) this.addon.wheels.setReferenced(this.handle, true);
    return this;
  }

  /** Ends all timers: none runs after this, not even those that are due in this turn. May be called more than once. */
  close(): void {
    if (this.due.isClosed) return;
    this.due.close();
    this.memory[HAS_MORE] = 0;
    this.addon.wheels.close(this.handle);
  }

  /** Closes the timers, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** Called by native code after it has filled the delivery, and by turn(). */
  private runTurn(): number {
    super.poll();
    const before = this.due.fired;
    this.scheduler.run(this.nowNs() + this.settings.budgetNs);
    this.memory[HAS_MORE] = this.scheduler.discipline.isEmpty ? 0 : 1;
    return this.due.fired - before;
  }
}

/** The most quanta in one turn, for a clock that stands still. */
const MOST_QUANTA = 64;

/**
 * Makes timers for this thread. Allocates two arrays (57 KiB) and a timerfd. Throws ERR_PERCORE_INVALID_ARGUMENT, and
 * ERR_PERCORE_SYSTEM if there is no descriptor left.
 */
export function create(options: LocalTimersOptions = {}): LocalTimers {
  return new LocalTimers(settingsOf(options));
}

/** Does the same, for timers that count in given memory, as those of a reactor do (`timerCountersLayout`). */
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

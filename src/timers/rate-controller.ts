/**
 * Emits tokens at a rate that can change while it runs, and watches its own timing.
 *
 *      tick ──> next token ──> emit(token, tick) ──> jitter recorded ──> every 100 ticks 'stats', perhaps 'warning'
 *
 * A late token is a number in the statistics or an event but never an error, since only the caller knows whether it
 * matters. The jitter is that of intervals, from one emission to the next, compared with the rate
 * (`JitterMeasurement`).
 */
import { EventEmitter } from 'node:events';
import { checkFunction, checkInteger, checkOptions, invalidArgument, messageOf, PercoreError } from '../errors.js';
import { native } from '../native.js';
import { tellError } from '../uncaught.js';
import { monotonicClock } from './clock.js';
import { DEFAULT_TOLERANCE_NS, JitterRecorder, type JitterStats } from './jitter.js';
import { checkRateState, showJitter, showTick } from './rate-state.js';
import { RateSurface } from './rate-surface.js';
import type { RateTimerOptions, RateTimerStatus } from './rate-timer-options.js';
import { createRateTimer, type RateTimer } from './rate-timer.js';
import type { RateTick } from './tick-grid.js';

/** The options of a RateController. Those of its timer are described in `RateTimerOptions`. */
export interface RateControllerOptions<T> extends Pick<
  RateTimerOptions,
  'backend' | 'catchUp' | 'clock' | 'spinNs' | 'firstNs'
> {
  /** The rates at which it may run. */
  surface: RateSurface;
  /** The source of the tokens. One is taken in each tick. The controller ends at the first tick that finds no token. */
  tokens: Iterable<T>;
  /**
   * Gets each token in its tick. The object `tick` is reused for the next tick. If this throws, that is an 'error'
   * event, and the next token is emitted nevertheless. RateController says what happens when nobody listens to 'error'.
   */
  emit: (token: T, tick: RateTick) => unknown;
  /** Memory from `createRateState` in which the controller shows its timing to others. Left out: it shows nothing. */
  state?: Float64Array;
  /** If the p99 of the jitter exceeds this, there is a 'warning' event. In nanoseconds; default 2,000,000. */
  toleranceNs?: number;
  /** How many ticks there are from one 'stats' event to the next: 1 to 2^20, default 100. */
  statsEvery?: number;
}

/** Statistics of the last `statsEvery` ticks: what a 'stats' event tells. */
export interface RateStats {
  /** The present rate in ticks a second. */
  readonly rateHz: number;
  /** The jitter of the intervals between the ticks. */
  readonly jitter: JitterStats;
  /** How many ticks, and so tokens, were left out because they were over; always 0 unless `catchUp` is 'skip'. */
  readonly missed: number;
}

/** What a 'warning' event tells: the p99 of the jitter has exceeded the tolerance. */
export interface JitterWarning extends RateStats {
  /** The absolute jitter that 99 % of the ticks did not exceed, in nanoseconds. */
  readonly p99Ns: number;
  /** The tolerance that it exceeds, in nanoseconds. */
  readonly toleranceNs: number;
}

interface RateControllerEvents {
  stats: [RateStats];
  warning: [JitterWarning];
  /** All tokens were emitted, or the controller was closed. */
  end: [];
  error: [unknown];
}

/** What `RateController.status()` returns. */
export interface RateControllerStatus extends RateTimerStatus {
  /** The rates at which the controller may run, in ticks a second. */
  readonly surface: { readonly minimumHz: number; readonly targetHz: number; readonly maximumHz: number };
  /** How many tokens were emitted. */
  readonly emitted: number;
  /** How many 'warning' events there were. */
  readonly warnings: number;
}

/**
 * Emits the tokens of an iterable, one in each tick, at a rate that its surface allows.
 *
 *     const surface = new RateSurface({ targetHz: 30, minimumHz: 10, maximumHz: 60 });
 *     const controller = new RateController({ surface, tokens: frames(), emit: (frame) => show(frame) });
 *     controller.on('warning', ({ p99Ns }) => console.log(`p99 jitter is ${p99Ns} ns`));
 *     controller.setRate(100);                                    // returns 60, the most that the surface allows
 *     await controller.ended;
 *
 * It starts when it is made, and keeps its thread alive until the tokens end or it is closed. Only the thread that made
 * it may call it. Nothing blocks, and it allocates only for 'stats' events. The events are 'stats', 'warning', 'end'
 * and 'error'. If `emit`, the tokens or a listener throws in a tick, that is an 'error' event, and the ticks go on. If
 * nobody listens to 'error', a reactor counts and reports it as 'stepError'; in other threads it is an uncaught
 * exception.
 */
export class RateController<T> extends EventEmitter<RateControllerEvents> implements AsyncDisposable {
  private readonly surface: RateSurface;
  private readonly emitToken: (token: T, tick: RateTick) => unknown;
  private readonly tokens: Iterator<T>;
  private readonly timer: RateTimer;
  private readonly window: JitterRecorder;
  private readonly total: JitterRecorder;
  private readonly statsEvery: number;
  private readonly state: Float64Array | undefined;
  /** CLOCK_MONOTONIC minus the time of the controller's clock. */
  private readonly originNs: number;
  private emitted = 0;
  private warnings = 0;
  private listenerErrors = 0;
  private missedInWindow = 0;
  private hasEnded = false;

  /** Starts at once, at the present rate of the surface. Throws what `createRateTimer` throws. */
  constructor(options: RateControllerOptions<T>) {
    super();
    if (typeof options !== 'object' || options === null) {
      throw invalidArgument('options', options, 'an object with surface, tokens and emit');
    }
    checkOptions('options', options, [
      'surface', 'tokens', 'emit', 'toleranceNs', 'statsEvery', 'backend', 'catchUp', 'clock', 'spinNs', 'firstNs',
      'state',
    ]);
    if (options.state !== undefined) checkRateState('state', options.state);
    this.state = options.state;
    if (!(options.surface instanceof RateSurface)) throw invalidArgument('surface', options.surface, 'a RateSurface');
    if (typeof (options.tokens as Iterable<T> | undefined)?.[Symbol.iterator] !== 'function') {
      throw invalidArgument('tokens', options.tokens, 'iterable');
    }
    checkFunction('emit', options.emit);
    this.surface = options.surface;
    this.emitToken = options.emit;
    this.statsEvery = checkInteger('statsEvery', options.statsEvery ?? 100, 1, 2 ** 20);
    const toleranceNs = options.toleranceNs ?? DEFAULT_TOLERANCE_NS;
    this.window = new JitterRecorder({ toleranceNs, exactSamples: this.statsEvery });
    this.total = new JitterRecorder({ toleranceNs });
    this.tokens = iteratorOf(options.tokens);
    const { backend, catchUp, clock, spinNs, firstNs } = options;
    this.timer = createRateTimer(
      {
        rateHz: this.surface.rateHz,
        onError: (error) => this.fail(error, 'a tick'),
        ...(backend === undefined ? {} : { backend }),
        ...(catchUp === undefined ? {} : { catchUp }),
        ...(clock === undefined ? {} : { clock }),
        ...(spinNs === undefined ? {} : { spinNs }),
        ...(firstNs === undefined ? {} : { firstNs }),
      },
      (tick) => this.onTick(tick),
    );
    // Only now, since createRateTimer has checked the clock.
    this.originNs = options.state === undefined ? 0 : native().clock.nowNs() - (clock ?? monotonicClock()).nowNs();
  }

  /**
   * Asks for another rate, in ticks a second, from the next token on. Returns the rate that the surface grants. Throws
   * ERR_PERCORE_TIMER_INVALID_RATE.
   */
  setRate(rateHz: number): number {
    return this.apply(this.surface.set(rateHz));
  }

  /** Multiplies the rate by `factor`, which must be above 0. Returns the rate that the surface grants. */
  adjust(factor: number): number {
    return this.apply(this.surface.adjust(factor));
  }

  /** Statistics of all ticks since the start. Allocates and sorts. */
  stats(): JitterStats {
    return this.total.stats();
  }

  /** The figures of the controller and of its timer. Allocates. */
  status(): RateControllerStatus {
    const { minimumHz, targetHz, maximumHz } = this.surface;
    const timer = this.timer.status();
    return {
      ...timer,
      errors: timer.errors + this.listenerErrors,
      surface: { minimumHz, targetHz, maximumHz },
      emitted: this.emitted,
      warnings: this.warnings,
    };
  }

  /** Resolves when the tokens have ended or the controller is closed. */
  get ended(): Promise<void> {
    return this.hasEnded ? Promise.resolve() : new Promise((resolve) => this.once('end', () => resolve()));
  }

  /** Lets the thread end although there may be tokens left. */
  unref(): this {
    this.timer.unref();
    return this;
  }

  /**
   * Ends the controller: no further token is emitted. May be called within `emit`, and more than once. Throws what the
   * iterator's `return()` throws.
   */
  close(): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.timer.close();
    try {
      this.tokens.return?.();
    } finally {
      // The 'end' event must come even if the iterator throws when it is closed.
      this.emit('end');
    }
  }

  /** Closes the controller, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  // ---- Inside -------------------------------------------------------------------------------------------------------

  private onTick(tick: RateTick): unknown {
    // Read both now: the timer reuses the tick.
    const jitterNs = tick.actualIntervalNs - tick.expectedIntervalNs;
    const nextNs = tick.expectedNs + tick.expectedIntervalNs;
    if (this.state !== undefined) showTick(this.state, this.surface.rateHz, this.originNs, tick.actualNs, nextNs);
    this.missedInWindow += tick.missed;
    const next = this.tokens.next();
    if (typeof next !== 'object' || next === null) {
      throw new PercoreError(
        'ERR_PERCORE_INVALID_ARGUMENT',
        'next() of the iterator of tokens must return an object with value and done',
        { argument: 'tokens', value: next },
      );
    }
    if (next.done === true) {
      this.close();
      return undefined;
    }
    this.emitted++;
    try {
      // If this is a promise, the timer handles its rejection.
      return this.emitToken(next.value, tick);
    } finally {
      // After the token, so that this does not delay it; and also if emit() throws.
      this.record(jitterNs);
    }
  }

  private record(jitterNs: number): void {
    this.total.record(jitterNs);
    this.window.record(jitterNs);
    if (this.window.count < this.statsEvery) return;
    const jitter = this.window.stats();
    if (this.state !== undefined) showJitter(this.state, jitter);
    const stats: RateStats = { rateHz: this.surface.rateHz, jitter, missed: this.missedInWindow };
    this.window.reset();
    this.missedInWindow = 0;
    const isPast = jitter.p99Ns > jitter.toleranceNs;
    if (isPast) this.warnings++;
    const { p99Ns, toleranceNs } = jitter;
    this.notify('stats', () => this.emit('stats', stats));
    if (isPast) this.notify('warning', () => this.emit('warning', { ...stats, p99Ns, toleranceNs }));
  }

  /** Calls listeners. If one throws, the token and the next event are not affected. */
  private notify(name: string, tell: () => void): void {
    try {
      tell();
    } catch (error) {
      this.fail(error, `a listener of '${name}'`);
      this.listenerErrors++;
    }
  }

  /** Emits an 'error' event; if nobody listens to it, the error is reported as any error in this thread. */
  private fail(error: unknown, what: string): void {
    const onError = this.listenerCount('error') === 0 ? undefined : () => void this.emit('error', error);
    tellError(onError, error, `${what} of a rate controller at ${this.surface.rateHz} Hz`);
  }

  private apply(rateHz: number): number {
    this.timer.setRate(rateHz);
    return rateHz;
  }
}

function iteratorOf<T>(tokens: Iterable<T>): Iterator<T> {
  let iterator: Iterator<T> | undefined;
  try {
    iterator = tokens[Symbol.iterator]();
  } catch (cause) {
    throw new PercoreError(
      'ERR_PERCORE_INVALID_ARGUMENT', `tokens cannot be iterated: ${messageOf(cause)}`,
      { argument: 'tokens', value: tokens, cause },
    );
  }
  if (typeof iterator?.next !== 'function') {
    throw invalidArgument('tokens', tokens, 'iterable: its [Symbol.iterator]() must return an iterator');
  }
  return iterator;
}

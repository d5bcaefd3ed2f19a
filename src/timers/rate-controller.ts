/**
 * Emits tokens at a rate that can change while it runs, and keeps an eye on its own timing.
 *
 *      tick ──> next token ──> emit(token, tick) ──> jitter recorded ──> each 100 ticks 'stats', perhaps 'warning'
 *
 * A token that is late is a number in the statistics or an event, never an error: whether it matters is the caller's to
 * say. The jitter is of intervals: from one emission to the next, against what the rate asks (`JitterMeasurement`).
 */
import { EventEmitter } from 'node:events';
import { checkFunction, checkInteger, checkOptions, invalidArgument, PercoreError } from '../errors.js';
import { native } from '../native.js';
import { tellError } from '../uncaught.js';
import { monotonicClock } from './clock.js';
import { DEFAULT_TOLERANCE_NS, JitterRecorder, type JitterStats } from './jitter.js';
import { checkRateState, showJitter, showTick } from './rate-state.js';
import { RateSurface } from './rate-surface.js';
import type { RateTimerOptions, RateTimerStatus } from './rate-timer-options.js';
import { createRateTimer, type RateTimer } from './rate-timer.js';
import type { RateTick } from './tick-grid.js';

export interface RateControllerOptions<T> extends Pick<
  RateTimerOptions,
  'backend' | 'catchUp' | 'clock' | 'spinNs' | 'firstNs'
> {
  /** The rates it may run at. */
  surface: RateSurface;
  /** Where tokens come from; one is taken each tick, not before. The controller ends at the tick that finds none. */
  tokens: Iterable<T>;
  /**
   * Gets each token in its tick. The tick is written again for the next one. What it throws is an 'error' event, and
   * the next token comes all the same. See RateController for what happens when nobody listens to 'error'.
   */
  emit: (token: T, tick: RateTick) => unknown;
  /** Where it shows its timing to others: what `createRateState` has made. */
  state?: Float64Array;
  /** Nanoseconds, inclusive; a p99 beyond it is worth a warning. Default 2,000,000. */
  toleranceNs?: number;
  /** Ticks from one 'stats' event to the next: 1 to 2^20, default 100. */
  statsEvery?: number;
}

/** Of the last `statsEvery` ticks. */
export interface RateStats {
  /** The rate that it is set to. */
  readonly rateHz: number;
  /** How evenly its ticks came. */
  readonly jitter: JitterStats;
  /** Tokens left out in this time because their ticks were over ('skip' alone). */
  readonly missed: number;
}
/** The tolerance was not kept. */
export interface JitterWarning extends RateStats {
  /** What 99 of 100 ticks did not exceed, in nanoseconds. */
  readonly p99Ns: number;
  /** What that is above. */
  readonly toleranceNs: number;
}
interface RateControllerEvents {
  stats: [RateStats];
  warning: [JitterWarning];
  /** The tokens are all emitted, or the controller was closed. */
  end: [];
  error: [unknown];
}

export interface RateControllerStatus extends RateTimerStatus {
  /** Least, target and most rate. */
  readonly surface: { readonly minimumHz: number; readonly targetHz: number; readonly maximumHz: number };
  /** Ticks so far. */
  readonly emitted: number;
  /** Events 'jitterWarning' so far. */
  readonly warnings: number;
}

/**
 * Emits the tokens of an iterable, one a tick, at a rate that its surface allows.
 *
 *     const surface = new RateSurface({ targetHz: 30, minimumHz: 10, maximumHz: 60 });
 *     const controller = new RateController({ surface, tokens: frames(), emit: (frame) => show(frame) });
 *     controller.on('warning', ({ p99Ns }) => console.log(`p99 jitter is ${p99Ns} ns`));
 *     controller.setRate(100);                                    // 60: what the surface grants
 *     await controller.ended;
 *
 * Starts when it is made and keeps its thread alive until the tokens or the controller end. Only the thread that made
 * it may call it; nothing blocks. It allocates for each 'stats' event and for nothing else. Events: 'stats', 'warning',
 * 'end', 'error'. What `emit`, the tokens or a listener throws in a tick is an 'error' event, and the ticks go on. When
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
  /** What turns its clock's time into CLOCK_MONOTONIC. */
  private readonly originNs: number;
  private emitted = 0;
  private warnings = 0;
  private listenerErrors = 0;
  private missedInWindow = 0;
  private hasEnded = false;

  /** Starts at once, at the surface's rate. Throws what createRateTimer throws. */
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
    this.originNs = options.state === undefined ? 0 : native().clock.nowNs() - (clock ?? monotonicClock()).nowNs();
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
  }

  /** Asks for another rate from the next token on; returns the one that the surface grants. */
  setRate(rateHz: number): number {
    return this.apply(this.surface.set(rateHz));
  }

  /** Faster (above 1) or slower (below 1) by a factor; returns the granted rate. */
  adjust(factor: number): number {
    return this.apply(this.surface.adjust(factor));
  }

  /** Since the start. Allocates and sorts. */
  stats(): JitterStats {
    return this.total.stats();
  }

  /** The timer's status, the surface, and what was emitted. Allocates. */
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

  /** Resolves when the last token has been emitted, or the controller was closed. */
  get ended(): Promise<void> {
    return this.hasEnded ? Promise.resolve() : new Promise((resolve) => this.once('end', () => resolve()));
  }

  /** Lets its thread end although tokens are left. */
  unref(): this {
    this.timer.unref();
    return this;
  }

  /** No token comes after this. Also from inside `emit`; twice is once. */
  close(): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.timer.close();
    try {
      this.tokens.return?.();
    } finally {
      // The 'end' event comes even when the tokens' own clearing up throws.
      this.emit('end');
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  // ---- Inside -------------------------------------------------------------------------------------------------------

  private onTick(tick: RateTick): unknown {
    // Read now: the tick is the timer's own.
    const jitterNs = tick.actualIntervalNs - tick.expectedIntervalNs;
    const nextNs = tick.expectedNs + tick.expectedIntervalNs;
    if (this.state !== undefined) showTick(this.state, this.surface.rateHz, this.originNs, tick.actualNs, nextNs);
    this.missedInWindow += tick.missed;
    const next = this.tokens.next();
    if (typeof next !== 'object' || next === null) {
      throw new PercoreError(
        'ERR_PERCORE_INVALID_ARGUMENT',
        'the iterator of tokens gave something else than { value, done }',
        { argument: 'tokens', value: next },
      );
    }
    if (next.done === true) {
      this.close();
      return undefined;
    }
    this.emitted++;
    try {
      // A promise goes to the timer, which looks after its rejection.
      return this.emitToken(next.value, tick);
    } finally {
      // After the token: nothing stands between the tick and it. Also when it throws.
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

  /** What a listener throws costs neither the token nor the next event. */
  private notify(name: string, tell: () => void): void {
    try {
      tell();
    } catch (error) {
      this.fail(error, `a listener of '${name}'`);
      this.listenerErrors++;
    }
  }

  /** An 'error' event; what nobody listens to goes the way of all errors of this thread. */
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
      'ERR_PERCORE_INVALID_ARGUMENT', `tokens cannot be walked: ${(cause as Error | undefined)?.message}`,
      { argument: 'tokens', value: tokens, cause },
    );
  }
  if (typeof iterator?.next !== 'function') {
    throw invalidArgument('tokens', tokens, 'iterable: its [Symbol.iterator]() returns an iterator');
  }
  return iterator;
}

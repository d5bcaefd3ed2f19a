/**
 * Timers of one thread, over the native wheel. Callbacks and generations live here, in tables and not in objects; the
 * wheel knows only slot numbers and deadlines. Creating and cancelling does not cross into native: requests are
 * gathered in a shared array that the next poll drains.
 *
 *     create, reschedule --request--> wheel --poll, when due--> its band --select, run--> callback
 *     cancel: gone at once, from wherever it is
 *
 * Three kinds. One tick: after, at. An interval that stays: every. A list of intervals: walk. All by absolute
 * deadlines.
 *
 * The table here is the truth. A slot that the wheel hands over is only a hint: whether its timer is due is decided by
 * the deadline in the table, so a slot that was given to a younger timer meanwhile harms nobody.
 */
import { checkFunction, checkOptions, invalidArgument, PercoreError } from '../errors.js';
import { deliveryLayout, timerCountersLayout, timerRequestsLayout, BANDS } from '../layout.js';
import { DEFAULT_BAND, type Schedule } from '../scheduling/internal.js';
import { DueBand, type DueBandHost } from './due-band.js';
import { generationOf, noTimer, slotOf, timerId, type TimerId } from './timer-id.js';
import {
  ARMED, BAND_BITS, DUE, GENERATION_SHIFT, TimerTable, WALKS, deadlineAt, indexOf, metaAt,
} from './timer-table.js';
import { Walk, type Tick, type TickCallback } from './walk.js';

export interface BandOption {
  /** Band of the callback, 0 low to 7 high. Default 3. */
  priority?: number;
}
export interface AfterOptions extends BandOption {
  /** Nanoseconds from now: 0 to 2^62. */
  delayNs: number;
}
export interface AtOptions extends BandOption {
  /** Nanoseconds since the runtime's start: 0 to 2^62. One that is over runs in the next turn. */
  deadlineNs: number;
}
export interface EveryOptions extends BandOption {
  /** Nanoseconds between ticks: 1,000 (a microsecond) to 2^62. */
  intervalNs: number;
  /** Nanoseconds from now to the first tick; one interval if left out. */
  firstNs?: number;
}
export interface WalkOptions extends BandOption {
  /** 1 to 4,096 intervals of 1,000 to 2^62 nanoseconds: the first from now to the first tick, and so on. */
  intervalsNs: readonly number[];
  /** 'round-robin': over and over. 'linear': once in their order; the last tick is the timer's end. */
  order: 'round-robin' | 'linear';
}
export type TimerOptions = AfterOptions | AtOptions | EveryOptions | WalkOptions;

/** What timers need of their thread. */
export interface TimersHost {
  readonly schedule: Schedule;
  nowNs(): number;
  readonly delivery: Int32Array;
  readonly timerRequests: Float64Array;
  /** Where they count: a TimerCounters, see layout.ts. Left out: in memory of their own. */
  readonly counters?: Float64Array;
  /** Hands the gathered requests to the wheel now; when the array is full. */
  drainTimerRequests(): void;
  /**
   * Tells the wheel where the records of slots index * TIMERS_PER_CHUNK and on lie, from now on. Left out by a wheel of
   * another kind.
   */
  shareTimerRecords?(index: number, records: Float64Array): void;
  /** True when something above `band` is ready: a quantum of timers ends. Left out: it does not. */
  mustYield?(band: number): boolean;
  /** The first timer is there (true), or the last has gone. */
  keepAlive?(isNeeded: boolean): void;
  /** Told what a callback threw, or what the promise that it returned was rejected with, and whose it was. */
  onError(error: unknown, where: string): void;
}

const REQUESTS = deliveryLayout.fields.timerRequests.at >> 2;
const MOST_REQUESTS = timerRequestsLayout.fields.pair.count / 2;
const TIMER = deliveryLayout.fields.timer.at >> 2;
const TIMERS = deliveryLayout.fields.timers.at >> 2;
const FIRED = timerCountersLayout.fields.fired.at >> 3;
const LATE = timerCountersLayout.fields.late.at >> 3;
/** One that runs so long after its deadline counts as late. */
const LATE_NS = 1_000_000;
/** A century and more. */
const MOST_NS = 2 ** 62;
const LEAST_INTERVAL_NS = 1000;
const MOST_INTERVALS = 4096;
/** Numbers up to here count single nanoseconds: 104 days. */
const EXACT_NS = 2 ** 53;
const ROUNDING_NS = 1024;
/** Nothing is later: the last number before the wheel's own end, 292 years after the start. */
const LAST_NS = 2 ** 63 - 1024;

/** What a timer of one tick tells its callback; one object for all of them. */
class OnceTick implements Tick {
  readonly sequence = 0;
  readonly missed = 0;
  expectedNs = 0;
  actualNs = 0;
  latenessNs = 0;
}

export class Timers implements DueBandHost {
  /** For subclasses. */
  protected readonly table: TimerTable;
  protected readonly bands: readonly DueBand[] = Array.from({ length: BANDS }, (_, band) => new DueBand(this, band));
  protected isClosed = false;
  /** Callbacks so far that threw or whose promise was rejected. */
  errors = 0;
  /** The callback that runs, or ran last, and its band: whose an error is. */
  private running: TickCallback = ignore;
  private runningBand = 0;
  private readonly once = new OnceTick();
  private readonly delivery: Int32Array;
  private readonly requests: Float64Array;
  private readonly counters: Float64Array;

  constructor(private readonly host: TimersHost) {
    this.counters = host.counters ?? new Float64Array(timerCountersLayout.bytes >> 3);
    this.delivery = host.delivery;
    this.requests = host.timerRequests;
    this.table = new TimerTable((index, records) => host.shareTimerRecords?.(index, records), this.counters);
  }

  /** Timers that have not fired for the last time. */
  get count(): number {
    return this.table.count;
  }

  /** Callbacks run so far. */
  protected get fired(): number {
    return this.counters[FIRED]!;
  }

  nowNs(): number {
    return this.host.nowNs();
  }

  // ---- Creating ---------------------------------------------------------------------------------------------------
  // All: only on this thread; do not block; allocate room for the timer (40 bytes, which the next one gets) and an
  // object for one of more ticks. Times are exact up to 2^53 ns after the start (104 days), and beyond within 1.5 us
  // and never early. Throw ERR_PERCORE_TIMER_INVALID_DELAY, ERR_PERCORE_TIMER_INVALID_INTERVAL,
  // ERR_PERCORE_INVALID_ARGUMENT, ERR_PERCORE_TOO_LARGE when 2^24 are live, and ERR_PERCORE_CLOSED.

  /** Runs `callback` once, `delayNs` from now, never early. */
  after(options: AfterOptions, callback: TickCallback): TimerId {
    const delayNs = options?.delayNs;
    if (!isWithin(delayNs, 0)) throw invalidTime('delayNs', options, AFTER_OPTIONS);
    if (hasOther(options, 'delayNs')) checkOptions('options', options, AFTER_OPTIONS);
    return this.add(laterNs(this.host.nowNs(), delayNs), checkBand(options.priority), callback, undefined);
  }

  /** Runs `callback` once, not before `deadlineNs`. Reads no clock, so it is the cheapest way to make many. */
  at(options: AtOptions, callback: TickCallback): TimerId {
    const deadlineNs = options?.deadlineNs;
    if (!isWithin(deadlineNs, 0)) throw invalidTime('deadlineNs', options, AT_OPTIONS);
    if (hasOther(options, 'deadlineNs')) checkOptions('options', options, AT_OPTIONS);
    return this.add(deadlineNs, checkBand(options.priority), callback, undefined);
  }

  /**
   * Runs `callback` every `intervalNs` by absolute deadlines. A tick that is over before it runs is skipped and counted
   * in `missed`.
   */
  every(options: EveryOptions, callback: TickCallback): TimerId {
    const { intervalNs, firstNs = intervalNs } = checkOptions('options', options, EVERY_OPTIONS);
    if (!isWithin(intervalNs, LEAST_INTERVAL_NS)) throw invalidInterval('intervalNs', intervalNs);
    if (!isWithin(firstNs, 0)) throw invalidDelay('firstNs', firstNs);
    const deadlineNs = laterNs(this.host.nowNs(), firstNs);
    return this.add(
      deadlineNs, checkBand(options.priority), callback, new Walk([intervalNs], true, deadlineNs, callback),
    );
  }

  /** Runs `callback` at the end of each interval of a list, by absolute deadlines as `every` does. */
  walk(options: WalkOptions, callback: TickCallback): TimerId {
    const { intervalsNs, order } = checkOptions('options', options, WALK_OPTIONS);
    if (!Array.isArray(intervalsNs) || intervalsNs.length === 0 || intervalsNs.length > MOST_INTERVALS) {
      throw invalidArgument('intervalsNs', intervalsNs, `an array of 1 to ${MOST_INTERVALS} intervals`);
    }
    // A copy first: what was checked is what is used. A hole is undefined in it, and refused as that.
    const intervals = Array.from(intervalsNs);
    intervals.forEach((interval, at) => {
      if (!isWithin(interval, LEAST_INTERVAL_NS)) throw invalidInterval(`intervalsNs[${at}]`, interval);
    });
    if (order !== 'round-robin' && order !== 'linear') {
      throw invalidArgument('order', order, "'round-robin' or 'linear'");
    }
    const deadlineNs = laterNs(this.host.nowNs(), intervals[0]!);
    return this.add(
      deadlineNs, checkBand(options.priority), callback,
      new Walk(intervals, order === 'round-robin', deadlineNs, callback),
    );
  }

  /** Any of the above, by what the options name: delayNs, deadlineNs, intervalNs or intervalsNs. */
  create(options: TimerOptions, callback: TickCallback): TimerId {
    if (typeof options !== 'object' || options === null) {
      throw invalidArgument('options', options, 'an object with delayNs, deadlineNs, intervalNs or intervalsNs');
    }
    if ('delayNs' in options) return this.after(options, callback);
    if ('deadlineNs' in options) return this.at(options, callback);
    if ('intervalNs' in options) return this.every(options, callback);
    if ('intervalsNs' in options) return this.walk(options, callback);
    throw invalidArgument('options', options, 'an object with delayNs, deadlineNs, intervalNs or intervalsNs');
  }

  // ---- Changing ---------------------------------------------------------------------------------------------------

  /**
   * Ends a timer: its callback will not run again, even if it has expired already. False for one that is over. Constant
   * time.
   */
  cancel(id: TimerId): boolean {
    if (typeof id !== 'number') throw invalidId(id);
    const { table } = this;
    const slot = slotOf(id);
    if (!table.isUsed(slot)) return false;
    const chunk = table.chunkOf(slot);
    const meta = chunk.words[metaAt(slot)]!;
    if (meta >>> GENERATION_SHIFT !== generationOf(id) || meta >>> GENERATION_SHIFT === 0) return false;
    if ((meta & ARMED) !== 0) this.request(slot, -1);
    table.releaseFrom(chunk, slot, meta);
    if (table.count === 0) this.host.keepAlive?.(false);
    return true;
  }

  /**
   * Moves a timer's next tick, also when it has expired and not run yet; a timer of more ticks goes on from there.
   * False for one that is over, as one of a single tick is in its own callback. Constant time.
   */
  reschedule(id: TimerId, options: { delayNs: number } | { deadlineNs: number }): boolean {
    checkOptions('options', options ?? null, RESCHEDULE_OPTIONS);
    const argument = 'delayNs' in options ? 'delayNs' : 'deadlineNs';
    if (argument === 'delayNs' && 'deadlineNs' in options) {
      throw invalidArgument('deadlineNs', options.deadlineNs, 'left out when delayNs is given');
    }
    const ns = (options as Record<string, number>)[argument]!;
    if (!isWithin(ns, 0)) throw invalidDelay(argument, ns);
    const slot = this.slotOfLive(id);
    if (slot < 0) return false;
    const deadlineNs = argument === 'delayNs' ? laterNs(this.host.nowNs(), ns) : ns;
    const chunk = this.table.chunkOf(slot);
    if ((chunk.words[metaAt(slot)]! & WALKS) !== 0) (chunk.callbacks[indexOf(slot)] as Walk).moveTo(deadlineNs);
    this.arm(slot, deadlineNs);
    return true;
  }

  // ---- What is due --------------------------------------------------------------------------------------------------

  /**
   * Puts what the wheel has expired, 256 timers at most unless said otherwise, into its bands; returns how many. Runs
   * nothing.
   */
  poll(): number {
    const delivery = this.delivery;
    const expired = delivery[TIMERS]!;
    if (expired === 0) return 0;
    // Taken: asking again in the same turn finds nothing twice.
    delivery[TIMERS] = 0;
    const nowNs = this.host.nowNs();
    let due = 0;
    let bands = 0;
    for (let i = 0; i < expired; i++) {
      const slot = delivery[TIMER + i]!;
      const chunk = this.table.chunkOf(slot);
      const at = metaAt(slot);
      const meta = chunk.words[at]!;
      // The slot may be free by now, or hold a younger timer: one whose deadline has not come is not meant.
      if ((meta & ARMED) === 0 || chunk.records[deadlineAt(slot)]! > nowNs) continue;
      chunk.words[at] = meta ^ (ARMED | DUE);
      const band = meta & BAND_BITS;
      this.bands[band]!.push(slot);
      bands |= 1 << band;
      due++;
    }
    for (let band = BANDS - 1; band >= 0; band--) if ((bands >> band & 1) !== 0) this.host.schedule(this.bands[band]!);
    return due;
  }

  /**
   * Takes the next due timer, by band and deadline, without running it; `noTimer` when none is due. Hand it to `run`.
   */
  select(): TimerId {
    for (let band = BANDS - 1; band >= 0; band--) {
      const queue = this.bands[band]!;
      // Cancelled ones are passed over, each once.
      while (queue.count !== 0) {
        const slot = queue.shift();
        const meta = slot < this.table.used ? this.table.chunkOf(slot).words[metaAt(slot)]! : 0;
        if ((meta & DUE) !== 0) return timerId(slot, meta >>> GENERATION_SHIFT);
      }
    }
    return noTimer;
  }

  /** Runs a timer that `select` gave; false if it is not due, or over. What the callback throws comes out here. */
  run(id: TimerId): boolean {
    const slot = this.slotOfLive(id);
    return slot >= 0 && this.runSlot(slot, this.host.nowNs());
  }

  /** For DueBand alone. */
  runSlot(slot: number, nowNs: number): boolean {
    if (slot >= this.table.used) return false;
    const chunk = this.table.chunkOf(slot);
    const meta = chunk.words[metaAt(slot)]!;
    if ((meta & DUE) === 0) return false;
    this.counters[FIRED]!++;
    const callback = chunk.callbacks[indexOf(slot)];
    this.runningBand = meta & BAND_BITS;
    if ((meta & WALKS) !== 0) {
      this.runWalk(slot, meta >>> GENERATION_SHIFT, callback as Walk, nowNs);
      return true;
    }
    const tick = this.once;
    tick.expectedNs = chunk.records[deadlineAt(slot)]!;
    tick.actualNs = nowNs;
    tick.latenessNs = nowNs - tick.expectedNs;
    if (tick.latenessNs >= LATE_NS) this.counters[LATE]!++;
    // Over before it runs: its callback may throw, or make a timer that takes its slot.
    this.release(slot);
    this.call(callback as TickCallback, tick);
    return true;
  }

  /** For DueBand alone. */
  touch(slot: number): number {
    if (slot >= this.table.used) return 0;
    const chunk = this.table.chunkOf(slot);
    return chunk.words[metaAt(slot)]! ^ (typeof chunk.callbacks[indexOf(slot)] === 'function' ? 1 : 0);
  }

  /** For DueBand alone. */
  mustYield(band: number): boolean {
    return this.host.mustYield !== undefined && this.host.mustYield(band);
  }

  /** For DueBand alone. */
  noteThrown(error: unknown): void {
    this.report(error, this.running, this.runningBand);
  }

  private call(callback: TickCallback, tick: Tick): void {
    this.running = callback;
    // An asynchronous callback is as good as any other, and so is its rejection.
    const result: unknown = callback(tick);
    if (typeof result === 'object' && result !== null) this.follow(result, callback, this.runningBand);
  }

  private follow(result: object, callback: TickCallback, band: number): void {
    // Also of an object that only says that it is a promise, and throws when it is asked.
    Promise.resolve(result).then(undefined, (error: unknown) => this.report(error, callback, band));
  }

  private report(error: unknown, callback: TickCallback, band: number): void {
    this.errors++;
    this.host.onError(error, `${nameOf(callback)} of band ${band}`);
  }

  private runWalk(slot: number, generation: number, walk: Walk, nowNs: number): void {
    walk.begin(nowNs);
    if (walk.latenessNs >= LATE_NS) this.counters[LATE]!++;
    if (walk.isOver) {
      this.release(slot);
      this.call(walk.callback, walk);
      return;
    }
    this.table.chunkOf(slot).words[metaAt(slot)]! &= ~DUE;
    try {
      this.call(walk.callback, walk);
    } finally {
      // Also when the callback throws: a timer of more ticks goes on, unless it was cancelled, or everything closed.
      const meta = slot < this.table.used ? this.table.chunkOf(slot).words[metaAt(slot)]! : 0;
      if (meta >>> GENERATION_SHIFT === generation) {
        const hasMoved = (meta & ARMED) !== 0;
        walk.end(hasMoved ? this.table.chunkOf(slot).records[deadlineAt(slot)]! : undefined);
        if (!hasMoved) this.arm(slot, walk.deadlineNs);
      }
    }
  }

  // ---- Inside -------------------------------------------------------------------------------------------------------

  private add(deadlineNs: number, band: number, callback: TickCallback, walk: Walk | undefined): TimerId {
    if (typeof callback !== 'function') checkFunction('callback', callback);
    if (this.isClosed) throw new PercoreError('ERR_PERCORE_CLOSED', 'these timers are closed');
    const { table } = this;
    const slot = table.take();
    const chunk = table.chunkOf(slot);
    const meta = table.takenMeta;
    // The wheel counts whole nanoseconds: rounded down, it would tell poll() before the time, and once only.
    const wholeNs = Math.ceil(deadlineNs);
    chunk.records[deadlineAt(slot)] = wholeNs;
    chunk.words[metaAt(slot)] = meta | band | (walk === undefined ? ARMED : ARMED | WALKS);
    chunk.callbacks[indexOf(slot)] = walk ?? callback;
    this.request(slot, wholeNs);
    if (table.count === 1) this.host.keepAlive?.(true);
    return timerId(slot, meta >>> GENERATION_SHIFT);
  }

  private arm(slot: number, deadlineNs: number): void {
    const chunk = this.table.chunkOf(slot);
    const at = metaAt(slot);
    const wholeNs = Math.min(Math.ceil(deadlineNs), LAST_NS);
    chunk.records[deadlineAt(slot)] = wholeNs;
    chunk.words[at] = (chunk.words[at]! & ~DUE) | ARMED;
    this.request(slot, wholeNs);
  }

  private release(slot: number): void {
    this.table.release(slot);
    if (this.table.count === 0) this.host.keepAlive?.(false);
  }

  /** The slot of a timer that is not over, or -1. */
  private slotOfLive(id: TimerId): number {
    if (typeof id !== 'number') throw invalidId(id);
    const slot = slotOf(id);
    if (!this.table.isUsed(slot)) return -1;
    const generation = this.table.chunkOf(slot).words[metaAt(slot)]! >>> GENERATION_SHIFT;
    return generation === generationOf(id) && generation !== 0 ? slot : -1;
  }

  private request(slot: number, deadlineNs: number): void {
    const delivery = this.delivery;
    let at = delivery[REQUESTS]!;
    if (at === MOST_REQUESTS) {
      this.host.drainTimerRequests();
      at = 0;
    }
    this.requests[at * 2] = slot;
    this.requests[at * 2 + 1] = deadlineNs;
    delivery[REQUESTS] = at + 1;
  }
}

const ignore = (): void => undefined;

const AFTER_OPTIONS = ['delayNs', 'priority'];
const AT_OPTIONS = ['deadlineNs', 'priority'];
const EVERY_OPTIONS = ['intervalNs', 'firstNs', 'priority'];
const WALK_OPTIONS = ['intervalsNs', 'order', 'priority'];
const RESCHEDULE_OPTIONS = ['delayNs', 'deadlineNs'];

/** True when there is an option besides this one and the band. Allocates nothing. */
function hasOther(options: object, known: string): boolean {
  for (const key in options) if (key !== known && key !== 'priority') return true;
  return false;
}

/** "timer callback "expireSessions"": how errors say whose they are. */
function nameOf(callback: TickCallback): string {
  const name: unknown = Object.getOwnPropertyDescriptor(callback, 'name')?.value;
  return typeof name === 'string' && name !== '' ? `timer callback "${name}"` : 'a timer callback without a name';
}

function invalidId(id: unknown): PercoreError {
  return invalidArgument('id', id, 'the number of a timer, as after(), at(), every() and walk() return it');
}

const isWithin = (ns: unknown, least: number): boolean => typeof ns === 'number' && ns >= least && ns <= MOST_NS;

/** Never before the exact sum, also where numbers do not count single nanoseconds any more. */
function laterNs(nowNs: number, delayNs: number): number {
  const sumNs = nowNs + delayNs;
  return sumNs <= EXACT_NS ? sumNs : Math.min(sumNs + ROUNDING_NS, LAST_NS);
}

function checkBand(priority: number | undefined): number {
  if (priority === undefined) return DEFAULT_BAND;
  if (!Number.isInteger(priority) || priority < 0 || priority >= BANDS) {
    throw invalidArgument('priority', priority, `a whole number from 0 to ${BANDS - 1}`);
  }
  return priority;
}

/**
 * A time that cannot be: most often the options are something else, or it is misspelt (delayMs), which says more than
 * that it is missing.
 */
function invalidTime(argument: 'delayNs' | 'deadlineNs', options: unknown, known: readonly string[]): PercoreError {
  if (typeof options !== 'object' || options === null) {
    return invalidArgument('options', options, `an object with ${argument} (and priority if wanted)`);
  }
  checkOptions('options', options, known);
  return invalidDelay(argument, (options as Record<string, unknown>)[argument]);
}

function invalidDelay(argument: string, value: unknown): PercoreError {
  return invalidArgument(argument, value, `nanoseconds from 0 to ${MOST_NS}`, 'ERR_PERCORE_TIMER_INVALID_DELAY');
}

function invalidInterval(argument: string, value: unknown): PercoreError {
  return invalidArgument(
    argument, value, `nanoseconds from ${LEAST_INTERVAL_NS} to ${MOST_NS}`, 'ERR_PERCORE_TIMER_INVALID_INTERVAL',
  );
}

export { noTimer, type Tick, type TickCallback, type TimerId };

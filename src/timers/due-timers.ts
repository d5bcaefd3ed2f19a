/**
 * The inner half of `Timers`: which timers are due, and how they are run. It keeps the table of timers, sends requests
 * to the wheel, and puts the timers that the wheel reports as due into their bands.
 *
 *     add, arm --request--> wheel --poll, when due--> DueBand --runSlot--> callback
 *
 * The table decides. A slot that the wheel reports is only a hint: its timer is due if the deadline in the table says
 * so. It therefore does no harm if the slot was given to a younger timer meanwhile.
 */
import { checkFunction, invalidArgument, PercoreError } from '../errors.js';
import { deliveryLayout, timerCountersLayout, timerRequestsLayout, BANDS } from '../layout.js';
import type { Schedule } from '../scheduling/internal.js';
import { DueBand, type DueBandHost } from './due-band.js';
import { generationOf, noTimer, slotOf, timerId, type TimerId } from './timer-id.js';
import {
  ARMED, BAND_BITS, DUE, GENERATION_SHIFT, TimerTable, WALKS, deadlineAt, indexOf, metaAt,
} from './timer-table.js';
import type { Tick, TickCallback, Walk } from './walk.js';

/** What timers need of their thread: a reactor, or a wheel with a thread's own loop. */
export interface TimersHost {
  /** Puts what has become ready into its band. */
  readonly schedule: Schedule;
  /** The thread's time in nanoseconds; it never goes back. */
  nowNs(): number;
  /** Where the wheel reports expired timers: a Delivery, see layout.ts. */
  readonly delivery: Int32Array;
  /** Where requests to the wheel are gathered: TimerRequests, see layout.ts. */
  readonly timerRequests: Float64Array;
  /** Where the timers count: TimerCounters, see layout.ts. Left out: in memory of their own. */
  readonly counters?: Float64Array;
  /** Hands the gathered requests to the wheel at once. Called when the array is full. */
  drainTimerRequests(): void;
  /**
   * Tells the wheel in which memory the records of slots from index * TIMERS_PER_CHUNK on lie from now on. Left out by
   * a wheel that does not share the records.
   */
  shareTimerRecords?(index: number, records: Float64Array): void;
  /** True if something above `band` is ready, so that a quantum of timers has to end. Left out: it never has to. */
  mustYield?(band: number): boolean;
  /** For a backend that must be told when something was requested: see NativeTurns. */
  readonly knock?: (() => void) | undefined;
  /** Called with true when there is a first timer, and with false when the last one has gone. */
  keepAlive?(isNeeded: boolean): void;
  /**
   * Gets what a callback threw, or the reason for which its promise was rejected, and a text that names the callback.
   */
  onError(error: unknown, where: string): void;
}

const REQUESTS = deliveryLayout.fields.timerRequests.at >> 2;
const MOST_REQUESTS = timerRequestsLayout.fields.pair.count / 2;
const TIMER = deliveryLayout.fields.timer.at >> 2;
const TIMERS = deliveryLayout.fields.timers.at >> 2;
const FIRED = timerCountersLayout.fields.fired.at >> 3;
const LATE = timerCountersLayout.fields.late.at >> 3;
const MISSED = timerCountersLayout.fields.missed.at >> 3;
/** A callback that runs so long after its deadline is counted as late. */
const LATE_NS = 1_000_000;
/** The latest deadline: the last number that the wheel can hold, 292 years after the start. */
export const LAST_NS: number = 2 ** 63 - 1024;

/** What a timer with a single tick tells its callback. All such timers share one object. */
class OnceTick implements Tick {
  readonly sequence = 0;
  readonly missed = 0;
  expectedNs = 0;
  actualNs = 0;
  latenessNs = 0;
}

export class DueTimers implements DueBandHost {
  readonly table: TimerTable;
  readonly bands: readonly DueBand[] = Array.from({ length: BANDS }, (_, band) => new DueBand(this, band));
  isClosed = false;
  /** How many callbacks have thrown, or returned a promise that was rejected. */
  errors = 0;
  /** The callback that is running or ran last, and its band: an error belongs to it. */
  private running: TickCallback = ignore;
  private runningBand = 0;
  private readonly once = new OnceTick();
  private readonly delivery: Int32Array;
  private readonly requests: Float64Array;
  private readonly counters: Float64Array;

  constructor(readonly host: TimersHost) {
    this.counters = host.counters ?? new Float64Array(timerCountersLayout.bytes >> 3);
    this.delivery = host.delivery;
    this.requests = host.timerRequests;
    this.table = new TimerTable((index, records) => host.shareTimerRecords?.(index, records));
  }

  /** How many callbacks have run. */
  get fired(): number {
    return this.counters[FIRED]!;
  }

  nowNs(): number {
    return this.host.nowNs();
  }

  /** Puts the timers that the wheel has expired into their bands; returns how many. Runs nothing. */
  poll(): number {
    const delivery = this.delivery;
    const expired = delivery[TIMERS]!;
    if (expired === 0) return 0;
    // So that a second call in the same turn does not find them again.
    delivery[TIMERS] = 0;
    const nowNs = this.host.nowNs();
    let due = 0;
    let bands = 0;
    for (let i = 0; i < expired; i++) {
      const slot = delivery[TIMER + i]!;
      const chunk = this.table.chunkOf(slot);
      const at = metaAt(slot);
      const meta = chunk.words[at]!;
      // The slot may be free by now, or hold a younger timer, which is not due yet.
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

  /** Takes the next due timer, by band and deadline, without running it; `noTimer` when none is due. */
  select(): TimerId {
    for (let band = BANDS - 1; band >= 0; band--) {
      const queue = this.bands[band]!;
      // This skips the entries of cancelled timers, each once.
      while (queue.count !== 0) {
        const slot = queue.shift();
        const meta = slot < this.table.used ? this.table.chunkOf(slot).words[metaAt(slot)]! : 0;
        if ((meta & DUE) !== 0) return timerId(slot, meta >>> GENERATION_SHIFT);
      }
    }
    return noTimer;
  }

  /** Runs the timer of a slot if it is still due. */
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
    // The timer is over before its callback runs: that may throw, or make a timer that takes this slot.
    this.release(slot);
    this.call(callback as TickCallback, tick);
    return true;
  }

  touch(slot: number): number {
    if (slot >= this.table.used) return 0;
    const chunk = this.table.chunkOf(slot);
    return chunk.words[metaAt(slot)]! ^ (typeof chunk.callbacks[indexOf(slot)] === 'function' ? 1 : 0);
  }

  mustYield(band: number): boolean {
    return this.host.mustYield !== undefined && this.host.mustYield(band);
  }

  noteThrown(error: unknown): void {
    this.report(error, this.running, this.runningBand);
  }

  private call(callback: TickCallback, tick: Tick): void {
    this.running = callback;
    // A callback may be asynchronous, and its rejection counts as an error like any other.
    const result: unknown = callback(tick);
    if (typeof result === 'object' && result !== null) this.follow(result, callback, this.runningBand);
  }

  private follow(result: object, callback: TickCallback, band: number): void {
    // Promise.resolve also copes with an object that only looks like a promise and throws when `then` is read.
    Promise.resolve(result).then(undefined, (error: unknown) => this.report(error, callback, band));
  }

  private report(error: unknown, callback: TickCallback, band: number): void {
    this.errors++;
    this.host.onError(error, `${nameOf(callback)} of band ${band}`);
  }

  private runWalk(slot: number, generation: number, walk: Walk, nowNs: number): void {
    walk.begin(nowNs);
    if (walk.latenessNs >= LATE_NS) this.counters[LATE]!++;
    if (walk.missed !== 0) this.counters[MISSED]! += walk.missed;
    if (walk.isOver) {
      this.release(slot);
      this.call(walk.callback, walk);
      return;
    }
    this.table.chunkOf(slot).words[metaAt(slot)]! &= ~DUE;
    try {
      this.call(walk.callback, walk);
    } finally {
      // A timer with more ticks goes on even if its callback throws, unless it was cancelled or all timers were closed.
      const meta = slot < this.table.used ? this.table.chunkOf(slot).words[metaAt(slot)]! : 0;
      if (meta >>> GENERATION_SHIFT === generation) {
        const hasMoved = (meta & ARMED) !== 0;
        walk.end(hasMoved ? this.table.chunkOf(slot).records[deadlineAt(slot)]! : undefined);
        if (!hasMoved) this.arm(slot, walk.deadlineNs);
      }
    }
  }

  // ---- Changing ---------------------------------------------------------------------------------------------------

  /**
   * Makes a timer that has `entry` in the place of its callback, and the bits of its band and of its kind. V8 takes
   * this into the methods that make timers as long as all of it together is short, and then nothing is allocated, not
   * even the options: so what happens seldom is in functions of its own.
   */
  add(deadlineNs: number, bits: number, callback: TickCallback, entry: TickCallback | Walk): TimerId {
    if (typeof callback !== 'function' || this.isClosed) this.refuse(callback);
    const { table } = this;
    const slot = table.take();
    const chunk = table.chunkOf(slot);
    const meta = table.takenMeta;
    // The wheel counts whole nanoseconds. Rounded down, it would report the timer too early, and it reports it only
    // once.
    const wholeNs = Math.ceil(deadlineNs);
    chunk.records[deadlineAt(slot)] = wholeNs;
    chunk.words[metaAt(slot)] = meta | bits | ARMED;
    chunk.callbacks[indexOf(slot)] = entry;
    this.request(slot, wholeNs);
    if (table.count === 1) this.keepAlive(true);
    return timerId(slot, meta >>> GENERATION_SHIFT);
  }

  private refuse(callback: unknown): never {
    checkFunction('callback', callback);
    throw new PercoreError('ERR_PERCORE_CLOSED', 'these timers are closed');
  }

  private keepAlive(isNeeded: boolean): void {
    this.host.keepAlive?.(isNeeded);
  }

  arm(slot: number, deadlineNs: number): void {
    const chunk = this.table.chunkOf(slot);
    const at = metaAt(slot);
    const wholeNs = Math.min(Math.ceil(deadlineNs), LAST_NS);
    chunk.records[deadlineAt(slot)] = wholeNs;
    chunk.words[at] = (chunk.words[at]! & ~DUE) | ARMED;
    this.request(slot, wholeNs);
  }

  private release(slot: number): void {
    this.table.release(slot);
    if (this.table.count === 0) this.keepAlive(false);
  }

  /** The slot of a timer that is not over yet; otherwise -1. */
  slotOfLive(id: TimerId): number {
    if (typeof id !== 'number') throw invalidId(id);
    const slot = slotOf(id);
    if (!this.table.isUsed(slot)) return -1;
    const generation = this.table.chunkOf(slot).words[metaAt(slot)]! >>> GENERATION_SHIFT;
    return generation === generationOf(id) && generation !== 0 ? slot : -1;
  }

  request(slot: number, deadlineNs: number): void {
    const { delivery, requests } = this;
    let at = delivery[REQUESTS]!;
    if (at === 0 || at === MOST_REQUESTS) at = this.beginRequests(at);
    requests[at * 2] = slot;
    requests[at * 2 + 1] = deadlineNs;
    delivery[REQUESTS] = at + 1;
  }

  /** The next request is the first since the last drain, or finds the array full. Returns its place. */
  private beginRequests(at: number): number {
    if (at !== 0) this.host.drainTimerRequests();
    this.host.knock?.();
    return 0;
  }

  /** Ends a timer; false if it was already over. */
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
    if (table.count === 0) this.keepAlive(false);
    return true;
  }

  /** Ends all timers, including those that are due. */
  close(): void {
    this.isClosed = true;
    this.table.clear();
    for (const band of this.bands) band.clear();
    this.delivery[TIMERS] = 0;
  }
}

const ignore = (): void => undefined;

/** How errors name a callback: `timer callback "expireSessions"`. */
function nameOf(callback: TickCallback): string {
  const name: unknown = Object.getOwnPropertyDescriptor(callback, 'name')?.value;
  return typeof name === 'string' && name !== '' ? `timer callback "${name}"` : 'a timer';
}

function invalidId(id: unknown): PercoreError {
  return invalidArgument('id', id, 'the number of a timer, as after(), at(), every() and walk() return it');
}

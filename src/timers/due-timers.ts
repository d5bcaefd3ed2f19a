/**
 * What is due, and how it is run: the inner half of `Timers`. It keeps the table, tells the wheel, and hands what the
 * wheel says is due to the bands.
 *
 *     add, arm --request--> wheel --poll, when due--> DueBand --runSlot--> callback
 *
 * The table here is the truth. A slot that the wheel hands over is only a hint: whether its timer is due is decided by
 * the deadline in the table, so it does no harm that a slot was given to a younger timer meanwhile.
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

/** What timers need of their thread. */
export interface TimersHost {
  readonly schedule: Schedule;
  /** The thread's time in nanoseconds, never falling. */
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
  /** Of a backend that must be told that something was requested, see NativeTurns. */
  readonly knock?: (() => void) | undefined;
  /** The first timer has come (true), or the last has gone (false). */
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
const MISSED = timerCountersLayout.fields.missed.at >> 3;
/** A callback that runs this long after its deadline counts as late. */
const LATE_NS = 1_000_000;
/** Nothing is later: the last number before the wheel's own end, 292 years after the start. */
export const LAST_NS: number = 2 ** 63 - 1024;

/** What a timer of one tick tells its callback; one object for all of them. */
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
  /** Callbacks so far that threw or whose promise was rejected. */
  errors = 0;
  /** The callback that runs, or ran last, and its band: whose an error is. */
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

  /** Callbacks run so far. */
  get fired(): number {
    return this.counters[FIRED]!;
  }

  nowNs(): number {
    return this.host.nowNs();
  }

  /** Puts what the wheel has expired into its bands; returns how many. Runs nothing. */
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

  /** Takes the next due timer, by band and deadline, without running it; `noTimer` when none is due. */
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

  /** Runs the timer of a slot if it is due still. */
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
      // Also when the callback throws: a timer of more ticks goes on, unless it was cancelled, or everything closed.
      const meta = slot < this.table.used ? this.table.chunkOf(slot).words[metaAt(slot)]! : 0;
      if (meta >>> GENERATION_SHIFT === generation) {
        const hasMoved = (meta & ARMED) !== 0;
        walk.end(hasMoved ? this.table.chunkOf(slot).records[deadlineAt(slot)]! : undefined);
        if (!hasMoved) this.arm(slot, walk.deadlineNs);
      }
    }
  }

  // ---- Changing ---------------------------------------------------------------------------------------------------

  add(deadlineNs: number, band: number, callback: TickCallback, walk: Walk | undefined): TimerId {
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
    if (this.table.count === 0) this.host.keepAlive?.(false);
  }

  /** The slot of a timer that is not over, or -1. */
  slotOfLive(id: TimerId): number {
    if (typeof id !== 'number') throw invalidId(id);
    const slot = slotOf(id);
    if (!this.table.isUsed(slot)) return -1;
    const generation = this.table.chunkOf(slot).words[metaAt(slot)]! >>> GENERATION_SHIFT;
    return generation === generationOf(id) && generation !== 0 ? slot : -1;
  }

  request(slot: number, deadlineNs: number): void {
    const delivery = this.delivery;
    let at = delivery[REQUESTS]!;
    if (at === MOST_REQUESTS) {
      this.host.drainTimerRequests();
      at = 0;
    }
    this.requests[at * 2] = slot;
    this.requests[at * 2 + 1] = deadlineNs;
    delivery[REQUESTS] = at + 1;
    if (at === 0) this.host.knock?.();
  }

  /** Ends a timer; false if it is already over. */
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

  /** Ends every timer, also those that are due. */
  close(): void {
    this.isClosed = true;
    this.table.clear();
    for (const band of this.bands) band.clear();
    this.delivery[TIMERS] = 0;
  }
}

const ignore = (): void => undefined;

/** "timer callback "expireSessions"": how errors say whose they are. */
function nameOf(callback: TickCallback): string {
  const name: unknown = Object.getOwnPropertyDescriptor(callback, 'name')?.value;
  return typeof name === 'string' && name !== '' ? `timer callback "${name}"` : 'a timer';
}

function invalidId(id: unknown): PercoreError {
  return invalidArgument('id', id, 'the number of a timer, as after(), at(), every() and walk() return it');
}

/**
 * Timers of one thread, over the native wheel. Callbacks and generations live here; the wheel knows only slot numbers and
 * deadlines. Creating and cancelling does not cross into native: requests are gathered in a shared array that the next poll
 * drains. Periodic timers run by absolute deadlines, so they do not drift; ticks that came too late are skipped and counted.
 */
import { checkFunction, invalidArgument } from '../errors.js';
import { deliveryLayout, timerRequestsLayout, BANDS } from '../layout.js';
import { DEFAULT_BAND, type Ready, type Schedule } from '../ready.js';
import { noTimer, slotOf, timerId, MAX_TIMERS, type TimerId } from './timer-id.js';

/** What a timer tells its callback. The object is the timer's own and is written again at the next tick. */
export interface Tick {
  /** 0 for the first, growing by one a tick, missed ones included. */
  readonly sequence: number;
  /** When it was due and when it ran, nanoseconds since the runtime's start. */
  readonly expectedNs: number;
  readonly actualNs: number;
  /** actual less expected; never negative. */
  readonly latenessNs: number;
  /** Ticks skipped since the last one because they were already over. */
  readonly missed: number;
}
export type TickCallback = (tick: Tick) => void;

export interface AfterOptions {
  /** Nanoseconds from now: 0 or more. */
  delayNs: number;
  /** Band of the callback, 0 to 7. */
  priority?: number;
}
export interface EveryOptions {
  /** Nanoseconds between ticks: 1,000 (a microsecond) or more. */
  intervalNs: number;
  /** Nanoseconds from now to the first tick; one interval if left out. */
  firstNs?: number;
  priority?: number;
}

/** What timers need of their thread. */
export interface TimersHost {
  readonly schedule: Schedule;
  nowNs(): number;
  readonly delivery: Int32Array;
  readonly timerRequests: Float64Array;
  /** Hands the gathered requests to the wheel now; when the array is full. */
  drainTimerRequests(): void;
}

const REQUESTS = deliveryLayout.fields.timerRequests.at >> 2;
const MOST_REQUESTS = timerRequestsLayout.fields.pair.count / 2;
const TIMER = deliveryLayout.fields.timer.at >> 2;
const TIMERS = deliveryLayout.fields.timers.at >> 2;
/** Deadlines beyond this are not told apart from never: a century and more. */
const MOST_NS = 2 ** 62;

class Timer implements Ready, Tick {
  isReady = false;
  isLive = true;
  sequence = 0;
  actualNs = 0;
  latenessNs = 0;
  missed = 0;

  constructor(private readonly timers: Timers, readonly id: TimerId, readonly band: number, public expectedNs: number, readonly intervalNs: number, private readonly callback: TickCallback) {}

  run(): boolean {
    if (!this.isLive) return false;
    this.actualNs = this.timers.nowNs();
    // A task that threw is offered again: this one has had its tick and waits for the next.
    if (this.actualNs < this.expectedNs) return false;
    this.latenessNs = this.actualNs - this.expectedNs;
    if (this.intervalNs === 0) {
      this.timers.forget(this);
      this.callback(this);
      return false;
    }
    this.missed = Math.floor(this.latenessNs / this.intervalNs);
    this.sequence += this.missed;
    // What is over is skipped; the grid of deadlines stays where it was.
    const expected = this.expectedNs + this.missed * this.intervalNs;
    this.expectedNs = expected;
    this.latenessNs = this.actualNs - expected;
    try {
      this.callback(this);
    } finally {
      // Also when the callback throws: a periodic timer goes on.
      if (this.isLive) {
        this.sequence++;
        this.expectedNs = expected + this.intervalNs;
        this.timers.arm(this.id, this.expectedNs);
      }
    }
    return false;
  }
}

export class Timers {
  private readonly live: (Timer | undefined)[] = [];
  private readonly freeSlots: number[] = [];
  private readonly generations: number[] = [];

  constructor(private readonly host: TimersHost) {}

  /** Timers that have not fired for the last time. */
  get count(): number {
    return this.live.length - this.freeSlots.length;
  }

  nowNs(): number {
    return this.host.nowNs();
  }

  /** Runs `callback` once, `delayNs` from now, never early. Only on this thread; allocates the timer. */
  after(options: AfterOptions, callback: TickCallback): TimerId {
    const delayNs = checkDuration('delayNs', options.delayNs, 0);
    return this.create(options.priority, this.host.nowNs() + delayNs, 0, callback);
  }

  /** Runs `callback` every `intervalNs` by absolute deadlines. A tick that is over before it runs is skipped and counted in `missed`. */
  every(options: EveryOptions, callback: TickCallback): TimerId {
    const intervalNs = checkDuration('intervalNs', options.intervalNs, 1000);
    const firstNs = options.firstNs === undefined ? intervalNs : checkDuration('firstNs', options.firstNs, 0);
    return this.create(options.priority, this.host.nowNs() + firstNs, intervalNs, callback);
  }

  /** Ends a timer: its callback will not run again, even if it has expired already. False for one that is over. */
  cancel(id: TimerId): boolean {
    const timer = this.live[slotOf(id)];
    if (timer === undefined || timer.id !== id) return false;
    this.arm(id, -1);
    this.forget(timer);
    return true;
  }

  /** Takes what the wheel has expired and makes each ready in its band; returns how many. */
  poll(): number {
    const delivery = this.host.delivery;
    const count = delivery[TIMERS]!;
    for (let i = 0; i < count; i++) {
      const timer = this.live[delivery[TIMER + i]!];
      // The slot may hold a younger timer by now: one whose deadline has not come is not meant.
      if (timer !== undefined && !timer.isReady && timer.expectedNs <= this.host.nowNs()) this.host.schedule(timer);
    }
    // Taken: asking again in the same turn finds nothing twice.
    delivery[TIMERS] = 0;
    return count;
  }

  /** For Timer alone. */
  arm(id: TimerId, deadlineNs: number): void {
    const delivery = this.host.delivery;
    if (delivery[REQUESTS] === MOST_REQUESTS) this.host.drainTimerRequests();
    const at = delivery[REQUESTS]!++ * 2;
    this.host.timerRequests[at] = slotOf(id);
    // The wheel counts whole nanoseconds: rounded down, it would tell poll() before the time, and once only.
    this.host.timerRequests[at + 1] = Math.ceil(Math.min(deadlineNs, MOST_NS));
  }

  /** For Timer alone. */
  forget(timer: Timer): void {
    timer.isLive = false;
    const slot = slotOf(timer.id);
    this.live[slot] = undefined;
    this.freeSlots.push(slot);
  }

  private create(priority: number = DEFAULT_BAND, deadlineNs: number, intervalNs: number, callback: TickCallback): TimerId {
    if (!Number.isInteger(priority) || priority < 0 || priority >= BANDS) throw invalidArgument('priority', priority, `a whole number from 0 to ${BANDS - 1}`);
    checkFunction('callback', callback);
    const slot = this.freeSlots.pop() ?? this.live.length;
    if (slot >= MAX_TIMERS) throw invalidArgument('timers', slot, `at most ${MAX_TIMERS} at a time`);
    const generation = (this.generations[slot] ?? 0) + 1;
    this.generations[slot] = generation;
    const timer = new Timer(this, timerId(slot, generation), priority, deadlineNs, intervalNs, callback);
    this.live[slot] = timer;
    this.arm(timer.id, deadlineNs);
    return timer.id;
  }
}

function checkDuration(argument: string, value: unknown, least: number): number {
  if (typeof value !== 'number' || !(value >= least) || value > MOST_NS) throw invalidArgument(argument, value, `nanoseconds from ${least} to ${MOST_NS}`);
  return value;
}

export { noTimer, type TimerId };

/** Timers that no reactor drives, and alarms for rate timers, both on timers of Node's. */
import { deliveryLayout } from '../layout.js';
import type {
  NativeAlarms, NativeTimersOptions, NativeWheels, RateTimerHandle, TimersHandle,
} from '../native/index.js';
import { clock } from './clock.js';
import { errnoNamed, missing } from './errno.js';
import { LoopGuest } from './loop-guest.js';
import { Hold } from './threads.js';
import { TimerExchange, WakeUp } from './timer-exchange.js';

const TIMERS = deliveryLayout.fields.timers.at >> 2;
const HAS_MORE = deliveryLayout.fields.hasMore.at >> 2;

class LoopTimers {
  readonly exchange: TimerExchange;
  readonly guest: LoopGuest = new LoopGuest(() => this.pass());
  readonly isDriven: boolean;
  private readonly delivery: Int32Array;
  private readonly deliver: () => void;
  private readonly now = new Float64Array(1);
  private readonly readClock: () => void;
  private readonly wakeUp = new WakeUp(() => this.guest.knock());

  constructor({ delivery, timerRequests, expiriesPerTurn, originNs, deliver }: NativeTimersOptions) {
    this.delivery = delivery;
    this.exchange = new TimerExchange(delivery, timerRequests, expiriesPerTurn);
    this.isDriven = deliver !== undefined;
    this.deliver = deliver ?? (() => undefined);
    this.readClock = clock.create(this.now, originNs, 1);
  }

  close(): void {
    this.guest.close();
    this.wakeUp.set(Infinity, 0);
  }

  private pass(): boolean {
    const { delivery, exchange } = this;
    if (exchange.poll(this.nowNs()) || delivery[HAS_MORE] !== 0) {
      try {
        this.deliver();
      } finally {
        delivery[TIMERS] = 0;
      }
    }
    if (this.guest.isClosed) return false;
    if (exchange.hasRequests) exchange.drain();
    const now = this.nowNs();
    // Promises of this turn run before the next one.
    if (delivery[HAS_MORE] !== 0 || exchange.heap.nextNs <= now) return true;
    this.wakeUp.set(exchange.heap.nextNs, now);
    return false;
  }

  private nowNs(): number {
    this.readClock();
    return this.now[0]!;
  }
}

const timersOf = (handle: TimersHandle): LoopTimers => handle as unknown as LoopTimers;

export const wheels: NativeWheels = {
  create: (options) => new LoopTimers(options) as unknown as TimersHandle,
  drain: (timers) => timersOf(timers).exchange.drain(),
  share: (timers, index, records) => timersOf(timers).exchange.heap.setChunk(index, records),
  poll: (timers, nowNs) => void timersOf(timers).exchange.poll(nowNs),
  next(timers) {
    const { exchange } = timersOf(timers);
    exchange.drain();
    return exchange.heap.nextNs;
  },
  setReferenced: (timers, isReferenced) => timersOf(timers).guest.setReferenced(isReferenced),
  close: (timers) => timersOf(timers).close(),
  knock: (timers) => {
    const { isDriven, guest } = timersOf(timers);
    if (isDriven) guest.knock();
  },
};

const [DEADLINE_NS, FIRED_NS, IS_FIRING] = [0, 1, 2];
/** Node's timers end about a millisecond late: nearer deadlines are waited for by immediates. */
const NODE_LATE_NS = 1_500_000;

/** Sleeps by a timer of Node's, then passes the loop until the deadline has come, if it may spin at all. */
class LoopAlarm {
  private readonly now = new Float64Array(1);
  private readonly readClock: () => void;
  private readonly hold = new Hold();
  private readonly wakeUp = new WakeUp(() => this.look());
  private immediate: NodeJS.Immediate | undefined;
  private isReferenced = true;
  private isClosed = false;

  constructor(
    kind: number, originNs: number, private readonly spinNs: number, private readonly state: Float64Array,
    private readonly onExpire: () => void,
  ) {
    this.readClock = clock.create(this.now, originNs, kind);
  }

  arm(): number {
    if (!this.isClosed && this.state[IS_FIRING!] === 0) this.apply();
    return 0;
  }

  setReferenced(isReferenced: boolean): void {
    this.isReferenced = isReferenced;
    this.keepAlive();
  }

  close(): void {
    this.isClosed = true;
    this.stop();
    this.hold.set(false);
  }

  private apply(): void {
    this.stop();
    this.keepAlive();
    const deadlineNs = this.state[DEADLINE_NS!]!;
    if (deadlineNs === Infinity) return;
    this.readClock();
    const now = this.now[0]!;
    const left = deadlineNs - now;
    if (left <= 0 || (this.spinNs > 0 && left < NODE_LATE_NS)) this.immediate = setImmediate(() => this.look());
    else this.wakeUp.set(this.spinNs > 0 ? deadlineNs - NODE_LATE_NS : deadlineNs, now);
  }

  private look(): void {
    this.immediate = undefined;
    const { state } = this;
    this.readClock();
    if (this.now[0]! < state[DEADLINE_NS!]!) return this.apply();
    state[FIRED_NS!] = this.now[0]!;
    state[IS_FIRING!] = 1;
    // Promises of the callback say when the next one is wanted: it looks when they have run.
    setImmediate(() => {
      state[IS_FIRING!] = 0;
      if (!this.isClosed) this.apply();
    });
    this.onExpire();
  }

  private stop(): void {
    clearImmediate(this.immediate);
    this.immediate = undefined;
    this.wakeUp.set(Infinity, 0);
  }

  private keepAlive(): void {
    this.hold.set(this.isReferenced && !this.isClosed && this.state[DEADLINE_NS!]! !== Infinity);
  }
}

const alarmOf = (handle: RateTimerHandle): LoopAlarm => handle as unknown as LoopAlarm;

export const alarms: NativeAlarms = {
  create(isUring, kind, originNs, spinNs, _isAdaptive, state, onExpire) {
    if (isUring) throw missing('io_uring_setup');
    return new LoopAlarm(kind, originNs, spinNs, state, onExpire) as unknown as RateTimerHandle;
  },
  arm: (timer) => (timer instanceof LoopAlarm ? timer.arm() : -errnoNamed('EBADF')),
  setReferenced: (timer, isReferenced) => alarmOf(timer).setReferenced(isReferenced),
  close: (timer) => alarmOf(timer).close(),
};

/**
 * The heap between its two arrays: requests come in, expired timers go out; and one timer of Node's, which ends the
 * sleep of the thread. This is what a turn and timers alone have in common, as in native/timer_exchange.h.
 */
import { deliveryLayout } from '../layout.js';
import { TimerHeap } from './timer-heap.js';

const REQUESTS = deliveryLayout.fields.timerRequests.at >> 2;
const TIMERS = deliveryLayout.fields.timers.at >> 2;
const TIMER = deliveryLayout.fields.timer.at >> 2;
/** Node turns longer ones into 1 ms. */
const MOST_MS = 2 ** 31 - 1;

export class TimerExchange {
  readonly heap: TimerHeap = new TimerHeap();

  /** `counters[live]` shows how many timers are armed. */
  constructor(
    private readonly delivery: Int32Array, private readonly requests: Float64Array,
    private readonly expiriesPerTurn: number, private readonly counters?: Float64Array, private readonly live = 0,
  ) {}

  get hasRequests(): boolean {
    return this.delivery[REQUESTS] !== 0;
  }

  /** Does what was requested. */
  drain(): void {
    const { delivery, requests, heap } = this;
    const count = delivery[REQUESTS]!;
    for (let at = 0; at < count; at++) {
      const deadlineNs = requests[at * 2 + 1]!;
      if (deadlineNs < 0) heap.disarm(requests[at * 2]!);
      else heap.arm(requests[at * 2]!, deadlineNs);
    }
    delivery[REQUESTS] = 0;
    this.tellLive();
  }

  /** Drains the requests, and adds to the delivery what is due. True if the delivery holds timers. */
  poll(nowNs: number): boolean {
    const { delivery, heap } = this;
    if (delivery[REQUESTS] !== 0) this.drain();
    if (heap.nextNs <= nowNs) {
      const held = delivery[TIMERS]!;
      delivery[TIMERS] = held + heap.expire(nowNs, delivery, TIMER + held, this.expiriesPerTurn - held);
      this.tellLive();
    }
    return delivery[TIMERS] !== 0;
  }

  private tellLive(): void {
    if (this.counters !== undefined) this.counters[this.live] = this.heap.count;
  }
}

/** One timer of Node's for the earliest deadline. Node rounds it up to whole milliseconds, so it is never early. */
export class WakeUp {
  private timer: NodeJS.Timeout | undefined;
  private forNs = Infinity;

  constructor(private readonly onWake: () => void) {}

  /** Calls `onWake` at `deadlineNs`; with Infinity, not at all. Keeps no thread alive. */
  set(deadlineNs: number, nowNs: number): void {
    if (deadlineNs === this.forNs) return;
    clearTimeout(this.timer);
    this.forNs = deadlineNs;
    this.timer = deadlineNs === Infinity ? undefined : setTimeout(() => {
      this.forNs = Infinity;
      this.onWake();
    }, Math.min(Math.ceil((deadlineNs - nowNs) / 1e6), MOST_MS)).unref();
  }
}

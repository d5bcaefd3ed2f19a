/**
 * A reactor's loop without a thread: stands in for native/turn.cc. Everything above it is the code that ships.
 *
 *     pass:  look at lanes, wheel, stop word, yieldRequested --work--> the reactor's turn
 *                          \--nothing--> PARKED: look again --nothing--> asleep, until woken or a timer is due
 */
import {
  LANES_PER_PEER, LINE_BYTES, deliveryLayout, laneOffset, partyLayout, queueLayout, words,
} from '../layout.js';
import type { Native, TimersHandle, TurnOptions } from '../native.js';
import { partyCounters, partyWords } from '../reactor/internal.js';

const {
  attention, yieldRequested, stop, lanesVersion, parties, laneBytes, turns, turnNs, beforeNs, endedNs, busyNs, parks,
} = partyLayout.fields;
const { lanes, lane, timers, isMuted, hasMore, isSummoned, timerRequests } = deliveryLayout.fields;
const { PARKED, AWAKE } = words.attention;
const STOP_SEEN = deliveryLayout.fields.stop.at >> 2;
const PRODUCER_CURSOR = queueLayout.fields.producerCursor.at >> 2;
const CONSUMER_CURSOR = queueLayout.fields.consumerCursor.at >> 2;
/** The words of a reactor's wheel: native/timer_wheel.h, native/timer_exchange.h. */
const TICK_BITS = 16;
const EXPIRIES = 256;

interface KnownLane { readonly number: number; readonly ring: Int32Array }

export class Loop {
  isAsleep = false;
  /** In the middle of a pass: others may have a pass of their own meanwhile, but not this one. */
  isRunning = false;
  /** In the middle of the turn of a pass. */
  isInTurn = false;
  hasEnded = false;
  /** When it is to be woken for a timer; Infinity if never. */
  deadlineNs = Infinity;
  private readonly party: Int32Array;
  private readonly counters: Float64Array;
  private readonly inbox: SharedArrayBuffer;
  private readonly delivery: Int32Array;
  private readonly wheel: TimersHandle;
  private known: KnownLane[] = [];
  private knownVersion = -1;
  /** The eventfd was written while it did not sleep. */
  private isSignalled = false;
  private seenStop: number = words.stop.RUN;

  constructor(
    private readonly addon: Native, private readonly options: TurnOptions, private readonly nowNs: () => number,
  ) {
    const { inbox, delivery, timerRequests: requests } = options;
    this.inbox = inbox.buffer as SharedArrayBuffer;
    this.party = partyWords(this.inbox);
    this.counters = partyCounters(this.inbox);
    this.delivery = delivery;
    this.wheel = addon.wheels.create({
      delivery, timerRequests: requests, tickBits: TICK_BITS, expiriesPerTurn: EXPIRIES, originNs: 0,
    });
  }

  /**
   * Looks at everything once, and runs a turn if there is something to do; otherwise it sleeps. True: a turn has run.
   */
  pass(): boolean {
    this.isRunning = true;
    try {
      if (this.poll()) return this.turn();
      // park.attention: as `park` in turn.cc: say that this sleeps, then look again.
      Atomics.store(this.party, attention.at >> 2, PARKED);
      if (this.poll()) {
        // park.attention: as there; a waker may have swapped it already.
        Atomics.store(this.party, attention.at >> 2, AWAKE);
        return this.turn();
      }
      if (this.isSignalled) {
        // The eventfd was written before this could sleep: epoll returns at once.
        this.isSignalled = false;
        // park.attention: as there.
        Atomics.store(this.party, attention.at >> 2, AWAKE);
        return false;
      }
      this.counters[parks.at >> 3]!++;
      this.deadlineNs = this.addon.wheels.next(this.wheel);
      this.isAsleep = true;
      return false;
    } finally {
      this.isRunning = this.isInTurn = false;
    }
  }

  /** Somebody has written the eventfd. True if it sleeps, and so has to be woken. */
  signal(): boolean {
    this.isSignalled = !this.isAsleep;
    return this.isAsleep && !this.hasEnded;
  }

  /** It sleeps no longer. */
  wake(): void {
    if (!this.isAsleep) return;
    // park.attention: as onCheck() in turn.cc. While it counts as asleep, so that no pass of it comes in between.
    Atomics.store(this.party, attention.at >> 2, AWAKE);
    this.isAsleep = false;
    this.deadlineNs = Infinity;
  }

  /** Whether code that ran beside the turn has asked for one, or for a timer: libuv comes by before it sleeps again. */
  wantsPass(): boolean {
    const { delivery } = this;
    return delivery[hasMore.at >> 2] !== 0 || delivery[timerRequests.at >> 2] !== 0;
  }

  drainTimers(): void {
    this.addon.wheels.drain(this.wheel);
  }

  shareTimers(index: number, records: Float64Array): void {
    this.addon.wheels.share(this.wheel, index, records);
  }

  /** No pass comes after this. */
  end(): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.isAsleep = true;
    this.deadlineNs = Infinity;
    this.addon.wheels.close(this.wheel);
  }

  private turn(): true {
    const { counters, delivery } = this;
    const fromNs = this.nowNs();
    counters[turns.at >> 3]!++;
    counters[beforeNs.at >> 3] = counters[turnNs.at >> 3]!;
    counters[turnNs.at >> 3] = fromNs;
    this.isInTurn = true;
    this.options.deliver();
    this.isInTurn = false;
    delivery[lanes.at >> 2] = delivery[timers.at >> 2] = 0;
    const toNs = (counters[endedNs.at >> 3] = this.nowNs());
    counters[busyNs.at >> 3]! += toNs - fromNs;
    return true;
  }

  private poll(): boolean {
    const { delivery, party } = this;
    let hasWork = this.scanLanes() || delivery[hasMore.at >> 2] !== 0;
    this.addon.wheels.poll(this.wheel, this.nowNs());
    if (delivery[timers.at >> 2] !== 0) hasWork = true;
    // stop.word: pairs with the runtime's store, as in turn.cc.
    const stopWord = Atomics.load(party, stop.at >> 2);
    if (stopWord !== this.seenStop) {
      this.seenStop = delivery[STOP_SEEN] = stopWord;
      hasWork = true;
    }
    // park.yield: pairs with notify() and summon(), as in turn.cc.
    if (Atomics.load(party, yieldRequested.at >> 2) !== 0) {
      Atomics.store(party, yieldRequested.at >> 2, 0);
      delivery[isSummoned.at >> 2] = 1;
    }
    return hasWork || delivery[isSummoned.at >> 2] !== 0;
  }

  private scanLanes(): boolean {
    // Pairs with announceLane(), as in turn.cc.
    const version = Atomics.load(this.party, lanesVersion.at >> 2);
    if (version !== this.knownVersion) this.findLanes(version);
    const { delivery } = this;
    let count = 0;
    for (const { number, ring } of this.known) {
      // park.publish: pairs with the ring's flush(). The consumer's cursor is this thread's own.
      if (Atomics.load(ring, PRODUCER_CURSOR) === ring[CONSUMER_CURSOR]) continue;
      if (delivery[(isMuted.at >> 2) + number] !== 0) continue;
      delivery[(lane.at >> 2) + count++] = number;
    }
    delivery[lanes.at >> 2] = count;
    return count !== 0;
  }

  private findLanes(version: number): void {
    this.knownVersion = version;
    const count = this.party[parties.at >> 2]!;
    const bytes = this.party[laneBytes.at >> 2]!;
    const madeBy = new Int32Array(this.inbox, partyLayout.bytes, (count * LINE_BYTES) >> 2);
    this.known = [];
    for (let from = 0; from < count; from++) {
      // Pairs with announceLane().
      const made = Atomics.load(madeBy, (from * LINE_BYTES) >> 2);
      for (let number = 0; number < LANES_PER_PEER; number++) {
        if ((made & (1 << number)) === 0) continue;
        const at = laneOffset(count, bytes, from, number);
        this.known.push({
          number: from * LANES_PER_PEER + number, ring: new Int32Array(this.inbox, at, queueLayout.bytes >> 2),
        });
      }
    }
  }
}

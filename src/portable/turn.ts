/**
 * The loop around a reactor's turn, in JavaScript: what native/turn.cc does between prepare and check is done here in
 * an immediate of Node's, which runs once in each pass of the loop while there is something to do.
 *
 *      a pass of libuv:   timers --> sockets --> immediate: poll --something--> deliver = one turn --> promises
 *                                                   |nothing                          \--> the next immediate
 *                                                   look on for a while, then the next immediate, or say "parked"
 *
 *      parked:  the waker is rung | Node's timer for the earliest deadline | an event of a socket | `knock`
 *                  \--> awake: an immediate
 *
 * The handshake with wakers, and its words, are those of native/turn.h. What JavaScript of this thread asks for between
 * two turns (a task is ready, a timer is made) is announced by `knock`, since nobody looks at each pass of the loop.
 */
import { deliveryLayout, LANES_PER_PEER, LINE_BYTES, laneOffset, partyLayout, queueLayout, words } from '../layout.js';
import { timerCountersLayout } from '../layout.js';
import type { TurnOptions } from '../native/index.js';
import { clock } from './clock.js';
import { systemError } from './errno.js';
import { Idling } from './idling.js';
import type { LoopSource } from './source.js';
import { countOwn, Hold } from './threads.js';
import { TimerExchange, WakeUp } from './timer-exchange.js';
import { isWaker, ringsOf, sleep } from './wakers.js';

const party = partyLayout.fields;
const ATTENTION = party.attention.at >> 2;
const YIELD_REQUESTED = party.yieldRequested.at >> 2;
const STOP_WORD = party.stop.at >> 2;
const LANES_VERSION = party.lanesVersion.at >> 2;
const PARTIES = party.parties.at >> 2;
const LANE_BYTES = party.laneBytes.at >> 2;
const TURNS = party.turns.at >> 3;
const PARKS = party.parks.at >> 3;
const WAKES = party.wakes.at >> 3;
const BUSY_NS = party.busyNs.at >> 3;
const TURN_NS = party.turnNs.at >> 3;
const BEFORE_NS = party.beforeNs.at >> 3;
const ENDED_NS = party.endedNs.at >> 3;
const LOOKED_NS = party.lookedNs.at >> 3;
const WOKE_NS = party.wokeNs.at >> 3;
const LIBUV_TURNS = party.libuvTurns.at >> 3;
const LIVE = (party.timers.at + timerCountersLayout.fields.live.at) >> 3;
const { lanes, lane, timers, stop, hasMore, isSummoned, isMuted, tellLongNs } = deliveryLayout.fields;
const LANES = lanes.at >> 2;
const LANE = lane.at >> 2;
const TIMERS = timers.at >> 2;
const STOP = stop.at >> 2;
const HAS_MORE = hasMore.at >> 2;
const IS_SUMMONED = isSummoned.at >> 2;
const IS_MUTED = isMuted.at >> 2;
const TELL_LONG_NS = tellLongNs.at >> 2;
const PRODUCER = queueLayout.fields.producerCursor.at >> 2;
const CONSUMER = queueLayout.fields.consumerCursor.at >> 2;
const { PARKED, AWAKE } = words.attention;
/** The most timers that a turn hands over, as in native code. */
const EXPIRIES_PER_TURN = 256;
/** How often the lanes are looked at between two looks at the clock. */
const LOOKS_PER_CLOCK = 8;

export class LoopTurn {
  readonly exchange: TimerExchange;
  /** At most one. */
  source: LoopSource | undefined;
  private readonly shared: Int32Array;
  private readonly counters: Float64Array;
  private readonly delivery: Int32Array;
  private readonly now = new Float64Array(1);
  private readonly readClock: () => void;
  private readonly idling: Idling;
  private readonly hold = new Hold(true);
  private readonly wakeUp = new WakeUp(() => this.wake());
  private readonly pass = (): void => this.runPass();
  private readonly rung = (): void => this.onRung();
  private laneProducers: number[] = [];
  private laneConsumers: number[] = [];
  private laneNumbers: number[] = [];
  /** When the sources were last looked at. */
  private lookedNs = 0;
  /** A long turn has ended, and JavaScript does not know yet: see tellLongNs. */
  private isUntold = false;
  private lanesVersion = 0;
  private seenStop: number = words.stop.RUN;
  private hasImmediate = false;
  private isAsleep = false;
  /** A sleep at the waker has begun and not ended: it serves the next park as well. */
  private isWaiting = false;
  private isDelivering = false;
  private isDead = false;
  private isReferenced = true;

  constructor(private readonly options: TurnOptions) {
    const { inbox, delivery, timerRequests, eventFd, originNs } = options;
    if (!isWaker(eventFd)) throw systemError('EBADF', 'createTurn', 'eventFd is no waker');
    this.shared = new Int32Array(inbox.buffer, inbox.byteOffset, inbox.byteLength >> 2);
    this.counters = new Float64Array(inbox.buffer, inbox.byteOffset, partyLayout.bytes >> 3);
    this.delivery = delivery;
    this.readClock = clock.create(this.now, originNs, 1);
    this.readClock();
    this.idling = new Idling(this.shared, this.now[0]!);
    this.exchange = new TimerExchange(delivery, timerRequests, EXPIRIES_PER_TURN, this.counters, LIVE);
    this.hold.set(true);
    this.again();
  }

  /** Something was asked for between two turns, or a socket has something. */
  knock(): void {
    if (!this.isDelivering && !this.hasImmediate && !this.isDead) this.wake();
  }

  setReferenced(isReferenced: boolean): void {
    this.isReferenced = isReferenced;
    if (!this.isDead) this.hold.set(isReferenced);
  }

  shutDown(): void {
    if (this.isDead) return;
    this.isDead = true;
    // park.attention: whoever finds it awake does not wake it.
    Atomics.store(this.shared, ATTENTION, AWAKE);
    this.hold.set(false);
    this.wakeUp.set(Infinity, 0);
    this.source?.close();
    this.counters[LIVE] = 0;
  }

  // ---- One pass -----------------------------------------------------------------------------------------------------

  private again(): void {
    if (this.hasImmediate || this.isDead) return;
    this.hasImmediate = true;
    countOwn('Immediate', 1);
    setImmediate(this.pass);
  }

  private runPass(): void {
    this.hasImmediate = false;
    countOwn('Immediate', -1);
    if (this.isDead) return;
    this.counters[LIBUV_TURNS]!++;
    const { idling } = this;
    let now = this.nowNs();
    let hasWork = this.poll(now);
    if (!hasWork && this.isUntold) hasWork = true;
    if (!hasWork) {
      // Nobody spins for a thread that is to end when nothing is left.
      const parkAt = this.isReferenced ? idling.parkAtNs() : 0;
      const endNs = Math.min(parkAt, now + idling.ioIntervalNs);
      while (!hasWork && now < endNs) {
        for (let i = 0; i < LOOKS_PER_CLOCK && !hasWork; i++) hasWork = this.scanLanes();
        now = this.nowNs();
        hasWork = this.poll(now) || hasWork;
      }
      if (!hasWork && now >= parkAt && this.park(now)) return;
    }
    // Before the turn, which may throw.
    this.again();
    if (hasWork) this.deliver(now);
  }

  /** Announces that it parks, looks at everything again, and goes to sleep. False: something came. */
  private park(now: number): boolean {
    const { shared, options: { eventFd } } = this;
    const rings = ringsOf(eventFd);
    // park.attention: pairs with notify(). From here on a producer that publishes sees PARKED and rings the waker.
    Atomics.store(shared, ATTENTION, PARKED);
    if (this.poll(now)) {
      // A waker may have swapped it already: both write AWAKE.
      Atomics.store(shared, ATTENTION, AWAKE);
      return false;
    }
    this.counters[PARKS]!++;
    this.idling.notePark();
    this.wakeUp.set(this.exchange.heap.nextNs, now);
    this.isAsleep = true;
    if (!this.isWaiting) {
      this.isWaiting = true;
      sleep(eventFd, rings, this.rung);
    }
    return true;
  }

  private onRung(): void {
    this.isWaiting = false;
    this.counters[WAKES]!++;
    this.wake();
  }

  private wake(): void {
    if (this.isAsleep) {
      this.isAsleep = false;
      this.counters[WOKE_NS] = this.nowNs();
      // park.attention: awake before the lanes are looked at, so that a later record rings nobody.
      if (!this.isDead) Atomics.store(this.shared, ATTENTION, AWAKE);
    }
    this.again();
  }

  private deliver(now: number): void {
    const { counters, delivery, source } = this;
    const hadLanes = delivery[LANES] !== 0;
    this.isUntold = false;
    if (hadLanes) this.idling.noteLaneWork(now);
    counters[TURNS]!++;
    counters[BEFORE_NS] = counters[TURN_NS]!;
    counters[TURN_NS] = now;
    this.isDelivering = true;
    try {
      this.options.deliver();
    } finally {
      this.isDelivering = false;
      if (!this.isDead) source?.drain();
      delivery[LANES] = delivery[TIMERS] = 0;
      const after = this.nowNs();
      counters[BUSY_NS]! += after - now;
      counters[ENDED_NS] = after;
      const longNs = delivery[TELL_LONG_NS]!;
      if (longNs !== 0 && after - now >= longNs) this.isUntold = true;
      if (hadLanes) this.idling.lastLaneWorkNs = after;
    }
  }

  private nowNs(): number {
    this.readClock();
    return this.now[0]!;
  }

  // ---- What there is to do ------------------------------------------------------------------------------------------

  /** Fills the delivery; true if JavaScript has something to do. The order is that of native/turn.cc. */
  private poll(now: number): boolean {
    const { delivery, shared, source } = this;
    this.counters[LOOKED_NS] = this.lookedNs;
    this.lookedNs = now;
    let hasWork = this.scanLanes() || delivery[HAS_MORE] !== 0;
    if (source !== undefined) hasWork = source.poll() || hasWork;
    hasWork = this.exchange.poll(now) || hasWork;
    // stop.word: pairs with the runtime's store, which is followed by a wake.
    const stopWord = Atomics.load(shared, STOP_WORD);
    if (stopWord !== this.seenStop) {
      this.seenStop = delivery[STOP] = stopWord;
      hasWork = true;
    }
    // park.yield: pairs with notify() and summon(). Cleared before JavaScript looks at anything, so that a later
    // request is not lost.
    if (Atomics.load(shared, YIELD_REQUESTED) !== 0) {
      Atomics.store(shared, YIELD_REQUESTED, 0);
      delivery[IS_SUMMONED] = 1;
    }
    return hasWork || delivery[IS_SUMMONED] !== 0;
  }

  private scanLanes(): boolean {
    const { shared, delivery, laneProducers, laneConsumers, laneNumbers } = this;
    // Pairs with the add after a new lane's header is complete.
    const version = Atomics.load(shared, LANES_VERSION);
    if (version !== this.lanesVersion) {
      this.lanesVersion = version;
      this.findLanes();
      return this.scanLanes();
    }
    let count = 0;
    for (let i = 0; i < laneNumbers.length; i++) {
      // park.publish: pairs with the ring's flush(). The consumer's cursor is this thread's own.
      if (Atomics.load(shared, laneProducers[i]!) === shared[laneConsumers[i]!]) continue;
      const number = laneNumbers[i]!;
      if (delivery[IS_MUTED + number] === 0) delivery[LANE + count++] = number;
    }
    delivery[LANES] = count;
    return count !== 0;
  }

  private findLanes(): void {
    const { shared } = this;
    const parties = shared[PARTIES]!;
    const laneBytes = shared[LANE_BYTES]!;
    this.laneProducers = [];
    this.laneConsumers = [];
    this.laneNumbers = [];
    for (let from = 0; from < parties; from++) {
      // Pairs with announceLane().
      const made = Atomics.load(shared, (partyLayout.bytes + from * LINE_BYTES) >> 2);
      for (let number = 0; number < LANES_PER_PEER; number++) {
        if ((made & (1 << number)) === 0) continue;
        const at = laneOffset(parties, laneBytes, from, number) / 4;
        this.laneProducers.push(at + PRODUCER);
        this.laneConsumers.push(at + CONSUMER);
        this.laneNumbers.push(from * LANES_PER_PEER + number);
      }
    }
  }
}

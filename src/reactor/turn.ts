/**
 * One turn: read `run` first. A turn collects what is due, then selects and runs it by band until nothing is left or
 * the budget is spent. The loop around it is native (native/turn.cc) and a guest of libuv.
 *
 *      native: look at lanes, wheel, readiness --something is due--> run: poll, then quanta, then publish --> libuv
 *                                  \--nothing--> spin or sleep, as the idle strategy says
 *
 * This is also the one interface that tasks, lanes, timers and I/O need of their party: they make themselves ready, ask
 * whether to yield, say what a quantum has done, and are held here.
 */
import { deliveryLayout, partyLayout, words } from '../layout.js';
import {
  Bands, DisciplineControl, Scheduler, type DeclaredClass, type DisciplineOptions, type MeterFigures, type Ready,
  type SchedulerHost, type TakenReady,
} from '../scheduling/internal.js';
import { setRefusalsAside } from '../refusals.js';
import { Steps } from './steps.js';
import { TaskDepth } from './task-depth.js';
import type { TurnRequests } from './turn-requests.js';
import type { Timed, Watched } from './run-figures.js';
import type { TaskWatch } from './watch.js';
import { Unpublished, type Flushable } from './unpublished.js';
import { Waits, type Holdable } from './waits.js';

/** What bounds one turn. */
export interface Budget {
  /** The most quanta (one task or lane each, up to 16 steps) that a turn runs. */
  readonly quanta: number;
  /** Nanoseconds after which a turn selects nothing further. */
  readonly timeNs: number;
}

/** What bounds lazy publishing inside a step. */
export interface PublishEvery {
  readonly records: number;
  readonly timeNs: number;
}

export interface TurnSettings {
  readonly id: number;
  /** The party's words and counters in shared memory. */
  readonly party: Int32Array;
  readonly counters: Float64Array;
  /** What native code hands over, and what it is told. */
  readonly delivery: Int32Array;
  readonly budget: Budget;
  readonly publishEvery: PublishEvery;
  /** A user's own module takes over when its thread has loaded it; until then the strict discipline selects. */
  readonly discipline: DisciplineOptions;
  readonly classes?: readonly DeclaredClass[] | undefined;
  readonly nowNs: () => number;
  /** Undefined unless figures of tasks may be taken. */
  readonly watch?: TaskWatch | undefined;
  readonly onError: (error: unknown, where: string) => void;
}

/** What a turn polls, and whom it tells about what it finds. */
export interface TurnSources {
  readonly lanes: { inlet(number: number): Ready & Timed & { readonly times: Float64Array } };
  readonly timers: { poll(): number };
  readonly io: { poll(): number };
  /** All tasks, for the figure of how many messages wait. */
  readonly tasks: ReadonlyMap<string, Watched>;
  /** Somebody may have died. */
  noteDeaths(): void;
  /** The stop word is not RUN. */
  windDown(stopWord: number): void;
  /** No turn comes any more. */
  readonly isClosed: boolean;
  /** For a backend that must be told that a turn is wanted, see NativeTurns. */
  readonly knock: (() => void) | undefined;
}

const field = partyLayout.fields;
const ATTENTION = field.attention.at >> 2;
const YIELD_REQUESTED = field.yieldRequested.at >> 2;
const STEPS = field.steps.at >> 3;
const STEP_ERRORS = field.stepErrors.at >> 3;
const TURN_NS = field.turnNs.at >> 3;
const LANES = deliveryLayout.fields.lanes.at >> 2;
const LANE = deliveryLayout.fields.lane.at >> 2;
const TIMERS = deliveryLayout.fields.timers.at >> 2;
const STOP = deliveryLayout.fields.stop.at >> 2;
const IS_SUMMONED = deliveryLayout.fields.isSummoned.at >> 2;
const HAS_MORE = deliveryLayout.fields.hasMore.at >> 2;
const TELL_LONG_NS = deliveryLayout.fields.tellLongNs.at >> 2;
const IS_PASSED_OVER = deliveryLayout.fields.isPassedOver.at >> 2;
const IS_MUTED = deliveryLayout.fields.isMuted.at >> 2;
const AWAKE = words.attention.AWAKE;
/** `shouldYield` reads the clock once in this many calls. */
const CLOCK_EVERY = 8;
/**
 * After which steps of a quantum the clock is read, one bit for each number of steps: seldom, since it costs as much as
 * a short step, but soon enough that a quantum of long steps does not outlast the turn by much. It is read more often
 * if time is charged: a discipline that shares it out must select again before a band has used much more than its part.
 */
const LOOKS = 1 << 4;
const LOOKS_IF_METERED = (1 << 1) | (1 << 2) | (1 << 4) | (1 << 8);

function meterFigures(counters: Float64Array): MeterFigures {
  const { stepNs, collectedNs, collectorNs } = partyLayout.fields;
  const part = ({ at }: { readonly at: number }, count: number): Float64Array =>
    counters.subarray(at >> 3, (at >> 3) + count);
  return {
    stepNs: part(stepNs, stepNs.count), collectedNs: part(collectedNs, collectedNs.count),
    collectorNs: part(collectorNs, 1),
  };
}

/** What `take` has taken. A class and no object with a function of its own, which takes three times the memory. */
class Taken implements TakenReady {
  readonly band: number;
  readonly #turn: Turn;
  readonly #ready: Ready;

  constructor(turn: Turn, ready: Ready) {
    this.band = ready.band;
    this.#turn = turn;
    this.#ready = ready;
  }

  run(): boolean {
    const { steps, scheduler, watch } = this.#turn;
    const putBack = setRefusalsAside();
    const resume = steps.setAside();
    const endFigures = watch?.interrupt(this.#ready);
    try {
      return scheduler.runTaken(this.#ready);
    } finally {
      endFigures?.();
      resume();
      putBack();
    }
  }
}

export class Turn implements SchedulerHost, TurnRequests {
  readonly id: number;
  readonly counters: Float64Array;
  readonly publishEvery: PublishEvery;
  readonly nowNs: () => number;
  /** What native code hands over, and what it is told. */
  readonly delivery: Int32Array;
  readonly steps: Steps;
  readonly waits: Waits;
  /** What takes figures of tasks; undefined while nobody does. */
  watch: TaskWatch | undefined;
  /** The same, also while it is switched off. */
  readonly madeWatch: TaskWatch | undefined;
  readonly scheduler: Scheduler;
  /** Changes the discipline of the scheduler. */
  readonly disciplines: DisciplineControl;
  readonly classes: readonly DeclaredClass[];
  readonly unpublished: Unpublished = new Unpublished();

  private readonly party: Int32Array;
  private readonly budgetNs: number;
  private readonly onError: (error: unknown, where: string) => void;
  private sources!: TurnSources;
  private depth!: TaskDepth;
  isRunning = false;
  /** What the others believe to be running here. */
  private toldBand: number = AWAKE;
  private endNs = 0;
  private yieldCalls = 0;
  private stopWord: number = words.stop.RUN;
  private hasSettled = false;
  /** Somebody may have switched the figures on or off. */
  private mayHaveSwitched = false;

  constructor(settings: TurnSettings) {
    const {
      id, party, counters, delivery, budget, publishEvery, discipline, classes = [], nowNs, watch, onError,
    } = settings;
    this.id = id;
    this.party = party;
    this.counters = counters;
    this.delivery = delivery;
    this.publishEvery = publishEvery;
    this.nowNs = nowNs;
    this.onError = onError;
    this.budgetNs = budget.timeNs;
    this.classes = classes;
    this.madeWatch = watch;
    watch?.attach(this);
    this.steps = new Steps(this);
    this.waits = new Waits(this, this.steps);
    this.scheduler = new Scheduler(new Bands(), this, budget.quanta);
    this.switchWatch();
    this.disciplines = new DisciplineControl(this.scheduler, {
      // What a turn makes ready counts from the beginning of the turn, so that no clock is read for it.
      clock: { nowNs, readyNs: () => (this.isRunning ? this.beganNs : nowNs()) },
      figures: meterFigures(counters),
      isMeasured: classes.length > 0,
      onFault: (error) => this.reportError(error, 'the discipline'),
    });
    if (discipline.kind !== 'own') this.disciplines.choose(discipline);
  }

  /** Before the first turn. */
  begin(sources: TurnSources): void {
    this.sources = sources;
    this.depth = new TaskDepth(this.counters, sources.tasks);
  }

  /** Called by native once a turn. */
  run(): void {
    this.isRunning = true;
    this.hasSettled = false;
    const { watch, delivery } = this;
    if (watch !== undefined) {
      if (delivery[IS_PASSED_OVER] === 0) watch.beginTurn();
      else watch.passOver();
    }
    this.endNs = this.counters[TURN_NS]! + this.budgetNs;
    this.poll();
    this.scheduler.run(this.endNs, this.beganNs);
    if (watch !== undefined && watch.isTold) {
      watch.tell();
      delivery[TELL_LONG_NS] = watch.exactNs;
    }
    if (this.toldBand !== AWAKE) this.setRunningBand(AWAKE);
    this.waits.endTurn();
    const { isEmpty } = this.scheduler.discipline;
    delivery[HAS_MORE] = isEmpty ? 0 : 1;
    const isSummed = this.depth.endTurn(this.counters[TURN_NS]!, isEmpty, this.waits.hasHeld);
    if (isSummed && watch !== undefined) watch.tellMailboxes(this.sources.tasks.values());
    // Whoever asks for a turn from here on gets another one: after this, nothing looks at what is ready, or at who
    // waits.
    this.isRunning = false;
    if (this.waits.hasStale) this.waits.look(false);
    if (this.unpublished.count !== 0) this.unpublished.flush();
    if (this.stopWord !== words.stop.RUN) this.sources.windDown(this.stopWord);
    // Here, since no quantum of which only a part would be seen is under way.
    if (this.mayHaveSwitched) this.switchWatch();
  }

  /** Makes ready what the sources have: lanes, timers, readiness. Returns how many. Costs no system call. */
  poll(): number {
    const { delivery, sources, watch } = this;
    if (delivery[IS_SUMMONED] !== 0) {
      delivery[IS_SUMMONED] = 0;
      this.mayHaveSwitched = true;
      sources.noteDeaths();
      this.waits.look(true);
      if (this.unpublished.count !== 0) this.unpublished.flush();
    }
    this.stopWord = delivery[STOP]!;
    const lanes = delivery[LANES]!;
    for (let i = 0; i < lanes; i++) {
      const inlet = sources.lanes.inlet(delivery[LANE + i]!);
      if (watch !== undefined && watch.isTold) watch.makeLaneReady(inlet, inlet.times);
      this.scheduler.schedule(inlet);
    }
    delivery[LANES] = 0;
    return lanes + (delivery[TIMERS] === 0 ? 0 : sources.timers.poll()) + sources.io.poll();
  }

  /** The time at which this turn began; between two turns, that of the last one. */
  get beganNs(): number {
    return this.counters[TURN_NS]!;
  }

  /** Band of what runs; between turns, that of a task without a priority. */
  get runningBand(): number {
    return this.scheduler.runningBand;
  }

  // ---- For whatever is ready, runs, or waits ----------------------------------------------------------------------

  schedule(ready: Ready): void {
    if (this.watch !== undefined) this.watch.makeReady(ready);
    this.scheduler.schedule(ready);
  }

  wantTurn(): void {
    if (this.isRunning) return;
    // From a promise or a callback of libuv: the next look at the sources must come without sleeping.
    this.delivery[HAS_MORE] = 1;
    const { knock } = this.sources;
    if (knock !== undefined) knock();
    // No turn comes any more, and those who wait for room hear that nobody is there to wait for.
    if (this.sources.isClosed) setImmediate(() => this.waits.look(true)).unref();
  }

  /** For a long step: whether to return. Also publishes what it has sent. See `Reactor.shouldYield`. */
  shouldYield(): boolean {
    if (this.isRunning && this.toldBand !== this.runningBand) this.setRunningBand(this.runningBand);
    // park.yield: a hint, pairs with notify().
    if (Atomics.load(this.party, YIELD_REQUESTED) !== 0) return true;
    if (++this.yieldCalls % CLOCK_EVERY !== 0) return false;
    if (this.unpublished.count !== 0) this.unpublished.flush();
    return this.nowNs() >= this.endNs;
  }

  /** Between two steps of a quantum: true when something above `band` is ready, or asks to be looked at. */
  mustYield(band: number): boolean {
    if (this.toldBand !== band) this.setRunningBand(band);
    // park.yield: as in shouldYield(), by a plain load, which costs a tenth. Should a compiler ever keep what it has
    // read, the end of the quantum asks again.
    return this.scheduler.discipline.hasAbove(band) || this.party[YIELD_REQUESTED] !== 0;
  }

  /** Between two steps: true when the quantum must end, because it must yield or the time of the turn is spent. */
  mustEndQuantum(band: number, steps: number): boolean {
    if (this.mustYield(band)) return true;
    const looks = this.scheduler.meter === undefined ? LOOKS : LOOKS_IF_METERED;
    return ((looks >> steps) & 1) !== 0 && this.nowNs() >= this.endNs;
  }

  /** True when the time of the turn is spent. */
  isTimeUp(): boolean {
    return this.nowNs() >= this.endNs;
  }

  /** A quantum of `band` has run `count` steps: publishes what they have sent. */
  endQuantum(band: number, count: number): void {
    // Counted before it is published: whoever has the answer may ask for the figures.
    this.counters[STEPS + band]! += count;
    if (this.unpublished.count !== 0) this.unpublished.flush();
  }

  /**
   * The step of `ready`, which runs now, has returned BACK_PRESSURED or AGAIN. It keeps its message until its refuser
   * has room, or until the next turn.
   */
  hold(ready: Holdable, code: number): void {
    this.scheduler.holdBack();
    if (this.watch !== undefined) this.watch.hold();
    this.waits.hold(ready, code);
  }

  /** Makes native code report the lane no more, or again. */
  setMuted(lane: number, isMuted: boolean): void {
    this.delivery[IS_MUTED + lane] = isMuted ? 1 : 0;
  }

  /** `producer` has records that are not published; the end of the quantum publishes them. */
  flushLater(producer: Flushable): void {
    this.unpublished.add(producer);
    this.wantTurn();
  }

  reportError(error: unknown, where: string): void {
    this.counters[STEP_ERRORS]!++;
    this.onError(error, where);
  }

  /**
   * Takes what would run next. Its `run` may be called within a step, whose refusals and whose name stay its own.
   */
  take(): TakenReady | undefined {
    const ready = this.scheduler.take();
    if (ready === undefined) return undefined;
    const { taken } = ready;
    if (taken !== undefined && taken !== null) return taken;
    const made = new Taken(this, ready);
    if (taken === null) ready.taken = made;
    return made;
  }

  // ---- For the scheduler ------------------------------------------------------------------------------------------

  mustEndTurn(): boolean {
    // park.yield: something above came, or something to look at: native polls at once.
    return this.hasSettled || Atomics.load(this.party, YIELD_REQUESTED) !== 0;
  }

  /**
   * This quantum has settled a promise: the turn ends with it, and Node runs what waits for the promise before anything
   * else is selected.
   */
  endAfterQuantum(): void {
    this.hasSettled = true;
  }

  noteThrown(error: unknown, ready: Ready): void {
    this.reportError(error, ready.where ?? `a step of band ${ready.band}`);
  }

  /** While figures are off nothing has them, so each place where they are taken is a branch that is not. */
  private switchWatch(): void {
    this.mayHaveSwitched = false;
    const { madeWatch, watch } = this;
    if (madeWatch === undefined) return;
    const wanted = madeWatch.table.isOff ? undefined : madeWatch;
    if (wanted === watch) return;
    if (wanted === undefined) madeWatch.pause();
    else wanted.resume();
    this.watch = this.steps.watch = this.scheduler.watch = wanted;
    this.delivery[TELL_LONG_NS] = wanted === undefined ? 0 : wanted.exactNs;
  }

  /**
   * Tells the others which band runs, so that they ask for a yield when they send something higher. Only once a quantum
   * goes on for more than one step: every sender reads the word, and writing it moves its line between the cores.
   */
  private setRunningBand(band: number): void {
    this.toldBand = band;
    // park.attention: pairs with notify(). While awake only this thread writes the word; a waker swaps only PARKED.
    Atomics.store(this.party, ATTENTION, band);
  }
}

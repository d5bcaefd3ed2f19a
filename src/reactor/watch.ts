/**
 * The observer of the hot path: how long what is ready waits, runs and takes until it is done. A party has one if the
 * runtime was made with `metrics`; otherwise each of its calls is a branch that is not taken.
 *
 *      ready -> schedule     begin -> a quantum is selected     step -> a step of a task begins
 *      end / endTurn -> the quantum has ended      beginTurn -> the last quantum of the turn before is closed
 *
 * Why this is cheap: reading the clock costs more than everything else here, so it is not read. A turn knows by itself
 * when it begins, and its `busyNs` tells the next one when it has ended; between two quanta of one turn the scheduler
 * reads the clock anyway. What takes less than `exactNs` from ready to done is recorded once in SAMPLE_EVERY times,
 * with that weight; what takes longer is always recorded, so the worst is never missed. Steps of one quantum are timed
 * together unless they are long; then the clock is read between them, which costs nothing beside them.
 */
import { BANDS, LANES_PER_PEER, partyLayout, queueLayout } from '../layout.js';
import {
  OUTSIDE, OUTSIDE_TURNS, RELIEF, RESPONSE, RUN, SCHEDULE_IN, type Excess, type FigureTable, type FigureSlot,
  ToldCounts, type TaskCounts, type TraceRing, type Wake,
} from '../observe/internal.js';
import type { Ready } from '../scheduling/internal.js';

/** A task as it is watched. */
export interface Watched extends Ready, TaskCounts {
  readonly name: string;
  /** Its slot; set with its first step. */
  figures: FigureSlot | undefined;
  /** What of its counts is in the slot; set with it. */
  told: ToldCounts | undefined;
  /** What a step takes on average, roughly; 0 until that is known. */
  meanNs: number;
}

/** A task or a lane: it remembers since when it has waited. */
export interface Timed {
  /** When it last became ready; 0 for never. */
  readyNs: number;
  /** The same for what was interrupted and goes on: when it first was ready. */
  sinceNs: number;
}

/** Remembers what has run, for those who ask why something was late. */
export interface Recorder {
  /** A turn begins. */
  look(nowNs: number): void;
  /** Something has run, or held the thread. */
  note(what: string, fromNs: number, toNs: number): void;
  exceeded(excess: Excess): void;
  /** No bound is left. */
  close(): void;
}

/** What is recorded once in this many times stands for that many. */
const SAMPLE_EVERY = 16;
/** What takes this long is always recorded, unless a bound lies lower. */
const EXACT_NS = 10_000;
/** Steps that take this long on average are timed one by one. */
const LONG_STEP_NS = 4000;
/** If a look at the sources came this late, something kept the thread from it. */
const LATE_NS = 20_000;
const FOLD_EVERY_NS = 1_000_000;
/** In one of this many flushes of a lane, the way of one record is measured; a power of two. */
const LANE_SAMPLE_EVERY = 64;
/** A handler that ran this long is named in full. */
const NAMED_NS = 100_000;

const HANDLERS: readonly string[] = Array.from({ length: BANDS }, (_, band) => `timers and handlers of band ${band}`);

const field = partyLayout.fields;
const TURN_NS = field.turnNs.at >> 3;
const BUSY_NS = field.busyNs.at >> 3;
const LOOKED_NS = field.lookedNs.at >> 3;
const WOKE_NS = field.wokeNs.at >> 3;
const WOKEN_NS = field.wokenNs.at >> 3;
const WOKEN_BY = field.wokenBy.at >> 2;
const PUBLISHED_NS = queueLayout.fields.publishedNs.at;
const SAMPLED_NS = queueLayout.fields.sampledNs.at;
const SAMPLED_AT = queueLayout.fields.sampledAt.at >> 2;

export interface WatchSettings {
  readonly id: number;
  readonly table: FigureTable;
  readonly party: Int32Array;
  readonly counters: Float64Array;
  readonly nowNs: () => number;
  /** Made with the first bound. */
  readonly recorder: () => Recorder;
}

export class TaskWatch {
  readonly table: FigureTable;
  /** The task whose steps run, or last ran, in this quantum, or in the one before if both are of the same `ready`. */
  private task: Watched | undefined;
  private ready: (Ready & Partial<Timed>) | undefined;
  /** Steps of `task` in this quantum; 0 while none has begun. */
  private steps = 0;
  private isFine = false;
  private isFirst = true;
  private isDone = true;
  private isHeld = false;
  private readyNs = 0;
  private sinceNs = 0;
  private fromNs = 0;
  /** A quantum has ended whose time is not known yet. */
  private isOpen = false;
  private isRunning = false;
  /** The last time that is known without reading a clock. */
  private knownNs = 0;
  private turnNs = 0;
  private busyNs = 0;
  /** What became ready before figures were switched on counts from then. */
  private resumedNs = 0;
  /** Grows when figures are switched on. */
  private period = 0;
  private untilSample = SAMPLE_EVERY;
  /** What takes so long is always recorded. */
  exactNs: number = EXACT_NS;
  private seenAsked = 0;
  private foldNs = 0;
  /** In this turn: when the sources were last looked at; the turn's beginning unless that is long ago. */
  private lateFromNs = 0;
  private wake: Wake = { askedNs: 0, by: -1, awakeNs: 0 };
  private recorder: Recorder | undefined;
  private trace: TraceRing | undefined;
  private readonly counters: Float64Array;
  private readonly party: Int32Array;
  private readonly nowNs: () => number;

  constructor(private readonly settings: WatchSettings) {
    this.table = settings.table;
    this.counters = settings.counters;
    this.party = settings.party;
    this.nowNs = settings.nowNs;
  }

  // ---- Of turns and quanta ----------------------------------------------------------------------------------------

  beginTurn(): void {
    const { counters } = this;
    const beganNs = counters[TURN_NS]!;
    const busyNs = counters[BUSY_NS]!;
    const endedNs = this.turnNs + busyNs - this.busyNs;
    if (this.isOpen) {
      this.close(endedNs);
      this.isOpen = false;
    }
    this.turnNs = this.knownNs = beganNs;
    this.busyNs = busyNs;
    this.isRunning = true;
    // Awake since: its last look, or the end of its sleep.
    const wokeNs = counters[WOKE_NS]!;
    const lookedNs = counters[LOOKED_NS]!;
    this.lateFromNs = beganNs - lookedNs > LATE_NS && lookedNs > 0 ? lookedNs : beganNs;
    if (this.recorder !== undefined || this.trace !== undefined) {
      const awakeNs = Math.max(lookedNs, wokeNs, endedNs);
      if (beganNs - awakeNs > LATE_NS) {
        this.recorder?.note(OUTSIDE, awakeNs, beganNs);
        this.trace?.note(OUTSIDE_TURNS, awakeNs, beganNs, awakeNs, -1);
      }
      this.recorder?.look(beganNs);
    }
    if (beganNs >= this.foldNs) this.fold(beganNs);
  }

  /** After the last quantum of a turn: how long it took is known when the next turn begins. */
  endTurn(): void {
    this.isRunning = false;
    if (!this.isOpen) return;
    this.isDone = this.ready !== this.ran || !this.ready!.isReady || this.isHeld;
    this.count();
  }

  /** A quantum of `ready` begins. */
  begin(ready: Ready & Partial<Timed>): void {
    // The same task mostly runs again in the same lane, so it is looked up once.
    if (ready !== this.ready) {
      this.ready = ready;
      this.task = undefined;
    }
    this.isOpen = this.isFirst = true;
    this.isHeld = false;
    this.fromNs = this.knownNs;
    const { readyNs = this.fromNs, sinceNs = this.fromNs } = ready;
    const { resumedNs } = this;
    this.readyNs = readyNs < resumedNs ? resumedNs : readyNs;
    this.sinceNs = sinceNs < resumedNs ? resumedNs : sinceNs;
    this.steps = 0;
  }

  /** It has ended at `nowNs`. */
  end(nowNs: number): void {
    const ready = this.ready!;
    const isOfLane = ready !== this.ran;
    const isInterrupted = ready.isReady && !this.isHeld;
    this.isDone = isOfLane || !isInterrupted;
    this.count();
    this.close(nowNs);
    this.isOpen = false;
    this.knownNs = nowNs;
    if (!isInterrupted || ready.readyNs === undefined) return;
    // It waits again from now on; what is left in a lane are other messages.
    ready.readyNs = nowNs;
    if (isOfLane) ready.sinceNs = nowNs;
  }

  /** A task was made: its slot exists from now on. */
  add(task: Watched): void {
    task.figures = this.table.slotFor(task.name, task.band);
    task.told = new ToldCounts(this.period);
  }

  /** A task takes nothing any more, so nothing waits for it. */
  remove(task: Watched): void {
    if (task.figures !== undefined) task.figures.noteDepth(0, task.told!);
  }

  /** The party has left. */
  leave(): void {
    this.recorder?.close();
    this.recorder = undefined;
  }

  /** Between turns: from now on nothing of this is called, except `add`, until `resume`. */
  pause(): void {
    if (this.isOpen) this.close(this.nowNs());
    this.isOpen = false;
    // Without it nobody watches collections either.
    this.leave();
    this.trace = undefined;
  }

  /** Between turns: figures are taken from now on. */
  resume(): void {
    this.turnNs = this.knownNs = this.resumedNs = this.nowNs();
    this.period++;
    this.task = undefined;
    this.busyNs = this.counters[BUSY_NS]!;
    // The next turn looks which bounds there are.
    this.foldNs = 0;
    this.seenAsked = -1;
  }

  /** What runs waits for whoever has refused it. */
  hold(): void {
    this.isHeld = true;
  }

  /** A step of `task` begins. */
  step(task: Watched): void {
    if (task === this.task && !this.isFine) this.steps++;
    else if (this.steps === 0) this.enter(task);
    else this.change(task);
  }

  /** Something has become ready. */
  makeReady(ready: Ready & Partial<Timed>): void {
    if (ready.isReady || ready.readyNs === undefined) return;
    ready.readyNs = ready.sinceNs = this.timeNs();
  }

  /** The same for a lane whose records native has found. `view` is the lane's memory. */
  makeLaneReady(lane: Ready & Timed, view: DataView): void {
    if (lane.isReady) return;
    lane.readyNs = lane.sinceNs = this.lateFromNs === this.turnNs ? this.knownNs : this.arrivedNs(view);
  }

  /** The running step asks for its next tick: what it is for is done. */
  relief(): void {
    const task = this.ran;
    if (!this.isRunning || task === undefined) return;
    const nowNs = this.nowNs();
    this.record(task, RELIEF, nowNs - this.sinceNs, 1, nowNs);
  }

  /** The time, as of the beginning of this quantum, or read between turns. */
  timeNs(): number {
    return this.isRunning ? this.knownNs : this.nowNs();
  }

  // ---- Of lanes ---------------------------------------------------------------------------------------------------

  /** For the sender: what lies in the lane up to `sequence` is published. Returns the next `flushes`. */
  stamp(view: DataView, words: Int32Array, sequence: number, flushes: number): number {
    const nowNs = this.timeNs();
    view.setFloat64(PUBLISHED_NS, nowNs, true);
    if (flushes === 0) {
      view.setFloat64(SAMPLED_NS, nowNs, true);
      // lane.sample: pairs with the load in take(); the time above is stored.
      Atomics.store(words, SAMPLED_AT, sequence);
    }
    return (flushes + 1) & (LANE_SAMPLE_EVERY - 1);
  }

  /** For the receiver: whether the lane has a sample after `seen`. */
  hasSample(words: Int32Array, seen: number): boolean {
    // A plain load, since V8 makes a call of an atomic one, which costs as much as all else here. It sees the sample
    // now or with a later record, and whoever sees it loads it again.
    return words[SAMPLED_AT]! !== seen;
  }

  /** For the receiver: it has taken what lies before `sequence`. Returns the sample that it has seen. */
  take(lane: number, view: DataView, words: Int32Array, sequence: number, seen: number): number {
    // lane.sample: pairs with the store in stamp().
    const sampledAt = Atomics.load(words, SAMPLED_AT);
    if (sampledAt === seen || ((sequence - sampledAt) | 0) < 0) return seen;
    const sampledNs = view.getFloat64(SAMPLED_NS, true);
    // Its sender's clock is the same, but it may have read it after this quantum began.
    const ns = Math.max(0, this.fromNs - sampledNs);
    if (sampledNs >= this.resumedNs) this.table.lanes[lane % LANES_PER_PEER]!.record(ns);
    return sampledAt;
  }

  /** This party writes the eventfd of another, whose words these are. */
  stampWake(party: Int32Array, counters: Float64Array): void {
    counters[WOKEN_NS] = this.nowNs();
    // A statistic: a reader takes the time above as it is, even if another waker has written since.
    Atomics.store(party, WOKEN_BY, this.settings.id + 1);
  }

  /** When and by whom this thread was last woken for a record, and when it was awake. */
  lastWake(): Wake {
    return this.wake;
  }

  // ---- Inside -----------------------------------------------------------------------------------------------------

  /** When the records of a lane that was looked at late arrived. */
  private arrivedNs(view: DataView): number {
    const { counters, lateFromNs, turnNs } = this;
    const wokenNs = counters[WOKEN_NS]!;
    // It slept: whoever woke it has said when, for any of the lanes.
    const wokeNs = counters[WOKE_NS]!;
    if (wokeNs > lateFromNs) {
      if (wokenNs <= lateFromNs || wokenNs >= turnNs) return turnNs;
      // Pairs with stampWake().
      this.wake = { askedNs: wokenNs, by: Atomics.load(this.party, WOKEN_BY) - 1, awakeNs: wokeNs };
      return wokenNs;
    }
    return Math.min(turnNs, Math.max(lateFromNs, view.getFloat64(PUBLISHED_NS, true)));
  }

  /** Another task than before, or one whose steps are timed one by one. */
  private change(task: Watched): void {
    const nowNs = this.nowNs();
    // In a lane each message has waited, and is done with its step; with a mailbox the quantum goes on.
    this.isDone = this.isFirst = this.ready !== this.task;
    this.count();
    this.close(nowNs);
    this.fromNs = this.knownNs = nowNs;
    this.enter(task);
  }

  private enter(task: Watched): void {
    this.task = task;
    this.steps = 1;
    if (task.figures === undefined) this.add(task);
    const told = task.told!;
    if (told.period !== this.period) {
      // The first step of this task since figures are on: what it has counted in between is left out.
      told.period = this.period;
      told.skip(task);
    }
    this.isFine = task.meanNs >= LONG_STEP_NS;
  }

  /** The task whose steps run, or last ran, in this quantum. */
  private get ran(): Watched | undefined {
    return this.steps === 0 ? undefined : this.task;
  }

  private count(): void {
    const task = this.ran;
    if (task === undefined) return;
    task.figures!.note(task, task.told!, this.steps);
  }

  /** What has run since `fromNs` has ended. */
  private close(toNs: number): void {
    const { ran: task, recorder } = this;
    const ns = toNs - this.fromNs;
    if (recorder !== undefined && ns > 0) recorder.note(this.whatRan(ns), this.fromNs, toNs);
    if (this.trace !== undefined && ns > 0) this.keep(this.trace, toNs);
    if (task === undefined) return;
    // It has been ready since then or later.
    const isExact = toNs - this.sinceNs >= this.exactNs;
    if (!isExact && --this.untilSample > 0) return;
    if (!isExact) this.untilSample = SAMPLE_EVERY;
    this.recordRun(task, toNs, isExact ? 1 : SAMPLE_EVERY);
  }

  private keep(trace: TraceRing, toNs: number): void {
    const { ran: task, ready } = this;
    const { from = -1 } = ready as { from?: number };
    trace.note(task === undefined ? -1 - ready!.band : task.figures!.index, this.fromNs, toNs, this.readyNs, from);
  }

  private recordRun(task: Watched, toNs: number, weight: number): void {
    const { steps, fromNs } = this;
    const ns = Math.max(0, toNs - fromNs);
    if (this.isFirst) this.record(task, SCHEDULE_IN, Math.max(0, fromNs - this.readyNs), weight, fromNs);
    const { meanNs } = task;
    const restNs = ns - meanNs * (steps - 1);
    if (steps > 1 && meanNs > 0 && restNs > 4 * Math.max(ns - restNs, LONG_STEP_NS)) {
      // One of them was far from the others.
      this.record(task, RUN, meanNs, (steps - 1) * weight, toNs);
      this.record(task, RUN, restNs, weight, toNs);
      task.meanNs += (LONG_STEP_NS - meanNs) / 8;
    } else {
      const each = ns / Math.max(1, steps);
      this.record(task, RUN, each, steps * weight, toNs);
      task.meanNs = meanNs === 0 ? each : meanNs + (each - meanNs) / 8;
    }
    this.isFine = task.meanNs >= LONG_STEP_NS;
    if (this.isDone) this.record(task, RESPONSE, Math.max(0, toNs - this.sinceNs), weight, toNs);
  }

  private record({ figures }: Watched, kind: number, ns: number, count: number, endNs: number): void {
    if (!figures!.record(kind, ns, count)) return;
    const { from = -1 } = this.ready as { from?: number };
    this.recorder?.exceeded({
      figures: figures!, kind, ns, startNs: this.fromNs, endNs, from,
      readyNs: kind === RUN ? this.fromNs : kind === SCHEDULE_IN ? this.readyNs : this.sinceNs,
    });
  }

  /** Once a millisecond of work: takes over bounds that were set. */
  private fold(nowNs: number): void {
    this.foldNs = nowNs + FOLD_EVERY_NS;
    const { asked } = this.table;
    if (asked === this.seenAsked) return;
    this.seenAsked = asked;
    let lowest = EXACT_NS;
    let hasBound = false;
    for (const slot of this.table.slots()) {
      const bound = slot.takeBounds();
      lowest = Math.min(lowest, bound);
      if (bound < Infinity) hasBound = true;
    }
    this.exactNs = lowest;
    this.trace = this.table.isTracing ? (this.trace ?? this.table.trace()) : undefined;
    if (hasBound) {
      this.recorder ??= this.settings.recorder();
    } else {
      this.recorder?.close();
      this.recorder = undefined;
    }
  }

  private whatRan(ns: number): string {
    const { ran: task, ready } = this;
    if (task !== undefined) return task.name;
    return ns < NAMED_NS ? HANDLERS[ready!.band]! : (ready!.where ?? HANDLERS[ready!.band]!);
  }
}

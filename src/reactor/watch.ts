/**
 * The observer of the hot path: how long what is ready waits, runs and takes until it is done. A party has one if the
 * runtime was made with `metrics`; otherwise each of its calls is a branch that is not taken.
 *
 *      ready -> schedule     begin -> a quantum is selected     step -> a step of a task begins
 *      end / endTurn -> the quantum has ended
 *
 * Why this is cheap: reading the clock costs more than everything else here, so it is not read. A turn knows by itself
 * when it begins, and its `busyNs` tells the next one when it has ended; between two quanta of one turn the scheduler
 * reads the clock anyway. Of what is short, samples are recorded: see run-figures.ts. Steps of one quantum are timed
 * together unless they are long; then the clock is read between them, which costs nothing beside them.
 *
 * Most turns run one quantum, short, of the same task as the turn before. Of those nothing is noted but its steps:
 * whether it was long, or is the sample, is seen when the next turn begins, and what it was is still there then.
 */
import { LANES_PER_PEER, partyLayout, queueLayout } from '../layout.js';
import { ToldCounts, type FigureTable, type Wake } from '../observe/internal.js';
import type { Ready } from '../scheduling/internal.js';
import { LONG_STEP_NS, MeasuredRun, RunFigures, type Recorder, type Timed, type Watched } from './run-figures.js';

/** If a look at the sources came this late, something kept the thread from it. */
const LATE_NS = 20_000;
/** In one of this many flushes of a lane, the way of one record is measured; a power of two. */
const LANE_SAMPLE_EVERY = 64;

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
  /** What is selected, and the task whose steps run, or last ran, in it: the same one mostly runs there again. */
  private ready: (Ready & Partial<Timed>) | undefined;
  private task: Watched | undefined;
  /** The same task, unless its steps are timed one by one. */
  private together: Watched | undefined;
  /** Steps of `task` in this quantum; 0 while none has begun. */
  private steps = 0;
  /** Something was selected, and when it ended is not known yet. */
  private isOpen = false;
  private isFirst = true;
  private isDone = true;
  private isHeld = false;
  /** It has become ready again since: since when it had been before. */
  private isAgain = false;
  private wasReadyNs = 0;
  private wasSinceNs = 0;
  private readonly run = new MeasuredRun();
  private readonly runs: RunFigures;
  private isRunning = false;
  /** The last time that is known without reading a clock: when what runs, or last ran, began. */
  private knownNs = 0;
  private turnNs = 0;
  private busyNs = 0;
  /** What became ready before figures were switched on counts from then. */
  private resumedNs = 0;
  /** Grows when figures are switched on. */
  private period = 0;
  private wake: Wake = { askedNs: 0, by: -1, awakeNs: 0 };
  private readonly counters: Float64Array;
  private readonly party: Int32Array;
  private readonly nowNs: () => number;

  constructor(private readonly settings: WatchSettings) {
    this.table = settings.table;
    this.runs = new RunFigures(settings.table, settings.recorder);
    this.counters = settings.counters;
    this.party = settings.party;
    this.nowNs = settings.nowNs;
  }

  // ---- Of turns and quanta ----------------------------------------------------------------------------------------

  beginTurn(): void {
    const { counters, runs } = this;
    const busyNs = counters[BUSY_NS]!;
    const beganNs = counters[TURN_NS]!;
    // When the turn before ended.
    const endedNs = this.turnNs + busyNs - this.busyNs;
    if (this.isOpen) {
      this.isOpen = false;
      if (this.isLeftOut(endedNs)) this.isFirst = true;
      else this.close(endedNs);
    }
    this.turnNs = this.knownNs = beganNs;
    this.busyNs = busyNs;
    this.isRunning = true;
    if (runs.hasMemory) this.lookOutside(endedNs);
    if (beganNs >= runs.foldNs) runs.fold(beganNs);
  }

  /** After the last quantum of a turn: how long it took is known when the next turn begins. */
  endTurn(): void {
    this.isRunning = false;
    if (!this.isOpen) return;
    const { ready } = this;
    this.isDone = ready !== this.task || !ready!.isReady || this.isHeld;
    this.count();
  }

  /** A quantum of `ready` begins. */
  begin(ready: Ready & Partial<Timed>): void {
    // The same task mostly runs again in the same lane, so it is looked up once.
    if (ready !== this.ready) {
      this.ready = ready;
      this.task = this.together = undefined;
    }
    this.isOpen = true;
    this.isHeld = false;
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
    // A task waits again from now on. What is left in a lane are other messages, which have waited all the time.
    if (isInterrupted && !isOfLane) ready.readyNs = nowNs;
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
    this.runs.leave();
  }

  /** Between turns: from now on nothing of this is called, except `add`, until `resume`. */
  pause(): void {
    if (this.isOpen) this.close(this.nowNs());
    this.isOpen = false;
    this.runs.pause();
  }

  /** Between turns: figures are taken from now on. */
  resume(): void {
    this.turnNs = this.knownNs = this.resumedNs = this.nowNs();
    this.period++;
    this.task = this.together = undefined;
    this.busyNs = this.counters[BUSY_NS]!;
    this.runs.resume();
  }

  /** What runs waits for whoever has refused it. */
  hold(): void {
    this.isHeld = true;
  }

  /** A step of `task` begins. */
  step(task: Watched): void {
    if (task === this.together) this.steps++;
    else this.stepOf(task);
  }

  /** Something has become ready. */
  makeReady(ready: Ready & Partial<Timed>): void {
    if (ready.isReady || ready.readyNs === undefined) return;
    if (ready === this.ready && this.isOpen) {
      this.isAgain = true;
      this.wasReadyNs = ready.readyNs;
      this.wasSinceNs = ready.sinceNs!;
    }
    ready.readyNs = ready.sinceNs = this.timeNs();
  }

  /** The same for a lane whose records native has found. `view` is the lane's memory. */
  makeLaneReady(lane: Ready & Timed, view: DataView): void {
    if (lane.isReady) return;
    const isLate = this.turnNs - this.counters[LOOKED_NS]! > LATE_NS;
    lane.readyNs = lane.sinceNs = isLate ? this.arrivedNs(view) : this.timeNs();
  }

  /** The running step asks for its next tick: what it is for is done. */
  relief(): void {
    if (!this.isRunning || this.ran === undefined) return;
    this.fill();
    this.runs.relief(this.run, this.nowNs());
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
    const ns = Math.max(0, this.knownNs - sampledNs);
    if (sampledNs >= this.resumedNs) this.table.lanes[lane % LANES_PER_PEER]!.record(ns);
    return sampledAt;
  }

  /** This party writes the eventfd of another, whose words these are. */
  stampWake(party: Int32Array, counters: Float64Array): void {
    counters[WOKEN_NS] = this.nowNs();
    // A statistic: a reader takes the time above as it is, even if another waker has written since.
    Atomics.store(party, WOKEN_BY, this.settings.id + 1);
  }

  /** What takes so long is always recorded. */
  get exactNs(): number {
    return this.runs.exactNs;
  }

  /** When and by whom this thread was last woken for a record, and when it was awake. */
  lastWake(): Wake {
    return this.wake;
  }

  // ---- Inside -----------------------------------------------------------------------------------------------------

  /** Of what ran last and has ended at `toNs` nothing need be recorded. */
  private isLeftOut(toNs: number): boolean {
    const { runs, knownNs } = this;
    if (this.steps === 0) return !runs.hasMemory;
    return !this.isAgain && runs.leavesOut(this.task!, this.ready!.sinceNs ?? knownNs, knownNs, toNs);
  }

  /** A turn begins, and the one before ended at `endedNs`. */
  private lookOutside(endedNs: number): void {
    const { counters, turnNs } = this;
    // Awake since: its last look, or the end of its sleep.
    const awakeNs = Math.max(counters[LOOKED_NS]!, counters[WOKE_NS]!, endedNs);
    if (turnNs - awakeNs > LATE_NS) this.runs.noteOutside(awakeNs, turnNs);
  }

  /** When the records of a lane that was looked at late arrived. */
  private arrivedNs(view: DataView): number {
    const { counters, turnNs } = this;
    const lookedNs = counters[LOOKED_NS]!;
    const lateFromNs = lookedNs > 0 ? lookedNs : turnNs;
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

  /** The first of its steps in this quantum, another task than before, or one whose steps are timed one by one. */
  private stepOf(task: Watched): void {
    if (this.steps !== 0) this.change();
    this.task = task;
    this.steps = 1;
    if (task.figures === undefined) this.add(task);
    const told = task.told!;
    if (told.period !== this.period) {
      // The first step of this task since figures are on: what it has counted in between is left out.
      told.period = this.period;
      told.skip(task);
    }
    this.together = togetherOf(task);
  }

  /** What has run in this quantum so far is closed, and another step begins. */
  private change(): void {
    const nowNs = this.nowNs();
    // In a lane each message has waited, and is done with its step; with a mailbox the quantum goes on.
    const isOfLane = this.isDone = this.ready !== this.task;
    this.count();
    this.close(nowNs);
    this.isFirst = isOfLane;
    this.knownNs = nowNs;
  }

  /** The task whose steps run, or last ran, in this quantum. */
  private get ran(): Watched | undefined {
    return this.steps === 0 ? undefined : this.task;
  }

  /** What runs, as `run`. */
  private fill(): MeasuredRun {
    const { run, ready, resumedNs, knownNs, isAgain } = this;
    const readyNs = isAgain ? this.wasReadyNs : (ready!.readyNs ?? knownNs);
    const sinceNs = isAgain ? this.wasSinceNs : (ready!.sinceNs ?? knownNs);
    run.ready = ready;
    run.task = this.ran;
    run.steps = this.steps;
    run.isFirst = this.isFirst;
    run.isDone = this.isDone;
    run.fromNs = knownNs;
    run.readyNs = readyNs < resumedNs ? resumedNs : readyNs;
    run.sinceNs = sinceNs < resumedNs ? resumedNs : sinceNs;
    return run;
  }

  /** What has run since `knownNs` ended at `toNs`. */
  private close(toNs: number): void {
    this.runs.close(this.fill(), toNs);
    this.isFirst = true;
    this.isAgain = false;
    // What its steps take on average may be known better now.
    this.together = togetherOf(this.task);
  }

  /** What the task has counted goes to its slot. */
  private count(): void {
    const { ran: task } = this;
    if (task !== undefined) task.figures!.note(task, task.told!, this.steps);
  }
}

/** The task, if its steps are timed together. */
function togetherOf(task: Watched | undefined): Watched | undefined {
  return task !== undefined && task.meanNs >= LONG_STEP_NS ? undefined : task;
}

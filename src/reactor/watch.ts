/**
 * The observer of the hot path: how long what is ready waits, runs and takes until it is done. A party has one if the
 * runtime was made with `metrics`; otherwise each of its calls is a branch that is not taken.
 *
 *      ready -> schedule     begin -> a quantum is selected     step -> a step of a task begins
 *      end -> the quantum has ended     beginTurn / passOver -> and so has the last one of the turn before
 *
 * Why this is cheap: reading the clock costs more than everything else here, so it is not read. A turn knows by itself
 * when it begins, and native code tells the next one when it has ended; between two quanta of one turn the scheduler
 * reads the clock anyway. Of what is short, samples are recorded: see run-figures.ts. Steps of one quantum are timed
 * together unless they are long; then the clock is read between them, which costs nothing beside them.
 *
 * Most turns run one quantum, short, of the same task as the turn before. Of those nothing is noted but its steps:
 * whether it was long, or is the sample, is seen when the next turn begins, and what it was is still there then. Native
 * code knows both, and says before each turn whether the one before is passed over. Then it does not even tell what has
 * been counted, until one is not: after a few dozen turns, some microseconds without any, and before the thread sleeps.
 */
import { LANES_PER_PEER, deliveryLayout, partyLayout, queueLayout } from '../layout.js';
import { RUN, ToldCounts, type FigureTable, type Wake } from '../observe/internal.js';
import type { Ready } from '../scheduling/internal.js';
import { QUANTUM } from './quantum.js';
import {
  LONG_STEP_NS, MeasuredRun, RunFigures, type Recorder, type RunKeeper, type Timed, type Watched,
} from './run-figures.js';

/** If a look at the sources came this late, something kept the thread from it. */
const LATE_NS = 20_000;

/** A bound of one step that is so high, or so many times as long as steps are on average. */
const SURELY_APART_NS = 20_000;
const SURELY_APART = 3 * QUANTUM;

const field = partyLayout.fields;
const TURN_NS = field.turnNs.at >> 3;
const BEFORE_NS = field.beforeNs.at >> 3;
const ENDED_NS = field.endedNs.at >> 3;
const LOOKED_NS = field.lookedNs.at >> 3;
const WOKE_NS = field.wokeNs.at >> 3;
const WOKEN_NS = field.wokenNs.at >> 3;
const WOKEN_BY = field.wokenBy.at >> 2;
const TELL_NEXT = deliveryLayout.fields.tellNext.at >> 2;
const PUBLISHED_NS = queueLayout.fields.publishedNs.at;
const SAMPLED_NS = queueLayout.fields.sampledNs.at;
const SAMPLED_AT = queueLayout.fields.sampledAt.at >> 2;

export interface WatchSettings {
  readonly id: number;
  readonly table: FigureTable;
  readonly party: Int32Array;
  readonly counters: Float64Array;
  readonly delivery: Int32Array;
  readonly nowNs: () => number;
  /** Made with the first bound. */
  readonly recorder: () => Recorder;
  /** Made when somebody wants each single run. */
  readonly trace: () => RunKeeper;
}

export class TaskWatch {
  readonly table: FigureTable;
  /** This turn, or between turns the last one, has begun with `beginTurn`. */
  isTold = false;
  /** What is selected, or was last; undefined if `begin` has to know of its next quantum all the same. */
  current: Ready | undefined = undefined;
  /** What is selected, and the task whose steps run, or last ran, in it: the same one mostly runs there again. */
  private ready: (Ready & Partial<Timed>) | undefined;
  private task: Watched | undefined;
  /** The same task, unless its steps are timed one by one. */
  private together: Watched | undefined;
  /** Steps of the task that runs, or ran last, are long on average, or it has run none. */
  private mayBeLong = false;
  /** Steps of `task` since it is the one that runs: all, those before this quantum, and those that are in its slot. */
  private steps = 0;
  private stepsBefore = 0;
  private stepsTold = 0;
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
  /** The same as `beganNs`, unless that is when the turn began. */
  private knownNs = 0;
  /** For who remembers what ran: from when on all that ran was `task`. */
  private onlyNs = 0;
  /**
   * What became ready before counts from then: when figures were switched on, or the last turn began that was passed
   * over, since nothing was ready then.
   */
  private leastNs = 0;
  /** When figures were switched on. */
  private resumedNs = 0;
  private turn: { readonly isRunning: boolean } = { isRunning: false };
  /** Grows when figures are switched on or off. */
  private period = 0;
  private wake: Wake = { askedNs: 0, by: -1, awakeNs: 0 };
  private readonly counters: Float64Array;
  private readonly delivery: Int32Array;
  private readonly party: Int32Array;
  private readonly nowNs: () => number;

  constructor(private readonly settings: WatchSettings) {
    this.table = settings.table;
    this.runs = new RunFigures(settings.table, settings.delivery, settings.recorder, settings.trace);
    this.counters = settings.counters;
    this.delivery = settings.delivery;
    this.party = settings.party;
    this.nowNs = settings.nowNs;
  }

  /** `turn`: that whose figures these are. */
  attach(turn: { readonly isRunning: boolean }): void {
    this.turn = turn;
  }

  // ---- Of turns and quanta ----------------------------------------------------------------------------------------

  /** A turn begins, and the one before it is not passed over. */
  beginTurn(): void {
    const { counters, delivery, runs } = this;
    const endedNs = counters[ENDED_NS]!;
    const beganNs = counters[TURN_NS]!;
    if (!this.isTold) this.leastNs = counters[BEFORE_NS]!;
    this.tell();
    if (this.isOpen) {
      this.isOpen = false;
      this.knownNs = Math.max(this.knownNs, counters[BEFORE_NS]!);
      this.closeLast(endedNs);
    }
    this.current = undefined;
    this.steps = this.stepsBefore = this.stepsTold = 0;
    this.isFirst = true;
    this.isHeld = this.isAgain = false;
    this.isTold = true;
    this.knownNs = this.onlyNs = beganNs;
    if (runs.hasMemory) this.lookOutside(endedNs);
    if (beganNs >= runs.foldNs) runs.fold(beganNs);
    if (runs.needsAll) delivery[TELL_NEXT] = 1;
  }

  /** A turn begins, and the one before it is passed over. Nothing was ready when it began. */
  passOver(): void {
    this.isTold = false;
    if (this.steps === this.stepsBefore) this.passNothingOver();
    else this.stepsBefore = this.steps;
  }

  /** A quantum of `ready` begins. */
  begin(ready: Ready & Partial<Timed>): void {
    this.ready = this.current = ready;
    this.isOpen = true;
    this.isAgain = false;
    this.stepsBefore = this.steps;
    if (ready.readyNs !== undefined) {
      // It has waited for this turn, so that the turn may be short and its response long.
      if (this.isTold && ready.sinceNs! < this.counters[TURN_NS]!) this.delivery[TELL_NEXT] = 1;
      return;
    }
    // It stands for no sample, and whoever remembers what ran has to know.
    this.current = undefined;
    this.delivery[TELL_NEXT] = 1;
    this.rememberPassedOver();
  }

  /** It has ended at `nowNs`. */
  end(nowNs: number): void {
    const ready = this.ready!;
    const isOfLane = ready !== this.ran;
    const isInterrupted = ready.isReady && !this.isHeld;
    this.isDone = isOfLane || !isInterrupted;
    this.timeRun();
    this.closeUnlessShort(nowNs);
    this.isOpen = this.isHeld = false;
    this.current = undefined;
    this.stepsBefore = this.steps;
    this.knownNs = this.onlyNs = nowNs;
    // A task waits again from now on. What is left in a lane are other messages, which have waited all the time.
    if (isInterrupted && !isOfLane) ready.readyNs = nowNs;
  }

  /**
   * A quantum of `ready` begins within a step, or between turns, and the returned function ends it. The step goes on
   * meanwhile: its time is the whole.
   */
  interrupt(ready: Ready & Partial<Timed>): () => void {
    const { current, task, isOpen, isFirst, isDone, isHeld, isAgain, wasReadyNs, wasSinceNs } = this;
    const { knownNs, onlyNs, steps, stepsBefore, stepsTold, ready: interrupted } = this;
    this.knownNs = this.onlyNs = this.nowNs();
    this.task = this.together = undefined;
    this.steps = this.stepsBefore = this.stepsTold = 0;
    this.isFirst = true;
    this.isHeld = false;
    this.begin(ready);
    return () => {
      this.tell();
      this.end(this.nowNs());
      Object.assign(this, { current, task, isOpen, isFirst, isDone, isHeld, isAgain, wasReadyNs, wasSinceNs });
      Object.assign(this, { knownNs, onlyNs, steps, stepsBefore, stepsTold, ready: interrupted });
      this.learn(task);
      this.delivery[TELL_NEXT] = 1;
    };
  }

  /** A task was made: its slot exists from now on. */
  add(task: Watched): void {
    task.figures = this.table.slotFor(task.name, task.band);
    task.told = new ToldCounts(this.period);
  }

  /** A task takes nothing any more, so nothing waits for it. */
  remove(task: Watched): void {
    const { figures, told } = task;
    if (figures === undefined) return;
    // What its mailbox has refused since its last step. While figures are off, and of a time with others, it is none.
    if (told!.period === this.period) figures.note(task, told!, 0);
    figures.noteDepth(0, told!);
  }

  /** For tasks that wait and do not run: how much waits, and what they have refused. */
  tellMailboxes(tasks: Iterable<Watched>): void {
    for (const task of tasks) {
      const { figures, told } = task;
      if (figures !== undefined && told!.period === this.period) figures.note(task, told!, 0);
    }
  }

  /** The party has left. */
  leave(): void {
    this.tell();
    this.runs.leave();
  }

  /** Between turns: from now on nothing of this is called, except `add`, until `resume`. */
  pause(): void {
    this.tell();
    if (this.isOpen) {
      this.timeRun();
      this.close(this.nowNs());
    }
    this.isOpen = false;
    this.period++;
    this.runs.pause();
  }

  /** Between turns: figures are taken from now on. */
  resume(): void {
    this.knownNs = this.onlyNs = this.leastNs = this.resumedNs = this.nowNs();
    this.isTold = true;
    this.current = undefined;
    this.period++;
    this.task = this.together = undefined;
    this.steps = this.stepsBefore = this.stepsTold = 0;
    this.delivery[TELL_NEXT] = 1;
    this.runs.resume();
  }

  /** What runs waits for whoever has refused it. */
  hold(): void {
    this.isHeld = true;
    this.delivery[TELL_NEXT] = 1;
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
      this.current = undefined;
      this.wasReadyNs = ready.readyNs;
      this.wasSinceNs = ready.sinceNs!;
    }
    ready.readyNs = ready.sinceNs = this.timeNs();
  }

  /**
   * The same for a lane whose records native has found, unless the turn before is passed over: then it was not late.
   * `view` is the lane's memory.
   */
  makeLaneReady(lane: Ready & Timed, view: DataView): void {
    if (lane.isReady) return;
    lane.readyNs = lane.sinceNs = this.isLate ? this.arrivedNs(view) : this.beganNs;
  }

  /** The running step asks for its next tick: what it is for is done. */
  relief(): void {
    if (!this.turn.isRunning || this.ran === undefined) return;
    this.timeRun();
    this.fill();
    this.runs.relief(this.run, this.nowNs());
  }

  /**
   * The time: read between turns, and in steps that are long, or may be; else as of the beginning of this quantum.
   */
  timeNs(): number {
    return this.turn.isRunning && !this.mayBeLong ? this.beganNs : this.nowNs();
  }

  /** What has been counted goes to the task's slot. */
  tell(): void {
    const { steps, task } = this;
    if (steps === this.stepsTold) return;
    task!.figures!.note(task!, task!.told!, steps - this.stepsTold);
    this.stepsTold = steps;
  }

  // ---- Of lanes ---------------------------------------------------------------------------------------------------

  /** For the sender: what lies in the lane is published. */
  stamp(view: DataView): void {
    view.setFloat64(PUBLISHED_NS, this.timeNs(), true);
  }

  /** And what lies there up to `sequence` is a sample. */
  stampSample(view: DataView, words: Int32Array, sequence: number): void {
    view.setFloat64(SAMPLED_NS, this.timeNs(), true);
    // lane.sample: pairs with the load in take(); the time above is stored.
    Atomics.store(words, SAMPLED_AT, sequence);
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
    const ns = Math.max(0, this.beganNs - sampledNs);
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

  /** What ran last in a turn, which ended at `endedNs`, is closed. */
  private closeLast(endedNs: number): void {
    const { ready, runs } = this;
    this.isDone = ready !== this.task || !ready!.isReady || this.isHeld || this.isAgain;
    if (runs.hasMemory && this.onlyNs < this.knownNs) runs.remember(this.task, this.onlyNs, this.knownNs);
    this.closeUnlessShort(endedNs);
  }

  /** The turn that is passed over has ended without a step of a task: it stands for no sample. */
  private passNothingOver(): void {
    const { counters, runs } = this;
    runs.giveBack();
    if (!runs.hasMemory) return;
    // A handler has answered a call, say.
    runs.remember(this.task, this.onlyNs, counters[BEFORE_NS]!);
    const fromNs = Math.max(this.onlyNs, counters[BEFORE_NS]!);
    runs.remember(undefined, fromNs, counters[ENDED_NS]!, this.ready?.band);
    this.onlyNs = counters[TURN_NS]!;
  }

  /** What ran has ended at `toNs`. */
  private closeUnlessShort(toNs: number): void {
    if (this.isLeftOut(toNs)) this.isFirst = true;
    else this.close(toNs);
  }

  /** Of what ran and has ended at `toNs` nothing need be recorded. */
  private isLeftOut(toNs: number): boolean {
    const { runs, knownNs } = this;
    if (this.ran === undefined) return !runs.hasMemory;
    const sinceNs = Math.max(this.ready!.sinceNs ?? knownNs, this.leastNs);
    return !this.isAgain && runs.leavesOut(this.task!, sinceNs, knownNs, toNs);
  }

  /** Something else begins, and what ran in the turns before, which were passed over, is not remembered yet. */
  private rememberPassedOver(): void {
    const { counters, runs, task, onlyNs } = this;
    if (!runs.hasMemory || onlyNs >= counters[TURN_NS]!) return;
    runs.remember(task, onlyNs, counters[ENDED_NS]!);
    this.onlyNs = this.beganNs;
  }

  /** A turn begins, and the one before ended at `endedNs`. */
  private lookOutside(endedNs: number): void {
    const { counters } = this;
    const turnNs = counters[TURN_NS]!;
    // Awake since: its last look, or the end of its sleep.
    const awakeNs = Math.max(counters[LOOKED_NS]!, counters[WOKE_NS]!, endedNs);
    if (turnNs - awakeNs > LATE_NS) this.runs.noteOutside(awakeNs, turnNs);
  }

  /** Something kept the thread from looking at its sources. */
  private get isLate(): boolean {
    return this.counters[TURN_NS]! - this.counters[LOOKED_NS]! > LATE_NS;
  }

  /** When the records of a lane that was looked at late arrived. */
  private arrivedNs(view: DataView): number {
    const { counters } = this;
    const turnNs = counters[TURN_NS]!;
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
    if (this.steps !== this.stepsBefore) {
      this.change();
    } else {
      this.tell();
      if (task !== this.task) this.rememberPassedOver();
    }
    this.task = task;
    this.steps = 1;
    this.stepsBefore = this.stepsTold = 0;
    if (task.figures === undefined) this.add(task);
    const told = task.told!;
    if (told.period !== this.period) {
      // The first step of this task since figures are on: what it has counted in between is left out.
      told.period = this.period;
      told.skip(task);
    }
    this.learn(task);
  }

  /** What has run in this quantum so far is closed, and another step begins. */
  private change(): void {
    const nowNs = this.nowNs();
    // In a lane each message has waited, and is done with its step; with a mailbox the quantum goes on.
    const isOfLane = this.isDone = this.ready !== this.task;
    this.tell();
    this.timeRun();
    this.closeUnlessShort(nowNs);
    this.isFirst = isOfLane;
    this.knownNs = this.onlyNs = nowNs;
    this.delivery[TELL_NEXT] = 1;
  }

  /** When what runs, or last ran, began. */
  private get beganNs(): number {
    return Math.max(this.counters[TURN_NS]!, this.knownNs);
  }

  /** When what runs began is written down, and since when it can have been ready. */
  private timeRun(): void {
    this.knownNs = this.beganNs;
    if (!this.isTold) this.leastNs = this.counters[TURN_NS]!;
  }

  /** The task whose steps run, or last ran, in this quantum. */
  private get ran(): Watched | undefined {
    return this.steps === this.stepsBefore ? undefined : this.task;
  }

  /** What runs, as `run`. */
  private fill(): MeasuredRun {
    const { run, ready, leastNs, knownNs, isAgain } = this;
    const readyNs = isAgain ? this.wasReadyNs : (ready!.readyNs ?? knownNs);
    const sinceNs = isAgain ? this.wasSinceNs : (ready!.sinceNs ?? knownNs);
    run.ready = ready;
    run.task = this.ran;
    run.steps = this.steps - this.stepsBefore;
    run.isFirst = this.isFirst;
    run.isDone = this.isDone;
    run.fromNs = knownNs;
    run.readyNs = Math.max(readyNs, leastNs);
    run.sinceNs = Math.max(sinceNs, leastNs);
    return run;
  }

  /** What has run since `knownNs` ended at `toNs`. */
  private close(toNs: number): void {
    this.runs.close(this.fill(), toNs);
    this.isFirst = true;
    this.isAgain = false;
    this.learn(this.task);
  }

  /** What steps of `task` take on average is known, or known better. */
  private learn(task: Watched | undefined): void {
    this.together = togetherOf(task);
    this.mayBeLong = task !== undefined && (task !== this.together || task.meanNs === 0);
  }
}

/**
 * The task, if its steps are timed together: they are short, and one of them that takes longer than their bound takes
 * so much longer than all others that it is told apart. See `recordRun`.
 */
function togetherOf(task: Watched | undefined): Watched | undefined {
  if (task?.figures === undefined) return undefined;
  const leastNs = Math.max(SURELY_APART_NS, SURELY_APART * task.meanNs);
  return task.meanNs >= LONG_STEP_NS || task.figures.bounds[RUN]! < leastNs ? undefined : task;
}

/**
 * What runs in a turn, and since when: the state of a watch between the begin of a quantum and its end, and what
 * becomes of it then. `TaskWatch` adds what the turn tells it.
 */
import { partyLayout } from '../layout.js';
import { RUN, ToldCounts, type FigureTable } from '../observe/internal.js';
import type { Ready } from '../scheduling/internal.js';
import { Arrivals } from './arrivals.js';
import { QUANTUM } from './quantum.js';
import {
  LONG_STEP_NS, MeasuredRun, RunFigures, type Recorder, type RunKeeper, type Timed, type Watched,
} from './run-figures.js';

/** A bound of one step that is so high, or so many times as long as steps are on average. */
const SURELY_APART_NS = 20_000;
const SURELY_APART = 3 * QUANTUM;

const TURN_NS = partyLayout.fields.turnNs.at >> 3;
const ENDED_NS = partyLayout.fields.endedNs.at >> 3;

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

export abstract class RunWatch {
  readonly table: FigureTable;
  /** This turn, or between turns the last one, has begun with `beginTurn`. */
  isTold = false;
  /** What is selected, or was last; undefined if `begin` has to know of its next quantum all the same. */
  current: Ready | undefined = undefined;
  /** What is selected, and the task whose steps run, or last ran, in it: the same one mostly runs there again. */
  protected ready: (Ready & Partial<Timed>) | undefined;
  protected task: Watched | undefined;
  /** The same task, unless its steps are timed one by one. */
  protected together: Watched | undefined;
  /** Steps of the task that runs, or ran last, are long on average, or it has run none. */
  protected mayBeLong = false;
  /** Steps of `task` since it is the one that runs: all, those before this quantum, and those that are in its slot. */
  protected steps = 0;
  protected stepsBefore = 0;
  protected stepsTold = 0;
  /** Something was selected, and when it ended is not known yet. */
  protected isOpen = false;
  protected isFirst = true;
  protected isDone = true;
  protected isHeld = false;
  /** It has become ready again since: since when it had been before. */
  protected isAgain = false;
  protected wasReadyNs = 0;
  protected wasSinceNs = 0;
  protected readonly run = new MeasuredRun();
  protected readonly runs: RunFigures;
  /** The same as `beganNs`, unless that is when the turn began. */
  protected knownNs = 0;
  /** For who remembers what ran: from when on all that ran was `task`. */
  protected onlyNs = 0;
  /**
   * What became ready before counts from then: when figures were switched on, or the last turn began that was passed
   * over, since nothing was ready then.
   */
  protected leastNs = 0;
  /** When figures were switched on. */
  protected resumedNs = 0;
  protected turn: { readonly isRunning: boolean } = { isRunning: false };
  /** Grows when figures are switched on or off. */
  protected period = 0;
  protected readonly arrivals: Arrivals;
  protected readonly counters: Float64Array;
  protected readonly delivery: Int32Array;
  protected readonly nowNs: () => number;

  constructor(protected readonly settings: WatchSettings) {
    this.table = settings.table;
    this.runs = new RunFigures(settings.table, settings.delivery, settings.recorder, settings.trace);
    this.counters = settings.counters;
    this.delivery = settings.delivery;
    this.arrivals = new Arrivals(settings.party, settings.counters);
    this.nowNs = settings.nowNs;
  }

  /** `turn`: that whose figures these are. */
  attach(turn: { readonly isRunning: boolean }): void {
    this.turn = turn;
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

  /** What has been counted goes to the task's slot. */
  tell(): void {
    const { steps, task } = this;
    if (steps === this.stepsTold) return;
    task!.figures!.note(task!, task!.told!, steps - this.stepsTold);
    this.stepsTold = steps;
  }

  /** What ran has ended at `toNs`. */
  protected closeUnlessShort(toNs: number): void {
    if (this.isLeftOut(toNs)) this.isFirst = true;
    else this.close(toNs);
  }

  /** Of what ran and has ended at `toNs` nothing need be recorded. */
  protected isLeftOut(toNs: number): boolean {
    const { runs, knownNs, leastNs, ready } = this;
    const steps = this.steps - this.stepsBefore;
    if (steps === 0) return !runs.hasMemory;
    if (this.isAgain) return false;
    const readyNs = Math.max(ready!.readyNs ?? knownNs, leastNs);
    const sinceNs = Math.max(ready!.sinceNs ?? knownNs, leastNs);
    return runs.leavesOut(this.task!, steps, readyNs, sinceNs, knownNs, toNs);
  }

  /** Something else begins, and what ran in the turns before, which were passed over, is not remembered yet. */
  protected rememberPassedOver(): void {
    const { counters, runs, task, onlyNs } = this;
    if (!runs.hasMemory || onlyNs >= counters[TURN_NS]!) return;
    runs.remember(task, onlyNs, counters[ENDED_NS]!);
    this.onlyNs = this.beganNs;
  }

  /** When what runs, or last ran, began. */
  protected get beganNs(): number {
    return Math.max(this.counters[TURN_NS]!, this.knownNs);
  }

  /** When what runs began is written down, and since when it can have been ready. */
  protected timeRun(): void {
    this.knownNs = this.beganNs;
    if (!this.isTold) this.leastNs = this.counters[TURN_NS]!;
  }

  /** The task whose steps run, or last ran, in this quantum. */
  protected get ran(): Watched | undefined {
    return this.steps === this.stepsBefore ? undefined : this.task;
  }

  /** What runs, as `run`. */
  protected fill(): MeasuredRun {
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
  protected close(toNs: number): void {
    this.runs.close(this.fill(), toNs);
    this.isFirst = true;
    this.isAgain = false;
    this.learn(this.task);
  }

  /** What steps of `task` take on average is known, or known better. */
  protected learn(task: Watched | undefined): void {
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

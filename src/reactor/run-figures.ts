/**
 * What ran, once its end is known: into the histograms of its task, and into the memories of those who ask why
 * something was late. Of what takes less than `exactNs` from ready to done, samples are recorded, each with the weight
 * of those for which it stands; what takes longer is always recorded, so the worst is never missed.
 */
import { BANDS, deliveryLayout } from '../layout.js';
import {
  OUTSIDE, RELIEF, RESPONSE, RUN, SCHEDULE_IN, type Excess, type FigureSlot, type FigureTable,
  type TaskCounts, type ToldCounts,
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

/** Keeps each single run while somebody wants them. */
export interface RunKeeper {
  /** `run` has ended at `toNs`. */
  keep(run: MeasuredRun, toNs: number): void;
  /** Callbacks of Node have held the thread between two turns. */
  keepOutside(fromNs: number, toNs: number): void;
  /** Nothing is kept any more. */
  close(): void;
}

/**
 * A sample stands for itself and for all that was left out before it: LEAST_APART to LEAST_APART + SPREAD - 1 runs, as
 * chance has it, since work has rhythms, and each 16th run may always be of the same task. A record costs as much as a
 * turn, so where there is one more often than each OFTEN_NS, they lie further apart: still some thousand a second.
 */
const LEAST_APART = 9;
const LEAST_APART_OFTEN = 49;
const SPREAD_BITS = 4;
const OFTEN_NS = 4000;
/** What takes this long is always recorded, unless a bound lies lower, or there is a lot of it. */
const EXACT_NS = 10_000;
/**
 * Where so much takes that long that it comes more often than this, only the longest of it is, and each new worst
 * value: the threshold rises by a half, and sinks by a sixteenth where there is less than a quarter of that.
 */
const EXACT_OFTEN_NS = 125_000;
/** Steps that take this long on average are timed one by one. */
export const LONG_STEP_NS = 4000;
const FOLD_EVERY_NS = 1_000_000;
/** A handler that ran this long is named in full. */
const NAMED_NS = 100_000;

const MAY_PASS_OVER = deliveryLayout.fields.mayPassOver.at >> 2;

const HANDLERS: readonly string[] = Array.from({ length: BANDS }, (_, band) => `timers and handlers of band ${band}`);

/** What has run, from the beginning of a quantum, or of a step that is timed by itself, to the end. */
export class MeasuredRun {
  /** The task whose steps ran; undefined where none has begun. */
  task: Watched | undefined = undefined;
  ready: (Ready & Partial<Timed>) | undefined = undefined;
  steps = 0;
  isFirst = true;
  isDone = true;
  fromNs = 0;
  readyNs = 0;
  sinceNs = 0;
}

export class RunFigures {
  /** What takes so long is always recorded. */
  exactNs: number = EXACT_NS;
  /** And what takes so long even where there is a lot of it. */
  private longNs = EXACT_NS;
  private exact = 0;
  /** When bounds that were set are to be taken over, once a millisecond of work. */
  foldNs = 0;
  /** Somebody remembers what has run. */
  hasMemory = false;
  /** How many runs the next sample stands for, and the one after it at least. */
  private weight = LEAST_APART;
  private leastApart = LEAST_APART;
  private random = (Math.random() * 2 ** 32) | 0;
  /** For how many the samples stand since bounds were last taken over. */
  private sampled = 0;
  private seenAsked = 0;
  private recorder: Recorder | undefined;
  private trace: RunKeeper | undefined;

  /**
   * How many runs may be left out until the next sample is in `delivery`, since native code leaves out some.
   * `makeRecorder` is called with the first bound, `makeTrace` when somebody wants each single run.
   */
  constructor(
    private readonly table: FigureTable, private readonly delivery: Int32Array,
    private readonly makeRecorder: () => Recorder, private readonly makeTrace: () => RunKeeper,
  ) {
    delivery[MAY_PASS_OVER] = this.weight - 1;
  }

  /** Somebody keeps each single run. */
  get needsAll(): boolean {
    return this.trace !== undefined;
  }

  /** A run that was left out was none. */
  giveBack(): void {
    this.delivery[MAY_PASS_OVER]!++;
  }

  /** For those who remember: in turns that were passed over, `task` alone has run, or handlers of a band. */
  remember(task: Watched | undefined, fromNs: number, toNs: number, band = 0): void {
    if (toNs > fromNs) this.recorder?.note(task?.name ?? HANDLERS[band]!, fromNs, toNs);
  }

  /**
   * `steps` of `task` ran from `fromNs` to `toNs`; what they ran for was ready since `readyNs`, and had waited since
   * `sinceNs`. True if that is neither to be recorded by itself nor the sample, so that no figure needs it: then it is
   * done with. Otherwise it is to be closed.
   */
  leavesOut(task: Watched, steps: number, readyNs: number, sinceNs: number, fromNs: number, toNs: number): boolean {
    const left = this.delivery[MAY_PASS_OVER]!;
    if (left === 0 || this.trace !== undefined) return false;
    if (toNs - sinceNs >= this.exactNs && this.isNotable(task, steps, readyNs, sinceNs, fromNs, toNs)) return false;
    this.delivery[MAY_PASS_OVER] = left - 1;
    if (this.recorder !== undefined && toNs > fromNs) this.recorder.note(task.name, fromNs, toNs);
    return true;
  }

  /** `run` has ended. */
  close(run: MeasuredRun, toNs: number): void {
    const { recorder, trace } = this;
    const { fromNs, task } = run;
    if (recorder !== undefined && toNs > fromNs) recorder.note(whatRan(run, toNs - fromNs), fromNs, toNs);
    if (trace !== undefined && toNs > fromNs) trace.keep(run, toNs);
    if (task === undefined) return;
    const { readyNs, sinceNs, steps } = run;
    // It has been ready since then or later.
    const isExact = toNs - sinceNs >= this.exactNs && this.isNotable(task, steps, readyNs, sinceNs, fromNs, toNs);
    if (!isExact && this.delivery[MAY_PASS_OVER]! > 0) {
      this.delivery[MAY_PASS_OVER]!--;
      return;
    }
    this.recordRun(run, task, toNs, isExact ? 1 : this.weight);
    if (isExact) {
      this.exact++;
      return;
    }
    this.sampled += this.weight;
    // A congruential generator, of which the upper bits are good.
    this.random = (Math.imul(this.random, 1_664_525) + 1_013_904_223) | 0;
    this.weight = this.leastApart + (this.random >>> (32 - SPREAD_BITS));
    this.delivery[MAY_PASS_OVER] = this.weight - 1;
  }

  /** Its task asks for its next tick at `nowNs`. */
  relief(run: MeasuredRun, nowNs: number): void {
    this.record(run, RELIEF, nowNs - run.sinceNs, 1, nowNs);
  }

  /** Something outside of turns held the thread. */
  noteOutside(fromNs: number, toNs: number): void {
    this.recorder?.note(OUTSIDE, fromNs, toNs);
    this.trace?.keepOutside(fromNs, toNs);
  }

  /** A turn begins, at `foldNs` or later: takes over bounds that were set. */
  fold(nowNs: number): void {
    this.recorder?.look(nowNs);
    const spentNs = nowNs - this.foldNs + FOLD_EVERY_NS;
    this.leastApart = spentNs < this.sampled * OFTEN_NS ? LEAST_APART_OFTEN : LEAST_APART;
    this.sampled = 0;
    if (spentNs < this.exact * EXACT_OFTEN_NS) this.longNs *= 1.5;
    else if (spentNs > 4 * this.exact * EXACT_OFTEN_NS) this.longNs = Math.max(EXACT_NS, this.longNs * 15 / 16);
    this.exact = 0;
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
    if (this.table.isTracing) this.trace ??= this.makeTrace();
    else this.endTrace();
    if (hasBound) {
      this.recorder ??= this.makeRecorder();
    } else {
      this.recorder?.close();
      this.recorder = undefined;
    }
    this.hasMemory = hasBound || this.trace !== undefined;
  }

  /** Bounds hold no more, until `resume`. */
  pause(): void {
    // Without it nobody watches collections either.
    this.leave();
    this.hasMemory = false;
  }

  /** The next turn looks which bounds there are. */
  resume(): void {
    this.foldNs = 0;
    this.seenAsked = -1;
  }

  /** The party has left. */
  leave(): void {
    this.recorder?.close();
    this.recorder = undefined;
    this.endTrace();
  }

  private endTrace(): void {
    this.trace?.close();
    this.trace = undefined;
  }

  /** What was long is so for the present, or a new worst value or above its bound in one of the figures. */
  private isNotable(
    task: Watched, steps: number, readyNs: number, sinceNs: number, fromNs: number, toNs: number,
  ): boolean {
    if (toNs - sinceNs >= this.longNs) return true;
    const { limits } = task.figures!;
    return toNs - sinceNs > limits[RESPONSE]! || fromNs - readyNs > limits[SCHEDULE_IN]!
      || toNs - fromNs - task.meanNs * (steps - 1) > limits[RUN]!;
  }

  private recordRun(run: MeasuredRun, task: Watched, toNs: number, weight: number): void {
    const { steps, fromNs } = run;
    const ns = Math.max(0, toNs - fromNs);
    // In a lane each message has waited, and is done with its step; a task is ready once for all in its mailbox.
    const ready = run.ready === task ? weight : steps * weight;
    if (run.isFirst) this.record(run, SCHEDULE_IN, Math.max(0, fromNs - run.readyNs), ready, fromNs);
    const { meanNs } = task;
    const restNs = ns - meanNs * (steps - 1);
    if (steps > 1 && meanNs > 0 && restNs > Math.max(2 * (ns - restNs), EXACT_NS)) {
      // One of them was far from the others.
      this.record(run, RUN, meanNs, (steps - 1) * weight, toNs);
      this.record(run, RUN, restNs, weight, toNs);
      task.meanNs += (LONG_STEP_NS - meanNs) / 8;
    } else {
      const each = ns / Math.max(1, steps);
      this.record(run, RUN, each, steps * weight, toNs);
      task.meanNs = meanNs === 0 ? each : meanNs + (each - meanNs) / 8;
    }
    if (run.isDone) this.record(run, RESPONSE, Math.max(0, toNs - run.sinceNs), ready, toNs);
  }

  private record(run: MeasuredRun, kind: number, ns: number, count: number, endNs: number): void {
    const { ready, task, fromNs, readyNs, sinceNs } = run;
    const figures = task!.figures!;
    if (!figures.record(kind, ns, count)) return;
    const { from = -1 } = ready as { from?: number };
    this.recorder?.exceeded({
      figures, kind, ns, startNs: fromNs, endNs, from,
      readyNs: kind === RUN ? fromNs : kind === SCHEDULE_IN ? readyNs : sinceNs,
    });
  }
}

function whatRan({ task, ready }: MeasuredRun, ns: number): string {
  if (task !== undefined) return task.name;
  return ns < NAMED_NS ? HANDLERS[ready!.band]! : (ready!.where ?? HANDLERS[ready!.band]!);
}

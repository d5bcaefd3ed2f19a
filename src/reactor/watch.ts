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
import { LANES_PER_PEER, deliveryLayout, partyLayout } from '../layout.js';
import type { Wake } from '../observe/internal.js';
import type { Ready } from '../scheduling/internal.js';
import { sampleOf, sampledNs, stamp, stampSample, stampWake } from './arrivals.js';
import type { Timed, Watched } from './run-figures.js';
import { RunWatch } from './run-watch.js';

const field = partyLayout.fields;
const TURN_NS = field.turnNs.at >> 3;
const BEFORE_NS = field.beforeNs.at >> 3;
const ENDED_NS = field.endedNs.at >> 3;
const TELL_NEXT = deliveryLayout.fields.tellNext.at >> 2;

export class TaskWatch extends RunWatch {
  private round = -1;
  private roundNs = 0;
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
    if (runs.hasMemory) {
      const sinceNs = this.arrivals.heldSinceNs(endedNs);
      if (sinceNs > 0) runs.noteOutside(sinceNs, beganNs);
    }
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
   * `times` are the lane's, see `timesOf`.
   */
  makeLaneReady(lane: Ready & Timed, times: Float64Array): void {
    if (lane.isReady) return;
    lane.readyNs = lane.sinceNs = this.arrivals.isLate ? this.arrivals.arrivedNs(times) : this.beganNs;
  }

  /** The running step asks for its next tick: what it is for is done. */
  relief(): void {
    if (!this.turn.isRunning || this.ran === undefined) return;
    this.timeRun();
    this.fill();
    this.runs.relief(this.run, this.nowNs());
  }

  /**
   * The time: read between turns, and in quanta whose steps are long, or may be; else as of when the present quantum
   * began, or before the first one the turn.
   */
  timeNs(): number {
    return this.turn.isRunning && !(this.mayBeLong && this.isOpen) ? this.beganNs : this.nowNs();
  }

  // ---- Of lanes ---------------------------------------------------------------------------------------------------

  /** For the sender: what lies in the lane is published. One time does for all of a `round`. */
  stamp(times: Float64Array, round: number): void {
    if (round !== this.round) {
      this.round = round;
      this.roundNs = this.timeNs();
    }
    stamp(times, this.roundNs);
  }

  /** And what lies there up to `sequence` is a sample. Follows `stamp`. */
  stampSample(times: Float64Array, words: Int32Array, sequence: number): void {
    stampSample(times, words, sequence, this.roundNs);
  }

  /** For the receiver: it has taken what lies before `sequence`. Returns the sample that it has seen. */
  take(lane: number, times: Float64Array, words: Int32Array, sequence: number, seen: number): number {
    const sampledAt = sampleOf(words, sequence, seen);
    if (sampledAt === seen) return seen;
    const ns = sampledNs(times);
    // Its sender's clock is the same, but it may have read it after this quantum began.
    if (ns >= this.resumedNs) this.table.lanes[lane % LANES_PER_PEER]!.record(Math.max(0, this.beganNs - ns));
    return sampledAt;
  }

  /** This party writes the eventfd of another, whose words these are. */
  stampWake(party: Int32Array, counters: Float64Array): void {
    stampWake(party, counters, this.settings.id, this.nowNs());
  }

  /** What takes so long is always recorded. */
  get exactNs(): number {
    return this.runs.exactNs;
  }

  /** When and by whom this thread was last woken for a record, and when it was awake. */
  lastWake(): Wake {
    return this.arrivals.wake;
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
}

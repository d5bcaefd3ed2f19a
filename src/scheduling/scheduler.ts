/**
 * The one loop that runs what is ready, under a budget. A reactor's turn uses it, and so do timers and I/O when they
 * are used without a reactor.
 *
 *      schedule --> discipline --select--> run one quantum --there is more--> schedule
 *                                             \--held back--> stays marked as ready until whoever holds it lets it go
 */
import type { Discipline } from './discipline.js';
import type { Meter } from './meter.js';
import { DEFAULT_BAND, type Ready } from './ready.js';

/** What the loop needs of the thread that it runs on. */
export interface SchedulerHost {
  readonly nowNs: () => number;
  /** Something has become ready: a turn must follow, if this is not already one. */
  wantTurn(): void;
  /** True when the turn must end although its budget is not spent. Asked after each quantum. */
  mustEndTurn(): boolean;
  /** Reports what a quantum threw. The others go on. */
  noteThrown(error: unknown, ready: Ready): void;
}

/** Is told about each quantum, if figures are taken. */
export interface QuantumWatch {
  /** Another quantum of this need not be told. */
  readonly current: Ready | undefined;
  begin(ready: Ready): void;
  /** Not called for the last quantum of a turn, after which no clock is read. */
  end(nowNs: number): void;
}

export class Scheduler {
  /** Band of what runs; between turns, that of something without a priority. */
  runningBand: number = DEFAULT_BAND;
  /** Times quanta, if the discipline or somebody else wants to know. */
  meter: Meter | undefined;
  /** Is told about each quantum, if figures are taken. Changed between turns. */
  watch: QuantumWatch | undefined = undefined;
  private isHeld = false;
  private current: Discipline<Ready>;

  /** `quanta` is the most that one turn runs. */
  constructor(
    discipline: Discipline<Ready>, private readonly host: SchedulerHost, private readonly quanta: number,
  ) {
    this.current = discipline;
  }

  get discipline(): Discipline<Ready> {
    return this.current;
  }

  /**
   * From now on `next` selects what is ready, even if this is called in the middle of a quantum. What waits is handed
   * over in the order in which the old discipline would have selected it; so within a band the order stays, and nothing
   * is lost.
   */
  setDiscipline(next: Discipline<Ready>): void {
    const { current } = this;
    if (next === current) return;
    for (let ready = current.select(); ready !== undefined; ready = current.select()) next.push(ready);
    this.current = next;
  }

  /** Makes `ready` wait to be selected, and asks for a turn. Does nothing if it waits or runs already. */
  schedule(ready: Ready): void {
    if (makeReady(this.current, ready)) this.host.wantTurn();
  }

  /**
   * Takes what would run next without running it; undefined when nothing is ready. It may be scheduled again from now
   * on.
   */
  take(): Ready | undefined {
    const ready = this.current.select();
    if (ready !== undefined) ready.isReady = false;
    return ready;
  }

  /**
   * Runs a quantum of what was taken, also within the quantum of another, which goes on as if nothing had been. True:
   * there is more. What was held back meanwhile waits as after a selection.
   */
  runTaken(ready: Ready): boolean {
    const { isHeld, runningBand } = this;
    this.isHeld = false;
    this.runningBand = ready.band;
    try {
      const hasMore = ready.run();
      if (!this.isHeld) return hasMore;
      ready.isReady = true;
      return false;
    } finally {
      this.isHeld = isHeld;
      this.runningBand = runningBand;
    }
  }

  /**
   * Runs one quantum after the other until nothing is ready, `endNs` has passed, or the budget of quanta is spent.
   * `beganNs` is when the turn began, from which the first quantum is timed.
   */
  run(endNs: number, beganNs = 0): void {
    const { host, watch } = this;
    let fromNs = beganNs;
    for (let quanta = 1; ; quanta++) {
      const ready = this.current.select();
      if (ready === undefined) break;
      if (watch !== undefined && ready !== watch.current) watch.begin(ready);
      this.runQuantum(ready);
      // Both may have been changed by the quantum.
      const { current, meter } = this;
      // A turn that has run everything does not read the clock: nobody has waited.
      if (current.isEmpty && (meter === undefined || !meter.isExact)) break;
      const nowNs = host.nowNs();
      if (watch !== undefined) watch.end(nowNs);
      if (meter !== undefined) meter.note(current, ready.band, fromNs, nowNs);
      fromNs = nowNs;
      if (nowNs >= endNs || quanta >= this.quanta || current.isEmpty || host.mustEndTurn()) break;
    }
    this.runningBand = DEFAULT_BAND;
  }

  /**
   * What runs now is not scheduled again when its quantum ends. It keeps `isReady`, so that nobody else schedules it
   * before whoever holds it back has cleared that.
   */
  holdBack(): void {
    this.isHeld = true;
  }

  private runQuantum(ready: Ready): void {
    this.runningBand = ready.band;
    this.isHeld = false;
    let hasMore = false;
    try {
      hasMore = ready.run();
    } catch (error) {
      hasMore = true;
      this.host.noteThrown(error, ready);
    } finally {
      if (!this.isHeld) {
        ready.isReady = false;
        if (hasMore) this.schedule(ready);
      }
    }
  }
}

/** Hands `ready` over to the discipline. Returns false if it already waits there, or runs. */
export function makeReady(discipline: Discipline<Ready>, ready: Ready): boolean {
  if (ready.isReady) return false;
  ready.isReady = true;
  discipline.push(ready);
  return true;
}

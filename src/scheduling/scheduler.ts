/**
 * The one loop that runs what is ready, under a budget. A reactor's turn uses it, and so do timers and I/O where they
 * are used without a reactor.
 *
 *      schedule --> discipline --take--> run one quantum --there is more--> schedule
 *                                             \--held back--> stays marked as ready until whoever holds it lets it go
 */
import type { Discipline } from './discipline.js';
import { DEFAULT_BAND, type Ready } from './ready.js';

/** What the loop needs of the thread that it runs on. */
export interface SchedulerHost {
  readonly nowNs: () => number;
  /** Something has become ready: a turn must follow, if this is not one. */
  wantTurn(): void;
  /** True when the turn must end although its budget is not spent. Asked after each quantum. */
  mustEndTurn(): boolean;
  /** Reports what a quantum threw. The others go on. */
  noteThrown(error: unknown, ready: Ready): void;
}

export class Scheduler {
  /** Band of what runs; between turns, that of something without a priority. */
  runningBand: number = DEFAULT_BAND;
  private isHeld = false;

  /** `quanta` is the most that one turn runs. */
  constructor(readonly discipline: Discipline, private readonly host: SchedulerHost, private readonly quanta: number) {}

  /** Makes `ready` wait to be selected, and asks for a turn. Does nothing if it waits or runs already. */
  schedule(ready: Ready): void {
    if (makeReady(this.discipline, ready)) this.host.wantTurn();
  }

  /**
   * Takes what would run next without running it; undefined when nothing is ready. It may be scheduled again from now
   * on.
   */
  take(): Ready | undefined {
    const ready = this.discipline.take();
    if (ready !== undefined) ready.isReady = false;
    return ready;
  }

  /** Runs one quantum after the other until nothing is ready, `endNs` has passed, or the budget of quanta is spent. */
  run(endNs: number): void {
    const { discipline, host } = this;
    const isCharging = discipline.charge !== undefined;
    let beganNs = isCharging ? host.nowNs() : 0;
    for (let quanta = 1; ; quanta++) {
      const ready = discipline.take();
      if (ready === undefined) break;
      this.runQuantum(ready);
      if (isCharging) {
        const endedNs = host.nowNs();
        discipline.charge!(ready.band, endedNs - beganNs);
        beganNs = endedNs;
      }
      // In this order: a turn that has run all there was does not read the clock.
      if (discipline.isEmpty || quanta >= this.quanta || host.nowNs() >= endNs || host.mustEndTurn()) break;
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

/** Hands `ready` over to the discipline. Returns false when it waits there, or runs, already. */
export function makeReady(discipline: Discipline, ready: Ready): boolean {
  if (ready.isReady) return false;
  ready.isReady = true;
  discipline.push(ready);
  return true;
}

/**
 * Everybody of one party who waits: tasks and lanes whose step was refused, and callbacks of `whenRoom`. The rule is in
 * docs/architecture.md.
 *
 *      step answers BACK_PRESSURED, and somebody has refused it --> held; the first of these that has room makes it
 *      ready
 *      step answers AGAIN, or BACK_PRESSURED for no reason      --> set aside until the turn ends, then behind its band
 *
 * What is held is in no ready list, and native code does not look at its lane: it takes no turn and no CPU.
 */
import { BACK_PRESSURED } from '../queues/index.js';
import type { Ready } from '../scheduling/internal.js';
import { awaitRefusers } from '../refusals.js';
import type { Steps } from './steps.js';
import type { TurnRequests } from './turn-requests.js';
import type { WaitingHost, WaitingLine } from './waiting-line.js';

/** A task or a lane. */
export interface Holdable extends Ready {
  /** It waits for refusers from now on (true), or no longer. `goOn` ends the wait early. */
  setHeld(isHeld: boolean, goOn?: () => void): void;
}

export class Waits implements WaitingHost {
  /** Some line may have room. */
  hasStale = false;
  /** Lines in which somebody waits. */
  private readonly lines: WaitingLine[] = [];
  private readonly aside: Holdable[] = [];
  private held = 0;

  constructor(private readonly turn: TurnRequests, private readonly steps: Steps) {}

  /**
   * The step of `ready` has returned `code`, BACK_PRESSURED or AGAIN. It keeps its message, and its `isReady`, until it
   * goes on.
   */
  hold(ready: Holdable, code: number): void {
    if (code !== BACK_PRESSURED || !this.awaitRefusers(ready)) this.aside.push(ready);
  }

  /** The turn ends: those that asked to run again come after the others of their bands. */
  endTurn(): void {
    // Nearly always there is nobody: setting a length, even to what it is, costs more than a step.
    if (this.aside.length === 0) return;
    for (const ready of this.aside) this.goOn(ready);
    this.aside.length = 0;
  }

  /** Lets those go on for whom there is room. `isTold`: peers may have made room, or be gone. */
  look(isTold: boolean): void {
    if (isTold) {
      for (const line of this.lines) line.mayHaveRoom();
    } else {
      // A turn has ended since the last look: whoever was given room has used it, or does not want it.
      for (const line of this.lines) line.forgetPromises();
    }
    this.hasStale = false;
    // Not those that callbacks add now: their turn comes next.
    for (let i = this.lines.length - 1; i >= 0; i--) {
      const line = this.lines[i]!;
      if (line.isStale) line.admit();
      if (line.count !== 0) continue;
      // Its last waiters may have left while it was looked at: the next to join must find it neither listed nor stale.
      line.isListed = line.isStale = false;
      this.lines[i] = this.lines[this.lines.length - 1]!;
      this.lines.pop();
    }
  }

  /** True when nobody waits for anything. */
  /** Whether some task or lane waits for whoever has refused it. */
  get hasHeld(): boolean {
    return this.held !== 0;
  }

  isIdle(): boolean {
    return this.held === 0 && this.aside.length === 0 && this.lines.every((line) => line.count === 0);
  }

  // ---- For lines ------------------------------------------------------------------------------------------------

  markStale(line: WaitingLine): void {
    if (!line.isListed) {
      line.isListed = true;
      this.lines.push(line);
    }
    this.hasStale = true;
    this.turn.wantTurn();
  }

  whoRuns(): string {
    return this.steps.whoRuns();
  }

  reportThrown(error: unknown, where: string): void {
    this.turn.reportError(error, where);
  }

  // ---- Inside -----------------------------------------------------------------------------------------------------

  private awaitRefusers(ready: Holdable): boolean {
    const takeBack: (() => void)[] = [];
    let isWaiting = true;
    const goOn = (): void => {
      if (!isWaiting) return;
      isWaiting = false;
      for (const end of takeBack) end();
      this.held--;
      ready.setHeld(false);
      this.goOn(ready);
    };
    if (!awaitRefusers(goOn, takeBack)) return false;
    this.held++;
    ready.setHeld(true, goOn);
    return true;
  }

  private goOn(ready: Ready): void {
    ready.isReady = false;
    this.turn.schedule(ready);
  }
}

/**
 * How a party stops, in the order in which the runtime announces it by the stop word, which each turn looks at:
 *
 *      RUN --DRAIN--> hooks run, DRAINING --hooks settled and all quiet--> QUIET --LEAVE--> LEFT
 *                                  ^-------- a record comes from a peer --------/
 *
 * QUIET can be taken back, because a peer that is still draining may send something. So the runtime looks at all
 * parties together before it tells any to leave.
 */
import { words } from '../layout.js';

/** What the stop protocol needs of the party that stops. */
export interface Stopping {
  /** Tells the runtime how far this party is. */
  setPhase(phase: number): void;
  /** True when nothing is ready, waiting or under way, and the kernel has what connections have taken. */
  isDrained(): boolean;
  /** Ends the turn: nothing of this party runs any more. */
  detach(): void;
  reportError(error: unknown, where: string): void;
  wantTurn(): void;
}

export class WindDown {
  /** Called after the party has left. */
  onLeave: (() => void) | undefined;
  private readonly hooks: (() => void | Promise<void>)[] = [];
  /** The party was told to drain. */
  hasBegun = false;
  private areHooksDone = false;

  constructor(private readonly party: Stopping) {}

  /** Runs `hook` once when the party is told to drain. */
  add(hook: () => void | Promise<void>): void {
    this.hooks.push(hook);
  }

  /** Once a turn while the stop word is not RUN. */
  goOn(stopWord: number): void {
    const { party } = this;
    if (stopWord === words.stop.LEAVE) {
      party.setPhase(words.phase.LEFT);
      party.detach();
      this.onLeave?.();
      return;
    }
    if (!this.hasBegun) this.begin();
    party.setPhase(this.areHooksDone && party.isDrained() ? words.phase.QUIET : words.phase.DRAINING);
  }

  private begin(): void {
    const { party } = this;
    this.hasBegun = true;
    party.setPhase(words.phase.DRAINING);
    // Each is asynchronous, so that one that throws at once does not keep the others from running.
    const running = this.hooks.map(async (hook) => hook());
    for (const hook of running) hook.catch((error: unknown) => party.reportError(error, 'a stop hook'));
    void Promise.allSettled(running).then(() => {
      this.areHooksDone = true;
      party.wantTurn();
    });
  }
}

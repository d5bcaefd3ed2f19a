/**
 * How the main thread brings back a reactor after a death:
 *
 *      ready --exit--> waiting --its wait is over--> starting --entry has run--> ready
 *                         ^                             |
 *                         └-- the policy allows it -----┴-- exit; entry threw, or took too long: ended, exit
 *                                     \-- it does not --> dead for good
 */
import { PercoreError } from '../errors.js';
import type { Member } from './member.js';
import { RestartPolicy, type RestartOptions } from './restart-policy.js';

export interface RestartHost {
  /** Starts a thread in the place of the reactor. Throws what starting one throws. */
  startAgain(id: number): Member;
  /** No thread could be started. */
  notStarted(id: number, error: Error): void;
  /** The entry has run. */
  restarted(member: Member): void;
}

export class Restarts {
  private readonly policy: RestartPolicy;
  /** Those whose wait is not over. */
  private readonly waiting = new Map<number, NodeJS.Timeout>();

  /** `startTimeoutMs` is the longest time from the start of the thread to the end of its entry. */
  constructor(
    private readonly host: RestartHost, options: Required<RestartOptions> | undefined,
    private readonly startTimeoutMs: number,
  ) {
    this.policy = new RestartPolicy(options);
  }

  /** True while the reactor is to be started and no thread of it runs. */
  isWaiting(id: number): boolean {
    return this.waiting.has(id);
  }

  /**
   * A reactor has died. Undefined: for good. Else what begins the next start, at once or after the wait. `wasReady`:
   * its entry had run.
   */
  next(id: number, wasReady: boolean): (() => void) | undefined {
    const waitMs = this.policy.died(id, performance.now(), wasReady);
    if (waitMs === undefined) return undefined;
    return () => {
      if (waitMs === 0) this.start(id);
      else this.waiting.set(id, setTimeout(() => this.start(id), waitMs).unref());
    };
  }

  /** The runtime closes: those that wait begin at once, so that they run what they were sent. */
  hurry(): void {
    for (const id of this.waiting.keys()) this.start(id);
  }

  /** The reactor is taken away: if it waits, it is not started. True if it was waiting. */
  cancel(id: number): boolean {
    clearTimeout(this.waiting.get(id));
    return this.waiting.delete(id);
  }

  /** Another reactor may come in its place, whose deaths are counted from the first. */
  forget(id: number): void {
    this.policy.forget(id);
  }

  private start(id: number): void {
    clearTimeout(this.waiting.get(id));
    this.waiting.delete(id);
    let member: Member;
    try {
      member = this.host.startAgain(id);
    } catch (error) {
      // Later: the host is in the middle of the previous death, and each failure is another one.
      setImmediate(() => this.host.notStarted(id, error as Error));
      return;
    }
    const timer = setTimeout(() => this.end(member, tooLate(id, this.startTimeoutMs)), this.startTimeoutMs).unref();
    member.ready.then(() => this.host.restarted(member), (error: Error) => this.end(member, error)).finally(
      () => clearTimeout(timer),
    );
  }

  /** Its exit event follows, if it has not come yet, and is the next death. */
  private end(member: Member, error: Error): void {
    if (member.isDead) return;
    member.error ??= error;
    member.terminate();
  }
}

const tooLate = (id: number, startTimeoutMs: number): PercoreError => new PercoreError(
  'ERR_PERCORE_TIMEOUT', `reactor ${id} was started again and its entry did not end within ${startTimeoutMs} ms`,
  { argument: 'startTimeoutMs', value: startTimeoutMs, reactorId: id },
);

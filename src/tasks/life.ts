/**
 * How a process lives and ends, whatever its body is: cancellation, supervision, parent and children, and those who
 * wait for its end.
 *
 *      runs --returns--> [its children end] --> ended, its name is free
 *       ^ └──throws──> Supervision ──stop, escalate──┘
 *       └──[its children end]──restart──┘
 */
import { PercoreError } from '../errors.js';
import type { Party, ValueTask } from '../reactor/internal.js';
import { Waiters, whenAborted, type WaitOptions } from '../waiting.js';
import type { Run } from './body.js';
import type { ProcessEnd } from './process-options.js';
import type { Supervision } from './supervision.js';

/** How many steps the clean-up of a body may take when its reactor leaves. */
const STEPS_OF_LEAVING = 16;

export abstract class Life {
  abstract readonly task: ValueTask;
  readonly children = new Set<Life>();
  end: ProcessEnd | undefined;
  /** The present run of its body; none before its first step, and between two runs. */
  protected current: Run | undefined;
  /** What follows when its children have ended. */
  protected pending: 'restart' | ProcessEnd | undefined;
  protected isLeaving = false;
  private readonly controller = new AbortController();
  private readonly joins: Waiters<ProcessEnd>;
  private unlink: (() => void) | undefined;
  private isUnsettled = false;

  constructor(
    readonly party: Party, readonly name: string, readonly supervision: Supervision, readonly parent: Life | undefined,
  ) {
    this.joins = new Waiters(`task "${name}" has not ended`);
  }

  /** What it waits for has arrived, or it is to end: a step must follow. */
  abstract wake(): void;
  /** One step. */
  abstract resume(): number;

  /** It is known by its name from now on, and its first step will come. Throws what `addTask` throws. */
  begin(signal: AbortSignal | undefined): void {
    this.party.dispatcher.addTask(this.task);
    this.parent?.children.add(this);
    if (signal?.aborted === true) this.cancel(signal.reason);
    else if (signal !== undefined) this.unlink = whenAborted(signal, () => this.cancel(signal.reason));
    this.party.turn.schedule(this.task);
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  get restarts(): number {
    return this.supervision.restarts;
  }

  get isStopping(): boolean {
    return this.party.stop.hasBegun || this.party.isClosed;
  }

  /** False once its run is over. */
  get mayHaveChildren(): boolean {
    return this.end === undefined && this.pending === undefined;
  }

  join(options: WaitOptions | undefined): Promise<ProcessEnd> {
    return this.joins.waitUnless(() => this.end, options);
  }

  cancel(reason: unknown): void {
    if (this.end !== undefined || this.signal.aborted) return;
    this.controller.abort(reason);
    this.current?.stop(this.signal.reason);
    this.wake();
  }

  /** The party has left: whatever its body wants to clean up happens now, or never. */
  leave(): void {
    this.isLeaving = true;
    this.cancel(new PercoreError('ERR_PERCORE_CLOSED', `task "${this.name}" ends: the runtime is closed`));
    this.wake();
  }

  // ---- For its runs -------------------------------------------------------------------------------------------------

  returned(value: unknown): void {
    const { signal } = this;
    this.close();
    this.over(signal.aborted ? { how: 'cancelled', reason: signal.reason } : { how: 'ended', value });
  }

  threw(error: unknown): void {
    const { party, parent, signal, supervision, task } = this;
    const { steps } = party.turn;
    this.close();
    if (signal.aborted) {
      if (error === signal.reason) return this.over({ how: 'cancelled', reason: error });
      steps.report(error, task);
      return this.over({ how: 'failed', error });
    }
    const decision = supervision.decide();
    if (decision === 'escalate') {
      const escalation = supervision.escalation(this.name, party.id, error);
      // A parent that catches it has dealt with it.
      if (parent?.raise(escalation) === true) task.errors++;
      else steps.report(escalation, task);
      return this.over({ how: 'failed', error });
    }
    steps.report(error, task);
    return this.over(decision === 'restart' ? 'restart' : { how: 'failed', error });
  }

  changed(): void {
    const isUnsettled = this.pending === undefined && this.current?.isUnsettled === true;
    if (isUnsettled === this.isUnsettled) return;
    this.isUnsettled = isUnsettled;
    // A process that waits for a promise keeps its party from being quiet, as asynchronous steps do.
    this.party.turn.steps.unsettled += isUnsettled ? 1 : -1;
    if (!isUnsettled) this.party.wantTurn();
  }

  // ---- For its quanta -----------------------------------------------------------------------------------------------

  protected canGoOn(): boolean {
    if (this.end !== undefined) return false;
    if (this.pending !== undefined) return this.children.size === 0;
    return this.current === undefined || this.current.canGoOn();
  }

  /** The run is over. Its children end before anything else comes. */
  protected over(next: 'restart' | ProcessEnd): void {
    this.pending = next;
    for (const child of this.children) {
      child.cancel(new PercoreError(
        'ERR_PERCORE_CLOSED', `task "${child.name}" ends with task "${this.name}", which has made it`,
      ));
    }
    if (this.children.size === 0) this.finish();
  }

  /** Its children have ended. */
  protected finish(): void {
    const { pending, parent } = this;
    this.pending = undefined;
    if (pending === undefined || pending === 'restart') return;
    this.end = pending;
    this.unlink?.();
    this.changed();
    this.party.removeTask(this.task);
    this.joins.settle(pending);
    if (parent === undefined) return;
    parent.children.delete(this);
    if (parent.pending !== undefined && parent.children.size === 0) parent.wake();
  }

  /** No quantum comes any more: its last steps run here. */
  protected stepOut(): void {
    const { steps } = this.party.turn;
    for (let i = 0; i < STEPS_OF_LEAVING && !steps.isRunning(this.task) && this.canGoOn(); i++) {
      steps.resume(this.task, this);
      this.changed();
    }
  }

  // ---- Inside -------------------------------------------------------------------------------------------------------

  /** A child has failed more often than it may. False: this body does not wait for anything any more. */
  private raise(error: unknown): boolean {
    if (this.current === undefined || !this.mayHaveChildren) return false;
    this.current.raise(error);
    this.wake();
    return true;
  }

  private close(): void {
    this.current?.close();
    this.current = undefined;
  }
}

/**
 * The one place that runs a step, settles what it answers, and reports what it throws, at once or later. A step that
 * throws costs its own message and nothing else.
 */
import { PercoreError } from '../errors.js';
import { AGAIN, BACK_PRESSURED, CLOSED, OK, nameOfCode } from '../result-codes.js';
import { beginStep, endStep, noteRefusal } from '../refusals.js';
import type { LocalTask } from './task.js';

export interface StepsHost {
  /** Counts the error and tells the runtime. */
  reportError(error: unknown, where: string): void;
  /** A promise has settled outside of a turn. */
  wantTurn(): void;
}

export class Steps {
  /** Steps that returned a promise which is not settled. */
  unsettled = 0;
  /** The task whose step runs now. */
  private running: LocalTask | undefined;

  constructor(private readonly host: StepsHost) {}

  /** OK when the message is taken; BACK_PRESSURED or AGAIN when it is to be kept. Never throws. */
  run(task: LocalTask, message: unknown, from: number, band: number): number {
    beginStep();
    this.running = task;
    let code: number = OK;
    try {
      const result = task.unsettled < task.concurrency ? task.step(message as never, from, band) : waitForSettling(task);
      if (result !== undefined) code = this.settle(result, task);
    } catch (error) {
      this.report(error, task);
    }
    this.running = undefined;
    endStep();
    return code;
  }

  whoRuns(): string {
    return this.running === undefined ? 'code outside of a step' : whereOf(this.running);
  }

  /**
   * A step answered something: a code, or a promise whose rejection must not be lost, or nothing that means anything
   * here.
   */
  private settle(result: unknown, task: LocalTask): number {
    if (typeof result === 'number') {
      if (result === BACK_PRESSURED || result === AGAIN) return result;
      // What the step sent was not taken, and never will be: its own message is gone as well, and somebody must learn of it.
      if (result < 0) this.report(notTaken(result), task);
      return OK;
    }
    if ((typeof result !== 'object' && typeof result !== 'function') || result === null) return OK;
    if (typeof (result as PromiseLike<unknown>).then === 'function') void this.follow(result as PromiseLike<unknown>, task);
    return OK;
  }

  /** `await` itself takes care of thenables that call back twice, throw, or lie. */
  private async follow(promise: PromiseLike<unknown>, task: LocalTask): Promise<void> {
    this.unsettled++;
    task.unsettled++;
    try {
      const answer = await promise;
      if (typeof answer === 'number' && answer < 0) this.report(notTaken(answer), task);
    } catch (error) {
      this.report(error, task);
    }
    this.unsettled--;
    task.unsettled--;
    task.hasSettled();
    this.host.wantTurn();
  }

  private report(error: unknown, task: LocalTask): void {
    this.host.reportError(error, whereOf(task));
  }
}

/** So many asynchronous steps of this task are under way as it may have: the message waits until one has settled. */
function waitForSettling(task: LocalTask): number {
  noteRefusal(task.settling, 1);
  return BACK_PRESSURED;
}

const whereOf = (task: LocalTask): string => `task "${task.name}"`;

function notTaken(code: number): PercoreError {
  const isKept = code === BACK_PRESSURED || code === AGAIN;
  const why = isKept ? ' after an await, when its message was taken already: wait there until there is room'
    : `, so what it sent was not taken, and its message is gone${code === CLOSED ? '. It sent to what is closed: by an error, by onStop, or because a reactor has died; the onClose of a file or a connection says why' : ''}`;
  return new PercoreError('ERR_PERCORE_STEP_ANSWER', `a step answered ${nameOfCode(code)}${why}`, { value: code });
}

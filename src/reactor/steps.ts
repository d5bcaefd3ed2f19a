/**
 * The one place that runs a step, settles what it returns, and reports what it throws, at once or later. A step that
 * throws costs its own message and nothing else.
 */
import { PercoreError } from '../errors.js';
import { AGAIN, BACK_PRESSURED, CLOSED, OK, nameOfCode } from '../result-codes.js';
import { beginStep, endStep, noteRefusal, type Refuser } from '../refusals.js';
import type { Watched } from './run-figures.js';
import type { TaskWatch } from './watch.js';
import type { TurnRequests } from './turn-requests.js';

/**
 * What a step may return: nothing or OK; BACK_PRESSURED to get the same message again as soon as one of those that
 * refused this step has room, without a turn until then; AGAIN, or BACK_PRESSURED if nobody has refused, to get it
 * again in the next turn, after the others of its band. CLOSED and TOO_LARGE are reported as step errors: what the step
 * sent was not taken, and its message is gone. Other values mean nothing. If it returns a promise, the message is
 * taken, and a rejection is reported; see `concurrency`. docs/architecture.md has the whole rule.
 */
export type StepResult = number | void | Promise<void>;

/** Something whose step runs once for each message: a task. `M` is what its step gets. */
export interface Stepping<M> extends Watched {
  readonly name: string;
  /** How many asynchronous steps may be under way at once, and how many are. */
  readonly concurrency: number;
  unsettled: number;
  /** Steps that have asked for their message again, and those that have thrown. */
  again: number;
  errors: number;
  /** Messages that wait until an asynchronous step has settled. */
  readonly settling: Refuser;
  /**
   * A message is what its sender says it is: the declared types are checked where it is sent, and nobody checks them
   * again at run time. TypeScript lets a step that takes narrower messages stand here because this is a method.
   */
  step(message: M, from: number, band: number): StepResult;
  /** An asynchronous step has settled. */
  hasSettled(): void;
}

/** One of several who are handed the same message: a subscriber. */
export interface Handed<M, I> {
  readonly task: Stepping<never>;
  readonly handler: (message: M, info: I) => StepResult;
  readonly hasEnded: boolean;
  /** False if the message has to wait until what came before it was handled. */
  readonly isIdle: boolean;
  /** It has been handed the message and has not asked for it again. */
  hasTaken(): void;
}

export class Steps {
  /** How many steps returned a promise that has not settled. */
  unsettled = 0;
  /** The task whose step runs now. */
  private running: { readonly name: string } | undefined;

  /** What the one answered at which `handEach` stopped. */
  answer: number = OK;

  /** Set while figures of tasks are taken. */
  watch: TaskWatch | undefined = undefined;

  constructor(private readonly turn: TurnRequests) {}

  /** OK if the message is taken; BACK_PRESSURED or AGAIN if it is to be kept. Never throws. */
  run<M>(task: Stepping<M>, message: M, from: number, band: number): number {
    this.begin(task);
    let code: number = OK;
    try {
      const result = task.unsettled < task.concurrency ? task.step(message, from, band) : waitForSettling(task);
      if (result !== undefined) code = this.settle(result, task);
    } catch (error) {
      this.report(error, task);
    }
    this.end();
    return code;
  }

  /**
   * The same for one of those who are handed one message, as subscribers are: `handler` stands for the task's step, so
   * that a message costs each of them one call.
   */
  hand<M, I>(task: Stepping<never>, handler: (message: M, info: I) => StepResult, message: M, info: I): number {
    this.begin(task);
    let code: number = OK;
    try {
      const result = task.unsettled < task.concurrency ? handler(message, info) : waitForSettling(task);
      if (result !== undefined) code = this.settle(result, task);
    } catch (error) {
      this.report(error, task);
    }
    this.end();
    return code;
  }

  /**
   * The same for several, from `first` on, until one is busy or does not take the message: it then returns the index of
   * that one, and `answer` says why, OK if it was not called. Otherwise it returns their number. Each is a step of its
   * own; what begins and ends a step is only not done twice between two of them. None of them bounds its asynchronous
   * steps.
   */
  handEach<M, I>(those: readonly Handed<M, I>[], first: number, message: M, info: I): number {
    const { length } = those;
    let i = first;
    let code: number = OK;
    while (i < length) {
      try {
        for (; i < length; i++) {
          const one = those[i]!;
          if (one.hasEnded) continue;
          if (!one.isIdle) break;
          const { task, handler } = one;
          this.begin(task);
          const result = handler(message, info);
          if (result !== undefined && (code = this.settle(result, task)) !== OK) break;
          one.hasTaken();
        }
        break;
      } catch (error) {
        const one = those[i++]!;
        this.report(error, one.task);
        one.hasTaken();
      }
    }
    this.end();
    this.answer = code;
    return i;
  }

  /** Runs a step of a body, which returns what other steps do, and never throws. */
  resume(task: Stepping<never>, body: { resume(): number }): number {
    this.begin(task);
    const code = body.resume();
    this.end();
    return code;
  }

  private begin(task: Stepping<never>): void {
    if (this.watch !== undefined) this.watch.step(task);
    beginStep();
    this.running = task;
  }

  private end(): void {
    this.running = undefined;
    endStep();
  }

  /** Another step runs within the present one, which the returned function puts back. */
  setAside(): () => void {
    const { running } = this;
    return () => void (this.running = running);
  }

  isRunning(task: { readonly name: string }): boolean {
    return this.running === task;
  }

  /** Counts what a step or a body threw, and reports it. */
  report(error: unknown, task: Stepping<never>): void {
    task.errors++;
    this.turn.reportError(error, whereOf(task));
  }

  /** Whose step runs now, in words. */
  whoRuns(): string {
    return this.running === undefined ? 'code outside of a step' : whereOf(this.running);
  }

  /**
   * A step returned something: a code, or a promise whose rejection must not be lost, or something without a meaning
   * here.
   */
  private settle(result: unknown, task: Stepping<never>): number {
    if (typeof result === 'number') {
      if (result === BACK_PRESSURED || result === AGAIN) {
        task.again++;
        return result;
      }
      // What the step sent was not taken, and never will be: its own message is gone as well, and somebody must be
      // told.
      if (result < 0) this.report(notTaken(result), task);
      return OK;
    }
    if ((typeof result !== 'object' && typeof result !== 'function') || result === null) return OK;
    if (typeof (result as PromiseLike<unknown>).then === 'function') {
      void this.follow(result as PromiseLike<unknown>, task);
    }
    return OK;
  }

  /** `await` itself takes care of thenables that call back twice, throw, or lie. */
  private async follow(promise: PromiseLike<unknown>, task: Stepping<never>): Promise<void> {
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
    this.turn.wantTurn();
  }
}

/** As many asynchronous steps of this task are under way as it may have: the message waits until one has settled. */
function waitForSettling(task: Stepping<never>): number {
  noteRefusal(task.settling, 1);
  return BACK_PRESSURED;
}

const whereOf = (task: { readonly name: string }): string => `task "${task.name}"`;

function notTaken(code: number): PercoreError {
  const why = code === BACK_PRESSURED || code === AGAIN
    ? ' after an await, when its message was already taken: wait there until there is room'
    : ', so what it sent was not taken, and its message is gone';
  const whyClosed = code !== CLOSED ? ''
    : '. It sent to what is closed: by an error, by onStop, or because a reactor has died; '
      + 'the onClose of a file or a connection says why';
  const message = `a step answered ${nameOfCode(code)}${why}${whyClosed}`;
  return new PercoreError('ERR_PERCORE_STEP_ANSWER', message, { value: code });
}

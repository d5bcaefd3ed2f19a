/**
 * A run of a generator.
 *
 *      resume --next--> yield --nothing--> goes on behind its band     cancelled: --return--> finally blocks --> over
 *                         ├──receive--> goes on with the next message
 *                         ├──promise--> goes on when it is settled
 *                         └──BACK_PRESSURED, AGAIN--> as a step that answers so
 */
import { invalidArgument } from '../errors.js';
import { isResult, notAResult } from '../iterators.js';
import { isRefused } from '../refusals.js';
import { AGAIN, BACK_PRESSURED, OK } from '../result-codes.js';
import { isThenable } from '../thenable.js';
import type { Run, RunHost } from './body.js';
import type { Pause } from './process-options.js';
import { RECEIVE } from './self.js';

/** What it goes on with. */
const NOTHING = 0;
const MESSAGE = 1;
const PROMISE = 2;
/** How far its cancellation has come. */
const RUNS = 0;
const IS_CANCELLED = 1;
const RETURNS = 2;

export class GeneratorRun<M> implements Run {
  private waitsFor = NOTHING;
  private stage = RUNS;
  private reason: unknown;
  private raised: { readonly error: unknown } | undefined;
  private settled: { readonly isError: boolean; readonly value: unknown } | undefined;
  /** Promises that it has waited for: one that settles too late is not the present one. */
  private promises = 0;

  constructor(private readonly host: RunHost<M>, private readonly generator: Generator<Pause, unknown, unknown>) {}

  canGoOn(): boolean {
    if (this.stage === IS_CANCELLED || this.raised !== undefined) return true;
    if (this.waitsFor === MESSAGE) return this.host.depth !== 0 || this.stage === RETURNS;
    return this.waitsFor === NOTHING || this.settled !== undefined;
  }

  get isReceiving(): boolean {
    return this.waitsFor === MESSAGE;
  }

  get isUnsettled(): boolean {
    return this.waitsFor === PROMISE && !this.canGoOn();
  }

  resume(): number {
    let value: unknown;
    try {
      const result = this.advance();
      if (!isResult(result)) throw notAResult('the generator of a process', result);
      // What it yields may refuse to say what it is, and so may an iterator of the user's.
      if (result.done !== true) return this.pause(result.value);
      ({ value } = result);
    } catch (error) {
      this.host.threw(error);
      return OK;
    }
    this.host.returned(value);
    return OK;
  }

  stop(reason: unknown): void {
    this.stage = IS_CANCELLED;
    this.reason = reason;
  }

  raise(error: unknown): void {
    this.raised = { error };
  }

  close(): void {
    this.promises++;
  }

  private advance(): IteratorResult<Pause, unknown> {
    const { generator, waitsFor, settled, raised } = this;
    this.waitsFor = NOTHING;
    this.settled = undefined;
    if (this.stage === IS_CANCELLED) {
      this.stage = RETURNS;
      return generator.return(undefined);
    }
    if (raised !== undefined) {
      this.raised = undefined;
      return generator.throw(raised.error);
    }
    if (waitsFor === MESSAGE) {
      return this.stage === RETURNS ? generator.throw(this.reason) : generator.next(this.host.take());
    }
    if (settled === undefined) return generator.next(undefined);
    return settled.isError ? generator.throw(settled.value) : generator.next(settled.value);
  }

  private pause(value: Pause): number {
    if (value === RECEIVE) {
      this.waitsFor = MESSAGE;
    } else if (value === BACK_PRESSURED) {
      // A cancellation must find it even while it waits for whoever has refused it.
      if (isRefused()) this.host.noteHeld();
      return BACK_PRESSURED;
    } else if (value === AGAIN) {
      return AGAIN;
    } else if (isThenable(value)) {
      this.waitsFor = PROMISE;
      void this.follow(value, ++this.promises);
    } else if (typeof value === 'object' && value !== null && Symbol.iterator in value) {
      // It would go on with undefined, as if it had been given that.
      this.raise(invalidArgument(
        'what a generator yields', value,
        'nothing, a promise, BACK_PRESSURED or AGAIN; for receive() and until() use yield*, not yield',
      ));
    }
    return OK;
  }

  /** `await` itself takes care of thenables that call back twice, throw, or lie. */
  private async follow(promise: PromiseLike<unknown>, number: number): Promise<void> {
    let isError = false;
    let value: unknown;
    try {
      value = await promise;
    } catch (error) {
      isError = true;
      value = error;
    }
    if (number !== this.promises || this.waitsFor !== PROMISE) return;
    this.settled = { isError, value };
    this.host.wake();
  }
}

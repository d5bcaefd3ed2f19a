/**
 * A run of an asynchronous body. What it awaits of its process is settled in a step, and the turn ends with that step:
 * Node runs what waits for promises when a callback ends, and a turn is one callback. So the body goes on before
 * anything else is selected. docs/decisions/ has the measurement.
 *
 *      await self.next() --selected--> settled --the turn ends--> the body goes on --> await self.next() …
 *                                                    at once, for as many messages as a quantum may take
 */
import { PercoreError } from '../errors.js';
import { OK } from '../result-codes.js';
import { checkWaitOptions, limitWait, throwIfAborted, type WaitOptions } from '../waiting.js';
import type { Run, RunHost } from './body.js';

export interface AsyncRunHost<M> extends RunHost<M> {
  /** The turn ends with this quantum. */
  endAfterQuantum(): void;
  /** Something above its band is ready. */
  hasAbove(): boolean;
  /** It has taken a message between two turns. */
  tookBetween(): void;
}

interface Waiter<M> {
  readonly isPause: boolean;
  readonly resolve: (message: M) => void;
  readonly reject: (reason: unknown) => void;
  stop: () => void;
}

/** Messages that follow the first of a quantum without a turn in between. */
const MORE_OF_QUANTUM = 15;

const NO_OPTIONS: WaitOptions = Object.freeze({});
const nothing = (): void => undefined;

export class AsyncRun<M> implements Run {
  private readonly waiters: Waiter<M>[] = [];
  private outcome: { readonly isError: boolean; readonly value: unknown } | undefined;
  private stopped: { readonly reason: unknown } | undefined;
  private raised: { readonly error: unknown } | undefined;
  /** How many messages it may still take without being selected again. */
  private allowed = 0;
  private isOver = false;

  constructor(private readonly host: AsyncRunHost<M>) {}

  /** The body has begun, and promises its end. */
  follow(promise: PromiseLike<unknown>): void {
    const settle = (isError: boolean, value: unknown): void => {
      if (this.isOver) return;
      this.outcome = { isError, value };
      this.host.changed();
      this.host.wake();
    };
    // A thenable of the user's may call back twice, or throw.
    Promise.resolve(promise).then((value) => settle(false, value), (error: unknown) => settle(true, error));
  }

  canGoOn(): boolean {
    if (this.outcome !== undefined) return true;
    return this.nextWaiter() >= 0;
  }

  get isReceiving(): boolean {
    return this.waiters.length !== 0;
  }

  get isUnsettled(): boolean {
    return this.outcome === undefined && this.waiters.length === 0;
  }

  resume(): number {
    const { host, outcome, stopped, raised } = this;
    if (outcome !== undefined) {
      if (outcome.isError) host.threw(outcome.value);
      else host.returned(outcome.value);
      return OK;
    }
    const [waiter] = this.waiters.splice(this.nextWaiter(), 1) as [Waiter<M>];
    waiter.stop();
    if (stopped !== undefined) {
      waiter.reject(stopped.reason);
    } else if (raised !== undefined) {
      this.raised = undefined;
      waiter.reject(raised.error);
    } else {
      this.allowed = MORE_OF_QUANTUM;
      waiter.resolve(waiter.isPause ? (undefined as M) : host.take());
    }
    host.endAfterQuantum();
    return OK;
  }

  stop(reason: unknown): void {
    this.stopped = { reason };
  }

  raise(error: unknown): void {
    this.raised = { error };
  }

  close(): void {
    this.isOver = true;
    for (const waiter of this.waiters.splice(0)) {
      waiter.stop();
      waiter.reject(this.stopped?.reason ?? this.closed());
    }
  }

  /** Throws what the promise would reject with, if that is known at once. */
  next(given: WaitOptions | undefined): Promise<M> {
    const options = checkWaitOptions(given);
    throwIfAborted(options.signal);
    this.throwIfOver();
    const { host } = this;
    const isWaited = this.waiters.length !== 0 || this.raised !== undefined || this.stopped !== undefined;
    if (!isWaited && this.allowed > 0 && host.depth !== 0 && !host.hasAbove()) {
      this.allowed--;
      const message = host.take();
      host.tookBetween();
      return Promise.resolve(message);
    }
    return this.wait(false, options);
  }

  /** The same. */
  pause(): Promise<M> {
    this.throwIfOver();
    return this.wait(true, NO_OPTIONS);
  }

  private wait(isPause: boolean, options: WaitOptions): Promise<M> {
    const promise = new Promise<M>((resolve, reject) => {
      const waiter: Waiter<M> = { isPause, resolve, reject, stop: nothing };
      waiter.stop = limitWait(options, `no message for task "${this.host.name}"`, (reason) => {
        this.waiters.splice(this.waiters.indexOf(waiter), 1);
        this.host.changed();
        reject(reason);
      });
      this.waiters.push(waiter);
    });
    // If nobody awaits it any more, because its body is over, that is not an unhandled rejection.
    promise.catch(nothing);
    this.host.changed();
    if (this.canGoOn()) this.host.wake();
    return promise;
  }

  /** The first that would go on now, or -1. A pause does not wait for those that wait for messages. */
  private nextWaiter(): number {
    const { waiters } = this;
    if (waiters.length === 0) return -1;
    const isForAny = this.stopped !== undefined || this.raised !== undefined || this.host.depth !== 0;
    return isForAny ? 0 : waiters.findIndex(({ isPause }) => isPause);
  }

  private throwIfOver(): void {
    if (this.isOver) throw this.closed();
  }

  private closed(): PercoreError {
    return new PercoreError('ERR_PERCORE_CLOSED', `this run of task "${this.host.name}" is over`);
  }
}

/**
 * The promises of one end of a queue that wait for the same thing, with `signal` and `timeoutMs`. Whoever makes it come true
 * settles all of them at once: the first to look takes it, the others look again and wait again. Waking only one would lose
 * the wake-up whenever that one has lost interest.
 */
import { PercoreError, checkInteger, invalidArgument } from '../errors.js';
import type { WaitOptions } from './queue-ends.js';

const MOST_TIMEOUT_MS = 2 ** 31 - 1;

interface Waiter {
  settle(code: number): void;
  reject(error: unknown): void;
}

export class Waiters {
  private waiting: Waiter[] = [];

  /**
   * `what` is the call as its user wrote it, for messages. `onGaveUp` is called after one of them has timed out or was aborted, so
   * that an end can stop watching when nobody is left.
   */
  constructor(private readonly what: string, private readonly onGaveUp: () => void = () => undefined) {}

  get count(): number {
    return this.waiting.length;
  }

  /** A promise of `code` where there is one, else of the next `settle`. Throws for bad options; rejects at once when `signal` has aborted. */
  wait(code: number | undefined, options: WaitOptions = {}): Promise<number> {
    const { signal, timeoutMs } = options;
    if (timeoutMs !== undefined) checkInteger('timeoutMs', timeoutMs, 0, MOST_TIMEOUT_MS);
    if (signal !== undefined && !(signal instanceof AbortSignal)) throw invalidArgument('signal', signal, 'an AbortSignal');
    if (code !== undefined) return Promise.resolve(code);
    if (signal?.aborted) return Promise.reject(this.aborted(signal));
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      const leave = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
      };
      const waiter: Waiter = {
        settle: (code) => {
          leave();
          resolve(code);
        },
        reject: (error) => {
          leave();
          reject(error);
        },
      };
      const giveUp = (error: PercoreError) => {
        this.waiting = this.waiting.filter((other) => other !== waiter);
        waiter.reject(error);
        this.onGaveUp();
      };
      const onAbort = () => giveUp(this.aborted(signal!));
      signal?.addEventListener('abort', onAbort);
      if (timeoutMs !== undefined) {
        timer = setTimeout(() => giveUp(new PercoreError('ERR_PERCORE_TIMEOUT', `${this.what} was not answered within ${timeoutMs} ms`, { value: timeoutMs })), timeoutMs);
      }
      this.waiting.push(waiter);
    });
  }

  /** Answers all who wait. What they then do runs after the present step, so nothing of it happens inside this call. */
  settle(code: number): void {
    if (this.waiting.length === 0) return;
    const settled = this.waiting;
    this.waiting = [];
    for (const waiter of settled) waiter.settle(code);
  }

  /** As `settle`, with an error. */
  fail(error: unknown): void {
    const failed = this.waiting;
    this.waiting = [];
    for (const waiter of failed) waiter.reject(error);
  }

  private aborted(signal: AbortSignal): PercoreError {
    return new PercoreError('ERR_PERCORE_ABORTED', `${this.what} was aborted`, { cause: signal.reason });
  }
}

/**
 * The promises of one end of a queue that wait for the same thing, with `signal` and `timeoutMs`. Whoever makes it come true
 * settles all of them at once: the first to look takes it, the others look again and wait again. Waking only one would lose
 * the wake-up whenever that one has lost interest.
 */
import { whenAborted } from '../abort.js';
import { PercoreError } from '../errors.js';
import { isTurnDue, turn } from '../turns.js';
import type { ResultCode } from './result-codes.js';
import { checkWaitOptions, type WaitOptions } from './waiting.js';

/** The longest time-out that a timer of Node takes; longer ones, of 24 days, never come. */
const MOST_TIMEOUT_MS = 2 ** 31 - 1;

interface Waiter {
  settle(code: ResultCode): void;
  reject(error: unknown): void;
}

export class Waiters {
  private waiting: Waiter[] = [];

  /**
   * `what` is the call as its user wrote it, for messages. `onChange` is called after one of them has come, has timed out or was aborted, so
   * that an end watches exactly while somebody waits.
   */
  constructor(private readonly what: string, private readonly onChange: () => void = () => undefined) {}

  get count(): number {
    return this.waiting.length;
  }

  /**
   * A promise of what `look` says where that is a code, else of the next `settle`. Rejects for bad options, and at once when `signal` has aborted.
   * A code that is there is given at once, unless this thread's loop is due to turn first.
   */
  async wait(look: () => ResultCode | undefined, given?: WaitOptions): Promise<ResultCode> {
    const { signal, timeoutMs = Infinity } = checkWaitOptions(given);
    for (;;) {
      const code = look();
      if (code === undefined) break;
      if (!isTurnDue()) return code;
      await turn();
    }
    if (signal?.aborted) throw this.aborted(signal);
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      const leave = () => {
        clearTimeout(timer);
        stopListening?.();
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
      const giveUp = (error: unknown) => {
        this.waiting = this.waiting.filter((other) => other !== waiter);
        waiter.reject(error);
      };
      const giveUpWaiting = (error: PercoreError) => {
        giveUp(error);
        this.onChange();
      };
      const onAbort = () => giveUpWaiting(this.aborted(signal!));
      const stopListening = signal === undefined ? undefined : whenAborted(signal, onAbort);
      if (timeoutMs <= MOST_TIMEOUT_MS) {
        timer = setTimeout(() => giveUpWaiting(new PercoreError('ERR_PERCORE_TIMEOUT', `${this.what} was not answered within ${timeoutMs} ms`, { value: timeoutMs })), timeoutMs);
      }
      this.waiting.push(waiter);
      try {
        this.onChange();
      } catch (error) {
        giveUp(error);
      }
    });
  }

  /** Answers all who wait. What they then do runs after the present step, so nothing of it happens inside this call. */
  settle(code: ResultCode): void {
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

/** Who waits until no more than so many bytes are pending. Each wait ends: by room, by its source's close, by its signal or its time-out. */
import { checkSignal, whenAborted } from '../abort.js';
import { checkOptions, invalidArgument, PercoreError } from '../errors.js';
import type { WaitOptions } from '../queues/index.js';

interface Waiting {
  readonly most: number;
  resolve(): void;
}

const MOST_TIMEOUT_MS = 2 ** 31 - 1;

export class Waiters {
  private waiting: Waiting[] = [];

  /**
   * Resolves at the first `tell` of at most `most` bytes. Rejects with ERR_PERCORE_ABORTED or ERR_PERCORE_TIMEOUT; throws
   * ERR_PERCORE_INVALID_ARGUMENT.
   */
  add(most: number, options?: WaitOptions): Promise<void> {
    const { signal, timeoutMs } = checkWaitOptions(options);
    if (signal === undefined && timeoutMs === undefined) return new Promise((resolve) => void this.waiting.push({ most, resolve }));
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      let stopListening: (() => void) | undefined;
      const onAbort = (): void => giveUp(aborted(signal!));
      const done = (): void => {
        clearTimeout(timer);
        stopListening?.();
      };
      const mine: Waiting = {
        most,
        resolve: () => {
          done();
          resolve();
        },
      };
      const giveUp = (error: PercoreError): void => {
        done();
        this.waiting = this.waiting.filter((each) => each !== mine);
        reject(error);
      };
      if (signal?.aborted === true) return reject(aborted(signal));
      this.waiting.push(mine);
      if (signal !== undefined) stopListening = whenAborted(signal, onAbort);
      if (timeoutMs !== undefined && timeoutMs !== Infinity) timer = setTimeout(() => giveUp(timedOut(timeoutMs)), timeoutMs);
    });
  }

  /** So many bytes are pending now. Costs nothing while nobody waits. */
  tell(pending: number): void {
    if (this.waiting.length === 0) return;
    const { waiting } = this;
    this.waiting = waiting.filter(({ most }) => pending > most);
    for (const { most, resolve } of waiting) if (pending <= most) resolve();
  }
}

/**
 * Bytes that may wait when `refused` more are taken, and so those at which their wait ends: half of the mark at most, so that one wait
 * makes room for many offers. What is larger than the mark is taken when nothing waits.
 */
export function roomFor(refused: number, highWaterBytes: number): number {
  return Math.min(highWaterBytes / 2, Math.max(0, highWaterBytes - refused));
}

/** Throws ERR_PERCORE_INVALID_ARGUMENT. */
export function checkWaitOptions(given: WaitOptions | undefined): WaitOptions {
  if (given === undefined) return NO_OPTIONS;
  const options = checkOptions('options', given, ['signal', 'timeoutMs']);
  const { signal, timeoutMs } = options;
  checkSignal(signal);
  if (timeoutMs !== undefined && timeoutMs !== Infinity && !(typeof timeoutMs === 'number' && timeoutMs >= 0 && timeoutMs <= MOST_TIMEOUT_MS)) {
    throw invalidArgument('timeoutMs', timeoutMs, `a number of milliseconds from 0 to ${MOST_TIMEOUT_MS}, or left out for ever`);
  }
  return options;
}

const NO_OPTIONS: WaitOptions = {};

function aborted(signal: AbortSignal): PercoreError {
  return new PercoreError('ERR_PERCORE_ABORTED', 'the wait was aborted', { argument: 'signal', cause: signal.reason });
}

function timedOut(timeoutMs: number): PercoreError {
  return new PercoreError('ERR_PERCORE_TIMEOUT', `there was no room within ${timeoutMs} ms`, { argument: 'timeoutMs', value: timeoutMs });
}

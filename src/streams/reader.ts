/**
 * Reads a stream: a task of a band in a reactor, which sleeps while nothing comes, or an asynchronous loop in any other
 * thread.
 */
import { PercoreError } from '../errors.js';
import type { StepResult } from '../reactor/index.js';
import type { Party } from '../reactor/internal.js';
import { AGAIN, BACK_PRESSURED, CLOSED, OK, nameOfCode } from '../result-codes.js';
import { isThenable } from '../thenable.js';
import { whenAborted } from '../waiting.js';
import { MOST_PASSED, type Flow, type FlowHost, type Open } from './flow.js';

/** How reading a stream has ended. */
export type StreamEnd =
  | { readonly how: 'ended' }
  | { readonly how: 'failed'; readonly error: unknown }
  | { readonly how: 'cancelled'; readonly reason: unknown };

/** A stream that is being read. */
export interface StreamRun {
  /**
   * Resolves with how it has ended: with its source, by an error of the source, of a stage or of the target, or by
   * cancellation. Never rejects.
   */
  readonly ended: Promise<StreamEnd>;
  /** Stops reading, and closes the source. A second call does nothing. */
  cancel(reason?: unknown): void;
}

/** Takes the values: a task, process or address by `send`, the producing end of a queue by `offer`, or a function. */
export type Target<T> =
  | { send(value: T): number }
  | { offer(value: T): number }
  | ((value: T) => StepResult);

/** The options of `to`, after they were checked. */
export interface ReaderOptions {
  readonly name: string;
  readonly band: number;
  readonly concurrency: number;
  readonly signal: AbortSignal | undefined;
}

/** The step that hands one value to the target. */
function stepOf<T>(target: Target<T>): (value: T) => StepResult {
  if (typeof target === 'function') return target;
  return 'send' in target ? (value) => target.send(value) : (value) => target.offer(value);
}

/** Reads one stream: hands its values to the target, and ends once. */
class Run<T> implements StreamRun {
  readonly ended: Promise<StreamEnd>;
  private settle!: (end: StreamEnd) => void;
  private end: StreamEnd | undefined;
  private unlink: (() => void) | undefined;

  constructor(
    protected readonly flow: Flow<T>, private readonly step: (value: T) => StepResult, signal: AbortSignal | undefined,
    private readonly report: (error: unknown) => void,
  ) {
    this.ended = new Promise((resolve) => (this.settle = resolve));
    if (signal !== undefined) this.unlink = whenAborted(signal, () => this.cancel(signal.reason));
  }

  get isOver(): boolean {
    return this.end !== undefined;
  }

  cancel(reason?: unknown): void {
    this.finish({ how: 'cancelled', reason });
  }

  fail(error: unknown): void {
    this.finish({ how: 'failed', error });
  }

  /** Ends the stream, unless it has ended: closes the source and resolves `ended`. */
  finish(end: StreamEnd): void {
    if (this.end !== undefined) return;
    this.end = end;
    this.unlink?.();
    try {
      this.flow.close();
    } catch (error) {
      // Cleaning up has failed after the stream had ended, which must not be without an end because of that.
      this.report(error);
    }
    this.settle(end);
  }

  /** Hands a value over. Returns what the target answers, unless that ends the stream. */
  handOver(value: T): StepResult {
    // The value was held back until after the stream was cancelled.
    if (this.end !== undefined) return OK;
    let answer: StepResult;
    try {
      answer = this.step(value);
    } catch (error) {
      this.fail(error);
      return OK;
    }
    if (isThenable(answer)) return Promise.resolve(answer).then(undefined, (error: unknown) => this.fail(error));
    if (typeof answer !== 'number' || answer >= OK || answer === BACK_PRESSURED || answer === AGAIN) return answer;
    this.fail(new PercoreError(
      'ERR_PERCORE_CLOSED', `the target of a stream has answered ${nameOfCode(answer)}; the stream ends`,
      { value: answer },
    ));
    return OK;
  }
}

/** A flow as a reactor sees it: like the consuming end of a queue, which never throws. */
class ReadableFlow<T> {
  state: number = OK;

  constructor(private readonly flow: Flow<T>, private readonly run: Run<T>) {}

  poll(): T | undefined {
    let value: T | undefined;
    try {
      if (!this.run.isOver) value = this.flow.poll();
    } catch (error) {
      this.run.fail(error);
    }
    this.state = this.run.isOver ? CLOSED : this.flow.state;
    if (this.state === CLOSED) this.run.finish({ how: 'ended' });
    return value;
  }

  async ready(): Promise<number> {
    try {
      await this.flow.ready();
    } catch (error) {
      this.run.fail(error);
    }
    return OK;
  }

  close(): void {
    this.run.finish({ how: 'cancelled', reason: new PercoreError('ERR_PERCORE_CLOSED', 'the reactor has left') });
  }
}

/** Reads a stream in a band of a reactor, or of the main thread of a runtime. */
export function readIn<T>(party: Party, open: Open<T>, options: ReaderOptions, target: Target<T>): StreamRun {
  const { name, band, concurrency, signal } = options;
  const { userTimers } = party;
  const flow = open({
    after: (ms, then) => {
      const id = userTimers.after({ delayNs: ms * 1e6, priority: band }, then);
      return () => void userTimers.cancel(id);
    },
  });
  const run = new Run(flow, stepOf(target), signal, (error) => {
    party.reportError(error, `the source of stream "${name}", which was being closed`);
  });
  const readable = new ReadableFlow(flow, run);
  const reading = party.read(
    readable, `stream "${name}"`, band, concurrency, (value: unknown) => run.handOver(value as T),
  );
  // However the stream has ended, its task is no longer needed.
  void run.ended.then(() => reading.close());
  if (signal?.aborted === true) run.cancel(signal.reason);
  return run;
}

const nodeHost: FlowHost = {
  after: (ms, then) => {
    const timer = setTimeout(then, ms);
    return () => clearTimeout(timer);
  },
};

/** Reads a stream as an asynchronous iterator, in any thread. */
export async function* iterate<T>(open: Open<T>): AsyncGenerator<T, void, undefined> {
  const flow = open(nodeHost);
  try {
    for (let passed = 1; ; passed++) {
      const value = flow.poll();
      if (flow.state === CLOSED) return;
      if (flow.state === OK) yield value as T;
      else await flow.ready();
      // A stream that never waits must not keep the thread's event loop from its other work.
      if (passed % MOST_PASSED === 0) await new Promise(setImmediate);
    }
  } finally {
    flow.close();
  }
}

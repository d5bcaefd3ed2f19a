/** An executor of real-time work: threads of a policy, on chosen CPUs, that run functions of modules. */
import { deserialize } from 'node:v8';
import { pathToFileURL } from 'node:url';
import {
  checkBoolean, checkFunction, checkInteger, checkOptions, checkText, invalidArgument, PercoreError,
} from '../errors.js';
import { fileUrlOf } from '../file-url.js';
import { closeReadiness, createReadiness, openReadiness, type ReadinessHandle } from '../io/index.js';
import { executorAnswerLayout } from '../layout.js';
import { native, programPath } from '../native.js';
import { Histogram, HISTOGRAM_WORDS } from '../observe/index.js';
import { createRuntime, type CloseOptions, type CloseResult, type Runtime } from '../reactor/index.js';
import { controllerOf, partyOf, unpackError, type Failure } from '../reactor/internal.js';
import { CLOSED, OK, TOO_LARGE, nameOfCode } from '../queues/index.js';
import type { Policy } from '../realtime/index.js';
import { checkMayBlock, checkSyncWaitOptions, timedOut, type SyncWaitOptions } from '../waiting.js';
import { ENDED, STATE, type AskedWork, type DoneWork, type ExecutorData, type Work } from './executor-messages.js';
import { newRuns, runsIn, type RealtimeExecutorMetrics } from './executor-metrics.js';

const { state, length, asked } = executorAnswerLayout.fields;
const STATE_AT = state.at >> 2;
const LENGTH_AT = length.at >> 2;
const ASKED_AT = asked.at >> 2;
const MOST_EVENTS = 31;
const ALL_BITS = 2 ** MOST_EVENTS - 1;
const REFUSED: Readonly<Record<number, 'ERR_PERCORE_CLOSED' | 'ERR_PERCORE_TOO_LARGE'>> = {
  [CLOSED]: 'ERR_PERCORE_CLOSED', [TOO_LARGE]: 'ERR_PERCORE_TOO_LARGE',
};
/** Whoever stands still for an answer looks this often whether the thread that is to give it lives. */
const LOOK_EVERY_MS = 100;

export interface ExecutorOptions {
  /** CPUs of its threads, assigned in turn. If it is left out: those of the process. */
  readonly cpuAffinity?: readonly number[];
  /** The policy of its threads: `fifo(1 to 99)` and others. If it is left out: the main thread's. */
  readonly policy?: Policy;
  /** 1 to 255, default 1. */
  readonly workerThreads?: number;
  /** Whether idle threads sleep (default), or spin, each on a CPU of its own. */
  readonly isParking?: boolean;
  /** Called on the main thread every `metricsEveryMs` (default 1,000) while there is activity, and at the end. */
  readonly onMetrics?: (metrics: RealtimeExecutorMetrics) => void;
  /** Milliseconds between two calls of `onMetrics`; default 1,000. */
  readonly metricsEveryMs?: number;
  /** Most bytes of an answer to `blockOn`, serialized: 1,024 to 2^26, default 65,536. */
  readonly answerBytes?: number;
  /** As of `createRuntime`: half of it is the longest argument, and the longest answer to `spawnRealtime`. */
  readonly laneBytes?: number;
  /**
   * What work gets as its third argument. It is copied by structured clone to each thread once, so SharedArrayBuffers
   * and what lies in them are shared; arguments of work cannot hand over shared memory.
   */
  readonly data?: unknown;
}

/**
 * An event that makes work run at the executor's priority. It is a plain object: any thread raises it by `raiseEvent`.
 */
export interface ExecutorEvent {
  readonly kind: 'executor-event';
  /** What `raiseEvent` sets. */
  readonly readiness: ReadinessHandle;
  /** Which bit of it is this event's. */
  readonly bit: number;
}

/**
 * Makes the work of an event run, once for all that raise it before it begins. Any thread may call it; does not block.
 */
export function raiseEvent(event: ExecutorEvent): number {
  if (event?.kind !== 'executor-event') throw invalidArgument('event', event, 'an event that onEvent resolved with');
  return openReadiness(event.readiness).set(1 << event.bit);
}

/**
 * Threads for real-time work, made by `createExecutor`. It belongs to the thread that made it, the main thread. Work is
 * a function that a module exports, since functions cannot cross to other threads; arguments and answers are copied.
 *
 *     const executor = await createExecutor({ cpuAffinity: [1], policy: fifo(50) });
 *     const work = { module: new URL('./control.js', import.meta.url), export: 'step' };
 *     console.log(await executor.spawnRealtime(work, 5), executor.blockOn(work, 6));
 *     await executor.every(work, { intervalNs: 500_000 });     // a handler that runs periodically, as a signal's would
 *     const event = await executor.onEvent(work);              // or when any thread calls raiseEvent(event)
 *     await executor.close();
 */
export class RealtimeExecutor implements AsyncDisposable {
  /** Its runtime: `status()` says which policies and CPUs were granted. */
  readonly runtime: Runtime;
  readonly #words: Int32Array;
  readonly #room: Uint8Array;
  readonly #events: readonly ReadinessHandle[];
  /** Of each thread the bits that its events have. */
  readonly #eventBits: number[];
  readonly #latencies = new Histogram(new Uint32Array(HISTOGRAM_WORDS));
  readonly #nowNs: () => number;
  readonly #counts = { scheduled: 0, completed: 0, failed: 0, latencyNs: 0, next: 0, question: 0 };
  readonly #tids: Int32Array;
  readonly #runs: SharedArrayBuffer;
  readonly #dead = new Set<number>();
  readonly #onMetrics: ((metrics: RealtimeExecutorMetrics) => void) | undefined;
  readonly #ticking: NodeJS.Timeout | undefined;
  #told = 0;

  /** `createExecutor` makes executors. */
  constructor(
    runtime: Runtime, { answer, events, tids, runs }: ExecutorData,
    { onMetrics, metricsEveryMs = 1000 }: ExecutorOptions,
  ) {
    this.runtime = runtime;
    this.#nowNs = partyOf(runtime).nowNs;
    this.#words = new Int32Array(answer, 0, executorAnswerLayout.bytes >> 2);
    this.#room = new Uint8Array(answer, executorAnswerLayout.bytes);
    this.#events = events;
    this.#eventBits = events.map(() => 0);
    this.#tids = new Int32Array(tids);
    this.#runs = runs;
    runtime.on('reactorDied', ({ reactorId, error, exitCode }) => {
      this.#dead.add(reactorId);
      if (runtime.listenerCount('reactorDied') > 1) return;
      process.emitWarning(
        `thread ${reactorId} of the executor died and is not started again: `
          + `${error?.message ?? `exit code ${exitCode}`}`,
        { code: 'ERR_PERCORE_REACTOR_DIED' },
      );
    });
    this.#onMetrics = onMetrics;
    if (onMetrics !== undefined) this.#ticking = setInterval(() => this.#tell(), metricsEveryMs).unref();
  }

  /**
   * Runs work in the next thread that lives, in turn, and promises what it returns, awaited. Rejects with what it
   * throws, or as `Runtime.call` does: with ERR_PERCORE_REACTOR_DIED if the thread dies meanwhile, or if none is left,
   * and with ERR_PERCORE_CLOSED from `close` on.
   */
  async spawnRealtime<R = unknown>(work: Work, argument?: unknown): Promise<R> {
    const reactor = this.#nextThread();
    const question = this.#ask(work, argument);
    try {
      const { value, latencyNs } = await this.runtime.call(
        'executor:run', question, { reactor, priority: 7 },
      ) as DoneWork;
      this.#completed(latencyNs);
      return value as R;
    } catch (error) {
      this.#counts.failed++;
      const { isClosing } = controllerOf(this.runtime);
      if (!isClosing || (error as Partial<PercoreError>).code !== 'ERR_PERCORE_REACTOR_DIED') throw error;
      throw new PercoreError('ERR_PERCORE_CLOSED', 'the executor was closed before it had ended', { cause: error });
    }
  }

  /**
   * The same, but blocks this thread until the work is done. Refused in a reactor (ERR_PERCORE_WOULD_BLOCK). Throws
   * what the work throws, ERR_PERCORE_TIMEOUT, ERR_PERCORE_REACTOR_DIED within a tenth of a second of the thread's
   * death, or ERR_PERCORE_TOO_LARGE for an answer of more than `answerBytes`. Work that needs the main thread for its
   * answer would wait for ever: give it a `timeoutMs`.
   */
  blockOn<R = unknown>(work: Work, argument?: unknown, options?: SyncWaitOptions): R {
    checkMayBlock('Await spawnRealtime(work, argument)');
    const { timeoutMs = Infinity } = checkSyncWaitOptions(options);
    const words = this.#words;
    const reactor = this.#nextThread();
    const question = ++this.#counts.question;
    const message = { ...this.#ask(work, argument), question };
    // Stored before the question is asked, since whoever answers looks at them.
    Atomics.store(words, STATE_AT, STATE.ASKED);
    Atomics.store(words, ASKED_AT, question);
    let code: number;
    try {
      code = this.runtime.send('executor:block', message, { reactor, priority: 7 });
    } catch (error) {
      this.#counts.failed++;
      throw error;
    }
    this.runtime.flush();
    if (code !== OK) {
      this.#counts.failed++;
      throw new PercoreError(
        REFUSED[code] ?? 'ERR_PERCORE_BACK_PRESSURED', `the executor takes no work: ${nameOfCode(code)}`, {},
      );
    }
    const hasDied = this.#wait(reactor, timeoutMs);
    const answered = Atomics.load(words, STATE_AT);
    // An answer that comes later is for nobody.
    Atomics.store(words, ASKED_AT, 0);
    if (answered === STATE.ANSWERED) {
      const { value, latencyNs } = this.#answer() as DoneWork;
      this.#completed(latencyNs);
      return value as R;
    }
    this.#counts.failed++;
    if (answered === STATE.FAILED) throw unpackError(this.#answer() as Failure, undefined, 'work of an executor');
    if (answered === STATE.ASKED && hasDied) throw threadDied(`thread ${reactor} has died before it has answered`);
    if (answered === STATE.ASKED) throw timedOut('no answer of the work', timeoutMs);
    throw new PercoreError(
      'ERR_PERCORE_TOO_LARGE',
      `the answer takes ${words[LENGTH_AT]} bytes: make the executor with a larger answerBytes (now `
        + `${this.#room.length})`,
      { argument: 'answerBytes', value: this.#room.length },
    );
  }

  /**
   * Runs work every `intervalNs` (1,000 to 2^62) in one of its threads, by absolute deadlines, so it does not drift.
   * The work gets `argument` and the `Tick`, whose `missed` says how many were skipped since the one before. Resolves,
   * when it is set up, with a function that ends it. What the work throws is a 'stepError'.
   */
  async every(
    work: Work, options: { readonly intervalNs: number; readonly argument?: unknown },
  ): Promise<() => Promise<void>> {
    const { module, name } = checkWork(work);
    const { intervalNs, argument } = checkOptions('options', options, ['intervalNs', 'argument']);
    const reactor = this.#nextThread();
    const id = await this.runtime.call('executor:every', { module, name, argument, intervalNs }, { reactor });
    return async () => void await this.runtime.call('executor:stop', id, { reactor });
  }

  /**
   * Runs work whenever the event is raised, in one of its threads: at most 31 events for each thread
   * (ERR_PERCORE_CAPACITY). Resolves with the event when it is set up.
   */
  async onEvent(work: Work, argument?: unknown): Promise<ExecutorEvent> {
    const { module, name } = checkWork(work);
    const reactor = this.#nextThread((thread) => this.#eventBits[thread] !== ALL_BITS);
    const free = ~this.#eventBits[reactor]!;
    const bit = 31 - Math.clz32(free & -free);
    this.#eventBits[reactor]! |= 1 << bit;
    try {
      await this.runtime.call('executor:event', { module, name, argument, bit }, { reactor });
    } catch (error) {
      this.#eventBits[reactor]! &= ~(1 << bit);
      throw error;
    }
    return { kind: 'executor-event', readiness: this.#events[reactor]!, bit };
  }

  /** What it has done so far. */
  metrics(): RealtimeExecutorMetrics {
    const { scheduled, completed, failed, latencyNs } = this.#counts;
    return {
      scheduledTasks: scheduled, completedTasks: completed, failedTasks: failed,
      averageLatencyNs: completed === 0 ? 0 : latencyNs / completed, p99LatencyNs: this.#latencies.percentile(0.99),
      ...runsIn(this.#runs),
    };
  }

  /** Lets work that was asked for end, for at most `drainMs`, 5 seconds by default, then ends its threads. */
  async close(options?: CloseOptions): Promise<CloseResult> {
    clearInterval(this.#ticking);
    const result = await this.runtime.close(options);
    for (const event of this.#events) closeReadiness(event);
    this.#tell();
    return result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #ask(work: Work, argument: unknown): AskedWork {
    const { module, name } = checkWork(work);
    this.#counts.scheduled++;
    return { module, name, argument, askedNs: this.#nowNs() };
  }

  #nextThread(hasRoom?: (thread: number) => boolean): number {
    if (controllerOf(this.runtime).isClosing) {
      throw new PercoreError('ERR_PERCORE_CLOSED', 'the executor is closed: it takes no work any more');
    }
    const { reactors } = this.runtime;
    for (let tried = 0; tried < reactors; tried++) {
      const thread = this.#counts.next++ % reactors;
      if (!this.#dead.has(thread) && hasRoom?.(thread) !== false) return thread;
    }
    if (this.#dead.size === reactors) throw threadDied('all threads of the executor have died');
    throw new PercoreError('ERR_PERCORE_CAPACITY', `each thread has ${MOST_EVENTS} events already`, {
      allowed: `${MOST_EVENTS} events for each of ${reactors - this.#dead.size} threads`,
    });
  }

  /** Stands still until there is an answer. True if the thread that is to give it has ended without. */
  #wait(thread: number, timeoutMs: number): boolean {
    const words = this.#words;
    const { threads } = native();
    // Where nothing is known of other threads, nothing is known of this one either: there only its own last word tells
    // of its end, which it has no time for where it is terminated.
    const isTold = threads.getAffinityOf(threads.id()).length > 0;
    for (const endMs = performance.now() + timeoutMs; ;) {
      const leftMs = endMs - performance.now();
      // Pairs with the store of the answering thread, whose bytes are visible then.
      if (Atomics.wait(words, STATE_AT, STATE.ASKED, Math.min(leftMs, LOOK_EVERY_MS)) !== 'timed-out') return false;
      // Its exit event would come to this thread, which stands still. The thread itself says it, and the system knows.
      // Stored when its entry began, which has run.
      const tid = Atomics.load(this.#tids, thread);
      if (tid === ENDED || (isTold && threads.getAffinityOf(tid).length === 0)) return true;
      if (performance.now() >= endMs) return false;
    }
  }

  #completed(latencyNs: number): void {
    this.#counts.completed++;
    this.#counts.latencyNs += latencyNs;
    this.#latencies.record(latencyNs);
  }

  #answer(): unknown {
    return deserialize(this.#room.slice(0, this.#words[LENGTH_AT]));
  }

  #tell(): void {
    if (this.#onMetrics === undefined) return;
    const metrics = this.metrics();
    const { scheduledTasks, completedTasks, failedTasks, ticks, missedTicks, eventRuns } = metrics;
    const told = scheduledTasks + completedTasks + failedTasks + ticks + missedTicks + eventRuns;
    if (told === this.#told) return;
    this.#told = told;
    this.#onMetrics(metrics);
  }
}

const threadDied = (what: string): PercoreError =>
  new PercoreError('ERR_PERCORE_REACTOR_DIED', `${what}: threads of an executor are not started again`);

const OPTIONS = [
  'cpuAffinity', 'policy', 'workerThreads', 'isParking', 'onMetrics', 'metricsEveryMs', 'answerBytes', 'laneBytes',
  'data',
];

/**
 * Starts an executor. If the system refuses the policy or the CPUs, `executor.runtime.status()` says so, and work runs
 * without them. Rejects as `createRuntime` does, for example with ERR_PERCORE_INVALID_ARGUMENT.
 */
export async function createExecutor(options: ExecutorOptions = {}): Promise<RealtimeExecutor> {
  const {
    cpuAffinity, policy, workerThreads = 1, isParking = true, onMetrics, metricsEveryMs, answerBytes = 65_536,
    laneBytes, data: given,
  } = checkOptions('options', options, OPTIONS);
  checkInteger('workerThreads', workerThreads, 1, 255);
  checkBoolean('isParking', isParking);
  checkInteger('answerBytes', answerBytes, 1024, 2 ** 26);
  if (onMetrics !== undefined) checkFunction('onMetrics', onMetrics);
  if (metricsEveryMs !== undefined) checkInteger('metricsEveryMs', metricsEveryMs, 1, 2 ** 31 - 1);
  if (cpuAffinity !== undefined && !(Array.isArray(cpuAffinity) && cpuAffinity.length > 0)) {
    throw invalidArgument('cpuAffinity', cpuAffinity, 'a list of at least one CPU number');
  }
  cpuAffinity?.forEach((cpu, at) => checkInteger(`cpuAffinity[${at}]`, cpu, 0, 8191));
  const pin = cpuAffinity === undefined ? {} : {
    pin: Array.from({ length: workerThreads }, (_, thread) => cpuAffinity[thread % cpuAffinity.length]!),
  };
  const answer = new SharedArrayBuffer(executorAnswerLayout.bytes + answerBytes);
  const events = Array.from({ length: workerThreads }, createReadiness);
  const data: ExecutorData = {
    answer, events, tids: new SharedArrayBuffer(workerThreads * 4), runs: newRuns(workerThreads), data: given,
  };
  try {
    const runtime = await createRuntime({
      entry: pathToFileURL(programPath(import.meta.url, 'executor-entry.js')),
      reactors: workerThreads, data, idle: { strategy: isParking ? 'park' : 'spin' }, ...pin,
      ...(policy === undefined ? {} : { policy }), ...(laneBytes === undefined ? {} : { laneBytes }),
    });
    return new RealtimeExecutor(runtime, data, options);
  } catch (error) {
    for (const event of events) closeReadiness(event);
    throw error;
  }
}

function checkWork(work: Work): { readonly module: string; readonly name: string } {
  const { module, export: name = 'default' } = checkOptions('work', work, ['module', 'export']);
  const url = fileUrlOf(module);
  if (url === undefined) {
    throw invalidArgument('work.module', module, 'a file URL such as import.meta.url, or an absolute path');
  }
  return { module: url.href, name: checkText('work.export', name) };
}

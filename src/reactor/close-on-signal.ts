/**
 * Closes a runtime when the system asks the process to end. It is off unless it is called: a library has no business
 * with the signals of a program that has not asked for it.
 */
import { checkInteger, checkOptions, invalidArgument } from '../errors.js';
import { controllerIn, type Runtime } from './runtime.js';
import type { CloseOptions, CloseResult } from './runtime-events.js';
import type { Protocol } from './protocol.js';

/** What else is closed on a signal: an app of levels, or an executor, of percore/realtime. */
export interface ClosesRuntime<R extends CloseResult = CloseResult> {
  /** What it runs on. */
  readonly runtime: Runtime;
  /** Closes it and its runtime. */
  close(options?: CloseOptions): Promise<R>;
}

export interface CloseOnSignalOptions<R extends CloseResult = CloseResult> {
  /** Which signals; by default SIGINT (Ctrl-C) and SIGTERM (`kill`, `docker stop`, Kubernetes). */
  readonly signals?: readonly NodeJS.Signals[];
  /** What `close` gets: milliseconds from 0 to 2^31 - 1, default 8000. Stay two seconds below the grace period. */
  readonly drainMs?: number;
  /**
   * Runs after the runtime is closed and before the process ends, with what `close` resolved with: close databases and
   * servers here.
   */
  readonly afterwards?: (result: R) => void | Promise<void>;
}

/**
 * Closes the runtime at the first of the signals, and then ends the process: with exit code 0, or 1 if messages were
 * left undone, a reactor had to be terminated, or `afterwards` threw or never ended, which is said on stderr; by
 * SIGKILL if a reactor, or an offloaded task, is in a blocking system call, which nothing else can end. A second signal
 * ends it at once, with 128 plus the signal's number. Returns a function that removes the listeners; they keep no
 * program alive.
 *
 *     const runtime = await createRuntime({ entry });
 *     closeOnSignal(runtime, { drainMs: 8000 });
 *
 * It closes an app of levels and an executor as well: `afterwards` then gets what their own `close` resolves with.
 *
 * Main thread only: signals reach no other. Throws ERR_PERCORE_INVALID_ARGUMENT.
 */
export function closeOnSignal<P extends Protocol>(runtime: Runtime<P>, options?: CloseOnSignalOptions): () => void;
export function closeOnSignal<R extends CloseResult>(
  running: ClosesRuntime<R>, options?: CloseOnSignalOptions<R>,
): () => void;
export function closeOnSignal(running: Runtime | ClosesRuntime, options?: CloseOnSignalOptions): () => void {
  const runtime = runtimeOf(running);
  const { signals = ['SIGINT', 'SIGTERM'], drainMs = 8000, afterwards } = checkOptions(
    'options', options, ['signals', 'drainMs', 'afterwards'],
  );
  checkInteger('options.drainMs', drainMs, 0, 2 ** 31 - 1);
  if (afterwards !== undefined && typeof afterwards !== 'function')
    throw invalidArgument('options.afterwards', afterwards, 'a function');
  if (!Array.isArray(signals) || !signals.every((name) => typeof name === 'string' && name.startsWith('SIG')))
    throw invalidArgument('options.signals', signals, "names such as 'SIGTERM'");
  let isClosing = false;
  const listener = (_signal: NodeJS.Signals, number: number): void => {
    if (isClosing) process.exit(128 + number);
    isClosing = true;
    void end(running, runtime, drainMs, afterwards);
  };
  const stop = (): void => {
    for (const name of signals) process.off(name, listener);
  };
  try {
    for (const name of signals) process.on(name, listener);
  } catch (cause) {
    stop();
    throw invalidArgument('options.signals', signals, `signals that a process can listen to (${String(cause)})`);
  }
  return stop;
}

function runtimeOf(running: Runtime | ClosesRuntime): Runtime {
  if (controllerIn(running) !== undefined) return running as Runtime;
  const { runtime, close } = (running ?? {}) as Partial<ClosesRuntime>;
  if (controllerIn(runtime) !== undefined && typeof close === 'function') return runtime!;
  throw invalidArgument('runtime', running, 'what createRuntime, startApp or createExecutor has promised');
}

async function end(
  running: Runtime | ClosesRuntime, runtime: Runtime, drainMs: number, afterwards: CloseOnSignalOptions['afterwards'],
): Promise<void> {
  const result = await running.close({ drainMs });
  const { drained, leftBehind, stillRunning } = result;
  let isClean = drained && leftBehind.length === 0;
  if (!isClean) {
    console.error(`percore: closed with something left undone within drainMs (${drainMs}): ${JSON.stringify(result)}`);
  }
  // Nothing keeps the program any more, so it would end with 0 though something is still waited for.
  const neverEnds = (): void => {
    console.error('percore: what was to run after the runtime was closed waits for something that will not come');
    process.exitCode = 1;
  };
  process.once('beforeExit', neverEnds);
  try {
    await afterwards?.(result);
  } catch (error) {
    isClean = false;
    console.error('percore: what was to run after the runtime was closed has failed:', error);
  } finally {
    process.off('beforeExit', neverEnds);
  }
  // Node would wait for a thread that is in a blocking system call.
  if (stillRunning.length > 0 || controllerIn(runtime)!.threadsLeft > 0) process.kill(process.pid, 'SIGKILL');
  process.exit(isClean ? 0 : 1);
}

/**
 * Linux gives a new thread or process the CPUs and the timer slack of the thread that makes it. A reactor is pinned to one CPU and has a slack
 * of 1 ns; what it starts (a compiler, a shell, a pool of workers) is meant to run wherever the process may run. So while it starts
 * something, a reactor is for some tens of microseconds a thread like any other.
 *
 *      reactor: pinned ──take off──> starts the child or the thread ──put on──> pinned
 *
 * What Node starts on this thread goes through two doors: `ChildProcess.prototype.spawn` with its synchronous sisters, and `new Worker`.
 * Both are replaced in this thread alone. Not covered: threads that a native library makes by itself (what it needs of them should begin on the main
 * thread), and code that took hold of spawnSync or Worker before the reactor began, by `--require` or `--import`.
 * Source: sched_setaffinity(2), prctl(2) (PR_SET_TIMERSLACK), fork(2).
 */
import childProcess from 'node:child_process';
import { syncBuiltinESMExports } from 'node:module';
import workerThreads from 'node:worker_threads';
import { native } from '../native.js';

/** What a thread has that its children would inherit. */
export interface ThreadPlace {
  readonly cpus: readonly number[];
  readonly timerSlackNs: number;
}

/** The calling thread's. */
export function placeOfThread(): ThreadPlace {
  return { cpus: native().threads.getAffinity(), timerSlackNs: native().threads.getTimerSlack() };
}

/** From now on what this thread starts begins as it would if a thread at `usual` had started it. Once a thread. */
export function startChildrenAt(usual: ThreadPlace): void {
  const around = <T>(start: () => T): T => {
    const own = placeOfThread();
    put(usual);
    try {
      return start();
    } finally {
      put(own);
    }
  };
  const wrap = <A extends unknown[], R>(start: (...args: A) => R) => function (this: unknown, ...args: A): R {
    return around(() => start.apply(this, args));
  };
  const prototype = (childProcess.ChildProcess as unknown as { prototype: { spawn(options: unknown): number } }).prototype;
  prototype.spawn = wrap(prototype.spawn);
  // These wait for the child within the call: the thread has its own place back when it has ended.
  for (const name of ['spawnSync', 'execSync', 'execFileSync'] as const) {
    (childProcess as Record<typeof name, unknown>)[name] = wrap(childProcess[name] as (...args: unknown[]) => unknown);
  }
  const { Worker } = workerThreads;
  (workerThreads as { Worker: typeof Worker }).Worker = new Proxy(Worker, {
    construct: (target, args, newTarget) => around(() => Reflect.construct(target, args, newTarget) as object),
  });
  syncBuiltinESMExports();
}

function put({ cpus, timerSlackNs }: ThreadPlace): void {
  try {
    native().threads.setAffinity(cpus);
  } catch {
    // The cpuset has changed meanwhile: the thread stays where it is, and so does what it starts.
  }
  native().threads.setTimerSlack(timerSlackNs);
}

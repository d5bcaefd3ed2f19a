/**
 * Linux gives a new thread or process the CPUs and the timer slack of the thread that makes it. A reactor is pinned to
 * one CPU and has a slack of 1 ns, but whatever it starts (a compiler, a shell, a pool of workers) is meant to run
 * wherever the process may run.
 *
 *      a process:  reactor ──fork()──> child, which takes the usual place before exec()     (pthread_atfork, native)
 *      a thread:   reactor: pinned ──take off──> new Worker ──put on──> pinned              (a Proxy around Worker)
 *
 * The hook of fork() covers everything that forks in this thread, Node's child_process and native libraries alike.
 * Threads have no such hook, so `Worker` is replaced, in this thread alone. Two kinds of threads are not covered: those
 * that a native library makes by itself, and those of code that took hold of Worker before the reactor began, by
 * `--require` or `--import`. Start such libraries on the main thread. Source: sched_setaffinity(2), prctl(2)
 * (PR_SET_TIMERSLACK), pthread_atfork(3).
 */
import { syncBuiltinESMExports } from 'node:module';
import workerThreads from 'node:worker_threads';
import { native } from '../native.js';

/** What a thread has that its children would inherit. */
export interface ThreadPlace {
  readonly cpus: readonly number[];
  readonly timerSlackNs: number;
}

/** The place of the calling thread. */
export function placeOfThread(): ThreadPlace {
  return { cpus: native().threads.getAffinity(), timerSlackNs: native().threads.getTimerSlack() };
}

/**
 * From now on, what this thread starts begins as if a thread at `usual` had started it. Call it once in each thread.
 */
export function startChildrenAt(usual: ThreadPlace): void {
  native().threads.setChildPlace(usual.cpus, usual.timerSlackNs);
  const { Worker } = workerThreads;
  (workerThreads as { Worker: typeof Worker }).Worker = new Proxy(Worker, {
    construct(target, args, newTarget) {
      const own = placeOfThread();
      put(usual);
      try {
        return Reflect.construct(target, args, newTarget) as object;
      } finally {
        put(own);
      }
    },
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

/**
 * What a reactor's thread asks of the system. Each wish is tried, its outcome is read back, and a refusal is reported
 * and the reactor works without it. Source: sched(7), prctl(2) (PR_SET_TIMERSLACK).
 */
import { backendInForce, native } from '../native.js';
import { prefaultStack } from './memory.js';
import { placeOfThread, startChildrenAt } from './thread-defaults.js';

/** What one thread asked of the system, and what the system granted. */
export interface Grants {
  /** The CPU that was asked for, or undefined if pinning was not asked for. */
  readonly cpuAsked: number | undefined;
  /** The CPUs that the kernel lets this thread use, read back. */
  readonly cpuGranted: readonly number[];
  /** How late the kernel may end a sleep of this thread. */
  readonly timerSlackNs: number;
  /** The kernel's number of the thread. */
  readonly tid: number;
  /** Source of I/O, 'epoll' or 'io_uring'; for 'auto', also why. */
  readonly io?: { readonly asked: string; readonly granted: string; readonly decision: string | undefined };
  /** Why something was not granted; empty if everything was. */
  readonly refusals: readonly string[];
}

/**
 * Asks for the calling thread to be pinned to `cpu` (undefined: not at all), to sleep exactly, to have `name` in the
 * system's tools, and to have `stackBytes` of its stack in memory. Never throws for a refusal. What the thread starts
 * later does not inherit what it was granted. Call it once in each thread.
 */
export function requestGrants(cpu: number | undefined, name: string, stackBytes = 0): Grants {
  const addon = native();
  const isPortable = backendInForce().backend === 'portable';
  const refusals: string[] = [];
  const usual = placeOfThread();
  addon.threads.setName(name);
  let cpuGranted: readonly number[] = usual.cpus;
  if (cpu !== undefined) {
    try {
      cpuGranted = addon.threads.setAffinity([cpu]);
      if (cpuGranted.length !== 1 || cpuGranted[0] !== cpu) {
        refusals.push(`pin to CPU ${cpu}: the kernel granted ${cpuGranted.join(', ')}`);
      }
    } catch (error) {
      const { message, code } = error as NodeJS.ErrnoException;
      const why = code === 'EINVAL' ? '' : ' (forbidden by a seccomp filter, as containers may have it)';
      const ofSystem = isPortable ? '' : `${why}; the cpuset allows ${cpuGranted.join(', ')}`;
      refusals.push(`pin to CPU ${cpu}: ${message}${ofSystem}`);
    }
  }
  // Without it every sleep of the thread, including libuv's time-outs, may end 50 µs late.
  // A thread of a real-time policy has no slack, whatever it asks for: Linux 6.13 and later report 0.
  const timerSlackNs = addon.threads.setTimerSlack(1);
  if (timerSlackNs > 1) {
    const granted = isPortable ? 'the portable backend leaves it at' : 'the kernel granted';
    refusals.push(`timer slack of 1 ns: ${granted} ${timerSlackNs} ns`);
  }
  const sleep = addon.threads.exactSleep();
  if (sleep < 0) {
    refusals.push(`timerfd_create: ${addon.system.errorName(-sleep)} (forbidden by a seccomp filter, as containers may `
      + 'have it); timers of libuv stand in, which are up to 1 ms late');
  }
  startChildrenAt(usual);
  const stack = stackBytes === 0 ? undefined : prefaultStack(stackBytes);
  if (stack !== undefined) refusals.push(stack);
  return { cpuAsked: cpu, cpuGranted, timerSlackNs, tid: addon.threads.id(), refusals };
}

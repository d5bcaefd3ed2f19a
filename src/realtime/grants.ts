/** What a reactor's thread asked of the system, and what the system gave: tried, read back, reported, and worked without. */
import { native } from '../native.js';
import { placeOfThread, startChildrenAt } from './thread-defaults.js';

export interface Grants {
  /** The CPU asked for, or undefined when pinning was not asked. */
  readonly cpuAsked: number | undefined;
  /** The CPUs that the kernel lets this thread use, read back. */
  readonly cpuGranted: readonly number[];
  readonly timerSlackNs: number;
  /** The kernel's number of the thread. */
  readonly tid: number;
  /** Source of I/O, 'epoll' or 'io_uring'. */
  readonly io?: { readonly asked: string; readonly granted: string };
  /** Why something was not granted; empty when all was. */
  readonly refusals: readonly string[];
}

/** Asks for the calling thread. Never throws for a refusal. What the thread starts later does not inherit what it was granted. */
export function requestGrants(cpu: number | undefined, name: string): Grants {
  const addon = native();
  const refusals: string[] = [];
  const usual = placeOfThread();
  addon.threads.setName(name);
  let cpuGranted: readonly number[] = usual.cpus;
  if (cpu !== undefined) {
    try {
      cpuGranted = addon.threads.setAffinity([cpu]);
      if (cpuGranted.length !== 1 || cpuGranted[0] !== cpu) refusals.push(`pin to CPU ${cpu}: the kernel granted ${cpuGranted.join(', ')}`);
    } catch (error) {
      refusals.push(`pin to CPU ${cpu}: ${(error as Error).message}; the cpuset allows ${cpuGranted.join(', ')}`);
    }
  }
  // Without it every sleep of the thread, libuv's time-outs included, may end 50 µs late.
  const timerSlackNs = addon.threads.setTimerSlack(1);
  if (timerSlackNs !== 1) refusals.push(`timer slack of 1 ns: the kernel granted ${timerSlackNs} ns`);
  startChildrenAt(usual);
  return { cpuAsked: cpu, cpuGranted, timerSlackNs, tid: addon.threads.id(), refusals };
}

/**
 * A core given over to real-time threads: every other thread of the process is moved off it, so that the main thread,
 * the pool of libuv and the helpers of V8 (compiler, garbage collector) run elsewhere. Other processes are not ours to
 * move: isolcpus and cpusets do that, and `percore doctor` says whether they do. Source of the idea: RTLinux, which
 * suspends the general system on a CPU. /proc/self/task lists the threads of the process: proc(5).
 */
import { existsSync, readdirSync } from 'node:fs';
import { checkInteger } from '../errors.js';
import { native } from '../native.js';
import { readSystemFile } from '../realtime/internal.js';

const CPUS = '/sys/devices/system/cpu';

/** What `clearCore` reports about a thread. */
export interface MovedThread {
  /** The kernel's number of the thread. */
  readonly tid: number;
  /** As the system's tools show it. */
  readonly name: string;
  /** Where it may run now. */
  readonly cpus: readonly number[];
}

export interface ClearedCore {
  /** The CPU that was cleared. */
  readonly cpu: number;
  /** Threads that could run there before and cannot any more. */
  readonly moved: readonly MovedThread[];
  /** Threads that stay on purpose, because they may only run there. */
  readonly kept: readonly MovedThread[];
  /** Why the core does not belong to them alone, as far as this process is concerned. */
  readonly refusals: readonly string[];
}

/**
 * Moves every thread of this process off a CPU, except those that are pinned to it alone. Call it once all reactors
 * run; threads that the main thread starts later stay off it as well. If the process has no other CPU nothing is moved,
 * and `refusals` says so. Reads /proc and blocks for some microseconds for each thread. Throws
 * ERR_PERCORE_INVALID_ARGUMENT.
 *
 *     const running = await startApp(app, { entry, cpus: [1] });
 *     for (const refusal of clearCore(1).refusals) console.error(refusal);
 */
export function clearCore(cpu: number): ClearedCore {
  checkInteger('cpu', cpu, 0, 8191);
  const { threads } = native();
  const moved: MovedThread[] = [];
  const kept: MovedThread[] = [];
  const refusals: string[] = [];
  // Nothing is in the way there, but nothing can run there either.
  if (existsSync(CPUS) && !existsSync(`${CPUS}/cpu${cpu}`)) refusals.push(`this machine has no CPU ${cpu}`);
  for (const tid of readdirSync('/proc/self/task').map(Number)) {
    const name = readSystemFile(`/proc/self/task/${tid}/comm`)?.trim() ?? '';
    const cpus = threads.getAffinityOf(tid);
    // A thread that has ended meanwhile has no CPUs.
    if (!cpus.includes(cpu)) continue;
    const others = cpus.filter((each) => each !== cpu);
    if (others.length === 0) {
      kept.push({ tid, name, cpus });
      continue;
    }
    const code = threads.setAffinityOf(tid, others);
    const granted = threads.getAffinityOf(tid);
    if (code === 0 && !granted.includes(cpu)) moved.push({ tid, name, cpus: granted });
    else refusals.push(`move thread ${tid} (${name}) off CPU ${cpu}: ${native().system.errorName(-code)}`);
  }
  if (threads.getAffinity().includes(cpu)) refusals.push(`CPU ${cpu} is the only one that this thread may use`);
  return { cpu, moved, kept, refusals };
}

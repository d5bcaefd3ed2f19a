/** The CPUs on which contenders run, and how a baseline thread is pinned. Reactors are pinned by their runtime. */
import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { cpuBudget } from 'percore';

/** The first two CPUs that this process may use. Throws if there are fewer, since each spinning thread needs one. */
export function twoCpus(): readonly [number, number] {
  const { allowed } = cpuBudget();
  if (allowed.length < 2) throw new Error(`this bench needs two CPUs, the affinity mask has ${allowed.join(', ')}`);
  return [allowed[0], allowed[1]];
}

/**
 * Pins the calling thread and reads the mask back. For baseline workers; it uses the tool that any program would use.
 */
export function pinThisThread(cpu: number): void {
  const thread = thisThreadId();
  execFileSync('taskset', ['-p', '-c', String(cpu), String(thread)], { stdio: ['ignore', 'ignore', 'inherit'] });
  const granted = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync(`/proc/self/task/${thread}/status`, 'utf8'))?.[1];
  if (granted !== String(cpu)) throw new Error(`CPU ${cpu} was not granted to thread ${thread}: it may use ${granted}`);
}

/** The kernel's number of the calling thread. A synchronous read runs in the calling thread, so the link names that. */
export function thisThreadId(): number {
  return Number(readlinkSync('/proc/thread-self').split('/').at(-1));
}

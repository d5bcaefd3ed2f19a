/** Which CPUs the contenders run on, and how a baseline thread gets there. Reactors are pinned by their runtime. */
import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { cpuBudget } from 'percore';

/** The first two CPUs that this process may use. Throws where there are fewer: spinning threads need one each. */
export function twoCpus(): readonly [number, number] {
  const { allowed } = cpuBudget();
  if (allowed.length < 2) throw new Error(`this bench needs two CPUs, the affinity mask has ${allowed.join(', ')}`);
  return [allowed[0], allowed[1]];
}

/** Pins the calling thread and reads the mask back. For baseline workers, by the tool that any program would use. */
export function pinThisThread(cpu: number): void {
  const thread = thisThreadId();
  execFileSync('taskset', ['-p', '-c', String(cpu), String(thread)], { stdio: ['ignore', 'ignore', 'inherit'] });
  const granted = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync(`/proc/self/task/${thread}/status`, 'utf8'))?.[1];
  if (granted !== String(cpu)) throw new Error(`CPU ${cpu} was not granted to thread ${thread}: it may use ${granted}`);
}

/** The kernel's number of the calling thread. Synchronous reads run on the thread that asks, so the link names it. */
export function thisThreadId(): number {
  return Number(readlinkSync('/proc/thread-self').split('/').at(-1));
}

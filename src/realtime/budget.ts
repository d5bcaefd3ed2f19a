/**
 * The real-time budget of this process's cgroup: CPU time for SCHED_FIFO and SCHED_RR in each period. Kernels with
 * CONFIG_RT_GROUP_SCHED give a new cgroup none, and then refuse these policies to everybody in it, including root.
 * Source: the kernel's scheduler/sched-rt-group.
 */
import { join } from 'node:path';
import { cgroupsOf } from './cgroups.js';
import { readSystemFile, type SystemFiles } from './system-files.js';

/** A cgroup that may lack a budget. */
export interface RealtimeBudget {
  readonly folder: string;
  /**
   * Undefined in version 2, which has no file for it: only the root cgroup has a budget there, if the kernel asks for
   * one.
   */
  readonly runtimeUs: number | undefined;
  /** The command that would grant some. */
  readonly fix: string;
}

/** The budget of this process's cgroup; undefined if the kernel has no such thing. */
export function realtimeBudget(read: SystemFiles = readSystemFile): RealtimeBudget | undefined {
  const places = cgroupsOf(read, 'cpu');
  const v1 = places.find(({ isV2 }) => !isV2);
  for (const [i, each] of v1?.folders.entries() ?? []) {
    const folder = each.replace(/\/$/, '');
    const text = read(join(folder, 'cpu.rt_runtime_us'));
    if (text === undefined) continue;
    // Folders above must have at least as much, so they are written first.
    const files = v1!.folders.slice(i).reverse().slice(v1!.folders.length > i + 1 ? 1 : 0)
      .map((above) => join(above, 'cpu.rt_runtime_us'));
    return {
      folder, runtimeUs: Number(text),
      fix: `echo 100000 | sudo tee ${files.join(' ')} (container: --cpu-rt-runtime=100000)`,
    };
  }
  const v2 = places.find(({ isV2 }) => isV2);
  if (v1 !== undefined || v2 === undefined || v2.path === '/') return undefined;
  return {
    folder: v2.folders[0]!, runtimeUs: undefined,
    fix: `echo ${process.pid} | sudo tee ${join(v2.folders.at(-1)!, 'cgroup.procs')}, or boot with rt_group_sched=0`,
  };
}

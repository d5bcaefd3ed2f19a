/**
 * How many CPUs this process really has. `os.cpus()` counts those of the machine; what matters are the affinity mask,
 * which cpusets narrow silently, and the quota of the cgroup. Sources: sched_setaffinity(2); the kernel's
 * admin-guide/cgroup-v2 (cpu.max) and cgroup-v1 (cpu.cfs_quota_us).
 */
import { join } from 'node:path';
import { native } from '../native.js';
import { cgroupsOf } from './cgroups.js';
import { checkFiles, readSystemFile, type SystemFiles } from './system-files.js';

/** The CPUs that a process may use. */
export interface CpuBudget {
  /** CPUs of this thread's affinity mask, ascending. */
  readonly allowed: readonly number[];
  /** How many CPUs' worth of time the cgroup allows, perhaps a fraction; Infinity without a quota. */
  readonly quota: number;
  /** Reactors that `reactors: 'auto'` makes: the CPUs of the mask, bounded by the floor of the quota; at least 1. */
  readonly count: number;
}

/**
 * The CPUs that the calling thread may use now; `createRuntime` asks the same. Reads some small files of /proc and
 * /sys, and blocks for these; any thread may call it. What cannot be read counts as no limit. Tests pass `files`
 * instead. Throws ERR_PERCORE_INVALID_ARGUMENT.
 *
 *     const { count } = cpuBudget();      // 1 in a container with a quota of 1.5 CPUs
 */
export function cpuBudget(files: SystemFiles = readSystemFile): CpuBudget {
  const quota = cgroupQuota(checkFiles(files));
  const allowed = native().threads.getAffinity();
  return { allowed, quota, count: Math.max(1, Math.min(allowed.length, Math.floor(quota))) };
}

/** The tightest quota from this process's cgroup up to the root, version 2 or 1, in CPUs. */
export function cgroupQuota(read: SystemFiles): number {
  let quota = Infinity;
  for (const { isV2, folders } of cgroupsOf(read, 'cpu')) {
    for (const folder of folders) {
      quota = Math.min(quota, isV2 ? quotaV2(read(join(folder, 'cpu.max'))) : quotaV1(read, folder));
    }
  }
  return quota;
}

function quotaV2(text: string | undefined): number {
  const [max = 'max', period = '100000'] = text?.trim().split(' ') ?? [];
  return limit(Number(max), Number(period));
}

function quotaV1(read: SystemFiles, folder: string): number {
  const max = Number(read(join(folder, 'cpu.cfs_quota_us')) ?? -1);
  const period = Number(read(join(folder, 'cpu.cfs_period_us')) ?? 100_000);
  return limit(max, period);
}

/** No limit unless both are above 0: "max" and -1 mean none, and anything that is not a number says nothing. */
const limit = (max: number, period: number): number => (max > 0 && period > 0 ? max / period : Infinity);

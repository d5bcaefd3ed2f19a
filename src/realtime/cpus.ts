/**
 * How many CPUs this process really has. `os.cpus()` tells those of the machine; what matters are the affinity mask,
 * which cpusets narrow silently, and the quota of the cgroup. Sources: sched_setaffinity(2); the kernel's
 * admin-guide/cgroup-v2 (cpu.max) and cgroup-v1 (cpu.cfs_quota_us).
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkFunction } from '../errors.js';
import { native } from '../native.js';

/** The CPUs that a process may use. */
export interface CpuBudget {
  /** CPUs of this thread's affinity mask, ascending. */
  readonly allowed: readonly number[];
  /** How many CPUs' worth of time the cgroup allows, a fraction perhaps; Infinity without a quota. */
  readonly quota: number;
  /** Reactors that `reactors: 'auto'` makes: the CPUs of the mask, bounded by the floor of the quota; at least 1. */
  readonly count: number;
}

/**
 * The CPUs that the calling thread may use now; `createRuntime` asks the same. Reads some small files of /proc and
 * /sys, and blocks for these; any thread. What cannot be read is no limit. `files` stands in for them in tests. Throws
 * ERR_PERCORE_INVALID_ARGUMENT.
 *
 *     const { count } = cpuBudget();      // 1 in a container with a quota of 1.5 CPUs
 */
export function cpuBudget(files: CgroupFiles = systemFiles): CpuBudget {
  checkFunction('files', files);
  const allowed = native().threads.getAffinity();
  const quota = cgroupQuota((path) => {
    const text: unknown = files(path);
    return typeof text === 'string' ? text : undefined;
  });
  return { allowed, quota, count: Math.max(1, Math.min(allowed.length, Math.floor(quota))) };
}

/** Reads one file, or undefined where it does not exist. */
export type CgroupFiles = (path: string) => string | undefined;

const systemFiles: CgroupFiles = (path) => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Not there, or not ours to read: as good as no limit.
    return undefined;
  }
};

/** The tightest quota from this process's cgroup up to the root, version 2 or 1, in CPUs. */
export function cgroupQuota(read: CgroupFiles): number {
  let quota = Infinity;
  for (const line of read('/proc/self/cgroup')?.trim().split('\n') ?? []) {
    const [, controllers, path = '/'] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === undefined) continue;
    const isV2 = controllers === '';
    if (!isV2 && !controllers.split(',').includes('cpu')) continue;
    for (const folder of foldersOf(read, controllers, path)) {
      quota = Math.min(quota, isV2 ? quotaV2(read(join(folder, 'cpu.max'))) : quotaV1(read, folder));
    }
  }
  return quota;
}

/**
 * The folders from a cgroup up to the root, where they are mounted. A mount may show only a part of the tree: in a
 * container its root is often the container's own cgroup, whatever path the kernel names. `controllers` is empty for
 * version 2.
 */
function foldersOf(read: CgroupFiles, controllers: string, path: string): string[] {
  const isMeant = ({ type, options }: Mount): boolean =>
    (controllers === '' ? type === 'cgroup2' : type === 'cgroup' && options.includes('cpu'));
  const mounts = cgroupMounts(read).filter(isMeant);
  if (mounts.length === 0) {
    // Without a word about mounts they are where everybody has them. One of version 1 is called by the names of its
    // controllers, or has a link for each.
    for (const name of controllers === '' ? [''] : [controllers, 'cpu']) {
      mounts.push({ type: '', options: [], root: '/', at: join('/sys/fs/cgroup', name) });
    }
  }
  return mounts.flatMap(({ root, at }) => {
    // ".." leads out of this process's namespace: what is there cannot be seen.
    const isInside = !path.includes('/..') && (root === '/' || path === root || path.startsWith(`${root}/`));
    return upwards(isInside ? path.slice(root === '/' ? 0 : root.length) : '/').map((folder) => join(at, folder));
  });
}

interface Mount {
  readonly type: string;
  readonly options: readonly string[];
  /** The folder of the file system that is seen at `at`. */
  readonly root: string;
  readonly at: string;
}

/** Source: proc_pid_mountinfo(5). "30 25 0:26 / /sys/fs/cgroup/cpu rw,nosuid shared:9 - cgroup cgroup rw,cpu" */
function cgroupMounts(read: CgroupFiles): Mount[] {
  const unescape = (text: string): string =>
    text.replace(/\\(\d{3})/g, (_match, octal: string) => String.fromCharCode(parseInt(octal, 8)));
  return (read('/proc/self/mountinfo') ?? '').split('\n').flatMap((line) => {
    const [, root, at, type, options] = /^\S+ \S+ \S+ (\S+) (\S+) .*? - (cgroup2?) \S+ (\S+)/.exec(line) ?? [];
    if (root === undefined) return [];
    return [{ type: type!, options: options!.split(','), root: unescape(root), at: unescape(at!) }];
  });
}

/** "/a/b" -> "/a/b", "/a", "/". */
function upwards(path: string): string[] {
  const parts = path.split('/').filter((part) => part !== '');
  return Array.from({ length: parts.length + 1 }, (_, i) => `/${parts.slice(0, parts.length - i).join('/')}`);
}

function quotaV2(text: string | undefined): number {
  const [max = 'max', period = '100000'] = text?.trim().split(' ') ?? [];
  return limit(Number(max), Number(period));
}

function quotaV1(read: CgroupFiles, folder: string): number {
  const max = Number(read(join(folder, 'cpu.cfs_quota_us')) ?? -1);
  const period = Number(read(join(folder, 'cpu.cfs_period_us')) ?? 100_000);
  return limit(max, period);
}

/** No limit unless both are above 0: "max" and -1 say so, and what is no number says nothing. */
const limit = (max: number, period: number): number => (max > 0 && period > 0 ? max / period : Infinity);

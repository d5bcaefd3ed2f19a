/**
 * Where the cgroups of this process are. Sources: the kernel's admin-guide/cgroup-v2 and cgroup-v1; cgroups(7).
 */
import { join } from 'node:path';
import type { SystemFiles } from './system-files.js';

/** One hierarchy that a process is in: the folders from its own cgroup up to the root. */
export interface CgroupPlace {
  readonly isV2: boolean;
  /** As the kernel names it; "/" is the root. */
  readonly path: string;
  readonly folders: readonly string[];
}

/** The hierarchies that may have this controller of version 1 ('cpu', 'cpuset'), and that of version 2. */
export function cgroupsOf(read: SystemFiles, controller: string): CgroupPlace[] {
  return (read('/proc/self/cgroup')?.trim().split('\n') ?? []).flatMap((line) => {
    const [, controllers, path = '/'] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === undefined) return [];
    const isV2 = controllers === '';
    if (!isV2 && !controllers.split(',').includes(controller)) return [];
    return [{ isV2, path, folders: foldersOf(read, controllers, controller, path) }];
  });
}

/**
 * The folders from a cgroup up to the root, where they are mounted. A mount may show only a part of the tree: in a
 * container its root is often the container's own cgroup, whatever path the kernel names. `controllers` is empty for
 * version 2.
 */
function foldersOf(read: SystemFiles, controllers: string, controller: string, path: string): string[] {
  const isMeant = ({ type, options }: Mount): boolean =>
    (controllers === '' ? type === 'cgroup2' : type === 'cgroup' && options.includes(controller));
  const mounts = cgroupMounts(read).filter(isMeant);
  if (mounts.length === 0) {
    // If nothing is known about mounts, they are in the usual place. A hierarchy of version 1 has the names of its
    // controllers, or a link for each.
    for (const name of controllers === '' ? [''] : [controllers, controller]) {
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
function cgroupMounts(read: SystemFiles): Mount[] {
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

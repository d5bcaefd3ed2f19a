/**
 * How much memory the cgroup of this process leaves it: the kernel ends a process that touches more. Sources: the
 * kernel's admin-guide/cgroup-v2 (memory.max, memory.current) and cgroup-v1/memory.
 */
import { join } from 'node:path';
import { cgroupsOf } from './cgroups.js';
import { readSystemFile, type SystemFiles } from './system-files.js';

/**
 * How many bytes the process may still take before it reaches the tightest limit from its cgroup up to the root;
 * Infinity if there is none, or if it cannot be read. Pages of files that nobody has used lately count as free. Blocks
 * for reading some small files.
 */
export function memoryLeft(read: SystemFiles = readSystemFile): number {
  let left = Infinity;
  for (const { isV2, folders } of cgroupsOf(read, 'memory')) {
    const [limitName, usageName, cachedName] = isV2 ? ['memory.max', 'memory.current', 'inactive_file']
      : ['memory.limit_in_bytes', 'memory.usage_in_bytes', 'total_inactive_file'];
    for (const folder of folders) {
      const limit = Number(read(join(folder, limitName!)) ?? NaN);
      const usage = Number(read(join(folder, usageName!)) ?? NaN);
      // "max" is not a number, and version 1 says 2^63 for none.
      if (!(limit < UNLIMITED && usage >= 0)) continue;
      const stat = read(join(folder, 'memory.stat')) ?? '';
      const cached = Number(new RegExp(`^${cachedName} (\\d+)$`, 'm').exec(stat)?.[1] ?? 0);
      left = Math.min(left, Math.max(0, limit - usage + cached));
    }
  }
  return left;
}

/** No machine has that much. */
const UNLIMITED = 2 ** 62;

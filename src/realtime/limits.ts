/** Limits of this process, as `ulimit` sets them. Source: proc_pid_limits(5). */
import { readSystemFile, type SystemFiles } from './system-files.js';

/** The soft limit of this name; Infinity for "unlimited", 0 if it cannot be read. */
export function limitOf(name: string, read: SystemFiles = readSystemFile): number {
  const line = (read('/proc/self/limits') ?? '').split('\n').find((each) => each.startsWith(name));
  const soft = line?.slice(name.length).trim().split(/\s+/)[0];
  return soft === 'unlimited' ? Infinity : Number(soft ?? 0);
}

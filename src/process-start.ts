/** Which process a number means: numbers are used again, beginnings are not. */
import { readFileSync } from 'node:fs';

/** When a process began, in clock ticks since the machine did; undefined for one that is not there. */
export function startTicksOf(pid: number | 'self'): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name, in parentheses, may contain anything; the 22nd field is the 20th behind it.
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
  } catch {
    return undefined;
  }
}

/**
 * Tells processes apart. Their numbers are reused, so a process is identified by its number and the time at which it
 * began.
 */
import { readFileSync } from 'node:fs';

/** When a process began, in clock ticks since boot; undefined if there is no such process. */
export function startTicksOf(pid: number | 'self'): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field, the name in parentheses, may contain anything; the 22nd field is the 20th one after it.
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
  } catch {
    return undefined;
  }
}

/**
 * What the process may do beyond an ordinary user. Source: capabilities(7), proc_pid_status(5), user_namespaces(7).
 */
import { readSystemFile, type SystemFiles } from './system-files.js';

export const CAP_IPC_LOCK = 14;
export const CAP_SYS_ADMIN = 21;
export const CAP_SYS_NICE = 23;
export const CAP_SYS_RESOURCE = 24;

/** Whether this capability is in force in the process. */
export function hasCapability(number: number, read: SystemFiles = readSystemFile): boolean {
  const mask = /^CapEff:\s*([0-9a-f]+)/im.exec(read('/proc/self/status') ?? '')?.[1];
  return mask !== undefined && (BigInt(`0x${mask}`) >> BigInt(number) & 1n) === 1n;
}

/** Whether its capabilities are those of a user namespace, which count only for what that namespace owns. */
export function isInUserNamespace(read: SystemFiles = readSystemFile): boolean {
  const map = read('/proc/self/uid_map')?.trim().split(/\s+/);
  return map !== undefined && map.length >= 3 && map.join(' ') !== '0 0 4294967295';
}

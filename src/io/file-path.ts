/** Checks the path of a file, as system calls take it. */
import { invalidArgument } from '../errors.js';

/**
 * Throws ERR_PERCORE_INVALID_ARGUMENT if the path is not text, is empty, or contains a NUL, where the kernel would stop
 * reading it.
 */
export function checkPath(argument: string, path: unknown): string {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    throw invalidArgument(argument, path, 'a path: text that is not empty and has no NUL');
  }
  return path;
}

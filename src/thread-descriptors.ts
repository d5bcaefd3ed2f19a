/** What a thread opens when it starts. */
import { PercoreError } from './errors.js';
import { native } from './native.js';

/** Descriptors of its loop and its turn, and of the module that it reads. */
export const DESCRIPTORS_PER_THREAD = 6;

/**
 * Throws ERR_PERCORE_SYSTEM where a thread that starts now would run out of descriptors, so that it is not started:
 * libuv leaves the epoll of such a thread open for as long as the process lives, that of a bare worker as well. If
 * others of the process open descriptors between this look and the start of the thread, it does so all the same.
 */
export function checkDescriptors(thread: string): void {
  const { wakers } = native();
  const opened: number[] = [];
  try {
    while (opened.length < DESCRIPTORS_PER_THREAD) opened.push(wakers.create());
  } catch (error) {
    const cause = error as Error & { code?: string; syscall?: string };
    if (cause.syscall === undefined) throw cause;
    const message = `${thread} cannot start: ${cause.message}. A thread needs ${DESCRIPTORS_PER_THREAD} descriptors: `
      + 'raise the limit (ulimit -n)';
    throw new PercoreError('ERR_PERCORE_SYSTEM', message, { errno: cause.code!, syscall: cause.syscall, cause });
  } finally {
    for (const fd of opened) wakers.close(fd);
  }
}

/**
 * Where readiness comes from: epoll or io_uring. This file opens the source that was asked for, lets epoll stand in
 * where io_uring is refused, and puts the kernel's refusals into words.
 */
import { PercoreError } from '../errors.js';
import { backendInForce, type IoHandle, type Native } from '../native.js';
import { IoMemory } from './io-memory.js';
import type { IoSource, SourceChoice } from './source-choice.js';

/** Opens a source over `memory`. Returns a negative errno when the kernel refuses. */
export type OpenSource = (isUring: boolean, memory: IoMemory) => IoHandle | number;

/** What opening a source has come to. */
export interface OpenedSource {
  readonly memory: IoMemory;
  readonly granted: IoSource;
  /** Why `granted` is not the source that was wanted; undefined if it is. */
  readonly refusal: string | undefined;
}

/** What makes a container or a kernel refuse io_uring, by errno. */
const URING_HINTS: Record<string, string> = {
  EPERM: ' (forbidden by a seccomp filter, as containers have it, or by sysctl kernel.io_uring_disabled)',
  ENOSYS: ' (forbidden by a seccomp filter, or a kernel without it)',
  EINVAL: ' (needs Linux 6.1)',
  ENOMEM: ' (raise the limit of locked memory, ulimit -l)',
};

/** Why the kernel does not watch a descriptor, where the errno tells that. */
const WATCH_HINTS: Record<string, string> = {
  EBADF: ': it is not open',
  EPERM: ': a regular file or a folder is always ready; read it with openFile',
  EEXIST: ': this thread watches it already',
  ENOSPC: ': fs.epoll.max_user_watches is reached',
  ENOSYS: ': the portable backend watches only what it has opened itself; see docs/guide/portable.md',
};

/** Opens the source that was chosen, or epoll in its place. Throws ERR_PERCORE_SYSTEM when epoll is refused as well. */
export function openSource(
  native: Native, { wanted }: SourceChoice, counters: Float64Array, open: OpenSource,
): OpenedSource {
  const memory = new IoMemory(native.sources, counters);
  // Most of the pool is never used. When the C library hands out memory a second time, it fills it with zeros; without
  // this call the whole pool would be resident from about the third runtime of a process on
  // (docs/decisions/2026-11-28-memory-of-lanes.md).
  native.system.freshPages(memory.pool, 0);
  let refusal: string | undefined;
  let handle = open(wanted === 'io_uring', memory);
  if (typeof handle === 'number' && wanted === 'io_uring') {
    const errno = native.system.errorName(-handle);
    const isPortable = backendInForce().backend === 'portable';
    const hint = isPortable ? ' (the portable backend has Node\'s own loop alone)' : URING_HINTS[errno] ?? '';
    refusal = `io_uring: ${errno}${hint}; epoll stands in`;
    handle = open(false, memory);
  }
  if (typeof handle === 'number') throw notOpened(native.system.errorName(-handle));
  memory.start(handle);
  return { memory, refusal, granted: refusal === undefined ? wanted : 'epoll' };
}

function notOpened(errno: string): PercoreError {
  const isUsedUp = errno === 'EMFILE' || errno === 'ENFILE';
  const hint = isUsedUp ? ': descriptors are used up; raise the limit, ulimit -n'
    : errno === 'ENOSYS' ? ': the portable backend cannot be polled by hand; see docs/guide/portable.md' : '';
  const details = { errno, syscall: 'epoll_create1' };
  const text = `cannot open the I/O of this thread: ${errno}, epoll_create1${hint}`;
  return new PercoreError('ERR_PERCORE_SYSTEM', text, details);
}

/** The kernel refuses to watch `fd`. Both sources take readiness from an epoll: see native/io_source.h. */
export function notWatched(errno: string, fd: number): PercoreError {
  const syscall = 'epoll_ctl';
  const text = `cannot watch descriptor ${fd}: ${errno}, ${syscall}${WATCH_HINTS[errno] ?? ''}`;
  return new PercoreError('ERR_PERCORE_SYSTEM', text, { argument: 'fd', value: fd, errno, syscall });
}

/** Calls native code, and turns its errors into those of this project. */
export function systemCallOf<T>(what: string, call: () => T): T {
  try {
    return call();
  } catch (cause) {
    const { code: errno, syscall, message } = cause as { code: string; syscall: string; message: string };
    const details = { errno, syscall, cause };
    if (errno === 'EADDRINUSE') {
      const text = `cannot ${what}: the port is in use; choose another, or 0 for a free one`;
      throw new PercoreError('ERR_PERCORE_ADDRESS_IN_USE', text, details);
    }
    throw new PercoreError('ERR_PERCORE_SYSTEM', `cannot ${what}: ${message}`, details);
  }
}

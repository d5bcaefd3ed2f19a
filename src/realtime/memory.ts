/**
 * Memory that is present before it is needed: a missing page costs a thread a microsecond if it comes from memory, and
 * milliseconds if it comes from a disk. Sources: mlockall(2), madvise(2) (MADV_POPULATE_WRITE); the kernel's
 * admin-guide/mm/transhuge.
 */
import { checkBoolean, checkOptions, invalidArgument, PercoreError } from '../errors.js';
import { EINVAL, ENOMEM, ENOSYS, EPERM } from '../errno.js';
import { native } from '../native.js';
import { CAP_IPC_LOCK, hasCapability } from './capabilities.js';
import { limitOf } from './limits.js';
import { readSystemFile, type SystemFiles } from './system-files.js';

/** What `lockMemory` takes. */
export interface LockOptions {
  /** Whether to lock also what the process maps later. Default true. */
  readonly withFuture?: boolean;
}

/**
 * Keeps all pages of this process in memory from the moment when they are first touched, until it ends or
 * `unlockMemory()` is called: nothing is swapped out. Untouched pages still take no memory; `prefault` touches them.
 * Any thread may call it; it holds for the whole process, not for its children. Blocks while swapped-out pages are
 * read.
 *
 * V8's heaps and its compiled code are left out: V8 gives their pages back by madvise(2), which the kernel refuses for
 * locked ones, and would end the process, on Node 24 and 26 at the next full collection. So mappings are locked one by
 * one: shared memory, buffers, stacks, and what the addon and libraries have. What is mapped later (`withFuture`, the
 * default) is found within half a second, by a thread that looks.
 *
 * Throws ERR_PERCORE_NO_CAPABILITY where the process may lock less than all: V8 maps more and more, and a program
 * under a limit would end when it reaches it, so a limit (`ulimit -l`) is refused beforehand. Also _SYSTEM and
 * _INVALID_ARGUMENT.
 *
 *     lockMemory();
 *     console.log(lockedBytes());          // grows with what is touched
 */
export function lockMemory(options?: LockOptions): void {
  const { withFuture = true } = checkOptions('options', options, ['withFuture']);
  checkBoolean('withFuture', withFuture);
  const refusal = whyNotLocked();
  if (refusal !== undefined) throw new PercoreError('ERR_PERCORE_NO_CAPABILITY', refusal, { syscall: 'mlockall' });
  const answer = native().realtime?.lockMemory(withFuture) ?? -ENOSYS;
  if (answer < 0) throw refused('lock memory', 'mlockall', answer);
}

/** Undoes `lockMemory`. Throws ERR_PERCORE_SYSTEM; any thread may call it. */
export function unlockMemory(): void {
  const answer = native().realtime?.unlockMemory() ?? -ENOSYS;
  if (answer < 0) throw refused('unlock memory', 'munlockall', answer);
}

/**
 * How many bytes of this process are locked, according to the kernel (VmLck). Reads a file of /proc; any thread may
 * call it.
 */
export function lockedBytes(): number {
  return 1024 * Number(/^VmLck:\s*(\d+) kB/m.exec(readSystemFile('/proc/self/status') ?? '')?.[1] ?? 0);
}

/** Why the process may not lock everything that it has and will have; undefined if it may. */
export function whyNotLocked(read: SystemFiles = readSystemFile): string | undefined {
  if (hasCapability(CAP_IPC_LOCK, read)) return undefined;
  const limit = limitOf('Max locked memory', read);
  if (limit === Infinity) return undefined;
  return `cannot lock memory: this process may lock ${limit} bytes, and would end when it needs more. To have it: `
    + `ulimit -l unlimited (service: LimitMEMLOCK=infinity; container: --ulimit memlock=-1), or sudo setcap `
    + `cap_ipc_lock+ep ${process.execPath}`;
}

/**
 * Makes each page of `memory` present and writable, without changing its content, even while other threads write there:
 * what a ring's first round would pay for is paid here. Blocks for about 0.3 ms a MiB. Any thread may call it. Throws
 * ERR_PERCORE_INVALID_ARGUMENT, and ERR_PERCORE_SYSTEM if there is not enough memory.
 *
 *     const orders = queues.create({ kind: 'spsc', capacity: 65_536, recordBytes: 64 });
 *     prefault(orders.buffer);
 */
export function prefault(memory: ArrayBufferLike | ArrayBufferView): void {
  const answer = native().realtime?.prefault(bytesOf(memory)) ?? -ENOSYS;
  if (answer < 0) throw refused('prefault memory', 'madvise', answer);
}

/** How many bytes of the pages of `memory` are present now. Any thread may call it. Throws as `prefault` does. */
export function residentBytes(memory: ArrayBufferLike | ArrayBufferView): number {
  const answer = native().realtime?.residentBytes(bytesOf(memory)) ?? -ENOSYS;
  if (answer < 0) throw refused('see what is resident', 'mincore', answer);
  return answer;
}

/**
 * Asks the kernel to put huge pages (2 MiB) under `memory`, or not to. They save walks of page tables if much is read,
 * and cost the time to make one if little is. The kernel does so when the pages are next touched, unless
 * /sys/kernel/mm/transparent_hugepage/enabled is "never". Lanes have none unless you ask for it. Any thread may call
 * it. Throws as `prefault` does.
 */
export function useHugePages(memory: ArrayBufferLike | ArrayBufferView, isWanted: boolean): void {
  checkBoolean('isWanted', isWanted);
  const answer = native().realtime?.adviseHugePages(bytesOf(memory), isWanted) ?? -ENOSYS;
  if (answer < 0) throw refused('ask for huge pages', 'madvise', answer);
}

/** Makes this much of the calling thread's stack present; returns a refusal. */
export function prefaultStack(bytes: number): string | undefined {
  const answer = native().realtime?.prefaultStack(bytes) ?? -ENOSYS;
  return answer === 0 ? undefined : `stack of ${bytes} bytes: ${native().system.errorName(-answer)}`;
}

function bytesOf(memory: ArrayBufferLike | ArrayBufferView): Uint8Array {
  if (ArrayBuffer.isView(memory)) return new Uint8Array(memory.buffer, memory.byteOffset, memory.byteLength);
  if (memory instanceof SharedArrayBuffer || memory instanceof ArrayBuffer) return new Uint8Array(memory);
  throw invalidArgument('memory', memory, 'a SharedArrayBuffer, an ArrayBuffer or a view of one');
}

const HINTS: Readonly<Record<number, string>> = {
  [EPERM]: ': raise ulimit -l, or grant CAP_IPC_LOCK', [ENOMEM]: ': there is not so much memory, or not so much may be '
    + 'locked (ulimit -l)', [EINVAL]: ': this kernel does not know it', [ENOSYS]: ': this platform has no such call',
};

function refused(what: string, syscall: string, answer: number): PercoreError {
  const errno = native().realtime === undefined ? 'ENOSYS' : native().system.errorName(-answer);
  return new PercoreError('ERR_PERCORE_SYSTEM', `cannot ${what}: ${errno}, ${syscall}${HINTS[-answer] ?? ''}`, {
    errno, syscall,
  });
}

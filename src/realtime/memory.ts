/**
 * Memory that is there before it is needed: a page that is missing costs a thread a microsecond from memory and
 * milliseconds from a disk. Sources: mlockall(2), madvise(2) (MADV_POPULATE_WRITE); the kernel's
 * admin-guide/mm/transhuge.
 */
import { checkBoolean, checkOptions, invalidArgument, PercoreError } from '../errors.js';
import { EINVAL, ENOMEM, ENOSYS, EPERM } from '../errno.js';
import { native } from '../native.js';
import { CAP_IPC_LOCK, hasCapability } from './capabilities.js';
import { limitOf } from './limits.js';
import { readSystemFile, type SystemFiles } from './system-files.js';

/** Node 20 gives pages of its heap back in a way that the kernel refuses for locked ones. */
const LEAVES_HEAP = Number(process.versions.node.split('.')[0]) < 22;

/** What `lockMemory` takes. */
export interface LockOptions {
  /** Also what the process maps later. Default true. */
  readonly withFuture?: boolean;
}

/**
 * Keeps all pages of this process in memory from the time that they are first touched, until it ends or
 * `unlockMemory()`: nothing is swapped out. Pages that nobody has touched take no memory still; `prefault` touches
 * them. Any thread; for the whole process, not for its children. Blocks while what was swapped out is read.
 *
 * Compiled code is left out: V8 gives its pages back in a way that the kernel refuses for locked ones, and would end
 * the process. So mappings are locked one by one; what is mapped later (`withFuture`, the default) is found within half
 * a second, by a thread that looks. In Node 20 the heaps of V8 are left out as well, for the same reason.
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
  const answer = native().realtime?.lockMemory(withFuture, LEAVES_HEAP) ?? -ENOSYS;
  if (answer < 0) throw refused('lock memory', 'mlockall', answer);
}

/** Takes `lockMemory` back. Throws ERR_PERCORE_SYSTEM; any thread. */
export function unlockMemory(): void {
  const answer = native().realtime?.unlockMemory() ?? -ENOSYS;
  if (answer < 0) throw refused('unlock memory', 'munlockall', answer);
}

/** Bytes of this process that are locked, as the kernel says (VmLck). Reads a file of /proc; any thread. */
export function lockedBytes(): number {
  return 1024 * Number(/^VmLck:\s*(\d+) kB/m.exec(readSystemFile('/proc/self/status') ?? '')?.[1] ?? 0);
}

/** Why the process may not lock all that it has and shall have; undefined where it may. */
export function whyNotLocked(read: SystemFiles = readSystemFile): string | undefined {
  if (hasCapability(CAP_IPC_LOCK, read)) return undefined;
  const limit = limitOf('Max locked memory', read);
  if (limit === Infinity) return undefined;
  return `cannot lock memory: this process may lock ${limit} bytes, and would end when it needs more. To have it: `
    + `ulimit -l unlimited (service: LimitMEMLOCK=infinity; container: --ulimit memlock=-1), or sudo setcap `
    + `cap_ipc_lock+ep ${process.execPath}`;
}

/**
 * Has each page of `memory` there and writable, without changing what it holds, also while other threads write there:
 * what a ring's first round would pay for is paid here. Blocks, about 0.3 ms a MiB. Any thread. Throws
 * ERR_PERCORE_INVALID_ARGUMENT, and ERR_PERCORE_SYSTEM where there is not so much memory.
 *
 *     const orders = queues.create({ kind: 'spsc', capacity: 65_536, recordBytes: 64 });
 *     prefault(orders.buffer);
 */
export function prefault(memory: ArrayBufferLike | ArrayBufferView): void {
  const answer = native().realtime?.prefault(bytesOf(memory)) ?? -ENOSYS;
  if (answer < 0) throw refused('prefault memory', 'madvise', answer);
}

/** Bytes of the pages of `memory` that are there now. Any thread. Throws as `prefault` does. */
export function residentBytes(memory: ArrayBufferLike | ArrayBufferView): number {
  const answer = native().realtime?.residentBytes(bytesOf(memory)) ?? -ENOSYS;
  if (answer < 0) throw refused('see what is resident', 'mincore', answer);
  return answer;
}

/**
 * Asks the kernel to put huge pages (2 MiB) under `memory`, or not to: they save walks of page tables where much is
 * read, and cost the time to make one where little is. It does so when the pages are touched next, if
 * /sys/kernel/mm/transparent_hugepage/enabled is not "never". Lanes have none unless asked. Any thread. Throws as
 * `prefault` does.
 */
export function useHugePages(memory: ArrayBufferLike | ArrayBufferView, isWanted: boolean): void {
  checkBoolean('isWanted', isWanted);
  const answer = native().realtime?.adviseHugePages(bytesOf(memory), isWanted) ?? -ENOSYS;
  if (answer < 0) throw refused('ask for huge pages', 'madvise', answer);
}

/** Has so much of the calling thread's stack there; a refusal is told. */
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

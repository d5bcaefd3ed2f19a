/**
 * Files that processes map at once, so that a queue lies in them: their memory, their bells and the death of those who
 * share them. See native/mapped_file.h and native/bell_watch.h.
 *
 * The whole group may be missing: there are no queues in files then, and `create` says so. `map` answers -ENOSYS where
 * this Node cannot show foreign memory as a SharedArrayBuffer. `words` below are an Int32Array over what `map` made.
 */
export interface NativeMappings {
  /** The first `bytes` of a file, shared with whoever maps it; it keeps a descriptor of its own. Or -errno. */
  map(fd: number, bytes: number): SharedArrayBuffer | number;
  /** The file is so long, and the system has the memory or the disk for it. 0 or -errno. */
  allocate(fd: number, bytes: number): number;
  /** Gives an open file this name, also one that has none yet. 0; -EEXIST where something has the name; or -errno. */
  link(fd: number, path: string): number;
  /** Takes the lock of the file behind this descriptor, until that is closed. 0, -EAGAIN, or -errno. */
  lock(fd: number): number;
  /** False once the file is shorter than what was mapped. */
  isWhole(words: Int32Array): boolean;
  /**
   * Takes the lock of byte `at` of the file for as long as this thread lives, or its process goes on without exec(2). A
   * number for `letGo`; -EAGAIN where somebody has it; or -errno.
   */
  hold(words: Int32Array, at: number): number;
  /** Gives such a lock back. 0. */
  letGo(number: number): number;
  /** 1 while somebody has that lock, in any process of any container; 0; or -errno. */
  isHeld(words: Int32Array, at: number): number;
  /** The descriptor that the mapping keeps: it has the file whatever becomes of its name. Or -errno. */
  descriptor(words: Int32Array): number;
  /**
   * Where headers lie that become pages of ones when something of the file is missing: all before byte `first`, and
   * then `count` of `bytes` each, `stride` apart.
   */
  noteHeaders(words: Int32Array, first: number, bytes: number, stride: number, count: number): void;
  /** Wakes all who wait at this word, in every process. How many, or -errno. */
  wake(words: Int32Array, at: number): number;
  /**
   * Sleeps while the word is `seen`: blocks. 0, -EAGAIN, -ETIMEDOUT or -errno; -ECANCELED as soon as a process has
   * ended that `watchProcess` was asked for, once.
   */
  wait(words: Int32Array, at: number, seen: number, timeoutMs: number): number;
  /** `then(token)` hears of what the next two wait for; it does not keep the loop alive. Once a thread. 0 or -errno. */
  open(then: (token: number) => void): number;
  /** Reports `token` when the word is no longer `seen`, after `timeoutMs`, or when the file is cut. 0 or -errno. */
  waitLater(words: Int32Array, at: number, seen: number, timeoutMs: number, token: number): number;
  /** Reports `token` when this process has ended. 0, -ESRCH if there is none, or -errno. */
  watchProcess(pid: number, token: number): number;
  /** `token` of `watchProcess` is reported no more. 0. */
  forgetProcess(token: number): number;
  /** 1 when no such process runs, also where it is a zombie; 0 when one does; or -errno. */
  hasExited(pid: number): number;
}

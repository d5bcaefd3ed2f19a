/**
 * How the system's scheduler treats a thread, and memory that is present before it is needed.
 *
 * The whole group may be missing: every policy and every lock is then a refusal with ENOSYS, and threads run as the
 * system runs them.
 */

/** Functions that answer "0 or -errno" throw nothing. */
export interface NativeRealtime {
  /**
   * Asks for a policy of a thread of this process; 0 is the caller. `numbers` are the kernel's: policy (0 other, 1
   * fifo, 2 round robin, 6 deadline), nice, priority, runtime, deadline and period in nanoseconds. What the thread
   * starts does not inherit a real-time policy. 0 or -errno.
   */
  setPolicy(tid: number, numbers: Float64Array): number;
  /** Writes the policy that it has into `numbers`, in the same order. 0 or -errno. */
  getPolicy(tid: number, numbers: Float64Array): number;
  /**
   * Keeps every page of the process but those of V8 in memory once it has been touched, with `withFuture` also of what
   * is mapped later. Blocks while what is swapped out is read. 0 or -errno.
   */
  lockMemory(withFuture: boolean): number;
  unlockMemory(): number;
  /** Has each page of these bytes there and writable, without changing it. Blocks for that long. 0 or -errno. */
  prefault(bytes: Uint8Array): number;
  /** Bytes of the pages of these bytes that are in memory, or -errno. */
  residentBytes(bytes: Uint8Array): number;
  /** Has so much of the calling thread's stack there. -ENOMEM when it is not so large. 0 or -errno. */
  prefaultStack(bytes: number): number;
  /** Asks for huge pages under these bytes, or for none. 0 or -errno. */
  adviseHugePages(bytes: Uint8Array, isWanted: boolean): number;
}

/**
 * The thread that calls, the threads it wakes, and the process they share.
 *
 * Required: `system`, `wakers`, `threads.id`, `threads.isLoopAlive`, `threads.getAffinity`.
 * May be missing: pinning (`setAffinity` throws: the refusal is reported and the thread runs where it may), the timer
 * slack (both answer the same number, whatever was asked: a refusal as well), names of threads (`setName` does
 * nothing), `setChildPlace` where nothing is inherited (does nothing), `freshPages` (-ENOSYS: lanes that are never used
 * may then take memory), `callNs`, `scheduled` (a thread is never late because it had no CPU, as far as anybody knows).
 */

/** What concerns no thread and no descriptor. */
export interface NativeSystem {
  /** "ECONNRESET" for a positive errno, "UNKNOWN" for any other number. */
  errorName(errno: number): string;
  /**
   * Gives the whole pages of `bytes` from byte `from` on back to the kernel: they read as zeros afterwards. Nobody may
   * use them meanwhile. 0 or -errno.
   */
  freshPages(bytes: Uint8Array, from: number): number;
  /** Nanoseconds that a system call takes which does nothing: the least of some rounds, which take 30 to 300 µs. */
  callNs?(): number;
}

/** Where and how the calling thread runs. */
export interface NativeThreads {
  /** The system's number of the calling thread, for its tools; not Node's `threadId`. */
  id(): number;
  /** Shown by the system's tools; cut to what it takes (Linux: 15 bytes). */
  setName(name: string): void;
  /** The CPUs on which the calling thread may run, ascending; at least one. */
  getAffinity(): number[];
  /** Asks for these CPUs and returns those that were granted. Throws EINVAL if none of them can be granted. */
  setAffinity(cpus: readonly number[]): number[];
  /** CPUs of another thread of this process, by the system's number of it; empty if there is no such thread. */
  getAffinityOf(tid: number): number[];
  /** Moves another thread of this process to these CPUs. 0 or -errno. */
  setAffinityOf(tid: number, cpus: readonly number[]): number;
  /** How late the system may end a sleep of the calling thread, nanoseconds. */
  getTimerSlack(): number;
  /** The same after asking for `ns`; 0 asks for the thread's default. */
  setTimerSlack(ns: number): number;
  /**
   * 0 where sleeps end at the nanosecond that a timer asks for; -errno where the system refuses what that takes, and
   * they may end a millisecond late.
   */
  exactSleep(): number;
  /**
   * Processes that the calling thread starts from now on begin on these CPUs and with this slack. Throws when it
   * cannot.
   */
  setChildPlace(cpus: readonly number[], timerSlackNs: number): void;
  /**
   * For how long the thread whose schedstat is open as `fd` has had a CPU and has waited for one, in nanoseconds, how
   * often it was given one, and the CPU of the calling thread become the first four of `out`. 0 if it cannot be read,
   * otherwise 1.
   */
  scheduled?(fd: number, out: Float64Array): number;
  /** Whether something referenced keeps this thread's loop going. */
  isLoopAlive(): boolean;
}

/**
 * By which threads wake each other. A waker belongs to the process: its number may be written by any thread, and at any
 * time, also after it was closed. Such a late wake does nothing; it never reaches what got the number afterwards.
 */
export interface NativeWakers {
  /** A waker, closed with this thread at the latest. Its number is what a turn sleeps on, and a descriptor for I/O. */
  create(): number;
  /** Wakes whoever sleeps on it, or whoever does so next: a wake is never lost, several may become one. */
  wake(eventFd: number): void;
  /** Closes it, whichever thread made it. Does nothing if there is none. */
  close(eventFd: number): void;
}

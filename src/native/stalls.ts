/**
 * A watcher of steps that do not end: a thread of the backend that looks at the words of each party, see
 * native/stall_watch.h.
 *
 * The whole group may be missing, and `create` may answer -ENOSYS: nobody is watched then, and `status()` says so.
 */
export interface NativeStalls {
  /**
   * A watch that belongs to the calling thread; no threshold yet. `tell` is called in this thread's loop, which it does
   * not keep going, with: party, nanoseconds so far, the time of the clock, how much of it collections took, whether
   * the thread has answered, whether it is the stall that was told before, its task ('' outside of steps), and its
   * stack. Its number, or -errno.
   */
  create(mainParty: number, tell: (
    party: number, ns: number, atNs: number, collectedNs: number, hasAnswered: boolean, isContinued: boolean,
    task: string, stack: string,
  ) => void): number;
  /**
   * Any thread: it is watched until it ends. `inbox` begins with its Party block. The property `running` of `steps` is
   * the task whose step runs: read amid it are `name`, `steps`, `again` and `errors`. 0 or -errno.
   */
  join(watch: number, inbox: Uint8Array, steps: object): number;
  /** Threshold in nanoseconds, 0 for none; and how many stalls are told a minute. 0 or -errno. */
  set(watch: number, thresholdNs: number, mostPerMinute: number): number;
  /** Ends its thread; waits for what that is doing, some microseconds. */
  close(watch: number): void;
}

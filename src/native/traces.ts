/**
 * Events of the kernel's scheduler, read from the pages of tracefs and taken by the threads that are followed: see
 * native/kernel_trace.h and native/followed_thread.h.
 *
 * The whole group may be missing: `percore trace` says that it needs the addon.
 */

/** What is followed, and the descriptors that are read. Opaque; the descriptors stay the caller's. */
export type KernelTraceHandle = { readonly kernelTrace: unique symbol };

/** Who waits for pages. Opaque. */
export type PageWatchHandle = { readonly pageWatch: unique symbol };

/** Functions that answer "or -errno" throw nothing; a handle of something else is -EBADF. */
export interface NativeTraces {
  /**
   * `places` are the 25 numbers of `TracePlaces`, of which the fields are in words from the beginning of an event and
   * the page's in bytes. Times are told since zero, whose 64 bits come in two halves. Or -EINVAL.
   */
  create(places: Int32Array, zeroHigh: number, zeroLow: number): KernelTraceHandle | number;
  /**
   * Pages of this CPU come from `fd`, whose read must not block. A round says whether it has left one of the `isUrgent`
   * events for the next one. `isMapped`: they are mapped, where the kernel does that. 1 if they are, 0 if they are
   * read, or -errno.
   */
  addCpu(trace: KernelTraceHandle, cpu: number, fd: number, isUrgent: boolean, isMapped: boolean): number;
  /** Reads nothing any more, and unmaps what was mapped. What is known of threads stays. */
  close(trace: KernelTraceHandle): void;
  /** Follows a thread until it is dropped. Its slot, or -errno. */
  follow(trace: KernelTraceHandle, tid: number, name: string): number;
  drop(trace: KernelTraceHandle, slot: number): void;
  /** Values above it are violations; `figure` is its place in FIGURES, Infinity takes it back. 0 or -errno. */
  setBound(trace: KernelTraceHandle, slot: number, figure: number, ns: number): number;
  /**
   * Reads and takes the events up to `untilNs`. `words` tells: how many words of notes, the most pages of a CPU that
   * are not urgent, 1 after a hole, -errno of a read or 0, 1 when an urgent event is left, and then the notes in
   * threes: [0, tid, 0] a thread has ended, [1, parent, child] one was made. 1 where there were more notes than room:
   * call it again with `isMore`. 0 or -errno.
   */
  round(trace: KernelTraceHandle, untilNs: number, isMore: boolean, words: Int32Array): number;
  /**
   * Calls `onReady` once when the kernel says that one of these descriptors is worth reading, until it is armed again.
   * It does not keep the loop going. Or -errno.
   */
  watch(fds: Int32Array, onReady: () => void): PageWatchHandle | number;
  /**
   * From now on the watch takes rounds of this trace itself where nobody has to be told of anything. It calls
   * `onReady` instead where the last round is less than `restNs` ago, and besides where one had fewer pages of each
   * CPU than `leastPages`, or has something to tell, which the next `round` tells. Events must be `settledNs` old.
   * The kernel tells of mapped pages once; from then on the watch looks each `lookEachNs` whether there are 2 *
   * `leastPages` of one CPU; 0 for none. 0 or -errno.
   */
  takeRounds(
    watch: PageWatchHandle, trace: KernelTraceHandle, leastPages: number, restNs: number, settledNs: number,
    lookEachNs: number,
  ): number;
  /** `isAlone`: the watch may take rounds itself. 0 or -errno. */
  arm(watch: PageWatchHandle, isAlone: boolean): number;
  /** Before the descriptors are closed. */
  unwatch(watch: PageWatchHandle): void;
  /** When the last round ended, in nanoseconds since zero. */
  roundAt(trace: KernelTraceHandle): number;
  /** Events taken so far, also of threads that are not followed. */
  count(trace: KernelTraceHandle): number;
  /** Of these, those of mapped pages. */
  mappedCount(trace: KernelTraceHandle): number;
  /** The thread's name as it was last seen; '' for nobody. */
  nameOf(trace: KernelTraceHandle, slot: number): string;
  /** Copies the histogram, HISTOGRAM_WORDS / 2 numbers, and tells the rest; undefined for nobody. */
  figure(trace: KernelTraceHandle, slot: number, figure: number, histogram: Float64Array): NativeFigure | undefined;
}

export interface NativeFigure {
  readonly count: number;
  readonly violations: number;
  /** `beganNs` is since zero. */
  readonly worst?: { readonly beganNs: number; readonly events: readonly NativeTraceEvent[]; readonly leftOut: number };
}

/** -1 and '' are for what an event does not have. */
export interface NativeTraceEvent {
  readonly event: 'sched_waking' | 'sched_switch' | 'irq_handler_entry' | 'irq_handler_exit';
  /** Since the thread was woken, in nanoseconds. */
  readonly ns: number;
  /** Where it happened: which CPU switched or was interrupted, or which one woke the thread. */
  readonly cpu: number;
  /** sched_waking: the CPU that the thread is put on. */
  readonly wakeCpu: number;
  /** Who ran before a switch, or wakes (-1: an interrupt): the number, the kernel's priority, the name. */
  readonly prevPid: number;
  readonly prevPriority: number;
  readonly prevName: string;
  /** sched_switch: whether `prev` could have gone on, or sleeps. Idling is neither. */
  readonly isPreemption: boolean;
  readonly isVoluntary: boolean;
  /** Who runs then, or is woken. */
  readonly nextPid: number;
  readonly nextPriority: number;
  readonly nextName: string;
  /** The number of the interrupt. */
  readonly irq: number;
}

/**
 * Times in which the whole process stood still: stopped by a signal or a debugger, frozen with its container, left out
 * by its host. A thread of the backend looks for them while somebody watches.
 *
 * The whole group may be missing: then such a time counts as what the thread was doing.
 */
export interface NativeHalts {
  /** From now on they are noticed, until `unwatch` or the end of the calling thread. Its number, or -errno. */
  watch(): number;
  /** Nobody else needs to know: the last one ends the thread. A second call does nothing. */
  unwatch(watch: number): void;
  /** Nanoseconds of the last halts between two times of the monotonic clock; those below 10 ms are not seen. */
  between(fromNs: number, toNs: number): number;
}

/**
 * A log of the calling thread's garbage collections, which the backend writes while they happen: see
 * native/collection_log.cc.
 *
 * The whole group may be missing, and `open` may answer -ENOSYS: then Node is asked, which tells later and costs more.
 */

/** Opaque. */
export type CollectionLogHandle = { readonly collectionLog: unique symbol };

export interface NativeCollections {
  /**
   * `numbers[0]` counts the collections from now on. Each has three numbers after it, in turn, in as many places as
   * there are: when it began and ended, in nanoseconds since `originNs`, and its kind, by `perf_hooks.constants`. Those
   * that are parts of others are left out. Or -errno.
   */
  open(numbers: Float64Array, originNs: number): CollectionLogHandle | number;
  close(log: CollectionLogHandle): void;
}

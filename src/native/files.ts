/**
 * Files: a ring of transfers for one thread, and what direct I/O needs.
 *
 * May be missing: all of it. `openRing` answers the refusal: Node's thread pool then reads and writes, and the reason
 * is in the file's `refusals`. `bytesToBorder` is needed in both cases; `clearDirect` may do nothing.
 */

export interface NativeFiles {
  /**
   * A ring for this thread's files: a descriptor, readable when a transfer is done; or the refusal, such as
   * "io_uring_setup: EPERM".
   */
  openRing(): number | string;
  /** Blocks until what is in flight has ended. */
  closeRing(ring: number): void;
  /** The array's number in this ring, or -errno. The array is kept alive until it is released. */
  holdBuffer(ring: number, bytes: Uint8Array): number;
  releaseBuffer(ring: number, buffer: number): void;
  /**
   * A transfer to ask for with the next `submit`. `position` -1: the file's own. `id` comes back with it. 0 or -errno.
   */
  push(
    ring: number, isWrite: boolean, fd: number, buffer: number, offset: number, length: number, position: number,
    id: number,
  ): number;
  /** Gives all that was pushed to the kernel. 0 or -errno. */
  submit(ring: number): number;
  /** Writes pairs of id and result (bytes or -errno) for transfers that are done; how many pairs. */
  reap(ring: number, pairs: Int32Array): number;
  /**
   * Bytes from the beginning of `bytes` to the next address that is a multiple of `border`; or -errno: no direct I/O.
   */
  bytesToBorder(bytes: Uint8Array, border: number): number;
  /** O_DIRECT off for an open descriptor. 0 or -errno. */
  clearDirect(fd: number): number;
}

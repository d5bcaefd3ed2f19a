/**
 * Where readiness and received bytes come from: the I/O source of a thread, and the driver of one that has no reactor.
 * What a source must do, and in which order, is in native/io_source.h; `ioBlockLayout` is how it talks to JavaScript,
 * and it counts in `ioCountersLayout`.
 *
 * Required: all, with `isUring` false.
 * May be missing: the source by completions (`isUring` true answers -errno: the other one is taken, and the reason is
 * in the status), and then `probe` as well.
 */

/** The I/O source of a thread. Opaque. */
export type IoHandle = { readonly io: unique symbol };
/** I/O that no reactor drives. Opaque. */
export type IoDriverHandle = { readonly ioDriver: unique symbol };

/** `token` is JavaScript's: slot and generation, see io/token.ts. */
export interface NativeSources {
  /** Readiness of any descriptor. `interest` is a set of `words.interest`. 0 or -errno. */
  add(io: IoHandle, fd: number, token: number, interest: number): number;
  modify(io: IoHandle, fd: number, token: number, interest: number): number;
  remove(io: IoHandle, fd: number, token: number): void;
  /**
   * A stream or a listener: `kind` is one of `words.ioKind`. Nothing comes before RECEIVE is requested. 0 or -errno.
   */
  open(io: IoHandle, fd: number, token: number, kind: number): number;
  /** Forgets it at once and leaves the descriptor open. What had arrived already is in the events. */
  detach(io: IoHandle, token: number): void;
  /** Sends now, past the outbox: the bytes taken, or -errno. WRITABLE follows when they were fewer than `length`. */
  send(io: IoHandle, token: number, bytes: Uint8Array, offset: number, length: number): number;
  /** As `NativeTurns.knock`, when the block was empty before. */
  knock?(io: IoHandle): void;
  /** Does what the block requests, now. */
  drain(io: IoHandle): void;
  /** Whether the system would open a source by completions: 0 or -errno. Opens a small one and closes it again. */
  probe?(): number;
}

/** I/O that no reactor drives. */
export interface NativeDrivers {
  /**
   * By this thread's loop, which calls `deliver` when there are events; without one by `poll`. Or -errno. Its memory
   * (io/io-memory.ts) is used until it is closed.
   */
  create(
    isUring: boolean, block: Int32Array, pool: Uint8Array, outbox: Uint8Array, counters: Float64Array,
    deliver: (() => void) | undefined,
  ): { driver: IoDriverHandle; io: IoHandle } | number;
  /** Takes what has happened. Blocks for at most `timeoutMs` until something has; -1 for ever. */
  poll(driver: IoDriverHandle, timeoutMs: number): void;
  /** Whether it keeps this thread's loop going. */
  setReferenced(driver: IoDriverHandle, isReferenced: boolean): void;
  close(driver: IoDriverHandle): void;
}

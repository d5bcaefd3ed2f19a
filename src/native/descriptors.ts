/**
 * Descriptors that are not sockets, or not known to be: who owns one, reading and writing without blocking, watched
 * paths, and pipes between processes as queues.
 *
 * Required: `descriptors.close`, `own`, `disown`, since all I/O closes by them.
 * May be missing: the rest of `descriptors` (no pipes and no standard input as endpoints), `watches` (`open` answers
 * -errno: no watched paths), `pipes` (`create` and `makeFifo` answer -errno: no queues over pipes).
 */

export interface NativeDescriptors {
  /** Closes what this thread owns, and nothing else: a number that others use by now is safe. */
  close(fd: number): void;
  /** From now on this thread's: closed with it. */
  own(fd: number): void;
  /** It belongs to nobody here any more. */
  disown(fd: number): void;
  /**
   * `own` for a number that a user has given, made non-blocking where that changes nothing for others. Returns `fd`.
   */
  adopt(fd: number): number;
  /** A FIFO, owned. `keepOpen`: it outlives its writers. */
  openFifo(path: string, isWriter: boolean, keepOpen: boolean): number;
  /** A descriptor of this thread's own for standard input; 0 itself stays as it is. */
  openStandardInput(): number;
  /** How this one is read and written without blocking: one of `words.descriptorWay`, or -errno. */
  way(fd: number): number;
  /** Bytes read, 0 at the end, or -errno. */
  read(fd: number, bytes: Uint8Array, offset: number, length: number, way: number): number;
  /** Bytes taken, or -errno. */
  write(fd: number, bytes: Uint8Array, offset: number, length: number, way: number): number;
  /** A socket's peer reads the end after what is on its way. 0, or -ENOTSOCK for what has no half to close. */
  end(fd: number): number;
}

/** What happens to files and folders: inotify, whose records `descriptors.read` gives. */
export interface NativeWatches {
  /** A descriptor that is readable when something has happened, or -errno. */
  open(): number;
  /** The watch's number or -errno. `mask` is a set of inotify(7)'s bits. */
  add(fd: number, path: string, mask: number): number;
  /** 0, or -EINVAL when the watch has ended by itself. */
  remove(fd: number, watch: number): number;
}

/** One end of a pipe that this thread has opened. Opaque. */
export type PipeEndHandle = { readonly pipeEnd: unique symbol };

/** Queues over pipes. `memory` is laid out as `pipeLayout` says and shared between threads. See native/pipe.h. */
export interface NativePipes {
  /**
   * Makes an anonymous pipe of `capacityBytes` or more, if granted (0: the system's default), described in `memory`.
   * The granted bytes or -errno.
   */
  create(memory: Uint8Array, capacityBytes: number): number;
  /** 0 when there is a FIFO at `path` now; -EEXIST when something else is there; or -errno. */
  makeFifo(path: string, mode: number): number;
  /** Or -errno: -EALREADY when somebody else has or had this end. `path` is empty for an anonymous pipe. */
  openEnd(
    memory: Uint8Array, isProducer: boolean, path: string, capacityBytes: number, onReady: () => void,
  ): PipeEndHandle | number;
  /** Bytes, 0 at the end, or -errno. */
  read(end: PipeEndHandle, bytes: Uint8Array, offset: number, length: number): number;
  /** Bytes, or -errno. */
  write(end: PipeEndHandle, bytes: Uint8Array, offset: number, length: number): number;
  /** 0 when a write would take something, or -errno. */
  space(end: PipeEndHandle): number;
  /** A FIFO's reading end again, after its writers have gone. 0 or -errno. */
  reopen(end: PipeEndHandle): number;
  /** Whether `onReady` is called. 0 or -errno. */
  watch(end: PipeEndHandle, isOn: boolean): number;
  closeEnd(end: PipeEndHandle): void;
  /** Closes an anonymous pipe's end if nobody has opened it. True when it did. */
  closeUnopenedEnd(memory: Uint8Array, isProducer: boolean): boolean;
  /** Bytes in the pipe to `out[0]`, its capacity to `out[1]`. 0, or -EBADF when no end is open in this process. */
  inspect(memory: Uint8Array, out: Float64Array): number;
}

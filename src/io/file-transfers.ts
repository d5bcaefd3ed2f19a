/**
 * Who moves the bytes of a file: the kernel by io_uring, or Node's pool of threads. Files do not know which.
 *
 *      file ──transfer, transfer, …, submit──> backend ──complete(slot, bytes or -errno)──> file
 *
 * With io_uring a thread has one ring for all its files. What lies in the page cache is copied within `submit`, in this
 * thread, and is complete when it returns. No other thread is involved, which is what makes it faster than fs streams.
 * For what must come from a disk, the ring's descriptor becomes readable later. Where io_uring is refused (by the
 * filter of a container, by a sysctl, for want of descriptors), the pool stands in, and the file's status says why.
 */
import { read, write } from 'node:fs';
import { ECANCELED, EIO, EMFILE } from '../errno.js';
import { words } from '../layout.js';
import type { Endpoint } from './endpoint.js';
import type { TimedIoCore } from './timed-core.js';

/** Who moves the bytes of a file: the kernel by io_uring, or Node's pool of threads. */
export type FileBackend = 'io_uring' | 'pool';

/** What a backend knows of a file. */
export interface Transferring {
  readonly fd: number;
  /** The memory of all slots, in one piece. */
  readonly buffer: Uint8Array;
  /** Called once for each transfer, with the bytes moved, 0 at the end, or -errno. */
  complete(slot: number, result: number): void;
}

/** A backend: moves the bytes of several files. */
export interface Transfers {
  readonly backend: FileBackend;
  /** To be called before the first transfer of a file. Returns its number for the calls below, or -errno. */
  hold(file: Transferring): number;
  /** To be called after the last completion of a file. */
  release(file: number): void;
  /** Slots are 0 to 15. Position -1 means the file's own position. */
  transfer(file: number, slot: number, isWrite: boolean, offset: number, length: number, position: number): void;
  /** Begins everything that was transferred since the last call. */
  submit(): void;
}

/** Most slots of one file. */
export const MAX_DEPTH = 16;
/** FileRing::kInFlight divided by the slots of a file. */
const MAX_RING_FILES = 1024 / MAX_DEPTH;
const REAP_PAIRS = 64;
/** If the kernel had no memory for a submission, it is tried again after this time. */
const RETRY_NS = 1_000_000;

export class PoolTransfers implements Transfers {
  readonly backend = 'pool';
  private readonly files: (Transferring | undefined)[] = [];
  private readonly free: number[] = [];

  hold(file: Transferring): number {
    const number = this.free.pop() ?? this.files.length;
    this.files[number] = file;
    return number;
  }

  release(number: number): void {
    this.files[number] = undefined;
    this.free.push(number);
  }

  transfer(number: number, slot: number, isWrite: boolean, offset: number, length: number, position: number): void {
    const file = this.files[number]!;
    const done = (error: NodeJS.ErrnoException | null, count: number): void => {
      file.complete(slot, error === null ? count : (error.errno ?? -EIO));
    };
    const at = position < 0 ? null : position;
    if (isWrite) write(file.fd, file.buffer, offset, length, at, done);
    else read(file.fd, file.buffer, offset, length, at, done);
  }

  submit(): void {
    // The pool has begun already.
  }
}

export class RingTransfers implements Transfers, Endpoint {
  readonly backend = 'io_uring';
  token = -1;
  private readonly files: (Transferring | undefined)[] = [];
  private readonly buffers: number[] = [];
  /** For each file: how many transfers are under way. */
  private readonly pending: number[] = [];
  private readonly free: number[] = [];
  private readonly pairs = new Int32Array(REAP_PAIRS * 2);
  /** How many files are open on the ring. */
  private held = 0;
  private isRetrying = false;
  private isClosed = false;

  private constructor(private readonly core: TimedIoCore, private readonly ring: number) {}

  /** A ring, or why there is none: "io_uring_setup: EPERM", or "io_uring_enter: EPERM". */
  static open(core: TimedIoCore): RingTransfers | string {
    const ring = core.native.files.openRing();
    return typeof ring === 'string' ? ring : new RingTransfers(core, ring);
  }

  hold(file: Transferring): number {
    const number = this.free.pop() ?? this.files.length;
    if (number >= MAX_RING_FILES) return -EMFILE;
    const buffer = this.core.native.files.holdBuffer(this.ring, file.buffer);
    if (buffer < 0) {
      this.free.push(number);
      return buffer;
    }
    try {
      if (this.held === 0) this.core.register(this, this.ring, words.interest.READABLE);
    } catch {
      // The ring cannot be watched. The pool does not need that.
      this.core.native.files.releaseBuffer(this.ring, buffer);
      this.free.push(number);
      return -EMFILE;
    }
    this.held++;
    this.files[number] = file;
    this.buffers[number] = buffer;
    this.pending[number] = 0;
    return number;
  }

  release(number: number): void {
    if (this.isClosed) return;
    this.core.native.files.releaseBuffer(this.ring, this.buffers[number]!);
    this.files[number] = undefined;
    this.free.push(number);
    // A ring without files must not count as an open endpoint, or it would keep a thread alive.
    if (--this.held === 0) this.core.deregister(this, this.ring);
  }

  transfer(number: number, slot: number, isWrite: boolean, offset: number, length: number, position: number): void {
    const file = this.files[number]!;
    this.pending[number]!++;
    const id = number * MAX_DEPTH + slot;
    const { files } = this.core.native;
    const refused = files.push(this.ring, isWrite, file.fd, this.buffers[number]!, offset, length, position, id);
    // The ring has not taken it, so no completion will come: this takes its place.
    if (refused < 0) this.done(number, slot, refused);
  }

  submit(): void {
    const refused = this.core.native.files.submit(this.ring);
    this.reap();
    if (refused === 0 || this.isRetrying) return;
    // The transfers stay queued, and nothing would submit them again by itself.
    this.isRetrying = true;
    this.core.timers.after({ delayNs: RETRY_NS }, () => {
      this.isRetrying = false;
      if (!this.isClosed) this.submit();
    });
  }

  onReadiness(): void {
    this.reap();
  }

  /** Afterwards nothing is in flight. What was is reported as cancelled. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    if (this.held > 0) this.core.deregister(this, this.ring);
    this.core.native.files.closeRing(this.ring);
    for (const number of this.files.keys()) {
      while (this.files[number] !== undefined && this.pending[number]! > 0) this.done(number, 0, -ECANCELED);
    }
  }

  private done(number: number, slot: number, result: number): void {
    this.pending[number]!--;
    this.files[number]!.complete(slot, result);
  }

  private reap(): void {
    for (;;) {
      const count = this.core.native.files.reap(this.ring, this.pairs);
      for (let i = 0; i < count; i++) {
        const id = this.pairs[i * 2]!;
        this.done(Math.floor(id / MAX_DEPTH), id % MAX_DEPTH, this.pairs[i * 2 + 1]!);
      }
      if (count < REAP_PAIRS) return;
    }
  }
}

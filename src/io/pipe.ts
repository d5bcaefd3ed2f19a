/**
 * A stream over a descriptor that is no TCP connection: a pipe's end, a FIFO, a terminal, a socketpair. One way or both.
 *
 *      read:   open --the last writer closes--> ended -> closed
 *      write:  open --end()--> ending --all written--> closed          the reader goes: EPIPE, closed
 *      both:   open --the peer ends--> half-closed --end()--> closed   (and the other way round)
 *
 * Reading and writing are as on a connection: `onData` in place, `offer` into a backlog that is written at the next step, BACK_PRESSURED
 * above `highWaterBytes`. A descriptor that cannot be polled (a regular file, /dev/null) is always ready; its reads then wait for the disk.
 *
 * Others may use the same open file: a shell its terminal, a child the pipe that its parent made. So O_NONBLOCK is not set on what is
 * shared where there is another way: see native/descriptor_io.cc.
 */
import { checkBoolean, checkFunction, checkInteger, checkOneOf, invalidArgument, PercoreError } from '../errors.js';
import { words } from '../layout.js';
import { BACK_PRESSURED, CLOSED, OK, type WaitOptions } from '../queues/index.js';
import { awaitPromised, noteRefusal, type Refuser } from '../refusals.js';
import type { Ready } from '../scheduling/internal.js';
import { Backlog } from './backlog.js';
import { checkPath } from './file-path.js';
import type { Io } from './io.js';
import { checkSpan, checkStreamOptions, MOST_READ_BYTES, restOf, type StreamOptions } from './stream-options.js';
import type { Source } from './token.js';
import { checkWaitOptions, roomFor, Waiters } from './waiters.js';

export type PipeOptions = StreamOptions;

export interface FifoOptions extends PipeOptions {
  /** The FIFO does not end when its last writer has gone, nor break when its last reader has: others may come. Default false. */
  keepOpen?: boolean;
}

export type PipeWay = 'read' | 'write' | 'both';

const { READABLE, WRITABLE, READ_CLOSED, HANG_UP, ERROR } = words.readiness;
const EAGAIN = -11;
const EPIPE = 32;
/** One for all streams of the thread: what `onData` is given lies here. */
let readBuffer: Uint8Array | undefined;
/** Bytes given to the kernel in one step before others of the band get their turn. */
const WRITE_BYTES = 262_144;

export class PipeStream implements Source, Ready, Refuser {
  isReady = false;
  token = -1;
  readonly band: number;
  readonly highWaterBytes: number;
  bytesRead = 0;
  bytesWritten = 0;
  /** The error that closed it, if one did. */
  error: PercoreError | undefined;

  private readonly readBytes: number;
  /** How it is read and written without blocking: one of words.descriptorWay. */
  private readonly descriptorWay: number;
  private readonly backlog = new Backlog();
  /** The largest offer that was refused since nothing was pending. */
  private refusedBytes = 0;
  private dataHandler: ((bytes: Uint8Array) => void) | undefined;
  private endHandler: (() => void) | undefined;
  private closeHandler: ((error: PercoreError | undefined) => void) | undefined;
  private readonly waiters = new Waiters();
  /** False for a descriptor that cannot be polled: it is always ready. */
  private isPolled = true;
  private isReadable = false;
  private isWritable = false;
  private isBroken = false;
  private isPaused = false;
  private isEnding = false;
  private hasEnded = false;
  private hasPeerEnded = false;
  private isClosed_ = false;

  constructor(private readonly io: Io, readonly fd: number, readonly way: PipeWay, options: Required<PipeOptions>) {
    this.band = options.priority;
    this.highWaterBytes = options.highWaterBytes;
    this.readBytes = options.readBytes;
    this.descriptorWay = io.native.descriptors.way(fd);
    const { interest } = words;
    try {
      io.register(this, fd, way === 'read' ? interest.READABLE : way === 'write' ? interest.WRITABLE : interest.READABLE | interest.WRITABLE);
    } catch (error) {
      if ((error as PercoreError).errno !== 'EPERM') throw error;
      this.isPolled = false;
      this.isReadable = this.isWritable = true;
      // Nothing watches it, and it is open all the same: a thread without a reactor lives until it is closed.
      io.enter(this);
    }
    // Nothing to read is not half of what there is: it counts as ended from the beginning.
    this.hasPeerEnded = way === 'write';
    this.hasEnded = way === 'read';
  }

  /** See `Ready`. */
  get where(): string {
    return `${this.hasPeerEnded && this.way !== 'write' ? 'handler onEnd' : 'handler onData'} of a stream on descriptor ${this.fd}`;
  }

  get isClosed(): boolean {
    return this.isClosed_;
  }

  /** Bytes taken by `offer` that the kernel has not taken yet. */
  get pendingBytes(): number {
    return this.backlog.bytes;
  }

  /** Called with what was read; the bytes are valid during the call only. Without a handler nothing is read, and an end is not seen. */
  onData(handler: (bytes: Uint8Array) => void): this {
    checkFunction('handler', handler);
    if (this.way === 'write') throw invalidArgument('onData', this.way, 'called on a stream that reads');
    this.dataHandler = handler;
    if (this.isReadable) this.io.schedule(this);
    return this;
  }

  /** Called when no more will come, before the stream closes; on a stream of both ways, without a handler it ends too. */
  onEnd(handler: () => void): this {
    checkFunction('handler', handler);
    this.endHandler = handler;
    return this;
  }

  /** Called once, after the descriptor is closed; with the error, if one closed it. */
  onClose(handler: (error: PercoreError | undefined) => void): this {
    checkFunction('handler', handler);
    this.closeHandler = handler;
    return this;
  }

  /** Reads no more until `resume`. No system call. */
  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
    if (this.isReadable) this.io.schedule(this);
  }

  /** Copies bytes into the backlog. OK; BACK_PRESSURED: nothing taken, wait for `writable()`; CLOSED after `end` or close. */
  offer(bytes: Uint8Array, offset = 0, length = restOf(bytes, offset)): number {
    checkSpan(bytes, offset, length);
    if (this.isClosed_ || this.isEnding || this.hasEnded) return CLOSED;
    // One write larger than the mark is taken when nothing waits, or it could never be written.
    if (this.backlog.bytes === 0) {
      this.refusedBytes = 0;
    } else if (this.backlog.bytes + length > this.highWaterBytes) {
      if (length > this.refusedBytes) this.refusedBytes = length;
      this.io.memory.countRefused();
      noteRefusal(this, length);
      return BACK_PRESSURED;
    }
    this.backlog.push(bytes, offset, length);
    if (this.isWritable) this.io.schedule(this);
    return OK;
  }

  /** For a step that was refused; see `Refuser`. */
  awaitRoom(needed: number, then: () => void): () => void {
    return awaitPromised((options) => this.whenPending(roomFor(needed, this.highWaterBytes), options), then);
  }

  /**
   * Resolves when no more than half of `highWaterBytes` waits and the largest offer that was refused would be taken, or the stream is
   * closed. Rejects with ERR_PERCORE_ABORTED or ERR_PERCORE_TIMEOUT if `options` says so.
   */
  writable(options?: WaitOptions): Promise<void> {
    return this.whenPending(roomFor(this.refusedBytes, this.highWaterBytes), options);
  }

  /** Resolves when the kernel has taken everything, or the stream is closed. Rejects as `writable` does. */
  flushed(options?: WaitOptions): Promise<void> {
    return this.whenPending(0, options);
  }

  /** Writes what waits, then says that no more will follow; one that only reads is closed. */
  end(): void {
    if (this.isClosed_ || this.isEnding) return;
    this.isEnding = true;
    if (this.way === 'read') return this.close();
    this.io.schedule(this);
  }

  /** Closes at once; what waits is lost. */
  close(): void {
    if (this.isClosed_) return;
    this.isClosed_ = true;
    if (this.isPolled) this.io.releaseNow(this, this.fd);
    else {
      this.io.leave(this);
      this.io.native.descriptors.close(this.fd);
    }
    this.io.tell(this.closeHandler, this.error, `handler onClose of a stream on descriptor ${this.fd}`);
    this.backlog.clear();
    this.waiters.tell(0);
  }

  onReadiness(readiness: number): void {
    if ((readiness & (READABLE | READ_CLOSED | HANG_UP | ERROR)) !== 0) this.isReadable = true;
    if ((readiness & (WRITABLE | HANG_UP | ERROR)) !== 0) this.isWritable = true;
    // A pipe's reader has gone: told at once, not at the next write, which may never come.
    if ((readiness & ERROR) !== 0 && this.way === 'write') this.isBroken = true;
    this.io.schedule(this);
  }

  run(): boolean {
    if (this.isBroken) this.fail(EPIPE, 'write');
    if (this.canWrite()) this.write();
    if (this.canRead()) this.read();
    // Written by the handler just now: in this same step.
    if (this.canWrite()) this.write();
    return this.canRead() || this.canWrite();
  }

  private canRead(): boolean {
    return !this.isClosed_ && this.isReadable && !this.isPaused && this.dataHandler !== undefined && !(this.way === 'both' && this.hasPeerEnded);
  }

  private canWrite(): boolean {
    return !this.isClosed_ && this.isWritable && (this.backlog.bytes !== 0 || (this.isEnding && !this.hasEnded));
  }

  private read(): void {
    readBuffer ??= new Uint8Array(MOST_READ_BYTES);
    const count = this.io.native.descriptors.read(this.fd, readBuffer, 0, this.readBytes, this.descriptorWay);
    if (count > 0) {
      this.bytesRead += count;
      this.dataHandler!(readBuffer.subarray(0, count));
    } else if (count === EAGAIN) {
      this.isReadable = !this.isPolled;
    } else if (count === 0) {
      this.isReadable = false;
      this.peerEnded();
    } else {
      this.fail(-count, 'read');
    }
  }

  private peerEnded(): void {
    this.hasPeerEnded = true;
    try {
      this.endHandler?.();
    } finally {
      if (this.hasEnded) this.close();
      else if (this.endHandler === undefined) this.end();
    }
  }

  private write(): void {
    let budget = WRITE_BYTES;
    while (this.backlog.bytes !== 0 && budget > 0) {
      const count = this.io.native.descriptors.write(this.fd, this.backlog.memory, this.backlog.first, Math.min(this.backlog.bytes, budget), this.descriptorWay);
      if (count === EAGAIN) {
        this.isWritable = !this.isPolled;
        return;
      }
      if (count < 0) return this.fail(-count, 'write');
      this.bytesWritten += count;
      this.backlog.shift(count);
      budget -= count;
    }
    this.waiters.tell(this.backlog.bytes);
    if (this.backlog.bytes === 0 && this.isEnding && !this.hasEnded) this.finishWriting();
  }

  private finishWriting(): void {
    this.hasEnded = true;
    // A socketpair's peer reads the end; a terminal has no half to close, and then only closing tells.
    if (this.way === 'both' && this.io.native.descriptors.end(this.fd) < 0) return this.close();
    if (this.hasPeerEnded) this.close();
  }

  private whenPending(most: number, options: WaitOptions | undefined): Promise<void> {
    checkWaitOptions(options);
    return this.isClosed_ || this.backlog.bytes <= most ? Promise.resolve() : this.waiters.add(most, options);
  }

  private fail(errno: number, syscall: string): void {
    if (this.isClosed_) return;
    const name = this.io.native.system.errorName(errno);
    this.error = new PercoreError('ERR_PERCORE_SYSTEM', `${syscall}: ${name} on descriptor ${this.fd}`, { errno: name, syscall });
    this.close();
  }
}

/** Opens a FIFO. Throws ERR_PERCORE_SYSTEM: ENXIO for a writer while nobody reads (unless keepOpen), EINVAL for a file that is no FIFO. */
export function openFifo(io: Io, path: string, way: 'read' | 'write', options: FifoOptions): PipeStream {
  checkPath('path', path);
  checkOneOf('way', way, ['read', 'write']);
  const checked = checkStreamOptions(options, ['keepOpen']);
  const keepOpen = checkBoolean('keepOpen', options.keepOpen ?? false);
  return own(io, io.system(() => io.native.descriptors.openFifo(path, way === 'write', keepOpen), `open the FIFO ${path}`), way, checked);
}

/**
 * Takes over a descriptor, which the stream closes; when it throws, the descriptor is the caller's still. Throws ERR_PERCORE_SYSTEM: EBADF,
 * EBUSY for one that this thread's I/O has already.
 */
export function openPipe(io: Io, fd: number, way: PipeWay, options: PipeOptions): PipeStream {
  checkInteger('fd', fd, 0, 2 ** 31 - 1);
  checkOneOf('way', way, ['read', 'write', 'both']);
  const checked = checkStreamOptions(options);
  io.system(() => io.native.descriptors.adopt(fd), `take over descriptor ${fd}`);
  try {
    return new PipeStream(io, fd, way, checked);
  } catch (error) {
    io.native.descriptors.disown(fd);
    throw error;
  }
}

/** Standard input as a stream; descriptor 0 itself stays as it is. One reader: beside it, `process.stdin` must not be used. */
export function openStandardInput(io: Io, options: PipeOptions): PipeStream {
  const checked = checkStreamOptions(options);
  return own(io, io.system(() => io.native.descriptors.openStandardInput(), 'open standard input'), 'read', checked);
}

/** A stream over a descriptor that was opened for it. */
function own(io: Io, fd: number, way: PipeWay, options: Required<PipeOptions>): PipeStream {
  try {
    return new PipeStream(io, fd, way, options);
  } catch (error) {
    io.native.descriptors.close(fd);
    throw error;
  }
}

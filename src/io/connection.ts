/**
 * A TCP connection of this thread.
 *
 *      open --peer ends--> half-closed (remote) --end()--> closing --all written--> closed
 *      open --end()------> half-closed (local)  --peer ends---------------------^
 *      any  --close(), reset, error---------------------------------------------^
 *
 * Reading: `onData` gets up to 64 KiB a step, in place. `pause()` stops reading without a system call, since readiness is
 * edge-triggered; the kernel's window then holds the peer back. Writing: `offer` copies into a backlog that is sent in one system
 * call at the next step, so that many small writes cost one; above `highWaterBytes` it answers BACK_PRESSURED and takes nothing.
 */
import { PercoreError } from '../errors.js';
import { words } from '../layout.js';
import { BACK_PRESSURED, CLOSED, OK } from '../queues/index.js';
import type { Ready } from '../ready.js';
import type { Io } from './io.js';
import type { Source } from './token.js';

export interface ConnectionOptions {
  /** Band in which its reading and writing runs, 0 to 7. Default 3. */
  priority?: number;
  /** Bytes that may wait to be sent before `offer` refuses: 1 to 2^30. Default 1 MiB. */
  highWaterBytes?: number;
  /** Bytes read in one step: 1 to 65,536, default 65,536. Smaller lets urgent work in sooner. */
  readBytes?: number;
}

export const DEFAULT_HIGH_WATER_BYTES = 1 << 20;
const { READABLE, WRITABLE, READ_CLOSED, HANG_UP, ERROR } = words.readiness;
const EAGAIN = -11;
const FIRST_BACKLOG_BYTES = 16_384;
const CORKED_BYTES = 65_536;
/** Bytes given to the kernel in one step before others of the band get their turn. */
const SEND_BYTES = 262_144;

export class Connection implements Source, Ready {
  isReady = false;
  token = -1;
  readonly band: number;
  readonly highWaterBytes: number;
  bytesRead = 0;
  bytesWritten = 0;
  /** The error that closed it, if one did. */
  error: PercoreError | undefined;

  private readonly readBytes: number;
  private dataHandler: ((bytes: Uint8Array) => void) | undefined;
  private endHandler: (() => void) | undefined;
  private closeHandler: ((error: PercoreError | undefined) => void) | undefined;
  private drainWaiters: { most: number; resolve: () => void }[] = [];
  /** Bytes of the last write that was refused; 0 after one that was taken. */
  private refusedBytes = 0;
  private isReadable = false;
  private isWritable = false;
  private hasError = false;
  private isPaused = false;
  private isCorked = false;
  private hasPeerEnded = false;
  private isEnding = false;
  private hasEnded = false;
  private isClosed_ = false;
  /** Bytes `first` to `last` of `backlog` wait to be sent. */
  private backlog: Uint8Array = EMPTY_BACKLOG;
  private first = 0;
  private last = 0;

  constructor(private readonly io: Io, private readonly fd: number, options: Required<ConnectionOptions>) {
    this.band = options.priority;
    this.highWaterBytes = options.highWaterBytes;
    this.readBytes = options.readBytes;
  }

  get isClosed(): boolean {
    return this.isClosed_;
  }

  /** Bytes taken by `offer` that the kernel has not taken yet. */
  get pendingBytes(): number {
    return this.last - this.first;
  }

  /** Called with what was read; the bytes are valid during the call only. Without a handler nothing is read. */
  onData(handler: (bytes: Uint8Array) => void): this {
    this.dataHandler = handler;
    if (this.isReadable) this.io.schedule(this);
    return this;
  }

  /** Called when the peer will send no more. Without a handler the connection ends too, after what is pending. */
  onEnd(handler: () => void): this {
    this.endHandler = handler;
    return this;
  }

  /** Called once, after the descriptor is closed; with the error, if one closed it. */
  onClose(handler: (error: PercoreError | undefined) => void): this {
    this.closeHandler = handler;
    return this;
  }

  /** Reads no more until `resume`. No system call. */
  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    if (this.isReadable) this.io.schedule(this);
  }

  /** Copies `length` bytes from `offset` on into the backlog. OK; BACK_PRESSURED: nothing taken, wait for `writable()`; CLOSED after `end` or close. */
  offer(bytes: Uint8Array, offset = 0, length = bytes.length - offset): number {
    if (this.isClosed_ || this.isEnding) return CLOSED;
    const pending = this.last - this.first;
    // One write larger than the mark is taken when nothing waits, or it could never be sent.
    if (pending + length > this.highWaterBytes && pending !== 0) {
      this.refusedBytes = length;
      return BACK_PRESSURED;
    }
    this.refusedBytes = 0;
    this.reserve(length);
    this.backlog.set(length === bytes.length ? bytes : bytes.subarray(offset, offset + length), this.last);
    this.last += length;
    if (this.isWritable && (!this.isCorked || this.last - this.first >= CORKED_BYTES)) this.io.schedule(this);
    return OK;
  }

  /** Holds back what is written until 64 KiB wait or `uncork` is called: for many small writes of which none is urgent. */
  cork(): void {
    this.isCorked = true;
  }

  /** Sends what was held back, at the next step. */
  uncork(): void {
    if (!this.isCorked) return;
    this.isCorked = false;
    if (this.isWritable && this.last !== this.first) this.io.schedule(this);
  }

  /** What `offer` took and the kernel did not: in `onClose`, what is lost. Valid until the next call here. */
  get unsent(): Uint8Array {
    return this.backlog.subarray(this.first, this.last);
  }

  /** Resolves when the kernel has taken everything written, or the connection is closed. */
  flushed(): Promise<void> {
    return new Promise((resolve) => this.whenPending(0, resolve));
  }

  /** Resolves when no more than half of `highWaterBytes` waits and what was refused last fits, or the connection is closed. */
  writable(): Promise<void> {
    const most = Math.min(this.highWaterBytes / 2, Math.max(0, this.highWaterBytes - this.refusedBytes));
    return new Promise((resolve) => this.whenPending(most, resolve));
  }

  /** Sends what is pending, then says that no more will follow. Closed when the peer has ended too. */
  end(): void {
    if (this.isClosed_ || this.isEnding) return;
    this.isEnding = true;
    this.io.schedule(this);
  }

  /** Closes at once; what is pending is lost. */
  close(): void {
    if (this.isClosed_) return;
    this.isClosed_ = true;
    this.io.release(this.token, this.fd);
    try {
      this.closeHandler?.(this.error);
    } finally {
      // Also when the handler throws: whoever waits for room must learn that there is nothing to wait for.
      this.backlog = EMPTY_BACKLOG;
      this.first = this.last = 0;
      this.tellDrained();
    }
  }

  onReadiness(readiness: number): void {
    if ((readiness & (READABLE | READ_CLOSED | HANG_UP | ERROR)) !== 0) this.isReadable = true;
    if ((readiness & (WRITABLE | HANG_UP | ERROR)) !== 0) this.isWritable = true;
    if ((readiness & ERROR) !== 0) this.hasError = true;
    this.io.schedule(this);
  }

  run(): boolean {
    if (this.isClosed_) return false;
    if (this.isWritable) this.send();
    if (this.canReceive()) this.receive();
    // A reset or a refused connect, and nobody reads: the error is asked for, since no system call would tell.
    else if (!this.isClosed_ && this.hasError && this.dataHandler === undefined) this.failBySocketError();
    // Written or ended by the handler just now: sent in this same step, so that an answer does not wait for a turn.
    if (this.canSend()) this.send();
    return this.canReceive() || this.canSend();
  }

  private canReceive(): boolean {
    return !this.isClosed_ && this.isReadable && !this.isPaused && this.dataHandler !== undefined;
  }

  /** True when there are bytes to send or an end to tell, and the kernel took the last ones. */
  private canSend(): boolean {
    return !this.isClosed_ && this.isWritable && (this.last !== this.first || (this.isEnding && !this.hasEnded));
  }

  private receive(): void {
    const { receiveBuffer, native } = this.io;
    const count = native.socketReceive(this.fd, receiveBuffer, 0, this.readBytes);
    if (count > 0) {
      this.bytesRead += count;
      this.dataHandler!(receiveBuffer.subarray(0, count));
      return;
    }
    // Only would-block says that the kernel has no more: the end or a reset may stand behind a short read.
    if (count === EAGAIN) {
      this.isReadable = false;
    } else if (count === 0) {
      this.isReadable = false;
      this.peerEnded();
    } else {
      this.fail(-count, 'recv');
    }
  }

  private peerEnded(): void {
    if (this.hasPeerEnded) return;
    this.hasPeerEnded = true;
    if (this.endHandler === undefined) this.end();
    else this.endHandler();
    if (this.hasEnded) this.close();
  }

  private send(): void {
    let budget = SEND_BYTES;
    while (this.last !== this.first && budget > 0) {
      const count = this.io.native.socketSend(this.fd, this.backlog, this.first, Math.min(this.last - this.first, budget));
      if (count === EAGAIN) {
        this.isWritable = false;
        return;
      }
      if (count < 0) return this.fail(-count, 'send');
      this.bytesWritten += count;
      this.first += count;
      budget -= count;
    }
    if (this.last === this.first) {
      this.first = this.last = 0;
      // A backlog that had grown is given back.
      if (this.backlog.length > 16 * FIRST_BACKLOG_BYTES) this.backlog = EMPTY_BACKLOG;
      if (this.isEnding && !this.hasEnded) {
        this.hasEnded = true;
        this.io.native.socketEnd(this.fd);
        if (this.hasPeerEnded) return this.close();
      }
    }
    if (this.drainWaiters.length !== 0) this.tellDrained();
  }

  private whenPending(most: number, resolve: () => void): void {
    if (this.isClosed_ || this.pendingBytes <= most) resolve();
    else this.drainWaiters.push({ most, resolve });
  }

  private tellDrained(): void {
    const pending = this.pendingBytes;
    const waiters = this.drainWaiters;
    this.drainWaiters = waiters.filter(({ most }) => pending > most);
    for (const { most, resolve } of waiters) if (pending <= most) resolve();
  }

  private failBySocketError(): void {
    this.hasError = false;
    const errno = this.io.native.socketError(this.fd);
    if (errno !== 0) this.fail(errno, 'getsockopt');
  }

  private fail(errno: number, syscall: string): void {
    const name = this.io.native.errorName(errno);
    this.error = new PercoreError('ERR_PERCORE_SYSTEM', `${syscall}: ${name} on a connection`, { errno: name, syscall });
    this.close();
  }

  /** Makes room for `length` more bytes at the end of the backlog. */
  private reserve(length: number): void {
    if (this.last + length <= this.backlog.length) return;
    const pending = this.last - this.first;
    if (pending + length <= this.backlog.length && this.first >= this.backlog.length / 2) {
      this.backlog.copyWithin(0, this.first, this.last);
    } else {
      let size = Math.max(this.backlog.length, FIRST_BACKLOG_BYTES);
      while (size < pending + length) size *= 2;
      const grown = new Uint8Array(size);
      grown.set(this.backlog.subarray(this.first, this.last));
      this.backlog = grown;
    }
    this.first = 0;
    this.last = pending;
  }
}

const EMPTY_BACKLOG = new Uint8Array(0);

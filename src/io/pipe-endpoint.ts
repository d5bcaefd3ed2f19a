/**
 * What is behind a `PipeStream`: a descriptor that is not a TCP connection, read and written in steps. pipe.ts draws
 * its states. What is offered is copied into a backlog, which is written in the next step.
 *
 * A descriptor that cannot be polled (a regular file, /dev/null) is always ready; its reads then wait for the disk.
 * Others may use the same open file: a shell its terminal, a child process the pipe that its parent has made. So
 * O_NONBLOCK is not set on a shared open file where there is another way: see native/descriptor_io.cc.
 */
import { EAGAIN, EPIPE } from '../errno.js';
import { PercoreError } from '../errors.js';
import { words } from '../layout.js';
import { BACK_PRESSURED, CLOSED, OK } from '../queues/index.js';
import { AWAIT_ROOM, awaitPromised, noteRefusal, type Refuser } from '../refusals.js';
import type { Ready } from '../scheduling/internal.js';
import type { WaitOptions } from '../waiting.js';
import { Backlog } from './backlog.js';
import type { Claimable } from './claims.js';
import type { IoCore } from './core.js';
import type { Endpoint } from './endpoint.js';
import { followResult, tell } from './report.js';
import { MOST_READ_BYTES, type StreamOptions } from './stream-options.js';
import { createPendingWaiters, NOT_FLUSHED, roomFor, whenAtMost } from './waiters.js';

/** The direction in which a stream goes. */
export type PipeWay = 'read' | 'write' | 'both';
/** Called with `length` bytes of `bytes` from `offset` on, which are valid during the call. */
export type PipeHandler = (bytes: Uint8Array, offset: number, length: number) => void;

const { READABLE, WRITABLE, READ_CLOSED, HANG_UP, ERROR } = words.readiness;
/** Where a handler finds what was read. All streams of the thread share it. */
let readBuffer: Uint8Array | undefined;
/** Most bytes that are given to the kernel in one step, before others of the band have their turn. */
const WRITE_BYTES = 262_144;

export class PipeEndpoint implements Endpoint, Ready, Refuser, Claimable {
  isReady = false;
  token = -1;
  readonly band: number;
  readonly highWaterBytes: number;
  bytesRead = 0;
  bytesWritten = 0;
  /** The error that closed it, if one did. */
  error: PercoreError | undefined;
  handlersSet = 0;
  handlersClaimed = 0;
  claimedBy = '';
  endHandler: (() => void) | undefined;
  closeHandler: ((error: PercoreError | undefined) => void) | undefined;
  isClosed = false;

  private readonly readBytes: number;
  /** How it is read and written without blocking: one of words.descriptorWay. */
  private readonly descriptorWay: number;
  private readonly backlog = new Backlog();
  /** The largest offer that was refused since nothing was pending. */
  private refusedBytes = 0;
  private handler: PipeHandler | undefined;
  /** The handler was set by `onData` and not by `onReceive`. */
  private isViewGiven = false;
  private readonly waiters = createPendingWaiters();
  /** False for a descriptor that cannot be polled, which is always ready. */
  private isPolled = true;
  private isReadable = false;
  private isWritable = false;
  private isBroken = false;
  private isPaused = false;
  private isEnding = false;
  private hasEnded = false;
  private hasPeerEnded = false;

  constructor(
    private readonly core: IoCore, readonly fd: number, readonly way: PipeWay, options: Required<StreamOptions>,
  ) {
    this.band = options.priority;
    this.highWaterBytes = options.highWaterBytes;
    this.readBytes = options.readBytes;
    this.descriptorWay = core.native.descriptors.way(fd);
    const { interest } = words;
    const bits = (way === 'write' ? 0 : interest.READABLE) | (way === 'read' ? 0 : interest.WRITABLE);
    try {
      core.register(this, fd, bits);
    } catch (error) {
      if ((error as PercoreError).errno !== 'EPERM') throw error;
      this.isPolled = false;
      this.isReadable = this.isWritable = true;
      // Although nothing watches it, it is open: a thread without a reactor must live until it is closed.
      core.enter(this);
    }
    // A stream that goes one way has nothing to wait for on the other, which counts as ended from the beginning.
    this.hasPeerEnded = way === 'write';
    this.hasEnded = way === 'read';
  }

  /** See `Ready`. */
  get where(): string {
    const hasEnd = this.hasPeerEnded && this.way !== 'write';
    const handler = hasEnd ? 'onEnd' : this.isViewGiven ? 'onData' : 'onReceive';
    return `handler ${handler} of a stream on descriptor ${this.fd}`;
  }

  /** How many bytes `offer` has taken that the kernel has not taken yet. */
  get pendingBytes(): number {
    return this.backlog.bytes;
  }

  follow(result: unknown): void {
    // Asked for now: by the time of a rejection another handler may be the last one that was called.
    const { where } = this;
    followResult(this.core.schedule, this.band, result, () => where);
  }

  setHandler(handler: PipeHandler, isViewGiven: boolean): void {
    this.handler = handler;
    this.isViewGiven = isViewGiven;
    if (this.isReadable) this.core.schedule(this);
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
    if (this.isReadable) this.core.schedule(this);
  }

  /** See `PipeStream.offer`, which has checked the arguments. */
  offer(bytes: Uint8Array, offset: number, length: number): number {
    if (this.isClosed || this.isEnding || this.hasEnded) return CLOSED;
    // An offer larger than the mark is taken when nothing waits, since it could never be written otherwise.
    if (this.backlog.bytes === 0) {
      this.refusedBytes = 0;
    } else if (this.backlog.bytes + length > this.highWaterBytes) {
      if (length > this.refusedBytes) this.refusedBytes = length;
      this.core.memory.countRefused();
      noteRefusal(this, length);
      return BACK_PRESSURED;
    }
    this.backlog.push(bytes, offset, length);
    if (this.isWritable) this.core.schedule(this);
    return OK;
  }

  /** For a step that was refused; see `Refuser`. */
  [AWAIT_ROOM](needed: number, then: () => void): () => void {
    return awaitPromised((options) => this.whenPending(roomFor(needed, this.highWaterBytes), options), then);
  }

  room(options?: WaitOptions): Promise<void> {
    return this.whenPending(roomFor(this.refusedBytes, this.highWaterBytes), options);
  }

  flushed(options?: WaitOptions): Promise<void> {
    return this.whenPending(0, options, NOT_FLUSHED);
  }

  private whenPending(most: number, options: WaitOptions | undefined, missed?: string): Promise<void> {
    return whenAtMost(most, () => (this.isClosed ? 0 : this.backlog.bytes), () => this.waiters, options, missed);
  }

  pushPending(): boolean {
    return this.backlog.bytes !== 0;
  }

  end(): void {
    if (this.isClosed || this.isEnding) return;
    this.isEnding = true;
    if (this.way === 'read') return this.close();
    this.core.schedule(this);
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    if (this.isPolled) this.core.releaseNow(this, this.fd);
    else {
      this.core.leave(this);
      this.core.native.descriptors.close(this.fd);
    }
    tell(this.core, this.closeHandler, this.error, `handler onClose of a stream on descriptor ${this.fd}`);
    this.core.losses.note(this.backlog.bytes, this.error);
    this.backlog.clear();
    this.waiters.settle(0);
  }

  onReadiness(readiness: number): void {
    if ((readiness & (READABLE | READ_CLOSED | HANG_UP | ERROR)) !== 0) this.isReadable = true;
    if ((readiness & (WRITABLE | HANG_UP | ERROR)) !== 0) this.isWritable = true;
    // The reader of a pipe has gone. This is reported at once and not at the next write, which may never come.
    if ((readiness & ERROR) !== 0 && this.way === 'write') this.isBroken = true;
    this.core.schedule(this);
  }

  run(): boolean {
    if (this.isBroken) this.fail(EPIPE, 'write');
    if (this.canWrite()) this.write();
    if (this.canRead()) this.read();
    // The handler may have offered something: it is written in this same step.
    if (this.canWrite()) this.write();
    return this.canRead() || this.canWrite();
  }

  private canRead(): boolean {
    if (this.isClosed || !this.isReadable || this.isPaused || this.handler === undefined) return false;
    return this.way !== 'both' || !this.hasPeerEnded;
  }

  private canWrite(): boolean {
    return !this.isClosed && this.isWritable && (this.backlog.bytes !== 0 || (this.isEnding && !this.hasEnded));
  }

  private read(): void {
    readBuffer ??= new Uint8Array(MOST_READ_BYTES);
    const count = this.core.native.descriptors.read(this.fd, readBuffer, 0, this.readBytes, this.descriptorWay);
    if (count > 0) {
      this.bytesRead += count;
      const result: unknown = this.handler!(readBuffer, 0, count);
      if (result !== undefined) this.follow(result);
    } else if (count === -EAGAIN) {
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
      const result: unknown = this.endHandler?.();
      if (result !== undefined) this.follow(result);
    } finally {
      if (this.hasEnded) this.close();
      else if (this.endHandler === undefined) this.end();
    }
  }

  private write(): void {
    let budget = WRITE_BYTES;
    const { backlog, descriptorWay } = this;
    const { descriptors } = this.core.native;
    while (backlog.bytes !== 0 && budget > 0) {
      const most = Math.min(backlog.bytes, budget);
      const count = descriptors.write(this.fd, backlog.memory, backlog.first, most, descriptorWay);
      if (count === -EAGAIN) {
        this.isWritable = !this.isPolled;
        return;
      }
      if (count < 0) return this.fail(-count, 'write');
      this.bytesWritten += count;
      this.backlog.shift(count);
      budget -= count;
    }
    this.waiters.settle(this.backlog.bytes);
    if (this.backlog.bytes === 0 && this.isEnding && !this.hasEnded) this.finishWriting();
  }

  private finishWriting(): void {
    this.hasEnded = true;
    // The peer of a socketpair reads the end. A terminal has no half to close, so only closing can tell.
    if (this.way === 'both' && this.core.native.descriptors.end(this.fd) < 0) return this.close();
    if (this.hasPeerEnded) this.close();
  }

  private fail(errno: number, syscall: string): void {
    if (this.isClosed) return;
    const name = this.core.native.system.errorName(errno);
    const details = { errno: name, syscall };
    this.error = new PercoreError('ERR_PERCORE_SYSTEM', `${syscall}: ${name} on descriptor ${this.fd}`, details);
    this.close();
  }
}

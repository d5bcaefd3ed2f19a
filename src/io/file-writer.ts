/**
 * A file that is written in order through a few chunks of memory, several under way at a time.
 *
 *      offer ──copy──> [filling]   [under way]  [under way]  [written]
 *                         └ sealed when full, when nothing is under way, or when somebody waits for it
 *
 * So a stream of large offers goes out in whole chunks, and a lonely small one at the next step. `offer` refuses when no memory is
 * free; nothing is ever taken and then dropped without an error: what closes the file is told by `flushed`, `sync`, `closed` and
 * `onClose`, and `bytesWritten` counts the bytes from the beginning that the kernel has without a gap.
 *
 * O_DIRECT writes whole blocks alone. What does not end on a border, which is the tail at the end or before a `flushed`, is written
 * through the page cache, and so is all that follows it; `status` says so.
 */
import { fdatasync } from 'node:fs';
import type { Writable } from 'node:stream';
import { PercoreError } from '../errors.js';
import { BACK_PRESSURED, CLOSED, OK, TOO_LARGE, type WaitOptions } from '../queues/index.js';
import { awaitPromised, noteRefusal, type Refuser } from '../refusals.js';
import { DIRECT_BORDER, OpenFile } from './file.js';
import { writableOf } from './file-node-streams.js';
import { MAX_DEPTH } from './file-transfers.js';
import { checkSpan, restOf } from './stream-options.js';
import { checkWaitOptions, Waiters } from './waiters.js';

const EINTR = -4;
const EIO = 5;
const EAGAIN = -11;
const EBUSY = -16;
const EINVAL = -22;

export class FileWriter extends OpenFile implements Refuser {
  /** Bytes that the kernel has, from the beginning on without a gap. */
  bytesWritten = 0;
  /** Chunks by number; chunk n lies in slot n % depth. Released, under way, sealed, then the one that is filled. */
  private nextRelease = 0;
  private nextIssue = 0;
  private nextFill = 0;
  /** Of each slot: bytes put in, bytes the kernel took, where they belong. */
  private readonly lengths: number[] = new Array<number>(MAX_DEPTH).fill(0);
  private readonly written: number[] = new Array<number>(MAX_DEPTH).fill(0);
  private readonly positions: number[] = new Array<number>(MAX_DEPTH).fill(0);
  /** Slots to be transferred again: cut short, or interrupted. */
  private again: number[] = [];
  private sealedBytes = 0;
  /** By `offer`. */
  private bytesTaken = 0;
  private refusedBytes = 0;
  /** Something came back: look again. What comes back within `submit` finds this file marked as ready still. */
  private mustLook = false;
  private isEnding = false;
  private flushing: { upTo: number; resolve: () => void; reject: (error: unknown) => void }[] = [];
  /** Who waits until so much of the memory at most is used. */
  private readonly room = new Waiters();
  private readonly mostUsed: number = this.depth * this.chunkBytes;
  /** Somebody who waited has got the error that has closed it. */
  private hasToldOfLoss = false;
  private early: Uint8Array[] = [];
  private readonly mostOffer: number = (this.status.asked.direct ? this.depth - 1 : this.depth) * this.chunkBytes;

  /** Bytes taken by `offer` that the kernel has not taken yet. */
  get pendingBytes(): number {
    return this.bytesTaken - this.bytesWritten;
  }

  /** `offer` takes no more than this at once: `depth * chunkBytes`, a chunk less if O_DIRECT was asked for, whose tail may have to wait. */
  get maxOfferBytes(): number {
    return this.mostOffer;
  }

  /**
   * Copies `length` bytes from `offset` on. OK; BACK_PRESSURED: nothing taken, wait for `writable()`; TOO_LARGE: more than
   * `maxOfferBytes`; CLOSED after `end`, `close` or an error.
   */
  offer(bytes: Uint8Array, offset = 0, length = restOf(bytes, offset)): number {
    checkSpan(bytes, offset, length);
    if (this.isClosed_ || this.isEnding) return CLOSED;
    if (length > this.mostOffer) return TOO_LARGE;
    if (length > this.freeBytes()) {
      this.refusedBytes = length;
      noteRefusal(this, length);
      return BACK_PRESSURED;
    }
    this.refusedBytes = 0;
    this.bytesTaken += length;
    if (this.buffer.length === 0) this.early.push(bytes.slice(offset, offset + length));
    else this.put(bytes, offset, length);
    this.io.schedule(this);
    return OK;
  }

  /** For a step that was refused; see `Refuser`. */
  awaitRoom(_needed: number, then: () => void): () => void {
    return awaitPromised((options) => this.writable(options), then);
  }

  /**
   * Resolves when what was refused last fits and half of the memory is free, or the file is closed. Rejects with ERR_PERCORE_ABORTED or
   * ERR_PERCORE_TIMEOUT if `options` says so.
   */
  writable(options?: WaitOptions): Promise<void> {
    checkWaitOptions(options);
    const bytes = Math.max(this.refusedBytes, this.mostOffer / 2);
    return this.isClosed_ || this.freeBytes() >= bytes ? Promise.resolve() : this.room.add(this.mostUsed - bytes, options);
  }

  /** Resolves when the kernel has everything taken so far; rejects with the error that closed the file. Not yet on the disk: see `sync`. */
  flushed(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.bytesWritten === this.bytesTaken && this.error === undefined) return resolve();
      if (this.isClosed_) {
        this.hasToldOfLoss = true;
        return reject(this.error ?? this.closedEarly());
      }
      this.flushing.push({ upTo: this.bytesTaken, resolve, reject });
      this.io.schedule(this);
    });
  }

  /** The same, and on the disk: fdatasync. An error closes the file, since what it concerns cannot be told. */
  async sync(): Promise<void> {
    await this.flushed();
    if (this.fd < 0 || this.isClosed_) return;
    this.inFlight++;
    const errno = await new Promise<number>((resolve) => fdatasync(this.fd, (error) => resolve(error === null ? 0 : -(error.errno ?? -EIO))));
    // A device has nothing to sync.
    if (errno !== 0 && errno !== -EINVAL && !this.isClosed_) this.fail(errno, 'fdatasync');
    this.settle();
    if (this.error !== undefined) throw this.error;
  }

  /** Writes what is pending, then closes; see `closed()`. */
  end(): void {
    if (this.isClosed_ || this.isEnding) return;
    this.isEnding = true;
    this.io.schedule(this);
  }

  /** A Writable of Node's own over this writer. */
  toNodeStream(): Writable {
    return writableOf(this);
  }

  run(): boolean {
    if (this.buffer.length === 0 || this.isClosed_) return false;
    this.mustLook = false;
    for (const slot of this.again.splice(0)) this.write(slot);
    this.seal();
    // What appends has no positions: the next may begin only when the last is done.
    for (; this.nextIssue < this.nextFill && (this.hasPositions || this.inFlight === 0); this.nextIssue++) {
      const slot = this.nextIssue % this.depth;
      if (this.isDirect && this.lengths[slot]! % DIRECT_BORDER !== 0) {
        // The switch concerns the descriptor, so those under way come back first.
        if (this.inFlight !== 0) break;
        this.noDirect('O_DIRECT: a tail off the border');
      }
      this.write(slot);
    }
    this.submit();
    if (this.isEnding && this.pendingBytes === 0) this.close();
    return this.mustLook && !this.isClosed_;
  }

  protected whenOpen(): void {
    for (const bytes of this.early.splice(0)) this.put(bytes, 0, bytes.length);
  }

  protected whenClosed(): void {
    this.early = [];
    this.tellWaiters();
  }

  protected whenComplete(slot: number, result: number): void {
    this.mustLook = true;
    this.io.schedule(this);
    if (result === EINTR || result === EAGAIN || result === EBUSY) return void this.again.push(slot);
    if (result === EINVAL && this.wasDirect[slot]) {
      this.noDirect('O_DIRECT: EINVAL');
      return void this.again.push(slot);
    }
    if (result < 0) return this.fail(-result, 'write');
    // No file system answers so; asking again could go on for ever.
    if (result === 0) return this.fail(EIO, 'write');
    this.written[slot]! += result;
    if (this.written[slot]! < this.lengths[slot]!) {
      if (this.isDirect && result % DIRECT_BORDER !== 0) this.noDirect('O_DIRECT: a write cut short off the border');
      this.again.push(slot);
      return;
    }
    for (; this.nextRelease < this.nextIssue; this.nextRelease++) {
      const oldest = this.nextRelease % this.depth;
      if (this.written[oldest]! < this.lengths[oldest]!) break;
      this.bytesWritten += this.lengths[oldest]!;
      this.lengths[oldest] = this.written[oldest] = 0;
    }
    this.tellWaiters();
  }

  protected override lostBytes(): number {
    return this.hasToldOfLoss ? 0 : this.pendingBytes;
  }

  private freeBytes(): number {
    if (this.buffer.length === 0) return this.depth * this.chunkBytes - this.bytesTaken;
    const used = this.nextFill - this.nextRelease;
    return used === this.depth ? 0 : (this.depth - used) * this.chunkBytes - this.lengths[this.nextFill % this.depth]!;
  }

  private put(bytes: Uint8Array, offset: number, length: number): void {
    let left = length;
    while (left > 0) {
      const slot = this.nextFill % this.depth;
      const at = this.lengths[slot]!;
      const part = Math.min(left, this.chunkBytes - at);
      const from = offset + length - left;
      this.buffer.set(from === 0 && part === bytes.length ? bytes : bytes.subarray(from, from + part), this.firstByte + slot * this.chunkBytes + at);
      this.lengths[slot] = at + part;
      left -= part;
      if (at + part === this.chunkBytes) this.sealFilling();
    }
  }

  /** Seals the chunk that is being filled, if it must not wait for more. */
  private seal(): void {
    if (this.nextFill - this.nextRelease === this.depth) return;
    const length = this.lengths[this.nextFill % this.depth]!;
    if (length === 0) return;
    const isWanted = this.isEnding || this.flushing.length !== 0;
    // Direct: whole blocks alone as long as nobody insists.
    if (isWanted || (this.inFlight === 0 && this.nextIssue === this.nextFill && (!this.isDirect || length % DIRECT_BORDER === 0))) this.sealFilling();
  }

  private sealFilling(): void {
    const slot = this.nextFill % this.depth;
    this.positions[slot] = this.sealedBytes;
    this.sealedBytes += this.lengths[slot]!;
    this.nextFill++;
  }

  private write(slot: number): void {
    const from = this.written[slot]!;
    this.transfer(slot, true, from, this.lengths[slot]! - from, this.positions[slot]! + from);
  }

  private closedEarly(): PercoreError {
    return new PercoreError('ERR_PERCORE_CLOSED', `file ${this.path} was closed with ${this.pendingBytes} bytes pending`, { value: this.pendingBytes });
  }

  private settle(): void {
    this.inFlight--;
    if (this.isClosed_) this.giveBack();
    else this.io.schedule(this);
  }

  private tellWaiters(): void {
    const waiters = this.flushing;
    this.flushing = waiters.filter(({ upTo }) => !this.isClosed_ && this.bytesWritten < upTo);
    for (const { upTo, resolve, reject } of waiters) {
      if (this.bytesWritten >= upTo && this.error === undefined) resolve();
      else if (this.isClosed_) {
        this.hasToldOfLoss = true;
        reject(this.error ?? this.closedEarly());
      }
    }
    this.room.tell(this.isClosed_ ? 0 : this.mostUsed - this.freeBytes());
  }
}

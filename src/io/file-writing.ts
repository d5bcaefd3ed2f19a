/**
 * What is behind a `FileWriter`: a file that is written in order through a few chunks of memory, several of which are
 * under way at a time.
 *
 *      offer ──copy──> [filling]   [under way]  [under way]  [written]
 *                         └ sealed when full, when nothing is under way, or when somebody waits for it
 *
 * So a stream of large offers goes out in whole chunks, and a lonely small offer goes out in the next step. `offer`
 * refuses when no memory is free. Nothing is ever taken and then dropped without an error: `flushed`, `sync`, `closed`
 * and `onClose` tell what has closed the file, and `bytesWritten` counts the bytes from the first one on that the
 * kernel has without a gap.
 *
 * O_DIRECT writes only whole blocks. What does not end on a border, which is the tail at the end or before a `flushed`,
 * is written through the page cache, and so is everything that follows it; `status()` says so.
 */
import { fdatasync } from 'node:fs';
import { copyOf, lengthOf, partOf } from '../byte-views.js';
import { EAGAIN, EBUSY, EINTR, EINVAL, EIO } from '../errno.js';
import { PercoreError } from '../errors.js';
import { BACK_PRESSURED, CLOSED, OK, TOO_LARGE } from '../queues/index.js';
import { AWAIT_ROOM, awaitPromised, noteRefusal, type Refuser } from '../refusals.js';
import { isPassDue, nextPass } from '../loop-pass.js';
import { checkWaitOptions, limitWait, throwIfAborted, Waiters, type WaitOptions } from '../waiting.js';
import { DIRECT_BORDER, FileEndpoint } from './file-endpoint.js';
import { MAX_DEPTH } from './file-transfers.js';
import { createPendingWaiters, NOT_FLUSHED, whenAtMost } from './waiters.js';


export class WritingFile extends FileEndpoint implements Refuser {
  /** How many bytes the kernel has, from the first one on without a gap. */
  bytesWritten = 0;
  /** Numbers of chunks; chunk n lies in slot n % depth. In order: released, under way, sealed, the one being filled. */
  private nextRelease = 0;
  private nextIssue = 0;
  private nextFill = 0;
  /** For each slot: how many bytes were put in, how many the kernel took, and where they belong. */
  private readonly lengths: number[] = new Array<number>(MAX_DEPTH).fill(0);
  private readonly written: number[] = new Array<number>(MAX_DEPTH).fill(0);
  private readonly positions: number[] = new Array<number>(MAX_DEPTH).fill(0);
  /** Slots that must be transferred again, because they were cut short or interrupted. */
  private again: number[] = [];
  private sealedBytes = 0;
  /** Bytes that `offer` has taken. */
  private bytesTaken = 0;
  private refusedBytes = 0;
  /** Something has come back, so look again. If it comes back within `submit`, this file still counts as ready. */
  private mustLook = false;
  private isEnding = false;
  /** Those who wait until a number of bytes is written. */
  private readonly flushing = new Waiters<number>(NOT_FLUSHED);
  /** Those who wait until at most a given amount of the memory is used. */
  private readonly waiters = createPendingWaiters();
  /** The thread winds down, so no chunk waits for more bytes. */
  private isPushed = false;
  private readonly mostUsed: number = this.depth * this.chunkBytes;
  /** Somebody who waited was given the error that has closed the file. */
  private hasToldOfLoss = false;
  private early: Uint8Array[] = [];
  readonly mostOffer: number = (this.status().asked.direct ? this.depth - 1 : this.depth) * this.chunkBytes;

  /** Bytes taken by `offer` that the kernel has not taken yet. */
  get pendingBytes(): number {
    return this.bytesTaken - this.bytesWritten;
  }

  /** See `FileWriter.offer`, which has checked the arguments. */
  offer(bytes: Uint8Array, offset: number, length: number): number {
    if (this.isClosed || this.isEnding) return CLOSED;
    if (length > this.mostOffer) return TOO_LARGE;
    // Bytes that were transferred to another thread have no memory: not even zero of them can be copied.
    if (length === 0) return OK;
    if (length > this.freeBytes()) {
      this.refusedBytes = length;
      noteRefusal(this, length);
      return BACK_PRESSURED;
    }
    this.refusedBytes = 0;
    this.bytesTaken += length;
    if (this.buffer.length === 0) this.early.push(copyOf(bytes, offset, offset + length));
    else this.put(bytes, offset, length);
    this.core.schedule(this);
    return OK;
  }

  /** For a step that was refused; see `Refuser`. */
  [AWAIT_ROOM](_needed: number, then: () => void): () => void {
    return awaitPromised((options) => this.room(options), then);
  }

  room(options?: WaitOptions): Promise<void> {
    const bytes = Math.max(this.refusedBytes, this.mostOffer / 2);
    return whenAtMost(this.mostUsed - bytes, () => this.usedBytes, () => this.waiters, options);
  }

  async flushed(given?: WaitOptions): Promise<void> {
    const options = checkWaitOptions(given);
    const upTo = this.bytesTaken;
    for (;;) {
      throwIfAborted(options.signal);
      if (this.bytesWritten < upTo || this.error !== undefined) break;
      if (!isPassDue()) return;
      await nextPass();
    }
    if (this.isClosed) {
      this.hasToldOfLoss = true;
      throw this.error ?? this.closedEarly();
    }
    const written = this.flushing.wait(options, (bytes) => bytes >= upTo);
    this.core.schedule(this);
    await written;
  }

  pushPending(): boolean {
    if (this.pendingBytes === 0) return false;
    if (!this.isPushed) this.core.schedule(this);
    this.isPushed = true;
    return true;
  }

  /** See `FileWriter.sync`. If a caller gives up waiting, the work goes on. */
  sync(given?: WaitOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = limitWait(checkWaitOptions(given), 'not everything was on the disk', reject);
      void this.syncAll().then(resolve, reject).finally(stop);
    });
  }

  private async syncAll(): Promise<void> {
    await this.flushed();
    if (this.fd < 0 || this.isClosed) return;
    this.inFlight++;
    const errno = await new Promise<number>((resolve) => {
      fdatasync(this.fd, (error) => resolve(error === null ? 0 : -(error.errno ?? -EIO)));
    });
    // EINVAL: a device, which has nothing to sync.
    if (errno !== 0 && errno !== -EINVAL && !this.isClosed) this.fail(errno, 'fdatasync');
    this.settle();
    if (this.error !== undefined) throw this.error;
  }

  end(): void {
    if (this.isClosed || this.isEnding) return;
    this.isEnding = true;
    this.core.schedule(this);
  }

  run(): boolean {
    if (this.buffer.length === 0 || this.isClosed) return false;
    this.mustLook = false;
    for (const slot of this.again.splice(0)) this.write(slot);
    this.seal();
    // A file that is appended to has no positions, so the next transfer may begin only when the last one is done.
    for (; this.nextIssue < this.nextFill && (this.hasPositions || this.inFlight === 0); this.nextIssue++) {
      const slot = this.nextIssue % this.depth;
      if (this.isDirect && this.lengths[slot]! % DIRECT_BORDER !== 0) {
        // The switch concerns the whole descriptor, so everything under way must come back first.
        if (this.inFlight !== 0) break;
        this.noDirect('O_DIRECT: a tail off the border');
      }
      this.write(slot);
    }
    this.submit();
    if (this.isEnding && this.pendingBytes === 0) this.close();
    return this.mustLook && !this.isClosed;
  }

  protected whenOpen(): void {
    for (const bytes of this.early.splice(0)) this.put(bytes, 0, bytes.length);
  }

  protected whenClosed(): void {
    this.early = [];
    // The chunk that was cut short is the end of what the kernel has without a gap.
    if (this.nextRelease < this.nextIssue) this.noteWritten(this.nextRelease % this.depth);
    this.core.losses.note(this.missingBytes(), this.error);
    this.tellWaiters();
  }

  protected whenComplete(slot: number, result: number): void {
    this.mustLook = true;
    this.core.schedule(this);
    if (result === -EINTR || result === -EAGAIN || result === -EBUSY) return void this.again.push(slot);
    if (result === -EINVAL && this.wasDirect[slot]) {
      this.noDirect('O_DIRECT: EINVAL');
      return void this.again.push(slot);
    }
    if (result < 0) return this.fail(-result, 'write');
    // No file system answers 0, and asking again could go on for ever.
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
      this.noteWritten(oldest);
      this.lengths[oldest] = 0;
    }
    this.tellWaiters();
  }

  /** The chunk was under way when the file was closed, and the kernel has taken it all the same. */
  protected override whenLate(slot: number, result: number): void {
    if (result > 0) this.written[slot]! += result;
  }

  protected override lostBytes(): number {
    return this.hasToldOfLoss ? 0 : this.missingBytes();
  }

  /**
   * What was taken and the kernel does not have. It is less than what is pending if the kernel has bytes behind a gap.
   */
  private missingBytes(): number {
    return this.written.reduce((missing, bytes) => missing - bytes, this.pendingBytes);
  }

  /** What the kernel has of the oldest chunk counts as written. */
  private noteWritten(slot: number): void {
    this.bytesWritten += this.written[slot]!;
    this.written[slot] = 0;
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
      const piece = from === 0 && part === lengthOf(bytes) ? bytes : partOf(bytes, from, from + part);
      this.buffer.set(piece, this.firstByte + slot * this.chunkBytes + at);
      this.lengths[slot] = at + part;
      left -= part;
      if (at + part === this.chunkBytes) this.sealFilling();
    }
  }

  /** Seals the chunk that is being filled, unless it should wait for more. */
  private seal(): void {
    if (this.nextFill - this.nextRelease === this.depth) return;
    const length = this.lengths[this.nextFill % this.depth]!;
    if (length === 0) return;
    const isWanted = this.isEnding || this.isPushed || this.flushing.count !== 0;
    // With O_DIRECT only whole blocks are written as long as nobody insists.
    const isIdle = this.inFlight === 0 && this.nextIssue === this.nextFill;
    if (isWanted || (isIdle && (!this.isDirect || length % DIRECT_BORDER === 0))) this.sealFilling();
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
    const text = `file ${this.path} was closed with ${this.pendingBytes} bytes pending`;
    return new PercoreError('ERR_PERCORE_CLOSED', text, { value: this.pendingBytes });
  }

  private settle(): void {
    this.inFlight--;
    if (this.isClosed) this.giveBack();
    else this.core.schedule(this);
  }

  private tellWaiters(): void {
    if (this.error === undefined) this.flushing.settle(this.bytesWritten);
    if (this.isClosed && this.flushing.count !== 0) {
      this.hasToldOfLoss = true;
      this.flushing.fail(this.error ?? this.closedEarly());
    }
    this.waiters.settle(this.usedBytes);
  }

  /** How much of the memory is used; 0 once nobody has to wait for it any more. */
  private get usedBytes(): number {
    return this.isClosed ? 0 : this.mostUsed - this.freeBytes();
  }
}

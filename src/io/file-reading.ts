/**
 * What is behind a `FileReader`: a file as a stream of chunks. Several are in flight ahead of the reader; they are
 * delivered in order and without a copy.
 *
 *      chunk     0        1        2        3        4 …            depth 4
 *              [held]  [whole]  [short]  [under way]
 *                 ^       ^        └ asked for again from where it stopped, before 3 is delivered
 *            release   deliver
 *
 * Chunk n lies at n * chunkBytes. It is delivered when it is whole, or when the file ends in it; so neither the order
 * of completions nor a read that is cut short can be seen. The end is a read of 0 bytes and never the size that the
 * file had, since a file that grows is read on, and files of /proc have no size at all. A file that ends before the
 * size which it had when it was opened was truncated, and that is an error. Files of sysfs are the exception: they give
 * their size as 4,096 bytes whatever they hold, still do so at their end, and have nothing behind it.
 */
import { fstatSync, readSync } from 'node:fs';
import { EAGAIN, EBUSY, EINTR, EINVAL } from '../errno.js';
import { PercoreError } from '../errors.js';
import { claimHandlers, ON_DATA } from './claims.js';
import { DIRECT_BORDER, FileEndpoint } from './file-endpoint.js';
import { MAX_DEPTH } from './file-transfers.js';

/** Called with `length` bytes of `bytes` from `offset` on. */
export type ChunkHandler = (bytes: Uint8Array, offset: number, length: number) => void;

const FREE = 0;
const UNDER_WAY = 1;
/** A part has been read; the rest is still to be asked for. */
const SHORT = 2;
const WHOLE = 3;

export class ReadingFile extends FileEndpoint {
  bytesRead = 0;
  endHandler: (() => void) | undefined;
  private handler: ChunkHandler | undefined;
  private isPaused = false;
  private readonly states: number[] = new Array<number>(MAX_DEPTH).fill(FREE);
  private readonly filled: number[] = new Array<number>(MAX_DEPTH).fill(0);
  private readonly errors: number[] = new Array<number>(MAX_DEPTH).fill(0);
  /** The file ends in this slot's chunk, or before it. */
  private readonly isLast: boolean[] = new Array<boolean>(MAX_DEPTH).fill(false);
  private nextIssue = 0;
  private nextDeliver = 0;
  private nextRelease = 0;
  private hasEnded = false;
  /** A chunk is the last one, so none after it need be asked for. */
  private isEndSeen = false;
  private sizeBytes = 0;
  /** Wakes a loop over the file that waits for the next chunk. */
  private wakeLoop: (() => void) | undefined;

  setHandler(handler: ChunkHandler): void {
    this.handler = handler;
    this.core.schedule(this);
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    this.core.schedule(this);
  }

  /**
   * Chunks as views of the file's own memory, for one loop: see `FileReader`. The first step may throw
   * ERR_PERCORE_CLAIM.
   */
  async *chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    claimHandlers(this, ON_DATA, 'a loop');
    let chunk: Uint8Array | undefined;
    this.setHandler((bytes, offset, length) => {
      chunk = bytes.subarray(offset, offset + length);
      this.pause();
      this.wakeLoop?.();
    });
    try {
      for (;;) {
        if (chunk !== undefined) {
          const present: Uint8Array = chunk;
          chunk = undefined;
          yield present;
          this.resume();
        } else if (!this.isClosed) {
          await new Promise<void>((resolve) => void (this.wakeLoop = resolve));
        } else {
          if (this.error !== undefined) throw this.error;
          return;
        }
      }
    } finally {
      this.close();
    }
  }

  run(): boolean {
    if (this.fd < 0 || this.isClosed) return false;
    // Also gives back what a handler was given that threw.
    if (!this.isPaused) this.nextRelease = this.nextDeliver;
    if (this.canDeliver()) this.deliver();
    if (this.isClosed) return false;
    if (!this.isPaused) this.nextRelease = this.nextDeliver;
    this.ask();
    return !this.isClosed && (this.canDeliver() || this.mustAsk());
  }

  protected whenOpen(sizeBytes: number): void {
    this.sizeBytes = sizeBytes;
  }

  protected whenClosed(): void {
    this.wakeLoop?.();
  }

  protected whenComplete(slot: number, result: number): void {
    this.core.schedule(this);
    if (result === 0) this.isEndSeen = true;
    if (result > 0) {
      this.filled[slot]! += result;
      // With O_DIRECT a read ends off the border only where the file ends, and none can begin there.
      if (this.isDirect && result % DIRECT_BORDER !== 0) this.isLast[slot] = true;
      const isWhole = this.filled[slot] === this.chunkBytes || this.isLast[slot] || !this.hasPositions;
      this.states[slot] = isWhole ? WHOLE : SHORT;
    } else if (result === 0) {
      this.isLast[slot] = true;
      this.states[slot] = WHOLE;
    } else if (result === -EINTR || result === -EAGAIN || result === -EBUSY) {
      this.states[slot] = SHORT;
    } else if (result === -EINVAL && this.wasDirect[slot]) {
      // Granted when the file was opened, and refused now, as some file systems do.
      this.noDirect('O_DIRECT: EINVAL');
      this.states[slot] = SHORT;
    } else {
      this.errors[slot] = -result;
      this.states[slot] = WHOLE;
    }
  }

  private canDeliver(): boolean {
    if (this.isPaused || this.handler === undefined || this.nextDeliver === this.nextIssue) return false;
    return this.states[this.nextDeliver % this.depth] === WHOLE;
  }

  private mustAsk(): boolean {
    if (this.hasEnded) return false;
    if (!this.isEndSeen && this.nextIssue - this.nextRelease < this.depth) return true;
    for (let n = this.nextDeliver; n < this.nextIssue; n++) if (this.states[n % this.depth] === SHORT) return true;
    return false;
  }

  private ask(): void {
    if (!this.mustAsk()) return;
    const { depth, chunkBytes } = this;
    for (; !this.isEndSeen && this.nextIssue - this.nextRelease < depth; this.nextIssue++) {
      const slot = this.nextIssue % depth;
      this.states[slot] = SHORT;
      this.filled[slot] = this.errors[slot] = 0;
      this.isLast[slot] = false;
    }
    for (let n = this.nextDeliver; n < this.nextIssue; n++) {
      const slot = n % depth;
      if (this.states[slot] !== SHORT) continue;
      this.states[slot] = UNDER_WAY;
      const from = this.filled[slot]!;
      this.transfer(slot, false, from, chunkBytes - from, n * chunkBytes + from);
    }
    this.submit();
  }

  private deliver(): void {
    const slot = this.nextDeliver % this.depth;
    const length = this.filled[slot]!;
    if (this.errors[slot] !== 0 && length === 0) return this.fail(this.errors[slot]!, 'read');
    if (length === 0) return this.finish();
    if (this.errors[slot] !== 0 || this.isLast[slot]) {
      // What came before is delivered first. The next step reports the rest.
      this.filled[slot] = 0;
    } else {
      this.nextDeliver++;
    }
    this.bytesRead += length;
    const result: unknown = this.handler!(this.buffer, this.firstByte + slot * this.chunkBytes, length);
    if (result !== undefined) this.follow(result);
  }

  private finish(): void {
    this.hasEnded = true;
    if (this.bytesRead < this.sizeBytes && this.isTruncated()) {
      const text = `file ${this.path} ended after ${this.bytesRead} bytes; it had ${this.sizeBytes} when it was opened`;
      const details = { value: this.bytesRead, allowed: String(this.sizeBytes) };
      return this.failWith(new PercoreError('ERR_PERCORE_FILE_TRUNCATED', text, details));
    }
    try {
      const result: unknown = this.endHandler?.();
      if (result !== undefined) this.follow(result);
    } finally {
      this.close();
    }
  }

  /**
   * The file has ended before its size. It is not truncated if its size is still the same and nothing lies where it
   * says that there is more.
   */
  private isTruncated(): boolean {
    try {
      if (fstatSync(this.fd).size < this.sizeBytes) return true;
      return readSync(this.fd, new Uint8Array(1), 0, 1, this.bytesRead) !== 0;
    } catch {
      return true;
    }
  }
}

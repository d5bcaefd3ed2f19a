/**
 * What is behind a `FileReader`: a file as a stream of chunks, several in flight ahead of the reader, delivered in
 * order and without a copy.
 *
 *      chunk     0        1        2        3        4 …            depth 4
 *              [held]  [whole]  [short]  [under way]
 *                 ^       ^        └ asked for again from where it stopped, before 3 is delivered
 *            release   deliver
 *
 * Chunk n lies at n * chunkBytes, and is delivered when it is whole or the file ends in it: so an order of completions,
 * or reads that are cut short, cannot be seen. The end is a read of 0 bytes, never the size that the file had: a file
 * that grows is read on, files of /proc have no size at all. A file that ends before the size it had when it was opened
 * was truncated: an error. Those of sysfs say 4,096 bytes whatever they hold; they still say so at their end, and have
 * nothing behind it.
 */
import { fstatSync, readSync } from 'node:fs';
import { EAGAIN, EBUSY, EINTR, EINVAL } from '../errno.js';
import { PercoreError } from '../errors.js';
import { claimHandlers, ON_DATA } from './claims.js';
import { DIRECT_BORDER, FileEndpoint } from './file-endpoint.js';
import { MAX_DEPTH } from './file-transfers.js';

/** `length` bytes of `bytes` from `offset` on. */
export type ChunkHandler = (bytes: Uint8Array, offset: number, length: number) => void;

const FREE = 0;
const UNDER_WAY = 1;
/** A part is there; the rest is to be asked for. */
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
  /** The file ends in, or before, this slot's chunk. */
  private readonly isLast: boolean[] = new Array<boolean>(MAX_DEPTH).fill(false);
  private nextIssue = 0;
  private nextDeliver = 0;
  private nextRelease = 0;
  private hasEnded = false;
  /** A chunk is the last: none after it need be asked for. */
  private isEndSeen = false;
  private sizeBytes = 0;
  /** The next chunk's waiter, of a loop over the file. */
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
   * Chunks as views of the file's own memory, for one loop: see `FileReader`. Throws ERR_PERCORE_CLAIM at the first.
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
    // Behind what a handler that threw was given, as well.
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
      // Under O_DIRECT the file ends where a read ends off the border, and could not be asked from there.
      if (this.isDirect && result % DIRECT_BORDER !== 0) this.isLast[slot] = true;
      const isWhole = this.filled[slot] === this.chunkBytes || this.isLast[slot] || !this.hasPositions;
      this.states[slot] = isWhole ? WHOLE : SHORT;
    } else if (result === 0) {
      this.isLast[slot] = true;
      this.states[slot] = WHOLE;
    } else if (result === -EINTR || result === -EAGAIN || result === -EBUSY) {
      this.states[slot] = SHORT;
    } else if (result === -EINVAL && this.wasDirect[slot]) {
      // Granted at open and refused now, as some file systems do.
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
      // What came before is delivered first; the next step tells the rest.
      this.filled[slot] = 0;
    } else {
      this.nextDeliver++;
    }
    this.bytesRead += length;
    this.handler!(this.buffer, this.firstByte + slot * this.chunkBytes, length);
  }

  private finish(): void {
    this.hasEnded = true;
    if (this.bytesRead < this.sizeBytes && this.isTruncated()) {
      const text = `file ${this.path} ended after ${this.bytesRead} bytes; it had ${this.sizeBytes} when it was opened`;
      const details = { value: this.bytesRead, allowed: String(this.sizeBytes) };
      return this.failWith(new PercoreError('ERR_PERCORE_FILE_TRUNCATED', text, details));
    }
    try {
      this.endHandler?.();
    } finally {
      this.close();
    }
  }

  /**
   * It has ended before its size. It is not truncated when its size is still the same, and nothing is where it says
   * that there is more.
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

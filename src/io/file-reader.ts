/**
 * A file as a stream of chunks, several in flight ahead of the reader, delivered in order and without a copy.
 *
 *      chunk     0        1        2        3        4 …            depth 4
 *              [held]  [whole]  [short]  [under way]
 *                 ^       ^        └ asked for again from where it stopped, before 3 is delivered
 *            release   deliver
 *
 * Chunk n lies at n * chunkBytes, and is delivered when it is whole or the file ends in it: so an order of completions, or reads that
 * are cut short, cannot be seen. The end is a read of 0 bytes, never the size that the file had: a file that grows is read on,
 * files of /proc have no size at all. A file that ends before the size it had when it was opened was truncated: an error. Those of sysfs
 * say 4,096 bytes whatever they hold; they still say so at their end, and have nothing behind it.
 */
import { fstatSync, readSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { checkFunction, PercoreError } from '../errors.js';
import { DIRECT_BORDER, OpenFile } from './file.js';
import { readableOf } from './file-node-streams.js';
import { MAX_DEPTH } from './file-transfers.js';

const FREE = 0;
const UNDER_WAY = 1;
/** A part is there; the rest is to be asked for. */
const SHORT = 2;
const WHOLE = 3;
const EINTR = -4;
const EAGAIN = -11;
const EBUSY = -16;
const EINVAL = -22;

export class FileReader extends OpenFile {
  /** Bytes delivered so far. */
  bytesRead = 0;
  private dataHandler: ((bytes: Uint8Array, offset: number, length: number) => void) | undefined;
  private endHandler: (() => void) | undefined;
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
  /** A chunk is the last: none behind it need be asked for. */
  private isEndSeen = false;
  private sizeBytes = 0;
  private iteratorWake: (() => void) | undefined;
  private isIterated = false;

  /**
   * Called with each chunk, `length` bytes of `bytes` from `offset` on. They are valid during the call; when the handler pauses the
   * reader, until `resume`. Without a handler nothing is delivered.
   */
  onData(handler: (bytes: Uint8Array, offset: number, length: number) => void): this {
    checkFunction('handler', handler);
    this.dataHandler = handler;
    this.io.schedule(this);
    return this;
  }

  /** Called after the last chunk; the file closes by itself. */
  onEnd(handler: () => void): this {
    checkFunction('handler', handler);
    this.endHandler = handler;
    return this;
  }

  /** Delivers no more until `resume`; what is in flight is still read. Inside `onData` it also keeps the chunk's bytes valid. */
  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    this.io.schedule(this);
  }

  /** Chunks as views of the reader's own memory: each is valid until the next is asked for. Leaving the loop closes the file. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    // A second loop would take the handler of the first, which would wait for ever.
    if (this.isIterated) throw new PercoreError('ERR_PERCORE_CLAIM', `file ${this.path} is read by another loop already`);
    this.isIterated = true;
    let chunk: Uint8Array | undefined;
    this.onData((bytes, offset, length) => {
      chunk = bytes.subarray(offset, offset + length);
      this.pause();
      this.iteratorWake?.();
    });
    try {
      for (;;) {
        if (chunk !== undefined) {
          const present: Uint8Array = chunk;
          chunk = undefined;
          yield present;
          this.resume();
        } else if (!this.isClosed_) {
          await new Promise<void>((resolve) => void (this.iteratorWake = resolve));
        } else {
          if (this.error !== undefined) throw this.error;
          return;
        }
      }
    } finally {
      this.close();
    }
  }

  /** A Readable of Node's own over this reader, which takes over its handlers. */
  toNodeStream(): Readable {
    return readableOf(this);
  }

  /** One chunk a step; then as many reads as there is room for. */
  run(): boolean {
    if (this.fd < 0 || this.isClosed_) return false;
    // Behind what a handler that threw was given, as well.
    if (!this.isPaused) this.nextRelease = this.nextDeliver;
    if (this.canDeliver()) this.deliver();
    if (this.isClosed_) return false;
    if (!this.isPaused) this.nextRelease = this.nextDeliver;
    this.ask();
    return !this.isClosed_ && (this.canDeliver() || this.mustAsk());
  }

  protected whenOpen(sizeBytes: number): void {
    this.sizeBytes = sizeBytes;
  }

  protected whenClosed(): void {
    this.iteratorWake?.();
  }

  protected whenComplete(slot: number, result: number): void {
    this.io.schedule(this);
    if (result === 0) this.isEndSeen = true;
    if (result > 0) {
      this.filled[slot]! += result;
      // Under O_DIRECT the file ends where a read ends off the border, and could not be asked from there.
      if (this.isDirect && result % DIRECT_BORDER !== 0) this.isLast[slot] = true;
      this.states[slot] = this.filled[slot] === this.chunkBytes || this.isLast[slot] || !this.hasPositions ? WHOLE : SHORT;
    } else if (result === 0) {
      this.isLast[slot] = true;
      this.states[slot] = WHOLE;
    } else if (result === EINTR || result === EAGAIN || result === EBUSY) {
      this.states[slot] = SHORT;
    } else if (result === EINVAL && this.wasDirect[slot]) {
      // Granted at open and refused now, as some file systems do.
      this.noDirect('O_DIRECT: EINVAL');
      this.states[slot] = SHORT;
    } else {
      this.errors[slot] = -result;
      this.states[slot] = WHOLE;
    }
  }

  private canDeliver(): boolean {
    return !this.isPaused && this.dataHandler !== undefined && this.nextDeliver !== this.nextIssue && this.states[this.nextDeliver % this.depth] === WHOLE;
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
    this.dataHandler!(this.buffer, this.firstByte + slot * this.chunkBytes, length);
  }

  private finish(): void {
    this.hasEnded = true;
    if (this.bytesRead < this.sizeBytes && this.isTruncated()) {
      return this.failWith(new PercoreError('ERR_PERCORE_FILE_TRUNCATED', `file ${this.path} ended after ${this.bytesRead} bytes; it had ${this.sizeBytes} when it was opened`, { value: this.bytesRead, allowed: String(this.sizeBytes) }));
    }
    try {
      this.endHandler?.();
    } finally {
      this.close();
    }
  }

  /** It has ended before its size. Not truncated: its size is still the same, and there is nothing where it says that there is more. */
  private isTruncated(): boolean {
    try {
      return fstatSync(this.fd).size < this.sizeBytes || readSync(this.fd, new Uint8Array(1), 0, 1, this.bytesRead) !== 0;
    } catch {
      return true;
    }
  }
}

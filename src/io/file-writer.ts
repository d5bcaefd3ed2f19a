/** A file that is written, as users have it. How it works is in file-writing.ts. */
import type { Writable } from 'node:stream';
import type { WaitOptions } from '../waiting.js';
import { writableOf } from './file-node-streams.js';
import type { WritingFile } from './file-writing.js';
import { OpenFile } from './file.js';
import { checkSpan, restOf } from './stream-options.js';

/**
 * A file that is written in order, several chunks under way at a time. `io.openFile(path, { flags: 'w' })` makes it;
 * for the thread that did. Nothing blocks, except that what goes into the page cache is copied in this thread.
 *
 *     const log = io.openFile('orders.log', { flags: 'a' });
 *     if (log.offer(record) === BACK_PRESSURED) await log.room();
 *     log.end();
 *     await log.closed();          // rejects with what went wrong
 */
export class FileWriter extends OpenFile {
  readonly #writing: WritingFile;

  /** Made by `openFile`. */
  constructor(writing: WritingFile) {
    super(writing);
    this.#writing = writing;
  }

  /** Bytes that the kernel has, from the beginning on without a gap. */
  get bytesWritten(): number {
    return this.#writing.bytesWritten;
  }

  /** Bytes taken by `offer` that the kernel has not taken yet. */
  get pendingBytes(): number {
    return this.#writing.pendingBytes;
  }

  /**
   * `offer` takes no more than this at once: `depth * chunkBytes`, and a chunk less if O_DIRECT was asked for, whose
   * tail may have to wait.
   */
  get maxOfferBytes(): number {
    return this.#writing.mostOffer;
  }

  /**
   * Copies `length` bytes from `offset` on. OK; BACK_PRESSURED: nothing taken, wait for `room()`; TOO_LARGE: more than
   * `maxOfferBytes`; CLOSED after `end`, `close` or an error.
   */
  offer(bytes: Uint8Array, offset = 0, length: number = restOf(bytes, offset)): number {
    checkSpan(bytes, offset, length);
    return this.#writing.offer(bytes, offset, length);
  }

  /**
   * Resolves when what was refused last fits and half of the memory is free, or the file is closed. Rejects with
   * ERR_PERCORE_TIMEOUT or the signal's reason if `options` says so.
   */
  room(options?: WaitOptions): Promise<void> {
    return this.#writing.room(options);
  }

  /**
   * Resolves when the kernel has everything taken so far; rejects with the error that closed the file, and as `room`
   * does. Not yet on the disk: see `sync`.
   */
  flushed(options?: WaitOptions): Promise<void> {
    return this.#writing.flushed(options);
  }

  /** The same, and on the disk: fdatasync. An error closes the file, since what it concerns cannot be told. */
  sync(options?: WaitOptions): Promise<void> {
    return this.#writing.sync(options);
  }

  /** Writes what is pending, then closes; see `closed()`. */
  end(): void {
    this.#writing.end();
  }

  /** A Writable of Node's own over this writer. */
  toNodeStream(): Writable {
    return writableOf(this.#writing);
  }
}

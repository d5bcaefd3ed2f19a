/** A file that is written, as users see it. How it works is in file-writing.ts. */
import type { Writable } from 'node:stream';
import type { WaitOptions } from '../waiting.js';
import { writableOf } from './file-node-streams.js';
import type { WritingFile } from './file-writing.js';
import { OpenFile } from './file.js';
import { checkSpan, restOf } from './stream-options.js';

/**
 * A file that is written in order, with several chunks under way at a time. `io.openFile(path, { flags: 'w' })` makes
 * it; only the thread that made it may use it. Nothing blocks, except that what goes into the page cache is copied in
 * this thread.
 *
 *     const log = io.openFile('orders.log', { flags: 'a' });
 *     if (log.offer(record) === BACK_PRESSURED) await log.room();
 *     log.end();
 *     await log.closed();          // rejects with what went wrong
 */
export class FileWriter extends OpenFile {
  readonly #writing: WritingFile;

  /** Called by `openFile`. */
  constructor(writing: WritingFile) {
    super(writing);
    this.#writing = writing;
  }

  /** How many bytes the kernel has, from the first one on without a gap. */
  get bytesWritten(): number {
    return this.#writing.bytesWritten;
  }

  /** How many bytes `offer` has taken that the kernel has not taken yet. */
  get pendingBytes(): number {
    return this.#writing.pendingBytes;
  }

  /**
   * Most bytes in one `offer`: `depth * chunkBytes`, and one chunk less if O_DIRECT was asked for, because its tail may
   * have to wait.
   */
  get maxOfferBytes(): number {
    return this.#writing.mostOffer;
  }

  /**
   * Copies `length` bytes from `offset` on. Returns OK; BACK_PRESSURED when it has taken nothing (wait for `room()`);
   * TOO_LARGE for more than `maxOfferBytes`; or CLOSED after `end`, `close` or an error. Does not block. Throws
   * ERR_PERCORE_INVALID_ARGUMENT.
   */
  offer(bytes: Uint8Array, offset = 0, length: number = restOf(bytes, offset)): number {
    checkSpan(bytes, offset, length);
    return this.#writing.offer(bytes, offset, length);
  }

  /**
   * Resolves when what was refused last fits and half of the memory is free, or when the file is closed. Rejects with
   * ERR_PERCORE_TIMEOUT after `timeoutMs`, or with the reason of `signal`, if `options` has one.
   */
  room(options?: WaitOptions): Promise<void> {
    return this.#writing.room(options);
  }

  /**
   * Resolves when the kernel has everything that was taken so far, which need not be on the disk yet: see `sync`.
   * Rejects with the error that closed the file, with ERR_PERCORE_CLOSED if it was closed before that, and as `room`
   * does.
   */
  flushed(options?: WaitOptions): Promise<void> {
    return this.#writing.flushed(options);
  }

  /** The same, and it is on the disk (fdatasync). An error closes the file, since nobody can tell what it concerns. */
  sync(options?: WaitOptions): Promise<void> {
    return this.#writing.sync(options);
  }

  /** Writes what is pending, then closes the file: see `closed()`. */
  end(): void {
    this.#writing.end();
  }

  /** Makes a Writable over this writer. */
  toNodeStream(): Writable {
    return writableOf(this.#writing);
  }
}

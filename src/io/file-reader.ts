/** A file that is read, as users see it. How it works is in file-reading.ts. */
import type { Readable } from 'node:stream';
import { checkFunction } from '../errors.js';
import { addOpener, claimHandlers, noteHandler, ON_CLOSE, ON_DATA, ON_END } from './claims.js';
import { readableOf } from './file-node-streams.js';
import type { ChunkHandler, ReadingFile } from './file-reading.js';
import { OpenFile } from './file.js';

/**
 * A file as a stream of chunks. Several are in flight ahead of the reader; they are delivered in order and without a
 * copy. `io.openFile(path)` makes it; only the thread that made it may use it. Nothing blocks, except that what lies in
 * the page cache is copied in this thread.
 *
 *     for await (const chunk of io.openFile('orders.log')) count(chunk);
 *
 * It ends where the file ends, and closes by itself. If the file becomes shorter while it is read, it ends with
 * ERR_PERCORE_FILE_TRUNCATED. Reading ahead with several transfers is what `dd` with a queue depth and RocksDB do, too.
 */
export class FileReader extends OpenFile {
  readonly #reading: ReadingFile;

  static {
    addOpener((facade) => (#reading in facade ? facade.#reading : undefined));
  }

  /** Called by `openFile`. */
  constructor(reading: ReadingFile) {
    super(reading);
    this.#reading = reading;
  }

  /** How many bytes have been delivered so far. */
  get bytesRead(): number {
    return this.#reading.bytesRead;
  }

  /**
   * Sets the handler that is called with each chunk: a view that is valid during the call or, if the handler pauses the
   * reader, until `resume`. Without a handler nothing is delivered. Allocates one view for each call. Throws
   * ERR_PERCORE_CLAIM when `lines`, a loop or a stream has the handler.
   */
  onData(handler: (bytes: Uint8Array) => void): this {
    checkFunction('handler', handler);
    return this.#setHandler((bytes, offset, length) => handler(bytes.subarray(offset, offset + length)));
  }

  /**
   * The same without an object for each call: the handler is given `length` bytes of `bytes` from `offset` on, where
   * `bytes` is the reader's own memory.
   */
  onReceive(handler: (bytes: Uint8Array, offset: number, length: number) => void): this {
    checkFunction('handler', handler);
    return this.#setHandler(handler);
  }

  #setHandler(handler: ChunkHandler): this {
    noteHandler(this.#reading, ON_DATA);
    this.#reading.setHandler(handler);
    return this;
  }

  /** Sets the handler that is called after the last chunk. The file then closes by itself. */
  onEnd(handler: () => void): this {
    checkFunction('handler', handler);
    noteHandler(this.#reading, ON_END);
    this.#reading.endHandler = handler;
    return this;
  }

  /**
   * Delivers nothing more until `resume`; what is in flight is still read. Within `onData` it also keeps the chunk
   * valid.
   */
  pause(): void {
    this.#reading.pause();
  }

  /** Delivers again. A chunk that a pause has kept is no longer valid. */
  resume(): void {
    this.#reading.resume();
  }

  /**
   * Chunks for a loop, as views of the reader's own memory: each is valid until the next one is asked for. Leaving the
   * loop closes the file. The first step throws ERR_PERCORE_CLAIM when somebody has the data handler; a later one
   * throws the error that closed the file.
   */
  [Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    return this.#reading.chunks();
  }

  /**
   * Makes a Readable over this reader, which takes over its handlers. It costs a copy of each chunk. Throws
   * ERR_PERCORE_CLAIM when one of the handlers is already set.
   */
  toNodeStream(): Readable {
    claimHandlers(this.#reading, ON_DATA | ON_END | ON_CLOSE, 'toNodeStream');
    return readableOf(this.#reading);
  }
}

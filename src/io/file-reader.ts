/** A file that is read, as users have it. How it works is in file-reading.ts. */
import type { Readable } from 'node:stream';
import { checkFunction } from '../errors.js';
import { addOpener, claimHandlers, noteHandler, ON_CLOSE, ON_DATA, ON_END } from './claims.js';
import { readableOf } from './file-node-streams.js';
import type { ChunkHandler, ReadingFile } from './file-reading.js';
import { OpenFile } from './file.js';

/**
 * A file as a stream of chunks, several in flight ahead of the reader, delivered in order and without a copy.
 * `io.openFile(path)` makes it; for the thread that did. Nothing blocks, except that what lies in the page cache is
 * copied in this thread.
 *
 *     for await (const chunk of io.openFile('orders.log')) count(chunk);
 *
 * It ends where the file ends, and closes by itself. A file that is cut while it is read ends with
 * ERR_PERCORE_FILE_TRUNCATED. Reading ahead with several transfers is how `dd` with a queue depth and RocksDB do it.
 */
export class FileReader extends OpenFile {
  readonly #reading: ReadingFile;

  static {
    addOpener((facade) => (#reading in facade ? facade.#reading : undefined));
  }

  /** Made by `openFile`. */
  constructor(reading: ReadingFile) {
    super(reading);
    this.#reading = reading;
  }

  /** Bytes delivered so far. */
  get bytesRead(): number {
    return this.#reading.bytesRead;
  }

  /**
   * Called with each chunk, a view that is valid during the call; when the handler pauses the reader, until `resume`.
   * Without a handler nothing is delivered. Throws ERR_PERCORE_CLAIM when `lines`, a loop or a stream has the handler.
   */
  onData(handler: (bytes: Uint8Array) => void): this {
    checkFunction('handler', handler);
    return this.#setHandler((bytes, offset, length) => handler(bytes.subarray(offset, offset + length)));
  }

  /** The same without an object a call: `length` bytes from `offset` on of `bytes`, the reader's own memory. */
  onReceive(handler: (bytes: Uint8Array, offset: number, length: number) => void): this {
    checkFunction('handler', handler);
    return this.#setHandler(handler);
  }

  #setHandler(handler: ChunkHandler): this {
    noteHandler(this.#reading, ON_DATA);
    this.#reading.setHandler(handler);
    return this;
  }

  /** Called after the last chunk; the file closes by itself. */
  onEnd(handler: () => void): this {
    checkFunction('handler', handler);
    noteHandler(this.#reading, ON_END);
    this.#reading.endHandler = handler;
    return this;
  }

  /**
   * Delivers no more until `resume`; what is in flight is still read. Within `onData` it also keeps the chunk valid.
   */
  pause(): void {
    this.#reading.pause();
  }

  /** Delivers again; the chunk that a pause has kept is valid no more. */
  resume(): void {
    this.#reading.resume();
  }

  /**
   * Chunks as views of the reader's own memory: each is valid until the next is asked for. Leaving the loop closes the
   * file.
   */
  [Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    return this.#reading.chunks();
  }

  /** A Readable of Node's own over this reader, which takes over its handlers. Costs a copy a chunk. */
  toNodeStream(): Readable {
    claimHandlers(this.#reading, ON_DATA | ON_END | ON_CLOSE, 'toNodeStream');
    return readableOf(this.#reading);
  }
}

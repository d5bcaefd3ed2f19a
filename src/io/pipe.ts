/**
 * A stream over a descriptor that is not a TCP connection: the end of a pipe, a FIFO, a terminal, a socketpair. It goes
 * one way or both.
 *
 *      read:   open --the last writer closes--> ended -> closed
 *      write:  open --end()--> ending --all written--> closed          the reader goes: EPIPE, closed
 *      both:   open --the peer ends--> half-closed --end()--> closed   (and the other way round)
 *
 * This file has the verbs. pipe-endpoint.ts, which the core calls, has how they work.
 */
import {
  checkBoolean, checkFunction, checkInteger, checkOneOf, invalidArgument, type PercoreError,
} from '../errors.js';
import type { WaitOptions } from '../waiting.js';
import { addOpener, noteHandler, ON_CLOSE, ON_DATA, ON_END } from './claims.js';
import type { IoCore } from './core.js';
import { checkPath } from './file-path.js';
import { PipeEndpoint, type PipeHandler, type PipeWay } from './pipe-endpoint.js';
import { systemCallOf } from './source.js';
import { checkSpan, checkStreamOptions, restOf, type StreamOptions } from './stream-options.js';

/** Options of `io.openPipe` and `io.stdin`. */
export type PipeStreamOptions = StreamOptions;
export type { PipeWay };

/** Options of `io.openFifo`. */
export interface FifoOptions extends PipeStreamOptions {
  /**
   * If true, the FIFO neither ends when its last writer has gone nor breaks when its last reader has gone, because
   * others may come. Default false.
   */
  keepOpen?: boolean;
}

/**
 * Bytes through the end of a pipe, a FIFO, a terminal or a socketpair. `io.openPipe`, `io.openFifo` and `io.stdin` make
 * it; only the thread that made it may use it. Reading and writing are as on a connection. Nothing blocks, with one
 * exception: a regular file cannot be polled, so its reads wait for the disk.
 *
 *     const input = io.stdin();
 *     input.onData((bytes) => count(bytes)).onEnd(() => console.log('all read'));
 */
export class PipeStream {
  readonly #endpoint: PipeEndpoint;

  static {
    addOpener((facade) => (#endpoint in facade ? facade.#endpoint : undefined));
  }

  /** Called by `openPipe`, `openFifo` and `stdin`. */
  constructor(endpoint: PipeEndpoint) {
    this.#endpoint = endpoint;
  }

  /** Its descriptor, which the stream owns and closes. */
  get fd(): number {
    return this.#endpoint.fd;
  }

  /** Whether it reads, writes, or does both, as a terminal may. */
  get way(): PipeWay {
    return this.#endpoint.way;
  }

  /** How many bytes may wait to be written before `offer` refuses, as given in the options. */
  get highWaterBytes(): number {
    return this.#endpoint.highWaterBytes;
  }

  /** True when nothing is read any more and nothing can be offered. */
  get isClosed(): boolean {
    return this.#endpoint.isClosed;
  }

  /** The error that closed it, if one did. */
  get error(): PercoreError | undefined {
    return this.#endpoint.error;
  }

  /** How many bytes the handler has been given so far. */
  get bytesRead(): number {
    return this.#endpoint.bytesRead;
  }

  /** How many bytes the kernel has taken so far. */
  get bytesWritten(): number {
    return this.#endpoint.bytesWritten;
  }

  /** How many bytes `offer` has taken that the kernel has not taken yet. */
  get pendingBytes(): number {
    return this.#endpoint.pendingBytes;
  }

  /**
   * Sets the handler that is called with what was read. The bytes are valid only during the call. Without a handler
   * nothing is read, and an end is not noticed. Allocates one view for each call. Throws ERR_PERCORE_CLAIM when `lines`
   * has the handler, and ERR_PERCORE_INVALID_ARGUMENT on a stream that only writes.
   */
  onData(handler: (bytes: Uint8Array) => void): this {
    checkFunction('handler', handler);
    this.#setHandler('onData', (bytes, offset, length) => handler(bytes.subarray(offset, offset + length)), true);
    return this;
  }

  /**
   * The same without an object for each call: the handler is given `length` bytes of `bytes` from `offset` on, where
   * `bytes` is the thread's own buffer.
   */
  onReceive(handler: (bytes: Uint8Array, offset: number, length: number) => void): this {
    checkFunction('handler', handler);
    this.#setHandler('onReceive', handler, false);
    return this;
  }

  #setHandler(name: string, handler: PipeHandler, isViewGiven: boolean): void {
    if (this.way === 'write') throw invalidArgument(name, this.way, 'called on a stream that reads');
    noteHandler(this.#endpoint, ON_DATA);
    this.#endpoint.setHandler(handler, isViewGiven);
  }

  /**
   * Sets the handler that is called when no more will come, before the stream is closed. A stream that goes both ways
   * ends its own side as well if it has no handler.
   */
  onEnd(handler: () => void): this {
    checkFunction('handler', handler);
    noteHandler(this.#endpoint, ON_END);
    this.#endpoint.endHandler = handler;
    return this;
  }

  /**
   * Sets the handler that is called once, after the descriptor is closed; with the error, if an error has closed it.
   */
  onClose(handler: (error: PercoreError | undefined) => void): this {
    checkFunction('handler', handler);
    noteHandler(this.#endpoint, ON_CLOSE);
    this.#endpoint.closeHandler = handler;
    return this;
  }

  /** Reads nothing more until `resume`. Makes no system call. */
  pause(): void {
    this.#endpoint.pause();
  }

  /** Goes on reading. */
  resume(): void {
    this.#endpoint.resume();
  }

  /**
   * Copies bytes into the backlog, which is written in the next step. Returns OK; BACK_PRESSURED when it has taken
   * nothing (wait for `room()`); or CLOSED after `end`, `close` or an error, and on a stream that only reads. Does not
   * block; may allocate. Throws ERR_PERCORE_INVALID_ARGUMENT.
   */
  offer(bytes: Uint8Array, offset = 0, length: number = restOf(bytes, offset)): number {
    checkSpan(bytes, offset, length);
    return this.#endpoint.offer(bytes, offset, length);
  }

  /**
   * Resolves when at most half of `highWaterBytes` waits and the largest refused offer would be taken, or when the
   * stream is closed. Rejects with ERR_PERCORE_TIMEOUT after `timeoutMs`, or with the reason of `signal`, if `options`
   * has one.
   */
  room(options?: WaitOptions): Promise<void> {
    return this.#endpoint.room(options);
  }

  /** Resolves when the kernel has taken everything, or the stream is closed. Rejects as `room` does. */
  flushed(options?: WaitOptions): Promise<void> {
    return this.#endpoint.flushed(options);
  }

  /** Writes what waits, then tells the peer that no more will follow. A stream that only reads is closed. */
  end(): void {
    this.#endpoint.end();
  }

  /** Closes at once. What waits is lost. A second call does nothing. */
  close(): void {
    this.#endpoint.close();
  }
}

/**
 * Opens a FIFO. Throws ERR_PERCORE_SYSTEM: ENXIO for a writer while nobody reads (unless keepOpen is set), EINVAL if
 * the file is not a FIFO.
 */
export function openFifo(core: IoCore, path: string, way: 'read' | 'write', options: FifoOptions): PipeStream {
  checkPath('path', path);
  checkOneOf('way', way, ['read', 'write']);
  const checked = checkStreamOptions(options, ['keepOpen']);
  const keepOpen = checkBoolean('keepOpen', options.keepOpen ?? false);
  const { descriptors } = core.native;
  const fd = systemCallOf(`open the FIFO ${path}`, () => descriptors.openFifo(path, way === 'write', keepOpen));
  return own(core, fd, way, checked);
}

/**
 * Takes over a descriptor, which the stream closes from now on. When this throws, the descriptor is still the caller's.
 * Throws ERR_PERCORE_SYSTEM: EBADF, or EBUSY if this thread's I/O has it already.
 */
export function openPipe(core: IoCore, fd: number, way: PipeWay, options: PipeStreamOptions): PipeStream {
  checkInteger('fd', fd, 0, 2 ** 31 - 1);
  checkOneOf('way', way, ['read', 'write', 'both']);
  const checked = checkStreamOptions(options);
  // Before it is changed, since it stays the caller's.
  core.checkOpen();
  systemCallOf(`take over descriptor ${fd}`, () => core.native.descriptors.adopt(fd));
  try {
    return new PipeStream(new PipeEndpoint(core, fd, way, checked));
  } catch (error) {
    core.native.descriptors.disown(fd);
    throw error;
  }
}

/** Standard input as a stream. Descriptor 0 stays as it is. `process.stdin` must not be used beside it. */
export function openStandardInput(core: IoCore, options: PipeStreamOptions): PipeStream {
  const checked = checkStreamOptions(options);
  const fd = systemCallOf('open standard input', () => core.native.descriptors.openStandardInput());
  return own(core, fd, 'read', checked);
}

/** Makes a stream of a descriptor that was opened for it. */
function own(core: IoCore, fd: number, way: PipeWay, options: Required<PipeStreamOptions>): PipeStream {
  try {
    return new PipeStream(new PipeEndpoint(core, fd, way, options));
  } catch (error) {
    core.native.descriptors.close(fd);
    throw error;
  }
}

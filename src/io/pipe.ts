/**
 * A stream over a descriptor that is no TCP connection: a pipe's end, a FIFO, a terminal, a socketpair. One way or
 * both.
 *
 *      read:   open --the last writer closes--> ended -> closed
 *      write:  open --end()--> ending --all written--> closed          the reader goes: EPIPE, closed
 *      both:   open --the peer ends--> half-closed --end()--> closed   (and the other way round)
 *
 * How it works is in pipe-endpoint.ts, which the core calls; here are the verbs.
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

export type PipeStreamOptions = StreamOptions;
export type { PipeWay };

export interface FifoOptions extends PipeStreamOptions {
  /**
   * The FIFO does not end when its last writer has gone, nor break when its last reader has: others may come. Default
   * false.
   */
  keepOpen?: boolean;
}

/**
 * Bytes through a pipe's end, a FIFO, a terminal or a socketpair. `io.openPipe`, `io.openFifo` and `io.stdin` make it;
 * for the thread that did. Reading and writing are as on a connection. Nothing blocks, except that a regular file
 * cannot be polled, so its reads wait for the disk.
 *
 *     const input = io.stdin();
 *     input.onData((bytes) => count(bytes)).onEnd(() => console.log('all read'));
 */
export class PipeStream {
  readonly #endpoint: PipeEndpoint;

  static {
    addOpener((facade) => (#endpoint in facade ? facade.#endpoint : undefined));
  }

  /** Made by `openPipe`, `openFifo` and `stdin`. */
  constructor(endpoint: PipeEndpoint) {
    this.#endpoint = endpoint;
  }

  /** Its descriptor, which the stream owns and closes. */
  get fd(): number {
    return this.#endpoint.fd;
  }

  /** Whether it reads, writes, or does both, as a terminal. */
  get way(): PipeWay {
    return this.#endpoint.way;
  }

  /** Bytes that may wait to be written before `offer` refuses, as the options said. */
  get highWaterBytes(): number {
    return this.#endpoint.highWaterBytes;
  }

  /** Nothing comes any more and nothing can be offered. */
  get isClosed(): boolean {
    return this.#endpoint.isClosed;
  }

  /** The error that closed it, if one did. */
  get error(): PercoreError | undefined {
    return this.#endpoint.error;
  }

  /** Bytes given to the handler so far. */
  get bytesRead(): number {
    return this.#endpoint.bytesRead;
  }

  /** Bytes that the kernel has taken so far. */
  get bytesWritten(): number {
    return this.#endpoint.bytesWritten;
  }

  /** Bytes taken by `offer` that the kernel has not taken yet. */
  get pendingBytes(): number {
    return this.#endpoint.pendingBytes;
  }

  /**
   * Called with what was read; the bytes are valid during the call only. Without a handler nothing is read, and an end
   * is not seen. Throws ERR_PERCORE_CLAIM when `lines` has the handler.
   */
  onData(handler: (bytes: Uint8Array) => void): this {
    checkFunction('handler', handler);
    this.#setHandler('onData', (bytes, offset, length) => handler(bytes.subarray(offset, offset + length)), true);
    return this;
  }

  /** The same without an object a call: `length` bytes from `offset` on of `bytes`, the thread's own buffer. */
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
   * Called when no more will come, before the stream closes; on a stream of both ways, without a handler it ends too.
   */
  onEnd(handler: () => void): this {
    checkFunction('handler', handler);
    noteHandler(this.#endpoint, ON_END);
    this.#endpoint.endHandler = handler;
    return this;
  }

  /** Called once, after the descriptor is closed; with the error, if one closed it. */
  onClose(handler: (error: PercoreError | undefined) => void): this {
    checkFunction('handler', handler);
    noteHandler(this.#endpoint, ON_CLOSE);
    this.#endpoint.closeHandler = handler;
    return this;
  }

  /** Reads no more until `resume`. No system call. */
  pause(): void {
    this.#endpoint.pause();
  }

  /** Reads again. */
  resume(): void {
    this.#endpoint.resume();
  }

  /**
   * Copies bytes into the backlog. OK; BACK_PRESSURED: nothing taken, wait for `room()`; CLOSED after `end` or close.
   */
  offer(bytes: Uint8Array, offset = 0, length: number = restOf(bytes, offset)): number {
    checkSpan(bytes, offset, length);
    return this.#endpoint.offer(bytes, offset, length);
  }

  /**
   * Resolves when no more than half of `highWaterBytes` waits and the largest offer that was refused would be taken, or
   * the stream is closed. Rejects with ERR_PERCORE_TIMEOUT or the signal's reason if `options` says so.
   */
  room(options?: WaitOptions): Promise<void> {
    return this.#endpoint.room(options);
  }

  /** Resolves when the kernel has taken everything, or the stream is closed. Rejects as `room` does. */
  flushed(options?: WaitOptions): Promise<void> {
    return this.#endpoint.flushed(options);
  }

  /** Writes what waits, then says that no more will follow; one that only reads is closed. */
  end(): void {
    this.#endpoint.end();
  }

  /** Closes at once; what waits is lost. */
  close(): void {
    this.#endpoint.close();
  }
}

/**
 * Opens a FIFO. Throws ERR_PERCORE_SYSTEM: ENXIO for a writer while nobody reads (unless keepOpen), EINVAL for a file
 * that is no FIFO.
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
 * Takes over a descriptor, which the stream closes; when this throws, the descriptor is still the caller's. Throws
 * ERR_PERCORE_SYSTEM: EBADF, EBUSY for one that this thread's I/O has already.
 */
export function openPipe(core: IoCore, fd: number, way: PipeWay, options: PipeStreamOptions): PipeStream {
  checkInteger('fd', fd, 0, 2 ** 31 - 1);
  checkOneOf('way', way, ['read', 'write', 'both']);
  const checked = checkStreamOptions(options);
  systemCallOf(`take over descriptor ${fd}`, () => core.native.descriptors.adopt(fd));
  try {
    return new PipeStream(new PipeEndpoint(core, fd, way, checked));
  } catch (error) {
    core.native.descriptors.disown(fd);
    throw error;
  }
}

/** Standard input as a stream; descriptor 0 itself stays as it is. Beside it, `process.stdin` must not be used. */
export function openStandardInput(core: IoCore, options: PipeStreamOptions): PipeStream {
  const checked = checkStreamOptions(options);
  const fd = systemCallOf('open standard input', () => core.native.descriptors.openStandardInput());
  return own(core, fd, 'read', checked);
}

/** A stream over a descriptor that was opened for it. */
function own(core: IoCore, fd: number, way: PipeWay, options: Required<PipeStreamOptions>): PipeStream {
  try {
    return new PipeStream(new PipeEndpoint(core, fd, way, options));
  } catch (error) {
    core.native.descriptors.close(fd);
    throw error;
  }
}

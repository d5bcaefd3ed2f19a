/**
 * Lines out of a stream of bytes, as they come. A line ends with LF or CRLF. Bytes of a line whose end has not come are
 * carried over, and decoded when it has, so a character that is split between two reads arrives whole.
 *
 *      read  | ...line 7 \n line 8 \n li |      |ne 9 \r\n ...
 *                                    carried --^
 *
 * A line longer than `maxLineBytes` is skipped to its end, counted and told; memory never grows beyond the limit.
 * Node's readline was not used, since it has no limit: one peer that never sends a line's end takes all memory.
 */
import { bufferOf, byteOffsetOf } from '../byte-views.js';
import { checkFunction, checkInteger, checkOptions, invalidArgument } from '../errors.js';
import { ON_DATA, ON_END, setAndClaim } from './claims.js';
import { checkSpan, restOf } from './stream-options.js';

export interface LineOptions {
  /** Bytes of the longest line, without its end: 1 to 2^30. Default 65,536. */
  maxLineBytes?: number;
  /** Called with the length of each line that was too long, when its end has come. */
  onTooLong?: (bytes: number) => void;
  /** Called when no more will come, after the last line. */
  onEnd?: () => void;
}

const LF = 10;
const CR = 13;
const FIRST_CARRY_BYTES = 256;

/**
 * Takes bytes as they come and gives lines. `lines` makes one for an endpoint; use it by itself for bytes from
 * elsewhere. For one thread. Does not block.
 *
 *     const reader = new LineReader({ maxLineBytes: 1000 }, (line) => console.log(line));
 *     reader.push(bytes);
 *     reader.end();
 */
export class LineReader {
  /** Lines given to the handler. */
  lines = 0;
  /** Lines that were too long. */
  tooLong = 0;
  /** A line of more bytes is left out and told to `onTooLong`. */
  readonly maxLineBytes: number;
  readonly #handler: (line: string) => void;
  readonly #onTooLong: ((bytes: number) => void) | undefined;
  private carry = Buffer.alloc(0);
  #carried = 0;
  /** Bytes so far of a line that is too long already; 0 when none is. */
  #skipped = 0;
  /** The last byte skipped. */
  #lastSkipped = 0;
  #isClosed = false;

  constructor(given: LineOptions | undefined, handler: (line: string) => void) {
    const options = checkOptions('options', given, ['maxLineBytes', 'onTooLong', 'onEnd']);
    this.maxLineBytes = checkInteger('maxLineBytes', options.maxLineBytes ?? 65_536, 1, 2 ** 30);
    if (options.onTooLong !== undefined) checkFunction('onTooLong', options.onTooLong);
    if (options.onEnd !== undefined) checkFunction('onEnd', options.onEnd);
    checkFunction('handler', handler);
    this.#handler = handler;
    this.#onTooLong = options.onTooLong;
  }

  /** No further line comes. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** No line follows, not even those of the bytes that are being read. For a handler that has closed its endpoint. */
  close(): void {
    this.#isClosed = true;
    this.carry = Buffer.alloc(0);
    this.#carried = 0;
  }

  /**
   * Takes what was read: `length` bytes from `offset` on, all if left out. A handler that throws costs no other line:
   * the rest is given first, then the error is thrown (of several, an AggregateError).
   */
  push(bytes: Uint8Array, offset = 0, length: number = restOf(bytes, offset)): void {
    checkSpan(bytes, offset, length);
    // Also of what was transferred to another thread: it has no memory that could be looked at.
    if (length === 0) return;
    const chunk = Buffer.from(bufferOf(bytes) as ArrayBuffer, byteOffsetOf(bytes) + offset, length);
    let errors: unknown[] | undefined;
    let start = 0;
    for (let end = chunk.indexOf(LF); end >= 0 && !this.#isClosed; end = chunk.indexOf(LF, start)) {
      const first = start;
      start = end + 1;
      try {
        this.#finish(chunk, first, end);
      } catch (error) {
        (errors ??= []).push(error);
      }
    }
    if (!this.#isClosed && start !== chunk.length) this.#keep(chunk, start);
    if (errors === undefined) return;
    throw errors.length === 1 ? errors[0] : new AggregateError(errors, `${errors.length} lines' handlers threw`);
  }

  /** What came last is a line too, though it has no end. */
  end(): void {
    if (this.#isClosed) return;
    const [carry, carried, skipped] = [this.carry, this.#carried, this.#skipped];
    this.close();
    if (skipped !== 0) this.#reject(skipped);
    else if (carried > this.maxLineBytes) this.#reject(carried);
    else if (carried !== 0) this.#give(carry, 0, carried);
  }

  /** A line's end is at `end`, and its last piece begins at `start`. */
  #finish(chunk: Buffer, start: number, end: number): void {
    if (this.#skipped !== 0) {
      const hasReturn = (end > start ? chunk[end - 1] : this.#lastSkipped) === CR;
      const bytes = this.#skipped + end - start - (hasReturn ? 1 : 0);
      this.#skipped = 0;
      return this.#reject(bytes);
    }
    if (this.#carried === 0) return this.#give(chunk, start, end > start && chunk[end - 1] === CR ? end - 1 : end);
    const total = this.#carried + end - start;
    const hasReturn = (end > start ? chunk[end - 1] : this.carry[this.#carried - 1]) === CR;
    const length = hasReturn ? total - 1 : total;
    if (length > this.maxLineBytes) {
      this.#carried = 0;
      return this.#reject(length);
    }
    this.#append(chunk, start, end);
    this.#carried = 0;
    this.#give(this.carry, 0, length);
  }

  #give(bytes: Buffer, start: number, end: number): void {
    if (end - start > this.maxLineBytes) return this.#reject(end - start);
    this.lines++;
    this.#handler(bytes.toString('utf8', start, end));
  }

  #reject(bytes: number): void {
    this.tooLong++;
    this.#onTooLong?.(bytes);
  }

  /** The piece behind the last line's end. */
  #keep(chunk: Buffer, start: number): void {
    const length = chunk.length - start;
    if (this.#skipped !== 0 || this.#carried + length > this.maxLineBytes + 1) {
      // One byte more than the limit may still be the CR of its end.
      this.#skipped = (this.#skipped === 0 ? this.#carried : this.#skipped) + length;
      this.#lastSkipped = chunk[chunk.length - 1]!;
      this.#carried = 0;
      return;
    }
    this.#append(chunk, start, chunk.length);
  }

  #append(chunk: Buffer, start: number, end: number): void {
    const total = this.#carried + end - start;
    if (total > this.carry.length) {
      let size = Math.max(FIRST_CARRY_BYTES, this.carry.length);
      while (size < total) size *= 2;
      const grown = Buffer.allocUnsafeSlow(size);
      this.carry.copy(grown, 0, 0, this.#carried);
      this.carry = grown;
    }
    chunk.copy(this.carry, this.#carried, start, end);
    this.#carried = total;
  }
}

/**
 * What lines are read from: a connection, a pipe, standard input, a file; or anything that has these. Where there is
 * `onReceive`, it is used in place of `onData`. What ends by itself, such as a file, has no `end`.
 */
export interface LineSource {
  readonly isClosed: boolean;
  /** Calls `handler` with what was read, valid during the call. */
  onData(handler: (bytes: Uint8Array) => void): unknown;
  /** The same in place: `length` bytes from `offset` on. */
  onReceive?(handler: (bytes: Uint8Array, offset: number, length: number) => void): unknown;
  /** Calls `handler` when no more will come. */
  onEnd(handler: () => void): unknown;
  /** Ends the other way as well, if there is one. */
  end?(): void;
}

/**
 * Calls `handler` for each line of `source`; at its end the source is ended as well, after `onEnd` of the options.
 * Lines that were read before the handler paused the source still come; after it closed it, none. Valid for UTF-8; a
 * byte that is none becomes U+FFFD. Allocates each line's string. Takes the handlers of data and end: throws
 * ERR_PERCORE_CLAIM when they are set already, and so does `onData` afterwards.
 *
 *     lines(io.stdin(), { maxLineBytes: 4096 }, (line) => book.send(line));
 */
export function lines(
  source: LineSource, options: LineOptions | undefined, handler: (line: string) => void,
): LineReader {
  if (typeof source?.onData !== 'function' || typeof source.onEnd !== 'function') {
    throw invalidArgument('source', source, 'a connection, a pipe, a file that is read, or standard input');
  }
  checkFunction('handler', handler);
  const reader = new LineReader(options, (line) => {
    // Closed by a handler of this very chunk.
    if (source.isClosed) return reader.close();
    handler(line);
  });
  setAndClaim(source, ON_DATA | ON_END, 'lines', () => {
    if (typeof source.onReceive !== 'function') source.onData((bytes) => reader.push(bytes));
    else source.onReceive((bytes, offset, length) => reader.push(bytes, offset, length));
    source.onEnd(() => end(reader, source, options));
  });
  return reader;
}

/** Whatever throws here, what follows it is done. */
function end(reader: LineReader, source: LineSource, options: LineOptions | undefined): void {
  try {
    reader.end();
  } finally {
    try {
      options?.onEnd?.();
    } finally {
      source.end?.();
    }
  }
}

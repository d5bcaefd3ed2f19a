/**
 * Finds lines in a stream of bytes, as they come. A line ends with LF or CRLF. If the end of a line has not come yet,
 * its bytes are carried over and decoded later, so a character that is split between two reads arrives whole.
 *
 *      read  | ...line 7 \n line 8 \n li |      |ne 9 \r\n ...
 *                                    carried --^
 *
 * A line longer than `maxLineBytes` is skipped to its end, counted and reported, so memory never grows beyond that
 * limit. Node's readline has no limit, and is therefore not used: one peer that never ends its line would take all
 * memory.
 */
import { bufferOf, byteOffsetOf } from '../byte-views.js';
import { checkFunction, checkInteger, checkOptions, invalidArgument } from '../errors.js';
import { behind, ON_DATA, ON_END, setAndClaim } from './claims.js';
import { checkSpan, restOf } from './stream-options.js';

/** Options of `lines` and of a LineReader. */
export interface LineOptions {
  /** Most bytes in a line, without its end: 1 to 2^30. Default 65,536. */
  maxLineBytes?: number;
  /** Called with the length of each line that was too long, when its end has come. */
  onTooLong?: (bytes: number) => void;
  /** Called when no more will come, after the last line. A LineReader that is used by itself does not call it. */
  onEnd?: () => void;
}

const LF = 10;
const CR = 13;
const FIRST_CARRY_BYTES = 256;

/**
 * Takes bytes as they come and calls a handler with each line. `lines` makes one for an endpoint; use one by itself for
 * bytes from elsewhere. Only for one thread. Does not block. The constructor throws ERR_PERCORE_INVALID_ARGUMENT.
 *
 *     const reader = new LineReader({ maxLineBytes: 1000 }, (line) => console.log(line));
 *     reader.push(bytes);
 *     reader.end();
 */
export class LineReader {
  /** How many lines the handler was given. */
  lines = 0;
  /** How many lines were too long. */
  tooLong = 0;
  /** A line with more bytes is left out, and `onTooLong` is told of it. */
  readonly maxLineBytes: number;
  readonly #handler: (line: string) => void;
  readonly #onTooLong: ((bytes: number) => void) | undefined;
  private carry = Buffer.alloc(0);
  #carried = 0;
  /** How many bytes have come of a line that is already too long; 0 when there is none. */
  #skipped = 0;
  /** The last byte that was skipped. */
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

  /** True when no further line will come. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** No line follows, not even from the bytes that are just being read. For a handler that has closed its endpoint. */
  close(): void {
    this.#isClosed = true;
    this.carry = Buffer.alloc(0);
    this.#carried = 0;
  }

  /**
   * Takes what was read: `length` bytes from `offset` on, or all of them. Allocates each line's string. If a handler
   * throws, no other line is lost: the remaining lines are given first, then the error is thrown (an AggregateError if
   * there are several). Throws ERR_PERCORE_INVALID_ARGUMENT.
   */
  push(bytes: Uint8Array, offset = 0, length: number = restOf(bytes, offset)): void {
    checkSpan(bytes, offset, length);
    // Bytes that were transferred to another thread end here, since they have no memory that could be looked at.
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

  /** Gives what came last as a line, although it has no end. */
  end(): void {
    if (this.#isClosed) return;
    const [carry, carried, skipped] = [this.carry, this.#carried, this.#skipped];
    this.close();
    if (skipped !== 0) this.#reject(skipped);
    else if (carried > this.maxLineBytes) this.#reject(carried);
    else if (carried !== 0) this.#give(carry, 0, carried);
  }

  /** Ends the line whose last piece begins at `start` and whose LF is at `end`. */
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

  /** Keeps the piece that follows the end of the last line. */
  #keep(chunk: Buffer, start: number): void {
    const length = chunk.length - start;
    if (this.#skipped !== 0 || this.#carried + length > this.maxLineBytes + 1) {
      // One byte more than the limit is allowed, since it may be the CR of the line's end.
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
 * What lines are read from: a connection, a pipe, standard input, a file, or anything else that has these methods. If
 * it has `onReceive`, that is used in place of `onData`. A source that ends by itself, such as a file, has no `end`.
 */
export interface LineSource {
  readonly isClosed: boolean;
  /** Calls `handler` with what was read, which is valid during the call. */
  onData(handler: (bytes: Uint8Array) => void): unknown;
  /** The same in place: `length` bytes from `offset` on. */
  onReceive?(handler: (bytes: Uint8Array, offset: number, length: number) => void): unknown;
  /** Calls `handler` when no more will come. */
  onEnd(handler: () => void): unknown;
  /** Ends the other direction as well, if there is one. */
  end?(): void;
}

/**
 * Calls `handler` with each line of `source`. At the end of the source, `onEnd` of the options is called, and then the
 * source is ended as well. If the handler pauses the source, lines that were already read still come; if it closes the
 * source, none do. Text is decoded as UTF-8, and a byte that is not valid becomes U+FFFD. Allocates each line's string.
 * It claims the handlers of data and end: throws ERR_PERCORE_CLAIM when one of them is already set, and so does setting
 * one afterwards.
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
  const endpoint = behind(source);
  const reader = new LineReader(options, (line) => {
    // A handler has closed the source within this very chunk.
    if (source.isClosed) return reader.close();
    const result: unknown = handler(line);
    if (result !== undefined) endpoint?.follow(result);
  });
  setAndClaim(source, ON_DATA | ON_END, 'lines', () => {
    if (typeof source.onReceive !== 'function') source.onData((bytes) => reader.push(bytes));
    else source.onReceive((bytes, offset, length) => reader.push(bytes, offset, length));
    source.onEnd(() => {
      const result = end(reader, source, options);
      if (result !== undefined) endpoint?.follow(result);
    });
  });
  return reader;
}

/** If one of these steps throws, the next ones are done all the same. */
function end(reader: LineReader, source: LineSource, options: LineOptions | undefined): unknown {
  let result: unknown;
  try {
    reader.end();
  } finally {
    try {
      result = options?.onEnd?.();
    } finally {
      source.end?.();
    }
  }
  return result;
}

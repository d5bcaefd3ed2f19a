/**
 * How records lie in a stream of bytes, which keeps no boundaries of its own.
 *
 *     'line'     a record | \n | a record | \n ...          for `cat` and `echo`; no record holds a line feed
 *     'length'   4 bytes | a record | 4 bytes | ...         any bytes; a little-endian length, without itself
 *
 * The reader puts whole records together from pieces of any size, even single bytes, and looks at each byte once. A
 * record that is longer than it accepts is skipped to its end and counted, in bounded memory.
 */
import { isBytes } from '../byte-views.js';
import { PercoreError, invalidArgument } from '../errors.js';
import { copyBytes, lengthOf } from './copy-bytes.js';

/** How records are told apart in the stream of a pipe; see `PipeQueueOptions`. */
export type Framing = 'line' | 'length';
/** What the ends of a pipe take and give: strings or Uint8Array. */
export type PipeValues = 'text' | 'bytes';

/**
 * POSIX promises that a write of up to this many bytes is not mixed with the bytes of other writers; it is 4,096 on
 * every Linux.
 */
export const PIPE_BUF = 4096;
/** One read takes at least this many bytes, if they are there: the usual capacity of a pipe. */
export const READ_BYTES = 65_536;
const LINE_FEED = 10;
const LENGTH_BYTES = 4;

/** The bytes that framing adds to each record. */
export const overheadOf = (framing: Framing): number => (framing === 'line' ? 1 : LENGTH_BYTES);

/**
 * The length in bytes of the record for `value`, without framing. Throws for a value that cannot be sent in this way.
 */
export function measure(value: string | Uint8Array, values: PipeValues, framing: Framing): number {
  if (values === 'text') {
    if (typeof value !== 'string')
      throw invalidArgument('value', value, "a string: this pipe was created with values 'text'");
    if (!(value as string & { isWellFormed(): boolean }).isWellFormed()) {
      throw new PercoreError(
        'ERR_PERCORE_UNSERIALIZABLE', 'value holds half a surrogate pair, which has no UTF-8. Send it as bytes',
        { argument: 'value' },
      );
    }
    if (framing === 'line' && value.includes('\n')) throw lineFeed();
    return Buffer.byteLength(value);
  }
  if (!isBytes(value)) throw invalidArgument('value', value, "a Uint8Array: this pipe was created with values 'bytes'");
  // The bytes of a buffer that was transferred away are gone, and cannot be searched.
  const length = lengthOf(value);
  if (framing === 'line' && length > 0 && Uint8Array.prototype.includes.call(value, LINE_FEED)) throw lineFeed();
  return length;
}

function lineFeed(): PercoreError {
  return new PercoreError(
    'ERR_PERCORE_INVALID_ARGUMENT',
    "value must be without a line feed: framing 'line' ends a record there, and a reader would see two. Create the "
      + "pipe with framing 'length'",
    {
      argument: 'value', allowed: 'a record without a line feed',
    },
  );
}

/** Writes a measured record and its frame at byte `at`, where there is room. */
export function frame(value: string | Uint8Array, length: number, framing: Framing, out: Buffer, at: number): void {
  let begin = at;
  if (framing === 'length') begin = out.writeUInt32LE(length, at);
  if (typeof value === 'string') out.write(value, begin, length, 'utf8');
  else copyBytes(value, length, out, begin);
  if (framing === 'line') out[begin + length] = LINE_FEED;
}

/**
 * Finds whole records in a stream. The caller asks for room, fills it and searches: `room`, `filled`, `find`, `take`.
 */
export class FrameReader {
  /** The next piece goes here: at `end`, at most `room()` bytes. */
  bytes: Uint8Array;
  end = 0;
  /** The record that `find` has found: its first byte and its length, without framing. */
  at = 0;
  length = 0;
  /** How many records were longer than `maxRecordBytes` so far. `find` finds none of them. */
  tooLarge = 0;
  private buffer: Buffer;
  private start = 0;
  /** For lines: no byte before this one is a line feed. */
  private searched = 0;
  /** The bytes still to come of a record that is too large; Infinity for a line, whose end is not known. */
  private skip = 0;
  /** How many bytes from `start` on the next record needs, as far as that is known. */
  private needed = 0;
  private isFound = false;

  constructor(private readonly framing: Framing, private readonly maxRecordBytes: number, bufferBytes = READ_BYTES) {
    this.bytes = new Uint8Array(bufferBytes + 1);
    this.buffer = Buffer.from(this.bytes.buffer);
  }

  /** How many bytes can be put at `end`: at least 1. One byte stays free for the search. */
  room(): number {
    if (this.start === this.end) this.moveToFront();
    const isShort = this.end === this.bytes.length - 1 || this.start + this.needed > this.bytes.length - 1;
    if (isShort) {
      if (this.start > 0) this.moveToFront();
      if (this.end === this.bytes.length - 1 || this.needed > this.bytes.length - 1) this.grow();
    }
    return this.bytes.length - 1 - this.end;
  }

  /** Says that `count` bytes were put at `end`. */
  filled(count: number): void {
    this.end += count;
    // The search for a line feed stops here, wherever older bytes end.
    this.bytes[this.end] = LINE_FEED;
  }

  /** True when a whole record is there. Then `at` and `length` say where, until `take`. */
  find(): boolean {
    if (!this.isFound) this.isFound = this.framing === 'line' ? this.findLine() : this.findLength();
    return this.isFound;
  }

  /** Takes the found record. Its bytes stay in place until the next `room`. */
  take(): void {
    this.isFound = false;
    this.start = this.at + this.length + (this.framing === 'line' ? 1 : 0);
    this.searched = this.start;
    this.needed = 0;
  }

  /** A copy of the record that was just taken. In text, bytes that are not UTF-8 become U+FFFD. */
  read(values: PipeValues): string | Uint8Array {
    const to = this.at + this.length;
    return values === 'text' ? this.buffer.toString('utf8', this.at, to) : this.bytes.slice(this.at, to);
  }

  /**
   * The stream has ended. What came last is a line too, though no line feed ends it; returns false if there is nothing.
   * A record by length that was cut off does not count: see `cut`.
   */
  endLine(): boolean {
    if (this.framing === 'length' || this.end === this.start || this.skip !== 0) return false;
    // The line feed is there already: see `filled`.
    this.end++;
    return this.find();
  }

  /**
   * The stream has ended: forgets what is there of a record, and returns how many were cut off, 0 or 1. A record that
   * is too large was counted already.
   */
  cut(): number {
    const isCut = this.end > this.start && this.skip === 0;
    this.start = this.end = this.searched = this.skip = this.needed = 0;
    this.isFound = false;
    return isCut ? 1 : 0;
  }

  private findLine(): boolean {
    // Each pass takes a line away, so there are at most as many passes as bytes.
    for (;;) {
      // If the range is empty, the byte at `end` may be an old one, since nothing was filled in since then.
      const feed = this.searched === this.end ? this.end : this.buffer.indexOf(LINE_FEED, this.searched);
      if (feed === this.end) {
        this.searched = feed;
        if (this.skip === 0 && this.end - this.start > this.maxRecordBytes) {
          this.tooLarge++;
          this.skip = Infinity;
        }
        if (this.skip !== 0) this.start = this.end;
        return false;
      }
      const length = feed - this.start;
      if (this.skip === 0 && length <= this.maxRecordBytes) {
        this.at = this.start;
        this.length = length;
        return true;
      }
      if (this.skip === 0) this.tooLarge++;
      this.skip = 0;
      this.start = this.searched = feed + 1;
    }
  }

  private findLength(): boolean {
    // Each pass takes a header away.
    for (;;) {
      const skipped = Math.min(this.skip, this.end - this.start);
      this.skip -= skipped;
      this.start += skipped;
      if (this.skip > 0 || this.end - this.start < LENGTH_BYTES) return false;
      const length = this.buffer.readUInt32LE(this.start);
      if (length <= this.maxRecordBytes) {
        this.needed = LENGTH_BYTES + length;
        if (this.end - this.start < this.needed) return false;
        this.at = this.start + LENGTH_BYTES;
        this.length = length;
        return true;
      }
      this.tooLarge++;
      this.start += LENGTH_BYTES;
      this.skip = length;
    }
  }

  private moveToFront(): void {
    this.bytes.copyWithin(0, this.start, this.end);
    this.end -= this.start;
    this.searched -= this.start;
    this.start = 0;
    this.bytes[this.end] = LINE_FEED;
  }

  private grow(): void {
    const larger = new Uint8Array(Math.max((this.bytes.length - 1) * 2, this.needed) + 1);
    larger.set(this.bytes.subarray(0, this.end));
    this.bytes = larger;
    this.buffer = Buffer.from(larger.buffer);
    this.bytes[this.end] = LINE_FEED;
  }
}

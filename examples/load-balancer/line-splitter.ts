/**
 * Cuts the byte stream of one connection into lines, judges each and hands it to a sink, in order and in place.
 *
 *   pushed range      …tail of a line\n | whole line\n  whole line\n  whole line\n | head of a line…
 *                     completes the       handed over as offsets into the          copied to the carry
 *                     carry buffer        pushed array, nothing is copied          buffer, 64 KiB at most
 *
 * A line is `<band 0-7> <key> <payload>`, or with `isRaw` any text, whose key is one of its fields. Every line,
 * good or rejected, takes the next seq. Rejections count one reason, the first that applies:
 *
 *   too-long     over 65,536 bytes before the line feed; known as soon as one byte too many came, the rest is skipped
 *   half-line    bytes without a line feed when the connection ended
 *   empty-line   nothing before the line feed, or only one carriage return
 *   nul-byte, not-utf8
 *   bad-band     not one digit 0-7 followed by a space or the end
 *   missing-key  no byte before the next space or the end; raw: fewer fields than `keyField`
 *
 * Text is checked once a push, by two native passes over all its whole lines (1.6 µs for 64 KiB); only when these
 * find a fault, or the range is short, is each line checked by itself. The range checked begins and ends at a line
 * feed, so a character cut by the border of a chunk is never seen cut: its line is checked in the carry buffer.
 *
 * The line feed is searched four bytes at a time in an int32 (Mycroft's test for a zero byte, see Warren, Hacker's
 * Delight, section 6-1). Not `Buffer.indexOf`: it wins 5 ns a line on ordinary memory where Node 20 can use its
 * fast call, and loses 13 ns where it cannot, which is every array on shared memory. Not `Uint8Array.indexOf`,
 * nor a loop over bytes: both cost 35 ns a line.
 */

import { isUtf8 } from 'node:buffer';

/** The longest line in bytes, a carriage return included, the line feed not. */
export const MAX_LINE_BYTES = 65_536;

export const REJECT_REASONS = [
  'too-long', 'half-line', 'empty-line', 'nul-byte', 'not-utf8', 'bad-band', 'missing-key',
] as const;
export type RejectReason = (typeof REJECT_REASONS)[number];

/** Receives the lines. Neither method may call the splitter. */
export interface LineSink {
  /**
   * A good line: `bytes[lineStart, lineEnd)` without its line end, key and payload inside. True takes it; false refuses
   * it, and the same line with the same seq is offered again by the next push. The array is the pushed one or the
   * splitter's own carry buffer: its bytes are only valid during the call, so copy what is kept.
   */
  line(
    bytes: Uint8Array, lineStart: number, lineEnd: number, band: number,
    keyStart: number, keyEnd: number, payloadStart: number, payloadEnd: number, seq: number,
  ): boolean;
  rejected(seq: number, reason: RejectReason): void;
}

export interface LineSplitterOptions {
  /** Any text is a line; band 6 if it matches `urgent`, else 1; the payload is the whole line. Default false. */
  readonly isRaw?: boolean;
  /** Which whitespace-separated field of a raw line is its key, from 1, the default. */
  readonly keyField?: number;
  readonly urgent?: RegExp | undefined;
  /** At least 1; default `MAX_LINE_BYTES`. Tests make it small. */
  readonly maxLineBytes?: number;
}

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const ZERO = 0x30;
const TOP_BAND = 7;
const RAW_BAND = 1;
const RAW_URGENT_BAND = 6;

const FIRST_CARRY_BYTES = 1_024;
/** Below this the calls into native code cost more than looking at the bytes from JavaScript. */
const NATIVE_CHECK_BYTES = 512;
const NATIVE_COPY_BYTES = 128;

const LOW_BITS = 0x01010101;
const HIGH_BITS = 0x80808080 | 0;
const LINE_FEEDS = 0x0a0a0a0a;

/** One per connection, used by one thread. Nothing blocks; a good line that lies inside one push allocates nothing. */
export class LineSplitter {
  /** How many lines were rejected for each reason. Read only. */
  readonly rejectedByReason: Record<RejectReason, number>;

  readonly #sink: LineSink;
  readonly #isRaw: boolean;
  readonly #keyField: number;
  readonly #urgent: RegExp | undefined;
  readonly #maxLineBytes: number;
  #seq = 0;
  #isEnded = false;
  /** The rest of a line that is too long, up to its line feed, is still to come. */
  #isSkipping = false;
  /** The carry buffer holds a whole line that the sink refused. */
  #isLineHeld = false;
  #carry: Uint8Array;
  #carryView: DataView;
  #carriedBytes = 0;
  #bytes: Uint8Array;
  #view: DataView;

  constructor(sink: LineSink, options: LineSplitterOptions = {}) {
    const { isRaw = false, keyField = 1, urgent, maxLineBytes = MAX_LINE_BYTES } = options;
    if (!Number.isInteger(keyField) || keyField < 1) {
      throw new RangeError(`keyField is ${keyField}, allowed are integers from 1`);
    }
    if (!Number.isInteger(maxLineBytes) || maxLineBytes < 1) {
      throw new RangeError(`maxLineBytes is ${maxLineBytes}, allowed are integers from 1`);
    }
    this.#sink = sink;
    this.#isRaw = isRaw;
    this.#keyField = keyField;
    // A global or sticky expression would start where its last match ended, that is, in another line.
    this.#urgent = urgent && new RegExp(urgent.source, urgent.flags.replace(/[gy]/g, ''));
    this.#maxLineBytes = maxLineBytes;
    this.#carry = new Uint8Array(Math.min(FIRST_CARRY_BYTES, maxLineBytes));
    this.#carryView = viewOf(this.#carry);
    this.#bytes = this.#carry;
    this.#view = this.#carryView;
    const zeros = REJECT_REASONS.map((reason) => [reason, 0]);
    this.rejectedByReason = Object.fromEntries(zeros) as Record<RejectReason, number>;
  }

  /** Lines seen, good and rejected; also the seq of the next one. */
  get linesIn(): number {
    return this.#seq;
  }

  /** Bytes now in the carry buffer. */
  get carriedBytes(): number {
    return this.#carriedBytes;
  }

  /** A refused line waits in the carry buffer: the next push, an empty one too, offers it first. */
  get isLineHeld(): boolean {
    return this.#isLineHeld;
  }

  /**
   * Takes `bytes[from, to)` and returns the index of the first byte not consumed. That is `to` unless the sink
   * refused a line; push the rest again, beginning with that index, when there is room. When the refused line began in
   * an earlier push its bytes are already consumed, so this may return `to` with `isLineHeld` true: an empty push then
   * offers it again. Throws RangeError for a bad range, and Error after `end()`; what a sink throws passes
   * through and leaves the splitter unusable. No other thread may write `bytes` meanwhile.
   */
  push(bytes: Uint8Array, from: number, to: number): number {
    if (!(from >= 0 && from <= to && to <= bytes.length)) {
      throw new RangeError(`range is [${from}, ${to}), allowed are ranges inside [0, ${bytes.length})`);
    }
    if (this.#isEnded) throw new Error('push after end');
    if (this.#isLineHeld && !this.#offerHeldLine()) return from;
    if (bytes !== this.#bytes) {
      this.#bytes = bytes;
      this.#view = viewOf(bytes);
    }
    let at = from;
    if (this.#isSkipping) at = this.#skip(at, to);
    if (this.#carriedBytes > 0 && at < to) {
      at = this.#completeCarry(at, to);
      if (this.#isLineHeld) return at;
    }
    const wholeEnd = endOfLastLine(bytes, at, to);
    if (at < wholeEnd) {
      const isText = wholeEnd - at >= NATIVE_CHECK_BYTES && isTextNatively(bytes, at, wholeEnd);
      at = isText && !this.#isRaw ? this.#takeTextLines(at, wholeEnd) : this.#takeLines(at, wholeEnd, isText);
      if (at < wholeEnd) return at;
    }
    if (at < to) this.#startCarry(at, to);
    return to;
  }

  /**
   * The connection is over. Returns false, and has to be called again, while a refused line waits for room;
   * else rejects what is left without a line feed, and returns true.
   */
  end(): boolean {
    if (this.#isLineHeld && !this.#offerHeldLine()) return false;
    if (this.#carriedBytes > 0) this.#reject('half-line');
    this.#carriedBytes = 0;
    this.#isEnded = true;
    return true;
  }

  /**
   * The fast path: `[at, wholeEnd)` are whole lines of the banded form, all text. Returns wholeEnd, or the start of a
   * refused line. Lines with anything unusual go to `#judge`.
   */
  #takeTextLines(at: number, wholeEnd: number): number {
    const bytes = this.#bytes;
    const view = this.#view;
    const sink = this.#sink;
    const maxLineBytes = this.#maxLineBytes;
    while (at < wholeEnd) {
      const band = bytes[at] - ZERO;
      const keyStart = at + 2;
      let keyEnd = keyStart;
      if (band >= 0 && band <= TOP_BAND && bytes[at + 1] === SPACE) {
        // Ends at the latest at the line feed before wholeEnd.
        while (bytes[keyEnd] !== SPACE && bytes[keyEnd] !== LINE_FEED) keyEnd++;
        if (keyEnd > keyStart && bytes[keyEnd] === SPACE) {
          const lineFeed = findLineFeed(bytes, view, keyEnd + 1, wholeEnd);
          if (lineFeed - at <= maxLineBytes) {
            const lineEnd = bytes[lineFeed - 1] === CARRIAGE_RETURN ? lineFeed - 1 : lineFeed;
            if (!sink.line(bytes, at, lineEnd, band, keyStart, keyEnd, keyEnd + 1, lineEnd, this.#seq)) return at;
            this.#seq++;
            at = lineFeed + 1;
            continue;
          }
        }
      }
      const lineFeed = findLineFeed(bytes, view, at, wholeEnd);
      if (!this.#judge(bytes, view, at, lineFeed, true)) return at;
      at = lineFeed + 1;
    }
    return at;
  }

  #takeLines(at: number, wholeEnd: number, isText: boolean): number {
    const bytes = this.#bytes;
    const view = this.#view;
    while (at < wholeEnd) {
      const lineFeed = findLineFeed(bytes, view, at, wholeEnd);
      if (!this.#judge(bytes, view, at, lineFeed, isText)) return at;
      at = lineFeed + 1;
    }
    return at;
  }

  /** Rejects the line in `[start, end)`, or offers it. False if it was refused. */
  #judge(bytes: Uint8Array, view: DataView, start: number, end: number, isText: boolean): boolean {
    if (end - start > this.#maxLineBytes) return this.#reject('too-long');
    const lineEnd = end > start && bytes[end - 1] === CARRIAGE_RETURN ? end - 1 : end;
    if (lineEnd === start) return this.#reject('empty-line');
    if (!isText) {
      const fault = textFault(bytes, view, start, lineEnd);
      if (fault !== undefined) return this.#reject(fault);
    }
    return this.#isRaw ? this.#judgeRaw(bytes, start, lineEnd) : this.#judgeBanded(bytes, start, lineEnd);
  }

  #judgeBanded(bytes: Uint8Array, start: number, lineEnd: number): boolean {
    const band = bytes[start] - ZERO;
    if (band < 0 || band > TOP_BAND) return this.#reject('bad-band');
    if (start + 1 < lineEnd && bytes[start + 1] !== SPACE) return this.#reject('bad-band');
    const keyStart = start + 2;
    let keyEnd = keyStart;
    while (keyEnd < lineEnd && bytes[keyEnd] !== SPACE) keyEnd++;
    if (keyEnd === keyStart) return this.#reject('missing-key');
    const payloadStart = keyEnd < lineEnd ? keyEnd + 1 : lineEnd;
    return this.#offer(bytes, start, lineEnd, band, keyStart, keyEnd, payloadStart);
  }

  #judgeRaw(bytes: Uint8Array, start: number, lineEnd: number): boolean {
    let keyStart = start;
    let keyEnd = start;
    for (let field = 0; field < this.#keyField; field++) {
      keyStart = keyEnd;
      while (keyStart < lineEnd && isWhitespace(bytes[keyStart])) keyStart++;
      if (keyStart === lineEnd) return this.#reject('missing-key');
      keyEnd = keyStart;
      while (keyEnd < lineEnd && !isWhitespace(bytes[keyEnd])) keyEnd++;
    }
    const isUrgent = this.#urgent !== undefined && this.#urgent.test(bufferOf(bytes, start, lineEnd).toString());
    return this.#offer(bytes, start, lineEnd, isUrgent ? RAW_URGENT_BAND : RAW_BAND, keyStart, keyEnd, start);
  }

  #offer(
    bytes: Uint8Array, start: number, lineEnd: number, band: number,
    keyStart: number, keyEnd: number, payloadStart: number,
  ): boolean {
    if (!this.#sink.line(bytes, start, lineEnd, band, keyStart, keyEnd, payloadStart, lineEnd, this.#seq)) return false;
    this.#seq++;
    return true;
  }

  /** Always true: a rejected line is dealt with, there is nothing to offer again. */
  #reject(reason: RejectReason): true {
    const seq = this.#seq++;
    this.rejectedByReason[reason]++;
    this.#sink.rejected(seq, reason);
    return true;
  }

  /** Returns the index behind the line feed that ends the skipped line, or `to`. */
  #skip(at: number, to: number): number {
    const lineFeed = findLineFeed(this.#bytes, this.#view, at, to);
    if (lineFeed === to) return to;
    this.#isSkipping = false;
    return lineFeed + 1;
  }

  /** Appends to the carried line up to its line feed, and judges it if that came. Returns where the next one starts. */
  #completeCarry(at: number, to: number): number {
    const lineFeed = findLineFeed(this.#bytes, this.#view, at, to);
    const isWhole = lineFeed < to;
    if (this.#carriedBytes + (lineFeed - at) > this.#maxLineBytes) {
      this.#carriedBytes = 0;
      this.#isSkipping = !isWhole;
      this.#reject('too-long');
    } else {
      this.#append(at, lineFeed);
      if (isWhole) {
        this.#isLineHeld = true;
        this.#offerHeldLine();
      }
    }
    return isWhole ? lineFeed + 1 : to;
  }

  /** False if the sink refuses the line again. */
  #offerHeldLine(): boolean {
    if (!this.#judge(this.#carry, this.#carryView, 0, this.#carriedBytes, false)) return false;
    this.#isLineHeld = false;
    this.#carriedBytes = 0;
    return true;
  }

  /** Begins a line of which the range ends before its line feed. */
  #startCarry(at: number, to: number): void {
    if (to - at > this.#maxLineBytes) {
      this.#isSkipping = true;
      this.#reject('too-long');
    } else {
      this.#append(at, to);
    }
  }

  #append(at: number, to: number): void {
    const carried = this.#carriedBytes;
    const needed = carried + (to - at);
    if (needed > this.#carry.length) this.#growCarry(needed);
    const carry = this.#carry;
    if (to - at >= NATIVE_COPY_BYTES) {
      carry.set(this.#bytes.subarray(at, to), carried);
    } else {
      const bytes = this.#bytes;
      for (let index = 0; index < to - at; index++) carry[carried + index] = bytes[at + index];
    }
    this.#carriedBytes = needed;
  }

  /** Doubles, so that a line arriving byte by byte is copied a bounded number of times. */
  #growCarry(needed: number): void {
    const grown = new Uint8Array(Math.min(this.#maxLineBytes, Math.max(needed, 2 * this.#carry.length)));
    grown.set(this.#carry.subarray(0, this.#carriedBytes));
    this.#carry = grown;
    this.#carryView = viewOf(grown);
  }
}

/** The index of the first line feed in `[from, to)`, or `to`. Reads nothing outside the range. */
function findLineFeed(bytes: Uint8Array, view: DataView, from: number, to: number): number {
  let at = from;
  const lastPair = to - 8;
  while (at <= lastPair) {
    const low = view.getInt32(at, true) ^ LINE_FEEDS;
    const high = view.getInt32(at + 4, true) ^ LINE_FEEDS;
    const lowMatch = (low - LOW_BITS) & ~low & HIGH_BITS;
    const highMatch = (high - LOW_BITS) & ~high & HIGH_BITS;
    if ((lowMatch | highMatch) !== 0) {
      return lowMatch !== 0 ? at + lowestByte(lowMatch) : at + 4 + lowestByte(highMatch);
    }
    at += 8;
  }
  while (at < to && bytes[at] !== LINE_FEED) at++;
  return at;
}

/** Which byte holds the lowest set bit. Bits above it may be false matches, by a borrow; the lowest never is. */
function lowestByte(match: number): number {
  return (31 - Math.clz32(match & -match)) >> 3;
}

/** The index behind the last line feed of `[from, to)`, or `from` if it has none. */
function endOfLastLine(bytes: Uint8Array, from: number, to: number): number {
  let at = to;
  while (at > from && bytes[at - 1] !== LINE_FEED) at--;
  return at;
}

/** Says why a line is not text; nothing if it is. */
function textFault(bytes: Uint8Array, view: DataView, from: number, to: number): 'nul-byte' | 'not-utf8' | undefined {
  const isShort = to - from < NATIVE_CHECK_BYTES;
  if (isShort ? isPlainAscii(bytes, view, from, to) : isTextNatively(bytes, from, to)) return undefined;
  const line = bufferOf(bytes, from, to);
  if (line.includes(0)) return 'nul-byte';
  return isUtf8(line) ? undefined : 'not-utf8';
}

/** Only bytes from 1 to 127. */
function isPlainAscii(bytes: Uint8Array, view: DataView, from: number, to: number): boolean {
  let at = from;
  const lastWord = to - 4;
  while (at <= lastWord) {
    const word = view.getInt32(at, true);
    // A byte's top bit comes out set if it was set, or by a borrow, which begins at a zero byte.
    if ((((word - LOW_BITS) | word) & HIGH_BITS) !== 0) return false;
    at += 4;
  }
  while (at < to) {
    if (bytes[at] === 0 || bytes[at] > 127) return false;
    at++;
  }
  return true;
}

/** Valid UTF-8 without NUL. Works on shared memory too: Node 20's isUtf8 and Buffer.includes accept it. */
function isTextNatively(bytes: Uint8Array, from: number, to: number): boolean {
  const range = bufferOf(bytes, from, to);
  return isUtf8(range) && !range.includes(0);
}

function isWhitespace(byte: number): boolean {
  return byte === SPACE || (byte >= 0x09 && byte <= 0x0d);
}

function bufferOf(bytes: Uint8Array, from: number, to: number): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * Cuts the byte stream of one connection into lines and hands each to a sink, in order and in place.
 *
 *   pushed range      …tail of a line\n | whole line\n  whole line\n  whole line\n | head of a line…
 *                     completes the       handed over as offsets into the          copied to the carry
 *                     carry buffer        pushed array, nothing is copied          buffer, 64 KiB at most
 *
 * `line-rules.ts` says which lines are good. Text is checked once a push, by two native passes over all its whole lines
 * (1.6 µs for 64 KiB); only when these find a fault, or the range is short, is each line checked by itself. The range
 * checked begins and ends at a line feed, so a character cut by the border of a chunk is never seen cut: its line is
 * checked in the carry buffer.
 */
import { LineRules, type LineSink, type LineSplitterOptions, type RejectReason } from './line-rules.js';
import {
  CARRIAGE_RETURN, LINE_FEED, NATIVE_CHECK_BYTES, SPACE, endOfLastLine, findLineFeed, isTextNatively, viewOf,
} from './line-scan.js';

const ZERO = 0x30;
const TOP_BAND = 7;
const FIRST_CARRY_BYTES = 1_024;
const NATIVE_COPY_BYTES = 128;

/** One per connection, used by one thread. Nothing blocks; a good line that lies inside one push allocates nothing. */
export class LineSplitter {
  readonly #rules: LineRules;
  readonly #maxLineBytes: number;
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
    this.#rules = new LineRules(sink, options);
    const { maxLineBytes } = this.#rules;
    this.#maxLineBytes = maxLineBytes;
    this.#carry = new Uint8Array(Math.min(FIRST_CARRY_BYTES, maxLineBytes));
    this.#carryView = viewOf(this.#carry);
    this.#bytes = this.#carry;
    this.#view = this.#carryView;
  }

  /** Lines seen, good and rejected; also the seq of the next one. */
  get linesIn(): number {
    return this.#rules.seq;
  }

  /** How many lines were rejected for each reason. Read only. */
  get rejectedByReason(): Readonly<Record<RejectReason, number>> {
    return this.#rules.rejectedByReason;
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
      at = isText && !this.#rules.isRaw ? this.#takeTextLines(at, wholeEnd) : this.#takeLines(at, wholeEnd, isText);
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
    if (this.#carriedBytes > 0) this.#rules.reject('half-line');
    this.#carriedBytes = 0;
    this.#isEnded = true;
    return true;
  }

  /**
   * The fast path: `[at, wholeEnd)` are whole lines of the banded form, all text. Returns wholeEnd, or the start of a
   * refused line. Lines with anything unusual go to `LineRules.judge`.
   */
  #takeTextLines(at: number, wholeEnd: number): number {
    const bytes = this.#bytes;
    const view = this.#view;
    const rules = this.#rules;
    const { sink } = rules;
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
            if (!sink.line(bytes, at, lineEnd, band, keyStart, keyEnd, keyEnd + 1, lineEnd, rules.seq)) return at;
            rules.seq++;
            at = lineFeed + 1;
            continue;
          }
        }
      }
      const lineFeed = findLineFeed(bytes, view, at, wholeEnd);
      if (!rules.judge(bytes, view, at, lineFeed, true)) return at;
      at = lineFeed + 1;
    }
    return at;
  }

  #takeLines(at: number, wholeEnd: number, isText: boolean): number {
    const bytes = this.#bytes;
    const view = this.#view;
    while (at < wholeEnd) {
      const lineFeed = findLineFeed(bytes, view, at, wholeEnd);
      if (!this.#rules.judge(bytes, view, at, lineFeed, isText)) return at;
      at = lineFeed + 1;
    }
    return at;
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
      this.#rules.reject('too-long');
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
    if (!this.#rules.judge(this.#carry, this.#carryView, 0, this.#carriedBytes, false)) return false;
    this.#isLineHeld = false;
    this.#carriedBytes = 0;
    return true;
  }

  /** Begins a line of which the range ends before its line feed. */
  #startCarry(at: number, to: number): void {
    if (to - at > this.#maxLineBytes) {
      this.#isSkipping = true;
      this.#rules.reject('too-long');
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

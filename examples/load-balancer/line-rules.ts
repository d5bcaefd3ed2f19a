/**
 * What a line is, and which lines are rejected: the first reason that applies.
 *
 *   too-long     over 65,536 bytes before the line feed; known as soon as one byte too many came, the rest is skipped
 *   half-line    bytes without a line feed when the connection ended
 *   empty-line   nothing before the line feed, or only one carriage return
 *   nul-byte, not-utf8
 *   bad-band     not one digit 0-7 followed by a space or the end
 *   missing-key  no byte before the next space or the end; raw: fewer fields than `keyField`
 *
 * A line is `<band 0-7> <key> <payload>`, or with `isRaw` any text, whose key is one of its fields. Every line, good or
 * rejected, takes the next seq.
 */
import { CARRIAGE_RETURN, SPACE, bufferOf, isWhitespace, textFault } from './line-scan.js';

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

const ZERO = 0x30;
const TOP_BAND = 7;
const RAW_BAND = 1;
const RAW_URGENT_BAND = 6;

/** Judges the lines of one connection, numbers them, and hands them to the sink. */
export class LineRules {
  /** How many lines were rejected for each reason. Read only. */
  readonly rejectedByReason: Record<RejectReason, number>;
  readonly isRaw: boolean;
  readonly maxLineBytes: number;
  /** Lines judged; also the number of the next one. */
  seq = 0;
  private readonly keyField: number;
  private readonly urgent: RegExp | undefined;

  constructor(readonly sink: LineSink, options: LineSplitterOptions) {
    const { isRaw = false, keyField = 1, urgent, maxLineBytes = MAX_LINE_BYTES } = options;
    if (!Number.isInteger(keyField) || keyField < 1) {
      throw new RangeError(`keyField is ${keyField}, allowed are integers from 1`);
    }
    if (!Number.isInteger(maxLineBytes) || maxLineBytes < 1) {
      throw new RangeError(`maxLineBytes is ${maxLineBytes}, allowed are integers from 1`);
    }
    this.isRaw = isRaw;
    this.keyField = keyField;
    // A global or sticky expression would start where its last match ended, that is, in another line.
    this.urgent = urgent && new RegExp(urgent.source, urgent.flags.replace(/[gy]/g, ''));
    this.maxLineBytes = maxLineBytes;
    const zeros = REJECT_REASONS.map((reason) => [reason, 0]);
    this.rejectedByReason = Object.fromEntries(zeros) as Record<RejectReason, number>;
  }

  /** Rejects the line in `[start, end)`, or offers it. False if it was refused. */
  judge(bytes: Uint8Array, view: DataView, start: number, end: number, isText: boolean): boolean {
    if (end - start > this.maxLineBytes) return this.reject('too-long');
    const lineEnd = end > start && bytes[end - 1] === CARRIAGE_RETURN ? end - 1 : end;
    if (lineEnd === start) return this.reject('empty-line');
    if (!isText) {
      const fault = textFault(bytes, view, start, lineEnd);
      if (fault !== undefined) return this.reject(fault);
    }
    return this.isRaw ? this.judgeRaw(bytes, start, lineEnd) : this.judgeBanded(bytes, start, lineEnd);
  }

  private judgeBanded(bytes: Uint8Array, start: number, lineEnd: number): boolean {
    const band = bytes[start] - ZERO;
    if (band < 0 || band > TOP_BAND) return this.reject('bad-band');
    if (start + 1 < lineEnd && bytes[start + 1] !== SPACE) return this.reject('bad-band');
    const keyStart = start + 2;
    let keyEnd = keyStart;
    while (keyEnd < lineEnd && bytes[keyEnd] !== SPACE) keyEnd++;
    if (keyEnd === keyStart) return this.reject('missing-key');
    const payloadStart = keyEnd < lineEnd ? keyEnd + 1 : lineEnd;
    return this.offer(bytes, start, lineEnd, band, keyStart, keyEnd, payloadStart);
  }

  private judgeRaw(bytes: Uint8Array, start: number, lineEnd: number): boolean {
    let keyStart = start;
    let keyEnd = start;
    for (let field = 0; field < this.keyField; field++) {
      keyStart = keyEnd;
      while (keyStart < lineEnd && isWhitespace(bytes[keyStart])) keyStart++;
      if (keyStart === lineEnd) return this.reject('missing-key');
      keyEnd = keyStart;
      while (keyEnd < lineEnd && !isWhitespace(bytes[keyEnd])) keyEnd++;
    }
    const isUrgent = this.urgent !== undefined && this.urgent.test(bufferOf(bytes, start, lineEnd).toString());
    return this.offer(bytes, start, lineEnd, isUrgent ? RAW_URGENT_BAND : RAW_BAND, keyStart, keyEnd, start);
  }

  private offer(
    bytes: Uint8Array, start: number, lineEnd: number, band: number,
    keyStart: number, keyEnd: number, payloadStart: number,
  ): boolean {
    if (!this.sink.line(bytes, start, lineEnd, band, keyStart, keyEnd, payloadStart, lineEnd, this.seq)) return false;
    this.seq++;
    return true;
  }

  /** Always true: a rejected line is dealt with, there is nothing to offer again. */
  reject(reason: RejectReason): true {
    const seq = this.seq++;
    this.rejectedByReason[reason]++;
    this.sink.rejected(seq, reason);
    return true;
  }
}

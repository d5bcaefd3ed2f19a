/**
 * Lines in a lane: many in one record, since a record costs 100 ns and a line must not.
 *
 *    record   readNs (f64) | line | line | ...
 *    line     seq (f64) | hash | keyAt | keyLength | payloadLength | payload | key, to a multiple of 8
 *
 * `keyAt` counts from the payload's beginning; a raw line's key lies inside its payload and is not stored again.
 */
import { BACK_PRESSURED, CLOSED, type Address } from 'percore';

export const RECORD_HEAD = 8;
export const LINE_HEAD = 24;
/** Bytes claimed at a time; a longer line gets a record of its own. */
const RECORD_BYTES = 8192;

const align8 = (bytes: number): number => (bytes + 7) & ~7;
/** Bytes that a line takes whose key ends, and payload ends, so far behind its head. */
export const lineBytes = (keyEnd: number, payloadLength: number): number =>
  LINE_HEAD + align8(keyEnd > payloadLength ? keyEnd : payloadLength);

/** Writes lines into the lane of one band to one owner. */
export class LineLane {
  /** It is in the list of lanes to close at the end of the read. */
  isListed = false;
  private start = -1;
  private at = 0;
  private end = 0;
  private lines = 0;

  constructor(
    private readonly address: Address,
    private readonly countSent: (lines: number) => void,
  ) {}

  /** Adds a line to the open record. BACK_PRESSURED or CLOSED: not taken. `readNs` is when its bytes were read. */
  put(
    bytes: Uint8Array, source: DataView, keyStart: number, keyEnd: number, payloadStart: number, payloadEnd: number,
    seq: number, hash: number, readNs: number,
  ): number {
    const payloadLength = payloadEnd - payloadStart;
    const isInside = keyStart >= payloadStart && keyEnd <= payloadEnd;
    const keyAt = isInside ? keyStart - payloadStart : payloadLength;
    const needed = lineBytes(keyAt + keyEnd - keyStart, payloadLength);
    if (this.start < 0 || this.at + needed > this.end) {
      const code = this.open(needed, readNs);
      if (code < 0) return code;
    }
    const { words, view, bytes: target } = this.address;
    const at = this.at;
    view.setFloat64(at, seq, true);
    const head = at >> 2;
    words[head + 2] = hash;
    words[head + 3] = keyAt;
    words[head + 4] = keyEnd - keyStart;
    words[head + 5] = payloadLength;
    copy(bytes, source, payloadStart, payloadEnd, target, words, at + LINE_HEAD);
    if (!isInside) {
      for (let from = keyStart, to = at + LINE_HEAD + keyAt; from < keyEnd; from++, to++) target[to] = bytes[from]!;
    }
    this.at = at + needed;
    this.lines++;
    return 0;
  }

  /** Hands on the open record. */
  close(): void {
    if (this.start < 0) return;
    this.address.commit(this.at - this.start);
    this.start = -1;
    this.countSent(this.lines);
    this.lines = 0;
  }

  whenRoom(then: () => void): void {
    this.address.whenRoom(then);
  }

  private open(needed: number, readNs: number): number {
    this.close();
    let size = Math.max(RECORD_HEAD + needed, RECORD_BYTES);
    let start = this.address.tryClaim(size);
    // Nearly full: the line alone may still fit.
    if (start === BACK_PRESSURED && size > RECORD_HEAD + needed) {
      size = RECORD_HEAD + needed;
      start = this.address.tryClaim(size);
    }
    if (start < 0) return start === CLOSED ? CLOSED : BACK_PRESSURED;
    this.start = start;
    this.end = start + size;
    this.at = start + RECORD_HEAD;
    this.address.view.setFloat64(start, readNs, true);
    return 0;
  }
}

/**
 * Four bytes at a time: for a line of 64 bytes twice as fast as `set` with a `subarray`. The target is aligned, the
 * source need not be.
 */
function copy(
  bytes: Uint8Array, source: DataView, from: number, to: number, target: Uint8Array, words: Int32Array, at: number,
): void {
  if (to - from > 512) {
    target.set(bytes.subarray(from, to), at);
    return;
  }
  let word = at >> 2;
  const last = to - 4;
  while (from <= last) {
    words[word++] = source.getInt32(from, true);
    from += 4;
  }
  for (let i = word << 2; from < to; from++, i++) target[i] = bytes[from]!;
}

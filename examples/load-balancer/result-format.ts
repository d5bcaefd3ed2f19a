/**
 * Writes one result line as bytes:
 *
 *   <seq> <reactor> <band> <key> <count> <crc>\n        12 0 6 card-0417 31 0f3a99c1
 *
 * The digits are written by hand because every alternative (template string and Buffer.write, TextEncoder.encodeInto)
 * builds a string a line first, and so feeds the collector at the rate of the traffic. No table of digit pairs and no
 * arithmetic for hexadecimal digits: both were measured and gain nothing, since the stores are what takes the time.
 */

const ZERO = 0x30;
const SPACE = 0x20;
const LINE_FEED = 0x0a;
const MAX_INTEGER_DIGITS = 16;
const CRC_DIGITS = 8;
const BILLION = 1e9;
const HEX_DIGITS = Uint8Array.from('0123456789abcdef', (digit) => digit.charCodeAt(0));

/** The most bytes that `formatResult` writes for a key of `keyLength` bytes, whatever the figures are. */
export function maxResultBytes(keyLength: number): number {
  const integers = 3 * MAX_INTEGER_DIGITS; // seq, reactor and count.
  const separators = 6; // Five spaces and the line feed.
  return integers + 1 + keyLength + CRC_DIGITS + separators;
}

/**
 * Writes a result line into `out` at `at` and returns the offset behind it. Any thread that owns `out` for writing;
 * never blocks, never allocates.
 *
 * `seq`, `reactor` and `count` are integers from 0 to 2^53 - 1, `band` is 0 to 7, `crc` is 32 bits, signed or not.
 * The caller has made sure that `maxResultBytes(keyEnd - keyStart)` bytes are free: there is no check here.
 */
export function formatResult(
  out: Uint8Array, at: number, seq: number, reactor: number, band: number,
  keyBytes: Uint8Array, keyStart: number, keyEnd: number, count: number, crc: number,
): number {
  at = writeInteger(out, at, seq);
  out[at++] = SPACE;
  at = writeInteger(out, at, reactor);
  out[at] = SPACE;
  out[at + 1] = ZERO + band;
  out[at + 2] = SPACE;
  at += 3;
  for (let index = keyStart; index < keyEnd; index++) out[at++] = keyBytes[index];
  out[at++] = SPACE;
  at = writeInteger(out, at, count);
  out[at] = SPACE;
  out[at + 1] = HEX_DIGITS[crc >>> 28];
  out[at + 2] = HEX_DIGITS[(crc >>> 24) & 15];
  out[at + 3] = HEX_DIGITS[(crc >>> 20) & 15];
  out[at + 4] = HEX_DIGITS[(crc >>> 16) & 15];
  out[at + 5] = HEX_DIGITS[(crc >>> 12) & 15];
  out[at + 6] = HEX_DIGITS[(crc >>> 8) & 15];
  out[at + 7] = HEX_DIGITS[(crc >>> 4) & 15];
  out[at + 8] = HEX_DIGITS[crc & 15];
  out[at + 9] = LINE_FEED;
  return at + 10;
}

function writeInteger(out: Uint8Array, at: number, value: number): number {
  if (value < 10) {
    out[at] = ZERO + value;
    return at + 1;
  }
  if (value < BILLION) {
    const end = at + digitCount(value);
    writeDigits(out, at, end, value);
    return end;
  }
  // Division stays in 32 bits on both halves. The upper one is below 10^7, so this goes one level deep.
  const upper = Math.floor(value / BILLION);
  const middle = writeInteger(out, at, upper);
  writeDigits(out, middle, middle + 9, value - upper * BILLION);
  return middle + 9;
}

/** Fills `[from, to)` with the last digits of `value`, which is below 10^9, with leading zeros where it is short. */
function writeDigits(out: Uint8Array, from: number, to: number, value: number): void {
  let rest = value | 0;
  for (let at = to - 1; at >= from; at--) {
    const quotient = (rest / 10) | 0;
    out[at] = ZERO + (rest - quotient * 10);
    rest = quotient;
  }
}

/** For integers from 10 to 10^9 - 1. */
function digitCount(value: number): number {
  if (value < 100) return 2;
  if (value < 1_000) return 3;
  if (value < 10_000) return 4;
  if (value < 100_000) return 5;
  if (value < 1_000_000) return 6;
  if (value < 10_000_000) return 7;
  if (value < 100_000_000) return 8;
  return 9;
}

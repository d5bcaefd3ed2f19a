/**
 * The arguments of one command, as places in the bytes that were received: nothing is copied and no object is made for
 * them.
 *
 *     bytes   * 2 \r \n $ 3 \r \n G E T \r \n $ 1 \r \n k \r \n
 *     starts                      ^8                    ^17
 *     ends                              ^11               ^18
 *
 * Texts made of them are latin1: one character a byte, so every key and value survives, whatever its bytes are.
 */
export interface Arguments {
  readonly bytes: Uint8Array;
  /** Argument 0 is the command's name. */
  readonly count: number;
  readonly starts: Int32Array;
  readonly ends: Int32Array;
}

let lastBytes: Uint8Array | undefined;
let lastBuffer: Buffer;

/** A Buffer on the same memory; the last one is remembered, since what is received lies in few arrays. */
function bufferOn(bytes: Uint8Array): Buffer {
  if (bytes !== lastBytes) {
    lastBytes = bytes;
    lastBuffer = Buffer.from(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength);
  }
  return lastBuffer;
}

/** The bytes as a latin1 string. Allocates. */
export function textOf(bytes: Uint8Array, start: number, end: number): string {
  return bufferOn(bytes).toString('latin1', start, end);
}

/** True when the bytes are this word; `word` in lower case, the bytes in any. */
export function isWord(bytes: Uint8Array, start: number, end: number, word: string): boolean {
  if (end - start !== word.length) return false;
  for (let i = 0; i < word.length; i++) {
    let byte = bytes[start + i]!;
    if (byte >= 0x41 && byte <= 0x5a) byte |= 0x20;
    if (byte !== word.charCodeAt(i)) return false;
  }
  return true;
}

/** `isWord` for an argument. */
export function argumentIs(args: Arguments, index: number, word: string): boolean {
  return isWord(args.bytes, args.starts[index]!, args.ends[index]!, word);
}

/** An argument as latin1 text. */
export function argumentText(args: Arguments, index: number): string {
  return textOf(args.bytes, args.starts[index]!, args.ends[index]!);
}

export const MOST_64 = 2n ** 63n - 1n;
export const LEAST_64 = -(2n ** 63n);

/**
 * A decimal integer of 64 bits in its only spelling: no sign but `-`, no leading zero, no space. NaN when it is none.
 * Beyond 2^53, where a number is not exact any more, plus or minus Infinity: a caller that needs it exactly asks
 * `readBigInteger`. Does not allocate below 2^53.
 */
export function readInteger(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  const isNegative = at < end && bytes[at] === 0x2d;
  if (isNegative) at++;
  const digits = end - at;
  if (digits === 0 || digits > 19) return NaN;
  const first = bytes[at]!;
  if (first === 0x30) return digits === 1 && !isNegative ? 0 : NaN;
  let value = 0;
  for (; at < end; at++) {
    const digit = bytes[at]! - 0x30;
    if (digit < 0 || digit > 9) return NaN;
    value = value * 10 + digit;
  }
  if (value > Number.MAX_SAFE_INTEGER) {
    const exact = BigInt(textOf(bytes, start, end));
    return exact > MOST_64 || exact < LEAST_64 ? NaN : isNegative ? -Infinity : Infinity;
  }
  return isNegative ? -value : value;
}

/** The exact value of what `readInteger` took. */
export function readBigInteger(bytes: Uint8Array, start: number, end: number): bigint {
  return BigInt(textOf(bytes, start, end));
}

/** `readInteger` for an argument. */
export function argumentInteger(args: Arguments, index: number): number {
  return readInteger(args.bytes, args.starts[index]!, args.ends[index]!);
}

export const isInt64 = (value: bigint): boolean => value <= MOST_64 && value >= LEAST_64;

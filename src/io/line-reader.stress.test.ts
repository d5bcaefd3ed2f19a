/**
 * Compares the line reader with the plainest reference, on random bytes in random pieces: 200,000 inputs in CI,
 * five hundred times as many with `PERCORE_STRESS=1`.
 */
import { describe, expect, it } from 'vitest';
import { LineReader } from './line-reader.js';

/** What the reader should give: all bytes at once, cut and decoded by the plainest means. */
function reference(bytes: Buffer, count: number, maxLineBytes: number): { lines: string[]; tooLong: number[] } {
  const lines: string[] = [];
  const tooLong: number[] = [];
  for (let start = 0, at = 0; at <= count; at++) {
    if (at < count ? bytes[at] !== LF : at === start) continue;
    const end = at < count && at > start && bytes[at - 1] === CR ? at - 1 : at;
    if (end - start > maxLineBytes) tooLong.push(end - start);
    else lines.push(bytes.toString('utf8', start, end));
    start = at + 1;
  }
  return { lines, tooLong };
}

/** A generator of small numbers; the seed stands in each failure's message. */
function randomOf(seed: number): (most: number) => number {
  let state = seed >>> 0 || 1;
  return (most) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % most;
  };
}

const [LF, CR] = [10, 13];
const ALPHABET = [
  [LF], [CR], [CR, LF], [97], [98, 99], [0xc3, 0xa9], [0xe2, 0x82, 0xac], [0xf0, 0x9f, 0x98, 0x80], [0xff], [0xc3],
  [32],
];
const MOST_PARTS = 13;
const MOST_PIECE_BYTES = 5;
/** The input, and the memory that its pieces are read into, which is used again and again as that of a connection. */
const bytes = Buffer.alloc(MOST_PARTS * 4);
const memory = Buffer.alloc(MOST_PIECE_BYTES);
const pieces = Array.from({ length: MOST_PIECE_BYTES + 1 }, (_, length) => memory.subarray(0, length));

/** One random input in random pieces, against the reference. */
function fuzzOnce(random: (most: number) => number, seed: number, n: number): void {
  const max = 1 + random(8);
  let count = 0;
  for (let i = random(MOST_PARTS + 1); i > 0; i--)
    for (const byte of ALPHABET[random(ALPHABET.length)]!) bytes[count++] = byte;
  const given: string[] = [];
  const tooLong: number[] = [];
  const reader = new LineReader(
    { maxLineBytes: max, onTooLong: (length) => tooLong.push(length) }, (line) => given.push(line),
  );
  for (let at = 0; at < count;) {
    const length = Math.min(count - at, 1 + random(MOST_PIECE_BYTES));
    for (let i = 0; i < length; i++) memory[i] = bytes[at + i]!;
    reader.push(pieces[length]!);
    for (let i = 0; i < length; i++) memory[i] = 120;
    at += length;
  }
  reader.end();
  const expected = reference(bytes, count, max);
  // Compared by hand, and by `expect` only when it is wrong, since that costs more than the fuzzing.
  if (isSame(given, expected.lines) && isSame(tooLong, expected.tooLong)) return;
  expect(
    { lines: given, tooLong },
    `seed ${seed}, input ${n}, maxLineBytes ${max}, bytes ${bytes.toString('hex', 0, count)}`,
  ).toEqual(expected);
}

function isSame<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((each, i) => each === b[i]);
}

describe('the line reader', () => {
  const inputs = process.env['PERCORE_STRESS'] === '1' ? 100_000_000 : 200_000;
  it(`is right for ${inputs} random inputs in random pieces`, { timeout: 900_000 }, () => {
    const seed = Number(process.env['FUZZ_SEED'] ?? (Date.now() & 0x7fff_ffff));
    const random = randomOf(seed);
    for (let i = 0; i < inputs; i++) fuzzOnce(random, seed, i);
  });
});

/** The line reader against the plainest reference: random bytes in random pieces. A million inputs in CI, ten million with --stress. */
import { describe, expect, it } from 'vitest';
import { LineReader } from './line-reader.js';

/** What the reader should give: all bytes at once, split and decoded by the plainest means. */
function reference(bytes: Buffer, maxLineBytes: number): { lines: string[]; tooLong: number[] } {
  const text = bytes.toString('latin1');
  const pieces = text.split('\n').map((piece, i, all) => (i < all.length - 1 && piece.endsWith('\r') ? piece.slice(0, -1) : piece));
  if (pieces.at(-1) === '') pieces.pop();
  return {
    lines: pieces.filter(({ length }) => length <= maxLineBytes).map((piece) => Buffer.from(piece, 'latin1').toString()),
    tooLong: pieces.map(({ length }) => length).filter((length) => length > maxLineBytes),
  };
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

const memory = Buffer.alloc(8);
const ALPHABET = [[10], [13], [13, 10], [97], [98, 99], [0xc3, 0xa9], [0xe2, 0x82, 0xac], [0xf0, 0x9f, 0x98, 0x80], [0xff], [0xc3], [32]];

/** One random input in random pieces, against the reference. */
function fuzzOnce(random: (most: number) => number, what: string): void {
  const max = 1 + random(8);
  const parts: number[] = [];
  for (let i = random(14); i > 0; i--) parts.push(...ALPHABET[random(ALPHABET.length)]!);
  const bytes = Buffer.from(parts);
  const given: string[] = [], tooLong: number[] = [];
  const reader = new LineReader({ maxLineBytes: max, onTooLong: (length) => tooLong.push(length) }, (line) => given.push(line));
  for (let at = 0; at < bytes.length;) {
    const length = Math.min(bytes.length - at, 1 + random(5));
    // In memory that is used again, as a connection's is.
    bytes.copy(memory, 0, at, at + length);
    reader.push(memory.subarray(0, length));
    memory.fill(120);
    at += length;
  }
  reader.end();
  const expected = reference(bytes, max);
  const isRight = given.length === expected.lines.length && given.every((line, i) => line === expected.lines[i]) && tooLong.join() === expected.tooLong.join();
  // Compared by hand and told in full only when wrong: expect costs more than the fuzzing.
  if (!isRight) expect({ lines: given, tooLong }, `${what}, maxLineBytes ${max}, bytes ${bytes.toString('hex')}`).toEqual(expected);
}

describe('the line reader', () => {
  const inputs = process.env['PERCORE_STRESS'] === '1' ? 100_000_000 : 10_000_000;
  it(`is right for ${inputs} random inputs in random pieces`, { timeout: 900_000 }, () => {
    const seed = Number(process.env['FUZZ_SEED'] ?? (Date.now() & 0x7fff_ffff));
    const random = randomOf(seed);
    for (let i = 0; i < inputs; i++) fuzzOnce(random, `seed ${seed}, input ${i}`);
  });
});

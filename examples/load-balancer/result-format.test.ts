import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatResult, maxResultBytes } from './result-format.js';

const GUARD = 0xee;
const AT = 5;

interface Result { seq: number; reactor: number; band: number; key: string; count: number; crc: number }

/** Formats behind a guard and before one, checks that both are untouched, and returns the text. */
function formatted({ seq, reactor, band, key, count, crc }: Result): string {
  const keyBytes = Buffer.from(`<${key}>`);
  const keyEnd = keyBytes.length - 1;
  const out = Buffer.alloc(AT + maxResultBytes(keyEnd - 1) + 8, GUARD);
  const end = formatResult(out, AT, seq, reactor, band, keyBytes, 1, keyEnd, count, crc);
  expect(end - AT).toBeLessThanOrEqual(maxResultBytes(keyEnd - 1));
  expect(out.subarray(0, AT).every((byte) => byte === GUARD)).toBe(true);
  expect(out.subarray(end).every((byte) => byte === GUARD)).toBe(true);
  return out.toString('utf8', AT, end);
}

function expected({ seq, reactor, band, key, count, crc }: Result): string {
  return `${seq} ${reactor} ${band} ${key} ${count} ${(crc >>> 0).toString(16).padStart(8, '0')}\n`;
}

describe('formatResult', () => {
  test('writes the figures with single spaces and a line feed', () => {
    const result = { seq: 12, reactor: 0, band: 6, key: 'card-0417', count: 31, crc: 0x0f3a99c1 };
    expect(formatted(result)).toBe('12 0 6 card-0417 31 0f3a99c1\n');
  });

  test('writes integers right on both sides of every power of ten', () => {
    for (let power = 1; power <= Number.MAX_SAFE_INTEGER; power *= 10) {
      for (const seq of [power - 1, power, power + 1]) {
        const result = { seq, reactor: 1, band: 0, key: 'k', count: seq, crc: 0 };
        expect(formatted(result)).toBe(expected(result));
      }
    }
  });

  test('keeps the zeros in the middle of integers above a billion', () => {
    for (const seq of [1_000_000_000, 5_000_000_007, 2 ** 32, 2 ** 53 - 1, 9_000_000_000_000_000]) {
      const result = { seq, reactor: 1, band: 0, key: 'k', count: 1, crc: 0 };
      expect(formatted(result)).toBe(expected(result));
    }
  });

  test('writes any CRC as eight lower-case digits, signed or unsigned', () => {
    for (const crc of [0, 1, 0xabcdef, 0x7fffffff, 0x80000000, 0xffffffff, -1, -0x80000000]) {
      const result = { seq: 0, reactor: 0, band: 0, key: 'k', count: 0, crc };
      expect(formatted(result)).toBe(expected(result));
    }
  });

  test('copies a key of several bytes a character unchanged', () => {
    const result = { seq: 1, reactor: 2, band: 3, key: 'größe-日本', count: 4, crc: 5 };
    expect(formatted(result)).toBe(expected(result));
  });

  test('agrees with a template string on any figures', () => {
    fc.assert(fc.property(
      fc.record({
        seq: fc.maxSafeNat(),
        reactor: fc.nat(1_023),
        band: fc.nat(7),
        key: fc.string({ minLength: 1, unit: 'grapheme' }),
        count: fc.maxSafeNat(),
        crc: fc.oneof(fc.nat(0xffffffff), fc.integer()),
      }),
      (result) => {
        expect(formatted(result)).toBe(expected(result));
      },
    ));
  });
});

describe('maxResultBytes', () => {
  test('is reached exactly by the largest figures, so it is neither too small nor wasteful', () => {
    const most = Number.MAX_SAFE_INTEGER;
    const result = { seq: most, reactor: most, band: 7, key: 'key', count: most, crc: -1 };
    expect(formatted(result).length).toBe(maxResultBytes(3));
  });
});

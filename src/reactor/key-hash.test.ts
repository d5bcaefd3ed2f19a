import { describe, expect, test } from 'vitest';
import { hashKey } from './key-hash.js';

const BUCKETS = 1_024;

/** 99.9% of random assignments stay below this: mean plus 3.09 standard deviations of chi-square. */
function chiSquareLimit(cells: number): number {
  const freedom = cells - 1;
  return freedom + 3.09 * Math.sqrt(2 * freedom) + 4;
}

function chiSquare(counts: Uint32Array, samples: number): number {
  const expected = samples / counts.length;
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

function hashText(text: string): number {
  const bytes = Buffer.from(text);
  return hashKey(bytes, 0, bytes.length);
}

const KEY_COUNT = 20_000;
const METRICS = ['temp', 'load', 'rpm', 'volt', 'amp', 'fan', 'err', 'up'];
const keySets: Record<string, (index: number) => string> = {
  'consecutive numbers': (index) => String(index),
  'account names padded with zeros': (index) => `acct${String(index).padStart(8, '0')}`,
  'addresses of one network': (index) => `10.4.${index >> 8}.${index & 255}`,
  'host names with a common end': (index) => `node-${index}.eu-west.example.net`,
  'hexadecimal ids in steps of 4,096': (index) => (index * 4_096).toString(16).padStart(8, '0'),
  'device:metric pairs': (index) => `dev${index >> 3}:${METRICS[index & 7]}`,
};

describe('hashKey', () => {
  test.each([
    ['', 0x00000000],
    ['test', 0xba6bd213],
    ['Hello, world!', 0xc0363e43],
    ['The quick brown fox jumps over the lazy dog', 0x2e4ff723],
  ])('gives the published MurmurHash3 value of %j', (text, expected) => {
    expect(hashText(text)).toBe(expected);
  });

  test('is the value of the range alone, wherever it lies and whatever surrounds it', () => {
    for (let length = 0; length <= 17; length++) {
      const key = Buffer.from('0123456789abcdefg').subarray(0, length);
      const alone = hashKey(key, 0, length);
      for (let offset = 1; offset <= 5; offset++) {
        const around = Buffer.alloc(offset + length + 4, 0xff);
        around.set(key, offset);
        expect(hashKey(around, offset, offset + length)).toBe(alone);
      }
    }
  });

  test('is an unsigned 32-bit integer that uses every bit', () => {
    let ones = 0;
    let zeros = 0;
    for (let index = 0; index < 1_000; index++) {
      const hash = hashText(`key${index}`);
      expect(hash).toBe(hash >>> 0);
      ones |= hash;
      zeros |= ~hash;
    }
    expect([ones >>> 0, zeros >>> 0]).toEqual([0xffffffff, 0xffffffff]);
  });

  test('changes about half of the low ten bits when one bit of the key changes', () => {
    const lowBits = 10;
    for (const length of [1, 3, 4, 8, 11]) {
      let flips = 0;
      let trials = 0;
      for (let sample = 0; sample < 64; sample++) {
        const key = Buffer.from(String(sample * 7_919).padEnd(length, 'k').slice(0, length));
        const before = hashKey(key, 0, length);
        for (let bit = 0; bit < length * 8; bit++) {
          key[bit >> 3] ^= 1 << (bit & 7);
          let changed = (before ^ hashKey(key, 0, length)) & (BUCKETS - 1);
          key[bit >> 3] ^= 1 << (bit & 7);
          for (; changed !== 0; changed &= changed - 1) flips++;
          trials += lowBits;
        }
      }
      expect(flips / trials).toBeGreaterThan(0.45);
      expect(flips / trials).toBeLessThan(0.55);
    }
  });

  describe.each(Object.entries(keySets))('on %s', (_, keyOf) => {
    test('spreads over the 1,024 buckets like a random assignment', () => {
      const counts = new Uint32Array(BUCKETS);
      for (let index = 0; index < KEY_COUNT; index++) counts[hashText(keyOf(index)) & (BUCKETS - 1)]++;
      expect(chiSquare(counts, KEY_COUNT)).toBeLessThan(chiSquareLimit(BUCKETS));
      expect(Math.min(...counts)).toBeGreaterThan(0);
    });

    test.each([2, 3, 4, 5, 6, 7, 8])('gives %i owners of equal bucket counts an equal share', (owners) => {
      const counts = new Uint32Array(owners);
      for (let index = 0; index < KEY_COUNT; index++) counts[(hashText(keyOf(index)) & (BUCKETS - 1)) % owners]++;
      const fair = KEY_COUNT / owners;
      for (const count of counts) expect(Math.abs(count - fair) / fair).toBeLessThan(0.05);
    });
  });

  test('the spread test rejects a hash without an avalanche', () => {
    const counts = new Uint32Array(BUCKETS);
    for (let index = 0; index < KEY_COUNT; index++) {
      let sum = 0;
      for (const byte of Buffer.from(String(index))) sum = (sum * 31 + byte) | 0;
      counts[sum & (BUCKETS - 1)]++;
    }
    expect(chiSquare(counts, KEY_COUNT)).toBeGreaterThan(chiSquareLimit(BUCKETS));
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BUCKETS } from '../layout.js';
import { bucketOf, hashKey } from './buckets.js';

const text = (key: string): Uint8Array => Buffer.from(key);

describe('a key', () => {
  it('has the same hash for ever: other programs and stored tables may depend on it', () => {
    expect([hashKey(text('')), hashKey(text('a')), hashKey(text('order-1'))].map((hash) => hash.toString(16))).toEqual(['ab3e7c0b', '1a80b1b3', '92005a9c']);
  });

  it('hashes the part from `from` to `to`, wherever it lies', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ maxLength: 40 }), (before, key, after) => {
      const all = Uint8Array.from([...before, ...key, ...after]);
      expect(hashKey(all, before.length, before.length + key.length)).toBe(hashKey(key));
    }));
  });

  it('hashes to an unsigned 32-bit number and one of 1,024 buckets', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (key) => {
      const hash = hashKey(key);
      expect(Number.isInteger(hash) && hash >= 0 && hash < 2 ** 32).toBe(true);
      expect(bucketOf(hash)).toBe(hash % BUCKETS);
    }));
  });

  it('falls into each bucket about equally often, also where keys differ in a digit only', () => {
    for (const name of [(i: number) => `user${i}`, (i: number) => String(i), (i: number) => `${i}`.padStart(12, '0'), (i: number) => `${'x'.repeat(30)}${i}`]) {
      const counts = new Array<number>(BUCKETS).fill(0);
      const keys = BUCKETS * 64;
      for (let i = 0; i < keys; i++) counts[bucketOf(hashKey(text(name(i))))]!++;
      // 64 expected in each, standard deviation 8: seven of them either way leaves no room for chance.
      expect(Math.min(...counts)).toBeGreaterThan(8);
      expect(Math.max(...counts)).toBeLessThan(120);
      const chiSquared = counts.reduce((sum, count) => sum + (count - 64) ** 2 / 64, 0);
      // 1,023 degrees of freedom: mean 1,023, standard deviation 45.
      expect(chiSquared, `of ${name(7)}`).toBeLessThan(1023 + 6 * 45);
    }
  });
});

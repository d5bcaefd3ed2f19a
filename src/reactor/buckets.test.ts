import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BUCKETS } from '../layout.js';
import { bucketOf, hashKey } from './buckets.js';

describe('a bucket', () => {
  it('is one of 1,024, by the low bits of an unsigned hash', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (key) => {
      const hash = hashKey(key);
      expect(bucketOf(hash)).toBe(hash % BUCKETS);
    }));
    expect([bucketOf(0), bucketOf(BUCKETS), bucketOf(2 ** 32 - 1)]).toEqual([0, 0, BUCKETS - 1]);
  });

  it('of a key stays the same for ever: other programs and stored tables may depend on it', () => {
    expect(['', 'a', 'order-1'].map((key) => hashKey(Buffer.from(key)))).toEqual([0, 0x3c2569b2, 0xf5725621]);
  });

  it('depends on the key alone, not on where it lies in a larger array', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 9 }),
        fc.uint8Array({ maxLength: 40 }),
        fc.uint8Array({ maxLength: 9 }),
        (before, key, after) => {
          const all = Uint8Array.from([...before, ...key, ...after]);
          expect(hashKey(all, before.length, before.length + key.length)).toBe(hashKey(key));
        },
      ),
    );
  });
});

import { describe, expect, it } from 'vitest';
import { Slab, capacityFor, listOf } from './slab.js';

describe('a slab', () => {
  it('has a list for each capacity, and wastes at most a quarter above a kilobyte', () => {
    const lists = new Map<number, number>();
    for (let size = 0; size <= 32_768; size++) {
      const capacity = capacityFor(size);
      expect(capacity >= size && capacity - size <= Math.max(16, size / 4)).toBe(true);
      expect(capacityFor(capacity)).toBe(capacity);
      const list = listOf(capacity);
      expect(Number.isInteger(list) && list >= 1 && list <= 84).toBe(true);
      expect(lists.get(list) ?? capacity).toBe(capacity);
      lists.set(list, capacity);
    }
  });

  it('gives pieces that do not overlap, and a freed one again', () => {
    const slab = new Slab();
    const pieces = Array.from({ length: 3000 }, (_, i) => {
      const capacity = slab.allocate(1 + ((i * 37) % 2000));
      slab.bytes.fill(i & 0xff, slab.at, slab.at + capacity);
      return { bytes: slab.bytes, at: slab.at, capacity, mark: i & 0xff };
    });
    for (const { bytes, at, capacity, mark } of pieces) {
      expect(bytes.subarray(at, at + capacity).every((byte) => byte === mark)).toBe(true);
    }
    expect(new Set(pieces.map(({ bytes }) => bytes)).size).toBeLessThan(5);
    const { bytes, at, capacity } = pieces[1234]!;
    slab.free(bytes, at, capacity);
    expect([slab.allocate(capacity), slab.bytes === bytes, slab.at]).toEqual([capacity, true, at]);
  });

  it('gives what is large an array of its own', () => {
    const slab = new Slab();
    expect([slab.allocate(100_000), slab.at, slab.bytes.length]).toEqual([100_000, 0, 100_000]);
  });

  it('takes no more than it may, says so, and has the room again of what is freed', () => {
    const slab = new Slab(3 * 2 ** 20);
    slab.allocate(2 ** 21);
    const { bytes, at } = slab;
    slab.allocate(100);
    expect(() => slab.allocate(40_000)).toThrow(
      new RangeError('keys and values have 3145728 of 3145728 bytes, and 40000 more are needed'),
    );
    expect(slab.allocate(100)).toBe(112);
    slab.free(bytes, at, 2 ** 21);
    expect(slab.allocate(2 ** 21)).toBe(2 ** 21);
    slab.clear();
    expect(slab.allocate(3 * 2 ** 20)).toBe(3 * 2 ** 20);
  });
});

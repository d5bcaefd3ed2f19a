import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HISTOGRAM_WORDS, Histogram } from './histogram.js';

const fresh = (): Histogram => new Histogram(new Uint32Array(HISTOGRAM_WORDS));

describe('histogram', () => {
  it('is exact below 64 and within 3.2 % above, by nearest rank', () => {
    fc.assert(fc.property(fc.array(fc.integer({ min: 0, max: 2 ** 40 - 1 }), { minLength: 1, maxLength: 200 }), fc.double({ min: 0, max: 1, noNaN: true }), (values, share) => {
      const histogram = fresh();
      for (const value of values) histogram.record(value);
      const sorted = values.toSorted((a, b) => a - b);
      const exact = sorted[Math.max(1, Math.ceil(share * sorted.length)) - 1]!;
      const told = histogram.percentile(share);
      expect(told).toBeGreaterThanOrEqual(exact);
      expect(told).toBeLessThanOrEqual(exact < 64 ? exact : exact * 1.0323);
      expect(histogram.max()).toBe(sorted.at(-1));
      expect(histogram.count()).toBe(values.length);
    }));
  });

  it('takes values out of range at its ends and loses none', () => {
    const histogram = fresh();
    histogram.record(-5);
    histogram.record(2 ** 50, 3);
    expect(histogram.count()).toBe(4);
    expect(histogram.percentile(0)).toBe(0);
    expect(histogram.max()).toBe(2 ** 40 - 1);
  });

  it('says 0 when it is empty', () => {
    expect(fresh().percentile(0.99)).toBe(0);
  });

  it('adds another to itself', () => {
    const [a, b] = [fresh(), fresh()];
    a.record(10, 5);
    b.record(1e10, 5);
    a.add(b);
    expect([a.count(), a.percentile(0.5), a.max()]).toEqual([10, 10, 1e10]);
  });
});

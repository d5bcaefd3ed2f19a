import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HISTOGRAM_WORDS, Histogram } from './histogram.js';

const fresh = (): Histogram => new Histogram(new Uint32Array(HISTOGRAM_WORDS));

describe('histogram', () => {
  it('is summed up from its smallest to its largest value, and looks no further', () => {
    const memory = new Uint32Array(HISTOGRAM_WORDS);
    const histogram = new Histogram(memory);
    const values = [100, 2000, 3000, 40_000];
    for (const value of values) histogram.record(value);
    const { count, sum, p50 } = histogram.summary();
    expect([count, sum, p50]).toEqual([4, histogram.sum(), histogram.percentile(0.5)]);
    // Nobody records so: these lie where a summary need not look, as nearly all steps of a task's histogram do.
    const counts = new Float64Array(memory.buffer);
    counts[0] = counts[1000] = 1;
    expect(histogram.summary().count).toBe(4);
    const all = fresh();
    all.add(histogram);
    expect([all.count(), all.min(), all.max()]).toEqual([4, 100, 40_000]);
  });

  it('is exact below 64 and within 3.2 % above, by nearest rank', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 2 ** 40 - 1 }), { minLength: 1, maxLength: 200 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (values, share) => {
          const histogram = fresh();
          for (const value of values) histogram.record(value);
          const sorted = values.toSorted((a, b) => a - b);
          const exact = sorted[Math.max(1, Math.ceil(share * sorted.length)) - 1]!;
          const told = histogram.percentile(share);
          expect(told).toBeGreaterThanOrEqual(exact);
          expect(told).toBeLessThanOrEqual(exact < 64 ? exact : exact * 1.0323);
          expect(histogram.max()).toBe(sorted.at(-1));
          expect(histogram.min()).toBe(sorted[0]);
          const mean = sorted.reduce((sum, value) => sum + value, 0) / sorted.length;
          expect(Math.abs(histogram.mean() - mean)).toBeLessThanOrEqual(mean * 0.017 + 1e-9);
          expect(histogram.count()).toBe(values.length);
        },
      ),
    );
  });

  it('takes values out of range at its ends and loses none', () => {
    const histogram = fresh();
    histogram.record(-5);
    histogram.record(2 ** 50, 3);
    expect(histogram.count()).toBe(4);
    expect(histogram.percentile(0)).toBe(0);
    expect(histogram.max()).toBe(2 ** 40 - 1);
  });

  it('has a sum that never falls, though the mean and what it is cut to do', () => {
    const histogram = new Histogram(new Uint32Array(HISTOGRAM_WORDS));
    histogram.record(1023);
    let before = histogram.sum();
    for (let i = 0; i < 2000; i++) {
      histogram.record(i % 3 === 0 ? 0 : (i * 7919) % 1_000_003);
      const sum = histogram.sum();
      if (sum < before) expect(sum).toBeGreaterThanOrEqual(before);
      before = sum;
    }
    expect(before / histogram.count()).toBeCloseTo(histogram.mean(), 3);
  });

  it('says 0 when it is empty', () => {
    const histogram = fresh();
    expect([histogram.percentile(0.99), histogram.min(), histogram.mean()]).toEqual([0, 0, 0]);
  });

  it('adds another to itself', () => {
    const [a, b] = [fresh(), fresh()];
    a.record(10, 5);
    b.record(1e10, 5);
    a.add(b);
    expect([a.count(), a.percentile(0.5), a.max(), a.min()]).toEqual([10, 10, 1e10, 10]);
    b.add(a);
    expect(b.min()).toBe(10);
  });

  it('counts on beyond 2^32, by value and by addition, and its percentiles with it', () => {
    const [a, b] = [fresh(), fresh()];
    a.record(100, 2 ** 32 - 1);
    a.record(100);
    a.record(5000, 10);
    expect(a.count()).toBe(2 ** 32 + 10);
    expect(a.percentile(0.5)).toBe(101);
    b.record(100, 2 ** 40);
    a.add(b);
    expect(a.count()).toBe(2 ** 40 + 2 ** 32 + 10);
    expect([a.percentile(1), a.max()]).toEqual([5000, 5000]);
    a.record(7, 0);
    expect(a.percentile(0)).toBe(101);
  });

  it('takes fractions, -0 and Infinity for what they are worth, and refuses what is no number', () => {
    const histogram = fresh();
    for (const value of [0.999, -0, -Infinity, Number.MIN_VALUE]) histogram.record(value);
    expect([histogram.count(), histogram.max()]).toEqual([4, 0]);
    histogram.record(Infinity);
    expect(histogram.max()).toBe(2 ** 40 - 1);
    for (const value of [NaN, '5', 5n, null, undefined, {}, Symbol('x')])
      expect(() => histogram.record(value as number)).toThrow(/^value must be a number, not /);
    for (const count of [NaN, -1, 1.5, Infinity, 2 ** 53, '1'])
      expect(() => histogram.record(1, count as number)).toThrow(/^count must be a whole number from 0 to /);
    for (const share of [NaN, -0.1, 1.1, 99, '0.5'])
      expect(() => histogram.percentile(share as number)).toThrow(/^share must be a number from 0 to 1/);
    expect(() => histogram.add({} as Histogram)).toThrow(/^other must be a Histogram/);
    expect(histogram.count()).toBe(5);
  });

  it('refuses memory that is too small or lies at an odd place', () => {
    for (const memory of [
      undefined, [], new Float64Array(HISTOGRAM_WORDS), new Uint32Array(HISTOGRAM_WORDS - 1),
      new Uint32Array(HISTOGRAM_WORDS + 1).subarray(1),
    ]) {
      expect(() => new Histogram(memory as Uint32Array)).toThrow(
        expect.objectContaining({ code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'memory' }),
      );
    }
  });
});

it('tells what was recorded since an earlier copy', () => {
  const all = fresh();
  for (const value of [10, 20, 30]) all.record(value);
  const before = fresh();
  before.add(all);
  for (const value of [1000, 1000, 5]) all.record(value);
  const recent = all.since(before);
  expect([recent.count(), recent.percentile(0.5), recent.percentile(0.3)]).toEqual([3, 1000, 5]);
  expect([all.count(), all.since(all).count(), all.since(all).percentile(0.5)]).toEqual([6, 0, 0]);
  expect(() => all.since({} as Histogram)).toThrow(/^before must be a Histogram/);
});

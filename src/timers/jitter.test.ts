import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  createRateTimer, JitterMeasurement, JitterRecorder, JitterStats, ManualClock, type Percentiles,
} from './index.js';

const SHARES = { p50Ns: 0.5, p95Ns: 0.95, p99Ns: 0.99, p999Ns: 0.999 } as const;

/** Percentiles by nearest rank over a sorted list, with which every summary is compared. */
function byRank(values: readonly number[]): Percentiles {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.max(1, Math.ceil(share * sorted.length)) - 1]!;
  return {
    p50Ns: at(0.5), p95Ns: at(0.95), p99Ns: at(0.99), p999Ns: at(0.999), minNs: sorted[0]!, maxNs: sorted.at(-1)!,
  };
}
const plain = ({ p50Ns, p95Ns, p99Ns, p999Ns, minNs, maxNs }: Percentiles): Percentiles => ({
  p50Ns, p95Ns, p99Ns, p999Ns, minNs, maxNs,
});
const jitters = fc.array(
  fc.oneof(
    fc.integer({ min: -2_000_000, max: 2_000_000 }), fc.integer({ min: -40, max: 40 }),
    fc.integer({ min: -1e11, max: 1e11 }),
  ),
  { minLength: 1, maxLength: 300 },
);

describe('jitter measurement', () => {
  it('is above 0 if late and below 0 if early, and a jitter of exactly the tolerance is within it', () => {
    const late = new JitterMeasurement(1000, 1500, 7);
    const early = new JitterMeasurement(1000, 400, 8);
    expect([late.jitterNs, late.absoluteJitterNs, late.timestampNs]).toEqual([500, 500, 7]);
    expect([early.jitterNs, early.absoluteJitterNs]).toEqual([-600, 600]);
    expect([
      late.isWithinTolerance(500), late.isWithinTolerance(499), early.isWithinTolerance(600),
      early.isWithinTolerance(599),
    ]).toEqual([true, false, true, false]);
  });

  it('is that of the interval between two ticks, so after a late tick the next one seems early', () => {
    const clock = new ManualClock();
    const measured: number[] = [];
    createRateTimer({ intervalNs: 1000, clock }, (tick) => measured.push(JitterMeasurement.of(tick).jitterNs));
    for (const ns of [1000, 2300, 3000, 6100, 7000]) clock.setNs(ns);
    // The tick at 6100 missed those at 4000 and 5000, so its interval should have been 3000.
    expect(measured).toEqual([0, 300, -300, 100, -100]);
  });
});

describe('jitter statistics', () => {
  it('are exact up to exactSamples values, signed and absolute', () => {
    fc.assert(fc.property(jitters, fc.integer({ min: 0, max: 3_000_000 }), (values, toleranceNs) => {
      const stats = JitterStats.from(values.map((ns) => new JitterMeasurement(0, ns, 0)), { toleranceNs });
      expect(plain(stats)).toEqual(byRank(values.map(Math.abs)));
      expect(stats.signed).toEqual(byRank(values));
      expect(stats.count).toBe(values.length);
      expect(stats.meanNs).toBeCloseTo(values.reduce((sum, ns) => sum + ns, 0) / values.length, 3);
      expect(stats.withinTolerance).toBe(values.filter((ns) => Math.abs(ns) <= toleranceNs).length);
      expect(stats.shareWithinTolerance).toBe(stats.withinTolerance / values.length);
      expect(stats.isExact).toBe(true);
    }));
  });

  it('are within a histogram step beyond that, and never too small; extremes and counts stay exact', () => {
    fc.assert(
      fc.property(jitters, fc.integer({ min: 0, max: 299 }), (values, exactSamples) => {
        fc.pre(exactSamples < values.length);
        const recorder = new JitterRecorder({ exactSamples, toleranceNs: 1000 });
        for (const ns of values) recorder.record(ns);
        const stats = recorder.stats();
        const absolute = byRank(values.map(Math.abs));
        const signed = byRank(values);
        for (const name of Object.keys(SHARES) as (keyof typeof SHARES)[]) {
          expect(stats[name]).toBeGreaterThanOrEqual(absolute[name]);
          expect(stats[name]).toBeLessThanOrEqual(Math.max(absolute[name] * 1.0323, absolute[name]));
          // It may be further from zero by less than a step, on the same side.
          const [told, exact] = [stats.signed[name], signed[name]];
          expect(Math.sign(told)).toBe(Math.sign(exact));
          expect(Math.abs(told)).toBeGreaterThanOrEqual(Math.abs(exact));
          expect(Math.abs(told)).toBeLessThanOrEqual(Math.abs(exact) * 1.0323);
        }
        expect([stats.minNs, stats.maxNs, stats.signed.minNs, stats.signed.maxNs]).toEqual([
          absolute.minNs, absolute.maxNs, signed.minNs, signed.maxNs,
        ]);
        expect([stats.count, stats.withinTolerance, stats.isExact]).toEqual([
          values.length,
          values.filter((ns) => Math.abs(ns) <= 1000).length,
          false,
        ]);
      }),
      { numRuns: 400 },
    );
  });

  it('count a value of exactly the tolerance as within it, early or late', () => {
    const recorder = new JitterRecorder({ toleranceNs: 10 });
    for (const ns of [-11, -10, -9, 0, 9, 10, 11, 10.5]) recorder.record(ns);
    expect(recorder.stats()).toMatchObject({ withinTolerance: 5, shareWithinTolerance: 5 / 8, toleranceNs: 10 });
  });

  it('are all 0 if nothing was recorded, also after a reset', () => {
    const none = { p50Ns: 0, p95Ns: 0, p99Ns: 0, p999Ns: 0, minNs: 0, maxNs: 0 };
    const empty = {
      ...none, signed: none, meanNs: 0, count: 0, withinTolerance: 0, shareWithinTolerance: 1, toleranceNs: 2_000_000,
      isExact: true,
    };
    expect(JitterStats.from([])).toEqual(empty);
    const recorder = new JitterRecorder({ exactSamples: 3 });
    for (let i = -5; i < 5; i++) recorder.record(i * 1e9);
    expect(recorder.count).toBe(10);
    recorder.reset();
    expect(recorder.stats()).toEqual(empty);
    recorder.record(-7);
    expect(recorder.stats()).toMatchObject({ p50Ns: 7, maxNs: 7, signed: { minNs: -7, p999Ns: -7 }, count: 1 });
    for (let i = 0; i < 5; i++) recorder.record(3);
    expect(recorder.stats()).toMatchObject({ p50Ns: 3, p999Ns: 7, minNs: 3, count: 6, isExact: false });
    // A value beyond the range of the histogram.
    const far = new JitterRecorder({ exactSamples: 0 });
    far.record(2 ** 50);
    expect(far.stats()).toMatchObject({ p50Ns: 2 ** 50, minNs: 2 ** 50, signed: { p50Ns: 2 ** 50 } });
  });

  it('take a million values without allocating', () => {
    const recorder = new JitterRecorder();
    for (let i = 1; i <= 1_000_000; i++) recorder.record(i);
    const stats = recorder.stats();
    expect([stats.count, stats.minNs, stats.maxNs, stats.meanNs]).toEqual([1_000_000, 1, 1_000_000, 500_000.5]);
    for (const [name, share] of Object.entries(SHARES)) {
      const told = stats[name as keyof typeof SHARES];
      expect(told / (share * 1e6)).toBeGreaterThanOrEqual(1);
      expect(told / (share * 1e6)).toBeLessThan(1.0323);
    }
  });

  it('refuse values that are not finite numbers, and options out of range', () => {
    const recorder = new JitterRecorder();
    for (const ns of [NaN, Infinity, '1' as never]) {
      expect(() => recorder.record(ns)).toThrow(
        expect.objectContaining({ code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'jitterNs' }),
      );
    }
    for (const toleranceNs of [-1, NaN, Infinity]) {
      expect(() => new JitterRecorder({ toleranceNs })).toThrow(/^toleranceNs must be a finite number/);
    }
    expect(() => new JitterRecorder({ exactSamples: -1 })).toThrow(/^exactSamples must be a whole number/);
    expect(recorder.count).toBe(0);
  });
});

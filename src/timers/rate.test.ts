import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PercoreError } from '../errors.js';
import { intervalNsToRate, rateToIntervalNs, LEAST_RATE_HZ, MOST_INTERVAL_NS } from './rate.js';

describe('rate and interval', () => {
  it('convert to each other', () => {
    expect([1, 2, 10].map(rateToIntervalNs)).toEqual([1e9, 5e8, 1e8]);
    expect([1e9, 5e8, 1e8].map(intervalNsToRate)).toEqual([1, 2, 10]);
    expect(rateToIntervalNs(30)).toBe(33_333_333);
    for (const rate of [0.5, 1, 2, 2.5, 10, 60, 100, 44_100]) {
      expect(Math.abs(intervalNsToRate(rateToIntervalNs(rate)) - rate) / rate).toBeLessThan(0.0001);
    }
  });

  it('convert back to the same value over the whole range, except for the fraction of a nanosecond', () => {
    fc.assert(fc.property(fc.double({ min: LEAST_RATE_HZ, max: 1e6, noNaN: true }), (rate) => {
      const interval = rateToIntervalNs(rate);
      expect(Number.isInteger(interval)).toBe(true);
      expect(interval).toBeGreaterThanOrEqual(1000);
      expect(interval).toBeLessThanOrEqual(MOST_INTERVAL_NS);
      expect(Math.abs(interval - 1e9 / rate)).toBeLessThanOrEqual(Math.max(1, interval * 2 ** -52));
    }));
  });

  it('refuse values out of range, with the value and the range', () => {
    for (const rate of [
      0, -0, -1, NaN, Infinity, -Infinity, 1_000_001, LEAST_RATE_HZ * 0.99, '10', undefined, null, 10n,
    ]) {
      expect(() => rateToIntervalNs(rate as never)).toThrow(
        expect.objectContaining({ code: 'ERR_PERCORE_TIMER_INVALID_RATE', argument: 'rateHz', value: rate }),
      );
    }
    for (const interval of [0, -1, 999.9, NaN, Infinity, MOST_INTERVAL_NS * 1.01, '1000', undefined]) {
      expect(() => intervalNsToRate(interval as never)).toThrow(
        expect.objectContaining({
          code: 'ERR_PERCORE_TIMER_INVALID_INTERVAL',
          argument: 'intervalNs',
          value: interval,
        }),
      );
    }
    expect(() => rateToIntervalNs(-3)).toThrow(PercoreError);
    expect(() => rateToIntervalNs(-3)).toThrow(
      /^rateHz must be a rate from 3\.16\d+e-10 Hz \(once a century\) to 1000000 Hz \(each microsecond\), not -3$/,
    );
    expect(() => intervalNsToRate(10)).toThrow(
      /^intervalNs must be nanoseconds from 1000 \(a microsecond\) to 3155760000000000000 \(a century\), not 10$/,
    );
  });
});

import { describe, expect, it } from 'vitest';
import { fromHistogram, percentilesUs } from './lateness.js';

describe('percentiles of lateness', () => {
  it('are read from the histogram of cyclictest, with half a microsecond for what it cuts off', () => {
    const bins = [
      [11, 50], [12, 45], [40, 4], [90, 1],
    ].map(([us, count]) => `${String(us).padStart(6, '0')} ${String(count).padStart(6, '0')}`);
    const text = [
      '# /dev/cpu_dma_latency set to 0us', '# Histogram', '000000 000000', ...bins, '# Total: 000000100',
      '# Max Latencies: 00090', '# Histogram Overflows: 00000', '',
    ].join('\n');
    expect(fromHistogram(text, 100)).toEqual({ p50: 11.5, p95: 12.5, p99: 40.5, p999: 90.5, max: 90 });
    // Values beyond the histogram count as the largest one.
    expect(fromHistogram(text.replace('00090\n', '250000\n'), 101)).toMatchObject({ p999: 250_000, max: 250_000 });
    expect(() => fromHistogram(text, 1000)).toThrow(/printed 100 of 1000 wake-ups/);
    expect(() => fromHistogram('', 10)).toThrow(/printed 0 of 10/);
  });

  it('are those of absolute values, by nearest rank', () => {
    expect(percentilesUs([-3000, 1000, 2000, -4000])).toEqual({ p50: 2, p95: 4, p99: 4, p999: 4, max: 4 });
  });
});

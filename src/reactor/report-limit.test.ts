import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ReportLimit } from './report-limit.js';

describe('a limit of reports', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('lets twenty a second through, and says once how many more there were', () => {
    const leftOut: number[] = [];
    const limit = new ReportLimit((count) => void leftOut.push(count));
    expect(Array.from({ length: 25 }, () => limit.take()).filter(Boolean).length).toBe(20);
    vi.advanceTimersByTime(999);
    expect([limit.take(), leftOut]).toEqual([false, []]);
    vi.advanceTimersByTime(1);
    expect(leftOut).toEqual([6]);
    expect(limit.take(), 'a new second').toBe(true);
    vi.advanceTimersByTime(5000);
    expect(leftOut, 'nothing was left out').toEqual([6]);
  });
});

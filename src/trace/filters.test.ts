import fc from 'fast-check';
import { expect, it } from 'vitest';
import { filterOf, rangesOf } from './filters.js';

it('ranges hold all numbers, are at most so many, apart and in order, and as tight as that allows', () => {
  const numbers = fc.uniqueArray(fc.integer({ min: 1, max: 500 }), { minLength: 1, maxLength: 60 });
  fc.assert(fc.property(numbers, fc.integer({ min: 1, max: 20 }), (all, most) => {
    const ranges = rangesOf(all, most);
    const sorted = [...all].sort((a, b) => a - b);
    const gaps = sorted.slice(1).map((each, i) => each - sorted[i]! - 1).filter((gap) => gap > 0)
      .sort((a, b) => b - a);
    const held = ranges.reduce((sum, [first, last]) => sum + last - first + 1, 0);
    return ranges.length === Math.min(most, gaps.length + 1)
      && ranges.every(([first, last], i) => first <= last && (i === 0 || ranges[i - 1]![1] < first - 1))
      && all.every((each) => ranges.some(([first, last]) => first <= each && each <= last))
      // Strangers are those in the gaps that had to stay, which are the smallest.
      && held - all.length === gaps.slice(most - 1).reduce((sum, gap) => sum + gap, 0);
  }), { numRuns: 500 });
  expect(rangesOf([])).toEqual([]);
});

it('a filter says which field lies in which range', () => {
  expect(filterOf(['pid'], [[5, 5]])).toBe('pid==5');
  expect(filterOf(['prev_pid', 'next_pid'], [[5, 5], [7, 9]]))
    .toBe('prev_pid==5||(prev_pid>=7&&prev_pid<=9)||next_pid==5||(next_pid>=7&&next_pid<=9)');
});

it('the longest filter fits into the page that the kernel reads of it', () => {
  const apart = Array.from({ length: 1024 }, (_, i) => 4_190_000 - 20 * i);
  const widest = rangesOf(apart.flatMap((each) => [each, each + 1]));
  expect(filterOf(['prev_pid', 'next_pid'], widest).length).toBeLessThan(4000);
});

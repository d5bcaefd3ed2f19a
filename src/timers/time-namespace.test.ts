/**
 * Timers in a time namespace of the kernel, whose monotonic clock is a year ahead. For a clock that stands still see
 * stopped.stress.test.ts.
 */
import { describe, expect, it } from 'vitest';
import { native } from '../native.js';
import { resultOf, start } from './fixtures/programs.js';
import type { Shifted } from './fixtures/shifted-process.js';

const YEAR_S = 31_536_000;

/** Runs timers in a namespace whose clock is `seconds` ahead. This needs root; without, it says so and runs nothing. */
async function inShiftedTime(how: 'alone' | 'reactor', seconds: number): Promise<void> {
  if (process.getuid?.() !== 0) {
    process.stderr.write('time namespaces: NOT RUN, unshare(CLONE_NEWTIME) needs root\n');
    return;
  }
  const hereNs = native().clock.nowNs();
  const shifted = await resultOf<Shifted>(
    start(
      'shifted-process', [how],
      ['unshare', '--time', '--monotonic', String(seconds), '--boottime', String(seconds), '--fork', '--'],
    ),
  );
  expect((shifted.monotonicNs - hereNs) / 1e9, 'the clock is shifted').toBeGreaterThan(seconds - 1);
  expect((shifted.monotonicNs - hereNs) / 1e9).toBeLessThan(seconds + 60);
  expect(shifted.ran).toBe(1000);
  expect(shifted.early).toBe(0);
  expect(shifted.disordered).toBe(0);
  expect(shifted.ticks + shifted.missed, 'of an interval of 1 ms').toBeGreaterThanOrEqual(20);
  // If any part used another clock, timers would be off by the shift: a year late, or never.
  expect(shifted.elapsedMs).toBeGreaterThanOrEqual(20);
  expect(shifted.elapsedMs).toBeLessThan(10_000);
}

describe('a monotonic clock that is shifted', () => {
  it('forward by a year: timers alone', () => inShiftedTime('alone', YEAR_S));
  it('forward by a year: in a reactor', () => inShiftedTime('reactor', YEAR_S));
  // This is as far back as it can go, since the kernel refuses a clock below zero.
  it('back to shortly after boot: timers alone', () =>
    inShiftedTime('alone', -Math.floor(native().clock.nowNs() / 2e9)));
});

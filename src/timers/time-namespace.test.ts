/**
 * Timers by a monotonic clock that is a year ahead, in a time namespace of the kernel. A clock that stands still:
 * stopped.stress.test.ts.
 */
import { describe, expect, it } from 'vitest';
import { native } from '../native.js';
import { resultOf, start } from './fixtures/programs.js';
import type { Shifted } from './fixtures/shifted-process.js';

const YEAR_S = 31_536_000;

/** The same timers in a namespace whose clock is `seconds` ahead. Needs root: elsewhere it says so, and is not run. */
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
  // A clock that is not the wheel's own would be off by the shift: a year late, or never.
  expect(shifted.elapsedMs).toBeGreaterThanOrEqual(20);
  expect(shifted.elapsedMs).toBeLessThan(10_000);
}

describe('a monotonic clock that is shifted', () => {
  it('by a year ahead: timers alone', () => inShiftedTime('alone', YEAR_S));
  it('by a year ahead: in a reactor', () => inShiftedTime('reactor', YEAR_S));
  // As far back as it can be: a clock below zero is refused by the kernel.
  it('back to shortly after boot: timers alone', () =>
    inShiftedTime('alone', -Math.floor(native().clock.nowNs() / 2e9)));
});

/** What the kernel says of a thread, and which part of a run delay belongs to the time that is asked about. */
import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { expect, it } from 'vitest';
import { RunDelay, delayWithin } from './run-delay.js';

it.each([
  ['all of it, where the reading is as old as the time', [10, 0, 7, 3], 7],
  ['a part, where as much time went before', [10, 10, 8, 12], 4],
  ['what cannot have been before', [10, 5, 13, 2], 8.666_666_666_666_666],
  ['no more than the thread did not run', [6, 20, 16, 24], 2],
  ['none, where the thread ran all the time', [6, 20, 16, 26], 0],
  ['no more than the time', [4, 0, 9, 0], 4],
] as const)('%s', (_name, [wholeNs, earlierNs, delayNs, ranNs], expected) => {
  expect(delayWithin(wholeNs, earlierNs, delayNs, ranNs)).toBe(expected);
});

it('reads what the kernel says of this thread, in the kernel\'s own order', () => {
  const kernel = (): number[] => readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ').map(Number);
  const nowNs = (): number => Math.round(performance.now() * 1e6);
  const [ranBefore, , timesBefore] = kernel();
  const beganNs = nowNs();
  const delay = new RunDelay(beganNs);
  // It brings them up to date with its ticks, and when it takes the CPU away: on a busy machine, seldom.
  while (kernel()[0]! < ranBefore! + 60e6);
  const { ranNs, delayNs, times, cpu } = delay.since(beganNs, nowNs());
  const [ran, , timesNow] = kernel();
  delay.close();
  // Nothing is read twice at the same moment, and what this thread does in between takes some CPU.
  expect(Math.abs(ranNs - (ran! - ranBefore!))).toBeLessThan(30e6);
  expect(times).toBeLessThanOrEqual(timesNow! - timesBefore!);
  expect(delayNs).toBeGreaterThanOrEqual(0);
  expect(cpu).toBeGreaterThanOrEqual(0);
});

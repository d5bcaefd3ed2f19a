/** Which part of a run delay belongs to the time that is asked about. */
import { expect, it } from 'vitest';
import { delayWithin } from './run-delay.js';

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

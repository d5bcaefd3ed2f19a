/**
 * SPMC: up to three consumers that join, leave, take over and die, a producer that leaves and dies, and a queue that is
 * closed, in random scripts, each against the plain array of ring-model.ts. The capacities are the smallest there are
 * (fixed rings have 2 and 4 records; spsc-queue.model.test.ts says why not 1 and 3), and the sequences begin at 0 and
 * below both wraps. A failure prints its seed and the shortest script.
 */
import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { comings, commonSteps, runTwins, step } from './fixtures/ring-twin.js';

const RUNS = process.env['PERCORE_STRESS'] === '1' ? 3000 : 60;
const PLACES = 3;
const ALWAYS = [
  'offer 0', 'offer -1', 'received', 'answer 0', 'joined', 'took over', 'died', 'died in a drain', 'producer died',
];

const cases = [true, false].flatMap((isFixed) =>
  (isFixed ? [2, 4] : [32, 64]).flatMap((capacity) =>
    (isFixed ? [0, 2 ** 31 - 3, 2 ** 32 - 3] : [0, 2 ** 31 - 24, 2 ** 32 - 24]).map((start) => ({
      isFixed, capacity, start,
    })),
  ),
);
const wrapFrom = (start: number): string[] =>
  start === 0 ? [] : [start < 2 ** 31 ? 'wrapped past 2^31' : 'wrapped past 2^32'];

describe('an SPMC queue does what an array with a mark for each consumer does', () => {
  it.each(cases)('fixed: $isFixed, capacity $capacity, from sequence $start', ({ isFixed, capacity, start }) => {
    const { sends, receives } = commonSteps(PLACES, isFixed ? capacity : 24);
    const { leaves, closes } = comings(PLACES);
    const joins = [fc.constant(step('join', (twin) => twin.join()))];
    const met = new Map<string, number>();
    for (const publishEvery of [1, 3]) {
      const options = { kind: 'spmc', isFixed, capacity, start, publishEvery, maxConsumers: PLACES } as const;
      // Without an end, the scripts go on for longer; with one, they meet it at any point.
      for (const ends of [[], closes]) {
        for (const [event, times] of runTwins(
          options, [...sends, ...sends, ...sends, ...receives, ...receives, ...joins, ...joins, ...leaves, ...ends],
          RUNS,
        ))
          met.set(event, (met.get(event) ?? 0) + times);
      }
    }
    expect([...met.keys()]).toEqual(expect.arrayContaining([...ALWAYS, 'offer -2', 'answer -2', ...wrapFrom(start)]));
  });
});

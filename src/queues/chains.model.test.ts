/**
 * Consumers behind consumers, in random scripts against the plain array of ring-model.ts: a declared pipeline and a
 * declared diamond whose stages come, go and die, and consumers that join behind whoever is there. No stage ever reads
 * a record that the stage before it has not released. `PERCORE_STRESS=1` runs a hundred times as many scripts.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { comings, commonSteps, runTwins, step, type Met } from './fixtures/ring-twin.js';

const RUNS = process.env['PERCORE_STRESS'] === '1' ? 2500 : 25;
const PIPELINE = { one: {}, two: { after: ['one'] }, three: { after: ['two'] } } as const;
const DIAMOND = {
  one: {}, left: { after: ['one'] }, right: { after: ['one'] }, last: { after: ['left', 'right'] },
} as const;

const shapes = [true, false].flatMap((isFixed) =>
  (isFixed ? [2, 4] : [32, 64]).map((capacity) => ({ isFixed, capacity })),
);
const starts = (isFixed: boolean): number[] =>
  isFixed ? [0, 2 ** 31 - 3, 2 ** 32 - 3] : [0, 2 ** 31 - 24, 2 ** 32 - 24];

describe.each([
  ['a pipeline', PIPELINE], ['a diamond', DIAMOND],
])('%s does what an array with marks does', (_name, consumers) => {
  it.each(shapes)('fixed: $isFixed, capacity $capacity', ({ isFixed, capacity }) => {
    const names = Object.keys(consumers);
    // One more place than is declared, for further consumers.
    const places = names.length + 1;
    const { sends, receives } = commonSteps(places, isFixed ? capacity : 24);
    const { leaves, closes } = comings(places);
    const joins = [
      ...names.map((name) => fc.constant(step(`join as ${name}`, (twin) => twin.join({ name })))),
      fc.constant(step('join', (twin) => twin.join())),
    ];
    const met: Met = new Map();
    for (const start of starts(isFixed)) {
      for (const publishEvery of [1, 3]) {
        const options = {
          kind: 'spmc', isFixed, capacity, start, publishEvery, maxConsumers: places, consumers,
        } as const;
        const steps = [
          ...sends, ...sends, ...receives, ...receives, ...receives, ...joins, ...leaves,
          ...(publishEvery === 1 ? closes : []),
        ];
        const all = runTwins(options, steps, RUNS, (twin) => names.forEach((name) => twin.join({ name })));
        for (const [event, times] of all) met.set(event, (met.get(event) ?? 0) + times);
      }
    }
    expect([...met.keys()]).toEqual(
      expect.arrayContaining([
        'offer 0', 'offer -1', 'received', 'answer 0', 'answer -2', 'held back by a stage', 'took over', 'died',
        'died in a drain',
      ]),
    );
  });
});

describe('consumers that join behind others do what an array with marks does', () => {
  it.each(shapes)('fixed: $isFixed, capacity $capacity', ({ isFixed, capacity }) => {
    const places = 4;
    const { sends, receives } = commonSteps(places, isFixed ? capacity : 24);
    const { leaves, closes } = comings(places);
    const joins = fc
      .subarray([0, 1, 2, 3])
      .map((after) => step(`join after ${after.join()}`, (twin) => twin.join({ after })));
    const met: Met = new Map();
    for (const start of starts(isFixed)) {
      const options = { kind: 'spmc', isFixed, capacity, start, publishEvery: 1, maxConsumers: places } as const;
      const steps = [
        ...sends, ...sends, ...receives, ...receives, ...receives, joins, joins, joins, ...leaves,
        ...(start === 0 ? closes : []),
      ];
      for (const [event, times] of runTwins(options, steps, 2 * RUNS)) met.set(event, (met.get(event) ?? 0) + times);
    }
    expect([...met.keys()]).toEqual(
      expect.arrayContaining([
        'received', 'answer 0', 'answer -2', 'held back by a stage', 'joined', 'took over', 'died',
      ]),
    );
  });
});

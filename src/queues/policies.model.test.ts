/**
 * Every policy for slow consumers, alone and mixed, in random scripts against the plain array of ring-model.ts;
 * overwriting rings are compared with ringbufferjs as well. The figures are exact: what was received, lost and evicted
 * is together what was published, and each DROPPED is counted. `evict` evicts at the first refusal or never, since a
 * script has no clock. `block` is missing here, since it would stop the only thread; see policies.test.ts.
 * `PERCORE_STRESS=1` runs a hundred times as many scripts.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RingBuffer, same } from './fixtures/helpers.js';
import { comings, commonSteps, runTwins, step } from './fixtures/ring-twin.js';
import { EMPTY, OK, create, inspect, pub, sub } from './index.js';

const RUNS = process.env['PERCORE_STRESS'] === '1' ? 2000 : 20;
const POLICIES = ['wait', 'drop-newest', 'drop-oldest', 'evict'] as const;
const starts = (isFixed: boolean): number[] =>
  isFixed ? [0, 2 ** 31 - 3, 2 ** 32 - 3] : [0, 2 ** 31 - 24, 2 ** 32 - 24];
const shapes = [true, false].flatMap((isFixed) =>
  (isFixed ? [2, 4] : [32, 64]).map((capacity) => ({ isFixed, capacity })),
);

describe('one consumer, one policy', () => {
  const cases = shapes.flatMap((shape) => POLICIES.map((whenSlow) => ({ ...shape, whenSlow })));
  it.each(cases)('$whenSlow, fixed: $isFixed, capacity $capacity', ({ isFixed, capacity, whenSlow }) => {
    const { sends, receives } = commonSteps(1, isFixed ? capacity : 24);
    const { leaves, closes } = comings(1);
    const joins = [true, false].map((isImpatient) =>
      fc.constant(step(`join, ${isImpatient ? '' : 'im'}patient`, (twin) => twin.join({ whenSlow, isImpatient }))),
    );
    const met = new Set<string>();
    for (const start of starts(isFixed)) {
      for (const publishEvery of [1, 3]) {
        const options = { kind: 'spsc', isFixed, capacity, start, publishEvery, maxConsumers: 1 } as const;
        const steps = [
          ...sends, ...sends, ...receives, ...joins, ...joins, ...leaves, ...(publishEvery === 1 ? closes : []),
        ];
        for (const event of runTwins(options, steps, RUNS, (twin) =>
          twin.join({ whenSlow, isImpatient: start !== 0 }),
        ).keys())
          met.add(event);
      }
    }
    const told = {
      'wait': 'offer -1', 'drop-newest': 'offer -6', 'drop-oldest': 'lapped', 'evict': 'answer -7',
    }[whenSlow];
    expect([...met]).toEqual(expect.arrayContaining([
      told, 'received', 'answer 0', 'answer -2', 'took over', 'wrapped past 2^31', 'wrapped past 2^32',
    ]));
  });
});

describe('three consumers, any policies', () => {
  it.each(shapes)('fixed: $isFixed, capacity $capacity', ({ isFixed, capacity }) => {
    const places = 3;
    const { sends, receives } = commonSteps(places, isFixed ? capacity : 24);
    const { leaves, closes } = comings(places);
    const joins = fc
      .record({
        whenSlow: fc.constantFrom(...POLICIES.filter((policy) => policy !== 'drop-newest')), isImpatient: fc.boolean(),
      })
      .map((joining) => step(`join ${JSON.stringify(joining)}`, (twin) => twin.join(joining)));
    const met = new Set<string>();
    for (const start of starts(isFixed)) {
      for (const publishEvery of [1, 3]) {
        const options = { kind: 'spmc', isFixed, capacity, start, publishEvery, maxConsumers: places } as const;
        const steps = [
          ...sends, ...sends, ...sends, ...receives, ...receives, joins, joins, joins, ...leaves,
          ...(publishEvery === 1 ? closes : []),
        ];
        for (const event of runTwins(options, steps, RUNS).keys()) met.add(event);
      }
    }
    expect([...met]).toEqual(
      expect.arrayContaining([
        'offer 0', 'offer -1', 'answer -7', 'lapped', 'received', 'answer -2', 'joined', 'took over', 'died',
        'died in a drain',
      ]),
    );
  });
});

describe('drop-oldest does what ringbufferjs does', () => {
  const cases = [2, 4].flatMap((capacity) => [0, 2 ** 31 - 3, 2 ** 32 - 3].map((start) => ({ capacity, start })));
  it.each(cases)('capacity $capacity, from sequence $start', ({ capacity, start }) => {
    let overwritten = 0;
    /** How many records are offered, or polled if the number is negative. */
    const script = fc.array(
      fc.integer({ min: -capacity, max: 3 * capacity }).filter((count) => count !== 0), { minLength: 1, maxLength: 30 },
    );
    fc.assert(
      fc.property(script, (bursts) => {
        const queue = create({ kind: 'spsc', capacity, recordBytes: 4, startSequence: start });
        const [producer, consumer] = [pub(queue), sub(queue, { whenSlow: 'drop-oldest' })];
        const lost: number[] = [];
        const oracle = new RingBuffer<number>(capacity, (value) => void lost.push(value));
        let value = 0;
        for (const burst of bursts) {
          for (let i = 0; i < burst; i++) {
            oracle.enq(++value);
            same(producer.offer(new Uint8Array(Int32Array.of(value).buffer)), OK, 'offer');
          }
          for (let i = 0; i < -burst; i++) {
            const record = consumer.poll();
            same(
              record === EMPTY ? EMPTY : new Int32Array((record as Uint8Array).buffer)[0],
              oracle.isEmpty() ? EMPTY : oracle.deq(), 'poll',
            );
            same(consumer.lost, lost.length, 'lost');
          }
          same(inspect(queue).dropped.oldest, lost.length, 'dropped');
          same(inspect(queue).depth, oracle.size(), 'depth');
        }
        overwritten += lost.length;
      }),
      { numRuns: 300 },
    );
    expect(overwritten).toBeGreaterThan(1000);
  });
});

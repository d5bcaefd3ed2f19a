import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planMoves, type Measured } from './plan.js';

const limits = { hysteresis: 0.1, mostMoves: 1024, leastBusy: 0.05 };
const never = (): boolean => false;
const twoReactors = (first: number[], second: number[], stays: (bucket: number) => boolean = never): Measured => {
  const buckets = [...first, ...second];
  const sum = (all: number[]): number => all.reduce((a, b) => a + b, 0);
  return {
    buckets, stays, owners: buckets.map((_, bucket) => (bucket < first.length ? 0 : 1)), reactors: [0, 1],
    busy: [sum(first), sum(second)],
  };
};

describe('a plan', () => {
  it('moves the one bucket that makes two reactors equal', () => {
    expect(planMoves(twoReactors([0.3, 0.1, 0.2], [0.2]), limits)).toEqual([{ bucket: 2, to: 1 }]);
  });

  it('moves nothing while they are close, or while nobody has much to do', () => {
    expect(planMoves(twoReactors([0.3, 0.02], [0.3]), limits)).toEqual([]);
    expect(planMoves(twoReactors([0.02, 0.02], [0]), limits)).toEqual([]);
  });

  it('leaves a bucket alone that would only turn the imbalance round', () => {
    expect(planMoves(twoReactors([0.9], [0.1]), limits)).toEqual([]);
  });

  it('leaves alone what is pinned, and reactors that do not take part', () => {
    expect(planMoves(twoReactors([0.3, 0.2, 0.2], [0.1], (bucket) => bucket !== 0), limits)).toEqual([
      { bucket: 0, to: 1 },
    ]);
    expect(planMoves({ ...twoReactors([0.5, 0.4], [0]), reactors: [0] }, limits)).toEqual([]);
  });

  it('moves at most as many as it may', () => {
    const many = Array.from({ length: 50 }, () => 0.01);
    expect(planMoves(twoReactors(many, []), { ...limits, mostMoves: 3 })).toHaveLength(3);
    expect(planMoves(twoReactors(many, []), limits)).toHaveLength(25);
  });

  it('never makes the largest difference larger, and never moves a bucket twice or to where it is', () => {
    fc.assert(fc.property(
      fc.integer({ min: 2, max: 8 }),
      fc.array(
        fc.tuple(fc.integer({ min: 0, max: 7 }), fc.double({ min: 0, max: 0.2, noNaN: true })), { maxLength: 60 },
      ),
      (reactors, given) => {
        const buckets = given.map(([, time]) => time);
        const owners = given.map(([owner]) => owner % reactors);
        const busy = Array.from({ length: reactors }, (_, id) =>
          buckets.reduce((sum, time, bucket) => sum + (owners[bucket] === id ? time : 0), 0));
        const spread = (): number => Math.max(...busy) - Math.min(...busy);
        const before = spread();
        const moves = planMoves({ busy: [...busy], buckets, owners, reactors: [...busy.keys()], stays: never }, limits);
        for (const { bucket, to } of moves) {
          expect(owners[bucket]).not.toBe(to);
          busy[owners[bucket]!]! -= buckets[bucket]!;
          busy[to]! += buckets[bucket]!;
        }
        expect(spread()).toBeLessThanOrEqual(before + 1e-9);
        expect(new Set(moves.map(({ bucket }) => bucket)).size).toBe(moves.length);
      },
    ));
  });
});

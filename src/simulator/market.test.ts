/**
 * The 2,000 seeds: a program that uses most of what reactors have, over 3 to 64 reactors, with and without
 * deaths. What is demanded is in fixtures/market.ts. `npm test` runs a spread of the seeds; PERCORE_STRESS=1 runs all,
 * as `.ci/run` does.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { VariableConsumer, VariableProducer } from '../queues/index.js';
import { ASK_FOR_ROOM } from '../queues/internal.js';
import { KeyRoom } from '../balance/room.js';
import { BucketTable } from '../balance/table.js';
import { Inlet } from '../reactor/inlet.js';
import { Steps } from '../reactor/steps.js';
import { WaitingLine } from '../reactor/waiting-line.js';
import { runMarket } from './fixtures/market.js';

const IS_LONG = process.env['PERCORE_STRESS'] !== undefined;
/** So many of the seeds in a hurry, and in all 2,000. */
const seeds = (few: number, all: number): number => (IS_LONG ? all : few);
const LONG_MS = 3_600_000;

describe('a market of reactors', () => {
  it.each([
    ['3 to 8 reactors', [3, 8], 0, seeds(5, 700)],
    ['3 to 8 reactors that die', [3, 8], 4, seeds(10, 900)],
    ['9 to 24 reactors that die', [9, 24], 4, seeds(2, 300)],
    ['25 to 63 reactors that die', [25, 63], 6, seeds(1, 80)],
    ['64 reactors that die', [64, 64], 8, seeds(1, 20)],
  ] as const)('loses nothing but what deaths had unpublished, keeps each order, and rests: %s', async (
    _name, reactors, deaths, count,
  ) => {
    const messages = reactors[0] > 8 ? 3 : 6;
    const report = await runMarket({ reactors, deaths, seeds: count, messages });
    expect(report.seeds).toBe(count);
    if (deaths > 0 && count >= 20) expect(report.deaths).toBeGreaterThan(count / 10);
  }, LONG_MS);

  it('lets nobody ask who has died: a lane would be opened in the name of a thread that is gone', async () => {
    const report = await runMarket({ reactors: [3, 8], deaths: 6, seeds: 1, firstSeed: 3, messages: 16 });
    expect(report.seeds).toBe(1);
  }, LONG_MS);

  it('takes the same way for the same seed', async () => {
    const run = () => runMarket({ reactors: [3, 8], deaths: 3, seed: 7, seeds: 1 });
    expect(await run()).toEqual(await run());
  });
});

describe('a bug put into what ships is found', () => {
  const mend: (() => void)[] = [];
  afterEach(() => {
    for (const undo of mend.splice(0)) undo();
  });
  /** Puts what `change` makes of a method into its place. */
  const bug = (of: object, name: PropertyKey, change: (right: (...args: any[]) => any) => unknown): void => {
    const methods = of as Record<PropertyKey, any>;
    const right = methods[name];
    methods[name] = change(right);
    mend.push(() => void (methods[name] = right));
  };
  /** True for each `many`th call. */
  const eachOf = (many: number): () => boolean => {
    let calls = 0;
    return () => ++calls % many === 0;
  };

  // The first seed is a little before the one that finds it today.
  it.each<[string, number, () => void, RegExp, firstSeed?: number]>([
    ['the wish to be told of room is not set', 0, () => bug(VariableProducer.prototype, ASK_FOR_ROOM, () => function (
      this: any, length: number,
    ) {
      return this.lookFor(this.unitsFor(length)) >= 0;
    }), /deadlock/, 32],
    ['a wake-up of those who wait is lost now and then', 0, () => {
      const isLost = eachOf(5);
      bug(WaitingLine.prototype, 'mayHaveRoom', (right) => function (this: any) {
        if (!isLost()) right.call(this);
      });
    }, /deadlock/],
    ['a message is dropped now and then', 0, () => {
      const isDropped = eachOf(40);
      bug(Steps.prototype, 'run', (right) => function (this: any, ...args: any[]) {
        return isDropped() ? 0 : right.apply(this, args);
      });
    }, /not run|order|deadlock|says/],
    ['a lane stays muted', 0, () => bug(Inlet.prototype, 'setHeld', (right) => function (this: any, isHeld: boolean) {
      if (isHeld) right.call(this, isHeld);
    }), /deadlock/, 14],
    ['a bucket leaves before what was sent to it was run', 0, () => {
      bug(KeyRoom.prototype, 'isDrained', () => () => true);
    }, /order|says/],
    ['a bucket comes without its counts', 0, () => bug(BucketTable.prototype, 'takeOver', () => () => undefined),
      /deadlock|order|says/],
    ['nobody is told that a bucket has settled', 0, () => bug(KeyRoom.prototype, 'summonAll', () => () => undefined),
      /deadlock/],
    ['a death between two steps runs one of them again', 6, () => {
      bug(VariableConsumer.prototype, 'begin', () => () => undefined);
    }, /second time/, 205],
  ])('%s', async (_name, deaths, plant, says, firstSeed = 1) => {
    plant();
    const options = { reactors: [3, 8], deaths, seeds: 200, firstSeed, messages: 16 } as const;
    const found = await runMarket(options).then(() => '', (error: Error) => error.message);
    expect(found).toMatch(says);
    expect(found).toMatch(/^seed (\d+), with \d reactors: /);
  }, LONG_MS);
});

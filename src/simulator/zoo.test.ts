/**
 * Everything that may be done while reactors run, at random: see fixtures/zoo.ts. CI runs a few seeds, PERCORE_STRESS=1
 * many more.
 */
import { describe, expect, it } from 'vitest';
import { HeardTopic } from '../bus/heard-topic.js';
import { Outgoing } from '../reactor/call-outgoing.js';
import { runZoo } from './fixtures/zoo.js';

const IS_LONG = process.env['PERCORE_STRESS'] !== undefined;
const LONG_MS = 3_600_000;

describe('reactors in which everything is done at random', () => {
  it.each([
    ['nobody dies', 0, false, 3, 300],
    ['some die', 3, false, 4, 300],
    ['some are drained, added and taken away', 0, true, 2, 200],
    ['all of that', 3, true, 1, 200],
  ] as const)('end what was asked, in order, and rest: %s', async (_name, deaths, scales, few, many) => {
    const seeds = IS_LONG ? many : few;
    const report = await runZoo({ reactors: [2, 6], deaths, scales, seeds, firstSeed: 7 });
    expect(report.seeds).toBe(seeds);
  }, LONG_MS);

  it('would show a message of a topic that is handed out twice', async () => {
    const right = HeardTopic.prototype.deliver;
    let calls = 0;
    HeardTopic.prototype.deliver = function (...given) {
      if (++calls % 7 === 0) right.apply(this, given);
      return right.apply(this, given);
    };
    try {
      await expect(runZoo({ reactors: [2, 6], deaths: 0, scales: false, seeds: 3 })).rejects.toThrow(/ after /);
    } finally {
      HeardTopic.prototype.deliver = right;
    }
  }, LONG_MS);

  it('would show the rest of a batch that is lost', async () => {
    const right = HeardTopic.prototype.deliverBatch;
    HeardTopic.prototype.deliverBatch = function (record, ...given) {
      const code = right.call(this, record, ...given);
      if (record.isUnfinished) {
        (this as unknown as { isOpen: boolean }).isOpen = record.isUnfinished = false;
      }
      return code;
    };
    try {
      await expect(runZoo({ reactors: [2, 6], deaths: 0, scales: false, seeds: 3 })).rejects.toThrow(/ missed /);
    } finally {
      HeardTopic.prototype.deliverBatch = right;
    }
  }, LONG_MS);

  it('would show a generator that goes on although its reader has left', async () => {
    const right = Outgoing.prototype.end;
    Outgoing.prototype.end = () => undefined;
    try {
      await expect(runZoo({ reactors: [2, 6], deaths: 0, scales: false, seeds: 3 })).rejects.toThrow(/generators/);
    } finally {
      Outgoing.prototype.end = right;
    }
  }, LONG_MS);
});

/**
 * A bucket's move against everything that can come between: senders, full lanes, steps that wait, other moves, deaths.
 * In one thread, replayable by its seed. What is played and what is demanded stands in fixtures/migration.ts.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { VariableProducer } from '../queues/index.js';
import { ASK_FOR_ROOM } from '../queues/internal.js';
import { Migration } from './fixtures/migration.js';
import { KeyRoom } from './room.js';
import { BucketTable } from './table.js';

const SEEDS = process.env['PERCORE_STRESS'] === undefined ? 15 : 20_000;
const ACTIONS = 500;

let present: Migration | undefined;
const ask = VariableProducer.prototype[ASK_FOR_ROOM];
const enter = KeyRoom.prototype.enter;

beforeAll(() => {
  VariableProducer.prototype[ASK_FOR_ROOM] = function (length) {
    present?.interleave();
    return ask.call(this, length);
  };
  KeyRoom.prototype.enter = function (slot) {
    present?.interleave();
    return enter.call(this, slot);
  };
});
afterAll(() => {
  VariableProducer.prototype[ASK_FOR_ROOM] = ask;
  KeyRoom.prototype.enter = enter;
});

async function play(seed: number, deaths: number): Promise<Migration> {
  const migration = (present = new Migration({ seed, actions: ACTIONS, deaths }));
  try {
    await migration.play();
  } catch (error) {
    throw new Error(`seed ${seed}, ${deaths} deaths: ${(error as Error).message}`, { cause: error });
  } finally {
    present = undefined;
  }
  return migration;
}

describe('buckets that move under load', () => {
  it('keep the order of each key, lose nothing, and carry their state with them', async () => {
    const sum = { moved: 0, run: 0, refusals: 0, held: 0 };
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { moves, run, refusals } = await play(seed, 0);
      sum.moved += moves.moved;
      sum.run += run;
      sum.refusals += refusals;
      sum.held += moves.room.table.figures.reduce((all, { held }) => all + held, 0);
      expect(moves.failed, `seed ${seed}`).toBe(0);
    }
    expect(sum.moved, 'buckets moved').toBeGreaterThan(SEEDS * 20);
    expect(sum.run).toBeGreaterThan(SEEDS * 200);
    expect(sum.refusals, 'senders were refused').toBeGreaterThan(SEEDS * 5);
    expect(sum.held, 'messages were held').toBeGreaterThan(SEEDS * 5);
  });

  it('lose by deaths what these had unpublished or unread, and count it to the last message', async () => {
    const sum = { adopted: 0, lost: 0, held: 0 };
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { moves, heldByDead } = await play(seed, 1 + (seed % 2));
      sum.adopted += moves.adopted;
      sum.lost += moves.room.table.figures.reduce((all, { lost }) => all + lost, 0);
      sum.held += heldByDead;
    }
    expect(sum.adopted).toBeGreaterThan(SEEDS);
    expect(sum.lost).toBeGreaterThan(0);
  });
});

describe('a bug seeded into the moves is found', () => {
  const bug = <C extends object>(of: C, method: keyof C, changed: (...args: any[]) => unknown): (() => void) => {
    const right = of[method];
    (of as Record<keyof C, unknown>)[method] = changed;
    return () => void (of[method] = right);
  };
  const isDrained = (KeyRoom.prototype as any).isDrained;

  it.each<[string, () => () => void, RegExp]>([
    ['the owner does not wait for what was sent', () => bug(KeyRoom.prototype as any, 'isDrained', () => true),
      /order|without its state|state of bucket|leaves/],
    ['the owner waits for one sender alone', () => bug(KeyRoom.prototype as any, 'isDrained', function (this: KeyRoom,
      slot: number) {
      return isDrained.call(this, slot) || this.table.missing(0, slot) === 0;
    }), /order|without its state|state of bucket|leaves/],
    ['senders do not look whether it moves', () => bug(KeyRoom.prototype, 'enter', function (this: KeyRoom, slot) {
      const owner = this.table.enter(slot);
      return owner < 0 ? this.table.word(slot) & 0xff : owner;
    }), /order|without its state|deadlock|leaves/],
    ['what is not sent stays counted', () => bug(KeyRoom.prototype, 'leave', () => undefined), /deadlock/],
    ['nobody is told that it has settled', () => bug(KeyRoom.prototype, 'summonAll', () => undefined),
      /deadlock|not run/],
    ['the counts stay with the old owner', () => bug(BucketTable.prototype, 'takeOver', () => undefined),
      /deadlock|lost/],
  ])('%s', async (_name, seedBug, says) => {
    const mend = seedBug();
    try {
      let found = '';
      for (let seed = 1; seed <= 40 && found === ''; seed++) {
        for (const deaths of [0, 1]) await play(seed, deaths).catch((error: Error) => (found ||= error.message));
      }
      expect(found).toMatch(says);
    } finally {
      mend();
    }
  });
});

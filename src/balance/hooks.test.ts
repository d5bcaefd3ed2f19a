/** Hooks that fail, state that does not fit, senders that are held: each move step by step, in one thread. */
import { beforeEach, describe, expect, it } from 'vitest';
import { AGAIN, BACK_PRESSURED, CLOSED, OK } from '../queues/index.js';
import { Town } from '../reactor/fixtures/town.js';
import { createKeyed, type KeyedOptions } from './keyed.js';
import { keyedAddress } from './keyed-address.js';
import { BucketMoves } from './moves.js';
import { createBuckets } from './packed.js';
import { roomIn } from './room.js';

const BUCKET = 4;
let town: Town;
let moves: BucketMoves;
/** What was run, as `reactor message`. */
let run: string[];

type Hooks = Pick<KeyedOptions<string>, 'onBucketLeaves' | 'onBucketArrives' | 'hookTimeoutMs'>;
function makeTown(...hooks: (Hooks | undefined)[]): void {
  town = new Town({ reactors: 2, laneBytes: 2048 });
  run = [];
  for (const reactor of [0, 1]) {
    const own = hooks[reactor];
    if (own === undefined && hooks.length > 0) continue;
    createKeyed<string, string>(town.reactor(reactor), { name: 'task', ...own }, (message) => {
      run.push(`${reactor} ${message}`);
    });
  }
  moves = new BucketMoves(town.parties[2]!.inside);
  town.start();
}
async function settle(): Promise<void> {
  for (let round = 0; round < 20; round++) {
    expect(town.settle(10_000)).toBeGreaterThanOrEqual(0);
    for (let i = 0; i < 4; i++) await Promise.resolve();
    for (const party of town.parties) party.stir();
  }
}
/** What a promise comes to while the town runs. */
async function outcome(promise: Promise<unknown>): Promise<unknown> {
  let result: unknown = 'pending';
  promise.then((value) => (result = value), (error: unknown) => (result = error));
  await settle();
  return result;
}
const owner = (): number => town.reactor(0).ownerOfHash(BUCKET);

beforeEach(() => makeTown({}, {}));

describe('a move', () => {
  it('carries state by the hooks, and says whether the bucket was there already', async () => {
    const told: unknown[] = [];
    makeTown(
      { onBucketLeaves: (bucket) => `state of ${bucket}` },
      { onBucketArrives: (bucket, state) => void told.push(bucket, state) },
    );
    expect(await outcome(moves.move(BUCKET, 1))).toBe(true);
    expect([owner(), told]).toEqual([1, [BUCKET, `state of ${BUCKET}`]]);
    expect(await outcome(moves.move(BUCKET, 1))).toBe(false);
    expect([moves.moved, moves.failed]).toEqual([1, 0]);
    expect(moves.pauses.count()).toBe(1);
  });

  it('waits for what was sent before, and holds what comes meanwhile, as much as the address may', async () => {
    const address = keyedAddress<string>(town.reactor(1), 'task', { capacity: 2 });
    expect(address.sendToBucket(BUCKET, 'a')).toBe(OK);
    const moving = moves.move(BUCKET, 1);
    expect([address.sendToBucket(BUCKET, 'b'), address.sendToBucket(BUCKET, 'c')]).toEqual([OK, OK]);
    expect(address.sendToBucket(BUCKET, 'd')).toBe(BACK_PRESSURED);
    expect(address.sendToBucket(BUCKET + 2, 'others pass')).toBe(OK);
    expect(address.held).toBe(2);
    expect(() => address.whenRoom('soon' as unknown as () => void)).toThrow('then');
    address.whenRoom(() => expect(address.sendToBucket(BUCKET, 'd')).toBe(OK));
    expect(await outcome(moving)).toBe(true);
    expect(run.filter((each) => !each.includes('others'))).toEqual(['0 a', '1 b', '1 c', '1 d']);
    expect(run).toContain('0 others pass');
    expect(address.held).toBe(0);
    expect(roomIn(town.parties[1]!.inside).table.figures[1]!.held).toBe(2);
  });

  it('of one bucket waits for another of the same', async () => {
    const all = [moves.move(BUCKET, 1), moves.move(BUCKET, 0), moves.move(BUCKET, 1)];
    expect(await outcome(Promise.all(all))).toEqual([true, true, true]);
    expect(owner()).toBe(1);
  });

  it('waits for the promise of a hook', async () => {
    let resolve!: (state: string) => void;
    const told: unknown[] = [];
    makeTown(
      { onBucketLeaves: () => new Promise<string>((settled) => (resolve = settled)) },
      { onBucketArrives: (_bucket, state) => void told.push(state) },
    );
    const moving = moves.move(BUCKET, 1);
    expect(await outcome(moving)).toBe('pending');
    expect([owner(), told]).toEqual([0, []]);
    resolve('late');
    expect(await outcome(moving)).toBe(true);
    expect([owner(), told]).toEqual([1, ['late']]);
  });
});

describe('a promise of onBucketArrives', () => {
  let settleIt: { resolve: () => void; reject: (error: Error) => void };
  const waits: Hooks = {
    onBucketArrives: () => new Promise<void>((resolve, reject) => (settleIt = { resolve, reject })),
  };

  it('holds the messages of the bucket until it has resolved', async () => {
    makeTown({ onBucketLeaves: () => 'mine' }, waits);
    const address = keyedAddress<string>(town.reactor(0), 'task');
    const moving = moves.move(BUCKET, 1);
    address.sendToBucket(BUCKET, 'held');
    expect(await outcome(moving)).toBe('pending');
    expect([owner(), run, roomIn(town.parties[0]!.inside).table.figures[0]!.waiting]).toEqual([0, [], 1]);
    settleIt.resolve();
    expect(await outcome(moving)).toBe(true);
    expect([owner(), run, roomIn(town.parties[0]!.inside).table.figures[0]!.waiting]).toEqual([1, ['1 held'], 0]);
  });

  it('sends the bucket back when it rejects, and the state that comes back is waited for as well', async () => {
    const back: unknown[] = [];
    let resolveBack!: () => void;
    makeTown({
      onBucketLeaves: () => 'mine',
      onBucketArrives: (_bucket, state) => {
        back.push(state);
        return new Promise<void>((resolve) => (resolveBack = resolve));
      },
    }, waits);
    const address = keyedAddress<string>(town.reactor(0), 'task');
    const moving = moves.move(BUCKET, 1);
    address.sendToBucket(BUCKET, 'held');
    await settle();
    settleIt.reject(new RangeError('no room here'));
    expect(await outcome(moving)).toBe('pending');
    expect([back, run]).toEqual([['mine'], []]);
    resolveBack();
    expect(await outcome(moving)).toMatchObject({ name: 'RangeError', message: 'no room here' });
    expect([owner(), run, town.errors]).toEqual([0, ['0 held'], []]);
  });

  it('that settles although the old owner has died brings the state, and it is not adopted besides', async () => {
    const told: unknown[] = [];
    makeTown({ onBucketLeaves: () => 'mine' }, { onBucketArrives: (bucket, state) => {
      told.push(state);
      return waits.onBucketArrives!(bucket, state);
    } });
    const moving = moves.move(BUCKET, 1);
    await settle();
    town.kill(0);
    expect(await outcome(moving)).toBe('pending');
    settleIt.resolve();
    expect(await outcome(moving)).toBe(true);
    expect([owner(), told]).toEqual([1, ['mine']]);
  });
});

describe('a hook whose promise does not settle', () => {
  const late = async (moving: Promise<unknown>): Promise<unknown> => {
    const error: unknown = await outcome(moving);
    if (error !== 'pending') return error;
    await new Promise((resolve) => setTimeout(resolve, 20));
    return late(moving);
  };

  it('keeps the bucket where it was; what leaves late comes back', async () => {
    const back: unknown[] = [];
    let resolve!: (state: string) => void;
    makeTown({
      hookTimeoutMs: 20, onBucketLeaves: () => new Promise<string>((settled) => (resolve = settled)),
      onBucketArrives: (_bucket, state) => void back.push(state),
    }, {});
    const address = keyedAddress<string>(town.reactor(1), 'task');
    const moving = moves.move(BUCKET, 1);
    address.sendToBucket(BUCKET, 'held');
    expect(await late(moving)).toMatchObject({
      code: 'ERR_PERCORE_TIMEOUT', reactorId: 0, value: 20,
      message: expect.stringContaining('onBucketLeaves') as string,
    });
    expect([owner(), run, back]).toEqual([0, ['0 held'], []]);
    expect(await outcome(moves.move(BUCKET, 1))).toMatchObject({
      code: 'ERR_PERCORE_TIMEOUT', message: expect.stringContaining('not settled yet') as string,
    });
    resolve('late');
    await settle();
    expect([owner(), back]).toEqual([0, ['late']]);
    const again = moves.move(BUCKET, 1);
    await settle();
    resolve('in time');
    expect(await outcome(again)).toBe(true);
  });

  it('bounds the wait for messages that a step keeps for ever, and the bucket can be moved later', async () => {
    town = new Town({ reactors: 2, laneBytes: 2048 });
    run = [];
    let isKept = true;
    for (const reactor of [0, 1]) {
      createKeyed<string>(town.reactor(reactor), { name: 'task', hookTimeoutMs: 20 }, (message) => {
        if (isKept) return AGAIN;
        run.push(`${reactor} ${message}`);
        return OK;
      });
    }
    moves = new BucketMoves(town.parties[2]!.inside);
    town.start();
    const address = keyedAddress<string>(town.reactor(1), 'task');
    expect(address.sendToBucket(BUCKET, 'a')).toBe(OK);
    // It never comes to rest.
    let error: unknown;
    moves.move(BUCKET, 1).catch((reason: unknown) => (error = reason));
    for (const end = performance.now() + 20_000; error === undefined && performance.now() < end;) {
      for (const party of town.parties) {
        party.stir();
        party.pass();
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(error).toMatchObject({
      code: 'ERR_PERCORE_TIMEOUT', reactorId: 0, message: expect.stringContaining('AGAIN') as string,
    });
    expect([owner(), run]).toEqual([0, []]);
    isKept = false;
    expect(address.sendToBucket(BUCKET, 'b')).toBe(OK);
    expect(await outcome(moves.move(BUCKET, 1))).toBe(true);
    expect(address.sendToBucket(BUCKET, 'c')).toBe(OK);
    await settle();
    expect(run).toEqual(['0 a', '0 b', '1 c']);
  });

  it('sends the bucket back; what arrives late is forgotten', async () => {
    const told: string[] = [];
    let resolve!: () => void;
    makeTown({
      onBucketLeaves: () => 'mine', onBucketArrives: (_bucket, state) => void told.push(`0 has ${state!}`),
    }, {
      hookTimeoutMs: 20, onBucketArrives: () => new Promise<void>((settled) => (resolve = settled)),
      onBucketLeaves: () => String(told.push('1 forgets')),
    });
    expect(await late(moves.move(BUCKET, 1))).toMatchObject({
      code: 'ERR_PERCORE_TIMEOUT', reactorId: 1, message: expect.stringContaining('onBucketArrives') as string,
    });
    expect([owner(), told]).toEqual([0, ['0 has mine']]);
    resolve();
    await settle();
    expect([owner(), told]).toEqual([0, ['0 has mine', '1 forgets']]);
  });

  it('is limited by a number of milliseconds', () => {
    expect(() => makeTown({ hookTimeoutMs: 0 }, {})).toThrow('hookTimeoutMs');
    expect(() => createBuckets(town.reactor(0), { name: 'other', hookTimeoutMs: 0.5 })).toThrow('hookTimeoutMs');
  });
});

describe('a bucket stays with its owner, which gets its state back', () => {
  const back: unknown[] = [];
  const giving: Hooks = { onBucketLeaves: () => 'mine', onBucketArrives: (_bucket, state) => void back.push(state) };
  beforeEach(() => void (back.length = 0));

  it('when the hook of the new owner throws', async () => {
    makeTown(giving, { onBucketArrives: () => { throw new RangeError('no room here'); } });
    const address = keyedAddress<string>(town.reactor(0), 'task');
    const moving = moves.move(BUCKET, 1);
    address.sendToBucket(BUCKET, 'held');
    expect(await outcome(moving)).toMatchObject({ name: 'RangeError', message: 'no room here' });
    expect([owner(), back, run]).toEqual([0, ['mine'], ['0 held']]);
    expect([moves.moved, moves.failed]).toEqual([0, 1]);
  });

  it('when its own hook throws', async () => {
    makeTown({ onBucketLeaves: () => { throw new Error('not now'); } }, {});
    expect(await outcome(moves.move(BUCKET, 1))).toMatchObject({ message: 'not now' });
    expect(owner()).toBe(0);
    expect(await outcome(moves.move(BUCKET + 1, 0))).toBe(true);
  });

  it('when the new owner has no such task, or no keyed task at all', async () => {
    makeTown(giving, undefined);
    expect(await outcome(moves.move(BUCKET, 1))).toMatchObject({ code: 'ERR_PERCORE_NO_HANDLER' });
    createKeyed(town.reactor(1), { name: 'another' }, () => undefined);
    expect(await outcome(moves.move(BUCKET, 1))).toMatchObject({ code: 'ERR_PERCORE_NO_TASK' });
    expect([owner(), back]).toEqual([0, ['mine', 'mine']]);
    expect(await outcome(moves.move(BUCKET + 1, 0))).toBe(true);
  });

  it('as a whole, when one of its stages cannot go', async () => {
    makeTown(giving, giving);
    const town2 = town;
    for (const reactor of [0, 1]) {
      createKeyed<string, string>(town2.reactor(reactor), {
        name: 'later', stage: 6,
        onBucketArrives: () => {
          if (reactor === 1) throw new Error('not this stage');
        },
      }, (message) => void run.push(`${reactor} later ${message}`));
    }
    const address = keyedAddress<string>(town2.reactor(0), 'later');
    const moving = moves.move(BUCKET, 1);
    address.sendToBucket(BUCKET, 'held');
    expect(await outcome(moving)).toMatchObject({ message: 'not this stage' });
    expect(owner()).toBe(0);
    const slots = [3, 6].map((stage) => moves.room.table.word(stage * 1024 + BUCKET) & 0xff);
    expect([slots, run]).toEqual([[0, 0], ['0 later held']]);
    // It went, and came back.
    expect(back).toEqual(['mine', 'mine']);
  });

  it('when the state does not fit a lane, or cannot be copied', async () => {
    makeTown({ ...giving, onBucketLeaves: () => 'x'.repeat(5000) }, {});
    expect(await outcome(moves.move(BUCKET, 1))).toMatchObject({ code: 'ERR_PERCORE_TOO_LARGE' });
    makeTown({ ...giving, onBucketLeaves: () => (() => undefined) as unknown as string }, {});
    expect(await outcome(moves.move(BUCKET, 1))).toMatchObject({ code: 'ERR_PERCORE_UNSERIALIZABLE' });
    expect(owner()).toBe(0);
    expect(back).toHaveLength(2);
  });

  it('when the old owner was never asked, because it has no keyed task', async () => {
    makeTown(undefined, {});
    expect(await outcome(moves.move(BUCKET, 1))).toMatchObject({ code: 'ERR_PERCORE_NO_HANDLER' });
    expect(owner()).toBe(0);
    expect(await outcome(moves.move(BUCKET, 1))).toMatchObject({ code: 'ERR_PERCORE_NO_HANDLER' });
  });

  it('when the new owner dies before the bucket is its own', async () => {
    makeTown(giving, {});
    const moving = moves.move(BUCKET, 1);
    // The old owner hands over, and the new one does not read it any more.
    for (let i = 0; i < 4; i++) {
      town.parties[2]!.pass();
      town.parties[0]!.pass();
    }
    town.kill(1);
    expect(await outcome(moving)).toMatchObject({ code: 'ERR_PERCORE_REACTOR_DIED' });
    expect([owner(), back]).toEqual([0, ['mine']]);
  });
});

describe('a bucket to which a party has sent that has died', () => {
  it('goes when what that one had published has been run; what it had not is counted as lost', async () => {
    town = new Town({ reactors: 3, laneBytes: 2048 });
    run = [];
    for (const reactor of [0, 1, 2]) {
      createKeyed<string>(town.reactor(reactor), { name: 'task' }, (message) => void run.push(`${reactor} ${message}`));
    }
    moves = new BucketMoves(town.parties[3]!.inside);
    town.start();
    const address = keyedAddress<string>(town.reactor(1), 'task');
    address.sendToBucket(3, 'a');
    address.sendToBucket(3, 'b');
    town.parties[1]!.pass();
    address.sendToBucket(3, 'c');
    town.kill(1);
    expect(await outcome(moves.move(3, 2))).toBe(true);
    expect([town.reactor(0).ownerOfHash(3), run]).toEqual([2, ['0 a', '0 b']]);
    expect(moves.room.table.figures[0]!.lost).toBe(1);
  });
});

describe('a bucket whose owner has died', () => {
  it('answers CLOSED, is adopted without state, and what was lost is counted; what is held goes on', async () => {
    const told: unknown[] = [];
    makeTown({ onBucketLeaves: () => 'gone' }, { onBucketArrives: (_bucket, state) => void told.push(state) });
    const address = keyedAddress<string>(town.reactor(2), 'task');
    for (const message of ['a', 'b', 'c']) address.sendToBucket(BUCKET, message);
    // Published, and never read.
    town.parties[2]!.pass();
    town.kill(0);
    town.parties[2]!.wake();
    town.parties[2]!.pass();
    expect(address.sendToBucket(BUCKET, 'd')).toBe(CLOSED);
    const moving = moves.move(BUCKET, 1);
    expect(address.sendToBucket(BUCKET, 'e')).toBe(OK);
    expect(await outcome(moving)).toBe(true);
    expect([owner(), told, run]).toEqual([1, [undefined], ['1 e']]);
    expect(moves.room.table.figures[1]!.lost).toBe(3);
    expect(moves.adopted).toBe(1);
    expect(await outcome(moves.move(BUCKET, 0))).toMatchObject({ code: 'ERR_PERCORE_REACTOR_DIED', argument: 'to' });
  });
});

describe('a bucket whose owner has died and that nobody living can take', () => {
  it('stays the dead one\'s, until somebody can', async () => {
    let isFull = true;
    const tries: number[] = [];
    const full: Hooks = { onBucketArrives: () => {
      tries.push(1);
      if (isFull) throw new RangeError('full');
    } };
    town = new Town({ reactors: 3, laneBytes: 2048 });
    run = [];
    for (const reactor of [0, 1, 2]) {
      createKeyed<string, string>(town.reactor(reactor), { name: 'task', ...full }, (message) => {
        run.push(`${reactor} ${message}`);
      });
    }
    moves = new BucketMoves(town.parties[3]!.inside);
    town.start();
    town.kill(0);
    expect(await outcome(moves.move(3, 2))).toMatchObject({ message: 'full' });
    expect([tries.length, town.reactor(1).ownerOfHash(3), moves.isOrphan(3)]).toEqual([2, 0, true]);
    isFull = false;
    expect(await outcome(moves.move(3, 2))).toBe(true);
    expect([town.reactor(1).ownerOfHash(3), moves.isOrphan(3)]).toEqual([2, false]);
  });
});

describe('buckets of a program that packs its messages', () => {
  it('are counted by the program itself', async () => {
    const town2 = new Town({ reactors: 2, laneBytes: 2048 });
    town = town2;
    const [first, second] = [0, 1].map((reactor) => createBuckets<string>(town2.reactor(reactor), {
      name: 'lines', onBucketLeaves: () => `from ${reactor}`,
    }));
    moves = new BucketMoves(town2.parties[2]!.inside);
    town2.start();
    expect(() => createBuckets(town2.reactor(0), { name: 'lines' })).toThrow(/taken/);
    expect([second!.enter(BUCKET), second!.enter(BUCKET)]).toEqual([0, 0]);
    const moving = moves.move(BUCKET, 1);
    expect(await outcome(moving)).toBe('pending');
    expect(second!.enter(BUCKET)).toBe(-1);
    let settled = 0;
    second!.whenSettled(BUCKET, () => void settled++);
    first!.took(1, BUCKET);
    expect(await outcome(moving)).toBe('pending');
    second!.leave(BUCKET);
    expect(await outcome(moving)).toBe(true);
    expect([settled, second!.enter(BUCKET)]).toEqual([1, 1]);
  });
});

/**
 * Who waits for whom, and that nobody waits for ever: random traffic over the shipped reactors, in one thread,
 * replayable by its seed. The rule that it keeps to and what it demands stand in docs/architecture.md.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BACK_PRESSURED, VariableProducer } from '../queues/index.js';
import { AWAIT_ROOM, refuseFor, type Refuser } from '../refusals.js';
import { CallAnswers } from './call-answers.js';
import { CallTraffic } from './fixtures/call-traffic.js';
import { Traffic } from './fixtures/traffic.js';
import { Inlet } from './inlet.js';
import { Outlet } from './outlet.js';
import { LocalTask } from './task.js';
import { WaitingLine } from './waiting-line.js';
import { Waits } from './waits.js';
import { ASK_FOR_ROOM } from '../queues/internal.js';

const SEEDS = process.env['PERCORE_STRESS'] === undefined ? 20 : 20_000;
const ACTIONS = 400;

let present: Traffic | undefined;
const ask = VariableProducer.prototype[ASK_FOR_ROOM];

beforeAll(() => {
  // Between the look that found no room and the wish to be told, and after it, the other side does something.
  VariableProducer.prototype[ASK_FOR_ROOM] = function (length) {
    present?.interleave();
    const hasRoom = ask.call(this, length);
    if (!hasRoom) present?.interleave();
    return hasRoom;
  };
});
afterAll(() => {
  VariableProducer.prototype[ASK_FOR_ROOM] = ask;
});

async function run(seed: number, isDeadly = false): Promise<Traffic> {
  const traffic = (present = new Traffic({ seed, actions: ACTIONS, isDeadly }));
  try {
    await traffic.run();
  } catch (error) {
    throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
  } finally {
    present = undefined;
  }
  return traffic;
}

describe('tasks, lanes and bands under random steps', () => {
  it('run every accepted message once and in order, and come to rest: no deadlock, no livelock', async () => {
    let refusals = 0;
    let taken = 0;
    for (let seed = 1; seed <= SEEDS; seed++) {
      const traffic = await run(seed);
      refusals += traffic.refusals;
      taken += traffic.taken;
    }
    expect(taken).toBeGreaterThan(SEEDS * 150);
    expect(refusals, 'steps were held back').toBeGreaterThan(SEEDS * 50);
  });

  it('go on when a reactor dies for whom they wait', async () => {
    for (let seed = 1; seed <= SEEDS; seed++) await run(seed, true);
  });

  it('take the same way for the same seed', async () => {
    const summary = async () => {
      const { accepted, refusals, thrown, town } = await run(7);
      return [accepted, refusals, thrown, ...town.parties.map(({ turns }) => turns)];
    };
    expect(await summary()).toEqual(await summary());
  });
});

async function runCalls(seed: number): Promise<CallTraffic> {
  const traffic = new CallTraffic(seed);
  try {
    await traffic.run(ACTIONS);
  } catch (error) {
    throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
  }
  return traffic;
}

describe('calls that call on, in circles of lanes that hold two or three records', () => {
  it('are all answered, or given up and told so, and come to rest: no deadlock, no livelock', async () => {
    let answered = 0;
    let givenUp = 0;
    let told = 0;
    // Each call becomes many.
    const seeds = SEEDS / 4;
    for (let seed = 1; seed <= seeds; seed++) {
      const traffic = await runCalls(seed);
      answered += traffic.answered;
      givenUp += traffic.givenUp;
      told += traffic.told;
    }
    expect(answered).toBeGreaterThan(seeds * 50);
    expect([givenUp > seeds * 10, told > seeds * 5], 'given up, and handlers heard of it').toEqual([true, true]);
  });

  it('would stop for ever if a lane waited until the handler before had answered', async () => {
    const { answer } = CallAnswers.prototype;
    const never: Refuser = { [AWAIT_ROOM]: () => () => undefined };
    CallAnswers.prototype.answer = function (this: any, ...record) {
      return this.askers.askers.some((asker: any) => asker?.underWay.some((asked: unknown) => asked !== undefined))
        ? refuseFor(never)
        : answer.apply(this, record);
    };
    try {
      await expect(runCalls(1)).rejects.toThrow(/deadlock/);
    } finally {
      CallAnswers.prototype.answer = answer;
    }
  });
});

describe('a bug seeded into who waits for whom is found', () => {
  /** Puts `changed` into the place of a method, for one test. */
  const bug = <C extends object>(of: C, method: keyof C, changed: (...args: any[]) => unknown): (() => void) => {
    const right = of[method];
    (of as Record<keyof C, unknown>)[method] = changed;
    return () => void (of[method] = right);
  };
  const askForRoom = Outlet.prototype.askForRoom;
  const run1 = LocalTask.prototype.run;
  const setHeld = Inlet.prototype.setHeld;

  it.each<[string, () => () => void, RegExp]>([
    [
      'what was refused is tried again at the head of its band',
      () =>
        bug(Waits.prototype, 'hold', function (this: any, ready: { isReady: boolean }) {
          ready.isReady = false;
          this.host.schedule(ready);
        }),
      /livelock/,
    ],
    [
      'only the first of those who wait is woken',
      () =>
        bug(WaitingLine.prototype, 'admit', function (this: any) {
          this.isStale = false;
          for (; this.waiters[this.first]?.isGone === true; this.first++) this.gone--;
          const first = this.waiters[this.first];
          if (first === undefined || !(this.room.isOver() || this.room.askForRoom(first.needed))) return;
          this.call(first);
          this.first++;
        }),
      /deadlock|not run/,
    ],
    [
      'who waits is woken when there is room for something',
      () =>
        bug(Outlet.prototype, 'askForRoom', function (this: Outlet) {
          return askForRoom.call(this, 16);
        }),
      /before there was room|livelock/,
    ],
    [
      'the wish to be told is not set',
      () =>
        bug(VariableProducer.prototype, ASK_FOR_ROOM, function (this: any, length: number) {
          return this.lookFor(this.unitsFor(length)) !== BACK_PRESSURED;
        }),
      /deadlock/,
    ],
    [
      'a mailbox does not tell that it has room',
      () =>
        bug(LocalTask.prototype, 'run', function (this: any) {
          const { line } = this;
          line.mayHaveRoom = () => undefined;
          const hasMore = run1.call(this);
          delete line.mayHaveRoom;
          return hasMore;
        }),
      /deadlock/,
    ],
    [
      'a lane stays muted',
      () =>
        bug(Inlet.prototype, 'setHeld', function (this: Inlet, isHeld: boolean) {
          if (isHeld) setHeld.call(this, isHeld);
        }),
      /deadlock/,
    ],
    ['a held lane is not muted', () => bug(Inlet.prototype, 'setHeld', () => undefined), /livelock/],
    [
      'room that was given out is never taken back',
      () => bug(WaitingLine.prototype, 'forgetPromises', () => undefined), /livelock/,
    ],
    ['the dead are waited for', () => bug(Outlet.prototype, 'isOver', () => false), /deadlock/],
  ])('%s', async (_name, seedBug, says) => {
    const mend = seedBug();
    try {
      let found = '';
      for (let seed = 1; seed <= 20 && found === ''; seed++) {
        for (const isDeadly of [false, true])
          await run(seed, isDeadly).catch((error: Error) => (found ||= error.message));
      }
      expect(found).toMatch(says);
    } finally {
      mend();
    }
  });
});

/**
 * Who waits for what, step by step: real reactors in one thread whose turns the test calls itself. See
 * waits.model.test.ts for random traffic.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { AGAIN, BACK_PRESSURED, CLOSED, OK, TOO_LARGE } from '../queues/index.js';
import { Town } from './fixtures/town.js';
import { partyOf, type Reactor } from './reactor.js';

const MOST_TURNS = 200;
let town: Town;
let a: Reactor;
let b: Reactor;

beforeEach(() => {
  town = new Town({ reactors: 2, laneBytes: 4096 });
  town.start();
  a = town.reactor(0);
  b = town.reactor(1);
});

const told = (): string[] =>
  town.errors.map(({ reactor, where, error }) => `${reactor}, ${where}: ${(error as Error).message}`);
const turnsOf = (id: number): number => town.parties[id]!.turns;
// oxlint-disable-next-line unicorn/no-thenable -- lies are what is tested
const THEN = 'then';
const thenable = (then: unknown): object => Object.fromEntries([[THEN, then]]);
/** Runs everybody until all sleep. */
function settle(): void {
  // What the test has done outside of a turn is seen when the thread's loop comes by.
  for (const party of town.parties) party.stir();
  expect(town.settle(MOST_TURNS), `at rest within ${MOST_TURNS} turns`).toBeGreaterThanOrEqual(0);
}
/** The same, with promises. */
async function settleAll(): Promise<void> {
  for (let i = 0; i < 10; i++) {
    settle();
    for (let tick = 0; tick < 5; tick++) await Promise.resolve();
    for (const party of town.parties) party.stir();
  }
}
/**
 * Fills the lane of band 3 from reactor 0 to a task of reactor 1 that takes nothing until it is told to; how many it
 * holds.
 */
function fill(state: { isOpen: boolean; seen: unknown[] }, bytes = 100): number {
  b.spawn({ name: 'sink' }, (message: Uint8Array) => {
    if (!state.isOpen) return AGAIN;
    state.seen.push(message[0]);
    return undefined;
  });
  let sent = 0;
  for (let to = a.address('sink', { reactor: 1 }); to.send(new Uint8Array(bytes).fill(sent)) === OK;) sent++;
  return sent;
}

describe('a step that answers BACK_PRESSURED', () => {
  it('waits for the mailbox that refused it, while lower bands run, and takes no turn', () => {
    const seen: number[] = [];
    let tries = 0;
    const low = a.spawn<number>({ name: 'low', priority: 1, capacity: 1 }, (message) => void seen.push(message));
    const high = a.spawn<number>({ name: 'high', priority: 6 }, (message) => {
      tries++;
      return low.send(message);
    });
    for (let i = 0; i < 10; i++) high.send(i);
    settle();
    expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(tries, 'each is refused once at most').toBeLessThanOrEqual(20);
  });

  it('waits for as much room as it was refused, not for some', () => {
    const state = { isOpen: false, seen: [] as unknown[] };
    let tries = 0;
    const held = fill(state, 64);
    const task = a.spawn({ name: 'large' }, () => {
      tries++;
      return a.send('sink', new Uint8Array(1500).fill(99), { reactor: 1 });
    });
    task.send(0);
    town.parties[0]!.pass();
    expect(tries).toBe(1);
    // The other side takes them one by one, and tells after each sixteen.
    state.isOpen = true;
    settle();
    expect(state.seen.length).toBe(held + 1);
    expect(tries, 'woken once, when all of it fitted').toBe(2);
  });

  it('goes on with the first of two refusers that has room', () => {
    const isOpen = [false, false];
    let tries = 0;
    let done = 0;
    // The sinks are held by a lane that is full, each until the test opens it.
    fill({ isOpen: false, seen: [] });
    const sinks = [0, 1].map((i) => a.spawn({ name: `sink ${i}`, capacity: 1, priority: i }, () => {
      return isOpen[i] === true ? undefined : a.send('sink', new Uint8Array(100), { reactor: 1 });
    }));
    const task = a.spawn({ name: 'both', priority: 7 }, () => {
      tries++;
      if (sinks.every((sink) => sink.send(0) === BACK_PRESSURED)) return BACK_PRESSURED;
      done++;
      return undefined;
    });
    for (const sink of sinks) expect(sink.send(0)).toBe(OK);
    task.send(0);
    for (let i = 0; i < 5; i++) town.parties[0]!.pass();
    expect([tries, done]).toEqual([1, 0]);
    // Both are woken by the death of whom they wait for; only the second takes its message.
    isOpen[1] = true;
    town.kill(1);
    settle();
    expect([tries, done]).toEqual([2, 1]);
  });

  it('without having been refused comes again once a turn, and lower bands and other lanes are read meanwhile', () => {
    for (const code of [BACK_PRESSURED, AGAIN]) {
      town = new Town({ reactors: 2, laneBytes: 4096 });
      town.start();
      a = town.reactor(0);
      let tries = 0;
      let isDone = false;
      const ran: string[] = [];
      a.spawn({ name: 'stubborn', priority: 7 }, () => {
        tries++;
        return isDone ? undefined : code;
      });
      a.spawn({ name: 'low', priority: 0 }, () => void ran.push('low'));
      town.reactor(1).send('stubborn', 0, { reactor: 0, priority: 7 });
      town.reactor(1).send('low', 0, { reactor: 0, priority: 0 });
      town.parties[1]!.pass();
      town.parties[0]!.pass();
      expect([tries, ran], 'one turn').toEqual([1, ['low']]);
      for (let i = 0; i < 5; i++) town.parties[0]!.pass();
      expect(tries, 'six turns').toBe(6);
      isDone = true;
      settle();
      expect(tries).toBe(7);
    }
  });

  it('goes on when the reactor that it waits for dies', () => {
    const codes: number[] = [];
    fill({ isOpen: false, seen: [] });
    const task = a.spawn({ name: 'waits' }, () => {
      codes.push(a.send('sink', new Uint8Array(100), { reactor: 1 }));
      return codes.at(-1) === BACK_PRESSURED ? BACK_PRESSURED : undefined;
    });
    task.send(0);
    town.parties[0]!.pass();
    town.kill(1);
    settle();
    expect(codes).toEqual([BACK_PRESSURED, CLOSED]);
    expect(partyOf(a).isQuiet()).toBe(true);
  });
});

describe('whenRoom', () => {
  it('calls in the order of waiting, one that throws costs nobody else anything, and it is told where', () => {
    const state = { isOpen: false, seen: [] as unknown[] };
    fill(state);
    const to = a.address('sink', { reactor: 1 });
    const called: number[] = [];
    a.spawn({ name: 'asks' }, () => {
      for (let i = 0; i < 4; i++) {
        to.whenRoom(() => {
          called.push(i);
          if (i === 1) throw new Error('thrown by the callback');
        });
      }
    });
    a.send('asks', 0, { reactor: 0 });
    state.isOpen = true;
    settle();
    expect(called).toEqual([0, 1, 2, 3]);
    expect(told()).toEqual([
      '0, a whenRoom callback of task "asks" for room in the lane of band 3 to party 1: thrown by the callback',
    ]);
  });

  it('is not overtaken: while somebody waits, a smaller message is refused too', () => {
    const state = { isOpen: false, seen: [] as unknown[] };
    fill(state, 40);
    const to = a.address('sink', { reactor: 1 });
    expect(to.send(new Uint8Array(1500).fill(201))).toBe(BACK_PRESSURED);
    to.whenRoom(() => void to.send(new Uint8Array(1500).fill(201)));
    state.isOpen = true;
    // Some have been taken, and their room is free: it is the first one's.
    town.parties[1]!.pass();
    expect(to.send(new Uint8Array(8).fill(202))).toBe(BACK_PRESSURED);
    settle();
    expect(to.send(new Uint8Array(8).fill(202))).toBe(OK);
    settle();
    expect(state.seen.slice(-2)).toEqual([201, 202]);
  });
});

describe('what a step answers', () => {
  it('is nothing when it is nothing that has a meaning', async () => {
    let runs = 0;
    const answers = [undefined, null, 7, NaN, 1.5, 'text', true, {}, [], Symbol('s'), 10n, () => 1, thenable(5)];
    const task = a.spawn({ name: 'odd' }, () => answers[runs++] as never);
    for (const _ of answers) task.send(0);
    await settleAll();
    expect([runs, told()]).toEqual([answers.length, []]);
    expect(partyOf(a).isQuiet()).toBe(true);
  });

  it('is told when it says that something was not taken, since its message is gone', async () => {
    const answers = [CLOSED, TOO_LARGE, -99, Promise.resolve(CLOSED), Promise.resolve(BACK_PRESSURED)];
    let runs = 0;
    const task = a.spawn({ name: 'lost' }, () => answers[runs++] as never);
    for (const _ of answers) task.send(0);
    await settleAll();
    expect(told().map((text) => text.replace(/(, so| after).*/, ''))).toEqual([
      '0, task "lost": a step answered CLOSED', '0, task "lost": a step answered TOO_LARGE',
      '0, task "lost": a step answered code -99', '0, task "lost": a step answered CLOSED',
      '0, task "lost": a step answered BACK_PRESSURED',
    ]);
  });

  it('may be a thenable that lies: it counts once, and what it throws is told once', async () => {
    const lies: (() => unknown)[] = [
      () => thenable((resolve: () => void) => [resolve(), resolve()]),
      () =>
        thenable((resolve: () => void, reject: (error: Error) => void) => [resolve(), reject(new Error('too late'))]),
      () =>
        thenable(() => {
          throw new Error('then throws');
        }),
      () =>
        Object.defineProperty({}, THEN, {
          get() {
            throw new Error('no then');
          },
        }),
      () =>
        thenable((resolve: () => void) => {
          resolve();
          throw new Error('too late');
        }),
      () =>
        Object.assign(
          Promise.resolve(),
          thenable(() => {
            throw new Error('an own then');
          }),
        ),
      () => Promise.reject(new Error('rejected')),
    ];
    let runs = 0;
    const task = a.spawn({ name: 'liar' }, () => lies[runs++]!() as never);
    for (const _ of lies) task.send(0);
    await settleAll();
    expect(told().sort()).toEqual(['no then', 'rejected', 'then throws'].map((text) => `0, task "liar": ${text}`));
    expect([partyOf(a).isQuiet(), partyOf(a).turn.steps.unsettled]).toEqual([true, 0]);
  });
});

describe('asynchronous steps of one task', () => {
  it('run side by side, or as many at once as `concurrency` says', async () => {
    for (const [concurrency, expected] of [[undefined, 5], [1, 1], [2, 2]] as const) {
      town = new Town({ reactors: 2, laneBytes: 4096 });
      town.start();
      a = town.reactor(0);
      let under = 0;
      let most = 0;
      const order: number[] = [];
      const settlers: (() => void)[] = [];
      const options = concurrency === undefined ? { name: 'slow' } : { name: 'slow', concurrency };
      const task = a.spawn<number>(options, async (message) => {
        most = Math.max(most, ++under);
        order.push(message);
        await new Promise<void>((resolve) => settlers.push(resolve));
        under--;
        if (message === 1) throw new Error('one of them');
      });
      for (let i = 0; i < 3; i++) task.send(i);
      // From another reactor too: the lane waits as the mailbox does.
      for (let i = 3; i < 5; i++) town.reactor(1).send('slow', i, { reactor: 0 });
      for (let i = 0; i < 10; i++) {
        await settleAll();
        const before = turnsOf(0);
        settle();
        expect(turnsOf(0), 'nothing turns while they are under way').toBe(before);
        settlers.shift()?.();
      }
      await settleAll();
      expect([most, order.toSorted()]).toEqual([expected, [0, 1, 2, 3, 4]]);
      expect(told()).toEqual(['0, task "slow": one of them']);
      expect(partyOf(a).isQuiet()).toBe(true);
    }
  });

  it('are refused a concurrency that is none', () => {
    for (const concurrency of [0, -1, 1.5, '1', NaN]) {
      expect(() =>
        a.spawn({ name: `of ${String(concurrency)}`, concurrency: concurrency as number }, () => undefined),
      ).toThrow(/concurrency must be a whole number from 1 to 1048576/);
    }
  });
});

describe('priority at the sender', () => {
  it('publishes higher lanes to the same party first, however many records the lower one has', () => {
    const order: string[] = [];
    b.spawn({ name: 'inbox' }, (message: string) => void order.push(message));
    a.spawn({ name: 'sends', priority: 7 }, () => {
      a.send('inbox', 'urgent', { reactor: 1, priority: 6 });
      a.send('inbox', 'middle', { reactor: 1, priority: 4 });
      for (let i = 0; i < 64; i++) a.send('inbox', `bulk ${i}`, { reactor: 1, priority: 1 });
      // The bulk has been published by its number. What does the receiver find in the middle of this step?
      town.parties[1]!.pass();
      order.push('still sending');
    });
    a.send('sends', 0, { reactor: 0, priority: 7 });
    town.parties[0]!.pass();
    expect(order.slice(0, 2)).toEqual(['urgent', 'middle']);
    expect(order).toContain('still sending');
  });

  it('publishes at once what is above the band that runs; outside of a step, what is above band 3', () => {
    const order: string[] = [];
    b.spawn({ name: 'inbox' }, (message: string) => void order.push(message));
    a.spawn({ name: 'sends', priority: 2 }, () => {
      a.send('inbox', 'same', { reactor: 1, priority: 2 });
      a.send('inbox', 'above', { reactor: 1, priority: 3 });
      town.parties[1]!.pass();
      order.push('still sending');
    });
    a.send('sends', 0, { reactor: 0, priority: 2 });
    town.parties[0]!.pass();
    settle();
    expect(order).toEqual(['above', 'still sending', 'same']);
    const main = town.reactor(2);
    main.send('inbox', 'from main, 3', { reactor: 1, priority: 3 });
    main.send('inbox', 'from main, 5', { reactor: 1, priority: 5 });
    town.parties[1]!.pass();
    expect(order.slice(3)).toEqual(['from main, 5']);
    settle();
    expect(order.slice(3)).toEqual(['from main, 5', 'from main, 3']);
  });
});

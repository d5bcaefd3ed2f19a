/** What follows a failure of a process, and what becomes of parents and children. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { Reactor } from '../reactor/index.js';
import { OK } from '../result-codes.js';
import { createProcess, tasksOf, type Self } from './index.js';
import { ProcessTown } from './fixtures/town.js';
import { Supervision } from './supervision.js';

let town: ProcessTown;
let reactor: Reactor;

beforeEach(() => {
  town = new ProcessTown();
  reactor = town.reactor(0);
});

const names = (): string[] => tasksOf(reactor).map(({ name }) => name);
/** Adds up; fails at a negative number. */
function* adder(this: void, self: Self<number>, totals: number[]): Generator<symbol, void, unknown> {
  let total = 0;
  for (;;) {
    const message = yield* self.receive();
    if (message < 0) throw new Error(`message ${message}`);
    totals.push((total += message));
  }
}

describe('a process that fails', () => {
  it('begins anew with fresh state and the same inbox; the message that failed is gone', () => {
    const totals: number[] = [];
    const process = createProcess(reactor, { name: 'sum', supervise: { policy: 'restart' } }, (self: Self<number>) =>
      adder(self, totals));
    for (const message of [1, 2, -1, 3, 4]) expect(process.send(message)).toBe(OK);
    town.rest();
    expect(totals).toEqual([1, 3, 3, 7]);
    expect(tasksOf(reactor)[0]).toMatchObject({
      state: 'idle', restarts: 1, errors: 1, depth: 0, cursors: { in: 5, out: 5 },
    });
    expect(town.told()).toEqual(['task "sum": message -1']);
  });

  it('ends where nothing is said, and is reported', async () => {
    const process = createProcess(reactor, { name: 'sum' }, (self: Self<number>) => adder(self, []));
    process.send(-1);
    town.rest();
    const end = await process.join();
    expect([end.how, town.told(), names()]).toEqual(['failed', ['task "sum": message -1'], []]);
  });

  it('escalates beyond its limit: without a parent the report names it and says why', async () => {
    const process = createProcess(
      reactor, { name: 'sum', supervise: { policy: 'restart', most: 2, withinMs: 1e6 } },
      (self: Self<number>) => adder(self, []),
    );
    for (const message of [-1, -2, -3, -4]) process.send(message);
    town.rest();
    expect(await process.join()).toMatchObject({ how: 'failed', error: { message: 'message -3' } });
    expect(town.told()).toEqual([
      'task "sum": message -1', 'task "sum": message -2',
      'task "sum": task "sum" has failed once more after 2 restarts within 1000000 ms, which is its limit: message -3',
    ]);
    expect((town.errors[2]!.error as Error).cause).toMatchObject({ message: 'message -3' });
  });

  it('counts restarts within the window alone', () => {
    let nowNs = 0;
    const supervision = new Supervision({ policy: 'restart', most: 2, withinMs: 10 }, () => nowNs);
    const decisions = [0, 1, 2, 9, 11, 12].map((ms) => {
      nowNs = ms * 1e6;
      return supervision.decide();
    });
    expect(decisions).toEqual(['restart', 'restart', 'escalate', 'escalate', 'restart', 'restart']);
    expect(new Supervision({ policy: 'stop', most: 2, withinMs: 10 }, () => 0).decide()).toBe('stop');
  });

  it('may fail at once, before it waits for anything, and asynchronously', async () => {
    let runs = 0;
    const options = { name: 'at once', supervise: { policy: 'restart', most: 3 } } as const;
    const process = createProcess(reactor, options, async (self: Self<number>) => {
      runs++;
      if (runs < 3) throw new Error('not yet');
      return self.restarts;
    });
    await town.restAll();
    expect([await process.join(), town.told()]).toEqual(
      [{ how: 'ended', value: 2 }, Array(2).fill('task "at once": not yet')],
    );
  });

  it('is not restarted after a cancellation', async () => {
    const options = { name: 'cleans', supervise: { policy: 'restart' } } as const;
    const process = createProcess(reactor, options, function* (self: Self) {
      try {
        for (;;) yield* self.receive();
      } finally {
        // oxlint-disable-next-line no-unsafe-finally -- that is what is tested
        throw new Error('while cleaning');
      }
    });
    town.rest();
    process.cancel();
    town.rest();
    const { how } = await process.join();
    expect([how, town.told(), names()]).toEqual(['failed', ['task "cleans": while cleaning'], []]);
  });
});

describe('children', () => {
  it('end with their parent, before it', async () => {
    const order: string[] = [];
    const parent = createProcess(reactor, { name: 'parent' }, function* (self: Self<number>) {
      for (const name of ['a', 'b']) {
        createProcess(self, { name }, function* (child: Self) {
          try {
            for (;;) yield* child.receive();
          } finally {
            yield;
            order.push(name);
          }
        });
      }
      yield* self.receive();
      order.push('returns');
    });
    void parent.join().then(() => order.push('parent'));
    town.rest();
    expect(tasksOf(reactor)).toMatchObject([
      { name: 'parent', children: ['a', 'b'], parent: undefined }, { name: 'a', parent: 'parent' }, { name: 'b' },
    ]);
    parent.send(0);
    await town.restAll();
    expect([order, names()]).toEqual([['returns', 'a', 'b', 'parent'], []]);
  });

  it('end before their parent begins anew, so that it can make them again', () => {
    const seen: string[] = [];
    const parent = createProcess(reactor, { name: 'parent', supervise: { policy: 'restart' } }, function* (
      self: Self<string>,
    ) {
      const child = createProcess(self, { name: 'child' }, function* (inner: Self<string>) {
        for (;;) seen.push(`${self.restarts}: ${yield* inner.receive()}`);
      });
      for (;;) {
        const message = yield* self.receive();
        if (message === 'fail') throw new Error('failed');
        child.send(message);
      }
    });
    parent.send('one');
    town.rest();
    for (const message of ['fail', 'two']) parent.send(message);
    town.rest();
    expect(seen).toEqual(['0: one', '1: two']);
    expect(names()).toEqual(['parent', 'child']);
  });

  it('that escalate fail their parent where it waits; it may catch that', async () => {
    const caught: string[] = [];
    const make = (name: string, isCatching: boolean) => createProcess(reactor, { name }, function* (self: Self) {
      createProcess(self, { name: `${name}'s child`, supervise: { policy: 'escalate' } }, function* () {
        yield;
        throw new Error('boom');
      });
      try {
        yield* self.receive();
      } catch (error) {
        caught.push((error as Error & { code: string }).code);
        if (!isCatching) throw error;
      }
      return 'goes on';
    });
    const catching = make('catching', true);
    const failing = make('failing', false);
    town.rest();
    expect(await catching.join()).toEqual({ how: 'ended', value: 'goes on' });
    const code = 'ERR_PERCORE_TASK_FAILED';
    expect(await failing.join()).toMatchObject({ how: 'failed', error: { code, cause: { message: 'boom' } } });
    expect(caught).toEqual([code, code]);
    expect(town.told()).toEqual(['task "failing": task "failing\'s child" has failed: boom']);
  });

  it('that escalate fail an asynchronous parent as well', async () => {
    const parent = createProcess(reactor, { name: 'parent' }, async (self: Self) => {
      createProcess(self, { name: 'child', supervise: { policy: 'escalate' } }, async (child: Self) => {
        await child.pause();
        throw new Error('boom');
      });
      await self.next();
    });
    await town.restAll();
    expect(await parent.join()).toMatchObject({ how: 'failed', error: { cause: { message: 'boom' } } });
  });

  it('cannot be made by a parent that has ended', () => {
    let kept: Self | undefined;
    createProcess(reactor, { name: 'parent' }, function* (self: Self) {
      kept = self;
      yield;
    });
    town.rest();
    expect(() => createProcess(kept!, { name: 'late' }, async () => undefined)).toThrow(
      'task "late": its parent, task "parent", has ended',
    );
  });
});

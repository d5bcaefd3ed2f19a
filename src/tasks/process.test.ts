/* oxlint-disable unicorn/no-thenable -- Promises that lie are among what a body may return. */
/** Processes step by step: real reactors in one thread whose turns the test calls itself. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { PercoreError } from '../errors.js';
import type { Reactor } from '../reactor/index.js';
import { BACK_PRESSURED, CLOSED, OK } from '../result-codes.js';
import { createProcess, tasksOf, type Process, type ProcessEnd, type Self } from './index.js';
import { ProcessTown } from './fixtures/town.js';

let town: ProcessTown;
let reactor: Reactor;

beforeEach(() => {
  town = new ProcessTown(2);
  reactor = town.reactor(0);
});

const stateOf = (name: string, of: Reactor = reactor) => tasksOf(of).find((task) => task.name === name);
async function endOf<R>(process: Process<never, R>): Promise<ProcessEnd<R>> {
  return process.join({ timeoutMs: 1000 });
}

describe('a body', () => {
  it('that returns or yields what throws when it is looked at fails once, and costs nobody else anything', async () => {
    const refusing = { get then(): never { throw new RangeError('refused'); } };
    const bodies: (() => unknown)[] = [
      () => refusing,
      () => ({ then() { throw new RangeError('thrown by then'); } }),
      () => new Proxy({}, { has() { throw new RangeError('of a trap'); } }),
      function* () { yield refusing; },
      () => ({
        next: () => ({ get done() { throw new RangeError('of done'); } }), return() {}, [Symbol.iterator]() {},
      }),
    ];
    const messages = ['refused', 'thrown by then', 'of a trap', 'refused', 'of done'];
    for (const [i, body] of bodies.entries()) {
      const process = createProcess(reactor, { name: `hostile ${i}` }, body as never);
      await town.restAll();
      expect(await endOf(process), messages[i]).toMatchObject({ how: 'failed', error: { message: messages[i] } });
    }
    const twice = createProcess(reactor, { name: 'twice' }, (() => ({
      then(settle: (value: number) => void) {
        settle(1);
        settle(2);
      },
    })) as never);
    await town.restAll();
    expect(await endOf(twice)).toEqual({ how: 'ended', value: 1 });
  });
});

describe('a generator', () => {
  it('is given each message of its inbox in order, in steps of its own', () => {
    const seen: number[] = [];
    const book = createProcess(reactor, { name: 'book' }, function* (self: Self<number>) {
      for (;;) seen.push(yield* self.receive());
    });
    expect([book.state, book.name]).toEqual(['ready', 'book']);
    town.rest();
    expect(book.state).toBe('idle');
    for (let i = 0; i < 40; i++) expect(book.send(i)).toBe(OK);
    expect([book.depth, book.state]).toEqual([40, 'ready']);
    town.rest();
    expect(seen).toEqual(Array.from({ length: 40 }, (_, i) => i));
    expect(stateOf('book')).toMatchObject({
      kind: 'generator', state: 'idle', depth: 0, capacity: 1024, steps: 41, cursors: { in: 40, out: 40 }, errors: 0,
    });
  });

  it('is told what it asks for wrongly, where it asks', async () => {
    const seen: unknown[] = [];
    const tell = (error: unknown): unknown => seen.push([(error as PercoreError).code, (error as Error).message]);
    createProcess(reactor, { name: 'wrong' }, function* (self: Self<number>) {
      for (const promise of [5, undefined, null, {}, () => 5]) {
        try {
          seen.push(yield* self.until(promise as never));
        } catch (error) {
          tell(error);
        }
      }
      for (const value of [self.receive(), self.until(Promise.resolve(5)), [5]]) {
        try {
          seen.push(yield value as never);
        } catch (error) {
          tell(error);
        }
      }
      yield* self.until(self.next().catch(tell));
      yield* self.until(self.pause().catch(tell));
      return yield* self.until(Promise.resolve('goes on'));
    });
    createProcess(reactor, { name: 'waits wrongly' }, async (self: Self<number>) => {
      await self.next(5 as never).catch(tell);
      await self.next({ timeoutMs: 'x' as never }).catch(tell);
      await self.next({ signal: 5 as never }).catch(tell);
    });
    await town.restAll();
    const invalid = 'ERR_PERCORE_INVALID_ARGUMENT';
    const notPromised = (value: string): unknown[] =>
      [invalid, `promise must be a promise, or an object with then(), not ${value}`];
    const told = seen as [string, string][];
    expect(told.filter(([, text]) => text.startsWith('promise'))).toEqual(
      ['5', 'undefined', 'null', '[object Object]', '[object Function]'].map(notPromised),
    );
    const stars = told.filter(([, text]) => text.startsWith('what a generator yields'));
    expect(stars.map(([code, text]) => [code, text.includes('use yield*, not yield')])).toEqual([
      [invalid, true], [invalid, true], [invalid, true],
    ]);
    expect(told.filter(([, text]) => text.includes('is for asynchronous bodies')).length).toBe(2);
    expect(told.filter(([code, text]) => code === invalid && /^(options|timeoutMs|signal) must be/.test(text)).length)
      .toBe(3);
    expect([seen.length, stateOf('wrong'), stateOf('waits wrongly')]).toEqual([13, undefined, undefined]);
  });

  it('fails where its next() answers no object', async () => {
    for (const result of [5, undefined, null]) {
      const made = { next: () => result, return: () => result, throw: () => result, [Symbol.iterator]: () => made };
      const process = createProcess(reactor, { name: `fake ${String(result)}` }, () => made as never);
      town.rest();
      expect(await endOf(process)).toMatchObject({
        how: 'failed', error: { code: 'ERR_PERCORE_INVALID_ARGUMENT', value: result },
      });
    }
  });

  it('gives way at each yield to the others of its band, and at once to those above', () => {
    const order: string[] = [];
    const long = function* (self: Self): Generator<void, void, unknown> {
      for (let i = 0; i < 3; i++) {
        order.push(`${self.name}${i}`);
        if (self.name === 'a' && i === 0) urgent.send(0);
        yield;
      }
    };
    const urgent = reactor.spawn({ name: 'urgent', priority: 6 }, () => void order.push('urgent'));
    createProcess(reactor, { name: 'a' }, long);
    createProcess(reactor, { name: 'b' }, long);
    town.rest();
    expect(order).toEqual(['a0', 'urgent', 'b0', 'a1', 'b1', 'a2', 'b2']);
    expect(tasksOf(reactor).map(({ name }) => name)).toEqual(['urgent']);
  });

  it('gives way to those above also between two messages', () => {
    const order: string[] = [];
    const urgent = reactor.spawn({ name: 'urgent', priority: 6 }, () => void order.push('urgent'));
    const low = createProcess(reactor, { name: 'low', priority: 1 }, function* (self: Self<number>) {
      for (;;) {
        const message = yield* self.receive();
        order.push(`low ${message}`);
        if (message === 2) urgent.send(0);
      }
    });
    for (let i = 1; i <= 4; i++) low.send(i);
    town.rest();
    expect(order).toEqual(['low 1', 'low 2', 'urgent', 'low 3', 'low 4']);
  });

  it('answers full, lets those who wait in when there is room, and closed after its end', () => {
    let isOpen = false;
    const seen: number[] = [];
    const book = createProcess(reactor, { name: 'book', capacity: 2 }, function* (self: Self<number>) {
      while (!isOpen) yield* self.until(gate);
      while (seen.length < 5) seen.push(yield* self.receive());
    });
    let open!: () => void;
    const gate = new Promise<void>((resolve) => (open = resolve));
    expect([1, 2, 3].map((message) => book.send(message))).toEqual([OK, OK, BACK_PRESSURED]);
    let next = 3;
    const feeder = reactor.spawn({ name: 'feeder' }, () => {
      while (next <= 5) {
        if (book.send(next) !== OK) return BACK_PRESSURED;
        next++;
      }
      return OK;
    });
    feeder.send(0);
    town.rest();
    expect([book.state, stateOf('feeder')!.state, next]).toEqual(['held', 'held', 3]);
    isOpen = true;
    open();
    return town.restAll().then(() => {
      expect(seen).toEqual([1, 2, 3, 4, 5]);
      expect([book.send(6), book.state, stateOf('book')]).toEqual([CLOSED, 'ended', undefined]);
    });
  });

  it('waits by BACK_PRESSURED for whoever has refused it, and by AGAIN for its next turn', () => {
    const seen: number[] = [];
    let isOpen = false;
    const sink = reactor.spawn<number>({ name: 'sink', capacity: 1, priority: 1 }, (message) => {
      if (!isOpen) return gate.send(0) === OK ? BACK_PRESSURED : BACK_PRESSURED;
      seen.push(message);
      return OK;
    });
    const gate = reactor.spawn({ name: 'gate', capacity: 1, priority: 0 }, () => (isOpen ? OK : BACK_PRESSURED));
    const source = createProcess(reactor, { name: 'source' }, function* () {
      for (let i = 0; i < 3; i++) while (sink.send(i) === BACK_PRESSURED) yield BACK_PRESSURED;
    });
    for (let i = 0; i < 20; i++) town.turn();
    expect([source.state, seen]).toEqual(['held', []]);
    isOpen = true;
    town.rest();
    expect([source.state, seen]).toEqual(['ended', [0, 1, 2]]);
  });

  it('is given messages of other reactors by its name, waits for none of them to be lost, and knows who sent', () => {
    const seen: [number, number][] = [];
    createProcess(reactor, { name: 'book', capacity: 1 }, function* (self: Self<number>) {
      for (;;) {
        const message = yield* self.receive();
        seen.push([message, self.from]);
        yield;
      }
    });
    const address = town.reactor(1).address('book', { reactor: 0 });
    for (let i = 0; i < 10; i++) expect(address.send(i)).toBe(OK);
    town.rest();
    expect(seen).toEqual(Array.from({ length: 10 }, (_, i) => [i, 1]));
  });

  it('goes on with the value of a promise, or with what it was rejected with, in the turn of its band', async () => {
    const order: string[] = [];
    createProcess(reactor, { name: 'asks' }, function* (self: Self) {
      order.push(yield* self.until(Promise.resolve('value')));
      try {
        yield* self.until(Promise.reject(new Error('no')));
      } catch (error) {
        order.push((error as Error).message);
      }
    });
    town.rest();
    expect([order, town.parties[0]!.inside.isQuiet()]).toEqual([[], false]);
    await town.restAll();
    expect([order, town.parties[0]!.inside.isQuiet()]).toEqual([['value', 'no'], true]);
  });
});

describe('an asynchronous body', () => {
  it('is given each message in order; those of one quantum without a turn between', async () => {
    const seen: number[] = [];
    const book = createProcess(reactor, { name: 'book' }, async (self: Self<number>) => {
      for (;;) seen.push(await self.next());
    });
    town.rest();
    expect(book.state).toBe('idle');
    for (let i = 0; i < 40; i++) book.send(i);
    const before = town.parties[0]!.turns;
    await town.restAll();
    expect(seen).toEqual(Array.from({ length: 40 }, (_, i) => i));
    // 16 messages a quantum, and one turn each.
    expect(town.parties[0]!.turns - before).toBeLessThanOrEqual(6);
    expect(stateOf('book')).toMatchObject({ kind: 'async', state: 'idle', cursors: { in: 40, out: 40 } });
  });

  it('goes on before anything else is selected, and in its band', async () => {
    const order: string[] = [];
    const low = createProcess(reactor, { name: 'low', priority: 1 }, async (self: Self<string>) => {
      for (;;) order.push(await self.next());
    });
    const high = createProcess(reactor, { name: 'high', priority: 5 }, async (self: Self<string>) => {
      for (;;) order.push(await self.next());
    });
    const middle = reactor.spawn<string>({ name: 'middle', priority: 3 }, (message) => void order.push(message));
    await town.restAll();
    for (const [task, name] of [[low, 'low'], [middle, 'middle'], [high, 'high']] as const) task.send(name);
    // One turn: the promise of the highest is settled, and the turn ends with that.
    town.turn();
    expect(order).toEqual([]);
    await Promise.resolve();
    await Promise.resolve();
    expect(order).toEqual(['high']);
    await town.restAll();
    expect(order).toEqual(['high', 'middle', 'low']);
  });

  it('gives way by pause(), and waits for a message with timeoutMs and signal', async () => {
    const seen: unknown[] = [];
    const end = new AbortController();
    createProcess(reactor, { name: 'waits' }, async (self: Self<number>) => {
      await self.pause();
      seen.push('paused');
      await self.next({ timeoutMs: 0 }).catch((error: PercoreError) => seen.push(error.code));
      await self.next({ signal: end.signal }).catch((error: unknown) => seen.push(error));
      seen.push(await self.next());
      return 'done';
    });
    await town.restAll();
    expect(seen).toEqual(['paused', 'ERR_PERCORE_TIMEOUT']);
    end.abort('enough');
    await town.restAll();
    reactor.send('waits', 5, { reactor: 0 });
    await town.restAll();
    expect(seen).toEqual(['paused', 'ERR_PERCORE_TIMEOUT', 'enough', 5]);
    expect(stateOf('waits')).toBeUndefined();
  });

  it('keeps its reactor from being quiet while it waits for a promise of its own', async () => {
    let settle!: () => void;
    const own = new Promise<void>((resolve) => (settle = resolve));
    const { inside } = town.parties[0]!;
    const process = createProcess(reactor, { name: 'works' }, async (self: Self<number>) => {
      await self.next();
      await own;
    });
    await town.restAll();
    expect(inside.isQuiet(), 'it waits for a message').toBe(true);
    process.send(1);
    await town.restAll();
    expect([inside.isQuiet(), process.state]).toEqual([false, 'held']);
    settle();
    await town.restAll();
    expect([inside.isQuiet(), await endOf(process)]).toEqual([true, { how: 'ended', value: undefined }]);
  });
});

describe('createProcess', () => {
  it('refuses what it cannot take', () => {
    const body = function* (): Generator<void, void, unknown> {
      yield;
    };
    const refusal = (options: unknown, of: unknown = reactor, run: unknown = body): string => {
      try {
        createProcess(of as Reactor, options as { name: string }, run as typeof body);
      } catch (error) {
        return (error as Error).message;
      }
      return 'taken';
    };
    expect(refusal({})).toBe('name must be a string that is not empty, not undefined');
    expect(refusal({ name: 'a', prio: 1 })).toMatch(/createProcess has no option "prio"; did you mean "priority"\?/);
    expect(refusal({ name: 'a', priority: 8 })).toBe('priority must be a whole number from 0 to 7, not 8');
    expect(refusal({ name: 'a', supervise: { policy: 'resume' } })).toMatch(/^supervise.policy must be 'restart'/);
    expect(refusal({ name: 'a', supervise: { most: -1 } })).toMatch(/^supervise.most must be a whole number from 0/);
    expect(refusal({ name: 'a', signal: 5 })).toBe('signal must be an AbortSignal, not 5');
    expect(refusal({ name: 'a' }, reactor, 5)).toBe('body must be a function, not 5');
    expect(refusal({ name: 'a' }, 5)).toMatch(/^reactor must be a reactor, or a runtime/);
    expect(refusal({ name: 'a' })).toBe('taken');
    expect(refusal({ name: 'a' })).toBe('name "a" is taken in this reactor; choose another');
  });

  it('fails a body that is neither a generator nor asynchronous', async () => {
    const process = createProcess(reactor, { name: 'plain' }, (() => 5) as never);
    town.rest();
    expect((await endOf(process)).how).toBe('failed');
    expect(town.told()[0]).toMatch(/^task "plain": what the body returns must be a generator or a promise/);
  });
});

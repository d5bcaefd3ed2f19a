/** How processes end, step by step: real reactors in one thread whose turns the test calls itself. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { Reactor } from '../reactor/index.js';
import { BACK_PRESSURED, CLOSED } from '../result-codes.js';
import { createProcess, type Process, type ProcessEnd, type Self } from './index.js';
import { ProcessTown } from './fixtures/town.js';

let town: ProcessTown;
let reactor: Reactor;

beforeEach(() => {
  town = new ProcessTown(2);
  reactor = town.reactor(0);
});

const nextImmediate = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
async function endOf<R>(process: Process<never, R>): Promise<ProcessEnd<R>> {
  return process.join({ timeoutMs: 1000 });
}

describe('the end of a process', () => {
  it('frees its name; messages that are left are dropped, counted and reported', async () => {
    const process = createProcess(reactor, { name: 'once' }, function* (self: Self<number>) {
      return (yield* self.receive()) * 2;
    });
    for (const message of [21, 1, 2]) process.send(message);
    const joined = endOf(process);
    town.rest();
    expect(await joined).toEqual({ how: 'ended', value: 42 });
    await nextImmediate();
    expect(town.told()).toEqual(
      ['a message: task "once" of reactor 0 has ended; 2 messages that waited for it were dropped'],
    );
    expect(await endOf(process), 'later as well').toEqual({ how: 'ended', value: 42 });
    const again: number[] = [];
    createProcess(reactor, { name: 'once' }, function* (self: Self<number>) {
      for (;;) again.push(yield* self.receive());
    });
    expect(process.send(3)).toBe(CLOSED);
    reactor.send('once', 4, { reactor: 0 });
    town.rest();
    expect(again).toEqual([4]);
  });

  it('sends what comes later from others to whoever has the name then', () => {
    const seen: string[] = [];
    const address = town.reactor(1).address('name', { reactor: 0 });
    const make = (label: string) => createProcess(reactor, { name: 'name' }, function* (self: Self<number>) {
      for (;;) seen.push(`${label}${yield* self.receive()}`);
    });
    const first = make('a');
    address.send(1);
    town.rest();
    first.cancel();
    town.rest();
    make('b');
    address.send(2);
    town.rest();
    expect(seen).toEqual(['a1', 'b2']);
  });

  it('by cancel runs finally blocks, and tells the reason', async () => {
    const seen: string[] = [];
    const process = createProcess(reactor, { name: 'cleans' }, function* (self: Self<number>) {
      self.signal.addEventListener('abort', () => seen.push('aborted'));
      try {
        for (;;) yield* self.receive();
      } finally {
        yield;
        seen.push('cleaned');
      }
    });
    town.rest();
    process.cancel('enough');
    process.cancel('again');
    expect(seen).toEqual(['aborted']);
    const joined = endOf(process);
    town.rest();
    expect([await joined, seen]).toEqual([{ how: 'cancelled', reason: 'enough' }, ['aborted', 'cleaned']]);
  });

  it('by cancel in its own first step comes to what it waits for then', async () => {
    const seen: unknown[] = [];
    const atOnce: Process = createProcess(reactor, { name: 'at once' }, async (self) => {
      atOnce.cancel('own');
      await self.next().catch((error: unknown) => {
        seen.push(error);
        throw error;
      });
    });
    const later: Process = createProcess(reactor, { name: 'later' }, async (self) => {
      later.cancel('own');
      await nextImmediate();
      await self.next();
    });
    town.rest();
    const first = atOnce.join({ timeoutMs: 1000 });
    await nextImmediate();
    await nextImmediate();
    town.rest();
    await nextImmediate();
    town.rest();
    expect(await first).toEqual({ how: 'cancelled', reason: 'own' });
    expect(await later.join({ timeoutMs: 1000 })).toEqual({ how: 'cancelled', reason: 'own' });
    expect(seen).toEqual(['own']);
  });

  it('by cancel comes to one that has not begun, is held, waits for a promise, or cancels itself', async () => {
    const never = new Promise<never>(() => undefined);
    const cleaned: string[] = [];
    const sink = reactor.spawn({ name: 'sink', capacity: 1 }, () => BACK_PRESSURED);
    const notBegun = createProcess(reactor, { name: 'not begun' }, function* () {
      cleaned.push('not begun');
      yield;
    });
    notBegun.cancel();
    const held = createProcess(reactor, { name: 'held' }, function* () {
      try {
        while (sink.send(0) === BACK_PRESSURED) yield BACK_PRESSURED;
        while (sink.send(0) === BACK_PRESSURED) yield BACK_PRESSURED;
      } finally {
        cleaned.push('held');
      }
    });
    const waits = createProcess(reactor, { name: 'waits' }, function* (self: Self) {
      try {
        yield* self.until(never);
      } finally {
        cleaned.push('waits');
      }
    });
    const itself: Process = createProcess(reactor, { name: 'itself' }, function* () {
      try {
        itself.cancel('own');
        yield;
        cleaned.push('too far');
      } finally {
        cleaned.push('itself');
      }
    });
    for (let i = 0; i < 5; i++) town.turn();
    for (const process of [held, waits]) {
      expect(process.state).toBe('held');
      process.cancel();
    }
    for (let i = 0; i < 5; i++) town.turn();
    expect(cleaned).toEqual(['itself', 'held', 'waits']);
    const ends = await Promise.all([notBegun, held, waits, itself].map(endOf));
    expect(ends.map(({ how }) => how)).toEqual(Array(4).fill('cancelled'));
    expect(ends[3]).toEqual({ how: 'cancelled', reason: 'own' });
  });

  it('by the signal of its options, and of one that has aborted before', async () => {
    const end = new AbortController();
    const options = { name: 'by signal', signal: end.signal };
    const body = function* (self: Self): Generator<symbol, void, unknown> {
      for (;;) yield* self.receive();
    };
    const process = createProcess(reactor, options, body);
    town.rest();
    end.abort('over');
    town.rest();
    expect(await endOf(process)).toEqual({ how: 'cancelled', reason: 'over' });
    const late = createProcess(reactor, options, body);
    town.rest();
    expect(await endOf(late)).toEqual({ how: 'cancelled', reason: 'over' });
  });

  it('of an asynchronous body comes where it awaits a message', async () => {
    const seen: string[] = [];
    const process = createProcess(reactor, { name: 'async' }, async (self: Self) => {
      try {
        for (;;) await self.next();
      } finally {
        seen.push('cleaned');
      }
    });
    await town.restAll();
    const reason = new Error('enough');
    process.cancel(reason);
    await town.restAll();
    expect([await endOf(process), seen, town.told()]).toEqual([{ how: 'cancelled', reason }, ['cleaned'], []]);
  });

  it('with its reactor runs finally blocks', async () => {
    const seen: string[] = [];
    const body = function* (self: Self): Generator<symbol, void, unknown> {
      try {
        for (;;) yield* self.receive();
      } finally {
        seen.push(self.name);
      }
    };
    const parent = createProcess(reactor, { name: 'parent' }, function* (self: Self) {
      createProcess(self, { name: 'child' }, body);
      yield* body(self);
    });
    town.rest();
    town.parties[0]!.inside.detach();
    expect(seen).toEqual(['parent', 'child']);
    expect(await endOf(parent)).toMatchObject({ how: 'cancelled', reason: { code: 'ERR_PERCORE_CLOSED' } });
    expect(() => createProcess(reactor, { name: 'late' }, body)).toThrow(/the runtime is closed/);
  });

  it('join gives up by timeoutMs and signal, and the process goes on', async () => {
    const process = createProcess(reactor, { name: 'stays' }, function* (self: Self) {
      for (;;) yield* self.receive();
    });
    await expect(process.join({ timeoutMs: 1 })).rejects.toThrow('task "stays" has not ended within 1 ms');
    await expect(process.join({ signal: AbortSignal.abort('no') })).rejects.toBe('no');
    town.rest();
    expect(process.state).toBe('idle');
  });
});

/** Streaming answers: order, credits, errors, and both ways to their end. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { callStream } from './call-stream.js';
import { errorOf, inside, remoteRuntime, until, within, withRuntime } from './fixtures/inside.js';
import type { Runtime } from './runtime.js';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await remoteRuntime(2, { laneBytes: 4096, pin: false });
  for (const id of [0, 1]) {
    await inside(runtime, id, (reactor, _argument, { state }) => {
      state['made'] = 0;
      state['ended'] = 0;
      reactor.handle('count', async function* (to: number) {
        try {
          for (let i = 0; i < to; i++) {
            state['made']++;
            yield i;
          }
        } finally {
          state['ended']++;
        }
      } as never);
      reactor.handle('objects', async function* (to: number) {
        const object = { i: 0, filler: 'x'.repeat(300) };
        for (; object.i < to; object.i++) yield object;
      } as never);
      reactor.handle('fails', async function* (after: number) {
        for (let i = 0; i < after; i++) yield i;
        throw Object.assign(new RangeError('no more'), { code: 'E_MORE' });
      } as never);
      reactor.handle('waits', async function* (_: unknown, context: { signal: AbortSignal }) {
        try {
          yield 1;
          await new Promise((resolve) => context.signal.addEventListener('abort', resolve));
          yield 2;
        } finally {
          state['ended']++;
        }
      } as never);
      reactor.handle('plain', () => 5 as never);
    });
    await inside(runtime, id, (reactor, _argument, { state }) => {
      reactor.handle('plainly', function* (to: number) {
        try {
          for (let i = 0; i < to; i++) {
            state['made']++;
            yield i;
          }
          if (to === 13) throw new RangeError('thirteen');
        } finally {
          state['ended']++;
        }
      } as never);
      reactor.handle('odd', async function* (what: string) {
        try {
          yield 1;
          yield what === 'large' ? new Uint8Array(100_000) : () => 1;
        } finally {
          state['ended']++;
        }
      } as never);
    });
  }
});
afterAll(() => runtime.close({ drainMs: 1000 }));

const of = { reactor: 0 };
const look = (reset = false): Promise<{ made: number; ended: number }> =>
  inside(runtime, 0, (_reactor, isReset: boolean, { state }) => {
    const { made, ended } = state;
    if (isReset) state['made'] = state['ended'] = 0;
    return { made, ended } as { made: number; ended: number };
  }, reset);
/** Everything that a stream yields, and what it throws at its end. */
async function all(stream: AsyncIterable<unknown>): Promise<{ values: unknown[]; error?: { [key: string]: unknown } }> {
  const values: unknown[] = [];
  try {
    for await (const value of stream) values.push(value);
  } catch (error) {
    return { values, error: error as { [key: string]: unknown } };
  }
  return { values };
}

describe('a streaming answer', () => {
  it.each([1, 2, 3, 64, 65, 1000])('of %i credits is whole and in order, and the generator ends', async (credits) => {
    await look(true);
    const { values, error } = await all(callStream(runtime, 'count', 1000, { ...of, credits }));
    expect([error, values.length, values.every((value, i) => value === i)]).toEqual([undefined, 1000, true]);
    expect(await look()).toEqual({ made: 1000, ended: 1 });
    expect(runtime.status().main.callsInFlight).toBe(0);
  });

  it.each([1, 3, 64, 1000])('of %i credits may come from a plain generator, or in batches', async (credits) => {
    for (const name of ['count', 'plainly']) {
      await look(true);
      const { values, error } = await all(callStream(runtime, name, 1000, { ...of, credits }));
      expect([error, values.length, values.every((value, i) => value === i)]).toEqual([undefined, 1000, true]);
      const batches: unknown[][] = [];
      const limits = { ...of, credits };
      for await (const batch of callStream(runtime, name, 1000, limits).batches()) batches.push(batch);
      expect(batches.flat()).toEqual(values);
      expect(Math.max(...batches.map(({ length }) => length))).toBeLessThanOrEqual(credits);
      expect(batches.every(({ length }) => length > 0)).toBe(true);
      expect(await look()).toEqual({ made: 2000, ended: 2 });
    }
  });

  it('from a plain generator shares records, whatever its values are, and keeps their order', async () => {
    await inside(runtime, 0, (reactor) => {
      const values = [1, 'text', null, undefined, true, new Uint8Array([1, 2, 3]), { a: [1] }, 'x'.repeat(900), ''];
      reactor.handle('mixed', function* (to: number) {
        for (let i = 0; i < to; i++) yield i % 10 === 9 ? 'y'.repeat(i) : values[i % 10];
      } as never);
    });
    const one = await all(callStream(runtime, 'mixed', 300, { ...of, credits: 100 }));
    const values = [1, 'text', null, undefined, true, new Uint8Array([1, 2, 3]), { a: [1] }, 'x'.repeat(900), ''];
    expect(one.values).toEqual(
      Array.from({ length: 300 }, (_, i) => (i % 10 === 9 ? 'y'.repeat(i) : values[i % 10])),
    );
    const before = runtime.status().main.received;
    await all(callStream(runtime, 'plainly', 6400, { ...of, credits: 6400 }));
    // The records of 6,400 numbers, the end, and what came beside.
    expect(runtime.status().main.received - before).toBeLessThan(3300);
    await all(callStream(runtime, 'count', 6400, { ...of, credits: 6400 }));
    expect(runtime.status().main.received - before, 'those that are promised share them as well').toBeLessThan(6600);
  });

  it('in batches ends as it does one by one: by an error behind the values, by leaving, by its limit', async () => {
    const got: unknown[] = [];
    const failing = async (): Promise<void> => {
      for await (const batch of callStream(runtime, 'plainly', 13, of).batches()) got.push(...batch);
    };
    expect(await errorOf(failing)).toMatchObject({ name: 'RangeError', message: 'thirteen' });
    expect(got).toEqual(Array.from({ length: 13 }, (_, i) => i));
    await look(true);
    for await (const batch of callStream(runtime, 'plainly', 1e9, of).batches()) if (batch.length > 0) break;
    await until(async () => (await look()).ended === 1, 'the generator ends');
    const late = callStream(runtime, 'waits', null, { ...of, timeoutMs: 200 }).batches();
    expect(await late.next()).toEqual({ value: [1], done: false });
    expect(await errorOf(() => late.next())).toMatchObject({ code: 'ERR_PERCORE_TIMEOUT' });
    expect(await late.next()).toEqual({ value: undefined, done: true });
    expect((await errorOf(() => runtime.call('plainly', 3, of))).message).toContain('ask by callStream');
  });

  it('may be empty, and goes on saying that it is done', async () => {
    const stream = callStream(runtime, 'count', 0, of);
    expect([await stream.next(), await stream.next()]).toEqual([
      { value: undefined, done: true }, { value: undefined, done: true },
    ]);
  });

  it('is copied as it is yielded: the generator may use its object again', async () => {
    const { values } = await all(callStream(runtime, 'objects', 200, { ...of, credits: 100 }));
    expect((values as { i: number }[]).map(({ i }) => i)).toEqual(Array.from({ length: 200 }, (_, i) => i));
  });

  it('never has more values under way than its credits', async () => {
    await look(true);
    const stream = callStream(runtime, 'count', 1000, { ...of, credits: 7 });
    await until(async () => (await look()).made > 6, 'the first values');
    // Any further would have come with these questions and answers.
    for (let i = 0; i < 10; i++) await look();
    expect((await look()).made).toBe(7);
    for (let i = 0; i < 3; i++) await stream.next();
    for (let i = 0; i < 10; i++) await look();
    expect((await look()).made).toBe(10);
    await stream.return();
    await until(async () => (await look()).ended === 1, 'the end');
  });

  it('waits where the lane is full, and holds up neither its reactor nor other calls', async () => {
    const slow = callStream(runtime, 'objects', 500, { ...of, credits: 500 });
    await slow.next();
    for (let i = 0; i < 50; i++) expect(await runtime.call('plain', null, of)).toBe(5);
    const { values } = await all(slow);
    expect(values.length).toBe(499);
    expect(runtime.status().reactors[0]!.waitingBytes).toBe(0);
  });

  it('is read by several who ask at once, each value by one of them', async () => {
    const stream = callStream(runtime, 'count', 5, of);
    const results = await Promise.all(Array.from({ length: 7 }, () => stream.next()));
    expect(results.map(({ value, done }) => (done === true ? 'done' : value))).toEqual([0, 1, 2, 3, 4, 'done', 'done']);
  });

  it('goes between reactors, and within one', async () => {
    for (const id of [0, 1]) {
      expect(
        await inside(runtime, 1, async (reactor, to: number, { callStream: ask }) => {
          let sum = 0;
          for await (const value of ask(reactor, 'count', 100, { reactor: to })) sum += value as number;
          return sum;
        }, id),
      ).toBe(4950);
    }
  });

  it('may be asked within a call, whose deadline holds for it', async () => {
    await inside(runtime, 1, (reactor, _argument, { callStream: ask }) => {
      reactor.handle('sum within', async (_: unknown, context) => {
        let last = 0;
        for await (const value of ask(context, 'waits', null, { reactor: 0 })) last = value as number;
        return last as never;
      });
    });
    await look(true);
    const error = await errorOf(() => runtime.call('sum within', null, { reactor: 1, timeoutMs: 300 }));
    expect(error.code).toBe('ERR_PERCORE_TIMEOUT');
    await until(async () => (await look()).ended === 1, 'the generator ends');
  });
});

describe('the end of a stream', () => {
  it('by an error comes after the values before it, with class and code', async () => {
    const { values, error } = await all(callStream(runtime, 'fails', 20, of));
    expect([values.length, error instanceof RangeError, error!['message'], error!['code']]).toEqual([
      20, true, 'no more', 'E_MORE',
    ]);
  });

  it('by leaving the loop runs the finally of the generator', async () => {
    await look(true);
    for await (const value of callStream(runtime, 'count', 1e9, of)) if (value === 500) break;
    await until(async () => (await look()).ended === 1, 'finally');
    expect((await look()).made).toBeLessThan(501 + 256 + 1);
    expect(runtime.status().main.callsInFlight).toBe(0);
  });

  it.each(['abort', 'time-out'])('by %s ends both sides, at once here', async (how) => {
    await look(true);
    const abort = new AbortController();
    const options = how === 'abort' ? { ...of, signal: abort.signal } : { ...of, timeoutMs: 300 };
    const stream = callStream(runtime, 'waits', null, options);
    expect(await stream.next()).toEqual({ value: 1, done: false });
    const next = errorOf(() => stream.next());
    const reason = new Error('enough');
    if (how === 'abort') abort.abort(reason);
    const error = await next;
    if (how === 'abort') expect(error).toBe(reason);
    else expect(error.code).toBe('ERR_PERCORE_TIMEOUT');
    expect(await stream.next()).toEqual({ value: undefined, done: true });
    await until(async () => (await look()).ended === 1, 'finally');
  });

  it.each(['large', 'function'])('by a value that cannot be sent (%s) ends the generator too', async (what) => {
    await look(true);
    const { values, error } = await all(callStream(runtime, 'odd', what, of));
    expect([values, error!['code']]).toEqual([
      [1], what === 'large' ? 'ERR_PERCORE_TOO_LARGE' : 'ERR_PERCORE_UNSERIALIZABLE',
    ]);
    expect((await look()).ended).toBe(1);
  });

  it('by the death of either side ends the other', async () => {
    await withRuntime(2, { pin: false }, async (mortal) => {
      mortal.on('reactorDied', () => undefined);
      for (const id of [0, 1]) {
        await inside(mortal, id, (reactor, _argument, { state }) => {
          state['ended'] = 0;
          reactor.handle('ever', async function* () {
            try {
              for (let i = 0; ; i++) yield i;
            } finally {
              state['ended']++;
            }
          } as never);
        });
      }
      const fromZero = callStream(mortal, 'ever', undefined, { reactor: 0, credits: 4 });
      await fromZero.next();
      void inside(mortal, 0, async (reactor, _argument, { callStream: ask }) => {
        for await (const value of ask(reactor, 'ever', undefined, { reactor: 1 })) if (value === 1000) process.exit(3);
      }).catch(() => undefined);
      const { error } = await within(5000, all(fromZero), 'the end here');
      expect([error!['code'], error!['reactorId']]).toEqual(['ERR_PERCORE_REACTOR_DIED', 0]);
      await until(
        () => inside(mortal, 1, (_reactor, _argument, { state }) => state['ended'] === 1), 'the generator at the peer',
      );
    });
  });

  it('by the close of the runtime is an error here', async () => {
    const closing = await remoteRuntime(1, { pin: false });
    await inside(closing, 0, (reactor) => {
      reactor.handle('never', async function* () {
        await new Promise(() => undefined);
        yield 1;
      } as never);
    });
    const stream = callStream(closing, 'never', undefined, { reactor: 0 });
    const next = errorOf(() => stream.next());
    await closing.close({ drainMs: 50 });
    expect((await next).code).toMatch(/ERR_PERCORE_(CLOSED|REACTOR_DIED)/);
  });
});

describe('what nobody is there to hear', () => {
  it.each(['async', 'plain'])('is reported: the finally of a generator (%s) whose caller has left', async (kind) => {
    const errors: unknown[] = [];
    const note = ({ error, where }: { error: Error; where: string }): void => void errors.push([error.message, where]);
    runtime.on('stepError', note);
    await inside(runtime, 0, (reactor, which: string) => {
      if (which === 'async') {
        reactor.handle('throws at last, async', async function* () {
          try {
            for (;;) yield 1;
          } finally {
            await Promise.reject(new RangeError('at last'));
          }
        } as never);
        reactor.handle('hears', async function* (_: unknown, { signal }: { signal: AbortSignal }) {
          yield 1;
          await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
        } as never);
        return;
      }
      reactor.handle('throws at last, plain', function* () {
        try {
          for (;;) yield 1;
        } finally {
          [1].forEach(() => { throw new RangeError('at last'); });
        }
      } as never);
    }, kind);
    const before = runtime.status().reactors[0]!.stepErrors;
    // What is thrown because the caller has left is no fault.
    if (kind === 'async') for await (const value of callStream(runtime, 'hears', null, of)) if (value === 1) break;
    for await (const value of callStream(runtime, `throws at last, ${kind}`, null, of)) if (value === 1) break;
    await until(() => errors.length > 0, 'the report');
    expect(errors).toEqual([['at last', `the stream of callStream("throws at last, ${kind}")`]]);
    expect(runtime.status().reactors[0]!.stepErrors - before).toBe(1);
    runtime.off('stepError', note);
  });
});

describe('mistakes', () => {
  it.each([5, undefined, null])('of an iterator, whose next() answers %s, are told to the caller', async (result) => {
    await inside(runtime, 1, (reactor, given: { result: unknown }) => {
      for (const [name, later] of [['odd now', false], ['odd later', true]] as const) {
        reactor.handle(`${name} ${String(given.result)}`, () => {
          const iterator = {
            next: () => (later ? Promise.resolve(given.result) : given.result), [Symbol.iterator]: () => iterator,
          };
          return iterator as never;
        });
      }
      reactor.handle(`no iterator ${String(given.result)}`, () => (
        { [Symbol.asyncIterator]: () => given.result } as never
      ));
    }, { result });
    for (const name of ['odd now', 'odd later', 'no iterator']) {
      const { values, error } = await all(callStream(runtime, `${name} ${String(result)}`, null, { reactor: 1 }));
      expect([values, error!['code']]).toEqual([[], 'ERR_PERCORE_INVALID_ARGUMENT']);
      expect(error!['message']).toMatch(/^what (next\(\) of the handler's iterator|the handler) answers must be/);
    }
  });

  it('of asking a stream by call, or the other way round, say so', async () => {
    expect((await errorOf(() => runtime.call('count', 5, of))).message).toContain('ask by callStream');
    const { error } = await all(callStream(runtime, 'plain', null, of));
    expect([error!['code'], error!['message']]).toEqual([
      'ERR_PERCORE_INVALID_ARGUMENT', expect.stringContaining('ask by call'),
    ]);
  });

  it('in the arguments are thrown at once', () => {
    const ask = callStream as unknown as (...args: unknown[]) => unknown;
    for (const args of [
      [{}, 'count'], [runtime, ''], [runtime, Symbol('s')], [runtime, 'count', 1, { credits: 0 }],
      [runtime, 'count', 1, { credits: 65_537 }], [runtime, 'count', 1, { credit: 5 }],
      [runtime, 'count', 1, { timeoutMs: -1 }], [runtime, 'count', 1, { reactor: 9 }],
    ]) {
      expect(() => ask(...args), args.slice(1).map(String).join()).toThrow(
        expect.objectContaining({ code: 'ERR_PERCORE_INVALID_ARGUMENT' }),
      );
    }
  });
});

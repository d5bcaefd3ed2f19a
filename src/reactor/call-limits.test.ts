/** How long a call may take, who hears of it, and that circles of calls through full lanes come to their end. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { errorOf, inside, remoteRuntime, sleep, until, within, withRuntime } from './fixtures/inside.js';
import type { Runtime } from './runtime.js';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await remoteRuntime(3, { laneBytes: 4096, pin: false });
  for (const id of [0, 1, 2]) {
    await inside(runtime, id, (reactor, _argument, { state }) => {
      state['ended'] = [];
      state['begun'] = 0;
      reactor.handle('left', (_: unknown, context) => [context.deadlineNs, context.remainingMs] as never);
      reactor.handle('begin', () => void state['begun']++);
      reactor.handle('look', (isThrown: number, context) => {
        if (context.signal.aborted || isThrown === 1) throw new Error('thrown');
      });
      // Looks at its signal only after it has answered.
      reactor.handle('look later', (isAsync: number, context) => {
        setTimeout(() => void (state['later'] = context.signal), 0);
        return (isAsync === 1 ? Promise.resolve() : undefined) as never;
      });
      reactor.handle('busy', (ms: number) => {
        for (const endMs = performance.now() + ms; performance.now() < endMs;) continue;
      });
      // Notes why nobody waits any more, and only then answers.
      reactor.handle('work', (name: string, context) => new Promise((resolve) => {
        state['begun']++;
        const { signal } = context;
        const note = () => {
          state['ended'].push([name, signal.reason.name, signal.reason.code, signal.reason.message]);
          resolve(name);
        };
        if (signal.aborted) note();
        else signal.addEventListener('abort', note);
      }) as never);
      reactor.handle('pass on', (to: number[], context) => {
        return (to.length === 0
          ? context.call('left')
          : context.call(to.length === 1 ? 'work' : 'pass on', to.length === 1 ? 'nested' : to.slice(1), {
              reactor: to[0]!,
            })) as never;
      });
    });
  }
});
afterAll(() => runtime.close({ drainMs: 1000 }));

/** What handlers of a reactor have noted since the last look. */
const endedIn = (of: Runtime, id: number): Promise<unknown[][]> =>
  inside(of, id, (_reactor, _argument, { state }) => state['ended'].splice(0) as unknown[][]);
const begunIn = (id: number): Promise<number> =>
  inside(runtime, id, (_reactor, _argument, { state }) => state['begun'] as number);

describe('a deadline', () => {
  it('is seen by the handler, by the clock of all; without one there is none', async () => {
    expect(await runtime.call('left', null, { reactor: 0 })).toEqual([Infinity, Infinity]);
    const before = await inside(runtime, 1, (reactor) => reactor.nowNs());
    const [deadlineNs, remainingMs] = (await runtime.call('left', null, { reactor: 0, timeoutMs: 2000 })) as number[];
    expect(deadlineNs! - before).toBeGreaterThan(1.9e9);
    expect(deadlineNs! - before).toBeLessThan(4e9);
    expect(remainingMs).toBeGreaterThan(0);
    expect(remainingMs).toBeLessThanOrEqual(2000);
  });

  it('aborts the signal of its handler, and the answer that comes then is dropped', async () => {
    const before = runtime.status().main.droppedByReason.lateAnswers;
    const error = await errorOf(() => runtime.call('work', 'late', { reactor: 0, timeoutMs: 300 }));
    expect(error.code).toBe('ERR_PERCORE_TIMEOUT');
    await until(() => runtime.status().main.droppedByReason.lateAnswers === before + 1, 'the late answer');
    expect(await endedIn(runtime, 0)).toEqual([
      ['late', 'PercoreError', 'ERR_PERCORE_TIMEOUT', 'call("work"): its deadline is over'],
    ]);
  });

  it('whose signal a handler has looked at leaves no timer behind when it answers or throws at once', async () => {
    const live = () => runtime.status().reactors[0]!.timers.live;
    const before = live();
    for (const value of [0, 1]) {
      await errorOf(async () => {
        await runtime.call('look', value, { reactor: 0, timeoutMs: 60_000 });
        throw new Error('answered');
      });
    }
    await until(() => live() === before, 'no timer of a call that is over');
  });

  it('does not abort a signal that is read for the first time after the answer, and leaves no timer', async () => {
    const live = () => runtime.status().reactors[0]!.timers.live;
    const before = live();
    for (const isAsync of [0, 1]) {
      await runtime.call('look later', isAsync, { reactor: 0, timeoutMs: 60_000 });
      const isAborted = (): Promise<boolean | undefined> => inside(runtime, 0, (_reactor, _argument, { state }) => {
        const signal = state['later'] as AbortSignal | undefined;
        if (signal !== undefined) delete state['later'];
        return signal?.aborted;
      });
      let seen: boolean | undefined;
      await until(async () => (seen = await isAborted()) !== undefined, 'the look');
      expect([seen, live()]).toEqual([false, before]);
    }
  });

  it('that is over when the turn of its call comes: it is not begun, and counted', async () => {
    const before = runtime.status().reactors[0]!.droppedByReason.lateCalls;
    const begun = await begunIn(0);
    const busy = runtime.call('busy', 80, { reactor: 0 });
    const errors = await Promise.all(
      Array.from({ length: 20 }, () => errorOf(() => runtime.call('begin', null, { reactor: 0, timeoutMs: 20 }))),
    );
    await busy;
    expect(new Set(errors.map(({ code }) => code))).toEqual(new Set(['ERR_PERCORE_TIMEOUT']));
    expect([await begunIn(0), runtime.status().reactors[0]!.droppedByReason.lateCalls - before]).toEqual([begun, 20]);
  });

  it('goes on to nested calls: what is left of it, through two reactors', async () => {
    const [deadlineNs] = (await runtime.call('left', null, { reactor: 0, timeoutMs: 500 })) as number[];
    const [nestedNs, leftMs] = (await runtime.call('pass on', [], { reactor: 1, timeoutMs: 500 })) as number[];
    expect(Math.abs(nestedNs! - deadlineNs!)).toBeLessThan(400e6);
    expect(leftMs).toBeLessThan(500);
    const error = await errorOf(() => runtime.call('pass on', [1, 2], { reactor: 0, timeoutMs: 300 }));
    expect(error.code).toBe('ERR_PERCORE_TIMEOUT');
    await until(async () => (await endedIn(runtime, 2)).length === 1, 'the third hears of it');
  });

  it('of a nested call may be earlier, and never later', async () => {
    const result = await inside(runtime, 0, async (reactor) => {
      reactor.handle('shorter', async (_: unknown, context) => {
        const shorter = (await context.call('left', null, { reactor: 1, timeoutMs: 1000 })) as number[];
        const longer = (await context.call('left', null, { reactor: 1, timeoutMs: 60_000 })) as number[];
        return [shorter[1]! <= 1000, longer[1]! <= 10_000 && longer[1]! > 1000] as never;
      });
      return reactor.call('shorter', null, { reactor: 0, timeoutMs: 10_000 }) as Promise<unknown>;
    });
    expect(result).toEqual([true, true]);
  });

  it('follows the one rule of time-outs: 0 is over at once, and what is none is refused', async () => {
    expect((await errorOf(() => runtime.call('left', null, { reactor: 0, timeoutMs: 0 }))).code)
      .toBe('ERR_PERCORE_TIMEOUT');
    for (const timeoutMs of [-1, 2 ** 31, Number.NaN, '5' as never]) {
      expect((await errorOf(() => runtime.call('left', null, { reactor: 0, timeoutMs }))).code)
        .toBe('ERR_PERCORE_INVALID_ARGUMENT');
    }
    expect(await runtime.call('begin', null, { reactor: 0, timeoutMs: 2 ** 31 - 1 })).toBeUndefined();
  });
});

describe('a call that its caller gives up', () => {
  it('aborts the signal of its handler, with what the reason said', async () => {
    const abort = new AbortController();
    const call = errorOf(() => runtime.call('work', 'aborted', { reactor: 1, signal: abort.signal }));
    const begun = await begunIn(1);
    expect(begun).toBeGreaterThan(0);
    const reason = new RangeError('changed my mind');
    abort.abort(reason);
    expect(await call).toBe(reason);
    await until(() => runtime.status().main.callsInFlight === 0, 'nothing waits');
    const ended = await within(2000, endedIn(runtime, 1), 'the handler hears of it');
    expect(ended).toEqual([['aborted', 'RangeError', 'ERR_PERCORE_REMOTE', 'changed my mind']]);
  });

  it('aborts the calls that its handler makes in its turn', async () => {
    const abort = new AbortController();
    const call = errorOf(() => runtime.call('pass on', [1, 2], { reactor: 0, signal: abort.signal }));
    await sleep(30);
    abort.abort(new Error('all of it'));
    expect((await call).message).toBe('all of it');
    const ended: unknown[][] = [];
    await until(async () => {
      ended.push(...(await endedIn(runtime, 2)));
      return ended.length > 0;
    }, 'the third hears of it');
    expect(ended.map(([name, , , message]) => [name, message])).toEqual([['nested', 'all of it']]);
  });

  it('is not begun if it has not come to its turn', async () => {
    const begun = await begunIn(2);
    const before = runtime.status().reactors[2]!.droppedByReason.lateCalls;
    const busy = runtime.call('busy', 300, { reactor: 2 });
    // Alone in its quantum, which would go on with what lies behind it.
    await sleep(30);
    const abort = new AbortController();
    const calls = Array.from({ length: 10 }, () =>
      errorOf(() => runtime.call('begin', null, { reactor: 2, priority: 1, signal: abort.signal })));
    await sleep(5);
    abort.abort();
    await busy;
    expect((await Promise.all(calls)).map(({ name }) => name)).toEqual(calls.map(() => 'AbortError'));
    // This is asked behind them in their lane.
    const begunSince = (await begunIn(2)) - begun;
    expect(begunSince).toBe(0);
    // Those that waited for room in this small lane have not even gone.
    expect(runtime.status().reactors[2]!.droppedByReason.lateCalls - before).toBeLessThanOrEqual(10);
  });

  it('by its death aborts the signal as well', async () => {
    await withRuntime(2, { pin: false }, async (mortal) => {
      mortal.on('reactorDied', () => undefined);
      await inside(mortal, 1, (reactor, _argument, { state }) => {
        reactor.handle('work', (_: unknown, { signal }) => new Promise((resolve) => {
          state['begun'] = true;
          signal.addEventListener('abort', () => {
            state['ended'] = [signal.reason.code, signal.reason.reactorId];
            resolve(1);
          });
        }) as never);
      });
      void inside(mortal, 0, (reactor) => void reactor.call('work', null, { reactor: 1 }));
      await until(
        () => inside(mortal, 1, (_reactor, _argument, { state }) => state['begun'] === true), 'the handler runs',
      );
      void inside(mortal, 0, () => process.exit(3)).catch(() => undefined);
      await until(() => inside(mortal, 1, (_reactor, _argument, { state }) => state['ended'] !== undefined), 'the end');
      expect(await inside(mortal, 1, (_reactor, _argument, { state }) => state['ended'] as unknown[]))
        .toEqual(['ERR_PERCORE_REACTOR_DIED', 0]);
    });
  });
});

describe('a circle of calls', () => {
  it.each([[[1, 0]], [[1, 2, 0]]])('of reactors 0, %j through full lanes comes to its end', async (circle) => {
    for (const id of [0, 1, 2]) {
      await inside(runtime, id, (reactor, name: string) => {
        reactor.handle(name, async ({ to, filler }: { to: number[]; filler: Uint8Array }, context) => {
          if (to.length === 0) return filler.length as never;
          return (await context.call(name, { to: to.slice(1), filler }, { reactor: to[0]! })) as never;
        });
      }, `circle ${circle.length}`);
    }
    // Every reactor begins the circle at its own place, so that all lanes are full in both directions.
    const many = 300;
    const all = [0, 1, 2].map((id) =>
      inside(runtime, id, async (reactor, { name, to, count }: { name: string; to: number[]; count: number }) => {
        const filler = new Uint8Array(600);
        const answers = await Promise.all(
          Array.from({ length: count }, () => reactor.call(name, { to: to.slice(1), filler }, { reactor: to[0]! })),
        );
        return answers.filter((answer) => answer === 600).length;
      }, { name: `circle ${circle.length}`, to: [...circle, ...circle], count: many }));
    expect(await within(20_000, Promise.all(all), 'all circles')).toEqual([many, many, many]);
    const { main, reactors } = runtime.status();
    expect([main, ...reactors].map(({ waitingBytes }) => waitingBytes)).toEqual([0, 0, 0, 0]);
  });
});

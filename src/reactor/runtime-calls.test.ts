/** Calls of a whole runtime, from the main thread and between reactors: answers, errors, time-outs, bounds. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { partyLayout } from '../layout.js';
import { errorOf, inside, remoteRuntime, sleep, within } from './fixtures/inside.js';
import { controllerOf, type Runtime } from './runtime.js';
import { partyCounters } from './shared.js';

/** Calls of the main thread without an answer, read from its own counters. */
function mainCallsInFlight(runtime: Runtime): number {
  const { shared } = controllerOf(runtime);
  return partyCounters(shared.inboxes[shared.reactors]!)[partyLayout.fields.callsInFlight.at >> 3]!;
}

describe('a call', () => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await remoteRuntime(2, { laneBytes: 65_536 });
    for (const id of [0, 1]) {
      await inside(runtime, id, (reactor, _argument, { sleep: pause }) => {
        reactor.handle('echo', (value: unknown) => value);
        reactor.handle('id', () => reactor.id);
        reactor.handle('from', (_value: unknown, context) => [context.from, context.priority]);
        reactor.handle('late', async (ms: number) => {
          await pause(ms);
          return ms;
        });
        reactor.handle('never', () => new Promise(() => undefined));
        reactor.handle('throw', (how: string) => {
          if (how === 'text') throw 'a text';
          const error = Object.assign(new RangeError('too far'), { code: 'E_FAR' });
          if (how === 'later') return Promise.reject(error);
          throw error;
        });
        reactor.handle('function', () => (() => 1) as never);
        reactor.handle('large', (bytes: number) => new Uint8Array(bytes));
        let begun = 0;
        reactor.handle('begin', () => ++begun);
      });
    }
  });
  afterAll(() => runtime.close({ drainMs: 0 }));

  it('is answered, with whatever structured clone knows', async () => {
    for (const value of [
      1, -0, 'text', '', null, undefined, true, { a: [1, { b: new Map([[1, new Set([2])]]) }] }, 10n, new Date(7),
      Uint8Array.of(1, 2),
    ]) {
      expect(await runtime.call('echo', value, { reactor: 0 })).toEqual(value);
    }
  });

  it('goes round the reactors, to the one that is named, or to the owner of a key', async () => {
    const around = await Promise.all(Array.from({ length: 10 }, () => runtime.call('id', undefined)));
    expect(around.filter((id) => id === 0).length).toBe(5);
    expect([
      await runtime.call('id', undefined, { reactor: 0 }), await runtime.call('id', undefined, { reactor: 1 }),
    ]).toEqual([0, 1]);
    for (const key of ['a', 'b', 'c', 'd', 'e', 'f'])
      expect(await runtime.call('id', undefined, { key })).toBe(runtime.ownerOf(key));
    expect(new Set(Array.from({ length: 100 }, (_, i) => runtime.ownerOf(`key${i}`)))).toEqual(new Set([0, 1]));
    const asked = Array.from({ length: 20 }, (_, i) => `key${i}`);
    expect(
      await inside(runtime, 1, (reactor, keys: string[]) => keys.map((key) => reactor.ownerOf(key)), asked),
      'all agree',
    ).toEqual(asked.map((key) => runtime.ownerOf(key)));
  });

  it('tells its handler who asks and in what band', async () => {
    expect(await runtime.call('from', undefined, { reactor: 0, priority: 6 })).toEqual([2, 6]);
    expect(await runtime.call('from', undefined, { reactor: 0 })).toEqual([2, 3]);
  });

  it('to an asynchronous handler waits for it; others overtake', async () => {
    const order: string[] = [];
    await Promise.all([
      runtime.call('late', 50, { reactor: 0 }).then(() => order.push('late')),
      runtime.call('echo', 1, { reactor: 0 }).then(() => order.push('echo')),
    ]);
    expect(order).toEqual(['echo', 'late']);
  });

  it('rejects with what the handler threw: name, message, code, remote stack', async () => {
    for (const how of ['now', 'later']) {
      const error = await errorOf(() => runtime.call('throw', how, { reactor: 1 }));
      expect([error.name, error.message, error.code, error.reactorId], how).toEqual([
        'RangeError', 'too far', 'E_FAR', 1,
      ]);
      expect(error.stack).toMatch(/^RangeError: too far\n {4}--- reactor 1, "throw" ---\n {4}at /);
    }
    const error = await errorOf(() => runtime.call('throw', 'text', { reactor: 1 }));
    expect([error.message, error.code]).toEqual(['a text', 'ERR_PERCORE_REMOTE']);
  });

  it('by a name that nobody handles says what is handled', async () => {
    const error = await errorOf(() => runtime.call('ehco', 1, { reactor: 0 }));
    expect(error.code).toBe('ERR_PERCORE_NO_HANDLER');
    expect(error.message).toContain('reactor 0 has no handler by this name; it handles "run", "echo", "id"');
  });

  it('gives up after timeoutMs, not before; a late answer harms nobody', async () => {
    const from = performance.now();
    const error = await errorOf(() => runtime.call('late', 60, { reactor: 0, timeoutMs: 20 }));
    expect(performance.now() - from).toBeGreaterThanOrEqual(20);
    expect([error.code, error.message]).toEqual([
      'ERR_PERCORE_TIMEOUT', 'call("late") to reactor 0 had no answer within 20 ms',
    ]);
    await sleep(60);
    expect(await runtime.call('echo', 'after', { reactor: 0 })).toBe('after');
  });

  it('is not begun when its time was over before its turn came', async () => {
    const before = await runtime.call('begin', undefined, { reactor: 0 }) as number;
    const dropped = runtime.status().reactors[0]!.dropped;
    const busy = inside(runtime, 0, () => {
      const end = performance.now() + 60;
      while (performance.now() < end);
    });
    expect((await errorOf(() => runtime.call('begin', undefined, { reactor: 0, timeoutMs: 10 }))).code).toBe(
      'ERR_PERCORE_TIMEOUT',
    );
    await busy;
    expect(await runtime.call('begin', undefined, { reactor: 0 })).toBe(before + 1);
    expect(runtime.status().reactors[0]!.dropped).toBe(dropped + 1);
  });

  it('gives up when its signal aborts, with the reason; also one that was aborted before', async () => {
    const controller = new AbortController();
    const call = errorOf(() => runtime.call('late', 50, { reactor: 0, signal: controller.signal }));
    controller.abort(new Error('enough'));
    expect((await call).message).toBe('enough');
    expect((await errorOf(() => runtime.call('echo', 1, { reactor: 0, signal: controller.signal }))).message).toBe(
      'enough',
    );
    expect((await errorOf(() => runtime.call('echo', 1, { reactor: 0, signal: AbortSignal.abort() }))).name).toBe(
      'AbortError',
    );
  });

  it('refuses wrong options, and none of them stays counted as in flight', async () => {
    const cases: [object, string][] = [
      [{ reactor: 2 }, 'reactor must be a whole number from 0 to 1, not 2'],
      [{ reactor: -1 }, 'reactor must be a whole number from 0 to 1, not -1'],
      [{ reactor: 0, priority: 8 }, 'priority must be a whole number from 0 to 7, not 8'],
      [
        { reactor: 0, timeoutMs: -1 },
        'timeoutMs must be a number of milliseconds from 0 to 2147483647, or left out to wait for ever, not -1',
      ],
      [
        { reactor: 0, timeoutMs: NaN },
        'timeoutMs must be a number of milliseconds from 0 to 2147483647, or left out to wait for ever, not NaN',
      ],
    ];
    for (const [options, message] of cases)
      expect((await errorOf(() => within(1000, runtime.call('echo', 1, options), 'an answer'))).message).toBe(message);
    // Whatever these mean, nothing may be left waiting.
    const before = mainCallsInFlight(runtime);
    for (const options of [
      { reactor: 0, timeoutMs: Infinity }, { reactor: 0, timeoutMs: 1e300 }, { reactor: 0, signal: {} as AbortSignal },
    ])
      await within(1000, runtime.call('echo', 1, options), 'an answer').catch(() => undefined);
    expect(mainCallsInFlight(runtime)).toBe(before);
  });

  it('with an argument or an answer that cannot be sent names the path to it', async () => {
    const argument = await errorOf(() => runtime.call('echo', { a: [() => 1] }, { reactor: 0 }));
    expect([argument.code, argument.message]).toEqual([
      'ERR_PERCORE_UNSERIALIZABLE',
      'value.a[0] (a function) cannot be sent to another thread. Send plain values, typed arrays, maps, sets, dates '
        + 'or errors',
    ]);
    const answer = await errorOf(() => runtime.call('function', undefined, { reactor: 0 }));
    expect([answer.code, answer.message]).toEqual([
      'ERR_PERCORE_UNSERIALIZABLE',
      'the answer: value (a function) cannot be sent to another thread. Send plain values, typed arrays, maps, sets, '
        + 'dates or errors',
    ]);
  });

  it('with an argument or an answer that is too large says what fits and what to change', async () => {
    const argument = await errorOf(() => runtime.call('echo', new Uint8Array(70_000), { reactor: 0 }));
    expect([argument.code, argument.message]).toEqual([
      'ERR_PERCORE_TOO_LARGE',
      expect.stringMatching(
        /^call\("echo"\): the message is longer than 3\d{4} bytes; raise laneBytes \(now 65536\) in createRuntime$/,
      ),
    ]);
    const answer = await errorOf(() => runtime.call('large', 70_000, { reactor: 0 }));
    expect([answer.code, answer.message]).toEqual([
      'ERR_PERCORE_TOO_LARGE', expect.stringMatching(/^the answer: the message is longer than 3\d{4} bytes/),
    ]);
    expect(((await runtime.call('large', 30_000, { reactor: 0 })) as Uint8Array).length).toBe(30_000);
  });

  it('takes a text as long as what it says fits: plain letters count once', async () => {
    const text = 'x'.repeat(30_000);
    expect(await runtime.call('echo', text, { reactor: 0 })).toBe(text);
  });

  it('10,000 times in flight: each gets its own answer', async () => {
    const answers = await Promise.all(Array.from({ length: 10_000 }, (_, i) => runtime.call('echo', i)));
    expect(answers.every((answer, i) => answer === i)).toBe(true);
  });

  it('beyond 65,536 in flight is BACK_PRESSURED, and all others are answered', async () => {
    const room = 65_536 - mainCallsInFlight(runtime);
    const calls = Array.from({ length: room }, (_, i) => runtime.call('echo', i));
    const error = await errorOf(() => runtime.call('echo', 1));
    expect([error.code, error.message]).toEqual([
      'ERR_PERCORE_BACK_PRESSURED', 'call("echo"): 65536 calls already wait for their answers',
    ]);
    expect((await Promise.all(calls)).every((answer, i) => answer === i)).toBe(true);
    expect(await runtime.call('echo', 'again')).toBe('again');
  });

  it('goes from reactor to reactor, and to the asker itself', async () => {
    expect(
      await inside(runtime, 0, async (reactor) => [
        await reactor.call('from', undefined, { reactor: 1 }),
        await reactor.call('from', undefined, { reactor: 0, priority: 5 }),
      ]),
    ).toEqual([
      [0, 3], [0, 5],
    ]);
    expect(
      await inside(runtime, 1, (reactor) =>
        Promise.all(Array.from({ length: 5000 }, (_, i) => reactor.call('echo', i, { reactor: i % 2 }))).then((all) =>
          all.every((answer, i) => answer === i),
        ),
      ),
    ).toBe(true);
  });
});

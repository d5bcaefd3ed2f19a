import { describe, expect, it } from 'vitest';
import { createRuntime, type Runtime } from '../reactor/index.js';
import { errorOf, startTimeoutMs, within } from '../reactor/fixtures/inside.js';
import { createService, openService, type ServiceCaller } from './index.js';
import type { Counts, Given } from './fixtures/counts.js';

async function withCounts<R>(
  reactors: number, use: (counts: ServiceCaller<Counts>, runtime: Runtime, given: Given) => Promise<R>,
  options: { maxReactors?: number } = {},
): Promise<R> {
  const data: Given = { stopped: new Int32Array(new SharedArrayBuffer(4 * (options.maxReactors ?? reactors))) };
  const entry = new URL('./fixtures/counts.js', import.meta.url);
  const runtime = await createRuntime({ entry, reactors, data, startTimeoutMs, ...options });
  runtime.on('reactorDied', () => undefined);
  try {
    return await use(openService<Counts>(runtime, 'counts'), runtime, data);
  } finally {
    await runtime.close({ drainMs: 1000 });
  }
}

const keys = Array.from({ length: 40 }, (_, i) => `key ${i}`);

describe('a sharded service', () => {
  it('has a shard with a state of its own in every reactor, and on(key) goes to the owner of the key', async () => {
    await withCounts(3, async (counts, runtime) => {
      for (const key of keys) expect(await counts.on(key).add(key)).toBe(1);
      for (const key of keys) expect(await counts.on(Buffer.from(key)).add(key, 4)).toBe(5);
      const byReactor = await counts.map('keys');
      expect(byReactor.map((own) => own.toSorted())).toEqual(
        [0, 1, 2].map((id) => keys.filter((key) => runtime.ownerOf(key) === id).toSorted()),
      );
      expect(byReactor.filter((own) => own.length === 0)).toEqual([]);
      expect(await counts.at(1).owns(keys[0]!)).toBe(runtime.ownerOf(keys[0]!) === 1);
    });
  });

  it('is mapped and reduced in the order of the reactors', async () => {
    await withCounts(3, async (counts) => {
      expect(await counts.map('where')).toEqual([0, 1, 2].map((id) => ({ id, count: 3 })));
      await counts.map('add', ['each', 7]);
      expect(await counts.mapReduce('total', [], (sum, total) => sum + total, 100)).toBe(121);
      expect(await counts.mapReduce('where', [], (text, { id }) => `${text}${id}`, '>')).toBe('>012');
    });
  });

  it('is called from reactors too, with its local shard at hand and with what its classes inherit', async () => {
    await withCounts(2, async (counts, runtime) => {
      const away = keys.find((key) => runtime.ownerOf(key) === 1)!;
      expect(await runtime.call('ask', away, { reactor: 0 })).toEqual({
        local: 1, remote: 10, others: [{ id: 0, count: 2 }, { id: 1, count: 2 }],
      });
      expect([await counts.at(0).keys(), await counts.at(1).keys()]).toEqual([['local 0'], [away]]);
      expect(await counts.at(0).inherited()).toBe('inherited');
      expect(await counts.at(1).where()).toEqual({ id: 1, count: 2 });
    });
  });

  it('streams from the shard of a key or of a reactor, to the main thread and to reactors', async () => {
    await withCounts(2, async (counts, runtime) => {
      const got: unknown[] = [];
      for await (const each of counts.stream('each', [1000], { key: 'some key' })) got.push(each);
      const owner = runtime.ownerOf('some key');
      expect(got).toEqual(Array.from({ length: 1000 }, (_, i) => [owner, i]));
      expect(await runtime.call('askStream', 1, { reactor: 0 })).toBe(100 * 1000 + 4950);
      for await (const [, i] of counts.stream('each', [1e9], { reactor: 1 })) if (i === 10) break;
      await expect.poll(async () => (await counts.at(1).keys()).includes('streams that have ended')).toBe(true);
      const ask = counts as unknown as { stream(...given: unknown[]): AsyncIterable<unknown> };
      expect(await errorOf(() => ask.stream('each', [1], {}))).toMatchObject({ argument: 'options' });
      expect(await errorOf(() => ask.stream('each', 1, { reactor: 0 }))).toMatchObject({ argument: 'given' });
      const call = counts.at(0) as unknown as { each(count: number): Promise<unknown> };
      expect((await errorOf(() => call.each(1))).message).toContain('ask by callStream');
    });
  });

  it('has a shard in reactors that are added, and none in those that have gone', async () => {
    await withCounts(1, async (counts, runtime) => {
      await runtime.scale(3);
      expect(await counts.map('where')).toEqual([0, 1, 2].map((id) => ({ id, count: 3 })));
      await runtime.scale(1);
      expect(await counts.map('where')).toEqual([{ id: 0, count: 1 }]);
      expect(await errorOf(() => counts.at(1))).toMatchObject({ argument: 'reactor' });
    }, { maxReactors: 3 });
  });

  it('rejects with what a method throws, and names the methods that there are', async () => {
    await withCounts(2, async (counts) => {
      expect(await errorOf(() => counts.at(1).fail())).toMatchObject({
        name: 'RangeError', message: 'this shard fails', reactorId: 1,
      });
      expect(await errorOf(() => counts.map('fail'))).toMatchObject({ name: 'RangeError' });
      for (const method of ['nothing', 'stop', 'constructor', 'toString', '#byKey']) {
        const stub = counts.at(0) as unknown as Record<string, () => Promise<unknown>>;
        const error = await errorOf(() => stub[method]!());
        expect(error).toMatchObject({ code: 'ERR_PERCORE_NO_HANDLER', value: method });
        expect(error.message).toContain('it has "add", "keys", "total"');
      }
      expect(await errorOf(() => openService<Counts>({} as never, 'counts'))).toMatchObject({ argument: 'reactor' });
    });
  });

  it('says when nobody has the service, and when its name is taken', async () => {
    await withCounts(1, async (_counts, runtime) => {
      const error = await errorOf(() => openService<Counts>(runtime, 'other').at(0).keys());
      expect(error).toMatchObject({ code: 'ERR_PERCORE_NO_HANDLER', value: 'service:other' });
      expect(await errorOf(() => runtime.call('again'))).toMatchObject({ code: 'ERR_PERCORE_NAME_TAKEN' });
    });
  });

  it('can be awaited and printed as a stub without calling anybody', async () => {
    await withCounts(1, async (counts) => {
      const stub = counts.on('a');
      expect(await Promise.resolve(stub)).toBe(stub);
      expect(await counts.at(0).keys()).toEqual([]);
    });
  });

  it('gives up by a time-out and by a signal', async () => {
    await withCounts(1, async (counts) => {
      const late = await errorOf(() => counts.at(0, { timeoutMs: 5 }).never());
      expect(late).toMatchObject({ code: 'ERR_PERCORE_TIMEOUT' });
      const aborted = new AbortController();
      const asked = counts.map('never', [], { signal: aborted.signal });
      aborted.abort('enough');
      expect(await asked.catch((reason: unknown) => reason)).toBe('enough');
    });
  });

  it('rejects calls to a shard whose reactor has died, and the others go on', async () => {
    await withCounts(2, async (counts) => {
      const waiting = errorOf(() => counts.at(1).never());
      const dying = errorOf(() => counts.at(1).die());
      const reactorDied = { code: 'ERR_PERCORE_REACTOR_DIED', reactorId: 1 };
      expect(await within(10_000, waiting, 'the call under way')).toMatchObject(reactorDied);
      expect(await within(10_000, dying, 'the call that kills')).toMatchObject(reactorDied);
      expect(await within(10_000, errorOf(() => counts.map('keys')), 'a later map')).toMatchObject(reactorDied);
      expect(await counts.at(0).add('left')).toBe(1);
    });
  });

  it('has a new shard in a reactor that was started again, with a fresh state', async () => {
    const data: Given = { stopped: new Int32Array(new SharedArrayBuffer(8)) };
    const entry = new URL('./fixtures/counts.js', import.meta.url);
    const runtime = await createRuntime({
      entry, reactors: 2, data, startTimeoutMs, restart: { most: 3, withinMs: 60_000 },
    });
    runtime.on('reactorDied', () => undefined);
    try {
      const counts = openService<Counts>(runtime, 'counts');
      const key = keys.find((each) => runtime.ownerOf(each) === 1)!;
      expect([await counts.on(key).add(key), await counts.at(0).add('other')]).toEqual([1, 1]);
      const back = new Promise((resolve) => runtime.once('reactorRestarted', resolve));
      expect(await errorOf(() => counts.at(1).die())).toMatchObject({ code: 'ERR_PERCORE_REACTOR_DIED' });
      await within(10_000, back, 'the reactor again');
      expect([await counts.on(key).add(key), await counts.at(0).add('other')]).toEqual([1, 2]);
      expect(await counts.map('where')).toEqual([{ id: 0, count: 2 }, { id: 1, count: 2 }]);
    } finally {
      await runtime.close();
    }
    expect([...data.stopped]).toEqual([1, 1]);
  });

  it('runs the hook stop of every shard when the runtime closes, and waits for it', async () => {
    const { stopped } = await withCounts(3, async (_counts, _runtime, given) => given);
    expect([...stopped]).toEqual([1, 1, 1]);
  });

  it('refuses what it cannot take', async () => {
    await withCounts(2, async (counts, runtime) => {
      const attempts: [string, () => unknown][] = [
        ['key', () => counts.on(5 as never)],
        ['reactor', () => counts.at(2)],
        ['reactor', () => counts.at('main' as never)],
        ['options.reactor', () => counts.on('a', { reactor: 1 } as never)],
        ['method', () => counts.map('' as never)],
        ['given', () => counts.map('add', 'a' as never)],
        ['reduce', () => counts.mapReduce('total', [], undefined as never, 0)],
        ['name', () => openService(runtime, '')],
        ['name', () => openService(runtime, 'x'.repeat(201))],
        ['reactor', () => createService(runtime as never, { name: 'x' }, () => ({ a: () => 1 }))],
      ];
      for (const [argument, attempt] of attempts) {
        expect(await errorOf(attempt), argument).toMatchObject({ code: 'ERR_PERCORE_INVALID_ARGUMENT', argument });
      }
    });
  });
});

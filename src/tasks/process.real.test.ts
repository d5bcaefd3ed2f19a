/** Processes in real reactors and in the main thread. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRuntime, type Runtime } from '../reactor/index.js';
import { BACK_PRESSURED, OK } from '../result-codes.js';
import type { Real } from './fixtures/entry.js';
import { createProcess, tasksOf, type Self } from './index.js';

const words = new Int32Array(new SharedArrayBuffer(64));
const errors: string[] = [];
let runtime: Runtime<Real>;

beforeAll(async () => {
  const entry = new URL('./fixtures/entry.js', import.meta.url);
  runtime = await createRuntime<Real>({ entry, reactors: 1, data: words });
  runtime.on('stepError', ({ where, error }) => errors.push(`${where}: ${error.message}`));
});
afterAll(async () => {
  await runtime.close();
});

describe('a reactor that dies', () => {
  it('is started again with its processes, and they run what others have sent meanwhile', async () => {
    const entry = new URL('./fixtures/entry.js', import.meta.url);
    const mortal = await createRuntime<Real>({
      entry, reactors: 1, data: new Int32Array(new SharedArrayBuffer(64)), restart: { most: 1, withinMs: 60_000 },
    });
    try {
      const echo = mortal.address('echo', { reactor: 0 });
      const sum = createProcess(mortal, { name: 'ball' }, async (self: Self<number>) => {
        let total = 0;
        for (let i = 0; i < 100; i++) total += await self.next({ timeoutMs: 20_000 });
        return total;
      });
      const died = new Promise((resolve) => void mortal.once('reactorDied', resolve));
      await mortal.call('die').catch(() => undefined);
      await died;
      for (let i = 0; i < 100; i++) expect(echo.send(1)).toBe(OK);
      expect(await sum.join()).toEqual({ how: 'ended', value: 100 });
      expect((await mortal.call('tasks')).map(({ name }) => name)).toContain('echo');
    } finally {
      await mortal.close();
    }
  });
});

describe('processes', () => {
  it('play over threads: a generator of a reactor, an asynchronous body of the main thread', async () => {
    const rounds = 2000;
    const echo = runtime.address('echo', { reactor: 0 });
    const player = createProcess(runtime, { name: 'ball' }, async (self: Self<number>) => {
      let sum = 0;
      for (let ball = 0; ball < rounds; ball++) {
        if (echo.send(ball) !== OK) throw new Error('refused');
        sum += await self.next({ timeoutMs: 10_000 });
      }
      return sum;
    });
    expect(tasksOf(runtime).map(({ name, kind }) => [name, kind])).toEqual([['ball', 'async']]);
    expect(await player.join()).toEqual({ how: 'ended', value: (rounds * (rounds - 1)) / 2 });
    expect(tasksOf(runtime)).toEqual([]);
  });

  it('lose nothing and keep the order when inboxes and lanes are full', async () => {
    const count = 50_000;
    const echo = runtime.address('echo', { reactor: 0 });
    const seen = createProcess(runtime, { name: 'ball', capacity: 2 }, function* (self: Self<number>) {
      for (let i = 0; i < count; i++) if ((yield* self.receive()) !== i) throw new Error(`not message ${i}`);
    });
    const feeder = createProcess(runtime, { name: 'feeder' }, function* () {
      for (let i = 0; i < count; i++) while (echo.send(i) === BACK_PRESSURED) yield BACK_PRESSURED;
    });
    expect([(await feeder.join()).how, (await seen.join()).how]).toEqual(['ended', 'ended']);
    const row = (await runtime.call('tasks')).find(({ name }) => name === 'echo');
    expect(row).toMatchObject({ code: 'echo', kind: 'generator', capacity: 4, depth: 0, errors: 0 });
    expect(row!.cursors.in).toBe(row!.cursors.out);
  });

  it('with asynchronous bodies go on in the order of their bands, each before anything else is selected', async () => {
    for (let i = 0; i < 20; i++) {
      expect(await runtime.call('order')).toEqual(['high goes on', 'middle', 'low goes on']);
    }
  });

  it('that fail asynchronously are supervised, and leave no unhandled rejection behind', async () => {
    expect(await runtime.call('fail')).toBe('failed');
    await new Promise((resolve) => void setTimeout(resolve, 20));
    expect(errors).toEqual([
      ...Array(2).fill('task "fails": as it should'),
      'task "fails": task "fails" has failed once more after 2 restarts within 5000 ms, which is its limit: '
        + 'as it should',
    ]);
  });

  it('let their runtime close: those that wait clean up, one that loops sees that it is to end', async () => {
    const own = createProcess(runtime, { name: 'own' }, function* (self: Self) {
      for (;;) yield* self.receive();
    });
    const { drained, leftBehind } = await runtime.close();
    expect({ drained, leftBehind }).toEqual({ drained: true, leftBehind: [] });
    expect([...words.subarray(0, 3)]).toEqual([1, 1, 1]);
    expect(await own.join()).toMatchObject({ how: 'cancelled', reason: { code: 'ERR_PERCORE_CLOSED' } });
  });
});

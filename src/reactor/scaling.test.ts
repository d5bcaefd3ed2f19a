/** Reactors that are emptied, added and taken away while the runtime runs. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CLOSED, OK } from '../queues/index.js';
import { errorOf, fixture, sleep, until, within } from './fixtures/inside.js';
import { HOOKS, NOTES, STARTS, type RebornData } from './fixtures/reborn.js';
import { controllerOf, createRuntime, type Runtime, type RuntimeOptions } from './runtime.js';

async function live(
  options: Partial<RuntimeOptions>, use: (runtime: Runtime, words: Int32Array) => Promise<void>,
  data: Omit<RebornData, 'words'> = {},
): Promise<void> {
  const words = new Int32Array(new SharedArrayBuffer(1024));
  const runtime = await createRuntime({
    entry: fixture('reborn'), reactors: 2, pin: false, data: { ...data, words }, laneBytes: 4096, ...options,
  });
  try {
    await use(runtime, words);
  } finally {
    await runtime.close({ drainMs: 1000 });
  }
}

const states = (runtime: Runtime): string[] => runtime.status().reactors.map(({ state }) => state);
const idsByTurn = async (runtime: Runtime, times = 6): Promise<number[]> => {
  const ids = await Promise.all(Array.from({ length: times }, () => runtime.call('id')));
  return [...new Set(ids as number[])].sort();
};

describe('runtime.drain', () => {
  it('lets a reactor run what it has, and turns pass it over until resume', async () => {
    await live({}, async (runtime, words) => {
      for (let i = 0; i < 50; i++) expect(runtime.send('first', i, { reactor: 0 })).toBe(OK);
      await runtime.drain(0);
      expect([...words.subarray(NOTES, NOTES + 50)]).toEqual(new Array(50).fill(1));
      expect(states(runtime)).toEqual(['drained', 'ready']);
      expect(await idsByTurn(runtime)).toEqual([1]);
      expect(await runtime.call('id', undefined, { reactor: 0 }), 'who names it is served').toBe(0);
      runtime.resume(0);
      expect(states(runtime)).toEqual(['ready', 'ready']);
      expect(await idsByTurn(runtime)).toEqual([0, 1]);
    });
  });

  it('waits for calls that it has asked and that are not answered, and gives up by timeoutMs and signal', async () => {
    await live({ restart: { most: 5, withinMs: 60_000 } }, async (runtime) => {
      void runtime.call('hang', undefined, { reactor: 0 }).catch(() => undefined);
      await sleep(20);
      expect(await errorOf(() => runtime.drain(0, { timeoutMs: 50 }))).toMatchObject({
        code: 'ERR_PERCORE_TIMEOUT', message: 'reactor 0 was not quiet within 50 ms', reactorId: 0,
      });
      const reason = new Error('enough');
      expect(await errorOf(() => runtime.drain(0, { signal: AbortSignal.abort(reason) }))).toBe(reason);
      expect(states(runtime), 'it stays so').toEqual(['drained', 'ready']);
      // A death ends its wait, and it comes back as it was.
      const drained = runtime.drain(0);
      void controllerOf(runtime).members[0]!.worker.terminate();
      await within(10_000, drained, 'quiet after the restart');
      expect(runtime.status().reactors[0]).toMatchObject({ state: 'drained', generation: 1 });
      expect(await idsByTurn(runtime)).toEqual([1]);
    });
  });

  it('rejects as closed when the runtime is closed meanwhile', async () => {
    await live({}, async (runtime) => {
      void runtime.call('hang', undefined, { reactor: 0 }).catch(() => undefined);
      await sleep(20);
      const drained = [0, 1].map((id) => errorOf(() => runtime.drain(id)));
      await runtime.close({ drainMs: 0 });
      for (const error of drained) expect(await error).toMatchObject({ code: 'ERR_PERCORE_CLOSED' });
    });
  });

  it('rejects when the reactor is dead for good', async () => {
    await live({}, async (runtime) => {
      runtime.on('reactorDied', () => undefined);
      void runtime.call('hang', undefined, { reactor: 0 }).catch(() => undefined);
      await sleep(20);
      const drained = errorOf(() => runtime.drain(0));
      void controllerOf(runtime).members[0]!.worker.terminate();
      expect(await drained).toMatchObject({ code: 'ERR_PERCORE_REACTOR_DIED', reactorId: 0 });
    });
  });
});

describe('runtime.scale', () => {
  it('adds reactors, which all are told of, and which answer, send and are sent to', async () => {
    await live({ reactors: 1, maxReactors: 4 }, async (runtime, words) => {
      expect((await errorOf(() => runtime.send('first', 0, { reactor: 1 }))).message).toMatch(
        /^reactor must be a whole number from 0 to 0/,
      );
      expect(await runtime.scale(3)).toEqual({ reactors: 3, undelivered: 0 });
      expect(runtime.reactors).toBe(3);
      expect(states(runtime)).toEqual(['ready', 'ready', 'ready']);
      expect(await idsByTurn(runtime, 9)).toEqual([0, 1, 2]);
      for (let id = 0; id < 3; id++) expect(await runtime.call('count', undefined, { reactor: id })).toBe(3);
      for (const [from, to] of [[0, 2], [2, 0], [1, 2], [2, 1]]) {
        expect(await runtime.call('relay', { name: 'first', number: to, to }, { reactor: from! })).toBe(OK);
      }
      await until(() => words[NOTES]! === 1 && words[NOTES + 1]! === 1 && words[NOTES + 2]! === 2, 'all have come');
      expect(runtime.status().reactors.map(({ id }) => id)).toEqual([0, 1, 2]);
    });
  });

  it('takes the last ones away: they run what they have and their hooks, then sends answer CLOSED', async () => {
    await live({ reactors: 3 }, async (runtime, words) => {
      const [last, first] = [2, 0].map((reactor) => runtime.address('first', { reactor }));
      for (let i = 0; i < 40; i++) expect(last!.send(i)).toBe(OK);
      const under = errorOf(() => runtime.call('never', undefined, { reactor: 2 }));
      expect(await runtime.scale(1)).toEqual({ reactors: 1, undelivered: 0 });
      expect([...words.subarray(NOTES, NOTES + 40)]).toEqual(new Array(40).fill(1));
      expect(Atomics.load(words, HOOKS)).toBe(2);
      expect(await under).toMatchObject({ code: 'ERR_PERCORE_REACTOR_DIED' });
      expect(last!.send(0)).toBe(CLOSED);
      for (let key = 0; key < 50; key++) expect(await runtime.call('id', undefined, { key: `key ${key}` })).toBe(0);
      expect(first!.send(40)).toBe(OK);
      expect(await runtime.call('count')).toBe(1);
      expect(states(runtime)).toEqual(['ready']);
      expect((await errorOf(() => runtime.call('id', undefined, { reactor: 1 }))).message).toMatch(/from 0 to 0/);
    });
  });

  it('brings one back into its place, and names are told to it anew', async () => {
    await live({}, async (runtime, words) => {
      const first = runtime.address('first', { reactor: 1 });
      expect(first.send(0)).toBe(OK);
      await until(() => words[NOTES] === 1, 'the first');
      for (let round = 1; round <= 3; round++) {
        await runtime.scale(1);
        expect(first.send(9)).toBe(CLOSED);
        await runtime.scale(2);
        expect(first.send(round)).toBe(OK);
        expect(await runtime.call('relay', { name: 'second', number: 10 + round, to: 1 }, { reactor: 0 })).toBe(OK);
        await until(() => words[NOTES + round] === 1 && words[NOTES + 10 + round] === 1, `round ${round}`);
      }
      expect(Atomics.load(words, STARTS)).toBe(5);
      expect(runtime.status().reactors[1]).toMatchObject({ state: 'ready', dropped: 0 });
    });
  });

  it('counts generations and restarts of a reactor from the moment in which it was added', async () => {
    await live({ restart: { most: 5, withinMs: 60_000 } }, async (runtime) => {
      const seen = async (): Promise<unknown[]> => {
        const { generation, restarts } = runtime.status().reactors[1]!;
        return [await runtime.call('generation', undefined, { reactor: 1 }), generation, restarts];
      };
      const dies = async (): Promise<void> => {
        const back = new Promise((resolve) => runtime.once('reactorRestarted', resolve));
        runtime.once('reactorDied', () => undefined).send('kill', 'exit', { reactor: 1 });
        await within(10_000, back, 'back');
      };
      await dies();
      expect(await seen()).toEqual([1, 1, 1]);
      await runtime.scale(1);
      await runtime.scale(2);
      expect(await seen(), 'another reactor in the same place').toEqual([0, 0, 0]);
      await dies();
      expect(await seen()).toEqual([1, 1, 1]);
    });
  });

  it('lets an added reactor die as often as any, whatever died in its place before', async () => {
    await live({ restart: { most: 1, withinMs: 60_000 } }, async (runtime) => {
      const dies = async (): Promise<void> => {
        const back = new Promise((resolve) => runtime.once('reactorRestarted', resolve));
        runtime.once('reactorDied', () => undefined).send('kill', 'exit', { reactor: 1 });
        await within(10_000, back, 'back');
      };
      await dies();
      await runtime.scale(1);
      await runtime.scale(2);
      await dies();
    });
  });

  it('lets the entries of those that are added ask, and send to themselves and to each other', async () => {
    const words = new Int32Array(new SharedArrayBuffer(1024));
    const runtime = await createRuntime({
      entry: fixture('coming'), reactors: 1, maxReactors: 4, pin: false, startTimeoutMs: 10_000, data: words,
      main: (main) => main.handle('of main', (id: number) => -id),
    });
    try {
      expect(await within(10_000, runtime.scale(3), 'two more')).toEqual({ reactors: 3, undelivered: 0 });
      expect(await within(10_000, runtime.scale(4), 'one more')).toEqual({ reactors: 4, undelivered: 0 });
      await until(() => words.subarray(0, 4).every((count) => count > 0), 'what they have sent');
      // Each has told itself and those that were added with it, and was answered by reactor 0 and by the main thread.
      expect([...words.subarray(0, 8)]).toEqual([1, 2, 2, 1, 0, 1, 1, 1]);
      expect(await Promise.all([0, 1, 2, 3].map((reactor) => runtime.call('count', undefined, { reactor })))).toEqual(
        [4, 4, 4, 4],
      );
      await runtime.scale(1);
      expect(await runtime.call('count')).toBe(1);
    } finally {
      await runtime.close({ drainMs: 1000 });
    }
  });

  it('counts at each moment those that can be sent to, also while others come and go', async () => {
    await live({ reactors: 2, maxReactors: 4 }, async (runtime) => {
      let isOver = false;
      const scaled = (async () => {
        for (const count of [4, 1, 3, 2]) await runtime.scale(count);
      })().finally(() => (isOver = true));
      const counts = new Set<number>();
      while (!isOver) {
        counts.add(runtime.reactors);
        // Throws for a reactor that is not there.
        runtime.address('noted', { reactor: runtime.reactors - 1 });
        await new Promise((resolve) => setImmediate(resolve));
      }
      await scaled;
      expect([...counts]).toEqual([2, 4, 3, 1].filter((count) => counts.has(count)));
      expect(runtime.reactors).toBe(2);
    });
  });

  it('adds none where the entry of one fails, and can be asked again', async () => {
    await live({ reactors: 1, maxReactors: 3 }, async (runtime) => {
      expect(await errorOf(() => runtime.scale(3))).toMatchObject({
        code: 'ERR_PERCORE_ENTRY', reactorId: 2, cause: { message: 'start of 2 fails' },
      });
      expect([runtime.reactors, states(runtime)]).toEqual([1, ['ready']]);
      expect(await idsByTurn(runtime)).toEqual([0]);
      expect(await runtime.scale(2)).toEqual({ reactors: 2, undelivered: 0 });
      expect(await idsByTurn(runtime)).toEqual([0, 1]);
    }, { failing: [2] });
  });

  it('refuses what cannot be, and does one after the other', async () => {
    await live({ reactors: 1, maxReactors: 2 }, async (runtime) => {
      for (const count of [0, 3, 1.5]) {
        expect((await errorOf(() => runtime.scale(count))).message).toBe(
          `reactors must be a whole number from 1 to 2, not ${count}`,
        );
      }
      const results = await Promise.all([runtime.scale(2), runtime.scale(1), runtime.scale(2)]);
      expect(results.map(({ reactors }) => reactors)).toEqual([2, 1, 2]);
      await runtime.close();
      expect(await errorOf(() => runtime.scale(1))).toMatchObject({ code: 'ERR_PERCORE_CLOSED' });
    });
    const error = await errorOf(() => createRuntime({ entry: fixture('reborn'), reactors: 3, maxReactors: 2 }));
    expect(error.message).toBe('maxReactors must be a whole number from 3 to 255, not 2');
  });

  it('loses nothing and runs nothing twice while it goes up and down under load', async () => {
    await live({ reactors: 1, maxReactors: 3 }, async (runtime, words) => {
      let answered = 0;
      let failed = 0;
      let isOver = false;
      const ask = async (): Promise<void> => {
        while (!isOver) {
          await runtime.call('note', answered % 100).then(() => answered++, () => failed++);
        }
      };
      const asking = Promise.all(Array.from({ length: 8 }, ask));
      for (let round = 0; round < 4; round++) {
        await runtime.scale(3);
        await sleep(10);
        await runtime.scale(1);
      }
      isOver = true;
      await asking;
      expect(failed).toBe(0);
      expect(answered).toBeGreaterThan(100);
      expect(words.subarray(NOTES, NOTES + 100).reduce((sum, count) => sum + count, 0)).toBe(answered);
    });
  });

  it('says of each reactor whether it may spin with those that there are', async () => {
    await live({ reactors: 1, maxReactors: 2, pin: [0, 0], idle: { strategy: 'spin' } }, async (runtime) => {
      const shared = 'CPU 0 is also that of reactor';
      const isRefused = (texts: readonly string[]): boolean => texts.some((text) => text.includes(shared));
      const refusals = () => runtime.status().reactors.map((each) => isRefused(each.refusals));
      expect(refusals()).toEqual([false]);
      await runtime.scale(2);
      expect(refusals()).toEqual([true, true]);
      await runtime.scale(1);
      expect(refusals()).toEqual([false]);
    });
  });

  it('costs no memory for places that are not used', async () => {
    const residentKiB = (): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))![1]);
    await live({ reactors: 1, laneBytes: 262_144 }, async () => undefined);
    const before = residentKiB();
    await live({ reactors: 1, maxReactors: 64, laneBytes: 262_144 }, async (runtime) => {
      expect(await runtime.call('id')).toBe(0);
      expect(residentKiB() - before, 'of 17 GiB of lanes').toBeLessThan(60_000);
      expect(runtime.status().sharedBytes / 65, 'bytes of address space for each party').toBeLessThan(2 ** 30);
    });
  });
});

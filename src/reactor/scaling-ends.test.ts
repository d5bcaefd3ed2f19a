/** Reactors that are drained and taken away while they are dead, started again, busy for ever, or asked twice. */
import { describe, expect, it } from 'vitest';
import { OK } from '../queues/index.js';
import { fixture, sleep, until, within } from './fixtures/inside.js';
import { NOTES, STARTS } from './fixtures/reborn.js';
import { createRuntime, type Runtime, type RuntimeOptions } from './runtime.js';

const FOR_EVER_MS = 120_000;

async function live(
  options: Partial<RuntimeOptions>, use: (runtime: Runtime, words: Int32Array, deaths: unknown[]) => Promise<void>,
): Promise<void> {
  const words = new Int32Array(new SharedArrayBuffer(1024));
  const runtime = await createRuntime({
    entry: fixture('reborn'), reactors: 2, pin: false, data: { words }, laneBytes: 4096, ...options,
  });
  const deaths: unknown[] = [];
  runtime.on('reactorDied', ({ reactorId, error, willRestart }) => {
    deaths.push({ reactorId, error: error?.message, willRestart });
  });
  try {
    await use(runtime, words, deaths);
  } finally {
    await runtime.close({ drainMs: 1000 });
  }
}

describe('a reactor that several wait for', () => {
  it('tells each of them that it is quiet', async () => {
    await live({ reactors: 3 }, async (runtime) => {
      const drained = Promise.all([runtime.drain(2), runtime.drain(2), runtime.drain(2)]);
      await within(20_000, drained, 'drained three times');
      const gone = Promise.all([runtime.drain(2), runtime.scale(2)]);
      expect((await within(20_000, gone, 'drained and taken away'))[1]).toEqual({ reactors: 2, undelivered: 0 });
    });
  });
});

describe('a reactor that is taken away', () => {
  it('does not hold scale up while its step does not end, and is told of', async () => {
    await live({}, async (runtime, _words, deaths) => {
      runtime.send('block', FOR_EVER_MS, { reactor: 1 });
      runtime.flush();
      expect(await within(20_000, runtime.scale(1, { drainMs: 100 }), 'taken away')).toMatchObject({ reactors: 1 });
      expect(deaths).toEqual([
        { reactorId: 1, error: expect.stringMatching('did not leave within 1000 ms'), willRestart: false },
      ]);
    });
  });

  it('is no death where it leaves in order; where it ends by an error meanwhile, that is told', async () => {
    await live({ reactors: 3 }, async (runtime, _words, deaths) => {
      await within(20_000, runtime.scale(2), 'taken away');
      expect(deaths).toEqual([]);
      runtime.send('crash', 0, { reactor: 1 });
      runtime.flush();
      await within(20_000, runtime.scale(1), 'taken away');
      expect(deaths).toEqual([{ reactorId: 1, error: 'crash while it stops', willRestart: false }]);
    });
  });

  it('leaves nothing to whoever comes in its place, and close awaits nothing of it', async () => {
    await live({}, async (runtime, words) => {
      runtime.send('block', FOR_EVER_MS, { reactor: 1 });
      for (let i = 0; i < 30; i++) expect(runtime.send('first', i, { reactor: 1 })).toBe(OK);
      runtime.flush();
      const { undelivered } = await within(20_000, runtime.scale(1, { drainMs: 50 }), 'taken away');
      expect(undelivered).toBe(30);
      await runtime.scale(2);
      expect(await runtime.call('id', undefined, { reactor: 1 })).toBe(1);
      expect(runtime.send('first', 40, { reactor: 1 })).toBe(OK);
      await until(() => words[NOTES + 40] === 1, 'the new one runs what it is sent');
      expect([...words.subarray(NOTES, NOTES + 30)], 'and nothing else').toEqual(new Array(30).fill(0));
      expect(await runtime.close({ drainMs: 20_000 })).toMatchObject({ drained: true, undelivered: 0 });
    });
  });

  it('keeps its place until its thread has ended, however long a system call takes', async () => {
    await live({ restart: { most: 9, withinMs: 60_000 } }, async (runtime, words, deaths) => {
      runtime.send('sleep', 2.5, { reactor: 1 });
      runtime.flush();
      await within(20_000, runtime.scale(1, { drainMs: 0 }), 'taken away');
      await within(20_000, runtime.scale(2), 'added');
      // By then its end has been told, which is not that of whoever comes in its place.
      await sleep(600);
      expect(deaths).toEqual([{ reactorId: 1, error: expect.stringMatching('did not leave'), willRestart: false }]);
      expect(Atomics.load(words, STARTS)).toBe(3);
      expect(await runtime.call('id', undefined, { reactor: 1 })).toBe(1);
    });
  });

  it('has another in its place who hears names anew, also of one that was busy all the while', async () => {
    await live({ reactors: 3 }, async (runtime, words) => {
      runtime.send('block', FOR_EVER_MS, { reactor: 2 });
      runtime.flush();
      // The name lies there, and nobody reads it.
      expect(await runtime.call('relay', { name: 'first', number: 0, to: 2 }, { reactor: 0 })).toBe(OK);
      runtime.send('block', 2000, { reactor: 0 });
      runtime.flush();
      await within(20_000, runtime.scale(2, { drainMs: 0 }), 'taken away');
      await within(20_000, runtime.scale(3), 'added');
      expect(await runtime.call('relay', { name: 'first', number: 41, to: 2 }, { reactor: 0 })).toBe(OK);
      await until(() => words[NOTES + 41] === 1, 'it runs what it is sent');
    });
  });

  it('is not started again, when it has died and waits for that', async () => {
    await live({ restart: { most: 9, withinMs: 60_000, backoffMs: 300 } }, async (runtime, words) => {
      runtime.send('kill', 'once', { reactor: 1 });
      await until(() => Atomics.load(words, STARTS) === 3 && runtime.status().reactors[1]!.state === 'ready', 'back');
      runtime.send('kill', 'again', { reactor: 1 });
      await until(() => runtime.status().reactors[1]!.generation === 2, 'it waits');
      await within(20_000, runtime.scale(1, { drainMs: 0 }), 'taken away');
      const starts = Atomics.load(words, STARTS);
      // Longer than its wait.
      await sleep(600);
      expect(Atomics.load(words, STARTS)).toBe(starts);
      await runtime.scale(2);
      expect(await runtime.call('id', undefined, { reactor: 1 })).toBe(1);
    });
  });
});

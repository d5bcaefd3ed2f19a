/** Restarts beyond their limits: many deaths at once, deaths amid a start, peers that go on, the end amid it all. */
import { describe, expect, it } from 'vitest';
import { CLOSED, OK } from '../queues/index.js';
import { errorOf, fixture, sleep, until, within } from './fixtures/inside.js';
import { GATE, NOTES, type RebornData } from './fixtures/reborn.js';
import { controllerOf, createRuntime, type Runtime, type RuntimeOptions } from './runtime.js';

const IS_STRESS = process.env['PERCORE_STRESS'] === '1';
const restart = { most: 1000, withinMs: 1_000_000, backoffMs: 0 };

interface Storm {
  readonly runtime: Runtime;
  readonly words: Int32Array;
  /** Of each death, by whether it is followed by a start. */
  readonly told: boolean[];
  stateOf(id: number): string;
  terminate(id: number): void;
}

async function storm(
  data: Omit<RebornData, 'words'>, options: Partial<RuntimeOptions>, use: (storm: Storm) => Promise<void>,
): Promise<void> {
  const words = new Int32Array(new SharedArrayBuffer(8192));
  const runtime = await createRuntime({
    entry: fixture('reborn'), reactors: 2, pin: false, data: { ...data, words }, laneBytes: 4096, restart, ...options,
  });
  const told: boolean[] = [];
  runtime.on('reactorDied', ({ willRestart }) => void told.push(willRestart)).on('stepError', () => undefined);
  try {
    await use({
      runtime, words, told,
      stateOf: (id) => runtime.status().reactors[id]!.state,
      terminate: (id) => memberOf(runtime, id).terminate(),
    });
  } finally {
    await within(20_000, runtime.close({ drainMs: 0 }), 'closed');
  }
}

/** The thread in its place. */
const memberOf = (runtime: Runtime, id = 0) => controllerOf(runtime).members[id]!;
const run = (words: Int32Array, count: number): number[] => [...words.subarray(NOTES, NOTES + count)];

describe('a storm of restarts', () => {
  it.each([['by new threads', false], ['by spare threads', true]])('settles every call, %s', async (_, spare) => {
    await storm({}, { restart: { ...restart, spare } }, async ({ runtime, told, terminate, stateOf }) => {
      const deaths = IS_STRESS ? 100 : 4;
      const ends = new Map<string, number>();
      let open = 0;
      const note = (end: string): void => void ends.set(end, (ends.get(end) ?? 0) + 1);
      const ask = (): void => {
        open++;
        runtime.call('id', undefined, { reactor: 0 })
          .then((id) => note(`answered by ${String(id)}`), ({ code }: { code: string }) => note(code))
          .finally(() => open--);
      };
      for (let i = 0; i < deaths; i++) {
        await until(() => stateOf(0) === 'ready', `ready after death ${i}`, 20_000);
        for (let call = 0; call < 20; call++) ask();
        // Calls that wait for room go first, and until then nobody else is taken.
        const kill = (how: string): Promise<void> =>
          until(() => runtime.send('kill', how, { reactor: 0 }) === OK, 'it is taken', 20_000);
        if (i % 3 === 0) await kill('exit');
        else if (i % 3 === 1) await kill('planned');
        else terminate(0);
        for (let call = 0; call < 20; call++) ask();
        await until(() => told.length > i, `death ${i}`, 20_000);
        for (let call = 0; call < 20; call++) ask();
      }
      await until(() => open === 0, 'every call has an end', 20_000);
      expect([...ends.keys()].sort()).toEqual(['ERR_PERCORE_REACTOR_DIED', 'answered by 0']);
      expect([...ends.values()].reduce((sum, count) => sum + count, 0)).toBe(deaths * 60);
      expect(told).toEqual(new Array(deaths).fill(true));
    });
  }, 120_000);

  it('runs what was sent once, and in its place, though each start is ended amid its way', async () => {
    const starts = 6;
    const waiting = Array.from({ length: starts }, (_, i) => i + 1);
    await storm({ waiting }, {}, async ({ runtime, words, told, terminate }) => {
      runtime.send('kill', 'exit', { reactor: 0 });
      await until(() => told.length === 1, 'the death');
      for (let i = 0; i < 20; i++) expect(runtime.send('first', i, { reactor: 0 })).toBe(OK);
      runtime.flush();
      for (let death = 2; death <= starts; death++) {
        // At another moment each time: its thread is being made, loads, or waits in its entry.
        if (death % 2 === 0) await until(() => memberOf(runtime).hasBegun, 'it has come to its entry', 20_000);
        else await sleep(death * 7);
        terminate(0);
        await until(() => told.length === death, `death ${death}`, 20_000);
      }
      expect(run(words, 20)).toEqual(new Array(20).fill(0));
      Atomics.store(words, GATE, 1);
      await until(() => run(words, 20).every((times) => times === 1), 'all run', 20_000);
      expect(told).toEqual(new Array(starts).fill(true));
    });
  }, 60_000);

  it('of all reactors at once ends, and their peers know each other again', async () => {
    await storm({}, { reactors: 3 }, async ({ runtime, words, told, stateOf, terminate }) => {
      for (let round = 1; round <= 2; round++) {
        for (const id of [0, 1, 2]) terminate(id);
        await until(() => told.length === 3 * round, 'three deaths', 20_000);
        await until(() => [0, 1, 2].every((id) => stateOf(id) === 'ready'), 'three starts', 20_000);
        for (const from of [0, 1, 2]) {
          for (const to of [0, 1, 2]) {
            const number = round * 16 + from * 3 + to;
            expect(await runtime.call('relay', { name: 'first', number, to }, { reactor: from })).toBe(OK);
            await until(() => words[NOTES + number] === 1, `${from} to ${to}`);
          }
        }
      }
    });
  }, 60_000);

  it('that is over tells all who wait: messages, calls and those who want room', async () => {
    await storm({ failing: [1, 2, 3] }, { restart: { most: 3, withinMs: 1, backoffMs: 100 } }, async (
      { runtime, told, stateOf },
    ) => {
      runtime.send('kill', 'exit', { reactor: 0 });
      await until(() => told.length === 1, 'the death');
      const call = errorOf(() => runtime.call('id', undefined, { reactor: 0 }));
      const far = errorOf(() => runtime.call('hang', undefined, { reactor: 0 }));
      while (runtime.send('first', 0, { reactor: 0 }) === OK) continue;
      let hasHeard = false;
      runtime.whenRoom({ reactor: 0 }, () => void (hasHeard = true));
      await until(() => stateOf(0) === 'dead', 'dead for good', 20_000);
      expect(told).toEqual([true, true, true, false]);
      expect((await within(5000, call, 'the call')).code).toBe('ERR_PERCORE_REACTOR_DIED');
      expect((await within(5000, far, 'the other call')).code).toBe('ERR_PERCORE_REACTOR_DIED');
      await until(() => hasHeard, 'who wanted room');
      expect(runtime.send('first', 0, { reactor: 0 })).toBe(CLOSED);
      expect(await runtime.call('id', undefined, { reactor: 1 })).toBe(1);
    });
  }, 60_000);
});

describe('close amid a restart', () => {
  it.each([
    ['while it waits for its start', { failing: [1] }, { ...restart, backoffMs: 1000 }, 2],
    ['while its thread starts', {}, restart, 1],
    ['while its entry never ends', { waiting: [1] }, restart, 1],
    ['while a spare thread takes its place', {}, { ...restart, spare: true }, 1],
  ] as const)('ends, %s', async (_, data, options, deaths) => {
    for (const drainMs of IS_STRESS ? [0, 100, 1000] : [50]) {
      await storm(data, { restart: options }, async ({ runtime, told }) => {
        for (let i = 0; i < 5; i++) runtime.send('second', i, { reactor: 1 });
        runtime.send('kill', 'exit', { reactor: 0 });
        await until(() => told.length === deaths, 'the death', 20_000);
        const call = runtime.call('never', undefined, { reactor: 0 }).catch(({ code }: { code: string }) => code);
        for (let i = 0; i < 5; i++) runtime.send('first', i, { reactor: 0 });
        const { stillRunning } = await within(10_000, runtime.close({ drainMs }), 'closed');
        expect(stillRunning).toEqual([]);
        expect(['ERR_PERCORE_CLOSED', 'ERR_PERCORE_REACTOR_DIED']).toContain(await within(1000, call, 'the call'));
        expect(runtime.status().reactors.map(({ state }) => state).every((state) => state !== 'ready')).toBe(true);
      });
    }
  }, 60_000);
});

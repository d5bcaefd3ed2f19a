/** Ceilings that are raised when somebody has to wait, levels that sleep within their turn, and levels that die. */
import { describe, expect, it } from 'vitest';
import { BACK_PRESSURED, CLOSED, OK } from '../queues/index.js';
import { errorOf, until } from '../reactor/fixtures/inside.js';
import { GATED, gatedApp } from './fixtures/gated-app.js';
import { startApp, type LevelDeath, type RunningApp, type StartAppOptions } from './index.js';

/** More than a slow machine needs. */
const LONG_MS = 30_000;
const entry = new URL('./fixtures/gated.js', import.meta.url);

async function withGated(
  options: Partial<StartAppOptions>,
  use: (running: RunningApp<typeof gatedApp['declaration']>, results: Int32Array) => Promise<void>,
): Promise<void> {
  const results = new Int32Array(new SharedArrayBuffer(GATED.WORDS * 4));
  await using running = await startApp(gatedApp, { entry, data: results, ...options });
  running.runtime.on('stepError', ({ error }) => { throw error; });
  await use(running, results);
}

describe('a section that a timer of a higher level falls into', () => {
  it.each([true, false])('keeps users away, nobody else, and ends at its own priority (preemptive: %s)', async (
    isPreemptive,
  ) => {
    await withGated({ isPreemptive }, async (running, results) => {
      const [core] = running.status().cores;
      for (let run = 1; run <= 5; run++) {
        expect(running.spawn('low')).toBe(OK);
        await until(
          () => Atomics.load(results, GATED.USERS) === run && Atomics.load(results, GATED.ABOVES) === run,
          'both', LONG_MS,
        );
        await until(() => Atomics.load(results, GATED.IS_INSIDE) === 0, 'its end', LONG_MS);
      }
      expect(results[GATED.USER_INSIDE]).toBe(0);
      // By turns nothing takes the core from a step.
      if (core!.isPreemptive) expect(results[GATED.ABOVE_INSIDE]).toBeGreaterThan(0);
      else expect(results[GATED.ABOVE_INSIDE]).toBe(0);
      await until(() => running.status().levels[0]!.fifoGranted === results[GATED.PRIORITY], 'as granted', LONG_MS);
      expect(running.status().levels.map(({ notRaised }) => notRaised)).toEqual([0, 0, 0]);
    });
  });
});

describe('a level that sleeps', () => {
  it('is woken by all that Node does for its thread', async () => {
    await withGated({}, async (running, results) => {
      expect(running.spawn('node')).toBe(OK);
      await until(() => Atomics.load(results, GATED.NODE) === 127, 'all of it', LONG_MS);
    });
  });
});

describe('a level that always has something to do', () => {
  const WORK_MS = 300;
  it.each([[undefined, 0.06], [0.2, 0.2], [0, 0]])('leaves others a share of its time (%s)', async (asked, share) => {
    const options = asked === undefined ? {} : { restShare: asked };
    await withGated(options, async (running, results) => {
      expect(running.spawn('work', running.nowNs() + WORK_MS * 1e6)).toBe(OK);
      await until(() => Atomics.load(results, GATED.WORKED) === 1, 'its end', LONG_MS);
      const level = running.status().levels.find(({ tasks }) => tasks.includes('work'))!;
      // By turns nobody has a real-time priority, and the system is fair by itself.
      const granted = running.status().cores[0]!.isPreemptive ? share : 0;
      expect(level.restShare).toBe(granted);
      // It owes the last piece of it, and what it has slept before it began.
      expect(level.restedMs).toBeGreaterThan(granted * WORK_MS * 0.8 - 2);
      if (granted === 0) expect(level.restedMs).toBe(0);
    });
  });

  it('leaves its rests to ordinary threads, and little of them to a level below that is as busy', async () => {
    await withGated({}, async (running, results) => {
      const endNs = running.nowNs() + 2 * WORK_MS * 1e6;
      expect([running.spawn('work', endNs), running.spawn('under')]).toEqual([OK, OK]);
      await until(() => Atomics.load(results, GATED.WORKED) === 1, 'its end', LONG_MS);
      const { cores: [core], levels } = running.status();
      // By turns it is for the system to say.
      if (!core!.isPreemptive) return expect(levels.map(({ restedMs }) => restedMs)).toEqual([0, 0, 0]);
      const [under, , work] = levels;
      expect(results[GATED.UNDER_US]! / 1e3).toBeLessThan(work!.restedMs / 2);
      // To wait for those above is no rest.
      expect(under!.restedMs).toBeLessThan(2 * WORK_MS * 0.2);
    });
  });

  it('does not rest when its work leaves it time to sleep', async () => {
    await withGated({}, async (running, results) => {
      expect(running.spawn('often')).toBe(OK);
      await until(() => Atomics.load(results, GATED.OFTEN) > 500, '500 runs', LONG_MS);
      const { restedMs } = running.status().levels.find(({ tasks }) => tasks.includes('often'))!;
      expect(restedMs).toBeLessThan(5);
    });
  });

  it('refuses a share that is none', async () => {
    for (const restShare of [-1, 0.0001, 0.6, NaN, '1']) {
      expect(await errorOf(() => startApp(gatedApp, { entry, restShare: restShare as number }))).toMatchObject({
        code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'restShare',
      });
    }
  });
});

describe('a promise that code of an app returns', () => {
  it.each(['task', 'lock'] as const)('costs its own message alone, and is told when it rejects (%s)', async (where) => {
    const results = new Int32Array(new SharedArrayBuffer(GATED.WORDS * 4));
    await using running = await startApp(gatedApp, { entry, data: results });
    const errors: string[] = [];
    running.runtime.on('stepError', ({ error }) => errors.push(error.message));
    expect(running.spawn('late', where)).toBe(OK);
    await until(() => errors.length === 2, 'both', LONG_MS);
    expect(errors).toEqual(expect.arrayContaining([
      expect.stringContaining('returned a promise'), `rejected by the ${where}`,
    ]));
    expect(running.status().levels.map(({ isDead }) => isDead)).toEqual([false, false, false]);
  });
});

describe('a level that dies', () => {
  it.each(['holding', 'idly'])('is told of once, with what it held (%s); what is sent to it is CLOSED', async (how) => {
    const deaths: LevelDeath[] = [];
    await withGated({ onLevelDied: (death) => void deaths.push(death) }, async (running, results) => {
      expect(running.spawn('die', how)).toBe(OK);
      await until(() => running.spawn('die', how) === OK, 'it has begun', LONG_MS);
      expect(running.spawn('die', how)).toBe(BACK_PRESSURED);
      const before = running.status().main;
      Atomics.store(results, GATED.GO, 1);
      Atomics.notify(results, GATED.GO);
      await until(() => deaths.length > 0, 'it is told', LONG_MS);
      expect(deaths).toMatchObject([{
        core: 0, priority: 2, tasks: ['user', 'die', 'never'], held: how === 'holding' ? ['own'] : [],
        death: { exitCode: how === 'holding' ? 7 : 8, willRestart: false },
      }]);
      // One message waited, which fills the inbox for ever. That is no back-pressure.
      expect(running.spawn('die', 'again')).toBe(CLOSED);
      expect(running.status().main).toEqual({ refused: before.refused + 1, closed: 1 });
      expect(running.spawn('ask')).toBe(OK);
      await until(() => Atomics.load(results, GATED.ANSWER) === CLOSED, 'CLOSED within as well', LONG_MS);
      const { levels } = running.status();
      expect(levels.map(({ isDead, closed }) => [isDead, closed])).toEqual([[false, 1], [true, 0], [false, 0]]);
      // An ended thread has no priority.
      expect([levels[1]!.fifoGranted, levels[1]!.restShare]).toEqual([0, 0]);
      expect(deaths.length).toBe(1);
    });
  });

  it.each([true, false])('lets those go on who waited for the end of its section (preemptive: %s)', async (
    isPreemptive,
  ) => {
    const deaths: LevelDeath[] = [];
    await withGated({ isPreemptive, onLevelDied: (death) => void deaths.push(death) }, async (running, results) => {
      expect(running.spawn('fall')).toBe(OK);
      await until(() => Atomics.load(results, GATED.USERS) === 1, 'the user above', LONG_MS);
      await until(() => deaths.length === 1, 'it is told', LONG_MS);
      expect(deaths[0]).toMatchObject({ tasks: ['low', 'fall', 'ask', 'under', 'keep', 'late'], held: ['shared'] });
      expect(results[GATED.LEFT]).toBe(1);
    });
  });

  it('refuses a listener that is no function', async () => {
    expect(await errorOf(() => startApp(gatedApp, { entry, onLevelDied: 1 as never }))).toMatchObject({
      code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'onLevelDied',
    });
  });
});

describe('closing an app', () => {
  it('counts as not run what a ceiling still keeps away', async () => {
    const results = new Int32Array(new SharedArrayBuffer(GATED.WORDS * 4));
    const running = await startApp(gatedApp, { entry, data: results });
    // It holds what the level above is about to use, for longer than anybody waits.
    expect(running.spawn('keep')).toBe(OK);
    await until(() => Atomics.load(results, GATED.IS_INSIDE) === 1, 'it is inside', LONG_MS);
    expect(running.spawn('user')).toBe(OK);
    expect((await running.close({ drainMs: 100 })).notRun).toEqual({ user: 1 });
    expect(results[GATED.USERS]).toBe(0);
  });

  it('does not wait for tasks that schedule themselves, and says what has not run', async () => {
    const results = new Int32Array(new SharedArrayBuffer(GATED.WORDS * 4));
    const running = await startApp(gatedApp, { entry, data: results });
    expect(running.schedule('never', running.nowNs() + 3.6e12)).toBe(OK);
    expect(running.spawn('often')).toBe(OK);
    await until(() => Atomics.load(results, GATED.OFTEN) > 10, 'ten runs', LONG_MS);
    const result = await running.close({ drainMs: LONG_MS });
    expect(result).toMatchObject({ drained: true, undelivered: 0, leftBehind: [] });
    // The next run of the one that schedules itself may have been cut off as well.
    expect(result.notRun).toMatchObject({ never: 1 });
    expect(result.notRun['often'] ?? 0).toBeLessThanOrEqual(1);
    expect(running.schedule('never', 0)).toBe(CLOSED);
  });
});

/** A reactor that has died is started again in its place: what goes on, what is told, and when it is the end. */
import { setEnvironmentData } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { BACK_PRESSURED, CLOSED, OK } from '../queues/index.js';
import { errorOf, fixture, sleep, until, within } from './fixtures/inside.js';
import { GATE, HOLDS, HOOKS, NOTES, STARTS, type RebornData } from './fixtures/reborn.js';
import { callStream } from './call-stream.js';
import { checkRestart, RestartPolicy } from './restart-policy.js';
import type { ReactorDeath, ReactorRestart } from './runtime-events.js';
import { controllerOf, createRuntime, type Runtime, type RuntimeOptions } from './runtime.js';

interface Life {
  readonly runtime: Runtime;
  readonly words: Int32Array;
  readonly deaths: ReactorDeath[];
  readonly restarts: ReactorRestart[];
  /** Sends reactor 0 what it dies by, and waits for the event. */
  die(): Promise<ReactorDeath>;
}

async function live(
  data: Omit<RebornData, 'words'>, options: Partial<RuntimeOptions>, use: (life: Life) => Promise<void>,
): Promise<void> {
  const words = new Int32Array(new SharedArrayBuffer(1024));
  const runtime = await createRuntime({
    entry: fixture('reborn'), reactors: 2, pin: false, data: { ...data, words },
    restart: { most: 3, withinMs: 60_000, backoffMs: 0 }, laneBytes: 4096, ...options,
  });
  const deaths: ReactorDeath[] = [];
  const restarts: ReactorRestart[] = [];
  runtime.on('reactorDied', (death) => deaths.push(death)).on('reactorRestarted', (restart) => restarts.push(restart));
  const die = async (): Promise<ReactorDeath> => {
    const before = deaths.length;
    runtime.send('kill', 'exit', { reactor: 0 });
    await until(() => deaths.length > before, 'the death');
    return deaths[before]!;
  };
  try {
    await use({ runtime, words, deaths, restarts, die });
  } finally {
    await runtime.close({ drainMs: 1000 });
  }
}

const stateOf = (runtime: Runtime, id = 0) => runtime.status().reactors[id]!;

describe('a reactor that is started again', () => {
  it('runs its entry with the next generation, tells of death and restart, and shows both in status()', async () => {
    await live({}, {}, async ({ runtime, words, restarts, deaths, die }) => {
      expect(await runtime.call('generation', undefined, { reactor: 0 })).toBe(0);
      const pin = stateOf(runtime).cpuAsked;
      expect(await die()).toMatchObject({
        reactorId: 0, exitCode: 7, generation: 0, willRestart: true, error: undefined,
        lost: { unpublished: 0, begun: 1, waiting: 0 },
      });
      expect(stateOf(runtime)).toMatchObject({ state: 'restarting', generation: 1, restarts: 0, cpuAsked: pin });
      await until(() => restarts.length === 1, 'the restart');
      expect(restarts[0]).toEqual({
        reactorId: 0, generation: 1, ms: expect.any(Number), lost: deaths[0]!.lost,
      });
      expect(restarts[0]!.ms).toBeGreaterThan(0);
      expect(stateOf(runtime)).toMatchObject({ state: 'ready', generation: 1, restarts: 1, id: 0, callsInFlight: 0 });
      expect(stateOf(runtime, 1)).toMatchObject({ state: 'ready', generation: 0, restarts: 0 });
      expect(await runtime.call('generation', undefined, { reactor: 0 })).toBe(1);
      expect(Atomics.load(words, STARTS)).toBe(3);
      expect(deaths.length).toBe(1);
    });
  });

  it('runs what waits in its lanes under names that the one before had heard, and none of it twice', async () => {
    await live({ waiting: [1] }, {}, async ({ runtime, words, die, restarts }) => {
      for (const [i, name] of ['first', 'second'].entries()) runtime.send(name, i, { reactor: 0 });
      await until(() => words[NOTES + 1] === 1, 'both names are heard');
      await die();
      // Under the numbers that the names have had since.
      for (const [i, name] of ['first', 'second', 'first'].entries()) {
        expect(runtime.send(name, 2 + i, { reactor: 0 })).toBe(OK);
      }
      await sleep(50);
      expect([...words.subarray(NOTES, NOTES + 5)], 'its entry has not run').toEqual([1, 1, 0, 0, 0]);
      Atomics.store(words, GATE, 1);
      await until(() => restarts.length === 1 && words[NOTES + 4] === 1, 'the last');
      expect([...words.subarray(NOTES, NOTES + 5)]).toEqual([1, 1, 1, 1, 1]);
    });
  });

  it('takes messages while it is away until its lane is full, and those who wait for room go on', async () => {
    await live({ waiting: [1] }, {}, async ({ runtime, words, die }) => {
      await die();
      let sent = 0;
      let code: number = OK;
      while ((code = runtime.send('first', sent % 100, { reactor: 0 })) === OK) sent++;
      expect(code, `after ${sent}`).toBe(BACK_PRESSURED);
      expect(sent).toBeGreaterThan(10);
      let hasRoom = false;
      runtime.whenRoom({ reactor: 0 }, () => void (hasRoom = true));
      await sleep(30);
      expect(hasRoom).toBe(false);
      Atomics.store(words, GATE, 1);
      await until(() => hasRoom, 'room');
      const run = (): number => words.subarray(NOTES, NOTES + 100).reduce((sum, count) => sum + count, 0);
      await until(() => run() === sent, 'all that was sent');
    });
  });

  it.each([[true], [false]])('begins nothing that a dead thread had asked of it: it comes back, %s', async (isBack) => {
    await live({}, isBack ? {} : { restart: undefined }, async ({ runtime, words, deaths }) => {
      runtime.send('hold', 0, { reactor: 1 });
      await until(() => Atomics.load(words, HOLDS) === 1, 'reactor 1 is busy');
      runtime.send('ask and die', { to: 1, number: 0 }, { reactor: 0 });
      await until(() => deaths.length === 1, 'the death');
      Atomics.store(words, GATE, 1);
      const begun = (): number => words[NOTES]! + words[NOTES + 1]!;
      const late = (): number => stateOf(runtime, 1).droppedByReason.lateCalls;
      await until(() => begun() + late() >= 4, 'all have come');
      expect([begun(), late()], 'begun, dropped').toEqual([0, 4]);
      // Those of the next thread are answered.
      if (!isBack) return;
      await until(() => stateOf(runtime).state === 'ready', 'the restart');
      runtime.send('ask and die', { to: 1, number: 3 }, { reactor: 0 });
      await until(() => words[NOTES + 3] === 3 && words[NOTES + 4] === 1 && words[NOTES + 5] === 1, 'begun, and ended');
      expect(late()).toBe(4);
    });
  });

  it('begins nothing that was asked of the thread before it and rejected', async () => {
    await live({ waiting: [1] }, {}, async ({ runtime, words, restarts }) => {
      runtime.send('hold', 0, { reactor: 0 });
      await until(() => Atomics.load(words, HOLDS) === 1, 'reactor 0 is busy');
      const asked = [0, 0, 0].map((number) => errorOf(() => runtime.call('note', number, { reactor: 0 })));
      const streams = [1, 3].map((number, i) => (
        callStream(runtime as Runtime<any>, 'stream', number, { reactor: 0, priority: i === 0 ? 3 : 7 })
      ));
      runtime.flush();
      void controllerOf(runtime).members[0]!.worker.terminate();
      for (const error of [...asked, ...streams.map((stream) => errorOf(() => stream.next()))]) {
        expect(await error).toMatchObject({ code: 'ERR_PERCORE_REACTOR_DIED' });
      }
      Atomics.store(words, GATE, 1);
      await until(() => restarts.length === 1, 'the restart');
      await runtime.call('id', undefined, { reactor: 0, priority: 0 });
      expect([words[NOTES], words[NOTES + 1]], 'begun').toEqual([0, 0]);
      // In the highest band it may begin before it is told; then it ends.
      await until(() => words[NOTES + 3] === words[NOTES + 4], 'the end of what has begun');
    });
  });

  it('rejects calls that were under way, takes those that come after, and is passed over by turns', async () => {
    await live({ waiting: [1] }, {}, async ({ runtime, words, die }) => {
      const under = errorOf(() => runtime.call('never', undefined, { reactor: 0 }));
      await die();
      expect(await within(1000, under, 'a rejection')).toMatchObject({
        code: 'ERR_PERCORE_REACTOR_DIED', reactorId: 0,
      });
      const later = runtime.call('generation', undefined, { reactor: 0 });
      const turns = await Promise.all(Array.from({ length: 4 }, () => runtime.call('generation')));
      expect(turns, 'all by reactor 1').toEqual([0, 0, 0, 0]);
      Atomics.store(words, GATE, 1);
      expect(await within(10_000, later, 'an answer of the successor')).toBe(1);
      await until(() => stateOf(runtime).state === 'ready', 'ready');
      expect((await Promise.all([runtime.call('generation'), runtime.call('generation')])).sort()).toEqual([0, 1]);
    });
  });

  it('is tried again when its entry throws, and the event says what it threw', async () => {
    await live({ failing: [1, 2] }, {}, async ({ runtime, deaths, restarts, die }) => {
      await die();
      await until(() => restarts.length === 1, 'the restart');
      expect(deaths.map(({ generation, willRestart }) => [generation, willRestart])).toEqual([
        [0, true], [1, true], [2, true],
      ]);
      expect(deaths[1]!.error).toMatchObject({ code: 'ERR_PERCORE_ENTRY', cause: { message: 'start 1 fails' } });
      expect(restarts[0]!.generation).toBe(3);
      expect(stateOf(runtime)).toMatchObject({ state: 'ready', generation: 3, restarts: 1 });
    });
  });

  it('is tried again when its entry takes longer than startTimeoutMs', async () => {
    await live({ waiting: [1] }, { startTimeoutMs: 3000 }, async ({ deaths, restarts, die }) => {
      await die();
      await until(() => restarts.length === 1, 'the restart');
      expect(deaths[1]).toMatchObject({ generation: 1, error: { code: 'ERR_PERCORE_TIMEOUT' } });
    });
  });

  it('whose entry never comes up is dead for good in the end, however long each start takes', async () => {
    const restart = { most: 2, withinMs: 1, backoffMs: 0 };
    await live({ failing: [1, 2, 3, 4, 5, 6] }, { restart }, async ({ runtime, deaths, restarts, die }) => {
      await die();
      await until(() => deaths.at(-1)!.willRestart === false, 'the last death');
      // Each start takes longer than `withinMs`, and none was ready.
      expect(deaths.length).toBe(3);
      expect(stateOf(runtime).state).toBe('dead');
      expect(restarts).toEqual([]);
    });
  });

  it('is dead for good after one death more than the option allows', async () => {
    await live({}, { restart: { most: 1, withinMs: 60_000 } }, async ({ runtime, deaths, restarts, die }) => {
      await die();
      await until(() => restarts.length === 1, 'the restart');
      expect(await die()).toMatchObject({ generation: 1, willRestart: false });
      expect(deaths.length).toBe(2);
      expect(stateOf(runtime)).toMatchObject({ state: 'dead', generation: 2, restarts: 1 });
      expect(runtime.send('first', 1, { reactor: 0 })).toBe(CLOSED);
      expect((await errorOf(() => runtime.call('generation', undefined, { reactor: 0 }))).code).toBe(
        'ERR_PERCORE_REACTOR_DIED',
      );
      expect(await runtime.call('generation'), 'by the other').toBe(0);
      await sleep(100);
      expect(restarts.length).toBe(1);
    });
  });

  it('without the option is dead for good at once', async () => {
    await live({}, { restart: undefined }, async ({ runtime, die }) => {
      expect(await die()).toMatchObject({ generation: 0, willRestart: false });
      expect(stateOf(runtime)).toMatchObject({ state: 'dead', generation: 1, restarts: 0 });
    });
  });

  it('is waited for by close(), and runs what it was sent and its stop hooks', async () => {
    await live({ waiting: [1] }, {}, async ({ runtime, words, restarts, die }) => {
      await die();
      for (let i = 0; i < 5; i++) expect(runtime.send('first', i, { reactor: 0 })).toBe(OK);
      const closing = runtime.close({ drainMs: 10_000 });
      await sleep(100);
      Atomics.store(words, GATE, 1);
      expect(await closing).toEqual({ drained: true, undelivered: 0, leftBehind: [], stillRunning: [] });
      expect([...words.subarray(NOTES, NOTES + 5)]).toEqual([1, 1, 1, 1, 1]);
      expect(Atomics.load(words, HOOKS), 'of both reactors').toBe(2);
      expect(restarts, 'who closes is told by the result alone').toEqual([]);
      expect(runtime.status().reactors.map(({ state }) => state)).toEqual(['left', 'left']);
    });
  });

  it('is not started again when it dies while the runtime closes', async () => {
    await live({ waiting: [1] }, {}, async ({ runtime, deaths, die }) => {
      await die();
      runtime.send('first', 0, { reactor: 0 });
      const closing = runtime.close({ drainMs: 500 });
      await sleep(20);
      void controllerOf(runtime).members[0]!.worker.terminate();
      expect(await closing).toMatchObject({ drained: false, undelivered: 1, leftBehind: [] });
      expect(deaths.map(({ willRestart }) => willRestart)).toEqual([true, false]);
      expect(stateOf(runtime).state).toBe('dead');
    });
  });

  it('waits before it starts for the second time, and close() does not wait for that', async () => {
    const restart = { most: 5, withinMs: 60_000, backoffMs: 1000 };
    await live({}, { restart }, async ({ runtime, restarts, die, words }) => {
      await die();
      await until(() => restarts.length === 1, 'the first restart');
      await die();
      expect(stateOf(runtime)).toMatchObject({ state: 'restarting', generation: 2 });
      await sleep(200);
      expect(Atomics.load(words, STARTS), 'its thread has not been started').toBe(3);
      runtime.send('first', 0, { reactor: 0 });
      const { restarts: waiting } = controllerOf(runtime).deaths;
      expect(waiting.isWaiting(0)).toBe(true);
      const closing = runtime.close({ drainMs: 10_000 });
      expect(waiting.isWaiting(0), 'it starts at once').toBe(false);
      expect((await closing).drained).toBe(true);
      expect(words[NOTES]).toBe(1);
    });
  });

  it('counts messages that it had sent and not published, and they alone are lost', async () => {
    const publishEvery = { records: 64, timeNs: 1e9 };
    await live({}, { publishEvery }, async ({ runtime, words, deaths, restarts }) => {
      // With the name, 63 records: one more would be published.
      for (const [count, restart] of [[20, 1], [0, 2], [62, 3]] as const) {
        runtime.send('flood', count, { reactor: 0 });
        await until(() => restarts.length === restart, 'the restart');
        expect(deaths[restart - 1]!.lost).toEqual({ unpublished: count, begun: 1, waiting: 0 });
      }
      expect(stateOf(runtime).lost).toBe(82);
      await sleep(20);
      expect(words.subarray(NOTES).every((count) => count === 0)).toBe(true);
      expect(stateOf(runtime, 1).received).toBe(0);
      expect(await runtime.close({ drainMs: 5000 }), 'the figures say that nothing is left').toMatchObject({
        drained: true, undelivered: 0,
      });
    });
  });
});

describe('a spare thread', () => {
  it('takes the place of each reactor that dies, and another is kept', async () => {
    const restart = { most: 5, withinMs: 60_000, backoffMs: 0 };
    await live({}, { restart }, async ({ runtime, words, restarts, die }) => {
      for (let generation = 1; generation <= 2; generation++) {
        await until(() => controllerOf(runtime).spares.kept !== undefined, 'one is kept');
        const { threadId } = controllerOf(runtime).spares.kept!;
        await die();
        await until(() => restarts.length === generation, 'the restart');
        expect(stateOf(runtime)).toMatchObject({ state: 'ready', generation, threadId });
        expect(await runtime.call('generation', undefined, { reactor: 0 })).toBe(generation);
        expect(runtime.send('first', generation, { reactor: 0 })).toBe(OK);
        await until(() => words[NOTES + generation] === 1, 'it runs what it is sent');
      }
      expect(Atomics.load(words, STARTS)).toBe(4);
    });
  });

  it('has the environment of the moment at which it is needed, as a new thread would', async () => {
    const { env } = process;
    env['PERCORE_TEST_GONE'] = env['PERCORE_TEST_NEW'] = 'before';
    const restart = { most: 5, withinMs: 60_000, backoffMs: 0 };
    try {
      await live({}, { restart }, async ({ runtime, restarts, die }) => {
        const seen = (name: string) => runtime.call('environment', name, { reactor: 0 });
        await until(() => controllerOf(runtime).spares.kept !== undefined, 'one is kept');
        const { threadId } = controllerOf(runtime).spares.kept!;
        env['PERCORE_TEST_NEW'] = 'after';
        delete env['PERCORE_TEST_GONE'];
        expect([await seen('PERCORE_TEST_NEW'), await seen('PERCORE_TEST_GONE')]).toEqual(['before', 'before']);
        await die();
        await until(() => restarts.length === 1, 'the restart');
        expect(stateOf(runtime).threadId).toBe(threadId);
        expect([await seen('PERCORE_TEST_NEW'), await seen('PERCORE_TEST_GONE')]).toEqual(['after', undefined]);
        expect(await seen('PATH')).toBe(env['PATH']);
      });
    } finally {
      delete env['PERCORE_TEST_NEW'];
      delete env['PERCORE_TEST_GONE'];
    }
  });

  it.each([[true, 'before'], [false, 'after']])('has what setEnvironmentData had set at its start (spare: %s)', async (
    spare, known,
  ) => {
    setEnvironmentData('percore test', 'before');
    const restart = { most: 5, withinMs: 60_000, backoffMs: 0, spare };
    try {
      await live({}, { restart }, async ({ runtime, restarts, die }) => {
        if (spare) await until(() => controllerOf(runtime).spares.kept !== undefined, 'one is kept');
        setEnvironmentData('percore test', 'after');
        await die();
        await until(() => restarts.length === 1, 'the restart');
        expect(await runtime.call('environmentData', 'percore test', { reactor: 0 })).toBe(known);
      });
    } finally {
      setEnvironmentData('percore test', undefined as never);
    }
  });

  it('is not there where nobody wants it', async () => {
    const restart = { most: 5, withinMs: 60_000, backoffMs: 0, spare: false };
    await live({}, { restart }, async ({ runtime, restarts, die }) => {
      expect(controllerOf(runtime).spares.kept).toBe(undefined);
      await die();
      await until(() => restarts.length === 1, 'the restart');
      expect(controllerOf(runtime).spares.kept).toBe(undefined);
    });
  });

  it('that has ended is not missed, and none is left after the end', async () => {
    const restart = { most: 5, withinMs: 60_000, backoffMs: 0 };
    await live({}, { restart }, async ({ runtime, restarts, die }) => {
      const { kept } = controllerOf(runtime).spares;
      await kept!.end();
      await die();
      await until(() => restarts.length === 1, 'the restart');
      expect(await runtime.call('generation', undefined, { reactor: 0 })).toBe(1);
      expect(stateOf(runtime).threadId).not.toBe(kept!.threadId);
      await until(() => controllerOf(runtime).spares.kept !== undefined, 'another is kept');
      const { spares } = controllerOf(runtime);
      await runtime.close();
      expect(spares.kept!.take({} as never)).toBe(undefined);
    });
  });
});

describe('the policy of restarts', () => {
  it('allows so many within so long, and doubles the wait', () => {
    const policy = new RestartPolicy({ most: 4, withinMs: 1000, backoffMs: 10 });
    expect([0, 100, 200, 300].map((ms) => policy.died(0, ms, true))).toEqual([0, 10, 20, 40]);
    expect(policy.died(1, 300, true), 'each reactor by itself').toBe(0);
    expect(policy.died(0, 999, true)).toBeUndefined();
    // The first two are longer ago by now.
    expect(policy.died(0, 1150, true)).toBe(20);
  });

  it('forgets no death while none of its threads becomes ready, however long each takes', () => {
    const policy = new RestartPolicy({ most: 3, withinMs: 1000, backoffMs: 10 });
    expect(policy.died(0, 0, true)).toBe(0);
    // An entry that never ends: each start takes longer than `withinMs`.
    expect([5000, 10_000, 15_000].map((ms) => policy.died(0, ms, false))).toEqual([10, 20, undefined]);
    // One that was ready at last begins anew.
    const other = new RestartPolicy({ most: 3, withinMs: 1000, backoffMs: 10 });
    expect([0, 5000, 10_000].map((ms) => other.died(0, ms, ms === 10_000))).toEqual([0, 10, 0]);
  });

  it('waits a second at most', () => {
    const policy = new RestartPolicy({ most: 100, withinMs: 1000, backoffMs: 10 });
    expect(Math.max(...Array.from({ length: 100 }, () => policy.died(0, 0, true)!))).toBe(1000);
  });

  it('is checked', async () => {
    const cases: [unknown, RegExp][] = [
      [{ most: 0, withinMs: 1 }, /^restart\.most must be a whole number from 1 to 1000000, not 0$/],
      [{ most: 1 }, /^restart\.withinMs must be a whole number from 1 to 2147483647, not undefined$/],
      [{ most: 1, withinMs: 1, backoffMs: 1001 }, /^restart\.backoffMs must be a whole number from 0 to 1000, not/],
      [{ most: 1, withinMs: 1, wait: 5 }, /^restart has no option "wait"/],
      [3, /^restart must be an object/],
    ];
    for (const [options, message] of cases) {
      expect((await errorOf(() => checkRestart(options as never))).message).toMatch(message);
    }
    expect(checkRestart(undefined)).toBeUndefined();
  });
});

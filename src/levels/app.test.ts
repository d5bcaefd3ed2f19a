/** Apps that run: real reactors, and real priorities where the system grants them; else their levels take turns. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { BACK_PRESSURED, CLOSED, OK } from '../queues/index.js';
import { errorOf, until } from '../reactor/fixtures/inside.js';
import { canDrop, where } from '../realtime/fixtures/privileges.js';
import { mixedApp } from './fixtures/mixed-app.js';
import { RESULT } from './fixtures/mixed.js';
import { orderApp } from './fixtures/order-app.js';
import {
  defineApp, fifo, other, setPolicy, startApp, type AppStatus, type RunningApp, type StartAppOptions,
} from './index.js';

/** More than a slow machine needs. */
const LONG_MS = 30_000;
const RUNS = process.env['PERCORE_STRESS'] === undefined ? 100 : 1000;

describe('the example of a lock', () => {
  // Without the flag a level waits for V8's threads of ordinary priority: 0.1 to 4 % of the runs, on a loaded machine.
  it.each([[true], [false]])('runs in the order of the protocol each time (preemptive: %s)', async (isPreemptive) => {
    const main = fileURLToPath(new URL('./fixtures/order-main.js', import.meta.url));
    const { stdout } = await promisify(execFile)(
      process.execPath, ['--single-threaded', main, String(RUNS), String(isPreemptive)],
    );
    const said = JSON.parse(stdout) as { right: number; wrong: number; refused: number; status: AppStatus };
    expect(said).toMatchObject({ right: RUNS, wrong: 0, refused: 0 });
    const { cores, levels } = said.status;
    // What it says it was granted it was granted, whatever that is.
    expect(cores[0]!.isPreemptive).toBe(isPreemptive && levels.every((level) => level.fifoGranted === level.fifoAsked));
    const isNewer = Number(process.versions.node.split('.')[0]) >= 26;
    if (cores[0]!.isPreemptive && isNewer) expect(cores[0]!.mayWait).toContain('even with --single-threaded');
    else expect(cores[0]!.mayWait).toBeUndefined();
    if (!cores[0]!.isPreemptive) expect(cores[0]!.why).toMatch(/./);
    expect(levels.map(({ priority, tasks, fifoAsked }) => [priority, ...tasks, fifoAsked])).toEqual(
      [[1, 'low'], [2, 'middle'], [3, 'high']].map((level, i) => [...level, isPreemptive ? i + 1 : 0]),
    );
    expect(levels.map(({ notRaised }) => notRaised)).toEqual([0, 0, 0]);
  });
});

describe('an app that may not preempt', () => {
  where(canDrop('sys_nice'))('says what is missing, and what to do', async () => {
    const main = fileURLToPath(new URL('./fixtures/order-main.js', import.meta.url));
    const { stdout } = await promisify(execFile)(
      'setpriv', ['--bounding-set=-sys_nice', process.execPath, main, '3', 'true'],
    );
    const { right, status: { cores } } = JSON.parse(stdout) as { right: number; status: AppStatus };
    expect([right, cores[0]!.isPreemptive]).toEqual([3, false]);
    expect(cores[0]!.why).toMatch(/^SCHED_FIFO: EPERM, capability: .*; to have it: .*setcap cap_sys_nice.* -r 99$/);
  });
});

describe('an app whose levels preempt each other', () => {
  it('says that they may wait for threads of V8, and how not to', async () => {
    const data = new Int32Array(new SharedArrayBuffer(16));
    await using running = await startApp(orderApp, { entry: new URL('./fixtures/order.js', import.meta.url), data });
    const [core] = running.status().cores;
    if (core!.isPreemptive) expect(core!.mayWait).toContain('--single-threaded');
    else expect(core!.mayWait).toBeUndefined();
  });
});

describe('the status of an app', () => {
  const data = new Int32Array(new SharedArrayBuffer(16));
  const options = { entry: new URL('./fixtures/order.js', import.meta.url), data };

  it('says so when somebody takes a level its priority, and when it is back', async () => {
    await using running = await startApp(orderApp, options);
    const told = () => ({ core: running.status().cores[0]!, granted: running.status().levels[1]!.fifoGranted });
    // What is not there nobody takes.
    if (!told().core.isPreemptive) return expect(told().granted).toBe(0);
    await setPolicy(running.runtime, other(), { reactor: 1 });
    expect(told()).toMatchObject({ granted: 0, core: { isPreemptive: false } });
    expect(told().core.why).toContain('level 1 does not have SCHED_FIFO 2 any more');
    await setPolicy(running.runtime, fifo(2), { reactor: 1 });
    expect(told()).toMatchObject({ granted: 2, core: { isPreemptive: true } });
    expect(told().core.why).toBeUndefined();
  });

  it('says by turns, and why, where the levels of a core cannot have its CPU', async () => {
    await using running = await startApp(orderApp, { ...options, cpus: [8000] });
    const [core] = running.status().cores;
    expect(core).toMatchObject({ cpu: 8000, isPreemptive: false });
    expect(core!.why).toMatch(/could not be pinned to CPU 8000|^SCHED_FIFO: EPERM/);
  });

  it('says of an ended app nothing that is no longer so', async () => {
    const running = await startApp(orderApp, options);
    await running.close();
    const { cores, levels } = running.status();
    expect(levels.map(({ fifoGranted, isDead }) => [fifoGranted, isDead])).toEqual(
      [[0, false], [0, false], [0, false]],
    );
    if (cores[0]!.isPreemptive) expect(cores[0]!.why).toBeUndefined();
  });
});

const entry = new URL('./fixtures/mixed.js', import.meta.url);

it('does not start from a module that is the entry of something else', async () => {
  const other = new URL('../reactor/fixtures/double.js', import.meta.url);
  expect(await errorOf(() => startApp(orderApp, { entry: other }))).toMatchObject({
    code: 'ERR_PERCORE_ENTRY', argument: 'entry', value: other,
    message: expect.stringContaining('is not what implementApp returned') as string,
  });
});

async function withMixed(
  options: Partial<StartAppOptions>,
  use: (running: RunningApp<typeof mixedApp['declaration']>, results: Int32Array) => Promise<void>,
): Promise<void> {
  const results = new Int32Array(new SharedArrayBuffer(RESULT.WORDS * 4));
  const running = await startApp(mixedApp, { entry, data: results, ...options });
  running.runtime.on('reactorDied', () => undefined);
  running.runtime.on('stepError', ({ error }) => { throw error; });
  try {
    await use(running, results);
  } finally {
    await running.close();
  }
}

describe('an app of two cores', () => {
  it.each([[true], [false]])('has inits, idle, spawns and locks over cores (preemptive: %s)', async (isPreemptive) => {
    await withMixed({ isPreemptive }, async (running, results) => {
      expect(running.spawn('count', 500)).toBe(OK);
      let sent = 0;
      await until(() => {
        if (sent < 200 && running.spawn('other', 1) === OK) sent++;
        return Atomics.load(results, RESULT.COUNTED) === 702;
      }, 'all are counted', LONG_MS);
      // 100, and 501 counts, 10 of the second init, 200 of here.
      expect(running.spawn('ask', 'sum')).toBe(OK);
      await until(() => Atomics.load(results, RESULT.CODE) !== 0, 'the sum', LONG_MS);
      expect(results[RESULT.CODE]).toBe(100 + 501 + 10 + 200);
      await until(() => Atomics.load(results, RESULT.IDLES) === 5, 'idle', LONG_MS);
      expect(running.status().levels.map(({ core, priority }) => [core, priority])).toEqual([
        [0, 0], [0, 1], [1, 1], [1, 2], [1, 3], [1, 5],
      ]);
    });
  });

  it('schedules without drift, also from the main thread, and never early', async () => {
    await withMixed({}, async (running, results) => {
      const beginNs = (Math.ceil(running.nowNs() / 1e6) + 2) * 1e6;
      expect(running.schedule('periodic', beginNs, 50)).toBe(OK);
      await until(() => Atomics.load(results, RESULT.DRIFT) !== 0, '51 ticks', LONG_MS);
      expect(results[RESULT.TICKS]).toBe(51);
      expect(results[RESULT.DRIFT]).toBe(Math.round(beginNs / 1e6) + 50);
      expect(results[RESULT.ERRORS]).toBe(0);
    });
  });

  it('answers a full inbox, loses nothing, and counts', async () => {
    await withMixed({}, async (running, results) => {
      expect(running.spawn('hold')).toBe(OK);
      await until(() => Atomics.load(results, RESULT.ORDER) === 1, 'it runs', LONG_MS);
      expect(running.spawn('hold')).toBe(OK);
      expect(running.spawn('hold')).toBe(BACK_PRESSURED);
      Atomics.store(results, 8, 1);
      Atomics.notify(results, 8);
      await until(() => running.spawn('hold') === OK, 'there is room', LONG_MS);
    });
  });

  it('refuses a promise, another order and what is not declared, as errors of the task that does it', async () => {
    await withMixed({}, async (running, results) => {
      running.spawn('ask', 'wrong');
      await until(() => Atomics.load(results, RESULT.ERRORS) === 3, 'both', LONG_MS);
      running.spawn('ask', 'promise');
      await until(() => Atomics.load(results, RESULT.ERRORS) === 1, 'the promise', LONG_MS);
      running.spawn('ask', 'undeclared');
      await until(() => Atomics.load(results, RESULT.ERRORS) === 7, 'a field that was not declared', LONG_MS);
      expect(await errorOf(async () => running.spawn('nobody' as never))).toMatchObject({
        code: 'ERR_PERCORE_UNDECLARED', argument: 'spawn',
      });
      expect(await errorOf(async () => running.schedule('ask', -1, ''))).toMatchObject({ argument: 'deadlineNs' });
    });
  });

  it('takes nothing for later from the moment at which it is closed, by itself or by its runtime', async () => {
    for (const isRuntime of [false, true]) {
      await withMixed({}, async (running) => {
        const inAnHour = running.nowNs() + 3600e9;
        expect(running.schedule('ask', inAnHour, '')).toBe(OK);
        const closing = (isRuntime ? running.runtime : running).close();
        expect(running.schedule('ask', inAnHour, '')).toBe(CLOSED);
        await closing;
      });
    }
  });

  it.each([true, false])('goes on when a level dies with a lock (preemptive: %s)', async (isPreemptive) => {
    await withMixed({ isPreemptive }, async (running, results) => {
      expect(running.spawn('ask', 'die')).toBe(OK);
      await until(() => Atomics.load(results, RESULT.LEFT) === 3, 'it holds the lock', LONG_MS);
      const before = Atomics.load(results, RESULT.COUNTED);
      running.spawn('count', 10);
      await until(() => Atomics.load(results, RESULT.COUNTED) === before + 10, 'others go on', LONG_MS);
      await until(() => running.status().resources[0]!.left === 1, 'it is seen', LONG_MS);
      expect(running.spawn('ask', 'sum')).toBe(CLOSED);
      expect(running.status().resources).toEqual([{ name: 'sum', left: 1 }, { name: 'other', left: 0 }]);
    });
  });
});

describe('defineApp', () => {
  it('computes levels and ceilings', () => {
    expect(mixedApp.describe()).toEqual({
      levels: [
        { core: 0, priority: 0, tasks: [] }, { core: 0, priority: 1, tasks: ['count'] },
        { core: 1, priority: 1, tasks: ['ask'] }, { core: 1, priority: 2, tasks: ['hold'] },
        { core: 1, priority: 3, tasks: ['other'] }, { core: 1, priority: 5, tasks: ['periodic'] },
      ],
      // Both cross, so they lift to the top of each core.
      ceilings: { sum: [1, 5], other: [1, 5] },
    });
    expect(orderApp.describe().ceilings).toEqual({ shared: [2], trace: [3] });
  });

  it('refuses what does not fit together, and names the place', () => {
    const define = defineApp as (declaration: unknown) => unknown;
    const task = { priority: 1 };
    for (const [declaration, argument] of [
      [{ cores: [], tasks: {} }, 'cores'],
      [{ cores: new Array(2), tasks: {} }, 'cores[0]'],
      [{ cores: [{}], tasks: { a: { priority: 0 } } }, 'tasks.a.priority'],
      [{ cores: [{}], tasks: { a: { ...task, core: 1 } } }, 'tasks.a.core'],
      [{ cores: [{}], tasks: { a: { ...task, spawns: ['b'] } } }, 'tasks.a.spawns[0]'],
      [{ cores: [{}], tasks: { a: { ...task, uses: ['r'] } } }, 'tasks.a.uses[0]'],
      [{ cores: [{ init: { schedules: ['b'] } }], tasks: { a: task } }, 'cores[0].init.schedules[0]'],
      [{ cores: [{}], tasks: { a: task }, main: { spawns: ['b'] } }, 'main.spawns[0]'],
      [{ cores: [{}], tasks: { a: { ...task, capacity: 0 } } }, 'tasks.a.capacity'],
      [{ cores: [{}], tasks: { a: task }, resources: { r: { x: 'u33' } } }, 'resources.r'],
      [{ cores: [{}], tasks: { a: { ...task, prioritiy: 1 } } }, 'tasks.a.prioritiy'],
    ] as const) {
      let error: { argument?: string; code?: string } = {};
      try {
        define(declaration);
      } catch (thrown) {
        error = thrown as typeof error;
      }
      expect([error.code, error.argument]).toEqual(['ERR_PERCORE_INVALID_ARGUMENT', argument]);
    }
  });

  it('refuses too many levels', async () => {
    const tasks = Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`t${i}`, { priority: i + 1 }]));
    expect(await errorOf(async () => defineApp({ cores: [{}], tasks }))).toMatchObject({
      code: 'ERR_PERCORE_CAPACITY', argument: 'tasks', value: 33,
    });
    const order = new URL('./fixtures/order.js', import.meta.url);
    expect(await errorOf(() => startApp(orderApp, { entry: order, lowestPriority: 98 }))).toMatchObject({
      code: 'ERR_PERCORE_CAPACITY', argument: 'lowestPriority',
    });
  });
});

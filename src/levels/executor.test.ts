import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { errorOf, until } from '../reactor/fixtures/inside.js';
import { createExecutor, raiseEvent, type RealtimeExecutorMetrics, type Work } from './index.js';

const module = new URL('./fixtures/work.js', import.meta.url);
const work = (name: string): Work => ({ module, export: name });
const folder = mkdtempSync(join(tmpdir(), 'percore-executor-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('an executor of real-time work', () => {
  it('runs work of modules, awaited or while the caller stands still, and counts', async () => {
    const told: RealtimeExecutorMetrics[] = [];
    const executor = await createExecutor({ workerThreads: 2, onMetrics: (metrics) => told.push(metrics) });
    try {
      expect(await executor.spawnRealtime<number>(work('double'), 4)).toBe(8);
      expect(await executor.spawnRealtime(work('late'), 'text')).toBe('TEXT');
      expect(executor.blockOn(work('double'), 21)).toBe(42);
      expect(executor.blockOn(work('late'), 'here')).toBe('HERE');
      expect(await errorOf(() => executor.spawnRealtime(work('fail')))).toMatchObject({ message: 'this work fails' });
      expect(await errorOf(async () => executor.blockOn(work('fail')))).toMatchObject({
        name: 'RangeError', message: 'this work fails',
      });
      expect(await errorOf(async () => executor.blockOn(work('large'), 100_000))).toMatchObject({
        code: 'ERR_PERCORE_TOO_LARGE', argument: 'answerBytes',
      });
      expect(await errorOf(async () => executor.blockOn(work('never'), 0, { timeoutMs: 20 }))).toMatchObject({
        code: 'ERR_PERCORE_TIMEOUT',
      });
      // An answer that comes late is nobody's.
      expect(executor.blockOn(work('double'), 1)).toBe(2);
      expect(await errorOf(() => executor.spawnRealtime(work('nothing')))).toMatchObject({ code: 'ERR_PERCORE_ENTRY' });
      expect(executor.metrics()).toMatchObject({ scheduledTasks: 10, completedTasks: 5, failedTasks: 5 });
      expect(executor.metrics().p99LatencyNs).toBeGreaterThan(0);
    } finally {
      await executor.close();
    }
    expect(told.at(-1)).toMatchObject({ scheduledTasks: 10 });
  });

  it('runs a handler periodically and on an event, until it is stopped', async () => {
    const periodic = join(folder, 'periodic');
    const raised = join(folder, 'raised');
    for (const path of [periodic, raised]) writeFileSync(path, '');
    await using executor = await createExecutor();
    const stop = await executor.every(work('count'), { intervalNs: 1e6, argument: periodic });
    await until(() => readFileSync(periodic).length > 10, 'ten ticks', 30_000);
    await stop();
    const event = await executor.onEvent(work('count'), raised);
    for (let i = 1; i <= 3; i++) {
      expect(raiseEvent(event)).toBe(0);
      await until(() => readFileSync(raised).length === i, `event ${i}`, 30_000);
    }
    const { length } = readFileSync(periodic);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(readFileSync(periodic).length - length).toBeLessThanOrEqual(1);
  });

  it('hands its data to all work, so that work can share memory, and counts what runs by itself', async () => {
    const shared = new Int32Array(new SharedArrayBuffer(16));
    const told: RealtimeExecutorMetrics[] = [];
    const executor = await createExecutor({
      workerThreads: 2, data: shared, metricsEveryMs: 10, onMetrics: (metrics) => told.push(metrics),
    });
    try {
      expect(await executor.spawnRealtime(work('add'), 0)).toBe('undefined');
      expect(executor.blockOn(work('add'), 0)).toBe('undefined');
      expect(shared[0]).toBe(2);
      const event = await executor.onEvent(work('add'), 1);
      raiseEvent(event);
      await until(() => shared[1] === 1, 'the event', 30_000);
      const asked = told.length;
      const stop = await executor.every(work('add'), { intervalNs: 1e6, argument: 2 });
      await until(() => told.length >= asked + 3 && shared[2]! > 10, 'ticks, and what is told of them', 30_000);
      await stop();
      const { ticks, missedTicks, worstTickLatenessNs, eventRuns, scheduledTasks } = executor.metrics();
      expect([ticks, eventRuns, scheduledTasks]).toEqual([shared[2], 1, 2]);
      expect(missedTicks).toBeGreaterThanOrEqual(0);
      expect(worstTickLatenessNs).toBeGreaterThan(0);
    } finally {
      await executor.close();
    }
    expect(told.at(-1)).toEqual(executor.metrics());
  });

  it('tells how late periodic work was in all, and which ticks that cost', async () => {
    const shared = new Int32Array(new SharedArrayBuffer(4));
    await using executor = await createExecutor({ data: shared });
    const stop = await executor.every(work('stumble'), { intervalNs: 5e6, argument: 100 });
    await until(() => shared[0]! > 3, 'a run after it', 30_000);
    await stop();
    const { missedTicks, worstTickLatenessNs } = executor.metrics();
    expect(missedTicks).toBeGreaterThanOrEqual(18);
    // It stood still for 100 ms, and the next tick was due 5 ms after that run began.
    expect(worstTickLatenessNs).toBeGreaterThanOrEqual(94e6);
  });

  it('reports a promise that periodic work or an event rejects, and goes on', async () => {
    const shared = new Int32Array(new SharedArrayBuffer(8));
    await using executor = await createExecutor({ data: shared });
    const errors: string[] = [];
    executor.runtime.on('stepError', ({ error }) => errors.push(error.message));
    const stop = await executor.every(work('reject'), { intervalNs: 1e6, argument: 0 });
    await until(() => shared[0]! > 3 && errors.length === 1, 'ticks after it', 30_000);
    await stop();
    const event = await executor.onEvent(work('reject'), 1);
    for (let i = 1; i <= 3; i++) {
      raiseEvent(event);
      await until(() => shared[1] === i, `event ${i}`, 30_000);
    }
    await until(() => errors.length === 2, 'both errors', 30_000);
    expect(errors).toEqual(['rejected at 0', 'rejected at 1']);
  });

  it('goes on with the threads that live, says so when one dies, and waits for none that is dead', async () => {
    const executor = await createExecutor({ workerThreads: 2 });
    const died: number[] = [];
    executor.runtime.on('reactorDied', ({ reactorId }) => died.push(reactorId));
    try {
      // It stands still without a time-out, and the thread ends without an answer.
      const hasDied = { code: 'ERR_PERCORE_REACTOR_DIED' };
      expect(await errorOf(async () => executor.blockOn(work('end')))).toMatchObject(hasDied);
      await until(() => died.length === 1, 'its end is told', 30_000);
      for (let i = 0; i < 3; i++) expect(await executor.spawnRealtime(work('double'), i)).toBe(2 * i);
      expect(await errorOf(() => executor.spawnRealtime(work('end')))).toMatchObject(hasDied);
      await until(() => died.length === 2, 'both', 30_000);
      for (const again of [() => executor.spawnRealtime(work('double')), () => executor.blockOn(work('double'))]) {
        expect(await errorOf(async () => again())).toMatchObject({
          code: 'ERR_PERCORE_REACTOR_DIED', message: expect.stringContaining('all threads') as string,
        });
      }
      expect(await errorOf(() => executor.every(work('double'), undefined as never))).toMatchObject({
        code: 'ERR_PERCORE_REACTOR_DIED',
      });
    } finally {
      await executor.close();
    }
  });

  it.each([['close()', false], ['that of its runtime', true]])('takes nothing from %s on', async (_name, isRuntime) => {
    const executor = await createExecutor();
    const asks = [
      () => executor.spawnRealtime(work('double'), 1), async () => executor.blockOn(work('double'), 1),
      () => executor.every(work('double'), { intervalNs: 1e6 }), () => executor.onEvent(work('double')),
    ];
    const closed = { code: 'ERR_PERCORE_CLOSED', message: expect.stringContaining('the executor is closed') as string };
    const closing = (isRuntime ? executor.runtime : executor).close();
    for (const ask of asks) expect(await errorOf(ask)).toMatchObject(closed);
    await closing;
    for (const ask of asks) expect(await errorOf(ask)).toMatchObject(closed);
    await executor.close();
  });

  it('says of work that its end cuts off that it was closed, and not that its thread has died', async () => {
    const executor = await createExecutor();
    const asked = errorOf(() => executor.spawnRealtime(work('never')));
    await executor.close({ drainMs: 0 });
    expect(await asked).toMatchObject({ code: 'ERR_PERCORE_CLOSED' });
    expect(executor.metrics()).toMatchObject({ failedTasks: 1 });
  });

  it('says of what cannot be sent the same as an awaited one, and takes more where lanes are larger', async () => {
    await using executor = await createExecutor({ laneBytes: 2 ** 21, answerBytes: 2 ** 20 });
    for (const ask of [
      (name: string, argument: unknown) => executor.spawnRealtime(work(name), argument),
      async (name: string, argument: unknown) => executor.blockOn(work(name), argument),
    ]) {
      expect(await errorOf(() => ask('unsendable', 0))).toMatchObject({ code: 'ERR_PERCORE_UNSERIALIZABLE' });
      expect(await errorOf(() => ask('double', 'x'.repeat(2 ** 21)))).toMatchObject({ code: 'ERR_PERCORE_TOO_LARGE' });
      expect((await ask('large', 500_000) as Uint8Array).length).toBe(500_000);
    }
  });

  it('sets up as many events as it says, whatever was refused before', async () => {
    await using executor = await createExecutor({ workerThreads: 2 });
    for (let i = 0; i < 5; i++) {
      expect(await errorOf(() => executor.onEvent(work('nothing')))).toMatchObject({ code: 'ERR_PERCORE_ENTRY' });
    }
    const events = [];
    for (let i = 0; i < 62; i++) events.push(await executor.onEvent(work('double'), i));
    expect(new Set(events.map(({ bit, readiness }) => `${readiness.eventFd} ${bit}`)).size).toBe(62);
    expect(await errorOf(() => executor.onEvent(work('double')))).toMatchObject({ code: 'ERR_PERCORE_CAPACITY' });
  });

  it('counts work that cannot be sent as failed', async () => {
    await using executor = await createExecutor();
    expect(await errorOf(() => executor.every(work('double'), undefined as never))).toMatchObject({
      code: 'ERR_PERCORE_TIMER_INVALID_INTERVAL',
    });
    expect(await errorOf(async () => executor.blockOn(work('double'), () => 1))).toMatchObject({
      code: 'ERR_PERCORE_UNSERIALIZABLE',
    });
    expect(executor.metrics()).toMatchObject({ scheduledTasks: 1, failedTasks: 1 });
  });

  it('refuses what it cannot be made of', async () => {
    for (const [options, argument] of [
      [{ workerThreads: 0 }, 'workerThreads'], [{ cpuAffinity: [] }, 'cpuAffinity'],
      [{ cpuAffinity: [0, -1] }, 'cpuAffinity[1]'], [{ isParking: 1 }, 'isParking'],
      [{ onMetrics: 5 }, 'onMetrics'], [{ answerBytes: 5 }, 'answerBytes'], [{ polcy: 1 }, 'options.polcy'],
    ] as const) {
      expect(await errorOf(() => createExecutor(options as never))).toMatchObject({ argument });
    }
    expect(await errorOf(async () => raiseEvent({} as never))).toMatchObject({ argument: 'event' });
  });
});

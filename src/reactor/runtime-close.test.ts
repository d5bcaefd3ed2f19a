/** close() lets everything run that was sent, within its bound, and leaves nothing behind. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CLOSED, OK } from '../queues/index.js';
import {
  descriptors, errorOf, inside, leftBehind, remoteRuntime, sleep, threads, until, within,
} from './fixtures/inside.js';
import { createRuntime } from './runtime.js';

describe('close', () => {
  it('lets everything run that was sent, over chains of reactors too', async () => {
    const counts = new Int32Array(new SharedArrayBuffer(8));
    const folder = mkdtempSync(join(tmpdir(), 'percore-close-'));
    const path = join(folder, 'chain.mjs');
    writeFileSync(path, `export default function (reactor, counts) {
      reactor.spawn({ name: 'first', capacity: 100000 }, (n) => {
        Atomics.add(counts, 0, 1);
        const code = reactor.send('second', n, { reactor: 1 });
        if (code >= 0) return;
        Atomics.sub(counts, 0, 1);
        return code;
      });
      reactor.spawn({ name: 'second' }, () => {
        const end = performance.now() + 0.01;
        while (performance.now() < end);
        Atomics.add(counts, 1, 1);
      });
    }`);
    const runtime = await createRuntime({ entry: path, reactors: 2, data: counts });
    let sent = 0;
    for (let i = 0; i < 5000; i++) if (runtime.send('first', i, { reactor: 0 }) === OK) sent++;
    const result = await runtime.close();
    rmSync(folder, { recursive: true });
    expect([result, [...counts]]).toEqual([
      { drained: true, undelivered: 0, leftBehind: [], stillRunning: [] }, [sent, sent],
    ]);
    expect(sent).toBeGreaterThan(1000);
  });

  it('twice is once; asyncDispose closes; nothing is left behind', async () => {
    // Whatever libuv and Node keep open for good is open after the first time.
    await (await remoteRuntime(1)).close();
    const before: [string[], number] = [descriptors(), threads()];
    const runtime = await remoteRuntime(2);
    const first = runtime.close();
    expect(runtime.close()).toBe(first);
    expect(await first).toEqual({ drained: true, undelivered: 0, leftBehind: [], stillRunning: [] });
    expect(await runtime.close()).toBe(await first);
    const other = await remoteRuntime(2);
    await other[Symbol.asyncDispose]();
    expect(other.status().reactors.map(({ state }) => state)).toEqual(['left', 'left']);
    await until(() => leftBehind(before).length === 0, 'as before', 10_000).catch(() =>
      expect(leftBehind(before)).toEqual([]),
    );
  });

  it('with drainMs 0 and a step that runs for 300 ms ends, and says that it had not drained', async () => {
    const runtime = await remoteRuntime(1);
    await inside(runtime, 0, (reactor) => void reactor.spawn({ name: 'busy' }, () => {
      const end = performance.now() + 300;
      while (performance.now() < end);
    }));
    for (let i = 0; i < 3; i++) runtime.send('busy', i, { reactor: 0 });
    await sleep(20);
    const result = await within(5000, runtime.close({ drainMs: 0 }), 'close');
    expect(result.drained).toBe(false);
    expect(result.undelivered).toBeGreaterThanOrEqual(2);
  });

  it('ends a reactor whose step never ends', async () => {
    const runtime = await remoteRuntime(2);
    await inside(runtime, 0, (reactor) => void reactor.spawn({ name: 'forever' }, () => {
      for (;;);
    }));
    runtime.send('forever', 0, { reactor: 0 });
    await sleep(20);
    expect((await within(10_000, runtime.close({ drainMs: 50 }), 'close')).drained).toBe(false);
  });

  it('rejects calls that wait when it ends, and calls that come later; sends are CLOSED', async () => {
    const runtime = await remoteRuntime(2);
    await inside(runtime, 0, (reactor) => void reactor.handle('never', () => new Promise<never>(() => undefined)));
    const waiting = errorOf(() =>
      within(5000, runtime.call('never', undefined, { reactor: 0 }), 'a rejection of the waiting call'),
    );
    await sleep(20);
    await runtime.close({ drainMs: 20 });
    expect((await waiting).code).toMatch(/^ERR_PERCORE_(CLOSED|REACTOR_DIED)$/);
    expect(
      (
        await errorOf(() =>
          within(2000, runtime.call('run', { source: '() => 1' }, { reactor: 1 }), 'a rejection of the later call'),
        )
      ).code,
    ).toMatch(/^ERR_PERCORE_(CLOSED|REACTOR_DIED)$/);
    expect(runtime.send('run', 1, { reactor: 1 })).toBe(CLOSED);
    // A task or handler that nothing would ever run.
    for (const make of [
      () => runtime.spawn({ name: 'late' }, () => undefined),
      () => runtime.spawnBytes({ name: 'late' }, () => undefined), () => runtime.handle('late', () => 1),
    ]) {
      const error = await errorOf(make);
      expect([error.code, error.message]).toEqual([
        'ERR_PERCORE_CLOSED', '"late": the runtime is closed, and nothing runs here any more',
      ]);
    }
  });

  it('runs the stop hooks first, and waits for them', async () => {
    const log = mkdtempSync(join(tmpdir(), 'percore-hook-'));
    const runtime = await remoteRuntime(1);
    await inside(runtime, 0, (reactor, file: string, { require, sleep: pause }) => {
      reactor.onStop(async () => {
        await pause(30);
        (require('node:fs') as typeof import('node:fs')).writeFileSync(file, 'ran');
      });
      reactor.onStop(() => {
        throw new Error('a bad hook');
      });
    }, join(log, 'hook'));
    const errors: string[] = [];
    runtime.on('stepError', ({ where, error }) => void errors.push(`${where}: ${error.message}`));
    expect((await runtime.close()).drained).toBe(true);
    expect([existsSync(join(log, 'hook')), errors]).toEqual([true, ['a stop hook: a bad hook']]);
    rmSync(log, { recursive: true });
  });

  it('refuses a wrong drainMs', async () => {
    const runtime = await remoteRuntime(1);
    expect((await errorOf(() => runtime.close({ drainMs: -1 }))).message).toBe(
      'drainMs must be a whole number from 0 to 2147483647, not -1',
    );
    await runtime.close();
  });
});

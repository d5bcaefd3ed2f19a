/**
 * close() ends within its bound whatever a reactor does, and says which one did not leave; createRuntime within
 * startTimeoutMs.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  descriptors, errorOf, fixture, inside, remoteRuntime, sleep, threads, until, within,
} from './fixtures/inside.js';
import type { StuckData } from './fixtures/stuck.js';
import type { CloseOptions } from './runtime-events.js';
import { controllerOf, createRuntime, type Runtime, type RuntimeOptions } from './runtime.js';

const folder = mkdtempSync(join(tmpdir(), 'percore-closing-'));
const fifo = join(folder, 'fifo');
execFileSync('mkfifo', [fifo]);
afterAll(() => rmSync(folder, { recursive: true }));

/**
 * What nothing may take longer than: drainMs, the two seconds that close() promises, and what a loaded machine needs.
 */
const BOUND_MS = 100 + 2000 + 6000;

const stuck = (data: StuckData, options: Partial<RuntimeOptions> = {}): Promise<Runtime> =>
  createRuntime({ entry: fixture('stuck'), reactors: 2, pin: false, data: { ...data, fifo }, ...options });
/**
 * Writes what a blocked read waits for, so that its thread ends. Opened for both ways: where nobody reads any more, to
 * open it for writing alone would block this thread for ever.
 */
function unblock(): void {
  const fd = openSync(fifo, 'r+');
  writeSync(fd, 'xx');
  closeSync(fd);
}

describe('close', () => {
  // Each waits for two seconds, so they do it side by side.
  it('ends a reactor that is stuck in a step or in a stop hook, and names it', async () => {
    const ways = [
      ['loop', 'step'], ['wait', 'step'], ['microtasks', 'step'], ['loop', 'hook'], ['wait', 'hook'],
    ] as const;
    await Promise.all(
      ways.map(async ([how, where]) => {
        const runtime = await stuck({ how, reactor: 1, where });
        if (where === 'step') expect(runtime.send('stick', 0, { reactor: 1 })).toBe(0);
        await sleep(100);
        const closed = await within(BOUND_MS, runtime.close({ drainMs: 100 }), 'close');
        expect(closed, `${how} in a ${where}`).toEqual({
          drained: false, undelivered: expect.any(Number), leftBehind: [1], stillRunning: [],
        });
        expect(runtime.status().reactors.map(({ state }) => state)).toEqual(['left', 'dead']);
      }),
    );
  });

  it('does not wait longer than drainMs for a stop hook that never settles; the reactor leaves as told', async () => {
    const runtime = await stuck({ how: 'await', reactor: 0, where: 'hook' });
    expect(await within(BOUND_MS, runtime.close({ drainMs: 100 }), 'close')).toEqual({
      drained: false, undelivered: 0, leftBehind: [], stillRunning: [],
    });
  });

  it('resolves though a reactor is in a read that blocks, and says that its thread still runs', async () => {
    const before = threads();
    const runtime = await stuck({ how: 'read', reactor: 1, where: 'step' });
    runtime.send('stick', 0, { reactor: 1 });
    await sleep(50);
    const closed = await within(BOUND_MS, runtime.close({ drainMs: 100 }), 'close');
    expect(closed).toMatchObject({ drained: false, leftBehind: [1], stillRunning: [1] });
    unblock();
    await until(() => threads() === before, 'its thread ends with the call', 5000);
  });

  it('ends a drain that waits for a thread which nobody can end', async () => {
    const before = threads();
    const runtime = await stuck({ how: 'read', reactor: 1, where: 'step' });
    runtime.send('stick', 0, { reactor: 1 });
    await sleep(50);
    const drained = errorOf(() => runtime.drain(1));
    await within(BOUND_MS, runtime.close({ drainMs: 0 }), 'close');
    expect(await within(1000, drained, 'a rejection')).toMatchObject({
      code: 'ERR_PERCORE_CLOSED', message: 'drain(1): the runtime is closed',
    });
    unblock();
    await until(() => threads() === before, 'its thread ends with the call', 5000);
  });

  it('resolves though what others end with the runtime throws or does not settle, and reports it', async () => {
    const runtime = await remoteRuntime(1);
    const errors: string[] = [];
    runtime.on('stepError', ({ error, where }) => void errors.push(`${where}: ${error.message}`));
    const { closers } = controllerOf(runtime);
    let ended = 0;
    closers.push(() => Promise.reject(new Error('of a closer')), () => new Promise(() => undefined), async () => {
      ended++;
    });
    expect(await within(BOUND_MS, runtime.close(), 'close')).toMatchObject({ drained: true, stillRunning: [] });
    expect([ended, errors]).toEqual([1, ['closing the runtime: of a closer']]);
  });

  it('resolves though a reactor waits for a child process', async () => {
    const runtime = await stuck({ how: 'child', reactor: 0, where: 'step' });
    runtime.send('stick', 0, { reactor: 0 });
    await sleep(50);
    expect(await within(BOUND_MS, runtime.close({ drainMs: 0 }), 'close')).toMatchObject({ leftBehind: [0] });
  });

  it('goes on when a reactor dies while it closes', async () => {
    const runtime = await stuck({ how: 'exit in a hook', reactor: 1, where: 'hook' });
    const deaths: unknown[] = [];
    runtime.on('reactorDied', ({ reactorId, exitCode, willRestart }) => {
      deaths.push({ reactorId, exitCode, willRestart });
    });
    expect(await within(BOUND_MS, runtime.close({ drainMs: 1000 }), 'close')).toEqual({
      drained: false, undelivered: 0, leftBehind: [], stillRunning: [],
    });
    expect(runtime.status().reactors.map(({ state }) => state)).toEqual(['left', 'dead']);
    expect(deaths).toEqual([{ reactorId: 1, exitCode: 3, willRestart: false }]);
  });

  it('tells of an error that ends a reactor while it closes', async () => {
    const runtime = await stuck({ how: 'throw in a hook', reactor: 1, where: 'hook' });
    const errors: unknown[] = [];
    runtime.on('reactorDied', ({ error }) => void errors.push(error?.message));
    expect(await within(BOUND_MS, runtime.close({ drainMs: 1000 }), 'close')).toMatchObject({ drained: false });
    expect(errors).toEqual(['thrown by a hook']);
  });

  it('does not call a reactor dead that it has ended itself', async () => {
    const runtime = await stuck({ how: 'loop', reactor: 1, where: 'hook' });
    const deaths: number[] = [];
    runtime.on('reactorDied', ({ reactorId }) => void deaths.push(reactorId));
    expect(await within(BOUND_MS, runtime.close({ drainMs: 100 }), 'close')).toMatchObject({ leftBehind: [1] });
    expect(deaths).toEqual([]);
  });

  it('can be called from the handler of a death, and resolves though another handler throws', async () => {
    const runtime = await remoteRuntime(2);
    const thrown: Error[] = [];
    const listeners = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException').on('uncaughtException', (error) => void thrown.push(error));
    try {
      const closed = new Promise((resolve) => {
        runtime.on('reactorDied', () => {
          resolve(runtime.close({ drainMs: 100 }));
          throw new Error('of a handler');
        });
      });
      void inside(runtime, 0, () => process.exit(1)).catch(() => undefined);
      expect(await within(BOUND_MS, closed, 'close')).toMatchObject({ leftBehind: [], stillRunning: [] });
      expect(thrown.map(({ message }) => message)).toEqual(['of a handler']);
    } finally {
      process.removeAllListeners('uncaughtException');
      for (const listener of listeners) process.on('uncaughtException', listener);
    }
  });

  it('refuses options that it does not know, and says what was meant', async () => {
    const runtime = await remoteRuntime(1);
    const cases: [unknown, string][] = [
      [{ drain: 5 }, 'options has no option "drain"; did you mean "drainMs"? It takes drainMs'],
      [5, 'options must be an object with drainMs, or left out, not 5'],
      [{ drainMs: -1 }, 'drainMs must be a whole number from 0 to 2147483647, not -1'],
      [{ drainMs: '100' }, 'drainMs must be a whole number from 0 to 2147483647, not "100"'],
    ];
    for (const [options, message] of cases)
      expect((await errorOf(() => runtime.close(options as CloseOptions))).message).toBe(message);
    expect((await runtime.close()).drained, 'a refused call closes nothing').toBe(true);
  });
});

describe('createRuntime with startTimeoutMs', () => {
  const stuckEntry = (how: StuckData['how'], reactor: number, startTimeoutMs = 2000) =>
    errorOf(() =>
      within(
        startTimeoutMs + BOUND_MS,
        stuck({ how, reactor, where: 'entry' }, { reactors: reactor + 1, startTimeoutMs }), 'a rejection',
      ),
    );

  it('rejects when an entry is stuck, names the reactor, and leaves nothing behind', async () => {
    await (await remoteRuntime(1)).close();
    await sleep(50);
    const before = { descriptors: descriptors().length, threads: threads() };
    // Of two reactors the one that is stuck, after a time in which the other starts on any machine; alone where it
    // takes a CPU for itself.
    await Promise.all(([['await', 1, 10_000], ['loop', 0, 2000], ['wait', 0, 2000]] as const).map(
      async ([how, reactor, startTimeoutMs]) => {
        const error = await stuckEntry(how, reactor, startTimeoutMs);
        expect([error.code, error.reactorId, error.argument])
          .toEqual(['ERR_PERCORE_TIMEOUT', reactor, 'startTimeoutMs']);
        expect(error.message).toMatch(
          new RegExp(`^reactor ${reactor} did not start within ${startTimeoutMs} ms: the entry file:.*`
            + 'stuck\\.js neither returned nor threw'),
        );
      },
    ));
    // Fewer: what another test has left behind on purpose may have ended meanwhile.
    await until(
      () => descriptors().length <= before.descriptors && threads() <= before.threads, 'no more than before', 5000,
    );
  });

  it('rejects though the entry is in a read that blocks, and says so', async () => {
    expect((await stuckEntry('read', 0)).message).toMatch(
      /^reactor 0 did not start within 2000 ms.*The thread of reactor 0 still runs: it is in a system call that .*$/,
    );
    unblock();
  });

  it('names the option main when that does not settle', async () => {
    const error = await errorOf(() =>
      within(
        500 + BOUND_MS,
        stuck(
          { how: 'await', reactor: 9, where: 'step' },
          { startTimeoutMs: 500, main: () => new Promise(() => undefined) },
        ),
        'a rejection',
      ),
    );
    expect(error.message).toMatch(/^the option main did not return or settle within 500 ms/);
  });

  it('takes 1 to 2^31 - 1', async () => {
    for (const startTimeoutMs of [0, -1, NaN, Infinity, 2 ** 31, '500' as never]) {
      expect(
        (await errorOf(() => stuck({ how: 'await', reactor: 9, where: 'step' }, { startTimeoutMs }))).message,
      ).toMatch(/^startTimeoutMs must be a whole number from 1 to 2147483647/);
    }
  });
});

describe('a program that ends with a runtime open', () => {
  const program = (text: string) => spawnSync(process.execPath, ['--input-type=module', '-e', `
    import { createRuntime } from ${JSON.stringify(new URL('./runtime.js', import.meta.url).href)};
    const runtime = await createRuntime({ entry: ${JSON.stringify(fixture('remote').href)}, reactors: 2, pin: false });
    ${text}`], { encoding: 'utf8', timeout: 20_000 });

  it('ends by process.exit, in the main thread at any moment', () => {
    expect(program('process.exit(5)')).toMatchObject({ status: 5, signal: null, stderr: '' });
    expect(program('void runtime.close(); process.exit(6)')).toMatchObject({ status: 6, signal: null, stderr: '' });
    expect(
      program(
        "void runtime.call('run', { source: '() => { for (;;); }' }, { reactor: 0 }); setTimeout(() => "
          + "process.exit(7), 50);",
      ),
    ).toMatchObject({ status: 7, signal: null, stderr: '' });
  });

  it('ends by itself after unref(), and not after ref()', () => {
    expect(program("runtime.unref(); console.log('unreferenced');")).toMatchObject({
      status: 0, signal: null, stdout: 'unreferenced\n', stderr: '',
    });
    expect(
      program("runtime.unref().ref(); setTimeout(() => { console.log('still here'); runtime.close(); }, 300).unref();"),
    ).toMatchObject({ status: 0, stdout: 'still here\n', stderr: '' });
    expect(
      program('runtime.unref(); console.log((await runtime.close()).drained);'), 'who closes waits for it',
    ).toMatchObject({ status: 0, stdout: 'true\n', stderr: '' });
  });

  it('after unref() waits for the answers of its calls, whenever they were made, and for nothing else', () => {
    const later =
      "runtime.call('run', { source: '() => new Promise((resolve) => setTimeout(resolve, 50, 7))' }, { reactor: 0 })";
    expect(program(`runtime.unref(); console.log(await ${later}, await ${later});`)).toMatchObject({
      status: 0, stdout: '7 7\n', stderr: '',
    });
    expect(program(`void ${later}.then(console.log); runtime.unref();`)).toMatchObject({
      status: 0, stdout: '7\n', stderr: '',
    });
    expect(
      program(`runtime.unref(); await ${later}; await new Promise(() => {});`), 'the wait that is left keeps nothing',
    ).toMatchObject({ status: 13, stdout: '' });
    expect(
      program(
        `runtime.unref(); await runtime.call('run', { source: '() => new Promise(() => {})' }, { reactor: 0, `
          + `timeoutMs: 30 }).catch((error) => console.log(error.code));`,
      ),
    ).toMatchObject({ status: 0, stdout: 'ERR_PERCORE_TIMEOUT\n' });
  });
});

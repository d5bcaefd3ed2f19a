/**
 * What was opened is closed: by a start that fails at any line, with a host thread that is terminated; what was never
 * used costs nothing.
 */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readlinkSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { beforeAll, describe, expect, it } from 'vitest';
import type { ReadinessHandle } from '../io/readiness.js';
import { native } from '../native.js';
import {
  descriptors, leftBehind, errorOf, fixture, inside, remoteEntry, remoteRuntime, sleep, threads, until, withRuntime,
} from './fixtures/inside.js';
import type { ForeignMessage } from './runtime-events.js';
import { createRuntime, type RuntimeOptions } from './runtime.js';

const eventFds = (): number => descriptors().filter((name) => name.includes('eventfd')).length;
const insideModule = JSON.stringify(new URL('./fixtures/inside.js', import.meta.url).href);
const library = JSON.stringify(new URL('./runtime.js', import.meta.url).href);

describe('a start that fails', () => {
  beforeAll(async () => {
    await (await remoteRuntime(1)).close();
    await sleep(50);
  });

  const fails = async (options: Partial<RuntimeOptions>) => {
    const before: [string[], number] = [descriptors(), threads()];
    const error = await errorOf(() => createRuntime({ entry: remoteEntry, ...options }));
    await until(() => leftBehind(before).length === 0, 'as before', 10_000).catch(() =>
      expect(leftBehind(before), 'nothing is left behind').toEqual([]),
    );
    return error;
  };

  it('for lack of memory leaves nothing, and says what would need less', async () => {
    const error = await fails({ reactors: 255, laneBytes: 2 ** 26, pin: false });
    expect([error.code, error['errno']]).toEqual(['ERR_PERCORE_SYSTEM', 'ENOMEM']);
    expect(error.message).toMatch(
      /^there is no memory for the lanes of 255 reactors: .* Use fewer reactors or smaller laneBytes \(now 67108864\)$/,
    );
  });

  it('for data that cannot be cloned leaves nothing, and names the path', async () => {
    const error = await fails({ reactors: 2, data: { list: [1, { handlers: new Map([['a', () => 1]]) }] } });
    expect([error.code, error['argument']]).toEqual([
      'ERR_PERCORE_UNSERIALIZABLE', 'data.list[1].handlers[0][1] (a function)',
    ]);
    expect((await fails({ reactors: 2, data: () => 1 })).message).toMatch(
      /^data \(a function\) cannot be handed to the reactors: .*could not be cloned.* Functions belong into the entry/,
    );
  });

  it('for an entry that throws in one reactor of three leaves nothing', async () => {
    expect((await fails({ entry: fixture('failing'), reactors: 3, data: { how: 'throw', reactor: 1 } })).code).toBe(
      'ERR_PERCORE_ENTRY',
    );
  });

  it(
    'where descriptors run out at any point leaves nothing: each limit from the first to enough',
    { timeout: 60_000 },
    () => {
      const { status, stdout, stderr } = spawnSync(
        'sh',
        [
          '-c',
          'ulimit -n 160; exec "$0" "$@"',
          process.execPath,
          '--input-type=module',
          '-e',
          `
      import { closeSync, openSync } from 'node:fs';
      import { descriptors } from ${JSON.stringify(new URL('./fixtures/inside.js', import.meta.url).href)};
      import { createRuntime } from ${JSON.stringify(new URL('../../percore/index.js', import.meta.url).href)};
      const open = () => descriptors().length;
      const entry = ${JSON.stringify(fixture('failing').href)};
      const start = () => createRuntime({ entry, reactors: 2, pin: false, data: { how: 'not at all' } });
      await (await start()).close();
      await new Promise((done) => setTimeout(done, 100));
      const before = open();
      const seen = new Set();
      let leaked = [];
      // So many numbers are left for the runtime, which needs about two dozen.
      for (let free = 0; free < 60; free += free < 6 ? 1 : 4) {
        const held = [];
        try { for (;;) held.push(openSync('/dev/null')); }
        catch { for (let i = 0; i < free; i++) closeSync(held.pop()); }
        let result;
        try { const runtime = await start(); await runtime.close(); result = 'started'; }
        catch (error) { result = error.code; }
        seen.add(result);
        for (const fd of held) closeSync(fd);
        // A thread that could not even begin is noticed a little later.
        for (let i = 0; i < 200 && open() > before; i++) await new Promise((done) => setTimeout(done, 10));
        if (open() > before) { leaked.push([free, open() - before]); break; }
      }
      console.log(JSON.stringify({ seen: [...seen].sort(), leaked }));`], { encoding: 'utf8', timeout: 55_000 });
    expect({ status, stderr: stderr.slice(-1500) }).toEqual({ status: 0, stderr: '' });
    const { seen, leaked } = JSON.parse(stdout) as { seen: string[]; leaked: unknown[] };
    expect(leaked).toEqual([]);
    expect(seen).toContain('ERR_PERCORE_SYSTEM');
    expect(seen).toContain('started');
  });
});

describe('a thread that is started later, where descriptors have run out', () => {
  it('leaves nothing behind: restarts, a spare thread and added reactors', { timeout: 60_000 }, () => {
    const { status, stdout, stderr } = spawnSync('sh', [
      '-c', 'ulimit -n 160; exec "$0" "$@"', process.execPath, '--input-type=module', '-e', `
      import { closeSync, openSync } from 'node:fs';
      import { descriptors, until } from ${insideModule};
      import { createRuntime } from ${JSON.stringify(new URL('../../percore/index.js', import.meta.url).href)};
      const entry = ${JSON.stringify(fixture('dying').href)};
      const epolls = () => descriptors().filter((name) => name.includes('eventpoll')).length;
      const before = epolls();
      const seen = new Set();
      let refused = 0;
      process.on('warning', ({ message }) => void (/spare thread/.test(message) && refused++));
      /** Takes all descriptors but so many; returns what gives them back. */
      const fill = (free) => {
        const held = [];
        try { for (;;) held.push(openSync('/dev/null')); }
        catch { for (let i = 0; i < free; i++) closeSync(held.pop()); }
        return () => { for (const fd of held) closeSync(fd); };
      };
      // libuv leaves its epoll open with one, two and three.
      for (const [spare, frees] of [[false, [1, 2, 3, 5, 30]], [true, [1]]]) {
        const restart = { most: 1000, withinMs: 1, backoffMs: 1, spare };
        const runtime = await createRuntime({ entry, reactors: 1, maxReactors: 2, pin: false, restart });
        let deaths = 0;
        let restarts = 0;
        runtime.on('reactorDied', () => deaths++).on('reactorRestarted', () => restarts++);
        await runtime.scale(2);
        await runtime.scale(1);
        for (const free of frees) {
          let release = fill(free);
          await runtime.scale(2).then(() => seen.add('added'), ({ code, errno }) => seen.add(code + ' ' + errno));
          release();
          await runtime.scale(1);
          const [died, back] = [deaths, restarts];
          release = fill(free);
          // The descriptors of its thread come back, and may be enough for the next.
          runtime.send('die', 0, { reactor: 0 });
          // With a newer Node what comes back is enough for the spare thread.
          if (spare) await until(() => refused > 0, 'a refusal', 2000).catch(() => undefined);
          else await until(() => restarts > back || deaths > died + 1, 'an outcome');
          release();
          await until(() => restarts > back, 'the restart');
        }
        await runtime.close();
      }
      await until(() => epolls() <= before, '').catch(() => undefined);
      console.log(JSON.stringify({ seen: [...seen].sort(), leaked: epolls() - before }));`], {
      encoding: 'utf8', timeout: 55_000,
    });
    expect({ status, stderr: stderr.slice(-1500) }).toMatchObject({ status: 0 });
    expect(JSON.parse(stdout)).toEqual({ leaked: 0, seen: ['ERR_PERCORE_SYSTEM EMFILE', 'added'] });
  });
});

describe('a host thread that is terminated', () => {
  const terminate = async (text: string) => {
    const worker = new Worker(`import(${library}).then(async ({ createRuntime }) => {
      const { parentPort } = await import('node:worker_threads');
      const { createReadiness } = await import(${JSON.stringify(new URL('../io/readiness.js', import.meta.url).href)});
      ${text}
      setInterval(() => {}, 1000);
    });`, { eval: true });
    const [message] = await once(worker, 'message') as [unknown];
    await worker.terminate();
    return message;
  };

  it('leaves no eventfd of its runtime, nor of a readiness that it made, and no thread', async () => {
    const before = [eventFds(), threads()];
    for (let round = 0; round < 3; round++) {
      await terminate(
        `const runtime = await createRuntime({ entry: ${JSON.stringify(remoteEntry.href)}, reactors: 2, pin: false `
          + `}); createReadiness(); parentPort.postMessage('open');`,
      );
    }
    await until(() => JSON.stringify([eventFds(), threads()]) === JSON.stringify(before), 'as before', 3000).catch(() =>
      expect([eventFds(), threads()]).toEqual(before),
    );
  });

  it('cannot be woken any more: a late write goes nowhere, not into a file that has the number now', async () => {
    const handle = await terminate('parentPort.postMessage(createReadiness());') as ReadinessHandle;
    const { openReadiness } = await import('../io/readiness.js');
    const { closeSync, mkdtempSync, openSync, rmSync } = await import('node:fs');
    const folder = mkdtempSync('/tmp/percore-late-');
    const files: number[] = [];
    try {
      while (!files.includes(handle.eventFd) && files.length < 100)
        files.push(openSync(`${folder}/${files.length}`, 'w'));
      expect(files, 'the number is in use again').toContain(handle.eventFd);
      openReadiness(handle).set(1);
      native().wakers.wake(handle.eventFd);
      expect(readFileSync(readlinkSync(`/proc/self/fd/${handle.eventFd}`)).length).toBe(0);
      native().wakers.close(handle.eventFd);
      expect(readlinkSync(`/proc/self/fd/${handle.eventFd}`), 'nor is it closed').toContain(folder);
    } finally {
      for (const fd of files) closeSync(fd);
      rmSync(folder, { recursive: true });
    }
  });
});

describe('native calls of the runtime check what they are given', () => {
  it('a turn watches eventfds of the runtime alone: NaN is not descriptor 0', () => {
    const createTurn = native().turns.create;
    const good = {
      inbox: new Uint8Array(new SharedArrayBuffer(65_536)), delivery: new Int32Array(65_536),
      timerRequests: new Float64Array(65_536), deliver: () => undefined, originNs: 0,
    };
    for (const eventFd of [NaN, 0, 1, -1, 2 ** 31, 1.5, '0', undefined])
      expect(() => createTurn({ ...good, eventFd: eventFd as number }), String(eventFd)).toThrow(
        /EBADF.*eventFd|EINVAL/,
      );
    const eventFd = native().wakers.create();
    try {
      expect(() => createTurn({ ...good, eventFd, deliver: 5 as never })).toThrow(/EINVAL.*deliver/);
      expect(() => createTurn({ ...good, eventFd, originNs: NaN })).toThrow(/EINVAL.*originNs/);
      expect(() => createTurn({ ...good, eventFd, inbox: new Uint8Array(8) })).toThrow(/EINVAL.*inbox/);
      expect(() => createTurn(undefined as never)).toThrow(/EINVAL/);
    } finally {
      native().wakers.close(eventFd);
    }
  });

  it('affinity and slack take numbers: NaN is not CPU 0', () => {
    for (const cpus of [[NaN], [-1], [1.5], [8192], ['0'], [], 5, undefined])
      expect(() => native().threads.setAffinity(cpus as number[]), String(cpus)).toThrow(/EINVAL/);
    for (const ns of [NaN, -1, '1', undefined])
      expect(() => native().threads.setTimerSlack(ns as number), String(ns)).toThrow(/EINVAL/);
    for (const [bytes, from] of [
      [undefined, 0], [new Uint8Array(8), -1], [new Uint8Array(8), NaN], [new Uint8Array(8), 9],
    ])
      expect(native().system.freshPages(bytes as Uint8Array, from as number)).toBe(-22);
  });
});

describe('messages that are not the runtime\'s', () => {
  it('reach whoever listens, are counted, and end nothing', async () => {
    await withRuntime(2, {}, async (runtime) => {
      const messages: ForeignMessage[] = [];
      const errors: unknown[] = [];
      runtime.on('stepError', (error) => void errors.push(error));
      const post = () =>
        inside(runtime, 1, (_reactor, _argument, { require }) => {
          const { parentPort } = require('node:worker_threads') as typeof import('node:worker_threads');
          for (const message of [
            'hello', null, undefined, 7, { kind: 'stepError' }, { kind: 'ready' }, { kind: 'startFailed', error: {} },
            [1],
          ])
            parentPort!.postMessage(message);
        });
      await post();
      await until(() => runtime.status().reactors[1]!.messages === 8, 'all are counted, though nobody listens');
      runtime.on('message', (message) => void messages.push(message));
      await post();
      await until(() => messages.length === 8, 'all arrive');
      expect(messages.map(({ reactorId }) => reactorId)).toEqual(Array.from({ length: 8 }, () => 1));
      expect(messages.map(({ message }) => message)).toEqual([
        'hello', null, undefined, 7, { kind: 'stepError' }, { kind: 'ready' }, { kind: 'startFailed', error: {} }, [1],
      ]);
      expect([errors, runtime.status().reactors.map(({ state }) => state)]).toEqual([[], ['ready', 'ready']]);
    });
  });

  it('that a library posts to the worker reach the listeners in the reactor', async () => {
    const workers: Worker[] = [];
    const note = (worker: Worker) => void workers.push(worker);
    process.on('worker', note);
    try {
      await withRuntime(1, {}, async (runtime) => {
        const seen = inside(runtime, 0, (_reactor, _argument, { require }) => new Promise((resolve) => {
          const { parentPort } = require('node:worker_threads') as typeof import('node:worker_threads');
          parentPort!.once('message', resolve);
        }));
        await sleep(20);
        workers[0]!.postMessage({ kind: 'stop' });
        expect(await seen).toEqual({ kind: 'stop' });
        expect(await inside(runtime, 0, () => 'goes on')).toBe('goes on');
      });
    } finally {
      process.off('worker', note);
    }
  });
});

describe('memory of lanes', () => {
  it(
    'that are never used is never resident, also after many runtimes; address space comes back',
    { timeout: 300_000 },
    () => {
      const { status, stdout, stderr } = spawnSync(
        process.execPath,
        [
          '--expose-gc',
          '--input-type=module',
          '-e',
          `
      import { readFileSync } from 'node:fs';
      import { createRuntime } from ${library};
      const status = () => readFileSync('/proc/self/status', 'utf8');
      const MiB = (name) => Number(new RegExp(name + ':\\\\s+(\\\\d+)').exec(status())[1]) / 1024;
      // A heap with much in it that was given back: lanes must not come out of it.
      let garbage = Array.from({ length: 200 }, () => new Uint8Array(2 ** 20).fill(1));
      garbage = undefined;
      gc();
      const figures = [];
      for (let i = 0; i < ${process.env['PERCORE_STRESS'] === '1' ? 300 : 10}; i++) {
        const entry = ${JSON.stringify(remoteEntry.href)};
        const runtime = await createRuntime({ entry, reactors: 1, pin: false, laneBytes: 2 ** 19 });
        figures.push([MiB('VmRSS'), MiB('VmSize')]);
        await runtime.close();
        gc();
      }
      const most = (at) => Math.max(...figures.slice(2).map((figure) => figure[at])) - figures[1][at];
      console.log(JSON.stringify({ resident: most(0), address: most(1), figures: figures.slice(-3) }));`,
        ],
        { encoding: 'utf8', timeout: 290_000 },
      );
      expect({ status, stderr: stderr.slice(-1500) }).toEqual({ status: 0, stderr: '' });
      const { resident, address } = JSON.parse(stdout) as { resident: number; address: number };
      expect(resident, `MiB more than the second: ${stdout}`).toBeLessThan(20);
      // A runtime has two inboxes of 32 MiB of address space, a worker some more.
      expect(address, `MiB more than the second: ${stdout}`).toBeLessThan(600);
    },
  );
});

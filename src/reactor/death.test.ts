import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { checkRuntimeOptions } from './runtime-options.js';
import { controllerOf, createRuntimeWith } from './runtime.js';
import { errorOf, fixture, inside, remoteEntry, sleep, until, within, withRuntime } from './fixtures/inside.js';
import type { ReportPort, WorkerReport } from './reactor-thread.js';
import { workers, type ThreadMaker } from './threads.js';

interface Seen {
  events: { reactorId: number; exitCode: number; error?: { name: string; message: string; code?: string } }[];
  portFreeMs: number;
  sendInEvent: string;
  closed: { drained: boolean; undelivered: number };
  leaked?: object;
  [key: string]: unknown;
}

/** Runs fixtures/death.ts; its exit code 0 says that nothing crashed. */
function die(how: string): Seen {
  const result = spawnSync(process.execPath, [fileURLToPath(fixture('death')), how], {
    encoding: 'utf8', timeout: 50_000,
  });
  expect(
    {
      status: result.status, signal: result.signal,
      stderr: result.stderr.replace(/^.*(ExperimentalWarning|--trace-warnings).*\n/gm, ''),
    },
    how,
  ).toMatchObject({ status: 0, signal: null });
  return JSON.parse(result.stdout) as Seen;
}

const cases: [how: string, exitCode: number, error: object | undefined][] = [
  ['throw in a libuv callback', 1, { name: 'RangeError', message: 'thrown by a callback' }],
  ['process.exit in a step', 5, undefined],
  ['process.exit in a promise', 6, undefined],
  ['unhandled rejection', 1, { name: 'TypeError', message: 'nobody catches it' }],
  ['heap limit', 1, { name: 'Error', code: 'ERR_WORKER_OUT_OF_MEMORY' }],
  ['terminate', 1, undefined],
  ['terminate in an endless step', 1, undefined],
];

describe('a reactor that dies', () => {
  for (const [how, exitCode, error] of cases) {
    it(`by ${how}: is told once, its calls are rejected, its port is free, its peers go on, close works`, () => {
      const { portFreeMs, sendInEvent: _, closed, ...seen } = die(how);
      expect(seen).toEqual({
        how,
        events: [{ reactorId: 1, exitCode, ...(error === undefined ? {} : { error: expect.objectContaining(error) }) }],
        fromMain: 'ERR_PERCORE_REACTOR_DIED 1',
        fromPeer: ['ERR_PERCORE_REACTOR_DIED 1'],
        peersGoOn: 'hello',
        sendFromMain: 'CLOSED',
        sendFromPeer: 'CLOSED',
        laterCall: 'ERR_PERCORE_REACTOR_DIED',
        anyCall: [1, 1, 1, 1],
        states: ['ready', 'dead', 'ready'],
      });
      // What was sent to it and not run is counted; drained says whether there was any.
      const { drained, undelivered } = closed;
      expect(undelivered).toBeGreaterThanOrEqual(0);
      expect(drained).toBe(undelivered === 0);
      expect(portFreeMs).toBeGreaterThanOrEqual(0);
      // Told by the kernel and not by a collection or a time-out: but on a busy machine looking itself takes a while.
      expect(portFreeMs, 'milliseconds from the exit event').toBeLessThan(500);
    });
  }

  it('is CLOSED for a send from the very handler of the event', () => {
    expect(die('terminate').sendInEvent).toBe('CLOSED');
  });

  it('of all reactors: every call says so, close works', async () => {
    await withRuntime(2, {}, async (runtime) => {
      runtime.on('reactorDied', () => undefined);
      for (const { worker } of controllerOf(runtime).members) void worker.terminate();
      await until(() => runtime.status().reactors.every(({ state }) => state === 'dead'), 'both dead');
      await sleep(10);
      const call = within(10_000, runtime.call('run', { source: '() => 1' }), 'a rejection');
      expect((await errorOf(() => call)).code).toBe('ERR_PERCORE_REACTOR_DIED');
      expect(await within(10_000, runtime.close(), 'close')).toEqual({
        drained: expect.any(Boolean), undelivered: expect.any(Number), leftBehind: [], stillRunning: [],
      });
    });
  });

  it('without a listener for the event is a warning of the process', async () => {
    await withRuntime(1, {}, async (runtime) => {
      const warnings: (Error & { code?: string })[] = [];
      const listen = (warning: Error) => void warnings.push(warning);
      process.on('warning', listen);
      runtime.send('nobody', 0, { reactor: 0 });
      void inside(runtime, 0, () => process.exit(3)).catch(() => undefined);
      await until(() => warnings.length > 0, 'the warning');
      process.off('warning', listen);
      expect(warnings.map(({ message, code }) => [message, code])).toEqual([
        ['reactor 0 died with exit code 3', 'ERR_PERCORE_REACTOR_DIED'],
      ]);
    });
  });
});

it('is declared although a listener throws at the last report of the thread, which comes with its end', async () => {
  const late: { message: unknown }[] = [];
  // Step errors are not delivered before the exit event.
  const threads: ThreadMaker = {
    ...workers,
    channel() {
      const { port1, port2 } = workers.channel();
      const on = (name: string, then: (message: WorkerReport) => void): unknown =>
        port1.on(name, (message: WorkerReport) => {
          if (message.kind === 'stepError') late.push({ message });
          else then(message);
        });
      const mine = {
        on, close: () => port1.close(), unref: () => port1.unref(),
        postMessage: (message: unknown) => port1.postMessage(message),
      };
      return { port1: mine as unknown as ReportPort, port2 };
    },
    receive: () => late.shift(),
  };
  const listeners = process.listeners('uncaughtException');
  const thrown: string[] = [];
  process.removeAllListeners('uncaughtException').on('uncaughtException', ({ message }) => void thrown.push(message));
  const runtime = await createRuntimeWith(
    checkRuntimeOptions({ entry: remoteEntry, reactors: 1, pin: false }), undefined, threads,
  );
  try {
    const deaths: number[] = [];
    runtime.on('stepError', () => {
      throw new Error('of a listener');
    });
    runtime.on('reactorDied', ({ exitCode }) => void deaths.push(exitCode));
    const lost = errorOf(() => inside(runtime, 0, (reactor) => {
      reactor.spawn({ name: 'throws' }, () => {
        throw new Error('of a step');
      });
      reactor.send('throws', 0, { reactor: 0 });
      setTimeout(() => process.exit(7), 50);
      return new Promise(() => undefined);
    }));
    expect(await within(10_000, lost, 'a rejection')).toMatchObject({ code: 'ERR_PERCORE_REACTOR_DIED' });
    await until(() => deaths.length === 1 && thrown.length === 1, 'the death, and what was thrown');
    expect([deaths, thrown]).toEqual([[7], ['of a listener']]);
  } finally {
    await runtime.close({ drainMs: 0 });
    process.removeAllListeners('uncaughtException');
    for (const listener of listeners) process.on('uncaughtException', listener);
  }
});

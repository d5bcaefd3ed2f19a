/**
 * A reactor that is woken all the time sleeps in its own epoll, which then holds that of libuv (native/nesting.h): it
 * does not pass libuv for each of its wakes, and all of Node goes on in it.
 */
import { describe, expect, it } from 'vitest';
import type { Runtime } from './runtime.js';
import { inside, sleep, until, withRuntime } from './fixtures/inside.js';

const figures = (runtime: Runtime) => {
  const { libuvTurns, parks } = runtime.status().reactors[1]!;
  return { libuvTurns, parks };
};

/** Reactor 0 calls reactor 1 again and again, and both sleep in between; returns how to end that. */
async function wakeAllTheTime(runtime: Runtime): Promise<() => Promise<number>> {
  await inside(runtime, 1, (reactor) => void reactor.handle('echo', (n: number) => n));
  await inside(runtime, 0, (reactor, _argument, { state }) => {
    state['rounds'] = 0;
    state['goesOn'] = 1;
    const go = async (): Promise<void> => {
      while (state['goesOn'] !== 0 && (await reactor.call('echo', 1, { reactor: 1 })) === 1) state['rounds']++;
    };
    void go();
  });
  return () => inside(runtime, 0, (_reactor, _argument, { state }) => {
    state['goesOn'] = 0;
    return state['rounds'] as number;
  });
}

/** Whether most of its sleeps in 20 ms were not passes of libuv. */
async function isWithin(runtime: Runtime): Promise<boolean> {
  const before = figures(runtime);
  await sleep(20);
  const { libuvTurns, parks } = figures(runtime);
  return parks - before.parks > 20 && libuvTurns - before.libuvTurns < (parks - before.parks) / 4;
}

describe('a reactor that others wake all the time', () => {
  it('passes libuv for few of its wakes, and runs timers, files, sockets, immediates of Node meanwhile', async () => {
    await withRuntime(2, { idle: { strategy: 'park' } }, async (runtime) => {
      const end = await wakeAllTheTime(runtime);
      await until(() => isWithin(runtime), 'most sleeps are no passes of libuv', 40_000);
      const late = await inside(runtime, 1, async (_reactor, _argument, { require }) => {
        const { readFile } = require('node:fs/promises') as typeof import('node:fs/promises');
        const http = require('node:http') as typeof import('node:http');
        const server = http.createServer((_request, response) => void response.end('hello'));
        await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
        const { port } = server.address() as import('node:net').AddressInfo;
        for (let i = 0; i < 20; i++) {
          await new Promise((resolve) => setImmediate(resolve));
          if (!(await readFile('/proc/self/cmdline')).includes('node')) throw new Error('not the file');
          if ((await (await fetch(`http://127.0.0.1:${port}/`)).text()) !== 'hello') throw new Error('not the answer');
        }
        server.close();
        server.closeAllConnections();
        const from = performance.now();
        for (let i = 0; i < 20; i++) await new Promise((resolve) => setTimeout(resolve, 2));
        return performance.now() - from;
      }, undefined, { timeoutMs: 20_000 });
      expect(late, '20 timers of 2 ms each').toBeLessThan(400);
      await until(() => isWithin(runtime), 'and it sleeps by itself again', 40_000);
      expect(await end()).toBeGreaterThan(100);
    });
  });

  it('gives the loop back to libuv when nothing comes: it is idle for whoever asks Node', async () => {
    await withRuntime(2, { idle: { strategy: 'park' } }, async (runtime) => {
      const end = await wakeAllTheTime(runtime);
      await until(() => isWithin(runtime), 'most sleeps are no passes of libuv', 40_000);
      await end();
      const utilization = await inside(runtime, 1, async () => {
        // The sleep within which it finds out that nothing comes.
        await new Promise((resolve) => setTimeout(resolve, 50));
        const before = performance.eventLoopUtilization();
        await new Promise((resolve) => setTimeout(resolve, 300));
        return performance.eventLoopUtilization(before).utilization;
      });
      expect(utilization).toBeLessThan(0.5);
    });
  });

  it('passes libuv at each sleep while something else in its thread looks before them', async () => {
    await withRuntime(2, { idle: { strategy: 'park' } }, async (runtime) => {
      const end = await wakeAllTheTime(runtime);
      await until(() => isWithin(runtime), 'most sleeps are no passes of libuv', 40_000);
      await inside(runtime, 1, (_reactor, _argument, { io, state }) => {
        state['local'] = io.create();
        state['local'].listen({ port: 0 }, () => undefined);
      });
      expect(await isWithin(runtime), 'I/O that is not that of the reactor').toBe(false);
      await inside(runtime, 1, (_reactor, _argument, { state }) => void state['local'].close());
      await until(() => isWithin(runtime), 'and again once it is closed', 40_000);
      await end();
    });
  });

  it('can have its thread terminated while it never stops being woken', async () => {
    for (let round = 0; round < 2; round++) {
      await withRuntime(2, { idle: { strategy: 'park' } }, async (runtime) => {
        await wakeAllTheTime(runtime);
        await sleep(300);
      });
    }
  });
});

/**
 * A reactor that spins for long hears of libuv's work from an io_uring (native/loop_bell.h) and asks by no system call:
 * nothing that happens meanwhile may be missed.
 */
import { readdirSync, readlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { native } from '../native.js';
import type { Runtime } from './runtime.js';
import { inside, sleep, until, withRuntime } from './fixtures/inside.js';

/** How many rings of io_uring this process has. */
const rings = (): number => readdirSync('/proc/self/fd').filter((fd) => {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`).includes('io_uring');
  } catch {
    return false;
  }
}).length;

/** Runs `use` with a reactor that spins, and with how many rings there are besides its own; libuv has some as well. */
async function withSpinning(use: (runtime: Runtime, others: number) => Promise<void>): Promise<void> {
  await withRuntime(1, { idle: { strategy: 'park' }, io: { source: 'epoll' } }, async (runtime) => {
    await inside(runtime, 0, (_reactor, _argument, { require }) => {
      return (require('node:fs/promises') as typeof import('node:fs/promises')).readFile('/proc/self/cmdline');
    });
    await sleep(50);
    const others = rings();
    runtime.setIdleStrategy({ strategy: 'spin' });
    await use(runtime, others);
  });
}

describe.runIf(native().sources.probe?.() === 0)('a reactor that spins', () => {
  it('opens a ring, and closes it when it parks or ends', async () => {
    const before = rings();
    await withSpinning(async (runtime, others) => {
      await until(() => rings() === others + 1, 'a ring');
      runtime.setIdleStrategy({ strategy: 'park' });
      await until(() => rings() === others, 'none while it parks');
      runtime.setIdleStrategy({ strategy: 'spin' });
      await until(() => rings() === others + 1, 'and one again');
    });
    await until(() => rings() === before, 'none when it has ended');
  });

  it('opens one also where libuv has something to do from time to time, as after each collection', async () => {
    await withSpinning(async (runtime, others) => {
      await inside(runtime, 0, (_reactor, _argument, { require, state }) => {
        const { readFile } = require('node:fs/promises') as typeof import('node:fs/promises');
        state['interval'] = setInterval(() => void readFile('/proc/self/cmdline'), 6);
      });
      await sleep(100);
      await until(() => rings() === others + 1, 'a ring');
      await inside(runtime, 0, (_reactor, _argument, { state }) => clearInterval(state['interval']));
    });
  });

  it('misses nothing: timers, files, fetch and immediates of Node end at once', async () => {
    await withSpinning(async (runtime, others) => {
      const port = await inside(runtime, 0, async (_reactor, _argument, { require, state }) => {
        const http = require('node:http') as typeof import('node:http');
        const server = (state['server'] = http.createServer((_request, response) => void response.end('hello')));
        await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
        return (server.address() as import('node:net').AddressInfo).port;
      });
      for (let i = 0; i < 5; i++) {
        await until(() => rings() > others, 'a ring');
        expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('hello');
        await inside(runtime, 0, async (_reactor, _argument, { require }) => {
          const { readFile } = require('node:fs/promises') as typeof import('node:fs/promises');
          await readFile('/proc/self/cmdline');
          await new Promise((resolve) => setImmediate(resolve));
          await new Promise((resolve) => setTimeout(resolve, 100));
        });
      }
      await inside(runtime, 0, (_reactor, _argument, { state }) => {
        state['server'].close();
        state['server'].closeAllConnections();
      });
    });
  });

  it('misses nothing of more events than its ring holds, which come while a step runs for long', async () => {
    await withSpinning(async (runtime, others) => {
      const port = await inside(runtime, 0, (reactor) => reactor.io.listen({ port: 0 }, (connection) => {
        connection.onReceive((bytes, offset, length) => void connection.offer(bytes, offset, length));
      }).port);
      const sockets = await Promise.all(Array.from({ length: 200 }, () => new Promise<import('node:net').Socket>(
        (resolve) => { const socket = connect(port, '127.0.0.1', () => resolve(socket)); },
      )));
      let answers = 0;
      for (const socket of sockets) socket.on('data', ({ length }) => { answers += length; });
      for (let round = 1; round <= 3; round++) {
        await until(() => rings() > others, 'a ring');
        const step = inside(runtime, 0, () => {
          for (const endMs = performance.now() + 100; performance.now() < endMs;);
        });
        await sleep(10);
        for (const socket of sockets) socket.write('x');
        await step;
        await until(() => answers === 200 * round, 'all answers');
      }
      for (const socket of sockets) socket.destroy();
    });
  });
});

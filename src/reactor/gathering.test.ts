/** `idle.gatherNs`: arrivals of I/O gather while the reactor sleeps; all else still wakes it (native/turn.cc). */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { Runtime, RuntimeOptions } from './runtime.js';
import { inside, until, withRuntime } from './fixtures/inside.js';

const GATHER_NS = 1_000_000;

/** Each of `connections` sends a byte, waits for the echo, and sends the next; 400 rounds in all. Microseconds. */
async function roundTrips(port: number, connections: number): Promise<{ quarter: number; median: number }> {
  const times: number[] = [];
  const sockets: Socket[] = [];
  for (let i = 0; i < connections; i++) {
    const socket = connect({ port, noDelay: true });
    await once(socket, 'connect');
    sockets.push(socket);
  }
  await Promise.all(sockets.map(async (socket) => {
    while (times.length < 400) {
      const from = performance.now();
      socket.write('x');
      await once(socket, 'data');
      times.push((performance.now() - from) * 1000);
    }
    socket.destroy();
  }));
  times.sort((a, b) => a - b);
  return { quarter: times[times.length >> 2]!, median: times[times.length >> 1]! };
}

const echo = (runtime: Runtime): Promise<number> =>
  inside(runtime, 0, (reactor) => reactor.io.listen({ port: 0 }, (connection) => {
    connection.onReceive((bytes, offset, length) => void connection.offer(bytes, offset, length));
  }).port);

const withEcho = (
  options: Partial<RuntimeOptions>, use: (runtime: Runtime, port: number) => Promise<void>,
): Promise<void> => withRuntime(1, options, async (runtime) => use(runtime, await echo(runtime)));

describe.each(['epoll', 'io_uring'] as const)('arrivals of I/O on %s', (source) => {
  it('gather for as long as is asked, from whenever that is asked', async () => {
    await withEcho({ io: { source } }, async (runtime, port) => {
      runtime.setIdleStrategy({ gatherNs: GATHER_NS });
      expect(runtime.status().reactors[0]!.idle.gatherNs).toBe(GATHER_NS);
      // No answer is sooner than a millisecond after the last one, but for the sleep that is not so in 16.
      await until(async () => (await roundTrips(port, 4)).quarter > 900, 'they gather', 40_000);
      runtime.setIdleStrategy({ gatherNs: 0 });
      await until(async () => (await roundTrips(port, 4)).median < 700, 'and no longer', 40_000);
    });
  });

  it('do not when that brings one at a time', async () => {
    await withEcho({ io: { source }, idle: { gatherNs: GATHER_NS } }, async (_runtime, port) => {
      await until(async () => (await roundTrips(port, 1)).median < 700, 'it is answered at once', 40_000);
    });
  });

  it('keep no message of another thread waiting, no timer and nothing of Node', async () => {
    await withEcho({ io: { source }, idle: { gatherNs: GATHER_NS } }, async (runtime, port) => {
      let isOver = false;
      const loading = (async () => {
        while (!isOver) await roundTrips(port, 4);
      })();
      await inside(runtime, 0, (reactor, _argument, { state }) => {
        state['late'] = [];
        reactor.timers.every({ intervalNs: 3_000_000 }, (tick) => void state['late'].push(tick.latenessNs));
      });
      await until(async () => (await inside(runtime, 0, async (_reactor, _argument, { state, require }) => {
        const { readFile } = require('node:fs/promises') as typeof import('node:fs/promises');
        if (!(await readFile('/proc/self/cmdline')).includes('node')) throw new Error('not the file');
        await new Promise((resolve) => setTimeout(resolve, 2));
        await new Promise((resolve) => setImmediate(resolve));
        const late = (state['late'] as number[]).splice(0).sort((a, b) => a - b);
        return late[late.length >> 1] ?? Infinity;
      })) < 400_000, 'timers', 40_000);
      await until(async () => {
        const times: number[] = [];
        for (let i = 0; i < 50; i++) {
          const from = performance.now();
          await inside(runtime, 0, () => 1);
          times.push((performance.now() - from) * 1000);
        }
        return times.sort((a, b) => a - b)[25]! < 500;
      }, 'calls', 40_000);
      isOver = true;
      await loading;
    });
  });
});

/** `idle.gatherNs`: arrivals of I/O gather while the reactor sleeps; all else still wakes it (native/turn.cc). */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { Runtime, RuntimeOptions } from './runtime.js';
import { inside, sleep, until, withRuntime } from './fixtures/inside.js';

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
      await inside(runtime, 0, (reactor, _argument, { state }) => {
        state['late'] = [];
        reactor.timers.every({ intervalNs: 10_000_000 }, (tick) => void state['late'].push(tick.latenessNs / 1000));
      });
      /** Microseconds of calls, and of lateness of ticks, in times in which most arrivals waited for each other. */
      const whileGathering = async (): Promise<{ calls: number; ticks: number }> => {
        const calls: number[] = [];
        const ticks: number[] = [];
        while (calls.length < 30) {
          const trips = roundTrips(port, 4);
          const these: number[] = [];
          let isOver = false;
          void trips.then(() => (isOver = true));
          while (!isOver) {
            const from = performance.now();
            await inside(runtime, 0, () => 1);
            these.push((performance.now() - from) * 1000);
            await sleep(8);
          }
          const late = await inside(runtime, 0, async (_reactor, _argument, { state, require }) => {
            const { readFile } = require('node:fs/promises') as typeof import('node:fs/promises');
            if (!(await readFile('/proc/self/cmdline')).includes('node')) throw new Error('not the file');
            return (state['late'] as number[]).splice(0);
          });
          if ((await trips).median < 700) continue;
          calls.push(...these);
          ticks.push(...late);
        }
        const third = (times: number[]): number => times.sort((a, b) => a - b)[(times.length * 3) >> 2]!;
        return { calls: third(calls), ticks: third(ticks) };
      };
      // What waits for the gathering would be late by half a millisecond.
      await until(async () => {
        const { calls, ticks } = await whileGathering();
        return calls < 400 && ticks < 400;
      }, 'calls and ticks', 60_000);
    });
  });
});

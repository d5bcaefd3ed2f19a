import { connect, createServer, type Socket } from 'node:net';
import { once } from 'node:events';
import { execFileSync } from 'node:child_process';
import { afterEach, describe, expect, it } from 'vitest';
import { inside, remoteRuntime, sleep, until } from '../reactor/fixtures/inside.js';
import type { Runtime } from '../reactor/runtime.js';
import { Client, WeatherChild } from './fixtures/weather-child.js';
import { sources } from './fixtures/sources.js';

/** Ten thousand, or what the limit of descriptors of this machine lets us hold. */
const IDLE = Math.min(10_000, Number(execFileSync('bash', ['-c', 'ulimit -n'], { encoding: 'utf8' })) - 500);

for (const source of sources) {
  describe(`on ${source}`, () => {
    let child: WeatherChild | undefined;
    let runtime: Runtime | undefined;
    const sockets = new Set<Socket>();
    afterEach(async () => {
      for (const socket of sockets) socket.destroy();
      sockets.clear();
      await child?.stop();
      await runtime?.close({ drainMs: 0 });
      child = runtime = undefined;
    });
    const options = { io: { source } };

    it(
      `${IDLE} idle connections cost no CPU, slow no other, and all are closed when their peers are`,
      { timeout: 60_000 },
      async () => {
        child = await WeatherChild.start(source);
        const server = child;
        while (sockets.size < IDLE) {
          // Fewer at a time than the backlog holds.
          const wave = Array.from({ length: Math.min(250, IDLE - sockets.size) }, () =>
            connect({ port: server.port, host: '127.0.0.1' }),
          );
          for (const socket of wave) sockets.add(socket);
          await Promise.all(wave.map((socket) => once(socket, 'connect')));
        }
        await until(async () => (await server.stats()).open === IDLE + 1, 'all are accepted');
        const beforeMs = server.cpuMs();
        await sleep(1000);
        expect(server.cpuMs() - beforeMs, 'milliseconds of CPU in one idle second').toBeLessThan(100);
        const active = new Client(server.port);
        active.send(200_000);
        await until(() => active.isWhole, 'one that works among them');
        active.destroy();
        for (const socket of sockets) socket.destroy();
        await until(async () => (await server.stats()).open === 1, 'all are closed', 20_000);
        expect(server.complaints).toBe('');
      },
    );

    it('a peer that never reads costs no more than the marks allow, slows no other, and a deadline '
      + 'ends it by name', async () => {
      runtime = await remoteRuntime(1, options);
      const port = await inside(runtime, 0, (reactor, _argument, { state, codes }) => {
        state['most'] = state['closedBy'] = 0;
        return reactor.io.listen({ port: 0, highWaterBytes: 1 << 18 }, (connection) => {
          connection.setDeadlines({ writeMs: 500 });
          connection.onClose((error) => void (state['closedBy'] = error?.code ?? state['closedBy']));
          connection.onData((bytes) => {
            if (connection.offer(bytes) === codes.BACK_PRESSURED) {
              state['most'] = Math.max(state['most'], connection.pendingBytes);
              const waits = bytes.slice();
              connection.pause();
              const again = (): void => {
                if (connection.offer(waits) === codes.BACK_PRESSURED) void connection.room().then(again);
                else connection.resume();
              };
              void connection.room().then(again);
            }
          });
        }).port;
      });
      const deaf = connect({ port, host: '127.0.0.1' });
      sockets.add(deaf);
      deaf.pause();
      let isOver = false;
      deaf.on('error', () => undefined).on('close', () => void (isOver = true));
      const block = Buffer.alloc(1 << 16);
      let written = 0;
      const write = (): void => {
        while (!isOver && written < 1 << 26) {
          written += block.length;
          if (!deaf.write(block)) return void deaf.once('drain', write);
        }
      };
      deaf.once('connect', write);
      const other = new Client(port);
      sockets.add(other.socket);
      for (let i = 0; i < 10; i++) {
        other.send(20_000);
        await sleep(20);
      }
      await until(() => other.isWhole, 'the other one');
      await until(
        () => inside(runtime!, 0, (_reactor, _argument, { state }) => state['closedBy'] === 'ERR_PERCORE_TIMEOUT'),
        'the deadline', 5000,
      );
      const most = await inside(runtime, 0, (_reactor, _argument, { state }) => state['most'] as number);
      expect(most, 'bytes pending').toBeGreaterThan(0);
      expect(most, 'bytes pending').toBeLessThanOrEqual(1 << 18);
    });

    it('a descriptor that others close is EBADF when it is written; nothing spins, and the others go on', async () => {
      runtime = await remoteRuntime(1, options);
      const port = await inside(runtime, 0, (reactor, _argument, { state }) => {
        state['connections'] = [];
        state['closes'] = [];
        return reactor.io.listen({ port: 0 }, (connection) => {
          state['connections'].push(connection);
          connection.onData((bytes) => void connection.offer(bytes));
          connection.onClose((error) => state['closes'].push(error?.errno ?? 'none'));
        }).port;
      });
      const [first, second] = [new Client(port), new Client(port)];
      for (const { socket } of [first, second]) sockets.add(socket);
      first.send(100);
      second.send(100);
      await until(() => first.isWhole && second.isWhole, 'both are served');
      const outcome = await inside(runtime, 0, async (_reactor, _argument, { state, require, sleep: wait }) => {
        const { closeSync } = require('node:fs') as typeof import('node:fs');
        process.removeAllListeners('warning');
        const [connection] = state['connections'];
        closeSync(connection.fd);
        const cpu = process.cpuUsage();
        await wait(200);
        const { user, system } = process.cpuUsage(cpu);
        connection.offer(new Uint8Array(10));
        await wait(50);
        return {
          isClosed: connection.isClosed as boolean, closes: state['closes'] as string[], busyMs: (user + system) / 1000,
        };
      });
      expect(outcome).toMatchObject({ isClosed: true, closes: ['EBADF'] });
      await until(
        () => [first, second].filter(({ over }) => over !== undefined).length === 1, 'the peer of that one is told',
      );
      const open = first.over === undefined ? first : second;
      const before = open.receivedBytes;
      open.send(1000);
      await until(() => open.receivedBytes === before + 1000, 'the other goes on');
    });

    it('a port in use is ERR_PERCORE_ADDRESS_IN_USE, for a listener of ours and for one of another program; nothing '
      + 'is left of it', async () => {
      runtime = await remoteRuntime(1, options);
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      const taken = (server.address() as { port: number }).port;
      const codes = await inside(runtime, 0, (reactor, port: number) => {
        const ours = reactor.io.listen({ port: 0 }, () => undefined);
        const attempts = [port, ours.port].map((used) => {
          try {
            reactor.io.listen({ port: used }, () => undefined);
            return 'listening';
          } catch (error) {
            return (error as { code: string }).code;
          }
        });
        ours.close();
        const again = reactor.io.listen({ port: ours.port }, () => undefined);
        again.close();
        return [...attempts, reactor.io.status().endpoints];
      }, taken);
      server.close();
      expect(codes).toEqual(['ERR_PERCORE_ADDRESS_IN_USE', 'ERR_PERCORE_ADDRESS_IN_USE', 0]);
    });
  });
}

import { connect as netConnect, type Socket } from 'node:net';
import { once } from 'node:events';
import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { descriptors, inside, remoteRuntime, sleep, until, within } from './fixtures/inside.js';
import { controllerOf, type Runtime } from './runtime.js';
import { sources } from '../io/fixtures/sources.js';
import { createLoads } from './steering.js';

for (const source of sources) {
  describe(`on ${source}`, () => {
    /** Of all tests that leave its reactors as they are; the others ask for one of their own. */
    let common: Runtime;
    let runtime: Runtime;
    let errors: string[] = [];
    /** Each test takes part under a name of its own. */
    let name = '';
    let names = 0;
    const sockets = new Set<Socket>();

    const start = async (): Promise<Runtime> => {
      const started = await remoteRuntime(3, { data: { loads: createLoads(3) }, io: { source } });
      return started.on('stepError', ({ error }) => void errors.push(error.message)).on('reactorDied', () => undefined);
    };
    const ownRuntime = async (): Promise<void> => {
      runtime = await start();
    };
    beforeAll(async () => {
      common = await start();
    });
    beforeEach(() => {
      errors = [];
      runtime = common;
      name = `lines ${names++}`;
    });
    afterEach(async () => {
      for (const socket of sockets) socket.destroy();
      sockets.clear();
      if (runtime !== common) await runtime.close({ drainMs: 0 });
    });
    afterAll(() => common?.close({ drainMs: 0 }));

    /**
     * Each reactor answers a line with its number and the line; 'key:N' lines belong to reactor N. Reactor 0 listens.
     */
    async function serve(
      options: { firstBytes?: number; firstBytesMs?: number; policy?: 'key' | 'load'; without?: number } = {},
    ): Promise<number> {
      let port = 0;
      for (const id of [2, 1, 0]) {
        port = await inside(
          runtime,
          id,
          (reactor, given: typeof options & { name: string }, { state, data, createSteering }) => {
            state['mustThrow'] = false;
            if (given.without === reactor.id) return 0;
            const steering = (state['steering'] = createSteering(
              reactor,
              { name: given.name, loads: data.loads, timeoutMs: 2000 },
              (connection, from) => {
                let text = '';
                if (state['mustThrow'] === true) throw new Error('not this one');
                connection.onData((bytes) => {
                  text += Buffer.from(bytes).toString();
                  for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
                    connection.offerText(`${from}>${reactor.id} ${text.slice(0, end)}\n`);
                    text = text.slice(end + 1);
                  }
                });
              },
            ));
            if (reactor.id !== 0) return 0;
            return steering.listen(
              {
                port: 0, firstBytes: given.policy === 'load' ? 0 : (given.firstBytes ?? 64),
                firstBytesMs: given.firstBytesMs ?? 10_000,
              },
              (first) => {
                if (given.policy === 'load') return steering.leastLoaded();
                const line = Buffer.from(first).toString();
                return line.includes('\n') ? Number(/^key:(\d)/.exec(line)?.[1] ?? 0) : undefined;
              },
            ).port;
          },
          { ...options, name },
        );
      }
      return port;
    }

    async function peer(port: number): Promise<{ socket: Socket; text: () => string; closed: () => boolean }> {
      const socket = netConnect({ port, host: '127.0.0.1', allowHalfOpen: true });
      sockets.add(socket);
      let text = '';
      let closed = false;
      socket
        .on('data', (chunk) => void (text += chunk.toString()))
        .on('close', () => void (closed = true))
        .on('end', () => void (closed = true))
        .on('error', () => undefined);
      await within(5000, once(socket, 'connect'), 'connect');
      return { socket, text: () => text, closed: () => closed };
    }
    const counters = (id: number): Promise<Record<string, number>> =>
      inside(runtime, id, (_reactor, _argument, { state }) => state['steering'].status());
    const sockets_ = (): number => descriptors().filter((name) => name.startsWith('socket')).length;

    describe('steering by key', () => {
      it('gives each connection to the owner of its key, with every byte that was read before', async () => {
        const port = await serve();
        const peers = await Promise.all(Array.from({ length: 30 }, () => peer(port)));
        for (const [i, { socket }] of peers.entries()) socket.write(`key:${i % 3} hello ${i}\nand more ${i}\nha`);
        await until(() => peers.every(({ text }) => text().split('\n').length === 3), 'two answers each');
        for (const { socket } of peers) socket.write('lf\n');
        await until(() => peers.every(({ text }) => text().split('\n').length === 4), 'the third answer');
        for (const [i, { text }] of peers.entries())
          expect(text()).toBe(
            [`key:${i % 3} hello ${i}`, `and more ${i}`, 'half', '']
              .map((line) => (line === '' ? '' : `0>${i % 3} ${line}`))
              .join('\n'),
          );
        expect(await counters(0)).toMatchObject({ handedOver: 20, stayed: 0, taken: 0 });
        expect([(await counters(1))['taken'], (await counters(2))['taken']]).toEqual([10, 10]);
      });

      it('works when the bytes come one by one, and while the peer goes on sending', async () => {
        const port = await serve();
        const lines = Array.from({ length: 200 }, (_, i) => `key:1 ${i} ${randomBytes(20).toString('hex')}\n`);
        const { socket, text } = await peer(port);
        socket.setNoDelay(true);
        for (const character of lines[0]!) {
          socket.write(character);
          await sleep(1);
        }
        for (const line of lines.slice(1)) socket.write(line);
        await until(() => text().split('\n').length === 201, 'all answers');
        expect(text()).toBe(lines.map((line) => `0>1 ${line}`).join(''));
      });

      it('of a peer that has sent its end already tells the other reactor of it', async () => {
        const port = await serve();
        const { socket, text, closed } = await peer(port);
        socket.end('key:2 last words\n');
        await until(() => text() === '0>2 key:2 last words\n' && closed(), 'the answer and the end');
      });

      it('of a peer that never decides: it stays after firstBytes, and is closed after firstBytesMs', async () => {
        const port = await serve({ firstBytes: 8, firstBytesMs: 100 });
        const decided = await peer(port);
        decided.socket.write('12345678');
        const silent = await peer(port);
        silent.socket.write('123');
        await until(silent.closed, 'the silent one is closed', 3000);
        decided.socket.write('9\n');
        await until(() => decided.text() === '0>0 123456789\n', 'the other stays here');
        expect(await counters(0)).toMatchObject({ closedSilent: 1, handedOver: 0, stayed: 0 });
      });
    });

    describe('steering by load', () => {
      it('gives each new connection to the reactor with the fewest, also after some have closed', async () => {
        await ownRuntime();
        const port = await serve({ policy: 'load' });
        const answered: { who: number; socket: Socket }[] = [];
        const add = async (): Promise<void> => {
          const { socket, text } = await peer(port);
          socket.write('x\n');
          await until(() => text() !== '', 'an answer');
          answered.push({ who: Number(/>(\d)/.exec(text())![1]), socket });
        };
        const loads = (): number[] => [0, 1, 2].map((id) => answered.filter(({ who }) => who === id).length);
        for (let i = 0; i < 12; i++) await add();
        // Reactor 0's listener is a source as well.
        expect(Math.max(...loads()) - Math.min(...loads()), String(loads())).toBeLessThanOrEqual(2);
        for (const one of answered.filter(({ who }) => who === 1)) one.socket.destroy();
        const left = answered.filter(({ who }) => who !== 1);
        answered.splice(0, answered.length, ...left);
        await until(() => inside(runtime, 1, (reactor) => reactor.io.status().endpoints === 0), 'reactor 1 has none');
        for (let i = 0; i < 3; i++) await add();
        expect(answered.slice(-3).map(({ who }) => who)).toEqual([1, 1, 1]);
      });
    });

    describe('a connection on its way', () => {
      it('to a reactor that is dead is closed and counted; later ones stay; nothing leaks', async () => {
        await ownRuntime();
        const before = sockets_();
        const port = await serve();
        await controllerOf(runtime).members[1]!.worker.terminate();
        const first = await peer(port);
        first.socket.write('key:1 x\n');
        await until(first.closed, 'closed', 3000);
        const second = await peer(port);
        second.socket.write('key:1 y\n');
        await until(() => second.text() === '0>0 key:1 y\n', 'served here');
        expect(await counters(0)).toMatchObject({ closedByDeath: 1, stayed: 1, handedOver: 0 });
        for (const { socket } of [first, second]) socket.destroy();
        await until(
          () => inside(runtime, 0, (reactor) => reactor.io.status().endpoints === 1), 'only the listener is open',
        );
        await until(() => sockets_() <= before + 1, 'no socket but the listener');
      });

      it('to a reactor that dies at any moment is closed on both sides, or handed over and dead with it', async () => {
        await ownRuntime();
        const port = await serve();
        const peers: Awaited<ReturnType<typeof peer>>[] = [];
        const before = sockets_();
        const { worker } = controllerOf(runtime).members[2]!;
        for (let i = 0; i < 60; i++) {
          const one = await peer(port);
          peers.push(one);
          one.socket.write('key:2 x\n');
          if (i === 30) void worker.terminate();
        }
        // Each is served by 0 after the death, or closed: none hangs.
        await until(
          () => peers.every(({ closed, text }) => closed() || text().startsWith('0>0')), 'every peer knows', 5000,
        );
        for (const { socket } of peers) socket.destroy();
        await until(
          () => inside(runtime, 0, (reactor) => reactor.io.status().endpoints === 1), 'only the listener is open',
        );
        await until(() => sockets_() <= before, 'no socket left');
      });

      it('to a reactor that takes no part stays here', async () => {
        const port = await serve({ without: 1 });
        const { socket, text } = await peer(port);
        socket.write('key:1 x\n');
        await until(() => text() === '0>0 key:1 x\n', 'served here');
        expect(await counters(0)).toMatchObject({ stayed: 1, handedOver: 0 });
      });

      it('whose new handler throws is closed on both sides and reported there; the next one is served', async () => {
        const port = await serve();
        await inside(runtime, 1, (_reactor, _argument, { state }) => void (state['mustThrow'] = true));
        const { socket, closed } = await peer(port);
        socket.write('key:1 x\n');
        await until(closed, 'closed');
        expect(await counters(0)).toMatchObject({ closedByHandler: 1, handedOver: 0 });
        await inside(runtime, 1, (_reactor, _argument, { state }) => void (state['mustThrow'] = false));
        const next = await peer(port);
        next.socket.write('key:1 y\n');
        await until(() => next.text() === '0>1 key:1 y\n', 'the next');
      });

      it('whose number was given to another socket meanwhile is not taken for it', async () => {
        const outcome = await inside(runtime, 0, (reactor, _argument, { coreOf }) => {
          const native = coreOf(reactor.io)!.native;
          const one = reactor.io.listenFd({ port: 0 });
          const cookie = native.sockets.cookie(one.fd);
          const right = native.sockets.take(one.fd, cookie);
          const wrong = native.sockets.take(one.fd, cookie + 1);
          native.descriptors.close(right);
          one.close();
          const gone = native.sockets.take(one.fd, cookie);
          return [right >= 0, native.system.errorName(-wrong), native.system.errorName(-gone)];
        });
        expect(outcome).toEqual([true, 'ESTALE', expect.stringMatching(/EBADF|ENOTSOCK|ESTALE/)]);
      });
    });

    it('handOver of a corked connection settles, with what the cork held back first; its deadlines work '
      + 'there', async () => {
      await serve();
      await inside(runtime, 1, (reactor, _argument, { state, createSteering }) => {
        const original = state['steering'];
        state['moved'] = createSteering(reactor, { name: 'moved' }, (connection) => {
          connection.onData((bytes) => void connection.offer(bytes));
          connection.setDeadlines({ idleMs: 1500 }).onClose((error) => void (original['closedBy'] = error?.code));
        });
      });
      const port = await inside(runtime, 0, (reactor, _argument, { state, createSteering }) => {
        const steering = createSteering(reactor, { name: 'moved' }, () => undefined);
        return reactor.io.listen({ port: 0 }, (connection) => {
          connection.cork();
          connection.offerText('hello ');
          state['outcome'] = steering.handOver(connection, 1);
        }).port;
      });
      const { socket, text, closed } = await peer(port);
      socket.write('there');
      await until(() => text() === 'hello there', 'both');
      expect(await inside(runtime, 0, (_reactor, _argument, { state }) => state['outcome'] as Promise<string>)).toBe(
        'handed over',
      );
      await until(closed, 'the idle deadline in the other reactor', 5000);
      expect(
        await inside(runtime, 1, (_reactor, _argument, { state }) => state['steering']['closedBy'] as string),
      ).toBe('ERR_PERCORE_TIMEOUT');
    });

    it('handOver while its reactor closes ends, and so does each connection: nothing hangs', async () => {
      await ownRuntime();
      await serve();
      const before = sockets_();
      const port = await inside(runtime, 0, (reactor, _argument, { state }) => {
        state['count'] = 0;
        return reactor.io.listen({ port: 0, highWaterBytes: 2 ** 24 }, (connection) => {
          // One that cannot be sent, one that waits for the other reactor's answer, and one of which the other learns
          // only while it leaves.
          if (state['count']++ === 0) while (connection.offer(new Uint8Array(2 ** 20)) === 0);
          void state['steering'].handOver(connection, 1);
        }).port;
      });
      const busy = inside(runtime, 1, () => {
        for (const endMs = performance.now() + 400; performance.now() < endMs;);
      });
      busy.catch(() => undefined);
      const peers = [await peer(port), await peer(port), await peer(port)];
      peers[0]!.socket.pause();
      await until(
        () => inside(runtime, 0, (_reactor, _argument, { state }) => state['count'] === 3),
        'all three are on their way',
      );
      await within(10_000, runtime.close({ drainMs: 50 }), 'the close');
      peers[0]!.socket.resume();
      await until(() => peers.every(({ closed }) => closed()), 'their peers know');
      for (const { socket } of peers) socket.destroy();
      await until(() => sockets_() < before, 'no descriptor is left');
      expect(runtime.status().reactors.map(({ state }) => state)).toEqual(['left', 'left', 'left']);
    });

    it('a message that is no connection is refused, and touches no descriptor', async () => {
      await serve();
      const before = descriptors();
      for (const parcel of [
        null, 5, {}, { fd: NaN, cookie: 1, bytes: new Uint8Array(0) }, { fd: 0, cookie: 'x', bytes: new Uint8Array(0) },
        { fd: 0, cookie: 1 },
      ]) {
        await expect(
          runtime.call(name, parcel as never, { reactor: 1 }), JSON.stringify(parcel),
        ).rejects.toMatchObject({ code: 'ERR_PERCORE_INVALID_ARGUMENT' });
      }
      expect(descriptors()).toEqual(before);
    });

    it('a choice that is no reactor closes the connection, is reported, and leaves nothing open', async () => {
      await ownRuntime();
      await serve();
      const port = await inside(
        runtime,
        0,
        (_reactor, _argument, { state }) =>
          state['steering'].listen({ port: 0, firstBytes: 0 }, () => 7).port as number,
      );
      const { closed } = await peer(port);
      await until(closed, 'closed', 5000);
      await until(() => errors.length === 1, 'reported');
      expect(errors[0]).toBe('reactor must be a whole number from 0 to 2, not 7');
      expect(await inside(runtime, 0, (reactor) => reactor.io.status().endpoints)).toBe(2);
    });

    it('handOver sends what is pending first; refuses a reactor that is not there', async () => {
      await serve();
      const port = await inside(
        runtime,
        0,
        (reactor, _argument, { state }) =>
          reactor.io.listen({ port: 0, highWaterBytes: 1 << 24 }, (connection) => {
            connection.onData((bytes) => {
              connection.offer(new Uint8Array(8 << 20).fill(97));
              // Copied at once: what becomes of them while the connection is flushed changes nothing.
              const given = Buffer.from(bytes);
              state['outcome'] = state['steering'].handOver(connection, 1, given);
              given.fill(0);
              state['wrong'] = state['steering'].handOver(connection, 3).catch((error: Error) => error.message);
            });
          }).port,
      );
      const { socket, text } = await peer(port);
      socket.pause();
      socket.write('then me\n');
      await sleep(50);
      socket.resume();
      await until(() => text().endsWith('0>1 then me\n'), 'the answer of the other reactor, behind everything');
      expect(text().length).toBe((8 << 20) + '0>1 then me\n'.length);
      expect(
        await inside(runtime, 0, async (_reactor, _argument, { state }) => [
          await state['outcome'], await state['wrong'],
        ]),
      ).toEqual(['handed over', 'reactor must be a whole number from 0 to 2, not 3']);
    });
  });
}

describe('steering that was made before a reactor was added', () => {
  it('gives the new one its connections, none while it is drained, and again when it is back', async () => {
    const loads = createLoads(1);
    const runtime = await remoteRuntime(1, { maxReactors: 2, data: { loads }, pin: false });
    const sockets: Socket[] = [];
    const take = (id: number): Promise<number> => inside(runtime, id, (reactor, _argument, tools) => {
      const { data, createSteering } = tools;
      const steering = createSteering(reactor, { name: 'lines', loads: data.loads }, (connection) => {
        connection.onData(() => void connection.offerText(String(reactor.id)));
      });
      return reactor.id === 0 ? steering.listen({ port: 0, firstBytes: 0 }, () => steering.leastLoaded()).port : 0;
    });
    try {
      const port = await take(0);
      const ask = async (): Promise<number> => {
        const socket = netConnect({ port, host: '127.0.0.1' }).setEncoding('utf8').on('error', () => undefined);
        sockets.push(socket);
        socket.write('x');
        const [answer] = await within(10_000, once(socket, 'data'), 'an answer') as [string];
        return Number(answer);
      };
      const askOften = async (): Promise<number[]> => [await ask(), await ask(), await ask(), await ask()];
      expect(await askOften()).toEqual([0, 0, 0, 0]);
      await runtime.scale(2);
      await take(1);
      expect(await askOften()).toEqual([1, 1, 1, 1]);
      await runtime.drain(1);
      expect(await ask()).toBe(0);
      runtime.resume(1);
      await until(async () => (await ask()) === 1, 'it is given some again');
    } finally {
      for (const socket of sockets) socket.destroy();
      await runtime.close({ drainMs: 0 });
    }
  });
});

describe('connections that come at once', () => {
  it('are divided by what is on its way, and do not all follow the first', async () => {
    const go = new SharedArrayBuffer(4);
    const runtime = await remoteRuntime(3, { data: { loads: createLoads(3), go }, pin: false });
    const sockets: Socket[] = [];
    try {
      let port = 0;
      for (const id of [2, 1, 0]) port = await inside(runtime, id, (reactor, _argument, { data, createSteering }) => {
        const steering = createSteering(reactor, { name: 'lines', loads: data.loads }, (connection) => {
          connection.onData(() => void connection.offerText(String(reactor.id)));
        });
        return reactor.id === 0 ? steering.listen({ port: 0, firstBytes: 0 }, () => steering.leastLoaded()).port : 0;
      });
      // Reactor 0 accepts nothing until all are connected.
      const isOver = inside(runtime, 0, (_reactor, _argument, { data }) => {
        while (Atomics.load(new Int32Array(data['go'] as SharedArrayBuffer), 0) === 0);
      });
      for (let i = 0; i < 12; i++) {
        sockets.push(netConnect({ port, host: '127.0.0.1' }).setEncoding('utf8').on('error', () => undefined));
      }
      await within(10_000, Promise.all(sockets.map((socket) => once(socket, 'connect'))), 'all are connected');
      Atomics.store(new Int32Array(go), 0, 1);
      await isOver;
      const counts = [0, 0, 0];
      await Promise.all(sockets.map(async (socket) => {
        socket.write('x');
        const [answer] = await within(10_000, once(socket, 'data'), 'an answer') as [string];
        counts[Number(answer)]!++;
      }));
      // The listener of reactor 0 is one of its sources.
      expect(counts.toSorted()).toEqual([4, 4, 4]);
    } finally {
      Atomics.store(new Int32Array(go), 0, 1);
      for (const socket of sockets) socket.destroy();
      await runtime.close({ drainMs: 0 });
    }
  });
});

/** What every I/O source must do, with TCP in a reactor. The two tests beside this run it on epoll and on io_uring. */
import { execFileSync, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect as netConnect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { fixture, inside, remoteRuntime, sleep, until, within } from '../../src/reactor/fixtures/inside.js';
import type { Runtime } from '../../src/reactor/runtime.js';
import type { IoSource } from '../../src/io/source-choice.js';

export function ioSuite(source: IoSource): void {
  let runtime: Runtime;
  const sockets = new Set<Socket>();
  const servers = new Set<Server>();

  beforeAll(async () => {
    runtime = await remoteRuntime(2, { io: { source } });
  });
  afterAll(() => runtime.close());

  let stepErrors: string[] = [];
  beforeEach(() => {
    stepErrors = [];
    runtime.removeAllListeners('stepError');
    runtime.on('stepError', ({ where, error }) => void stepErrors.push(`${where}: ${error.message}`));
  });
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    for (const server of servers) server.close();
    sockets.clear();
    servers.clear();
    for (const id of [0, 1]) await inside(runtime, id, (reactor) => reactor.io.closeAll());
  });

  /** A connection of node:net, with what it has read. */
  async function peer(
    where: number | string, options: { allowHalfOpen?: boolean } = {},
  ): Promise<{
    socket: Socket;
    text: () => string;
    bytes: () => Buffer;
    ended: () => boolean;
    closed: () => boolean;
    error: () => string | undefined;
  }> {
    const socket = netConnect(
      typeof where === 'string' ? { path: where, ...options } : { port: where, host: '127.0.0.1', ...options },
    );
    sockets.add(socket);
    const chunks: Buffer[] = [];
    let [ended, closed] = [false, false];
    let error: string | undefined;
    socket
      .on('data', (chunk) => void chunks.push(chunk))
      .on('end', () => void (ended = true))
      .on('close', () => void (closed = true))
      .on('error', (e: NodeJS.ErrnoException) => void (error = e.code));
    await within(5000, once(socket, 'connect'), 'connect');
    return {
      socket, bytes: () => Buffer.concat(chunks), text: () => Buffer.concat(chunks).toString(), ended: () => ended,
      closed: () => closed, error: () => error,
    };
  }

  async function serve(
    onConnection: (socket: Socket) => void, options: { allowHalfOpen?: boolean } = {},
  ): Promise<number> {
    const server = createServer(options, (socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      onConnection(socket);
    });
    servers.add(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  }

  const openEndpoints = (id = 0): Promise<number> => inside(runtime, id, (reactor) => reactor.io.status().endpoints);

  /** An echo server in reactor 0; its port. */
  const echo = (options: Record<string, unknown> = {}): Promise<number> =>
    inside(
      runtime,
      0,
      (reactor, given: Record<string, unknown>) =>
        reactor.io.listen({ port: 0, ...given }, (connection) => {
          connection.onData((bytes) => void connection.offer(bytes));
        }).port,
      options,
    );

  it(`is asked for ${source}, and says what it was granted`, () => {
    for (const { io, refusals } of runtime.status().reactors) {
      expect(io!.asked).toBe(source);
      // Where the kernel refuses io_uring all of this runs on epoll, and the status says why.
      if (io!.granted !== source) expect(refusals.join()).toMatch(/^io_uring: E[A-Z]+.*epoll stands in$/);
    }
  });

  describe('a listener', () => {
    it('echoes, and says how much it read and wrote', async () => {
      const port = await inside(
        runtime,
        0,
        (reactor, _argument, { state }) =>
          reactor.io.listen({ port: 0 }, (connection) => {
            state['connection'] = connection;
            connection.onData((bytes) => void connection.offer(bytes));
          }).port,
      );
      const { socket, text } = await peer(port);
      socket.write('hello ');
      await until(() => text() === 'hello ', 'the echo');
      socket.write('again');
      await until(() => text() === 'hello again', 'the second echo');
      expect(
        await inside(runtime, 0, (_reactor, _argument, { state }) => [
          state['connection'].bytesRead, state['connection'].bytesWritten, state['connection'].pendingBytes,
        ]),
      ).toEqual([11, 11, 0]);
    });

    it('on a port in use is ERR_PERCORE_ADDRESS_IN_USE and says what to do', async () => {
      const port = await serve(() => undefined);
      await expect(
        inside(runtime, 0, (reactor, taken: number) => reactor.io.listen({ port: taken }, () => undefined).port, port),
      ).rejects.toMatchObject({
        code: 'ERR_PERCORE_ADDRESS_IN_USE',
        message: `cannot listen on 127.0.0.1:${port}: the port is in use; choose another, or 0 for a free one`,
      });
      expect(await openEndpoints()).toBe(0);
    });

    it('on an address that this machine does not have is a system error with errno, call and address', async () => {
      await expect(
        inside(runtime, 0, (reactor) => reactor.io.listen({ port: 0, host: '203.0.113.7' }, () => undefined).port),
      ).rejects.toMatchObject({
        code: 'ERR_PERCORE_SYSTEM',
        message: expect.stringMatching(/^cannot listen on 203\.0\.113\.7:0: EADDRNOTAVAIL: .*bind/),
      });
    });

    it('takes IPv6 and localhost', async () => {
      const ports = await inside(runtime, 0, (reactor) =>
        ['::1', 'localhost'].map((host) => reactor.io.listen({ port: 0, host }, (connection) => connection.end()).port),
      );
      for (const [i, host] of ['::1', '127.0.0.1'].entries()) {
        const socket = netConnect({ port: ports[i]!, host });
        sockets.add(socket);
        await within(5000, once(socket, 'connect'), `connect to ${host}`);
      }
    });

    it('refuses wrong arguments with name, value and what is allowed', async () => {
      const messages = await inside(runtime, 0, (reactor) =>
        [
          { port: -1 }, { port: 65_536 }, { port: '80' }, { port: 0, backlog: 0 }, { port: 0, priority: 8 },
          { port: 0, highWaterBytes: 0 }, { port: 0, readBytes: 65_537 }, { port: 0, host: 7 },
        ].map((options) => {
          try {
            reactor.io.listen(options as never, () => undefined);
            return 'accepted';
          } catch (error) {
            return `${(error as { code: string }).code}: ${(error as Error).message}`;
          }
        }),
      );
      expect(messages).toEqual(
        [
          'port must be a whole number from 0 to 65535, not -1',
          'port must be a whole number from 0 to 65535, not 65536',
          'port must be a whole number from 0 to 65535, not "80"',
          'backlog must be a whole number from 1 to 65535, not 0', 'priority must be a whole number from 0 to 7, not 8',
          'highWaterBytes must be a whole number from 1 to 1073741824, not 0',
          'readBytes must be a whole number from 1 to 65536, not 65537',
          "host must be an IPv4 or IPv6 address ('127.0.0.1', '::1', 'fe80::1%eth0') or 'localhost', not 7",
        ].map((message) => `ERR_PERCORE_INVALID_ARGUMENT: ${message}`),
      );
      expect(await openEndpoints()).toBe(0);
    });

    it('shares its port with one in each reactor under reusePort; each gets connections', async () => {
      const port = await inside(
        runtime,
        0,
        (reactor) =>
          reactor.io.listen({ port: 0, reusePort: true }, (connection) => void connection.offer(Buffer.from('0'))).port,
      );
      await inside(
        runtime,
        1,
        (reactor, shared: number) =>
          reactor.io.listen({ port: shared, reusePort: true }, (connection) => void connection.offer(Buffer.from('1')))
            .port,
        port,
      );
      const peers = await Promise.all(Array.from({ length: 64 }, () => peer(port)));
      await until(() => peers.every(({ text }) => text() !== ''), 'an answer on each');
      // 64 connections all on one side of a fair hash: one in 2^63.
      expect(new Set(peers.map(({ text }) => text()))).toEqual(new Set(['0', '1']));
    });

    it('that is closed accepts no more connections; those that it has accepted stay', async () => {
      const port = await inside(runtime, 0, (reactor, _argument, { state }) => {
        state['listener'] = reactor.io.listen(
          { port: 0 }, (connection) => void connection.onData((bytes) => void connection.offer(bytes)),
        );
        return state['listener'].port as number;
      });
      const first = await peer(port);
      first.socket.write('a');
      await until(() => first.text() === 'a', 'the echo');
      await inside(runtime, 0, (_reactor, _argument, { state }) => void state['listener'].close());
      const refused = netConnect({ port, host: '127.0.0.1' });
      expect((await once(refused, 'error').catch((error: unknown) => [error]))[0]).toMatchObject({
        code: 'ECONNREFUSED',
      });
      first.socket.write('b');
      await until(() => first.text() === 'ab', 'the echo after the listener was closed');
    });

    it('serves 200 connections at once, each with its own bytes', async () => {
      const port = await echo();
      const peers = await Promise.all(Array.from({ length: 200 }, () => peer(port)));
      for (const [i, { socket }] of peers.entries()) socket.write(`${i},`.repeat(100));
      await until(() => peers.every(({ text }, i) => text() === `${i},`.repeat(100)), 'all echoes', 20_000);
      expect(await openEndpoints()).toBe(201);
      for (const { socket } of peers) socket.end();
      await until(async () => (await openEndpoints()) === 1, 'all closed but the listener');
    });
  });

  describe('an end', () => {
    it('of the peer with nothing pending closes both sides', async () => {
      const port = await echo();
      const { socket, text, ended, closed } = await peer(port);
      socket.write('x');
      await until(() => text() === 'x', 'the echo');
      socket.end();
      await until(() => ended() && closed(), 'the end in return');
      expect(await openEndpoints()).toBe(1);
    });

    it('of a peer that never wrote closes both sides', async () => {
      const port = await echo();
      const { socket, ended } = await peer(port);
      socket.end();
      await until(ended, 'the end in return');
      expect(await openEndpoints()).toBe(1);
    });

    it('of the peer is reported, and writing goes on until our own end (half-closed)', async () => {
      const port = await inside(runtime, 0, (reactor) => reactor.io.listen({ port: 0 }, (connection) => {
        let got = '';
        connection.onData((bytes) => void (got += Buffer.from(bytes).toString()));
        connection.onEnd(() => {
          connection.offer(Buffer.from(`got ${got}`));
          setTimeout(() => {
            connection.offer(Buffer.from(', late'));
            connection.end();
          }, 20);
        });
      }).port);
      const { socket, text, ended } = await peer(port, { allowHalfOpen: true });
      socket.end('question');
      await until(ended, 'our end');
      expect(text()).toBe('got question, late');
      await until(async () => (await openEndpoints()) === 1, 'closed');
    });

    it('of ours with bytes pending sends them all first; an offer after it is CLOSED', async () => {
      const port = await inside(
        runtime,
        0,
        (reactor) =>
          reactor.io.listen({ port: 0, highWaterBytes: 1 << 24 }, (connection) => {
            connection.onData(() => {
              connection.offer(new Uint8Array(8 << 20).fill(97));
              connection.end();
              connection.end();
              if (connection.offer(Buffer.from('x')) !== -2) throw new Error('write after end was not CLOSED');
            });
          }).port,
      );
      const { socket, bytes, ended, closed } = await peer(port);
      socket.write('go');
      await until(() => ended() && closed(), 'the end');
      expect(bytes().length).toBe(8 << 20);
      expect(stepErrors).toEqual([]);
      await until(async () => (await openEndpoints()) === 1, 'closed');
    });

    it('of ours, with nothing pending, reaches the peer outside a handler; what it still sends is read', async () => {
      const port = await inside(
        runtime,
        0,
        (reactor, _argument, { state }) =>
          reactor.io.listen({ port: 0 }, (connection) => {
            state['got'] = '';
            connection.onData((bytes) => void (state['got'] += Buffer.from(bytes).toString()));
            setTimeout(() => connection.end(), 20);
          }).port,
      );
      const { socket, ended } = await peer(port, { allowHalfOpen: true });
      await until(ended, 'our end');
      socket.end('after your end');
      await until(async () => (await openEndpoints()) === 1, 'closed');
      expect(await inside(runtime, 0, (_reactor, _argument, { state }) => state['got'] as string)).toBe(
        'after your end',
      );
    });

    it('close() calls its handler once, drops what is pending, and a later offer is CLOSED', async () => {
      const port = await inside(
        runtime,
        0,
        (reactor, _argument, { state }) =>
          reactor.io.listen({ port: 0 }, (connection) => {
            state['closes'] = [];
            connection.onClose((error) => state['closes'].push(error === undefined ? 'no error' : error.message));
            connection.onData(() => {
              connection.close();
              connection.close();
              state['afterwards'] = [connection.offer(new Uint8Array(1)), connection.isClosed, connection.pendingBytes];
            });
          }).port,
      );
      const { socket, closed } = await peer(port);
      socket.write('x');
      await until(closed, 'closed');
      expect(
        await inside(runtime, 0, (_reactor, _argument, { state }) => [state['closes'], state['afterwards']]),
      ).toEqual([['no error'], [-2, true, 0]]);
    });
  });

  describe('a reset', () => {
    it('closes with ECONNRESET, once', async () => {
      const port = await inside(
        runtime,
        0,
        (reactor, _argument, { state }) =>
          reactor.io.listen({ port: 0 }, (connection) => {
            state['closes'] = [];
            connection.onData(() => undefined);
            connection.onEnd(() => state['closes'].push('end'));
            connection.onClose((error) =>
              state['closes'].push(error?.message, error?.code, error?.errno, error?.syscall),
            );
          }).port,
      );
      const { socket } = await peer(port);
      socket.write('x');
      await sleep(20);
      socket.resetAndDestroy();
      await until(async () => (await openEndpoints()) === 1, 'closed');
      expect(await inside(runtime, 0, (_reactor, _argument, { state }) => state['closes'] as string[])).toEqual([
        'recv: ECONNRESET on a connection', 'ERR_PERCORE_SYSTEM', 'ECONNRESET', 'recv',
      ]);
    });

    it.each([
      ['and nothing waits', '', 20],
      ['and bytes wait in the kernel', 'more', 20],
      ['in the turn in which bytes arrive', 'more', 0],
    ])(
      'closes a connection that is paused and has a handler, without reading its bytes: %s',
      async (_name, more, restMs) => {
        const port = await inside(runtime, 0, (reactor, _argument, { state }) => {
          state['log'] = [];
          return reactor.io.listen({ port: 0 }, (connection) => {
            connection.onData((bytes) => {
              state['log'].push(Buffer.from(bytes).toString());
              connection.pause();
            });
            connection.onClose((error) => void state['log'].push(error?.errno));
          }).port;
        });
        const log = (): Promise<unknown[]> =>
          inside(runtime, 0, (_reactor, _argument, { state }) => state['log'] as unknown[]);
        const { socket } = await peer(port);
        socket.write('first');
        await until(async () => (await log()).length === 1, 'it pauses');
        // Each piece is an arrival. With the first one, native code is told to receive no more.
        for (const piece of more === '' ? [] : [more, more, more]) {
          await new Promise<void>((done) => void socket.write(piece, () => done()));
          await sleep(restMs);
        }
        socket.resetAndDestroy();
        await until(async () => (await log()).length === 2, 'closed');
        expect(await log()).toEqual(['first', 'ECONNRESET']);
        expect(await openEndpoints()).toBe(1);
      },
    );

    it('or silence: a paused connection is closed by its deadline all the same', async () => {
      const port = await inside(runtime, 0, (reactor, _argument, { state }) => {
        state['log'] = [];
        return reactor.io.listen({ port: 0 }, (connection) => {
          connection.onData(() => connection.pause()).setDeadlines({ idleMs: 100 });
          connection.onClose((error) => void state['log'].push(error?.argument));
        }).port;
      });
      const { socket } = await peer(port);
      for (let i = 0; i < 3; i++) {
        socket.write('x');
        await sleep(20);
      }
      await until(
        async () => (await inside(runtime, 0, (_reactor, _argument, { state }) => state['log'].length)) === 1, 'closed',
      );
      expect(await inside(runtime, 0, (_reactor, _argument, { state }) => state['log'] as unknown[])).toEqual([
        'idleMs',
      ]);
    });

    // Both ends are in reactor 0, so that the reset comes in the middle of the reading: a byte a step.
    it('closes after what had arrived was read, even if it is a send that hears of it', async () => {
      await inside(runtime, 0, (reactor, _argument, { state }) => {
        const { io } = reactor;
        const listener = io.listen({ port: 0, readBytes: 1, highWaterBytes: 1 << 24 }, (connection) => {
          // More than the kernel takes: the rest is sent as soon as there is room, or an error.
          connection.offer(new Uint8Array(12 << 20));
          let arrived = 0;
          connection.onData(() => {
            arrived = connection.bytesRead + connection.status().unreadBytes;
            // With several arrivals behind the first, native code reads no more; so no receive hears of the reset.
            if (connection.bytesRead % 2000 === 0 && !client.isClosed) client.offer(new Uint8Array(10));
            if (connection.bytesRead === 16_000) {
              io.flush();
              client.close();
            }
          });
          connection.onClose(
            (error) =>
              void (state['unread'] = {
                bytes: arrived - connection.bytesRead, wereSeveral: arrived > 20_000, syscall: error?.syscall,
              }),
          );
        });
        // What it does not read makes its closing a reset.
        const client = io.connect({ port: listener.port });
        client.offer(new Uint8Array(20_000));
      });
      await until(
        () => inside(runtime, 0, (_reactor, _argument, { state }) => state['unread'] !== undefined), 'closed',
      );
      expect(await inside(runtime, 0, (_reactor, _argument, { state }) => state['unread'] as object)).toEqual({
        bytes: 0, wereSeveral: true, syscall: 'send',
      });
    });

    it('closes an attached connection after what another thread received was read; a copy can be kept', async () => {
      await inside(runtime, 0, (reactor, _argument, { state }) => {
        const { io } = reactor;
        const unread = Buffer.alloc(20_000, 'abcd');
        const listener = io.listen({ port: 0 }, (accepted) => {
          const { fd } = accepted.detach()!;
          const connection = io.attach({ fd, unread }, { readBytes: 1 });
          state['unreadAtFirst'] = connection.status().unreadBytes;
          connection.onData((bytes) => {
            if (connection.bytesRead !== 3) return;
            const kept = connection.keep();
            state['kept'] = { text: Buffer.from(kept.bytes).toString(), isCopy: kept.isCopy, given: bytes.length };
            kept.release();
            connection.offer(new Uint8Array(1));
            io.flush();
            client.close();
            io.flush();
          });
          connection.onClose(
            (error) => void (state['attachedClosed'] = { read: connection.bytesRead, errno: error?.errno }),
          );
        });
        const client = io.connect({ port: listener.port });
      });
      await until(
        () => inside(runtime, 0, (_reactor, _argument, { state }) => state['attachedClosed'] !== undefined), 'closed',
      );
      expect(
        await inside(runtime, 0, (_reactor, _argument, { state }) => [
          state['unreadAtFirst'], state['kept'], state['attachedClosed'],
        ]),
      ).toEqual([20_000, { text: 'c', isCopy: true, given: 1 }, { read: 20_000, errno: 'ECONNRESET' }]);
    });

    it('is noticed by a connection that only writes', async () => {
      const port = await inside(
        runtime,
        0,
        (reactor, _argument, { state }) =>
          reactor.io.listen({ port: 0 }, (connection) => {
            state['closes'] = [];
            connection.onClose((error) => state['closes'].push(error?.errno));
          }).port,
      );
      const { socket } = await peer(port);
      await until(async () => (await openEndpoints()) === 2, 'accepted');
      socket.resetAndDestroy();
      await until(async () => (await openEndpoints()) === 1, 'closed though nothing is read or written', 2000);
      expect(await inside(runtime, 0, (_reactor, _argument, { state }) => state['closes'] as string[])).toEqual([
        'ECONNRESET',
      ]);
    });

    it('while bytes are pending closes, frees them and lets waiters go on', async () => {
      const port = await inside(
        runtime,
        0,
        (reactor, _argument, { state }) =>
          reactor.io.listen({ port: 0, highWaterBytes: 1 << 24 }, (connection) => {
            state['waited'] = 0;
            connection.onData(() => undefined);
            connection.offer(new Uint8Array(12 << 20));
            void connection.room().then(() => void state['waited']++);
            connection.onClose(() => void (state['unsentAtClose'] = connection.unsent.length));
            state['connection'] = connection;
          }).port,
      );
      const { socket } = await peer(port);
      socket.pause();
      await sleep(50);
      socket.resetAndDestroy();
      await until(async () => (await openEndpoints()) === 1, 'closed');
      await until(
        () =>
          inside(
            runtime,
            0,
            (_reactor, _argument, { state }) =>
              state['waited'] === 1 && state['unsentAtClose'] > 0 && state['connection'].pendingBytes === 0,
          ),
        'the waiter goes on; the handler saw what is lost',
      );
    });
  });

  describe('an offer', () => {
    it('above the mark is BACK_PRESSURED and takes nothing; room() resolves when half has gone', async () => {
      const port = await inside(
        runtime,
        0,
        (reactor, _argument, { state, codes }) =>
          reactor.io.listen({ port: 0, highWaterBytes: 1 << 20 }, (connection) => {
            connection.onData(() => {
              void (async () => {
                let [taken, refusals, waits] = [0, 0, 0];
                const block = new Uint8Array(64 << 10);
                for (let i = 0; i < 256; i++) {
                  block.fill(i);
                  while (connection.offer(block) === codes.BACK_PRESSURED) {
                    refusals++;
                    if (connection.pendingBytes > 1 << 20) throw new Error(`${connection.pendingBytes} pending`);
                    await connection.room();
                    waits++;
                    if (connection.pendingBytes > 1 << 19)
                      throw new Error(`${connection.pendingBytes} pending after room()`);
                  }
                  taken += block.length;
                }
                state['done'] = { taken, refusals, waits };
                connection.end();
              })().catch((error: unknown) => void (state['done'] = String(error)));
            });
          }).port,
      );
      const { socket, bytes, ended } = await peer(port);
      socket.pause();
      socket.write('go');
      await sleep(50);
      socket.resume();
      await until(ended, 'the end');
      const done = await inside(
        runtime, 0,
        (_reactor, _argument, { state }) => state['done'] as { taken: number; refusals: number; waits: number },
      );
      expect(done.taken).toBe(16 << 20);
      expect(done.refusals).toBeGreaterThan(0);
      const all = bytes();
      expect(all.length).toBe(16 << 20);
      for (let i = 0; i < 256; i++)
        expect(
          all.subarray(i * 65_536, (i + 1) * 65_536).every((byte) => byte === i), `block ${i}`,
        ).toBe(true);
    });

    it('of more than the mark is taken when nothing is pending', async () => {
      const port = await inside(
        runtime,
        0,
        (reactor, _argument, { state }) =>
          reactor.io.listen({ port: 0, highWaterBytes: 100 }, (connection) => {
            connection.onData(
              () =>
                void (state['codes'] = [connection.offer(new Uint8Array(1000)), connection.offer(new Uint8Array(1))]),
            );
          }).port,
      );
      const { socket, bytes } = await peer(port);
      socket.write('go');
      await until(() => bytes().length === 1000, '1,000 bytes');
      expect(
        await inside(runtime, 0, (_reactor, _argument, { state, codes }) => [
          state['codes'], [codes.OK, codes.BACK_PRESSURED],
        ]),
      ).toEqual([
        [0, -1], [0, -1],
      ]);
    });

    it('that does not fit beside a little that is pending can be waited for: offer() and room() in a loop do not run '
      + 'on the spot for ever', async () => {
      const port = await inside(
        runtime,
        0,
        (reactor, _argument, { state, codes }) =>
          reactor.io.listen({ port: 0, highWaterBytes: 1000 }, (connection) => {
            connection.onData(() => {
              // Outside a step, so that nothing is sent before the second write.
              setTimeout(async () => {
                let rounds = 0;
                connection.offer(new Uint8Array(400).fill(1));
                while (connection.offer(new Uint8Array(800).fill(2)) === codes.BACK_PRESSURED) {
                  if (++rounds === 1000) {
                    state['outcome'] = 'room() resolved 1,000 times and there was no room';
                    return connection.close();
                  }
                  await connection.room();
                }
                state['outcome'] = 'written';
                connection.end();
              }, 1);
            });
          }).port,
      );
      const { socket, bytes, closed } = await peer(port);
      socket.write('go');
      await until(closed, 'the end');
      expect(await inside(runtime, 0, (_reactor, _argument, { state }) => state['outcome'] as string)).toBe('written');
      expect(bytes().length).toBe(1200);
    });
  });

  describe('pause', () => {
    it('holds the peer back, and resume goes on without losing a byte', async () => {
      const port = await inside(runtime, 0, (reactor, _argument, { state, require }) => {
        const { createHash: hash } = require('node:crypto') as typeof import('node:crypto');
        return reactor.io.listen({ port: 0 }, (connection) => {
          state['connection'] = connection;
          state['hash'] = hash('sha256');
          connection.onData((bytes) => {
            state['hash'].update(bytes);
            connection.pause();
          });
          connection.onEnd(() => {
            connection.offer(Buffer.from(state['hash'].digest('hex') as string));
            connection.end();
          });
        }).port;
      });
      const sent = randomBytes(16 << 20);
      const { socket, text, ended } = await peer(port);
      socket.end(sent);
      let first = 0;
      await until(
        async () =>
          (first = await inside(
            runtime, 0, (_reactor, _argument, { state }) => (state['connection']?.bytesRead ?? 0) as number,
          )) > 0,
        'the first step',
      );
      expect(first, 'one step was read').toBeLessThanOrEqual(65_536);
      await sleep(50);
      expect(
        await inside(runtime, 0, (_reactor, _argument, { state }) => state['connection'].bytesRead as number), 'paused',
      ).toBe(first);
      await inside(runtime, 0, (_reactor, _argument, { state }) => {
        const again = () => {
          state['connection'].resume();
          if (!state['connection'].isClosed) setImmediate(again);
        };
        again();
      });
      await until(ended, 'the hash', 30_000);
      expect(text()).toBe(createHash('sha256').update(sent).digest('hex'));
    });

    it('without a handler, and before the first byte, reads nothing; a later handler gets all', async () => {
      const port = await inside(
        runtime,
        0,
        (reactor, _argument, { state }) =>
          reactor.io.listen({ port: 0 }, (connection) => void (state['connection'] = connection)).port,
      );
      const { socket } = await peer(port);
      socket.write('early');
      await sleep(50);
      expect(
        await inside(runtime, 0, (_reactor, _argument, { state }) => state['connection'].bytesRead as number),
      ).toBe(0);
      const got = await inside(
        runtime,
        0,
        (_reactor, _argument, { state }) =>
          new Promise<string>((resolve) => {
            state['connection'].onData((bytes: Uint8Array) => resolve(Buffer.from(bytes).toString()));
          }),
        undefined,
        { timeoutMs: 5000 },
      );
      expect(got).toBe('early');
    });
  });

  describe('connect', () => {
    it('talks to a server of node:net; what is offered before the connection is open arrives', async () => {
      let got = '';
      const port = await serve((socket) =>
        socket.on('data', (chunk) => {
          got += chunk.toString();
          socket.end('bye');
        }),
      );
      const answer = await inside(
        runtime,
        0,
        (reactor, to: number) =>
          new Promise<string>((resolve, reject) => {
            const connection = reactor.io.connect({ port: to });
            let text = '';
            connection.offer(Buffer.from('early'));
            connection
              .onData((bytes) => void (text += Buffer.from(bytes).toString()))
              .onClose((error) => (error === undefined ? resolve(text) : reject(error)));
          }),
        port,
        { timeoutMs: 5000 },
      );
      expect([got, answer]).toEqual(['early', 'bye']);
    });

    it('to a port where nobody listens closes with ECONNREFUSED, with or without a reader', async () => {
      const port = await serve(() => undefined);
      for (const server of servers) server.close();
      servers.clear();
      for (const how of ['reads', 'writes', 'waits']) {
        const error = await inside(
          runtime,
          0,
          (reactor, { to, how: kind }: { to: number; how: string }) =>
            new Promise<string | undefined>((resolve) => {
              const connection = reactor.io.connect({ port: to });
              connection.onClose((e) => resolve(e?.errno));
              if (kind === 'reads') connection.onData(() => undefined);
              if (kind === 'writes') connection.offer(new Uint8Array(1));
            }),
          { to: port, how },
          { timeoutMs: 2000 },
        );
        expect(error, how).toBe('ECONNREFUSED');
      }
      expect(await openEndpoints()).toBe(0);
    });

    it('between two reactors works as between two programs', async () => {
      const port = await echo();
      const answer = await inside(runtime, 1, (reactor, to: number) => new Promise<string>((resolve) => {
        const connection = reactor.io.connect({ port: to });
        connection.onData((bytes) => {
          resolve(Buffer.from(bytes).toString());
          connection.end();
        });
        connection.offer(Buffer.from('over there'));
      }), port, { timeoutMs: 5000 });
      expect(answer).toBe('over there');
    });
  });

  describe('1 MiB both ways, read in tiny parts', () => {
    for (const readBytes of [7, 61, 4096]) {
      it(`${readBytes} bytes at a time`, async () => {
        const port = await echo({ readBytes, highWaterBytes: 4 << 20 });
        const sent = randomBytes(1 << 20);
        const { socket, bytes, ended } = await peer(port);
        socket.end(sent);
        await until(ended, 'the end', 30_000);
        expect(createHash('sha256').update(bytes()).digest('hex')).toBe(
          createHash('sha256').update(sent).digest('hex'),
        );
      });
    }
  });

  describe('readiness that was on its way to a connection', () => {
    it('reaches nobody after another handler of the same batch has closed it, also when its number is used '
      + 'again', async () => {
      const port = await inside(runtime, 0, (reactor, _argument, { state }) => {
        state['connections'] = [];
        state['log'] = [];
        return reactor.io.listen({ port: 0 }, (connection) => {
          const name = `${state['connections'].length}`;
          state['connections'].push(connection);
          connection.onClose(() => state['log'].push(`close ${name}`));
          connection.onData(() => {
            state['log'].push(`data ${name}`);
            for (const other of state['connections']) if (other !== connection && !other.isClosed) other.close();
            // Takes the number of the descriptor that was just closed, whose readiness must not reach it.
            state['young'] ??= reactor.io.connect({ port: state['port'] as number });
          });
        }).port;
      });
      const idle = await serve(() => undefined);
      await inside(runtime, 0, (_reactor, to: number, { state }) => void (state['port'] = to), idle);
      const peers = [await peer(port), await peer(port)];
      await until(async () => (await openEndpoints()) === 3, 'both accepted');
      // Both become readable while the reactor is busy, so that one look at its epoll finds them together.
      const busy = inside(runtime, 0, () => {
        const end = performance.now() + 100;
        while (performance.now() < end);
      });
      await sleep(30);
      for (const { socket } of peers) socket.write('x');
      await busy;
      await until(
        () => inside(runtime, 0, (_reactor, _argument, { state }) => state['log'].length >= 2), 'one of them ran',
      );
      await sleep(50);
      const log = await inside(
        runtime,
        0,
        (_reactor, _argument, { state }) =>
          [...state['log'], state['young'].bytesRead, state['young'].isClosed] as unknown[],
      );
      expect([
        ['data 0', 'close 1', 0, false], ['data 1', 'close 0', 0, false],
      ]).toContainEqual(log);
      expect(stepErrors).toEqual([]);
    });
  });

  describe('a handler that throws', () => {
    it('harms nothing but its own step: it is reported, and its connection and all others go on', async () => {
      const port = await inside(runtime, 0, (reactor) => reactor.io.listen({ port: 0 }, (connection) => {
        connection.onData((bytes) => {
          if (Buffer.from(bytes).toString() === 'bad') throw new Error('bad data');
          connection.offer(bytes);
        });
      }).port);
      const [bad, good] = [await peer(port), await peer(port)];
      bad.socket.write('bad');
      good.socket.write('good');
      await until(() => good.text() === 'good' && stepErrors.length === 1, 'the other one, and the report');
      expect(stepErrors).toEqual([`handler onData of a connection from 127.0.0.1:${bad.socket.localPort}: bad data`]);
      bad.socket.write('later');
      await until(() => bad.text() === 'later', 'the same connection');
    });

    it('when a connection is accepted does not stop the listener, and that connection does not stay open '
      + 'unattended', async () => {
      const port = await inside(runtime, 0, (reactor, _argument, { state }) => {
        state['accepted'] = 0;
        return reactor.io.listen({ port: 0 }, (connection) => {
          if (state['accepted']++ === 0) throw new Error('not this one');
          connection.onData((bytes) => void connection.offer(bytes));
        }).port;
      });
      const first = await peer(port);
      const { localPort } = first.socket;
      const second = await peer(port);
      second.socket.write('x');
      await until(() => second.text() === 'x', 'the second');
      expect(stepErrors).toEqual([`handler onConnection of a connection from 127.0.0.1:${localPort}: not this one`]);
      await until(first.closed, 'the first is closed', 2000);
      expect(await openEndpoints()).toBe(2);
    });

    it('when a connection closes does not keep closeAll from the rest', async () => {
      const port = await inside(runtime, 0, (reactor) => reactor.io.listen({ port: 0 }, (connection) => {
        connection.onData((bytes) => void connection.offer(bytes));
        connection.onClose(() => {
          throw new Error('at close');
        });
      }).port);
      const peers = [await peer(port), await peer(port), await peer(port)];
      for (const { socket } of peers) socket.write('x');
      await until(() => peers.every(({ text }) => text() === 'x'), 'all open');
      await inside(runtime, 0, (reactor) => reactor.io.closeAll()).catch(() => undefined);
      await until(() => peers.every(({ closed }) => closed()), 'all closed', 2000);
      expect(await openEndpoints()).toBe(0);
    });
  });

  describe('descriptors that run out', () => {
    it.each(['TCP', 'Unix'])(
      'neither crash nor spin; a connection that cannot be accepted is closed at once, and others are served when '
        + 'there are descriptors again: %s',
      async (family) => {
        const folder = mkdtempSync(join(tmpdir(), 'percore-emfile-'));
        const path = family === 'Unix' ? join(folder, 'socket') : undefined;
        // Enough to start with, since Node opens all modules of a graph at once.
        const child = spawn(
          'bash',
          [
            '-c',
            `ulimit -n 128; exec "${process.execPath}" "${fileURLToPath(fixture('emfile'))}" ${source} ${path ?? ''}`,
          ],
          { stdio: ['ignore', 'pipe', 'inherit'] },
        );
        let out = '';
        child.stdout.on('data', (chunk: Buffer) => void (out += chunk.toString()));
        const exited = once(child, 'exit');
        try {
          await until(() => out.includes('port '), 'the child listens');
          const where = path ?? Number(/port (\d+)/.exec(out)![1]);
          const peers = await Promise.all(Array.from({ length: 150 }, () => peer(where)));
          for (const { socket } of peers) socket.write('x');
          await sleep(300);
          const busyMs = cpuMs(child.pid!);
          await sleep(1000);
          const served = peers.filter(({ text }) => text() === 'x').length;
          expect(served, 'some were accepted').toBeGreaterThan(5);
          expect(served, 'and not all: the limit was met').toBeLessThan(150);
          expect(cpuMs(child.pid!) - busyMs, 'milliseconds of CPU in one second out of descriptors').toBeLessThan(200);
          await until(
            () => peers.every(({ text, closed }) => text() === 'x' || closed()),
            'the others know that they are not served', 5000,
          );
          for (const { socket } of peers) socket.destroy();
          let last = await peer(where);
          await until(
            async () => {
              if (last.closed()) last = await peer(where);
              else if (!last.socket.destroyed) last.socket.write('x');
              return last.text().startsWith('x');
            },
            'one that comes when there is room again is served',
            5000,
          );
          last.socket.destroy();
          child.kill('SIGTERM');
          expect((await within(10_000, exited, 'the child ends'))[0]).toBe(0);
          expect(out).toMatch(/refusals [1-9]\d*, shed [1-9]/);
        } finally {
          child.kill('SIGKILL');
          rmSync(folder, { recursive: true, force: true });
        }
      },
    );
  });
}

/** User and system time of a process so far, in milliseconds. */
function cpuMs(pid: number): number {
  const ticks = execFileSync('cat', [`/proc/${pid}/stat`], { encoding: 'utf8' }).split(') ')[1]!.split(' ');
  return (Number(ticks[11]) + Number(ticks[12])) * 10;
}

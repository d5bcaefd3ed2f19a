import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { inside, remoteRuntime, until, within } from '../reactor/fixtures/inside.js';
import type { Runtime } from '../reactor/runtime.js';

describe.each(['epoll', 'io_uring'] as const)('on %s', (source) => {
  let runtime: Runtime;
  const sockets = new Set<Socket>();
  let stepErrors: string[] = [];

  beforeAll(async () => {
    runtime = await remoteRuntime(2, { io: { source } });
    runtime.on('stepError', ({ error }) => void stepErrors.push(error.message));
  });
  afterAll(() => runtime.close());
  beforeEach(() => {
    stepErrors = [];
  });
  afterEach(async () => {
    for (const socket of sockets) socket.close();
    sockets.clear();
    for (const id of [0, 1]) await inside(runtime, id, (reactor, _argument, { state }) => {
      for (const key of Object.keys(state)) delete state[key];
      reactor.io.closeAll();
    });
  });

  interface Peer { socket: Socket; port: number; messages: Buffer[]; from: RemoteInfo[]; texts(): string[] }

  /** A socket of node:dgram on a free port, with everything that it has received. */
  async function peer(type: 'udp4' | 'udp6' = 'udp4'): Promise<Peer> {
    const socket = createSocket(type);
    sockets.add(socket);
    const messages: Buffer[] = [], from: RemoteInfo[] = [];
    socket.on('message', (message, info) => {
      messages.push(message);
      from.push(info);
    });
    socket.bind(0, type === 'udp4' ? '127.0.0.1' : '::1');
    await within(5000, once(socket, 'listening'), 'bind');
    return { socket, port: socket.address().port, messages, from, texts: () => messages.map(String) };
  }

  /** Opens an echo socket in reactor 0 as state.socket, and returns its port. */
  const echo = (options: Record<string, unknown> = {}): Promise<number> =>
    inside(
      runtime,
      0,
      (reactor, given: Record<string, unknown>, { state }) => {
        const socket = (state['socket'] = reactor.io.udp(given));
        state['errors'] = [];
        socket
          .onReceive((bytes, offset, length, from) => void socket.send(bytes, offset, length, from))
          .onError((error) => void state['errors'].push(error.errno));
        return socket.port;
      },
      options,
    );

  /** The counters of state.socket. */
  const counters = (id = 0): Promise<Record<string, number>> =>
    inside(runtime, id, (_reactor, _argument, { state }) => {
      const { kernelDropped: _ignored, ...figures } = state['socket'].status();
      return figures;
    });

  /** A port where nobody listens. */
  async function deadPort(): Promise<number> {
    const { socket, port } = await peer();
    sockets.delete(socket);
    socket.close();
    await once(socket, 'close');
    return port;
  }

  describe('a UDP socket', () => {
    it('echoes what node:dgram sends, of every length, and counts it', async () => {
      const port = await echo({ datagramBytes: 65_536 });
      const { socket, messages, from } = await peer();
      const lengths = [0, 1, 2, 3, 4, 5, 31, 32, 33, 63, 64, 65, 255, 256, 257, 1471, 2048, 9000, 65_507];
      for (const [i, length] of lengths.entries()) {
        const sent = Buffer.from(Array.from({ length }, (_, at) => (at * 7 + i) & 255));
        socket.send(sent, port, '127.0.0.1');
        await until(() => messages.length === i + 1, `the echo of ${length} bytes`);
        expect(messages[i]!.equals(sent), `${length} bytes`).toBe(true);
        expect(from[i]!.port).toBe(port);
      }
      const bytes = lengths.reduce((sum, length) => sum + length, 0);
      expect(await counters()).toEqual({
        received: lengths.length, receivedBytes: bytes, sent: lengths.length, sentBytes: bytes, truncated: 0,
        unreachable: 0, dropped: 0, refused: 0, pending: 0,
      });
    });

    it('answers each of several peers with its own bytes when they come in one batch', async () => {
      const port = await echo();
      const peers = await Promise.all(Array.from({ length: 20 }, () => peer()));
      // While the reactor is busy, everything queues up in the kernel, so that batches hold datagrams of all peers.
      const busy = inside(runtime, 0, () => {
        const endMs = Date.now() + 100;
        while (Date.now() < endMs);
      });
      for (let round = 0; round < 10; round++)
        for (const [i, { socket }] of peers.entries()) socket.send(`${i}:${round}`, port, '127.0.0.1');
      await busy;
      await until(() => peers.every(({ messages }) => messages.length === 10), 'all echoes');
      for (const [i, { texts }] of peers.entries())
        expect(texts().toSorted()).toEqual(Array.from({ length: 10 }, (_, round) => `${i}:${round}`));
      expect(await counters()).toMatchObject({ received: 200, sent: 200 });
    });

    it('gives the comfortable form an address that send takes', async () => {
      const port = await inside(runtime, 0, (reactor, _argument, { state }) => {
        const socket = state['socket'] = reactor.io.udp();
        socket.onData((bytes, from) => {
          state['from'] = from;
          socket.send(Buffer.from(`${Buffer.from(bytes)} to you`), 0, bytes.length + 7, from);
        });
        return socket.port;
      });
      const { socket, texts, port: own } = await peer();
      socket.send('hello', port, '127.0.0.1');
      await until(() => texts().length === 1, 'the answer');
      expect(texts()).toEqual(['hello to you']);
      expect(await inside(runtime, 0, (_reactor, _argument, { state }) => state['from'])).toEqual({
        address: '127.0.0.1', port: own,
      });
    });

    it('takes IPv6', async () => {
      const port = await echo({ host: '::1' });
      const { socket, texts } = await peer('udp6');
      socket.send('six', port, '::1');
      await until(() => texts()[0] === 'six', 'the echo');
      expect(await inside(runtime, 0, (_reactor, _argument, { state }) => state['socket'].address)).toBe('::1');
    });

    it('sends to an address or a kept peer, outside of a handler', async () => {
      const { port, texts, socket } = await peer();
      const own = await echo();
      socket.send('first', own, '127.0.0.1');
      await until(() => texts().length === 1, 'the echo');
      const codes = await inside(
        runtime,
        0,
        (_reactor, to: number, { state }) => {
          const kept = state['socket'].keep({ host: '127.0.0.1', port: to });
          state['kept'] = kept;
          return [
            state['socket'].send(Buffer.from('xa'), 1, 1, { host: '127.0.0.1', port: to }),
            state['socket'].send(Buffer.from('b'), 0, 1, kept),
            state['socket'].send(Buffer.from('c'), undefined, undefined, { address: '127.0.0.1', port: to }),
          ];
        },
        port,
      );
      expect(codes).toEqual([0, 0, 0]);
      await until(() => texts().length === 4, 'three datagrams');
      expect(texts()).toEqual(['first', 'a', 'b', 'c']);
    });

    it('keeps a peer of a datagram beyond the batch, and refuses its number after forget', async () => {
      const port = await inside(runtime, 0, (reactor, _argument, { state }) => {
        const socket = state['socket'] = reactor.io.udp();
        socket.onReceive((_bytes, _offset, _length, from) => {
          state['raw'] ??= from;
          state['kept'] ??= socket.keep(from);
        });
        return socket.port;
      });
      const [first, second] = [await peer(), await peer()];
      first.socket.send('x', port, '127.0.0.1');
      await until(async () => (await counters())['received'] === 1, 'the first');
      second.socket.send('y', port, '127.0.0.1');
      await until(async () => (await counters())['received'] === 2, 'the second');
      const stale = await inside(runtime, 0, (_reactor, _argument, { state }) => {
        state['socket'].send(new Uint8Array([65]), 0, 1, state['kept']);
        // Sent and forgotten in one step: it must still go to the first peer.
        state['socket'].forget(state['kept']);
        const refusals: string[] = [];
        for (const number of [state['raw'], state['kept'], -1, -2 - 65_536]) {
          try {
            state['socket'].send(new Uint8Array(1), 0, 1, number);
          } catch (error) {
            refusals.push((error as Error).message.replace(/-?\d+/g, 'N'));
          }
        }
        return refusals;
      });
      expect(stale).toEqual([
        'peer must be the peer of a datagram that is being delivered; keep(peer) gives one that lasts, not N',
        'peer must be a number from keep() that was not forgotten, not N',
        'peer must be a peer or an address, since this socket is not connected, not undefined',
        'peer must be a number from keep() that was not forgotten, not N',
      ]);
      await until(() => first.texts()[0] === 'A', 'the kept peer has it');
      expect(second.messages).toEqual([]);
    });

    it('sends through another socket to a peer of the batch, though the batch is over by then', async () => {
      const [port, other] = await inside(runtime, 0, (reactor, _argument, { state }) => {
        const [front, back] = [reactor.io.udp(), reactor.io.udp()];
        state['socket'] = front;
        // Two sockets: what the first receives is answered through the second, in two steps. Both use the pool's batch.
        front.onReceive((bytes, offset, length, from) => void back.send(bytes, offset, length, from));
        back.onReceive(() => undefined);
        return [front.port, back.port];
      });
      const peers = await Promise.all(Array.from({ length: 4 }, () => peer()));
      for (let round = 0; round < 50; round++) {
        for (const [i, { socket }] of peers.entries()) {
          socket.send(`${i}`, port!, '127.0.0.1');
          socket.send('noise', other!, '127.0.0.1');
        }
      }
      await until(() => peers.every(({ messages }) => messages.length === 50), 'all answers');
      for (const [i, { texts, from }] of peers.entries()) {
        expect(new Set(texts())).toEqual(new Set([`${i}`]));
        expect(new Set(from.map(({ port: sender }) => sender))).toEqual(new Set([other]));
      }
    });

    it('counts a datagram that is too long for its slot and says how much was cut off', async () => {
      const port = await inside(runtime, 0, (reactor, _argument, { state }) => {
        state['seen'] = [];
        const socket = (state['socket'] = reactor.io.udp({ datagramBytes: 16 }));
        socket.onReceive(
          (bytes, offset, length, _from, cutBytes) =>
            void state['seen'].push([Buffer.from(bytes.subarray(offset, offset + length)).toString(), cutBytes]),
        );
        return socket.port;
      });
      const { socket } = await peer();
      for (const text of ['0123456789abcdef', '0123456789abcdefghij', 'next']) socket.send(text, port, '127.0.0.1');
      await until(async () => (await counters())['received'] === 3, 'three');
      expect(await inside(runtime, 0, (_reactor, _argument, { state }) => state['seen'])).toEqual([
        ['0123456789abcdef', 0], ['0123456789abcdef', 4], ['next', 0],
      ]);
      expect(await counters()).toMatchObject({ truncated: 1, receivedBytes: 36 });
    });

    it.each([undefined, { host: '127.0.0.1' }])(
      'that is connected (%j) hears its peer alone, and needs no address',
      async (options) => {
        const [friend, stranger] = [await peer(), await peer()];
        const port = await inside(
          runtime,
          0,
          (reactor, [to, given]: [number, { host: string } | undefined], { state }) => {
            state['texts'] = [];
            const socket = (state['socket'] = reactor.io.udp(
              given === undefined ? { connect: { port: to } } : { connect: { port: to }, ...given },
            ));
            socket.onData((bytes) => void state['texts'].push(Buffer.from(bytes).toString()));
            socket.send(Buffer.from('hi'));
            return socket.port;
          },
          [friend.port, options] as [number, { host: string } | undefined],
        );
        await until(() => friend.texts()[0] === 'hi', 'the greeting');
        stranger.socket.send('no', port, '127.0.0.1');
        friend.socket.send('yes', port, '127.0.0.1');
        await until(async () => (await counters())['received'] === 1, 'one');
        expect(await inside(runtime, 0, (_reactor, _argument, { state }) => state['texts'])).toEqual(['yes']);
      },
    );

    it('shares a port with one in each reactor under reusePort', async () => {
      const port = await inside(runtime, 0, (reactor, _argument, { state }) => {
        const socket = state['socket'] = reactor.io.udp({ reusePort: true });
        socket.onReceive((_bytes, _offset, _length, from) => void socket.send(Buffer.from('0'), 0, 1, from));
        return socket.port;
      });
      await inside(runtime, 1, (reactor, shared: number) => {
        const socket = reactor.io.udp({ port: shared, reusePort: true });
        socket.onReceive((_bytes, _offset, _length, from) => void socket.send(Buffer.from('1'), 0, 1, from));
      }, port);
      const peers = await Promise.all(Array.from({ length: 64 }, () => peer()));
      for (const { socket } of peers) socket.send('x', port, '127.0.0.1');
      await until(() => peers.every(({ messages }) => messages.length === 1), 'an answer each');
      expect(new Set(peers.flatMap(({ texts }) => texts()))).toEqual(new Set(['0', '1']));
    });
  });

  describe('bad weather', () => {
    it('a refusal at the connected port is counted and reported, and the socket goes on', async () => {
      const dead = await deadPort();
      await inside(runtime, 0, (reactor, to: number, { state }) => {
        state['errors'] = [];
        const socket = state['socket'] = reactor.io.udp({ connect: { port: to } });
        socket.onReceive(() => undefined).onError((error) => void state['errors'].push(`${error.code} ${error.errno}`));
        for (let i = 0; i < 10; i++) socket.send(Buffer.from('x'));
      }, dead);
      await until(async () => (await counters())['unreachable']! >= 1, 'a refusal');
      expect(
        await inside(runtime, 0, (_reactor, _argument, { state }) => [state['errors'][0], state['socket'].isClosed]),
      ).toEqual(['ERR_PERCORE_SYSTEM ECONNREFUSED', false]);
      // None of the ten was given up: each refusal belonged to a datagram before.
      expect(await counters()).toMatchObject({ sent: 10, dropped: 0, pending: 0 });
      // Now somebody listens there, and the same socket reaches it.
      const late = createSocket('udp4');
      sockets.add(late);
      late.bind(dead, '127.0.0.1');
      await once(late, 'listening');
      const heard = once(late, 'message');
      await inside(runtime, 0, (_reactor, _argument, { state }) => void state['socket'].send(Buffer.from('again')));
      expect(String((await within(5000, heard, 'the datagram'))[0])).toBe('again');
    });

    it('a datagram that the kernel refuses is dropped and reported; those around it arrive', async () => {
      const { port, texts } = await peer();
      await inside(runtime, 0, (reactor, to: number, { state }) => {
        state['errors'] = [];
        const socket = state['socket'] = reactor.io.udp();
        socket.onError((error) => void state['errors'].push(error.errno));
        socket.send(Buffer.from('a'), 0, 1, { host: '127.0.0.1', port: to });
        // Broadcast was not asked for, so this one is refused.
        socket.send(Buffer.from('b'), 0, 1, { host: '255.255.255.255', port: to });
        socket.send(Buffer.from('c'), 0, 1, { host: '127.0.0.1', port: to });
      }, port);
      await until(() => texts().length === 2, 'both');
      expect(texts()).toEqual(['a', 'c']);
      const errors: string[] = await inside(runtime, 0, (_reactor, _argument, { state }) => state['errors']);
      expect(errors).toHaveLength(1);
      expect(['EACCES', 'ENETUNREACH']).toContain(errors[0]);
      expect(await counters()).toMatchObject({ sent: 2, dropped: 1 });
    });

    it('a datagram that can never be sent is TOO_LARGE', async () => {
      await echo();
      expect(
        await inside(runtime, 0, (reactor, _argument, { state, codes }) => {
          const to = { host: '127.0.0.1', port: 9 };
          const small = reactor.io.udp({ sendBytes: 64 });
          return [
            state['socket'].send(new Uint8Array(65_508), 0, 65_508, to) === codes.TOO_LARGE,
            small.send(new Uint8Array(65), 0, 65, to) === codes.TOO_LARGE, small.send(new Uint8Array(64), 0, 64, to),
          ];
        }),
      ).toEqual([true, true, 0]);
    });

    it('more than a batch in one step goes in several calls, in order', async () => {
      const { port, socket, texts } = await peer();
      socket.setRecvBufferSize(4 << 20);
      const result = await inside(runtime, 0, (reactor, to: number, { state }) => {
        const sender = state['socket'] = reactor.io.udp({ connect: { port: to } });
        let taken = 0;
        for (let i = 0; i < 200; i++) if (sender.send(Buffer.from(`${i}`)) === 0) taken++;
        return { taken, sent: sender.status().sent, pending: sender.pending };
      }, port);
      // Three batches were full; the last eight datagrams wait for the end of the step.
      expect(result).toEqual({ taken: 200, sent: 192, pending: 8 });
      await until(() => texts().length === 200, 'all');
      expect(texts()).toEqual(Array.from({ length: 200 }, (_, i) => `${i}`));
    });

    it('a kernel buffer that overflows is counted by kernelDropped', async () => {
      const port = await inside(
        runtime, 0,
        (reactor, _argument, { state }) => (state['socket'] = reactor.io.udp({ receiveBufferBytes: 4096 })).port,
      );
      const { socket } = await peer();
      for (let i = 0; i < 100; i++) socket.send(Buffer.alloc(1000), port, '127.0.0.1');
      await until(
        async () =>
          (await inside(
            runtime, 0, (_reactor, _argument, { state }) => state['socket'].status().kernelDropped as number,
          )) > 50,
        'drops',
      );
    });

    it('a descriptor that others close is reported as EBADF, and closes the socket', async () => {
      await echo();
      const result = await inside(runtime, 0, async (_reactor, _argument, { state, require, until: become, codes }) => {
        const { socket } = state;
        const closed: unknown[] = [];
        socket.onClose((error: { code: string; errno: string; syscall: string }) =>
          closed.push([error.code, error.errno, error.syscall]),
        );
        require('node:fs').closeSync(socket.fd);
        socket.send(new Uint8Array(1), 0, 1, { host: '127.0.0.1', port: 9 });
        await become(() => socket.isClosed);
        return [
          closed, socket.send(new Uint8Array(1), 0, 1, { host: '127.0.0.1', port: 9 }) === codes.CLOSED,
          socket.status().dropped,
        ];
      });
      expect(result).toEqual([[['ERR_PERCORE_SYSTEM', 'EBADF', 'sendmmsg']], true, 1]);
    });

    it('a port in use is ERR_PERCORE_ADDRESS_IN_USE', async () => {
      const { port } = await peer();
      await expect(
        inside(runtime, 0, (reactor, taken: number) => reactor.io.udp({ port: taken }).port, port),
      ).rejects.toMatchObject({
        code: 'ERR_PERCORE_ADDRESS_IN_USE',
        message: `cannot open a UDP socket on 127.0.0.1:${port}: the port is in use; choose another, or 0 `
          + `for a free one`,
      });
    });

    it('wrong arguments are named', async () => {
      const messages = await inside(runtime, 0, (reactor) =>
        [
          { port: -1 }, { priority: 8 }, { datagramBytes: 0 }, { datagramBytes: 65_537 }, { batch: 65 },
          { sendBytes: 7 }, { receiveBufferBytes: 0 }, { host: 4 }, { connect: { port: 0 } },
        ].map((options) => {
          try {
            reactor.io.udp(options as never);
            return 'accepted';
          } catch (error) {
            return (error as Error).message;
          }
        }),
      );
      expect(messages).toEqual([
        'port must be a whole number from 0 to 65535, not -1', 'priority must be a whole number from 0 to 7, not 8',
        'datagramBytes must be a whole number from 1 to 65536, not 0',
        'datagramBytes must be a whole number from 1 to 65536, not 65537',
        'batch must be a whole number from 1 to 64, not 65',
        'sendBytes must be a whole number from 8 to 16777216, not 7',
        'receiveBufferBytes must be a whole number from 1 to 1073741824, not 0',
        expect.stringMatching(/^host must be an IPv4 or IPv6 address .*, not 4$/),
        'connect.port must be a whole number from 1 to 65535, not 0',
      ]);
      expect(await inside(runtime, 0, (reactor) => reactor.io.status().endpoints)).toBe(0);
    });
  });

  describe('a handler', () => {
    /** While the reactor is busy, sends `count` datagrams "0", "1" ... to `port`, so that they come in one batch. */
    async function batchOf(count: number, port: number): Promise<Peer> {
      const sender = await peer();
      const busy = inside(runtime, 0, () => {
        const endMs = Date.now() + 60;
        while (Date.now() < endMs);
      });
      for (let i = 0; i < count; i++) sender.socket.send(`${i}`, port, '127.0.0.1');
      await busy;
      return sender;
    }

    it('that throws in the middle of a batch is reported, and the rest is delivered and answered', async () => {
      const port = await inside(runtime, 0, (reactor, _argument, { state }) => {
        const socket = state['socket'] = reactor.io.udp();
        socket.onReceive((bytes, offset, length, from) => {
          socket.send(bytes, offset, length, from);
          if (bytes[offset] === 53) throw new Error('five');
        });
        return socket.port;
      });
      const { texts } = await batchOf(10, port);
      await until(() => texts().length === 10, 'all answers');
      expect(texts()).toEqual(Array.from({ length: 10 }, (_, i) => `${i}`));
      await until(() => stepErrors.length === 1, 'the report');
      expect(stepErrors).toEqual(['five']);
    });

    it('that closes its socket in the middle of a batch is given nothing more', async () => {
      const port = await inside(runtime, 0, (reactor, _argument, { state }) => {
        state['closed'] = 0;
        const socket = state['socket'] = reactor.io.udp();
        socket.onReceive((bytes, offset, length, from) => {
          socket.send(bytes, offset, length, from);
          if (bytes[offset] === 51) socket.close();
        }).onClose(() => state['closed']++);
        return socket.port;
      });
      const { texts } = await batchOf(10, port);
      // What was sent before the close has left.
      await until(() => texts().length === 4, 'the answers before');
      expect(await counters()).toMatchObject({ received: 4, sent: 4, dropped: 0 });
      expect(
        await inside(runtime, 0, (reactor, _argument, { state }) => [state['closed'], reactor.io.status().endpoints]),
      ).toEqual([1, 0]);
    });

    it('that pauses in the middle of a batch gets the rest after resume, in order', async () => {
      const port = await inside(runtime, 0, (reactor, _argument, { state }) => {
        state['texts'] = [];
        const socket = state['socket'] = reactor.io.udp();
        socket.onData((bytes) => {
          state['texts'].push(Buffer.from(bytes).toString());
          if (bytes[0] === 50) socket.pause();
        });
        return socket.port;
      });
      await batchOf(10, port);
      await until(async () => (await counters())['received'] === 3, 'three');
      // Meanwhile another socket receives in a batch of its own.
      const second = await inside(runtime, 0, (reactor, _argument, { state }) => {
        state['other'] = reactor.io.udp();
        state['other'].onReceive(() => undefined);
        return state['other'].port as number;
      });
      await batchOf(5, second);
      await until(
        () => inside(runtime, 0, (_reactor, _argument, { state }) => state['other'].status().received === 5),
        'the other',
      );
      expect((await counters())['received']).toBe(3);
      await inside(runtime, 0, (_reactor, _argument, { state }) => state['socket'].resume());
      await until(async () => (await counters())['received'] === 10, 'the rest');
      expect(await inside(runtime, 0, (_reactor, _argument, { state }) => state['texts'])).toEqual(
        Array.from({ length: 10 }, (_, i) => `${i}`),
      );
    });

    it('that closes another socket which is ready in the same turn: the other is given nothing', async () => {
      const ports = await inside(runtime, 0, (reactor, _argument, { state }) => {
        state['heard'] = [];
        const pair = [reactor.io.udp(), reactor.io.udp()];
        for (const [i, socket] of pair.entries()) {
          socket.onReceive(() => {
            state['heard'].push(i);
            pair[1 - i]!.close();
          });
        }
        return pair.map(({ port }) => port);
      });
      const sender = await peer();
      const busy = inside(runtime, 0, () => {
        const endMs = Date.now() + 60;
        while (Date.now() < endMs);
      });
      for (const port of ports) sender.socket.send('x', port, '127.0.0.1');
      await busy;
      await until(
        async () => (await inside(runtime, 0, (_reactor, _argument, { state }) => state['heard'].length as number)) > 0,
        'one',
      );
      expect(
        await inside(runtime, 0, (reactor, _argument, { state }) => [
          state['heard'].length, reactor.io.status().endpoints,
        ]),
      ).toEqual([1, 1]);
    });
  });
});

/**
 * Peers that stall, half-close, reset and refuse, on both sources. What one peer does concerns no other connection:
 * nobody waits for a peer that does not read or is not read, and every promise and deadline of its connection settles.
 */
import { once } from 'node:events';
import { connect as netConnect, createServer, type AddressInfo, type Socket } from 'node:net';
import { closeSync, openSync, readlinkSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PercoreError } from '../errors.js';
import { words } from '../layout.js';
import { BACK_PRESSURED, OK } from '../queues/index.js';
import type { Ready } from '../scheduling/internal.js';
import { errorOf, sleep, until, within } from '../reactor/fixtures/inside.js';
import type { Connection } from './connection.js';
import { duplexOf } from './connection-node-streams.js';
import { sources } from './fixtures/sources.js';
import { coreOf } from './io.js';
import { create, type LocalIo } from './local-io.js';

const isStress = process.env['PERCORE_STRESS'] === '1';

describe.each(sources)('on %s', (source) => {
  let io: LocalIo;
  let errors: Error[] = [];
  const sockets = new Set<Socket>();
  beforeEach(() => {
    errors = [];
    io = create({ source, onError: (error) => void errors.push(error as Error) });
  });
  afterEach(() => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
    io.close();
  });

  async function peer(port: number): Promise<Socket> {
    const socket = netConnect({ port, host: '127.0.0.1', allowHalfOpen: true });
    sockets.add(socket);
    socket.on('error', () => undefined);
    await within(5000, once(socket, 'connect'), 'connect');
    return socket;
  }

  /** The server's end of a new connection, and the client's. */
  async function pair(options: Record<string, unknown> = {}): Promise<{ connection: Connection; socket: Socket }> {
    let connection: Connection | undefined;
    const listener = io.listen({ port: 0, ...options }, (accepted) => void (connection = accepted));
    const socket = await peer(listener.port);
    await until(() => connection !== undefined, 'accepted');
    listener.close();
    return { connection: connection!, socket };
  }

  type Closing = (Error & { code?: string; errno?: string; syscall?: string }) | undefined;
  const closed = (connection: Connection): Promise<Closing> =>
    new Promise((resolve) => void connection.onClose(resolve));

  /** Offers until an offer is refused: the kernel's buffer and the backlog are full. Returns the bytes taken. */
  function fill(connection: Connection, piece = 65_536): number {
    let taken = 0;
    for (const bytes = new Uint8Array(piece); connection.offer(bytes) === OK; taken += piece) io.flush();
    return taken;
  }

  describe('nobody waits for a peer', () => {
    /** Echoes what begins with a "p", and has `treat` deal with all other connections, which it returns. */
    async function besides(
      count: number, bytes: number, treat: (connection: Connection, first: Uint8Array) => void,
    ): Promise<Connection[]> {
      const treated: Connection[] = [];
      const listener = io.listen({ port: 0, backlog: 4096, highWaterBytes: 2 ** 20 }, (connection) => {
        connection.onData((first) => {
          if (first[0] === 112) return void connection.offer(first);
          treated.push(connection);
          treat(connection, first);
        });
      });
      const chunk = Buffer.alloc(bytes);
      for (let i = 0; i < count; i++) {
        const socket = netConnect({ port: listener.port, host: '127.0.0.1' }).on('error', () => undefined);
        sockets.add(socket);
        socket.pause();
        socket.write(chunk);
        if (i % 100 === 99) await sleep(1);
      }
      await until(() => new Set(treated).size === count, `${new Set(treated).size} of ${count} peers`, 60_000);
      const pinger = await peer(listener.port);
      for (let round = 0; round < 5; round++) {
        pinger.write('ping');
        const [answer] = await within(5000, once(pinger, 'data'), 'an answer');
        expect(String(answer)).toBe('ping');
      }
      return treated;
    }

    it('that is paused: 100 of them with a megabyte each, and each holds its share', async () => {
      const treated = await besides(100, 2 ** 20, (connection) => connection.pause());
      await sleep(50);
      for (const connection of treated) expect(connection.status().unreadBytes).toBeLessThanOrEqual(2 ** 20);
      expect(coreOf(io)!.memory.isPoolShort).toBe(false);
      for (const connection of treated) {
        connection.onData(() => undefined);
        connection.resume();
      }
      await until(() => treated.every(({ bytesRead }) => bytesRead === 2 ** 20), 'every byte after all', 20_000);
    });

    it('who waits for a buffer behind many others asks a few times, and not once for each of them', async () => {
      const count = 1500;
      const echo = io.listen({ port: 0, backlog: 4096 }, (connection) =>
        connection.onData((bytes) => void connection.offer(bytes)),
      );
      const bulk: Socket[] = [];
      for (let i = 0; i < count; i++) {
        bulk.push(await peer(echo.port));
        if (i % 100 === 99) await until(() => io.status().endpoints === i + 2, 'accepted');
      }
      const answers = bulk.map((socket) => once(socket, 'data'));
      const { memory } = coreOf(io)!;
      const { poolWaits } = memory;
      // All arrive before this thread receives the first of them, and there are 256 buffers.
      for (const [i, socket] of bulk.entries()) socket.write(`number ${i}`);
      const echoed = await within(20_000, Promise.all(answers), 'every answer');
      expect(echoed.map(String)).toEqual(bulk.map((_, i) => `number ${i}`));
      expect(memory.poolWaits - poolWaits).toBeLessThanOrEqual(2 * count);
      if (source === 'io_uring') expect(memory.poolWaits).toBeGreaterThan(poolWaits);
    });

    it('that is corked, or does not read what it is sent', async () => {
      const filled: number[] = [];
      await besides(50, 100, (connection) => {
        connection.cork();
        filled.push(fill(connection, 16_384));
      });
      expect(Math.min(...filled)).toBeGreaterThanOrEqual(2 ** 20);
    });

    if (isStress) it('that is paused or silent: thousands of them', async () => {
      // Both ends of each connection are in this process.
      const count = Math.min(10_000, Math.floor((Number(process.env['PERCORE_DESCRIPTORS'] ?? 20_000) - 500) / 2));
      await besides(count, 30_000, (connection) => connection.pause());
    }, 120_000);

    it('of a lower band, whose steps do not run while higher ones do', async () => {
      let isBusy = false;
      const low = io.listen({ port: 0, priority: 0 }, (connection) => connection.onData(() => undefined));
      const high = io.listen({ port: 0, priority: 7 }, (connection) =>
        connection.onData((bytes) => void connection.offer(bytes)),
      );
      const bulk = await Promise.all(Array.from({ length: 100 }, () => peer(low.port)));
      const pinger = await peer(high.port);
      await until(() => io.status().endpoints === 103, 'all accepted');
      const busy: Ready = { band: 6, isReady: false, run: () => isBusy };
      isBusy = true;
      coreOf(io)!.schedule(busy);
      for (const socket of bulk) socket.write(Buffer.alloc(2 ** 20));
      await sleep(100);
      pinger.write('ping');
      const [answer] = await within(5000, once(pinger, 'data'), 'an answer while band 6 is busy');
      isBusy = false;
      expect(String(answer)).toBe('ping');
    });

    it('whose arrivals were moved: it gets every byte, in order, however often it is paused', async () => {
      let [at, wrong] = [0, 0];
      const listener = io.listen({ port: 0, readBytes: 5000 }, (connection) => {
        connection.onData((bytes) => {
          for (const byte of bytes) if (byte !== (at++ * 7 + (at >>> 9)) % 251) wrong++;
          connection.pause();
          // Also what comes later is moved while the pool is short.
          setTimeout(() => connection.resume(), at % 3);
        });
      });
      Object.defineProperty(coreOf(io)!.memory, 'isPoolShort', { get: () => true });
      const bytes = Buffer.alloc(2_000_000);
      for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 7 + ((i + 1) >>> 9)) % 251;
      (await peer(listener.port)).write(bytes);
      await until(() => at === bytes.length, 'all bytes', 20_000);
      expect(wrong).toBe(0);
    });
  });

  it('that pauses in its handler while more arrives, and the pool is short, gets every byte in order', async () => {
    const got: Buffer[] = [];
    const texts = ['more than is read in one step; ', 'and more; ', 'and more; ', 'and more; '];
    let sendMore = (): void => undefined;
    const listener = io.listen({ port: 0, readBytes: 10 }, (connection) => {
      connection.onData((bytes) => {
        got.push(Buffer.from(bytes));
        if (got.length !== 1) return;
        connection.pause();
        sendMore();
        setTimeout(() => connection.resume(), 5);
      });
    });
    Object.defineProperty(coreOf(io)!.memory, 'isPoolShort', { get: () => true });
    const client = io.connect({ port: listener.port });
    // On io_uring it arrives within these flushes, while the handler runs.
    sendMore = () => {
      for (const text of texts.slice(1)) {
        client.offerText(text);
        io.flush();
      }
    };
    client.offerText(texts[0]!);
    const all = texts.join('');
    await until(() => Buffer.concat(got).length >= all.length, 'all bytes');
    expect(Buffer.concat(got).toString()).toBe(all);
    expect(Math.min(...coreOf(io)!.memory.block)).toBeGreaterThanOrEqual(-1);
  });

  describe('a half-closed peer', () => {
    it.each([
      ['reads', true], ['does not read', false],
    ])('gets all of a long answer, then the end: the server %s', async (_name, isReader) => {
      const { connection, socket } = await pair({ highWaterBytes: 2 ** 25 });
      if (isReader) connection.onData(() => undefined).onEnd(() => undefined);
      socket.pause();
      socket.end('request');
      await sleep(30);
      connection.offer(new Uint8Array(12_000_000));
      connection.end();
      await sleep(100);
      let got = 0;
      socket.on('data', (bytes) => void (got += bytes.length)).resume();
      await within(10_000, once(socket, 'end'), 'the end');
      expect(got).toBe(12_000_000);
    });

    it('with a full buffer is not reported writable before there is room', async () => {
      const { connection, socket } = await pair({ highWaterBytes: 2 ** 25 });
      socket.pause();
      fill(connection, 2 ** 20);
      socket.end();
      await sleep(30);
      const { fd } = connection.detach() ?? { fd: -1 };
      expect(fd, 'bytes wait, so it stays').toBe(-1);
      // The same socket by another number, as a library would have it.
      const other = coreOf(io)!.native.sockets.take(connection.fd, coreOf(io)!.native.sockets.cookie(connection.fd));
      let calls = 0;
      const { WRITABLE, LEVEL } = words.interest;
      const descriptor = io.registerDescriptor(other, { interest: WRITABLE | LEVEL }, () => void calls++);
      await sleep(100);
      expect(calls, 'while there is no room').toBe(0);
      socket.resume();
      await until(() => calls > 0, 'room');
      descriptor.close();
      coreOf(io)!.native.descriptors.close(other);
    });

    it.each([
      ['that nobody reads', false], ['whose end was read', true],
    ])('%s is closed when it resets', async (_name, isReader) => {
      const { connection, socket } = await pair();
      let hasEnded = false;
      if (isReader) connection.onData(() => undefined).onEnd(() => void (hasEnded = true));
      const how = closed(connection);
      socket.end('bye');
      if (isReader) await until(() => hasEnded, 'the end');
      await sleep(30);
      socket.resetAndDestroy();
      expect(await within(2000, how, 'closed')).toMatchObject({
        code: 'ERR_PERCORE_SYSTEM', errno: expect.stringMatching(/^(ECONNRESET|EPIPE)$/),
      });
    });
  });

  it('a Duplex that nobody reads is destroyed when its peer resets', async () => {
    const { connection, socket } = await pair();
    const stream = duplexOf(connection);
    const log: unknown[] = [];
    stream
      .on('error', (error: { errno?: string }) => void log.push(error.errno))
      .on('close', () => void log.push('close'));
    for (let i = 0; i < 3; i++) {
      socket.write('nobody reads this');
      await sleep(20);
    }
    socket.resetAndDestroy();
    await until(() => log.length === 2, 'destroyed');
    expect(log).toEqual(['ECONNRESET', 'close']);
  });

  describe('waits of a connection', () => {
    it.each(['room', 'flushed'] as const)('%s ends by its signal, its time-out and its own close', async (method) => {
      const { connection, socket } = await pair({ highWaterBytes: 100_000 });
      socket.pause();
      fill(connection);
      const abort = new AbortController();
      const waits = [
        connection[method]({ signal: abort.signal }), connection[method]({ timeoutMs: 20 }), connection[method](),
      ];
      const [aborted, late] = waits.map((wait) =>
        wait.then(
          () => 'room', (error: unknown) => (error instanceof PercoreError ? error.code : error),
        ),
      );
      abort.abort();
      expect(await within(5000, Promise.all([aborted, late]), 'both')).toEqual([
        abort.signal.reason, 'ERR_PERCORE_TIMEOUT',
      ]);
      await expect(connection[method]({ signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' });
      await expect(connection[method]({ timeoutMs: -1 })).rejects.toThrow('timeoutMs must be');
      await expect(connection[method]({ timeout: 1 } as never)).rejects.toThrow('did you mean "timeoutMs"?');
      connection.close();
      await within(5000, waits[2]!, 'its own close');
      await within(5000, connection[method]({ timeoutMs: 0 }), 'of one that is closed');
    });
  });

  describe('a cork', () => {
    it('holds back no more than the mark allows: room() and flushed() settle, and then what was refused '
      + 'is taken', async () => {
      const { connection, socket } = await pair({ highWaterBytes: 16_384 });
      let got = 0;
      socket.on('data', (bytes) => void (got += bytes.length));
      connection.cork();
      const piece = new Uint8Array(1000);
      let taken = 0;
      while (connection.offer(piece) === OK) taken++;
      await within(2000, connection.room(), 'room');
      expect(connection.offer(piece)).toBe(OK);
      await within(2000, connection.flushed(), 'flushed');
      await until(() => got === (taken + 1) * 1000, 'all of it');
      // And the cork is still there.
      connection.offer(piece);
      await sleep(20);
      expect(connection.pendingBytes).toBe(1000);
      connection.uncork();
      await until(() => got === (taken + 2) * 1000, 'the last');
    });

    it('releases everything once it releases anything, even if that goes out in pieces and the last one is '
      + 'small', async () => {
      const { connection, socket } = await pair();
      let got = 0;
      socket.on('data', (bytes) => void (got += bytes.length));
      connection.cork();
      // It is more than one step sends, and the rest is less than what a cork holds back.
      for (let round = 1; round <= 3; round++) {
        expect(connection.offer(new Uint8Array(300_000))).toBe(OK);
        if (round === 1) await within(2000, connection.flushed(), 'flushed');
        if (round === 2) await within(2000, connection.room(), 'room');
        await until(() => got === round * 300_000, 'all of it');
      }
    });

    it('holds back nothing that was offered before it', async () => {
      const { connection, socket } = await pair();
      let [offered, got] = [0, 0];
      socket.pause();
      for (const piece = new Uint8Array(9999); connection.pendingBytes === 0; offered += piece.length) {
        connection.offer(piece);
        io.flush();
        // When something comes back for the first time, the cork is already set.
        connection.cork();
        if (connection.pendingBytes === 0) connection.uncork();
      }
      socket.on('data', (bytes) => void (got += bytes.length)).resume();
      await until(() => got === offered, 'all of it');
      expect(connection.offer(new Uint8Array(100))).toBe(OK);
      await sleep(20);
      expect(connection.pendingBytes).toBe(100);
    });

    it('does not count as a stuck write: writeMs closes a connection whose bytes the kernel does not take, and '
      + 'not one whose bytes are held back', async () => {
      const [held, stuck] = [await pair(), await pair({ highWaterBytes: 2 ** 24 })];
      held.connection.cork();
      held.connection.offer(new Uint8Array(100));
      held.connection.setDeadlines({ writeMs: 60 });
      stuck.socket.pause();
      fill(stuck.connection, 2 ** 20);
      stuck.connection.setDeadlines({ writeMs: 60 });
      const waits = [stuck.connection.room(), stuck.connection.flushed()];
      expect(await within(5000, closed(stuck.connection), 'the deadline')).toMatchObject({
        code: 'ERR_PERCORE_TIMEOUT', argument: 'writeMs',
      });
      await within(1000, Promise.all(waits), 'who waits goes on');
      await sleep(150);
      expect(held.connection.isClosed).toBe(false);
    });

    it('between two offers of a turn to a full kernel changes no order', async () => {
      const { connection, socket } = await pair({ highWaterBytes: 2 ** 24 });
      let [offered, got, wrong] = [0, 0, 0];
      const put = (length: number): void => {
        const bytes = new Uint8Array(length);
        for (let i = 0; i < length; i++) bytes[i] = (offered + i) % 251;
        if (connection.offer(bytes) === BACK_PRESSURED) throw new Error('refused');
        offered += length;
      };
      socket.pause();
      while (connection.pendingBytes === 0) {
        for (let i = 0; i < 10; i++) put(9999);
        connection.cork();
        put(777);
        io.flush();
        connection.uncork();
        // Outside of any step: between the send and what native code says of it.
        put(55);
        await new Promise((resolve) => setImmediate(resolve));
      }
      socket.on('data', (bytes) => {
        for (const byte of bytes) if (byte !== got++ % 251) wrong++;
      }).resume();
      await until(() => got === offered, 'all');
      expect(wrong).toBe(0);
    });
  });

  describe('connect', () => {
    it('that is refused says so, even if somebody reads', async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      await new Promise((resolve) => server.close(resolve));
      const connection = io.connect({ port });
      connection.onData(() => undefined);
      expect(await within(2000, closed(connection), 'closed')).toMatchObject({
        errno: 'ECONNREFUSED', syscall: 'connect',
      });
    });

    it('without a route closes as a refusal does, and throws nothing', async () => {
      // TCP to a broadcast address: refused by connect(2) itself, and nothing is sent.
      const connection = io.connect({ host: '255.255.255.255', port: 9 });
      expect(connection.state).toBe('connecting');
      expect(await within(2000, closed(connection), 'closed')).toMatchObject({
        code: 'ERR_PERCORE_SYSTEM', errno: 'ENETUNREACH', syscall: 'connect',
      });
      expect(io.status().endpoints).toBe(0);
    });
  });

  describe('attach', () => {
    it('takes only open stream sockets, once, and touches nothing else', async () => {
      const { connection } = await pair();
      const listener = io.listen({ port: 0 }, () => undefined);
      const file = openSync('/dev/null', 'r');
      const datagrams = (io.udp({}) as unknown as { fd: number }).fd;
      const unread = new Uint8Array(0);
      for (const fd of [
        NaN, undefined, '5', null, 1.5, -1, 2 ** 31, 2 ** 32, {}, 100_000, file, connection.fd, datagrams,
      ]) {
        const error = await errorOf(() => io.attach({ fd: fd as number, unread }));
        expect([error.code, String(error['argument'])], String(fd)).toEqual([
          'ERR_PERCORE_INVALID_ARGUMENT', 'detached.fd',
        ]);
      }
      for (const detached of [
        undefined, null, 5, { fd: 1 }, { fd: 1, unread: 'text' }, { fd: 1, unread, hasPeerEnded: 1 },
        { fd: 1, unread, hasPeerEnd: true },
      ]) {
        expect((await errorOf(() => io.attach(detached as never))).code).toBe('ERR_PERCORE_INVALID_ARGUMENT');
      }
      expect(readlinkSync(`/proc/self/fd/${file}`)).toBe('/dev/null');
      closeSync(file);
      expect(connection.isClosed).toBe(false);
      listener.close();
    });

    it('leaves a descriptor that it does not take to the caller, also when its I/O is closed', async () => {
      const { connection } = await pair();
      const { fd } = connection.detach()!;
      const over = create({ source });
      over.close();
      expect((await errorOf(() => over.attach({ fd, unread: new Uint8Array(0) }))).code).toBe('ERR_PERCORE_CLOSED');
      expect(readlinkSync(`/proc/self/fd/${fd}`)).toMatch(/^socket:/);
      io.attach({ fd, unread: new Uint8Array(0) }).close();
    });

    it('makes a connection whose deadlines work, whether bytes had been read before or not', async () => {
      for (const unread of [new Uint8Array(0), new Uint8Array(10)]) {
        const { connection } = await pair();
        const { fd } = connection.detach()!;
        const attached = io.attach({ fd, unread });
        attached.onData(() => undefined);
        attached.setDeadlines({ idleMs: 50 });
        expect(await within(3000, closed(attached), 'closed')).toMatchObject({
          code: 'ERR_PERCORE_TIMEOUT', argument: 'idleMs',
        });
      }
      expect(errors).toEqual([]);
    });
  });

  describe('a callback that throws does no other harm', () => {
    it('onClose, closed by the handler of another; onEnd; promises of onData and of the listener', async () => {
      const { connection, socket } = await pair();
      const [other, ending] = [await pair(), await pair()];
      let isAfter = false;
      other.connection.onClose(() => {
        throw new Error('at close');
      });
      ending.connection.onData(() => undefined).onEnd(() => {
        throw new Error('at end');
      });
      connection.onData(() => {
        other.connection.close();
        isAfter = true;
      });
      socket.write('x');
      await until(() => isAfter && errors.length === 1, 'the handler went on, the error was reported');
      const ended = once(ending.socket, 'end');
      ending.socket.resume().end();
      await within(2000, ended, 'it ends, as without a handler');
      await until(() => ending.connection.isClosed, 'closed');

      const late = await pair();
      late.connection.onData((async () => {
        throw new Error('later');
      }) as never);
      late.socket.write('x');
      const listener = io.listen({ port: 0 }, (async () => {
        throw new Error('in the listener');
      }) as never);
      await peer(listener.port);
      await until(() => errors.length === 4, 'all reported');
      expect(errors.map(({ message }) => message).sort()).toEqual(['at close', 'at end', 'in the listener', 'later']);
      expect(late.connection.isClosed).toBe(false);
    });
  });
});

/** `runtime.close()` waits, within `drainMs`, for bytes that endpoints have taken and the kernel has not. */
import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { connect as netConnect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { inside, remoteRuntime, sleep, until, within } from '../reactor/fixtures/inside.js';
import type { Runtime } from '../reactor/runtime.js';
import { sources } from './fixtures/sources.js';

const folder = mkdtempSync(join(tmpdir(), 'percore-draining-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** More than the kernel takes of one connection. */
const MUCH = 12_000_000;

describe.each(sources)('close() on %s', (source) => {
  let runtime: Runtime;
  const sockets = new Set<Socket>();

  beforeEach(async () => {
    runtime = await remoteRuntime(2, { io: { source } });
  });
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
    await runtime.close({ drainMs: 0 });
  });

  /** A peer that reads nothing yet. Its connection in reactor 0 has been offered so many bytes. */
  async function slowPeer(bytes: number, isCorked = false): Promise<{ socket: Socket; got: () => number }> {
    const port = await inside(runtime, 0, (reactor, given: [number, boolean], { state }) => {
      const listener = reactor.io.listen({ port: 0, highWaterBytes: 2 ** 25 }, (connection) => {
        if (given[1]) connection.cork();
        connection.offer(new Uint8Array(given[0]).fill(7));
        state['connection'] = connection;
      });
      return listener.port;
    }, [bytes, isCorked] as [number, boolean]);
    const socket = netConnect(port, '127.0.0.1').on('error', () => undefined).pause();
    sockets.add(socket);
    let got = 0;
    socket.on('data', (chunk) => void (got += chunk.length)).pause();
    await until(
      () => inside(runtime, 0, (_reactor, _argument, { state }) => state['connection'] !== undefined), 'a connection',
    );
    return { socket, got: () => got };
  }

  it('waits for a peer that reads slowly: it gets every byte', async () => {
    const { socket, got } = await slowPeer(MUCH);
    expect(
      await inside(runtime, 0, (_reactor, _argument, { state }) => state['connection'].pendingBytes),
    ).toBeGreaterThan(0);
    const closed = runtime.close({ drainMs: 20_000 });
    await sleep(200);
    socket.resume();
    expect(await within(15_000, closed, 'close')).toMatchObject({ drained: true, leftBehind: [] });
    await until(() => got() === MUCH, 'the last byte', 15_000);
  });

  it('says that it has not drained when the peer reads nothing until the deadline', async () => {
    await slowPeer(MUCH);
    const begun = performance.now();
    expect(await within(5000, runtime.close({ drainMs: 300 }), 'close')).toMatchObject({
      drained: false, leftBehind: [],
    });
    expect(performance.now() - begun).toBeGreaterThan(290);
  });

  it('releases what a cork holds back', async () => {
    const { socket, got } = await slowPeer(1000, true);
    socket.resume();
    await sleep(50);
    expect(got()).toBe(0);
    expect(await within(10_000, runtime.close(), 'close')).toMatchObject({ drained: true });
    await until(() => got() === 1000, 'what was held back');
  });

  it('does not wait for connections that have nothing to send, nor longer than it must', async () => {
    const { socket, got } = await slowPeer(10);
    socket.resume();
    await until(() => got() === 10, 'the bytes');
    const begun = performance.now();
    expect(await within(5000, runtime.close({ drainMs: 60_000 }), 'close')).toMatchObject({ drained: true });
    expect(performance.now() - begun).toBeLessThan(2000);
  });

  it('sends what the last step has offered', async () => {
    const { socket, got } = await slowPeer(10);
    socket.resume();
    await until(() => got() === 10, 'the first');
    await inside(runtime, 0, (_reactor, _argument, { state }) => state['connection'].offer(new Uint8Array(5000)));
    expect(await runtime.close()).toMatchObject({ drained: true });
    await until(() => got() === 5010, 'the last');
  });

  it('waits for a pipe whose reader is slow', async () => {
    const path = join(folder, `fifo-${source}`);
    execFileSync('mkfifo', [path]);
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      await inside(runtime, 1, (reactor, at: string) => {
        const pipe = reactor.io.openFifo(at, 'write', { highWaterBytes: 2 ** 21 });
        pipe.offer(new Uint8Array(1_000_000).fill(3));
      }, path);
      const closed = runtime.close({ drainMs: 20_000 });
      await sleep(100);
      const bytes = Buffer.alloc(65_536);
      let got = 0;
      while (got < 1_000_000) {
        try {
          got += readSync(reader, bytes, 0, bytes.length, null);
        } catch (error) {
          expect((error as NodeJS.ErrnoException).code).toBe('EAGAIN');
        }
        await sleep(1);
      }
      expect(await within(10_000, closed, 'close')).toMatchObject({ drained: true });
    } finally {
      closeSync(reader);
    }
  });

  it('waits for a pipe no longer than drainMs', async () => {
    const path = join(folder, `stuck-${source}`);
    execFileSync('mkfifo', [path]);
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    await inside(runtime, 1, (reactor, at: string) => {
      reactor.io.openFifo(at, 'write', { highWaterBytes: 2 ** 21 }).offer(new Uint8Array(1_000_000));
    }, path);
    expect(await within(5000, runtime.close({ drainMs: 200 }), 'close')).toMatchObject({ drained: false });
    closeSync(reader);
  });

  it('says that it has not drained when a peer resets a connection meanwhile', async () => {
    const { socket } = await slowPeer(MUCH);
    const closed = runtime.close({ drainMs: 20_000 });
    await sleep(100);
    socket.resetAndDestroy();
    expect(await within(5000, closed, 'close')).toMatchObject({ drained: false, leftBehind: [] });
  });

  it('says that it has not drained when the reader of a pipe leaves meanwhile', async () => {
    const path = join(folder, `left-${source}`);
    execFileSync('mkfifo', [path]);
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    await inside(runtime, 1, (reactor, at: string) => {
      reactor.io.openFifo(at, 'write', { highWaterBytes: 2 ** 21 }).offer(new Uint8Array(1_000_000));
    }, path);
    const closed = runtime.close({ drainMs: 20_000 });
    await sleep(100);
    closeSync(reader);
    expect(await within(5000, closed, 'close')).toMatchObject({ drained: false });
  });

  it.each(['io_uring', 'pool'] as const)('says that it has not drained when a disk is full, by %s', async (backend) => {
    await inside(runtime, 0, (reactor, by: 'io_uring' | 'pool') => {
      reactor.onStop(() => {
        reactor.io.openFile('/dev/full', { flags: 'w', backend: by }).offer(new Uint8Array(7));
      });
    }, backend);
    expect(await within(5000, runtime.close(), 'close')).toMatchObject({ drained: false });
  });

  it('says that it has not drained when a datagram has no receiver', async () => {
    await inside(runtime, 0, (reactor, at: string) => {
      reactor.onStop(() => {
        reactor.io.unixDatagram().send(new Uint8Array(7), 0, 7, { path: at });
      });
    }, join(folder, `nobody-${source}`));
    expect(await within(5000, runtime.close(), 'close')).toMatchObject({ drained: false });
  });

  it('counts neither what was lost before, nor what a hook decides to drop', async () => {
    const before = await slowPeer(MUCH);
    before.socket.resetAndDestroy();
    await until(
      () => inside(runtime, 0, (_reactor, _argument, { state }) => state['connection'].isClosed), 'the reset',
    );
    await inside(runtime, 0, (_reactor, _argument, { state }) => void delete state['connection']);
    await slowPeer(MUCH);
    await inside(runtime, 0, (reactor, _argument, { state }) => {
      reactor.onStop(() => state['connection'].close());
    });
    expect(await within(5000, runtime.close(), 'close')).toMatchObject({ drained: true });
  });

  it.each(['io_uring', 'pool'] as const)('waits until a file has what was offered, by %s', async (backend) => {
    const path = join(folder, `file-${source}-${backend}`);
    await inside(runtime, 0, (reactor, [at, by]: [string, 'io_uring' | 'pool']) => {
      const writer = reactor.io.openFile(at, { flags: 'w', backend: by, chunkBytes: 65_536, depth: 16 });
      // This covers what is offered before the file is open, and a tail that fills no chunk.
      for (let i = 0; i < 10; i++) writer.offer(new Uint8Array(100_001).fill(i));
    }, [path, backend] as [string, 'io_uring' | 'pool']);
    expect(await within(10_000, runtime.close(), 'close')).toMatchObject({ drained: true });
    const bytes = readFileSync(path);
    expect(bytes.length).toBe(1_000_010);
    expect([bytes[0], bytes[100_001], bytes[1_000_009]]).toEqual([0, 1, 9]);
  });
});

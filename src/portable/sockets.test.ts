/** What I/O of the portable backend does where it is not quite that of the addon, and what it refuses. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { LocalIo } from '../io/index.js';
import { until } from '../reactor/fixtures/inside.js';

const folder = mkdtempSync(join(tmpdir(), 'percore-sockets-'));
const told: string[] = [];
let io: LocalIo;
let makeIo: () => LocalIo;

beforeAll(async () => {
  // Before the first use of the backend in this process, which has this file alone.
  process.env['PERCORE_BACKEND'] = 'portable';
  const { create } = await import('../io/index.js');
  makeIo = () => create({ onError: (error) => void told.push(String(error)) });
  io = makeIo();
});
afterEach(() => {
  io.close();
  expect(told).toEqual([]);
  io = makeIo();
});
afterAll(() => {
  io.close();
  rmSync(folder, { recursive: true });
});

const errorOf = (call: () => unknown): unknown => {
  try {
    call();
  } catch (error) {
    return error;
  }
  return undefined;
};

describe('sockets without the addon', () => {
  it('have their port, and their error, when listen returns', () => {
    for (const host of ['127.0.0.1', '::1']) {
      const { port } = io.listen({ port: 0, host }, () => undefined);
      expect(port).toBeGreaterThan(0);
      expect(errorOf(() => io.listen({ port, host }, () => undefined))).toMatchObject({
        code: 'ERR_PERCORE_ADDRESS_IN_USE',
      });
    }
    expect(errorOf(() => io.listen({ port: 0, host: '192.0.2.1' }, () => undefined))).toMatchObject({
      code: 'ERR_PERCORE_SYSTEM', errno: 'EADDRNOTAVAIL',
    });
  });

  it('carry every byte in order against a peer that reads slowly, and both ends are told', async () => {
    const bytes = Buffer.alloc(6_000_000, Buffer.from(Array.from({ length: 251 }, (_, i) => i)));
    const ends: string[] = [];
    const { port } = io.listen({ port: 0 }, (connection) => {
      connection.onEnd(() => void ends.push('end')).onClose((error) => void ends.push(`close ${error?.code}`));
      connection.onData(() => undefined);
      void (async () => {
        for (let at = 0; at < bytes.length; at += 100_000)
          while (connection.offer(bytes.subarray(at, at + 100_000)) !== 0) await connection.room();
        connection.end();
      })();
    });
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    const chunks: Buffer[] = [];
    for await (const chunk of socket) {
      chunks.push(chunk as Buffer);
      if (chunks.length % 16 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    socket.end();
    expect(Buffer.compare(Buffer.concat(chunks), bytes)).toBe(0);
    await until(() => ends.length === 2, 'both ends');
    expect(ends).toEqual(['end', 'close undefined']);
  });

  it('tell who connects of a refusal, of TCP and of a path', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await until(() => server.listening, 'a port');
    const { port } = server.address() as { port: number };
    await new Promise((resolve) => server.close(resolve));
    const errors: unknown[] = [];
    io.connect({ port }).onClose((error) => void errors.push(error?.errno));
    await until(() => errors.length === 1, 'the first');
    io.connect({ path: join(folder, 'nobody') }).onClose((error) => void errors.push(error?.errno));
    await until(() => errors.length === 2, 'both');
    expect(errors).toEqual(['ECONNREFUSED', 'ENOENT']);
  });

  it('talk over a path, which is in use once', async () => {
    const path = join(folder, 'path');
    io.listen({ path }, (connection) => void connection.onData((bytes) => void connection.offer(bytes)));
    expect(errorOf(() => io.listen({ path }, () => undefined))).toMatchObject({ code: 'ERR_PERCORE_ADDRESS_IN_USE' });
    const nowhere = join(folder, 'no folder', 'path');
    expect(errorOf(() => io.listen({ path: nowhere }, () => undefined))).toMatchObject({ errno: 'ENOENT' });
    let heard = '';
    const connection = io.connect({ path }).onData((bytes) => void (heard += Buffer.from(bytes).toString()));
    expect(connection.offer(Buffer.from('echo'))).toBe(0);
    await until(() => heard === 'echo', 'the echo');
  });

  it('answer datagrams, cut those that are too long, and tell of a port where nobody is', async () => {
    const server = io.udp({ datagramBytes: 8 });
    server.onReceive((bytes, offset, length, peer) => void server.send(bytes, offset, length, peer));
    const client = io.udp({ connect: { port: server.port } });
    const heard: string[] = [];
    client.onData((bytes) => void heard.push(Buffer.from(bytes).toString()));
    for (let i = 0; i < 40; i++) expect(client.send(Buffer.from(`number ${i + 100}`))).toBe(0);
    await until(() => heard.length === 40, 'all answers');
    expect(new Set(heard)).toEqual(new Set(['number 1']));
    expect(server.status().truncated).toBe(40);
    server.close();
    await until(() => {
      client.send(Buffer.from('?'));
      return client.status().unreachable > 0;
    }, 'a refusal');
  });

  it.skipIf(process.platform === 'win32')('read and write a FIFO', async () => {
    const path = join(folder, 'fifo');
    execFileSync('mkfifo', [path]);
    expect(errorOf(() => io.openFifo(path, 'write'))).toMatchObject({ code: 'ERR_PERCORE_SYSTEM', errno: 'ENXIO' });
    let heard = '';
    let hasEnded = false;
    io.openFifo(path, 'read').onData((bytes) => void (heard += Buffer.from(bytes).toString()))
      .onEnd(() => void (hasEnded = true));
    const writer = io.openFifo(path, 'write');
    expect(writer.offer(Buffer.from('through'))).toBe(0);
    await until(() => heard === 'through', 'what was written');
    writer.end();
    await until(() => hasEnded, 'the end');
  });

  it('that no JavaScript can have are refused with ENOSYS, when they are asked for', () => {
    const refused = { code: 'ERR_PERCORE_SYSTEM', errno: 'ENOSYS' };
    const calls = {
      sharedTcp: () => io.listen({ port: 0, reusePort: true }, () => undefined),
      sharedUdp: () => io.udp({ reusePort: true }),
      listenFd: () => io.listenFd({ port: 0 }),
      unixDatagram: () => io.unixDatagram({ path: join(folder, 'datagrams') }),
      registerDescriptor: () => io.registerDescriptor(0, undefined, () => undefined),
      watchPath: () => io.watchPath(folder, undefined, () => undefined),
    };
    for (const [name, call] of Object.entries(calls)) expect(errorOf(call), name).toMatchObject(refused);
  });
});

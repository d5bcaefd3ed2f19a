import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createHttpServer, request } from 'node:http';
import { connect, createServer, Socket, type AddressInfo } from 'node:net';
import { PassThrough, type Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { connect as connectTls, createServer as createTlsServer, TLSSocket } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { selfSigned } from '../../examples/self-signed.js';
import { sleep, until, within } from '../reactor/fixtures/inside.js';
import { connectionOf, duplexOf } from './connection-node-streams.js';
import type { Connection } from './connection.js';
import { create, type LocalIo } from './local-io.js';

const MANY_BYTES = 32 << 20;
const cleanUps: (() => void)[] = [];
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) cleanUp();
});

/** Every 64 KiB begin with a number of their own, so that a piece in the wrong place changes the sum. */
function* pieces(bytes: number): Generator<Buffer> {
  const piece = randomBytes(65_536);
  for (let at = 0; at < bytes; at += piece.length) {
    piece.writeUInt32LE(at, 0);
    yield Buffer.from(piece);
  }
}

async function sumOf(stream: AsyncIterable<unknown>): Promise<{ bytes: number; sum: string }> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of stream) {
    hash.update(chunk as Buffer);
    bytes += (chunk as Buffer).length;
  }
  return { bytes, sum: hash.digest('hex') };
}

describe.each(['epoll', 'io_uring'] as const)('on %s', (source) => {
  function open(): LocalIo {
    const io = create({ source });
    cleanUps.push(() => io.close());
    return io;
  }

  /** Both ends of a connection, each as a Duplex and as the Connection below it. */
  async function pair(
    options: { highWaterBytes?: number } = {},
  ): Promise<{ near: Duplex; far: Duplex; nearConnection: Connection; farConnection: Connection }> {
    const io = open();
    let farConnection: Connection | undefined;
    let far: Duplex | undefined;
    const listener = io.listen({ port: 0, ...options }, (connection) => {
      farConnection = connection;
      far = duplexOf(connection);
    });
    const nearConnection = io.connect({ port: listener.port, ...options });
    const near = duplexOf(nearConnection);
    await until(() => far !== undefined, 'the connection');
    return { near, far: far!, nearConnection, farConnection: farConnection! };
  }

  /** A socket of Node's that Node has accepted, and its peer. */
  async function nodePair(): Promise<{ accepted: Socket; peer: Socket }> {
    const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const peer = connect({ port: (server.address() as AddressInfo).port, allowHalfOpen: true });
    const [accepted] = (await once(server, 'connection')) as [Socket];
    cleanUps.push(() => {
      peer.destroy();
      accepted.destroy();
      server.close();
    });
    return { accepted, peer };
  }

  describe('a Duplex over a connection', () => {
    it('carries 32 MiB there and back by pipeline, every byte in its place', async () => {
      const { near, far } = await pair();
      const echoed = pipeline(far, far);
      const hash = createHash('sha256');
      const sent = pipeline(function* () {
        for (const piece of pieces(MANY_BYTES)) {
          hash.update(piece);
          yield piece;
        }
      }, near);
      const heard = await within(30_000, sumOf(near), 'all of it');
      await within(5000, Promise.all([sent, echoed]), 'both pipelines');
      expect(heard).toEqual({ bytes: MANY_BYTES, sum: hash.digest('hex') });
    });

    it('holds back who writes while the other end does not read, and goes on when it does', async () => {
      const { near, far, nearConnection } = await pair({ highWaterBytes: 131_072 });
      const piece = Buffer.alloc(65_536, 1);
      let written = 0;
      let done = 0;
      // As a user does who heeds the result of write(): until it says no.
      do near.write(piece, () => done++);
      while (++written < 1000 && !near.writableNeedDrain);
      for (let quiet = -1; quiet !== done; await sleep(100)) {
        quiet = done;
        while (!near.writableNeedDrain && written < 1000) {
          near.write(piece, () => done++);
          written++;
        }
      }
      expect(written).toBeLessThan(1000);
      expect(nearConnection.pendingBytes).toBeLessThanOrEqual(131_072 + 65_536);
      near.end();
      expect((await within(10_000, sumOf(far), 'the rest')).bytes).toBe(written * piece.length);
      expect(done).toBe(written);
    });

    it('ends one way and then the other', async () => {
      const { near, far } = await pair();
      near.end('question');
      let question = '';
      far
        .on('data', (chunk: Buffer) => void (question += chunk.toString()))
        .on('end', () => far.end(`answer to ${question}`));
      expect((await within(5000, near.toArray(), 'the answer')).join('')).toBe('answer to question');
      await until(() => near.closed && far.closed, 'both closed');
    });

    it('without allowHalfOpen ends with its peer', async () => {
      const io = open();
      const listener = io.listen(
        { port: 0 }, (connection) => void duplexOf(connection, { allowHalfOpen: false }).resume(),
      );
      const near = duplexOf(io.connect({ port: listener.port }));
      near.end('x');
      expect(await within(5000, near.toArray(), 'its end')).toEqual([]);
    });

    it('that is destroyed closes its connection; the other end ends, and a pending write is an error', async () => {
      const { near, far, nearConnection } = await pair({ highWaterBytes: 65_536 });
      const written = pipeline(pieces(MANY_BYTES), near);
      await sleep(20);
      near.destroy(new Error('enough'));
      await expect(within(5000, written, 'the pipeline')).rejects.toThrow('enough');
      expect(nearConnection.isClosed).toBe(true);
      const closed = once(far, 'close');
      far.on('error', () => undefined).on('end', () => far.end()).resume();
      await within(5000, closed, 'the other end');
    });

    it('a reset is its error', async () => {
      const { accepted, peer } = await nodePair();
      const stream = duplexOf(connectionOf(open(), accepted));
      const failed = once(stream, 'error').catch((error: unknown) => [error]);
      stream.resume();
      peer.resetAndDestroy();
      expect((await within(5000, failed, 'the error'))[0]).toMatchObject({
        code: 'ERR_PERCORE_SYSTEM', errno: 'ECONNRESET',
      });
    });

    it('a connection that is closed with bytes pending is an error of the stream, and so is a '
      + 'write after it', async () => {
      const { near, nearConnection } = await pair({ highWaterBytes: 1 << 23 });
      const failed = once(near, 'error').catch((error: unknown) => [error]);
      near.write(Buffer.alloc(1 << 23));
      await until(() => nearConnection.pendingBytes > 0, 'bytes that wait');
      nearConnection.close();
      expect((await within(5000, failed, 'the error'))[0]).toMatchObject({ code: 'ERR_PERCORE_CLOSED' });
      await new Promise<void>((resolve) => near.write('late', (error) => {
        expect(error).toBeInstanceOf(Error);
        resolve();
      }));
    });

    it('refuses anything that is not a connection, and unknown options', () => {
      expect(() => duplexOf(new Socket() as never)).toThrow(/^connection must be a Connection/);
      expect(() => duplexOf({} as never)).toThrow(expect.objectContaining({ code: 'ERR_PERCORE_INVALID_ARGUMENT' }));
      const connection = open().connect({ port: 1 });
      expect(() => duplexOf(connection, { halfOpen: true } as never)).toThrow('options has no option "halfOpen"');
    });

    it('TLS over both ends: 8 MiB there and back, and an orderly end', async () => {
      const { near, far } = await pair();
      const { key, cert } = selfSigned();
      const server = createTlsServer({ key, cert }, (secure) => void pipeline(secure, secure).catch(() => undefined));
      server.emit('connection', far);
      const client = connectTls({ socket: near, ca: cert, servername: 'localhost' });
      await within(10_000, once(client, 'secureConnect'), 'the handshake');
      expect(client.authorized).toBe(true);
      const hash = createHash('sha256');
      const sent = pipeline(function* () {
        for (const piece of pieces(8 << 20)) {
          hash.update(piece);
          yield piece;
        }
      }, client);
      expect(await within(20_000, sumOf(client), 'all of it')).toEqual({ bytes: 8 << 20, sum: hash.digest('hex') });
      await sent;
    });

    it('HTTP over it, asked by Node', async () => {
      const io = open();
      const server = createHttpServer((asked, answer) => void answer.end(`you asked ${asked.url}`));
      const listener = io.listen({ port: 0 }, (connection) => void server.emit('connection', duplexOf(connection)));
      const text = await within(
        5000,
        new Promise<string>((resolve, reject) => {
          request(
            { port: listener.port, path: '/it', agent: false },
            (answer) => void answer.toArray().then((parts) => resolve(parts.join('')), reject),
          )
            .on('error', reject)
            .end();
        }),
        'the answer',
      );
      expect(text).toBe('you asked /it');
    });
  });

  describe("a connection over a socket of Node's", () => {
    it('goes on where Node stopped: the head, what Node had read, what follows; the peer notices nothing', async () => {
      const { accepted, peer } = await nodePair();
      peer.write('read by Node; ');
      await until(() => accepted.readableLength > 0 || (accepted.read(0), false), 'the first bytes');
      const closed = once(accepted, 'close');
      const connection = connectionOf(open(), accepted, { head: Buffer.from('head; '), highWaterBytes: 4096 });
      let text = '';
      connection.onData((bytes) => void (text += Buffer.from(bytes).toString()));
      peer.write('and the rest');
      await until(() => text.endsWith('rest'), 'all of it');
      await within(5000, closed, "Node's socket");
      expect(text).toBe('head; read by Node; and the rest');
      connection.offer(Buffer.from('answer'));
      connection.end();
      expect((await within(5000, peer.toArray(), 'the answer')).join('')).toBe('answer');
      peer.end();
      await until(() => connection.isClosed, 'its end');
      expect([connection.error, connection.highWaterBytes]).toEqual([undefined, 4096]);
    });

    it('knows that the peer has ended already, and can answer it', async () => {
      const { accepted, peer } = await nodePair();
      peer.end('all');
      accepted.read(0);
      await until(
        () => (accepted as unknown as { _readableState: { ended: boolean } })._readableState.ended, 'the end, in Node',
      );
      const connection = connectionOf(open(), accepted);
      let text = '';
      let ends = 0;
      connection.onData((bytes) => void (text += Buffer.from(bytes).toString())).onEnd(() => {
        ends++;
        connection.offer(Buffer.from('answer'));
        connection.end();
      });
      expect((await within(5000, peer.toArray(), 'the answer')).join('')).toBe('answer');
      expect([text, ends]).toEqual(['all', 1]);
    });

    it('carries 32 MiB through a Duplex over it, back to Node', async () => {
      const { accepted, peer } = await nodePair();
      const stream = duplexOf(connectionOf(open(), accepted));
      const echoed = pipeline(stream, new PassThrough(), stream);
      const hash = createHash('sha256');
      const sent = pipeline(function* () {
        for (const piece of pieces(MANY_BYTES)) {
          hash.update(piece);
          yield piece;
        }
      }, peer);
      expect(await within(30_000, sumOf(peer), 'all of it')).toEqual({ bytes: MANY_BYTES, sum: hash.digest('hex') });
      await Promise.all([sent, echoed]);
    });

    it('refuses by name what cannot be taken over, and leaves it as it was', async () => {
      const io = open();
      const { accepted, peer } = await nodePair();
      const refusal = (socket: Socket): string => {
        try {
          connectionOf(io, socket);
          return 'accepted';
        } catch (error) {
          return `${(error as { code: string }).code}: ${(error as Error).message}`;
        }
      };
      expect(refusal({} as Socket)).toContain('socket must be a net.Socket, not');
      expect(refusal(new Socket())).toContain('an open socket');
      expect(refusal(new TLSSocket(new Socket()))).toContain('no TLS socket');
      accepted.cork();
      accepted.write('waits');
      expect(refusal(accepted)).toContain('nothing to be written');
      accepted.uncork();
      expect(((await within(5000, once(peer, 'data'), 'what waited')) as [Buffer])[0].toString()).toBe('waits');
      await until(() => accepted.writableLength === 0, 'the write');
      expect(() => connectionOf(io, accepted, { highWater: 1 } as never)).toThrow('did you mean "highWaterBytes"?');
      accepted.setEncoding('utf8');
      expect(refusal(accepted)).toContain('without setEncoding');
      expect(io.status().endpoints).toBe(0);
      peer.write('still there');
      expect(((await within(5000, once(accepted, 'data'), 'what Node reads')) as [string])[0]).toBe('still there');
    });
  });
});

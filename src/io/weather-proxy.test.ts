import { createHash, randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { inside, remoteRuntime, until, within } from '../reactor/fixtures/inside.js';
import type { Runtime } from '../reactor/runtime.js';
import { FaultProxy, type Treatment } from './fixtures/fault-proxy.js';
import { Client } from './fixtures/weather-child.js';
import { sources } from './fixtures/sources.js';

/** A frame is its length in four bytes and then that many bytes. The answer has every byte inverted. */
const FRAME = 23;

for (const source of sources) {
  describe(`a fault proxy before a server on ${source}`, () => {
    let runtime: Runtime;
    let port = 0;
    const proxies = new Set<FaultProxy>();
    const clients = new Set<Client>();

    beforeAll(async () => {
      runtime = await remoteRuntime(2, { io: { source } });
      // The handler gathers frames, in whatever pieces they come, and answers each whole frame once.
      port = await inside(runtime, 0, (reactor, _argument, { state }) => {
        state['frames'] = 0;
        state['partial'] = 0;
        state['closes'] = {};
        return reactor.io.listen({ port: 0 }, (connection) => {
          let gathered = Buffer.alloc(0);
          connection.onData((bytes) => {
            gathered = Buffer.concat([gathered, bytes]);
            while (gathered.length >= 4 && gathered.length >= 4 + gathered.readUInt32BE(0)) {
              const end = 4 + gathered.readUInt32BE(0);
              const answer = Buffer.from(gathered.subarray(0, end));
              for (let i = 4; i < end; i++) answer[i] = ~answer[i]!;
              connection.offer(answer);
              state['frames']++;
              gathered = gathered.subarray(end);
            }
          });
          connection.onClose((error) => {
            const how = error?.errno ?? error?.code ?? 'none';
            state['closes'][how] = (state['closes'][how] ?? 0) + 1;
            if (gathered.length > 0) state['partial']++;
          });
        }).port;
      });
    });
    afterAll(() => runtime.close());
    afterEach(async () => {
      for (const proxy of proxies) proxy.close();
      for (const client of clients) client.destroy();
      proxies.clear();
      clients.clear();
      await until(
        () => inside(runtime, 0, (reactor) => reactor.io.status().endpoints <= 2), 'nothing is left but listeners',
      );
    });

    const through = async (
      target: number, treatment: { toServer?: Treatment; toClient?: Treatment },
    ): Promise<number> => {
      const proxy = await FaultProxy.start(target, treatment);
      proxies.add(proxy);
      return proxy.port;
    };
    const frame = (bytes: Buffer): Buffer => {
      const head = Buffer.alloc(4);
      head.writeUInt32BE(bytes.length);
      return Buffer.concat([head, bytes]);
    };
    /** Sends to a port, and gathers what comes back until the connection is over or `most` bytes have come. */
    const talk = async (
      to: number, bytes: Buffer, most = Infinity, ms = 10_000,
    ): Promise<{ got: Buffer; how: string }> => {
      const socket = connect({ port: to, host: '127.0.0.1', noDelay: true });
      let got = Buffer.alloc(0);
      let how = 'open';
      const over = new Promise<void>((resolve) => {
        socket.on('data', (chunk: Buffer) => {
          got = Buffer.concat([got, chunk]);
          if (got.length >= most) resolve();
        });
        socket
          .on('error', (error: NodeJS.ErrnoException) => void (how = error.code!))
          .on('end', () => void (how = 'end'))
          .on('close', () => resolve());
      });
      await within(5000, once(socket, 'connect'), 'connect').catch(() => undefined);
      socket.write(bytes);
      await within(ms, over, 'the answer or an end');
      socket.destroy();
      return { got, how };
    };
    const inverted = (bytes: Buffer): Buffer => Buffer.from(bytes.map((byte) => ~byte));

    it('that sends single bytes, both ways: every frame is answered, once', async () => {
      const to = await through(port, { toServer: { segmentBytes: 1 }, toClient: { segmentBytes: 1 } });
      const parts = Array.from({ length: 40 }, () => randomBytes(FRAME));
      const { got } = await talk(to, Buffer.concat(parts.map(frame)), 40 * (FRAME + 4), 20_000);
      expect(got.equals(Buffer.concat(parts.map((part) => frame(inverted(part)))))).toBe(true);
    });

    it('that waits between pieces: the same', async () => {
      const to = await through(port, {
        toServer: { segmentBytes: 5, delayMs: 1 }, toClient: { segmentBytes: 7, delayMs: 1 },
      });
      const parts = Array.from({ length: 20 }, () => randomBytes(FRAME));
      const { got } = await talk(to, Buffer.concat(parts.map(frame)), 20 * (FRAME + 4), 20_000);
      expect(got.equals(Buffer.concat(parts.map((part) => frame(inverted(part)))))).toBe(true);
    });

    it('that resets after each byte of a frame, one connection a byte: none hangs, no half frame is answered, the '
      + 'next is served', async () => {
      const before = await inside(runtime, 0, (_reactor, _argument, { state }) => ({
        frames: state['frames'] as number,
      }));
      const part = frame(randomBytes(FRAME));
      for (let byte = 0; byte < part.length; byte++) {
        const to = await through(port, { toServer: { resetAfter: byte } });
        const { got, how } = await talk(to, part, Infinity, 3000);
        expect(got.length, `reset after byte ${byte}`).toBe(0);
        expect(['ECONNRESET', 'EPIPE', 'end', 'open']).toContain(how);
      }
      await until(
        () => inside(runtime, 0, (reactor) => reactor.io.status().endpoints === 1), 'all connections are closed',
      );
      const after = await inside(runtime, 0, (_reactor, _argument, { state }) => ({
        frames: state['frames'] as number, closes: state['closes'] as Record<string, number>,
      }));
      expect(after.frames, 'frames answered').toBe(before.frames);
      expect(after.closes['ECONNRESET'], 'resets seen by name').toBeGreaterThan(part.length / 2);
      expect((await talk(port, part, part.length)).got.length).toBe(part.length);
    });

    it('that resets after each byte of the answer: what came before is right', async () => {
      const part = randomBytes(FRAME);
      const answer = frame(inverted(part));
      for (let byte = 1; byte < answer.length; byte++) {
        const to = await through(port, { toClient: { resetAfter: byte, segmentBytes: 3 } });
        const { got } = await talk(to, frame(part), Infinity, 3000);
        expect(got.equals(answer.subarray(0, got.length)), `reset after byte ${byte}`).toBe(true);
        expect(got.length).toBeLessThanOrEqual(byte);
      }
    });

    it('that ends in the middle of a frame: the server ends too, and answers no half frame', async () => {
      const part = frame(randomBytes(FRAME));
      for (const byte of [1, 3, 4, 10, part.length]) {
        const to = await through(port, { toServer: { endAfter: byte } });
        const { got, how } = await talk(to, part, Infinity, 3000);
        expect([got.length, how], `end after byte ${byte}`).toEqual([byte === part.length ? part.length : 0, 'end']);
      }
    });

    it('that falls silent (half-open): a deadline closes the connection by name, and others are served '
      + 'meanwhile', async () => {
      const guarded = await inside(runtime, 0, (reactor, _argument, { state }) => {
        state['timeouts'] = 0;
        return reactor.io.listen({ port: 0 }, (connection) => {
          connection.setDeadlines({ idleMs: 200 });
          connection.onData((bytes) => void connection.offer(bytes));
          connection.onClose((error) => void (state['timeouts'] += error?.code === 'ERR_PERCORE_TIMEOUT' ? 1 : 0));
        }).port;
      });
      const to = await through(guarded, { toServer: { silentAfter: 10 } });
      const silent = Array.from({ length: 5 }, () => new Client(to));
      for (const one of silent) {
        clients.add(one);
        one.send(100);
      }
      const other = new Client(guarded);
      clients.add(other);
      other.send(100_000);
      await until(() => other.isWhole, 'the other one');
      await until(
        () => inside(runtime, 0, (_reactor, _argument, { state }) => state['timeouts'] >= 5),
        'the silent ones are closed', 5000,
      );
      for (const one of silent) expect(one.receivedBytes, 'what came before the silence').toBe(10);
    });

    it('between a client of ours and a server of node:net: 256 KiB in small pieces, nothing lost', async () => {
      const { createServer } = await import('node:net');
      const hash = createHash('sha256');
      let received = 0;
      const server = createServer((socket) => socket.on('data', (chunk) => {
        hash.update(chunk);
        received += chunk.length;
        if (received === 1 << 18) socket.end(hash.digest('hex'));
      })).listen(0, '127.0.0.1');
      await once(server, 'listening');
      const to = await through((server.address() as { port: number }).port, {
        toServer: { segmentBytes: 61 }, toClient: { segmentBytes: 1 },
      });
      const [sent, got] = await inside(
        runtime,
        1,
        (reactor, target: number, { require }) =>
          new Promise<[string, string]>((resolve, reject) => {
            const crypto = require('node:crypto') as typeof import('node:crypto');
            const bytes = crypto.randomBytes(1 << 18);
            const connection = reactor.io.connect({ port: target });
            let text = '';
            connection.onData((chunk) => void (text += Buffer.from(chunk).toString()));
            connection.onClose((error) =>
              error === undefined
                ? resolve([crypto.createHash('sha256').update(bytes).digest('hex'), text])
                : reject(error),
            );
            connection.offer(bytes);
          }),
        to,
        { timeoutMs: 30_000 },
      );
      server.close();
      expect(got).toBe(sent);
    });
  });
}

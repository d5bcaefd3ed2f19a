import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { execFileSync } from 'node:child_process';
import { afterEach, describe, expect, it } from 'vitest';
import { descriptors, until, within } from '../reactor/fixtures/inside.js';
import { create, type LocalIo } from './local-io.js';

const made: LocalIo[] = [];
const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const io of made.splice(0)) io.close();
});

async function peer(port: number): Promise<{ socket: Socket; text: () => string }> {
  const socket = connect(port, '127.0.0.1');
  sockets.push(socket);
  let text = '';
  socket.on('data', (chunk) => void (text += chunk.toString())).on('error', () => undefined);
  await within(5000, once(socket, 'connect'), 'connect');
  return { socket, text: () => text };
}

describe.each(['epoll', 'io_uring'] as const)('I/O without a reactor, on %s', (source) => {
  function open(options: { onError?: (error: unknown) => void } = {}): LocalIo {
    const io = create({ source, ...options });
    made.push(io);
    return io;
  }

  it('echoes to node:net, many at once', async () => {
    const listener = open().listen(
      { port: 0 }, (connection) => void connection.onData((bytes) => void connection.offer(bytes)),
    );
    const peers = await Promise.all(Array.from({ length: 50 }, () => peer(listener.port)));
    for (const [i, { socket }] of peers.entries()) socket.write(`${i};`.repeat(200));
    await until(() => peers.every(({ text }, i) => text() === `${i};`.repeat(200)), 'every answer');
  });

  it('talks to itself: a client and a server, 4 MiB each way with backpressure', async () => {
    const io = open();
    let received = 0;
    const listener = io.listen({ port: 0, highWaterBytes: 65_536 }, (connection) => {
      connection.onData((bytes) => {
        if (connection.offer(bytes) === 0) return;
        const copy = Buffer.from(bytes);
        connection.pause();
        const again = (): void =>
          void connection.room().then(() => (connection.offer(copy) === 0 ? connection.resume() : again()));
        again();
      });
    });
    const client = io.connect({ port: listener.port, highWaterBytes: 65_536 });
    client.onReceive((bytes, offset, length) => {
      for (let i = 0; i < length; i++)
        if (bytes[offset + i] !== ((received + i) & 0xff)) throw new Error(`byte ${received + i}`);
      received += length;
    });
    const total = 4 << 20;
    const block = Uint8Array.from({ length: 16_384 }, (_, i) => i & 0xff);
    for (let sent = 0; sent < total; sent += block.length) while (client.offer(block) !== 0) await client.room();
    await until(() => received === total, 'all is back');
    expect(client.status()).toMatchObject({ state: 'open', bytesRead: total, bytesWritten: total, pendingBytes: 0 });
  });

  it('goes on with the other endpoints when a handler throws, and reports what was thrown', async () => {
    const errors: unknown[] = [];
    const listener = open({ onError: (error) => void errors.push(error) }).listen(
      { port: 0 },
      (connection) =>
        void connection.onData((bytes) => {
          if (bytes[0] === 98) throw new Error('bad');
          connection.offer(bytes);
        }),
    );
    const [bad, good] = [await peer(listener.port), await peer(listener.port)];
    bad.socket.write('b');
    good.socket.write('good');
    await until(() => good.text() === 'good' && errors.length === 1, 'both');
    expect((errors[0] as Error).message).toBe('bad');
    bad.socket.write('later');
    await until(() => bad.text() === 'later', 'the connection goes on');
  });

  it('keeps received bytes beyond the handler until they are released, a copy when the share is used up', async () => {
    const io = open();
    const kept: { bytes: Uint8Array; isCopy: boolean; release(): void }[] = [];
    const listener = io.listen(
      { port: 0 }, (connection) => void connection.onData(() => void kept.push(connection.keep())),
    );
    const { socket } = await peer(listener.port);
    for (let i = 0; i < 100; i++) {
      socket.write(`message ${i}`);
      await until(() => kept.length === i + 1, `message ${i}`);
    }
    expect(kept.map(({ bytes }) => Buffer.from(bytes).toString())).toEqual(
      Array.from({ length: 100 }, (_, i) => `message ${i}`),
    );
    expect([kept[0]!.isCopy, kept.at(-1)!.isCopy]).toEqual([false, true]);
    for (const one of kept) one.release();
    expect(() => kept[0]!.release()).toThrow(/released already/);
  });

  it('opens nothing while it closes: connecting in onClose throws, is reported, and leaves nothing open', async () => {
    const told: unknown[] = [];
    const before = descriptors();
    const io = create({ source, onError: (error) => void told.push((error as { code: string }).code) });
    const listener = io.listen({ port: 0 }, () => undefined);
    const client = io.connect({ port: listener.port });
    await until(() => client.state === 'open', 'the connection');
    client.onClose(() => void io.connect({ port: listener.port }));
    io.close();
    expect(io.status().endpoints).toBe(0);
    await until(() => told.length === 1, 'the report');
    expect(told).toEqual(['ERR_PERCORE_CLOSED']);
    await until(() => descriptors().length <= before.length, 'every descriptor is closed');
  });

  it('closes a connection that is idle, or slow with its header, and tells which deadline', async () => {
    const closes: (string | undefined)[] = [];
    const listener = open().listen({ port: 0 }, (connection) => {
      connection.onData((bytes) => {
        if (bytes[0] === 104) connection.headerDone();
      }).onClose((error) => void closes.push(`${error?.code} ${error?.argument}`));
      connection.setDeadlines(closes.length === 0 ? { idleMs: 60 } : { idleMs: 5000, headerMs: 60 });
    });
    await peer(listener.port);
    await until(() => closes.length === 1, 'idle');
    const slow = await peer(listener.port);
    slow.socket.write('x');
    await until(() => closes.length === 2, 'header');
    expect(closes).toEqual(['ERR_PERCORE_TIMEOUT idleMs', 'ERR_PERCORE_TIMEOUT headerMs']);
    const quick = await peer(listener.port);
    quick.socket.write('h');
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(closes.length, 'its header came in time').toBe(2);
  });
});

describe('a process', () => {
  const program = (source: string, body: string) =>
    execFileSync(
      process.execPath,
      [
        '--input-type=module', '-e',
        `import { create } from ${JSON.stringify(new URL('./index.js', import.meta.url).href)};\nconst io = create({ `
          + `source: '${source}' });\n${body}`,
      ],
      { encoding: 'utf8', timeout: 10_000 },
    );

  it.each(['epoll', 'io_uring'])('ends when its last endpoint has closed, on %s', (source) => {
    expect(program(source, `
      const listener = io.listen({ port: 0 }, (connection) => {
        connection.onData((bytes) => { connection.offer(bytes); connection.end(); });
      });
      const client = io.connect({ port: listener.port });
      client.offer(Buffer.from('hello'));
      client.onData((bytes) => { console.log(Buffer.from(bytes).toString()); listener.close(); });`)).toBe('hello\n');
  });

  it.each(['epoll', 'io_uring'])('ends although one listens, after unref, on %s', (source) => {
    expect(program(source, `io.listen({ port: 0 }, () => undefined); io.unref(); console.log('over');`)).toBe('over\n');
  });
});

describe('a worker', () => {
  const times = process.env['PERCORE_STRESS'] === '1' ? 200 : 8;
  it.each(['epoll', 'io_uring'])(`can be terminated with everything open, ${times} times, on %s`, async (source) => {
    const code = `
      import { parentPort } from 'node:worker_threads';
      import { create } from ${JSON.stringify(new URL('./index.js', import.meta.url).href)};
      const io = create({ source: '${source}' });
      const listener = io.listen({ port: 0 }, (connection) => {
        connection.onData((bytes) => { connection.offer(bytes); });
      });
      for (let i = 0; i < 4; i++) {
        const client = io.connect({ port: listener.port });
        client.onData((bytes) => { client.offer(bytes); });
        client.offer(new Uint8Array(1000));
      }
      parentPort.postMessage('running');`;
    for (let i = 0; i < times; i++) {
      const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`));
      await within(10_000, once(worker, 'message'), 'running');
      await worker.terminate();
    }
  }, times * 5_000);
});

/** The C clients of suite `io` must refuse a server that answers wrongly; otherwise `verified` would mean nothing. */
import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { promisify } from 'node:util';
import { cpuBudget } from 'percore';
import { afterEach, describe, expect, it } from 'vitest';
import { baselineProgram, type BaselineProgram } from '../../programs.js';
import { STREAM_BYTES, streamBytes } from './stream.js';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** Starts a TCP server that calls a function with each connection; returns its port. */
async function serve(onConnection: (socket: Socket) => void, allowHalfOpen = false): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true, allowHalfOpen }, (socket) => {
    sockets.add(socket.on('error', () => undefined));
    onConnection(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/**
 * Starts a server that sends back what `change` returns for each read. `count` is the number of reads before it, on all
 * connections.
 */
function echo(change: (bytes: Buffer, count: number) => Buffer): Promise<number> {
  let count = 0;
  return serve((socket) => void socket.on('data', (bytes) => void socket.write(change(bytes, count++))));
}

/** The exit code of the client, its error message and its figures. */
async function run(
  client: BaselineProgram, port: number, options: Record<string, number>, mode?: string,
): Promise<{ code: number; stderr: string; result: Record<string, unknown> | undefined }> {
  const args = Object.entries({ port, cpu: cpuBudget().allowed[0], ...options }).flatMap(([name, value]) => [
    `--${name}`, String(value),
  ]);
  try {
    const { stdout } = await promisify(execFile)(
      await baselineProgram(client), mode === undefined ? args : [mode, ...args],
    );
    return { code: 0, stderr: '', result: JSON.parse(stdout) as Record<string, unknown> };
  } catch (error) {
    const { code, stderr, stdout } = error as { code: number; stderr: string; stdout: string };
    expect(stdout).toBe('');
    return { code, stderr, result: undefined };
  }
}

const flip = (bytes: Buffer, at: number): Buffer => {
  const changed = Buffer.from(bytes);
  changed[at] ^= 1;
  return changed;
};

describe('tcp_client', () => {
  const load = { connections: 4, depth: 2, milliseconds: 200 };

  it('accepts the answers of a server that echoes', async () => {
    const { code, result } = await run('tcp_client', await echo((bytes) => bytes), load);
    expect(code).toBe(0);
    expect(result).toMatchObject({ verified: true });
    expect(result!['requests']).toBeGreaterThan(0);
  });

  it('sends as many messages in an open loop as its rate says', async () => {
    const { result } = await run('tcp_client', await echo((bytes) => bytes), {
      connections: 4, rate: 1000, milliseconds: 300, warmup: 100,
    });
    // Answers that come after the end are checked but not counted.
    expect(result!['requests']).toBeGreaterThan(100);
    expect(result!['requests']).toBeLessThanOrEqual(400);
  });

  it('refuses a wrong byte, swapped answers, an answer of another connection or too many, and an end', async () => {
    expect(
      await run(
        'tcp_client',
        await echo((bytes, count) => (count === 20 ? flip(bytes, bytes.length - 1) : bytes)),
        load,
      ),
    ).toMatchObject({ code: 1, stderr: expect.stringMatching(/is not the message sent/) });
    const swapped = await echo((bytes) =>
      bytes.length === 128 ? Buffer.concat([bytes.subarray(64), bytes.subarray(0, 64)]) : bytes,
    );
    expect(await run('tcp_client', swapped, load)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/is not the message sent/),
    });
    const two: Socket[] = [];
    const crossed = await serve((socket) => {
      two.push(socket);
      socket.on('data', (bytes) => void (two.find((other) => other !== socket) ?? socket).write(bytes));
    });
    expect(await run('tcp_client', crossed, { ...load, connections: 2 })).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/is not the message sent/),
    });
    expect(await run('tcp_client', await echo((bytes) => Buffer.concat([bytes, bytes])), load)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/more was answered than sent|is not the message sent/),
    });
    expect(
      await run('tcp_client', await serve((socket) => void socket.on('data', () => socket.destroy())), load),
    ).toMatchObject({ code: 1, stderr: expect.stringMatching(/the server ended a connection/) });
  });
});

describe('stream_client', () => {
  it('refuses a sink that has counted another number of bytes than was sent', async () => {
    const sink = (error: number): Promise<number> => serve((socket) => {
      let count = error;
      socket.on('data', (bytes) => { count += bytes.length; }).on('end', () => {
        const answer = Buffer.alloc(8);
        answer.writeBigUInt64LE(BigInt(count));
        socket.end(answer);
      });
    }, true);
    expect(await run('stream_client', await sink(0), { milliseconds: 50 }, 'sink')).toMatchObject({
      code: 0,
      result: { verified: true },
    });
    expect(await run('stream_client', await sink(-1), { milliseconds: 50 }, 'sink')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/the server counted/),
    });
  });

  it('refuses a source whose bytes are shifted', async () => {
    const source = (shift: number): Promise<number> => serve((socket) => {
      const block = streamBytes();
      socket.on('data', (wish) => {
        const total = Number(wish.readBigUInt64LE());
        if (shift !== 0) socket.write(block.subarray(0, STREAM_BYTES - shift));
        for (let at = shift === 0 ? 0 : STREAM_BYTES - shift; at < total; at += STREAM_BYTES) {
          socket.write(block.subarray(0, Math.min(STREAM_BYTES, total - at)));
        }
      });
    });
    expect(await run('stream_client', await source(0), { milliseconds: 20 }, 'source')).toMatchObject({
      code: 0,
      result: { verified: true },
    });
    expect(await run('stream_client', await source(1), { milliseconds: 20 }, 'source')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/wrong bytes/),
    });
  });
});

describe('datagram_client', () => {
  async function datagrams(answers: (bytes: Buffer, count: number) => readonly Buffer[]): Promise<number> {
    const socket = createSocket('udp4');
    let count = 0;
    socket.on('message', (bytes, { port, address }) => {
      for (const answer of answers(bytes, count++)) socket.send(answer, port, address);
    });
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    closers.push(() => socket.close());
    return socket.address().port;
  }
  const load = { depth: 8, milliseconds: 200 };

  it('refuses a datagram that is lost, doubled or changed', async () => {
    expect(await run('datagram_client', await datagrams((bytes) => [bytes]), load)).toMatchObject({
      code: 0,
      result: { verified: true },
    });
    expect(
      await run('datagram_client', await datagrams((bytes, count) => (count === 20 ? [] : [bytes])), load),
    ).toMatchObject({ code: 1, stderr: expect.stringMatching(/did not come back|has not come back/) });
    expect(
      await run('datagram_client', await datagrams((bytes, count) => (count === 20 ? [bytes, bytes] : [bytes])), load),
    ).toMatchObject({ code: 1, stderr: expect.stringMatching(/not under way/) });
    expect(
      await run('datagram_client', await datagrams((bytes, count) => [count === 20 ? flip(bytes, 63) : bytes]), load),
    ).toMatchObject({ code: 1, stderr: expect.stringMatching(/not under way/) });
  });
});

describe('accept_client and idle_client', () => {
  it('refuse a connection that is not served, or that gets the byte of another one', async () => {
    const load = { depth: 4, milliseconds: 100 };
    expect(await run('accept_client', await echo((bytes) => bytes), load)).toMatchObject({
      code: 0,
      result: { verified: true },
    });
    expect(
      await run('accept_client', await echo((bytes, count) => (count === 20 ? flip(bytes, 0) : bytes)), load),
    ).toMatchObject({ code: 1, stderr: expect.stringMatching(/another connection's byte/) });
    expect(
      await run('accept_client', await serve((socket) => void socket.on('data', () => socket.end())), load),
    ).toMatchObject({ code: 1, stderr: expect.stringMatching(/no echo/) });
    expect(
      await run('idle_client', await echo((bytes, count) => (count === 90 ? flip(bytes, 63) : bytes)), {
        connections: 100,
      }),
    ).toMatchObject({ code: 1, stderr: expect.stringMatching(/did not echo its message/) });
  });
});

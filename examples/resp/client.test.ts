/**
 * The client in a reactor against this sample's server on two reactors, against the real one, and against one that goes
 * away.
 */
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { createRuntime, type Runtime } from 'percore';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClientScenarios } from './fixtures/client-reactor.js';
import { run, startOwn, startRedis, type RunningServer } from './fixtures/processes.js';

let runtime: Runtime<{ calls: ClientScenarios }>;
const servers: Record<string, RunningServer> = {};

beforeAll(async () => {
  runtime = await createRuntime<{ calls: ClientScenarios }>({
    entry: new URL('./fixtures/client-reactor.js', import.meta.url),
    reactors: 1,
  });
  servers['this server'] = await startOwn('--reactors', '2');
  servers['redis-server'] = await startRedis();
});
afterAll(async () => {
  await runtime?.close();
  await Promise.all(Object.values(servers).map((server) => server.stop()));
});

describe.each(['this server', 'redis-server'])('against %s', (name) => {
  const port = (): number => servers[name]!.port;

  it('sends without waiting, and hands each reply to who asked', async () => {
    expect(JSON.parse(await runtime.call('pipeline', { port: port(), count: 5000 }))).toEqual({
      waiting: 10_000,
      isRight: true,
      count: 10_000,
    });
  });

  it('knows every kind of reply', async () => {
    expect(await runtime.call('replies', port())).toEqual([
      'OK', 'grüße', null, 'OK', 42, ['grüße', null, '42'], [], null, 'OK', 9223372036854775807n, '',
    ]);
  });

  it('carries bytes as they are', async () => {
    const every = Array.from({ length: 256 }, (_, i) => i);
    expect(await runtime.call('bytes', port())).toEqual([every, every]);
  });

  it('throws what the server says, and when there is none', async () => {
    const [wrongType, between, unknown, closed, nobody] = await runtime.call('failures', port());
    expect(wrongType).toBe('RespError WRONGTYPE: WRONGTYPE Operation against a key holding the wrong kind of value');
    expect(between).toBe('between');
    expect(unknown).toMatch(/^RespError ERR: ERR unknown command 'NOSUCH'/);
    expect(closed).toMatch(/^ConnectionLost CONNECTION_LOST: the connection is closed/);
    expect(nobody).toMatch(/^ConnectionLost CONNECTION_LOST: .*ECONNREFUSED/);
  });

  it('hears messages in their order, until it is told to stop', async () => {
    const heard = await runtime.call('messages', { port: port(), count: 100 });
    expect(heard).toEqual([...Array.from({ length: 100 }, (_, i) => `client:a ${i}`), 'receivers of the late one: 0']);
  });

  it('refuses more than it may keep waiting', async () => {
    const [tenth, eleventh, twelfth, after] = await runtime.call('busy', port());
    expect([tenth, after]).toEqual(['no error', 'no error']);
    expect([eleventh, twelfth]).toEqual(
      Array(2).fill('RespError BUSY: BUSY 10 replies are awaited; send more when some have come'),
    );
  });

  it('sends more than the connection takes at once', async () => {
    expect(await runtime.call('large', port())).toBe(20);
  });
});

describe.each(['this server', 'redis-server'])('what would disturb the order of replies, against %s', (name) => {
  const port = (): number => servers[name]!.port;

  it('is refused before anything is queued', async () => {
    const said = await runtime.call('refused', port());
    const types = ['null', 'of type undefined', 'of type object', 'an array', 'of type symbol', 'of type function'];
    expect(said.slice(0, 6)).toEqual(
      types.map(
        (type) => `TypeError undefined: argument 1 is ${type}, allowed are text, numbers, bigints and Uint8Array`,
      ),
    );
    for (const one of said.slice(6, 9)) {
      expect(one).toMatch(/^TypeError undefined: .* is not answered exactly once in RESP2/);
    }
    expect(said.slice(9)).toEqual([
      'TypeError undefined: handler is undefined, allowed is a function', 'in step',
      'RangeError undefined: mostWaiting is 0, allowed are whole numbers from 1 to 1048576',
      'RangeError undefined: timeoutMs is 1.5, allowed are whole numbers from 1 to 2147483647',
      'RangeError undefined: mostUnsentBytes is NaN, allowed are whole numbers from 1 to 1073741824',
    ]);
  });

  it('an answer that looks like a message is an answer', async () => {
    const list = ['message', 'client:news', 'x'];
    expect(await runtime.call('looksLikeMessage', port())).toEqual([
      list, 'RespError ERR', ['pong', 'still in step'], list, [],
    ]);
  });

  it('a handler that throws costs its own messages alone, and is reported', async () => {
    const reported: string[] = [];
    const note = ({ error }: { error: Error }): void => void reported.push(error.message);
    runtime.on('stepError', note);
    expect(await runtime.call('throwingHandler', { port: port(), count: 50 })).toBe(50);
    expect(reported.join()).toContain('a handler of the test throws');
    runtime.off('stepError', note);
  });
});

it('a server that does not answer costs the connection, never the order of the replies', async () => {
  const server = createServer((socket) => {
    socket.on('error', () => undefined).on('data', (chunk) => {
      if (String(chunk).includes('PING')) socket.write('+PONG\r\n');
      // Too late, and for the first of two.
      if (String(chunk).includes('FIRST')) setTimeout(() => socket.write('+late\r\n'), 1500);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const lost = 'ConnectionLost CONNECTION_LOST: no reply to FIRST within 300 ms';
  expect(await runtime.call('silent', (server.address() as AddressInfo).port)).toEqual([lost, lost, lost, 'closed']);
  server.close();
});

describe('a server that goes away', () => {
  it.each([
    ['closes', (): string => '', /^ConnectionLost CONNECTION_LOST: the connection is closed/],
    [
      'speaks another language',
      (): string => 'HTTP/1.1 400 Bad Request\r\n\r\n',
      /^ConnectionLost CONNECTION_LOST: the server does not speak RESP2/,
    ],
  ])('that %s fails all who wait', async (_, answer, lost) => {
    const server = createServer((socket) => {
      socket
        .on('error', () => undefined)
        .on('data', (chunk) => {
          const text = String(chunk);
          if (text.includes('PING')) socket.write('+PONG\r\n');
          if (text.includes('FIRST')) socket.write('+OK\r\n');
          if (text.includes('SECOND')) socket.end(answer());
        });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const [first, ...others] = await runtime.call('lost', (server.address() as AddressInfo).port);
    expect(first).toBe('no error');
    for (const other of others) expect(other).toMatch(lost);
    server.close();
  });
});

it('the example says what it promises', async () => {
  const output = await run(process.execPath, [
    fileURLToPath(new URL('./client-example.js', import.meta.url)), String(servers['this server']!.port),
  ]);
  expect(output).toBe('replies: OK, hello, 0, 1\nan error: WRONGTYPE\nheard: it works\n');
});

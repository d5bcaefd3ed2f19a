/**
 * The server as its users meet it: the real redis-cli and redis-benchmark, pipelines over several reactors, slow
 * readers, ends of life, signals.
 */
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exchange, RawPeer, requireProgram, run, startOwn, type RunningServer } from './fixtures/processes.js';
import { ask, bulk, makeTraffic } from './fixtures/traffic.js';

const own: Record<number, RunningServer> = {};

beforeAll(async () => {
  for (const reactors of [1, 2, 3]) {
    own[reactors] = await startOwn('--reactors', String(reactors), '--subscriber-bytes', '200000');
  }
});
afterAll(async () => {
  await Promise.all(Object.values(own).map((server) => server.stop()));
});

const infoOf = async (server: RunningServer): Promise<Record<string, string>> => {
  const text = await exchange(server.port, ask('INFO'));
  return Object.fromEntries(
    text
      .split('\r\n')
      .filter((line) => line.includes(':'))
      .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]),
  );
};

describe('redis-cli', () => {
  const cli = async (reactors: number, ...args: string[]): Promise<string> => {
    requireProgram('redis-cli', 'redis-tools');
    return run('redis-cli', ['-p', String(own[reactors]!.port), ...args]);
  };

  it.each([1, 2, 3])('uses every command, on %i reactors', async (reactors) => {
    const answers = async (...args: string[]): Promise<string> => (await cli(reactors, ...args)).trimEnd();
    expect(await answers('PING')).toBe('PONG');
    expect(await answers('ECHO', 'hello')).toBe('hello');
    expect(await answers('SET', 'cli:s', 'v', 'EX', '100', 'NX')).toBe('OK');
    expect(await answers('SET', 'cli:s', 'w', 'PX', '50000', 'XX')).toBe('OK');
    expect(await answers('GET', 'cli:s')).toBe('w');
    // Each answer is a process of its own, which takes its time on a busy machine.
    expect(Number(await answers('TTL', 'cli:s'))).toSatisfy((seconds: number) => seconds > 30 && seconds <= 50);
    expect(await answers('EXPIRE', 'cli:s', '70')).toBe('1');
    expect(Number(await answers('TTL', 'cli:s'))).toSatisfy((seconds: number) => seconds > 50 && seconds <= 70);
    expect(await answers('INCR', 'cli:n')).toBe('1');
    expect(await answers('MSET', 'cli:a', '1', 'cli:b', '2', 'cli:c', '3')).toBe('OK');
    expect(await answers('MGET', 'cli:a', 'cli:none', 'cli:c')).toBe('1\n\n3');
    expect(await answers('LPUSH', 'cli:l', 'a', 'b', 'c')).toBe('3');
    expect(await answers('LRANGE', 'cli:l', '0', '-1')).toBe('c\nb\na');
    expect(await answers('LPOP', 'cli:l')).toBe('c');
    expect(await answers('HSET', 'cli:h', 'f', 'v')).toBe('1');
    expect(await answers('HGET', 'cli:h', 'f')).toBe('v');
    expect(await answers('PUBLISH', 'cli:channel', 'x')).toBe('0');
    expect(await answers('CONFIG', 'GET', 'appendonly')).toBe('appendonly\nno');
    expect(Number(await answers('COMMAND', 'COUNT'))).toBe(32);
    expect(await answers('COMMAND', 'INFO', 'get')).toMatch(/^get\n2\nreadonly\n1\n1\n1/);
    expect(await answers('INFO', 'keyspace')).toMatch(/^# Keyspace\r\ndb0:keys=\d+,expires=1,/);
    expect(await answers('DEL', 'cli:s', 'cli:n', 'cli:a', 'cli:b', 'cli:c', 'cli:l', 'cli:h')).toBe('7');
    expect(await answers('NOSUCH')).toContain("ERR unknown command 'NOSUCH'");
    expect(await answers('QUIT')).toBe('OK');
  });

  it('reads commands from standard input, as an interactive session does', async () => {
    requireProgram('redis-cli', 'redis-tools');
    const output = await run('redis-cli', ['-p', String(own[2]!.port)], {
      input: 'SET in:a 1\nINCR in:a\nGET in:a\nSUBSCRIBE\nDEL in:a\n',
    });
    expect(output).toBe("OK\n2\n2\nERR wrong number of arguments for 'subscribe' command\n\n1\n");
  });

  it('subscribes in one reactor and hears what another publishes', async () => {
    const peers = Array.from({ length: 12 }, () => new RawPeer(own[3]!.port));
    for (const peer of peers) peer.send(ask('SUBSCRIBE', 'cli:news'));
    for (const peer of peers) await peer.until((text) => text.includes(':1\r\n'), 'the confirmation');
    for (let i = 0; i < 8; i++) expect((await cli(3, 'PUBLISH', 'cli:news', `message ${i}`)).trimEnd()).toBe('12');
    const messages = Array.from(
      { length: 8 },
      (_, i) => `*3\r\n${bulk('message')}${bulk('cli:news')}${bulk(`message ${i}`)}`,
    ).join('');
    for (const peer of peers) {
      expect(await peer.until((text) => text.endsWith(messages), 'the messages')).toBe(
        `*3\r\n${bulk('subscribe')}${bulk('cli:news')}:1\r\n${messages}`,
      );
      peer.socket.destroy();
    }
    // Gone with their connections: the channel has nobody.
    await untilInfo(own[3]!, (info) => info['pubsub_channels'] === '0');
    expect((await cli(3, 'PUBLISH', 'cli:news', 'x')).trimEnd()).toBe('0');
  });

  it('stays in a subscription and prints what comes', async () => {
    requireProgram('redis-cli', 'redis-tools');
    const heard = run('sh', ['-c', `timeout 5 redis-cli -p ${own[2]!.port} SUBSCRIBE cli:sub | head -6`]);
    await untilInfo(own[2]!, (info) => info['pubsub_channels'] === '1');
    expect((await cli(2, 'PUBLISH', 'cli:sub', 'over the lanes')).trimEnd()).toBe('1');
    await cli(2, 'PUBLISH', 'cli:sub', 'and once more, or head never learns that the pipe ends');
    expect(await heard).toBe('subscribe\ncli:sub\n1\nmessage\ncli:sub\nover the lanes\n');
  });
});

describe('redis-benchmark', () => {
  it.each([
    [1, 1], [1, 16], [2, 1], [2, 16], [3, 16],
  ])('runs on %i reactors with a pipeline of %i', async (reactors, pipeline) => {
    requireProgram('redis-benchmark', 'redis-tools');
    const output = await run(
      'redis-benchmark',
      [
        '-p', String(own[reactors]!.port), '-n', '2000', '-P', String(pipeline), '-t', 'set,get,incr,lpush', '-r',
        '500', '--csv',
      ],
      { timeoutMs: 30_000 },
    );
    const rows = output.trim().split('\n');
    expect(rows.map((row) => row.split(',')[0])).toEqual(['"test"', '"SET"', '"GET"', '"INCR"', '"LPUSH"']);
    expect(own[reactors]!.stderr()).not.toMatch(/Error/);
  });
});

describe('a pipeline over several reactors', () => {
  it.each([2, 3])('is answered in its order, on %i reactors', async (reactors) => {
    const { requests, replies } = makeTraffic('order', 20_000, 12_345);
    const peer = new RawPeer(own[reactors]!.port);
    // In pieces of odd lengths, so that commands are cut everywhere.
    for (let at = 0; at < requests.length; at += 4099) peer.send(requests.subarray(at, at + 4099));
    await peer.until((text) => text.length >= replies.length, 'all answers');
    expect(peer.bytes.equals(replies)).toBe(true);
    peer.socket.destroy();
  });

  it('carries values longer than a lane', async () => {
    const value = Buffer.alloc(1_000_000, 'the quick brown fox ').toString();
    const keys = Array.from({ length: 6 }, (_, i) => `long:${i}`);
    const answer = await exchange(
      own[3]!.port,
      [...keys.map((key) => ask('SET', key, value + key)), ask('MGET', ...keys), ask('DEL', ...keys)].join(''),
    );
    expect(
      answer.startsWith(`${'+OK\r\n'.repeat(6)}*6\r\n${keys.map((key) => bulk(value + key)).join('')}:6\r\n`),
    ).toBe(true);
  });

  it('has its keys in all reactors', async () => {
    await exchange(own[3]!.port, ask('MSET', ...Array.from({ length: 300 }, (_, i) => [`spread:${i}`, 'x']).flat()));
    const info = await infoOf(own[3]!);
    const counts = [0, 1, 2].map((id) => Number(/keys=(\d+)/.exec(info[`reactor${id}`]!)![1]));
    expect(Math.min(...counts)).toBeGreaterThan(50);
    expect(info['db0']).toContain(`keys=${counts.reduce((a, b) => a + b)},`);
  });
});

describe('ends of life', () => {
  it.each([1, 2])('keys go by themselves, on %i reactors', async (reactors) => {
    const { port } = own[reactors]!;
    const before = Number((await infoOf(own[reactors]!))['expired_keys']);
    const keys = Array.from({ length: 50 }, (_, i) => `life:${i}`);
    await exchange(
      port,
      keys.map((key) => ask('SET', key, 'v', 'PX', '80')).join('') +
        ask('SET', 'life:stays', 'v', 'PX', '80') +
        ask('SET', 'life:stays', 'w'),
    );
    // Nobody looks at them: the timers remove them.
    const info = await untilInfo(own[reactors]!, (now) => Number(now['expired_keys']) >= before + 50);
    expect(Number(info['expired_keys'])).toBe(before + 50);
    expect(
      await exchange(port, ask('MGET', ...keys.slice(0, 3)) + ask('GET', 'life:stays') + ask('TTL', 'life:0')),
    ).toContain('*3\r\n$-1\r\n$-1\r\n$-1\r\n$1\r\nw\r\n:-2\r\n');
  });
});

describe('slow readers', () => {
  it('a client that asks and does not read is stopped, and gets every answer when it reads again', async () => {
    const { port } = own[2]!;
    const value = 'x'.repeat(100_000);
    await exchange(port, ask('SET', 'slow:a', value) + ask('SET', 'slow:b', value) + ask('SET', 'slow:c', value));
    const peer = new RawPeer(port);
    await once(peer.socket, 'connect');
    peer.socket.pause();
    const COUNT = 1500;
    const stream = Array.from({ length: COUNT }, (_, i) => ask('GET', `slow:${'abc'[i % 3]}`)).join('');
    const before = await infoOf(own[2]!);
    peer.send(stream);
    const blocked = await untilInfo(
      own[2]!,
      (info) => Number(info['blocked_by_slow_reading']) > Number(before['blocked_by_slow_reading']),
    );
    // 150 MB of answers wait to be made, not in memory.
    expect(Number(blocked['used_memory_rss']) - Number(before['used_memory_rss'])).toBeLessThan(75e6);
    expect(await exchange(port, ask('ECHO', 'the others go on'))).toContain('the others go on');
    let received = 0;
    peer.socket.removeAllListeners('data').on('data', (chunk: Buffer) => (received += chunk.length)).resume();
    const expected = COUNT * bulk(value).length;
    const endMs = performance.now() + 30_000;
    while (received < expected && performance.now() < endMs) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(received).toBe(expected);
    peer.socket.destroy();
  }, 60_000);

  it('a subscriber that never reads is closed past its limit, and counted', async () => {
    const { port } = own[2]!;
    const peer = new RawPeer(port);
    peer.send(ask('SUBSCRIBE', 'slow:channel'));
    await peer.until((text) => text.includes(':1\r\n'), 'the confirmation');
    peer.socket.pause();
    const before = Number((await infoOf(own[2]!))['slow_subscribers_closed']);
    const publisher = new RawPeer(port);
    const message = 'y'.repeat(50_000);
    let sent = 0;
    const endMs = performance.now() + 20_000;
    while (Number((await infoOf(own[2]!))['slow_subscribers_closed']) === before && performance.now() < endMs) {
      for (let i = 0; i < 20; i++) publisher.send(ask('PUBLISH', 'slow:channel', message));
      sent += 20;
      await publisher.until((text) => text.split(':').length > sent, 'the counts');
    }
    expect(Number((await infoOf(own[2]!))['slow_subscribers_closed'])).toBe(before + 1);
    publisher.send(ask('PUBLISH', 'slow:channel', 'x'));
    expect(await publisher.until((text) => text.split(':').length > sent + 1, 'the last count')).toMatch(/:0\r\n$/);
    publisher.socket.destroy();
    peer.socket.destroy();
  }, 60_000);
});

describe('ends of connections', () => {
  it('what was asked before the end is answered', async () => {
    const peer = new RawPeer(own[3]!.port);
    await once(peer.socket, 'connect');
    peer.socket.allowHalfOpen = true;
    const COUNT = 5000;
    peer.socket.end(Array.from({ length: COUNT }, (_, i) => ask('SET', `end:${i}`, 'v')).join(''));
    await peer.until(() => false, 'the close').catch(() => undefined);
    expect(peer.text).toBe('+OK\r\n'.repeat(COUNT));
  });

  it('a reset in the middle of a pipeline harms nobody', async () => {
    const { port } = own[3]!;
    const before = Number((await infoOf(own[3]!))['connected_clients']);
    for (let i = 0; i < 20; i++) {
      const peer = new RawPeer(port);
      await once(peer.socket, 'connect');
      peer.send(
        Array.from(
          { length: 2000 },
          (_, n) => ask('GET', `reset:${n}`) + ask('MGET', `reset:${n}`, `reset:${n + 1}`),
        ).join(''),
      );
      peer.socket.resetAndDestroy();
    }
    await untilInfo(own[3]!, (info) => Number(info['connected_clients']) === before);
    expect(await exchange(port, ask('ECHO', 'fine'))).toContain('fine');
    expect(own[3]!.stderr()).not.toMatch(/Error/);
  });
});

describe('the program', () => {
  it('ends at SIGTERM with clients connected', async () => {
    const server = await startOwn('--reactors', '2');
    const peer = new RawPeer(server.port);
    peer.send(ask('PING'));
    await peer.until((text) => text === '+PONG\r\n', 'the pong');
    expect(await server.stop('SIGTERM')).toBe(0);
    await peer.until(() => false, 'the close');
    expect(peer.isClosed).toBe(true);
  });

  it.each([
    [['--port', '70000'], '--port is "70000", allowed are whole numbers from 0 to 65535\n'],
    [['--reactors', 'two'], '--reactors is "two", allowed are whole numbers from 1 to 255\n'],
    [['--source', 'kqueue'], '--source is "kqueue", allowed are epoll, io_uring\n'],
    [['--idle', 'sleep'], '--idle is "sleep", allowed are adaptive, spin, park, backoff\n'],
  ])('says what is wrong with %j', async (options, message) => {
    await expect(startOwn(...options)).rejects.toThrow(message);
  });

  it('says that its port is taken', async () => {
    await expect(startOwn('--port', String(own[1]!.port))).rejects.toThrow(/the port is in use/);
  });
});

/** Asks INFO until something holds of it; fails after 30 s. */
async function untilInfo(
  server: RunningServer,
  isSo: (info: Record<string, string>) => boolean,
): Promise<Record<string, string>> {
  const endMs = performance.now() + 30_000;
  for (;;) {
    const info = await infoOf(server);
    if (isSo(info)) return info;
    if (performance.now() > endMs) throw new Error(`30 s without it: ${JSON.stringify(info)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

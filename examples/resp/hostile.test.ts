/**
 * Clients that want too much: replies that fail in the middle, replies that nobody reads, requests that announce what
 * never comes. Each costs itself alone, and what the server takes for it is bounded.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { readFileSync } from 'node:fs';
import { RawPeer, exchange, startOwn, type RunningServer } from './fixtures/processes.js';
import { fileURLToPath } from 'node:url';
import { ask, bulk } from './fixtures/traffic.js';

const REPLY_BYTES = 1 << 20;
const own: Record<number, RunningServer> = {};
const peers: RawPeer[] = [];
beforeAll(async () => {
  for (const reactors of [1, 3]) {
    own[reactors] = await startOwn('--reactors', String(reactors), '--reply-bytes', String(REPLY_BYTES));
  }
});
afterEach(() => {
  for (const peer of peers.splice(0)) peer.socket.destroy();
});
afterAll(async () => {
  await Promise.all(Object.values(own).map((server) => server.stop()));
});

const connectTo = async (port: number): Promise<RawPeer> => {
  const peer = new RawPeer(port);
  peers.push(peer);
  await once(peer.socket, 'connect');
  return peer;
};
const infoOf = async (port: number): Promise<Record<string, string>> => {
  const text = await exchange(port, ask('INFO'));
  return Object.fromEntries(
    text
      .split('\r\n')
      .filter((line) => line.includes(':'))
      .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]),
  );
};
const residentMiB = (pid: string): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;

describe.each([1, 3])('a reply that fails in the middle, on %i reactors', (reactors) => {
  const TOO_LONG = `-ERR the reply is longer than ${REPLY_BYTES} bytes\r\n`;
  const value = 'v'.repeat(200_000);
  const keys = Array.from({ length: 12 }, (_, i) => `fail${i}`);

  it('is an error for who asked, in its place among the others, and nothing of it reaches anybody else', async () => {
    const { port } = own[reactors]!;
    expect(await exchange(port, ask('MSET', ...keys.flatMap((key) => [key, value])))).toContain('+OK');
    const victim = await connectTo(port);
    const bystanders = await Promise.all(Array.from({ length: 6 }, () => connectTo(port)));
    for (let round = 0; round < 10; round++) {
      victim.send(ask('ECHO', 'before') + ask('MGET', ...keys) + ask('ECHO', 'after'));
      for (const [i, one] of bystanders.entries()) one.send(ask('ECHO', `${i}.${round}`) + ask('GET', 'nothing'));
    }
    const expected = `${bulk('before')}${TOO_LONG}${bulk('after')}`.repeat(10);
    expect(await victim.until((text) => text.length >= expected.length, 'all replies')).toBe(expected);
    for (const [i, one] of bystanders.entries()) {
      const theirs = Array.from({ length: 10 }, (_, round) => `${bulk(`${i}.${round}`)}$-1\r\n`).join('');
      expect(await one.until((text) => text.length >= theirs.length, 'all replies')).toBe(theirs);
    }
    expect(Number((await infoOf(port))['failed_commands'])).toBeGreaterThanOrEqual(10);
  });

  it('takes nothing away: what LPOP could not reply is still there', async () => {
    const { port } = own[reactors]!;
    const list = Array.from({ length: 12 }, () => value);
    const answer = await exchange(
      port,
      ask('DEL', 'list') +
        ask('LPUSH', 'list', ...list) +
        ask('LPOP', 'list', '12') +
        ask('LPOP', 'list', '2') +
        ask('LPUSH', 'list', 'x') +
        ask('LRANGE', 'list', '0', '-1') +
        ask('DEL', 'list'),
    );
    expect(answer.replaceAll(bulk(value), '<value>').split('\r\n').slice(1, 6)).toEqual([
      ':12', TOO_LONG.trimEnd(), '*2', '<value><value>:11', TOO_LONG.trimEnd(),
    ]);
  });
});

describe('memory that is short', () => {
  const LARGE = 16 * 2 ** 20;

  it('is an error for the command that has none left; others are answered, and what is there can be read', async () => {
    const server = await startOwn('--reactors', '1', '--memory-bytes', String(5 * LARGE + 2 ** 21));
    try {
      const value = 'v'.repeat(LARGE - 100);
      const peer = await connectTo(server.port);
      const other = await connectTo(server.port);
      const replies: string[] = [];
      for (let i = 0; i < 7; i++) {
        const before = peer.text.length;
        peer.send(ask('SET', `large${i}`, value));
        await peer.until((text) => text.length > before && text.endsWith('\r\n'), 'a reply');
        replies.push(peer.text.slice(before, before + 4));
        other.send(ask('ECHO', 'here') + ask('SET', `small${i}`, 'x'));
      }
      expect(replies).toEqual([...Array<string>(5).fill('+OK\r'), '-OOM', '-OOM']);
      const theirs = `${bulk('here')}+OK\r\n`.repeat(7);
      expect(await other.until((text) => text.length >= theirs.length, 'the answers of the other')).toBe(theirs);
      // What was refused has left nothing, and what is deleted makes room again.
      const again = await exchange(
        server.port,
        ask('CONFIG', 'GET', 'maxmemory') + ask('GET', 'large5') + ask('GET', 'small6') + ask('DEL', 'large0') +
          ask('SET', 'large5', value) + ask('SET', 'large6', value),
      );
      const maxmemory = bulk('maxmemory') + bulk(String(5 * LARGE + 2 ** 21));
      expect(again).toContain(`*2\r\n${maxmemory}$-1\r\n${bulk('x')}:1\r\n+OK\r\n-OOM keys and values have `);
    } finally {
      await server.stop();
    }
  }, 60_000);
});

describe('a client that does not read', () => {
  it('and asks much behind a command of another reactor is stopped before it takes more than megabytes', async () => {
    const server = await startOwn('--reactors', '2');
    try {
      const before = await infoOf(server.port);
      const value = 'v'.repeat(150_000);
      const keys = Array.from({ length: 40 }, (_, i) => `behind${i}`);
      expect(await exchange(server.port, ask('MSET', ...keys.flatMap((key) => [key, value])))).toContain('+OK');
      const greedy = await Promise.all(Array.from({ length: 4 }, () => connectTo(server.port)));
      for (const peer of greedy) {
        peer.socket.pause();
        // 250 KB of requests for 1.5 GB of replies.
        peer.send(Array.from({ length: 10_000 }, (_, i) => ask('GET', keys[i % 40]!)).join(''));
      }
      await new Promise((resolve) => setTimeout(resolve, 2000));
      expect(residentMiB(before['process_id']!) - Number(before['used_memory_rss']) / 2 ** 20).toBeLessThan(150);
      expect(await exchange(server.port, ask('GET', 'none'))).toMatch(/^\$-1\r\n/);
    } finally {
      await server.stop();
    }
  }, 60_000);

  it.each(['epoll', 'io_uring'])('a hundred of them do not stop the others, with %s', async (source) => {
    const server = await startOwn('--reactors', '2', '--source', source);
    try {
      expect(await exchange(server.port, ask('SET', 'k', 'v'.repeat(50_000)))).toContain('+OK');
      const silent = await Promise.all(Array.from({ length: 100 }, () => connectTo(server.port)));
      for (const peer of silent) {
        peer.socket.pause();
        peer.send(Array.from({ length: 3000 }, (_, i) => ask('GET', i % 2 === 0 ? 'k' : `none${i}`)).join(''));
      }
      await new Promise((resolve) => setTimeout(resolve, 500));
      for (let i = 0; i < 10; i++) {
        expect(await exchange(server.port, ask('SET', `other${i}`, 'x') + ask('GET', `other${i}`))).toContain(
          '+OK\r\n$1\r\nx\r\n',
        );
      }
    } finally {
      await server.stop();
    }
  }, 60_000);
});

it('what is only announced takes no memory: 300 clients announce 16 MiB each and send a little of it', async () => {
  const { port } = own[1]!;
  const before = await infoOf(port);
  const waiting = await Promise.all(Array.from({ length: 300 }, () => connectTo(port)));
  for (const peer of waiting) peer.send(`*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$16777216\r\n${'x'.repeat(2000)}`);
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(residentMiB(before['process_id']!) - Number(before['used_memory_rss']) / 2 ** 20).toBeLessThan(60);
  expect(await exchange(port, ask('ECHO', 'fine'))).toContain('fine');
});

it('whoever reads what the server prints may leave, and it still ends at a signal', async () => {
  const child = spawn(
    process.execPath, [fileURLToPath(new URL('./main.js', import.meta.url)), '--port', '0', '--reactors', '1'],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  child.stdout.destroy();
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += String(chunk)));
  while (!stderr.includes('redis-cli')) await new Promise((resolve) => setTimeout(resolve, 20));
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([0, null]);
  expect(stderr).toMatch(/^In another terminal: {2}redis-cli -p \d+\n$/);
});

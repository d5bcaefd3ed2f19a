/**
 * Random commands, the same to this server and to the real redis-server, pipelined and cut at random places: each reply
 * must be the same to the byte. Tens of thousands in CI, millions with PERCORE_STRESS=1; a failure names its seed
 * (PERCORE_SEED=n runs that one).
 */
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RawPeer, startOwn, startRedis, type RunningServer } from './fixtures/processes.js';
import { ask } from './fixtures/traffic.js';

const ROUNDS = process.env['PERCORE_STRESS'] === '1' ? 400 : 12;
const COMMANDS = 1500;
const FIRST_SEED = Number(process.env['PERCORE_SEED'] ?? (Math.random() * 2 ** 31) | 0);

let redis: RunningServer;
const own: Record<string, RunningServer> = {};
beforeAll(async () => {
  redis = await startRedis();
  own['one reactor'] = await startOwn('--reactors', '1');
  own['three reactors'] = await startOwn('--reactors', '3');
});
afterAll(async () => {
  await Promise.all([redis, ...Object.values(own)].map((server) => server?.stop()));
});

class Random {
  constructor(private state: number) {
    this.state |= 1;
  }

  below(most: number): number {
    this.state ^= this.state << 13;
    this.state ^= this.state >>> 17;
    this.state ^= this.state << 5;
    return (this.state >>> 0) % most;
  }

  of<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  some<T>(make: () => T, most: number): T[] {
    return Array.from({ length: this.below(most + 1) }, make);
  }
}

const NUMBERS = [
  '0', '1', '-1', '2', '10', '100', '-100', '9007199254740991', '9007199254740992', '9007199254740993',
  '-9007199254740993', '9223372036854775', '-9223372036854775', '9223372036854776', '9223372036854775806',
  '9223372036854775807', '-9223372036854775808', '9223372036854775808', '99999999999999999999', '01', '+1', '-0', '1.5',
  ' 1', '1 ', '', 'x', '0x10', '1e3',
];
/** Not such as end a life while the test runs: the two servers would see that at different moments. */
const LIVES = ['1000', '2000', '3000', '100000', ...NUMBERS.filter((text) => !/^[1-9]\d{0,2}$/.test(text))];
const VALUES = [
  '', 'v', 'a longer value', '\0', '\r\n', '\xff\xfe', '*1\r\n$4\r\nPING\r\n', 'x'.repeat(1000), 'y'.repeat(40_000),
];
const WORDS = ['NX', 'xx', 'GET', 'get', 'KEEPTTL', 'EX', 'px', 'GT', 'LT', 'foo', ''];

/**
 * One command of those that the README names, mostly right, sometimes with too many arguments, too few or strange ones.
 */
function command(random: Random): string[] {
  const key = (): string => random.of(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', '', '\xff\0', 'key', 'k'.repeat(200)]);
  const number = (): string => random.of(NUMBERS);
  const value = (): string => (random.below(3) === 0 ? number() : random.of(VALUES));
  const seconds = (): string => random.of(LIVES);
  const life = (): string[] =>
    random.of([
      () => [],
      () => ['EX', seconds()],
      () => ['PX', `${seconds()}000`],
      () => ['KEEPTTL'],
      () => ['EX', seconds(), 'EX', seconds()],
      () => [random.of(WORDS)],
    ])();
  const words = random.of<() => string[]>([
    () => ['SET', key(), value()],
    () => ['SET', key(), value(), ...random.some(() => random.of(WORDS), 2), ...life()],
    () => ['SET', key(), value(), ...random.some(() => random.of([random.of(WORDS), seconds()]), 5)],
    () => ['GET', key()],
    () => ['INCR', key()],
    () => ['DECR', key()],
    () => ['INCRBY', key(), number()],
    () => ['DECRBY', key(), number()],
    () => ['DEL', key(), ...random.some(key, 4)],
    () => ['MGET', key(), ...random.some(key, 6)],
    () => ['MSET', ...random.some(() => [key(), value()], 4).flat()],
    () => ['EXPIRE', key(), seconds()],
    // GT and LT of the same life asked twice depend on the milliseconds between.
    () => ['EXPIRE', key(), String(100_000 + random.below(1e9)), ...random.some(() => random.of(WORDS), 2)],
    () => ['TTL', key()],
    () => ['LPUSH', key(), value(), ...random.some(value, 5)],
    () => ['LPOP', key(), ...random.some(() => random.of(['1', '2', number()]), 1)],
    () => ['LRANGE', key(), random.of(['0', '-2', number()]), random.of(['-1', '3', number()])],
    () => ['HSET', key(), ...random.some(() => [value(), value()], 3).flat()],
    () => ['HGET', key(), value()],
    () => ['PUBLISH', key(), value()],
    () => ['ECHO', value()],
    () => ['PING', ...random.some(value, 1)],
    () => ['DBSIZE'],
    () =>
      random.below(20) === 0
        ? [random.of(['FLUSHALL', 'FLUSHDB']), ...random.some(() => random.of(['ASYNC', 'sync', 'x']), 1)]
        : ['DBSIZE'],
    () => ['SELECT', random.of(['0', 'x', '-1', '99999999999999999999'])],
    () => [
      'CLIENT',
      random.of(['GETNAME', 'SETNAME', 'setinfo', 'FOO']),
      ...random.some(() => random.of(['me', 'my name', 'x', 'y\n', '']), 2),
    ],
    () => [
      'CONFIG',
      random.of(['GET', 'FOO']),
      ...random.some(() => random.of(['appendonly', 'no', 'save', 'nosuch']), 1),
    ],
    () => ['CONFIG', 'set', ...random.some(() => [random.of(['appendonly', 'nosuch']), 'no'], 2).flat()],
    () => ['HELLO', random.of(['2', '1', '4', 'x', '9223372036854775808']), 'foo', 'foo'],
    () => ['AUTH', ...random.some(() => random.of(['default', 'somebody', 'x']), 3)],
    () => [random.of(['FOO', 'GETT', '', 'get\0', 'S'.repeat(200)]), ...random.some(value, 3)],
  ])();
  const [name, ...args] = words as [string, ...string[]];
  const cased = random.below(4) === 0 ? name.toLowerCase() : name;
  if (random.below(30) === 0) return [cased, ...args.slice(0, -1)];
  if (random.below(40) === 0) return [cased, ...args, value()];
  return [cased, ...args];
}

/** The places of replies in a stream of them: whole ones only. */
function replyEnds(bytes: Buffer): number[] {
  const ends: number[] = [];
  let at = 0;
  let open: number[] = [];
  while (at < bytes.length) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd < 0) break;
    const kind = bytes[at]!;
    const count = kind === 0x24 || kind === 0x2a ? Number(bytes.toString('latin1', at + 1, lineEnd)) : 0;
    at = lineEnd + 2;
    if (kind === 0x24 && count >= 0) at += count + 2;
    if (at > bytes.length) break;
    if (kind === 0x2a && count > 0) {
      open.push(count);
      continue;
    }
    while (open.length !== 0 && --open[open.length - 1]! === 0) open = open.slice(0, -1);
    if (open.length === 0) ends.push(at);
  }
  return ends;
}

/** Sends it in pieces of random lengths and returns all replies. */
async function talk(
  port: number, stream: Buffer, count: number, random: Random,
): Promise<{ bytes: Buffer; ends: number[] }> {
  const peer = new RawPeer(port);
  await once(peer.socket, 'connect');
  for (let at = 0; at < stream.length;) {
    // Now one byte at a time, now much in one go.
    const size = 1 + random.below(random.of([2, 20, 500, 20_000, 200_000]));
    peer.send(stream.subarray(at, at + size));
    at += size;
    if (random.below(3) === 0) await new Promise(setImmediate);
  }
  await peer.until(() => replyEnds(peer.bytes).length >= count, `${count} replies`);
  peer.socket.destroy();
  return { bytes: peer.bytes, ends: replyEnds(peer.bytes) };
}

describe.each(['one reactor', 'three reactors'])('on %s', (name) => {
  it(`${ROUNDS * COMMANDS} random commands are answered as by redis-server`, async () => {
    const rounds = process.env['PERCORE_SEED'] === undefined ? ROUNDS : 1;
    for (let round = 0; round < rounds; round++) {
      const seed = FIRST_SEED + round;
      const random = new Random(seed);
      const commands = [['FLUSHALL'], ...Array.from({ length: COMMANDS }, () => command(random))];
      const stream = Buffer.from(commands.map((words) => ask(...words)).join(''), 'latin1');
      const [expected, observed] = await Promise.all(
        [redis.port, own[name]!.port].map((port) => talk(port, stream, commands.length, new Random(seed))),
      );
      const wrong: string[] = [];
      for (const [i, words] of commands.entries()) {
        const reply = (from: { bytes: Buffer; ends: number[] }): string =>
          from.bytes.toString('latin1', from.ends[i - 1] ?? 0, from.ends[i]);
        const [theirs, ours] = [reply(expected!), reply(observed!)];
        // What is left of a life depends on when each was asked.
        if (ours === theirs || (/^ttl$/i.test(words[0]!) && near(ours, theirs))) continue;
        wrong.push(
          `command ${i}: ${JSON.stringify(words).slice(0, 200)}: ${JSON.stringify(ours).slice(0, 200)} for ${JSON.stringify(theirs).slice(0, 200)}`,
        );
      }
      expect({ seed, wrong: wrong.slice(0, 10) }).toEqual({ seed, wrong: [] });
    }
    expect(own[name]!.stderr()).not.toMatch(/rror/);
  }, 3_600_000);
});

const near = (a: string, b: string): boolean =>
  /^:\d+\r\n$/.test(a) && Math.abs(Number(BigInt(a.slice(1, -2)) - BigInt(b.slice(1, -2)))) <= 10;

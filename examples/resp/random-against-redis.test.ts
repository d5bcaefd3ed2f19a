/**
 * Random commands, the same to this server and to the real redis-server, pipelined and cut at random places: each reply
 * must be the same to the byte. Thousands in CI, millions with PERCORE_STRESS=1; a failure names its seed
 * (PERCORE_SEED=n runs that one). No key's life ends here while the commands run: `expiry-against-redis.test.ts` has
 * those that do.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startOwn, startRedis, type RunningServer } from './fixtures/processes.js';
import { NUMBERS, Random, Talk, cut, difference, randomCommand, type Lives } from './fixtures/random-commands.js';
import { ask } from './fixtures/traffic.js';

const ROUNDS = process.env['PERCORE_STRESS'] === '1' ? 400 : 3;
const COMMANDS = 1500;
const FIRST_SEED = Number(process.env['PERCORE_SEED'] ?? (Math.random() * 2 ** 31) | 0);
/** A hundred seconds and more, whatever the unit, or no life at all. */
const LONG = ['100000', '200000', '300000', ...NUMBERS.filter((text) => !/^[1-9]\d{0,2}$/.test(text))];
const LIVES: Lives = { seconds: LONG, milliseconds: LONG.map((text) => `${text}000`) };

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

/** Sends it in pieces of random lengths and returns the replies. */
async function talk(port: number, stream: Buffer, count: number, random: Random): Promise<string[]> {
  const connection = await Talk.open(port);
  try {
    return await connection.ask(cut(stream, random), count);
  } finally {
    connection.close();
  }
}

describe.each(['one reactor', 'three reactors'])('on %s', (name) => {
  it(`${ROUNDS * COMMANDS} random commands are answered as by redis-server`, async () => {
    const rounds = process.env['PERCORE_SEED'] === undefined ? ROUNDS : 1;
    for (let round = 0; round < rounds; round++) {
      const seed = FIRST_SEED + round;
      const random = new Random(seed);
      const commands = [['FLUSHALL'], ...Array.from({ length: COMMANDS }, () => randomCommand(random, LIVES))];
      const stream = Buffer.from(commands.map((words) => ask(...words)).join(''), 'latin1');
      const [theirs, ours] = await Promise.all(
        [redis.port, own[name]!.port].map((port) => talk(port, stream, commands.length, new Random(seed))),
      );
      const wrong = commands.flatMap((words, i) => {
        // What is left of a life, in seconds, depends on when each server was asked.
        if (/^ttl$/i.test(words[0]!) && isNear(ours![i]!, theirs![i]!)) return [];
        const what = difference(words, ours![i]!, theirs![i]!);
        return what === undefined ? [] : [`command ${i}: ${what}`];
      });
      expect({ seed, wrong: wrong.slice(0, 10) }).toEqual({ seed, wrong: [] });
    }
    expect(own[name]!.stderr()).not.toMatch(/rror/);
  }, 3_600_000);
});

const isNear = (a: string, b: string): boolean =>
  /^:\d+\r\n$/.test(a) &&
  /^:\d+\r\n$/.test(b) &&
  Math.abs(Number(BigInt(a.slice(1, -2)) - BigInt(b.slice(1, -2)))) <= 10;

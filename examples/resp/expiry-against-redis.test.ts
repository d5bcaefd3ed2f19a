/**
 * Keys whose lives end while random commands run: on this server and on redis-server they must end alike.
 *
 * The two servers get a command at different moments, so a reply near the end of a life may rightly differ. The test
 * therefore measures. A batch of commands is sent to both at `fromMs`, and both have answered at `toMs`. A life of
 * L ms that began in it ends, on either server, between fromMs + L and toMs + L, and a batch that neither begins nor
 * runs within such a window must be answered alike, to the byte:
 *
 *     batch 1        window of a life of 40 ms        batch 2        batch 3
 *     |-------|      [=========]                      |------|       waits for windows, is compared
 *
 * So each batch waits until no window is near. A batch that was too slow and ran into one all the same is not compared,
 * and its round begins anew. A life counts whatever becomes of its command or its key.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startOwn, startRedis, type RunningServer } from './fixtures/processes.js';
import { KEYS, Random, Talk, difference, randomCommand, type Lives } from './fixtures/random-commands.js';
import { ask } from './fixtures/traffic.js';

const COMMANDS = process.env['PERCORE_STRESS'] === '1' ? 200_000 : 3000;
const BATCH = 60;
/** Batches of a round: then the servers are emptied, and the windows with them. */
const BATCHES = 20;
const FIRST_SEED = Number(process.env['PERCORE_SEED'] ?? (Math.random() * 2 ** 31) | 0);
/** Lives that end soon, longer than a batch takes: seconds for EX and EXPIRE, milliseconds for PX. */
const LIVES: Lives = { seconds: ['1', '2', '60'], milliseconds: ['60', '90', '120', '250', '1000'] };
/** How long a batch takes at most, nearly always. */
const GUARD_MS = 40;
/** redis-server and this one count whole milliseconds: a life begins and ends within one of them. */
const ROUNDING_MS = 2;
const MOST_LIFE_MS = 10_000;

interface Window {
  readonly fromMs: number;
  readonly toMs: number;
}

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

/** Every life that these words could mean, in milliseconds: a number behind EX or PX, or in its place in EXPIRE. */
function livesOf(words: readonly string[]): number[] {
  const isExpire = /^expire$/i.test(words[0]!);
  const lives = words.map((word, i) => {
    if (!/^[1-9]\d{0,8}$/.test(word)) return Infinity;
    if (/^px$/i.test(words[i - 1] ?? '')) return Number(word);
    return /^ex$/i.test(words[i - 1] ?? '') || (isExpire && i === 2) ? Number(word) * 1000 : Infinity;
  });
  return lives.filter((ms) => ms <= MOST_LIFE_MS);
}

/** Any random command, and often one that gives a key a short life. */
function mortalCommand(random: Random): string[] {
  const key = random.of(KEYS);
  const life = random.of(LIVES.milliseconds);
  switch (random.below(16)) {
    case 0: return ['SET', key, 'mortal', 'PX', life];
    case 1: return ['SET', key, '41', 'px', life, random.of(['NX', 'XX', 'GET'])];
    case 2: return ['EXPIRE', key, random.of(LIVES.seconds), random.of(['NX', 'XX'])];
    case 3: return ['SET', key, 'goes on', 'KEEPTTL'];
    default: return randomCommand(random, LIVES);
  }
}

/** Waits until no life can end within the time of a batch; returns the windows that are still to come. */
async function clear(windows: readonly Window[]): Promise<Window[]> {
  for (;;) {
    const nowMs = performance.now();
    const near = windows.filter(({ fromMs, toMs }) => toMs >= nowMs && fromMs <= nowMs + GUARD_MS);
    if (near.length === 0) return windows.filter(({ toMs }) => toMs >= nowMs);
    await sleep(Math.max(...near.map(({ toMs }) => toMs)) - nowMs);
  }
}

/** What is left of a life is rounded to seconds, by clocks that are at most a batch apart. */
const isNear = (a: string, b: string): boolean =>
  /^:\d+\r\n$/.test(a) && /^:\d+\r\n$/.test(b) && Math.abs(Number(a.slice(1, -2)) - Number(b.slice(1, -2))) <= 1;

describe.each(['one reactor', 'three reactors'])('on %s', (name) => {
  it(`keys end as on redis-server: ${COMMANDS} random commands`, async () => {
    const servers = [redis.port, own[name]!.port];
    let compared = 0;
    let expired = 0;
    let tooSlow = 0;
    for (let seed = FIRST_SEED; compared < COMMANDS && tooSlow < 2000; seed++) {
      const random = new Random(seed);
      const talks = await Promise.all(servers.map((port) => Talk.open(port)));
      let windows: Window[] = [];
      try {
        await Promise.all(talks.map((talk) => talk.ask([Buffer.from(ask('FLUSHALL'))], 1)));
        for (let batch = 0; batch < BATCHES; batch++) {
          // redis-server counts keys in DBSIZE whose lives are over until somebody asks for them: so ask.
          const commands = [['MGET', ...KEYS], ...Array.from({ length: BATCH }, () => mortalCommand(random))];
          const stream = Buffer.from(commands.map((words) => ask(...words)).join(''), 'latin1');
          const before = windows.length;
          windows = await clear(windows);
          const fromMs = performance.now();
          const [theirs, ours] = await Promise.all(talks.map((talk) => talk.ask([stream], commands.length)));
          const toMs = performance.now();
          const lives = commands.flatMap(livesOf);
          const isUnsure = windows.some((window) => window.fromMs <= toMs && window.toMs >= fromMs)
            || lives.some((ms) => fromMs + ms - ROUNDING_MS <= toMs);
          if (isUnsure) {
            tooSlow++;
            break;
          }
          expired += Math.max(0, before - windows.length);
          compared += commands.length;
          windows.push(...lives.map((ms) => ({ fromMs: fromMs + ms - ROUNDING_MS, toMs: toMs + ms + ROUNDING_MS })));
          const wrong = commands.flatMap((words, i) => {
            if (/^ttl$/i.test(words[0]!) && isNear(ours![i]!, theirs![i]!)) return [];
            const what = difference(words, ours![i]!, theirs![i]!);
            return what === undefined ? [] : [`batch ${batch}, command ${i}: ${what}`];
          });
          expect({ seed, wrong: wrong.slice(0, 10) }).toEqual({ seed, wrong: [] });
        }
      } finally {
        for (const talk of talks) talk.close();
      }
    }
    process.stdout.write(`expiry: ${compared} commands, ${expired} ends of lives passed, ${tooSlow} rounds too slow\n`);
    expect(compared).toBeGreaterThanOrEqual(COMMANDS);
    expect(expired).toBeGreaterThan(COMMANDS / 100);
  }, 3_600_000);
});

it('a life asked for twice in one millisecond is not longer the second time', async () => {
  // redis-server counts milliseconds, so GT and LT refuse an equal life. Both servers are asked many times in one
  // go: a millisecond may pass between two commands, but not between nearly all of them.
  const stream =
    ask('SET', 'twice', 'v') + (ask('EXPIRE', 'twice', '100') + ask('EXPIRE', 'twice', '100', 'GT')).repeat(200);
  for (const port of [redis.port, own['one reactor']!.port]) {
    const talk = await Talk.open(port);
    const replies = await talk.ask([Buffer.from(stream)], 401);
    talk.close();
    const longer = replies.filter((reply, i) => i > 0 && i % 2 === 0 && reply === ':1\r\n').length;
    expect(longer).toBeLessThan(100);
  }
});

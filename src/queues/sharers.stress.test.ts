/**
 * Processes that are killed at any moment, with every kind of queue in a file. Those that are left go on, and so do
 * those that come next; nothing that was published is lost, and no record comes twice to one reader, as each reader
 * checks by itself (fixtures/sharer-program.ts). In CI 15 processes are killed; with `PERCORE_STRESS=1` it is 1,000,
 * and then the others must be told within 20 ms in the middle of all cases. If `wait` holds a producer back, a death
 * that is not found stops everybody, so a test that ends has found all of them.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { RECORD, type Work } from './fixtures/sharer-program.js';
import { Sharer } from './fixtures/sharers.js';
import { isLong } from './fixtures/stress.js';
import { close, create, inspect } from './index.js';

const scratch = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'percore-kills-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const KILLS = isLong ? 334 : 5;
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

it.each([
  { kind: 'spsc', producers: 1, consumers: 1 }, { kind: 'mpsc', producers: 2, consumers: 1 },
  { kind: 'spmc', producers: 1, consumers: 2 },
] as const)('$kind: others go on when producers and consumers are killed', async ({ kind, producers, consumers }) => {
  const path = join(scratch, kind);
  // Two places more than there are consumers, since the dead keep theirs until another process has noticed.
  const queue = create({
    kind, capacity: 64, codec: RECORD, startSequence: 2 ** 31 - 1000, memory: { path },
    ...(kind === 'mpsc' ? { maxProducers: 4 } : {}), ...(kind === 'spsc' ? {} : { maxConsumers: consumers + 2 }),
  });
  const roles: Work[] = [
    ...Array.from({ length: producers }, (_, i): Work => ({
      path, kind, role: 'producer', isSync: i % 2 === 0, publishEvery: 4,
    })),
    ...Array.from({ length: consumers }, (_, i): Work => ({ path, kind, role: 'consumer', isSync: i % 2 === 1 })),
  ];
  const running = roles.map((work) => Sharer.start(work));
  const noticedMs: number[] = [];
  const seed = Math.random() * 2 ** 31 | 0;
  let random = seed;
  const draw = (below: number): number => {
    random = (Math.imul(random, 1_664_525) + 1_013_904_223) | 0;
    return Math.floor(((random >>> 0) / 2 ** 32) * below);
  };
  try {
    for (let kill = 0; kill < KILLS; kill++) {
      const victim = draw(running.length);
      if (draw(4) > 0) await running[victim]!.says('ready');
      await sleep(draw(isLong ? 30 : 60));
      const { pid } = running[victim]!;
      const holds = (): boolean => {
        const { producers: ours, consumers: theirs } = inspect(queue);
        return [...ours, ...theirs].some(({ processId }) => processId === pid);
      };
      // Where no other has an end yet, nobody finds out before one has.
      const isWatched = holds() && running.some((each, i) => i !== victim && each.hasSaid('ready'));
      const killedMs = performance.now();
      const output = running[victim]!.kill();
      // Those who are left find out, or whoever joins next; this process has no end, and finds out nothing.
      while (holds()) await sleep(1);
      if (isWatched) noticedMs.push(performance.now() - killedMs);
      expect(await output, `seed ${seed}`).not.toContain('failed');
      running[victim] = Sharer.start(roles[victim]!);
    }
    for (const each of running) await each.says('ready');
    close(queue);
    const outputs = await Promise.all(running.map((each) => each.end()));
    for (const output of outputs) expect(output, `seed ${seed}`).toMatch(/^ready\ndone \d+\n$/);
    const { published, depth, dropped, consumers: places } = inspect(queue);
    expect(published).toBeGreaterThan(0);
    // A batch that was published behind the end, as its producer was told, belongs to nobody any more.
    expect(depth, `seed ${seed}: ${JSON.stringify(places)}`).toBe(dropped.closed);
    const sorted = noticedMs.toSorted((a, b) => a - b);
    const [median = 0, most = 0] = [sorted[sorted.length >> 1], sorted.at(-1)];
    if (isLong) expect(median).toBeLessThan(20);
    console.log(`${kind}: ${KILLS} kills; noticed after ${median.toFixed(1)} ms (median), ${most.toFixed(1)} ms (most) `
      + `of the ${sorted.length} where another was there; ${published} published`);
  } finally {
    for (const { child } of running) child.kill('SIGKILL');
  }
}, isLong ? 1_800_000 : 60_000);

/**
 * Reactors that come, go, are drained, die and are started again at random moments while buckets move and messages are
 * sent by key: everything that was asked ends, nothing runs twice or out of order, and what is lost is told.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { OK } from '../queues/index.js';
import { createRuntime, type Runtime } from '../reactor/index.js';
import { Random } from '../random.js';
import { createBalancer, moveAllBuckets } from './balancer.js';
import { LAST, NAME, OUT_OF_ORDER, RUN } from './fixtures/coming.js';
import { keyedAddress } from './keyed-address.js';

const MOST = 4;
const MESSAGES = 200_000;
const IS_STRESS = process.env.PERCORE_STRESS === '1';
/** The long form finds what never ends, also on a machine where each start takes seconds. */
const ENDS_MS = IS_STRESS ? 240_000 : 60_000;
const RUNS = IS_STRESS ? 40 : 1;
const FOR_MS = IS_STRESS ? 4000 : 1000;

let runtime: Runtime | undefined;
afterEach(async () => {
  await runtime?.close({ drainMs: 0 });
});

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

// Its moments are random: what it has found stands in gone.test.ts, moment by moment.
describe('reactors that come and go at random', () => {
  const seeds = Array.from({ length: RUNS }, (_, i) => (Date.now() + i) | 0);
  it.each(seeds)('end what was asked, by seed %d', async (seed) => {
    const random = new Random(seed);
    const below = (count: number): number => random.below(count);
    const words = new Int32Array(new SharedArrayBuffer((RUN + MESSAGES) * 4)).fill(-1, LAST, RUN);
    const here = runtime = await createRuntime({
      entry: new URL('./fixtures/coming.js', import.meta.url), reactors: 2, maxReactors: MOST, data: words, pin: false,
      idle: { strategy: 'park' }, restart: { most: 1000, withinMs: 1000, backoffMs: 1 },
    });
    here.on('reactorDied', () => undefined);
    here.on('stepError', () => undefined);
    const balancer = createBalancer(here, { everyMs: 20 });
    const address = keyedAddress<number>(here, NAME);
    const open = new Set<string>();
    const wrong: string[] = [];
    let undelivered = 0;
    const ask = (what: string, act: () => unknown): void => {
      const fail = (error: unknown): void => {
        const { code = '' } = error as { code?: string };
        if (!code.startsWith('ERR_PERCORE_')) wrong.push(`${what}: ${String(error)}`);
      };
      const name = `${open.size} ${what}`;
      try {
        const answer = act();
        if (!(answer instanceof Promise)) return;
        open.add(name);
        answer.then((value: unknown) => {
          undelivered += (value as { undelivered?: number } | undefined)?.undelivered ?? 0;
        }, fail).finally(() => open.delete(name));
      } catch (error) {
        fail(error);
      }
    };
    let number = 0;
    for (const end = performance.now() + FOR_MS; performance.now() < end; await sleep(below(20))) {
      for (let i = 0; i < 200 && number < MESSAGES; i++) {
        if (address.send(`key ${below(64)}`, number) !== OK) break;
        number++;
      }
      const reactor = below(here.reactors);
      const bucket = below(1024);
      const acts: [string, () => unknown][] = [
        ['drain', () => here.drain(reactor, { timeoutMs: 1000 })],
        ['resume', () => here.resume(reactor)],
        ['scale', () => here.scale(1 + below(MOST), { drainMs: 200 })],
        ['move', () => balancer.move(bucket, reactor)],
        ['pin', () => balancer.pin(bucket, reactor)],
        ['empty', () => moveAllBuckets(here, reactor)],
        ['exit', () => here.send('end', 'exit', { reactor })],
        ['throw', () => here.send('end', 'throw', { reactor })],
        ['block', () => here.send('end', 'block', { reactor })],
      ];
      ask(...acts[below(acts.length)]!);
    }
    for (let id = 0; id < here.reactors; id++) ask('resume', () => here.resume(id));
    for (const end = performance.now() + ENDS_MS; open.size > 0 && performance.now() < end;) await sleep(5);
    expect([...open], 'all that was asked has ended').toEqual([]);
    expect(wrong).toEqual([]);
    const count = (): number => words.subarray(RUN).reduce((sum, times) => sum + times, 0);
    let before = -1;
    for (const end = performance.now() + ENDS_MS; performance.now() < end; before = count()) {
      await sleep(100);
      if (before === count() && here.status().reactors.every(({ state }) => state === 'ready')) break;
    }
    // One may have been told to end and come to that only now.
    const closed = await here.close({ drainMs: ENDS_MS });
    expect(closed.leftBehind).toEqual([]);
    expect(words[OUT_OF_ORDER], 'out of order').toBe(0);
    expect(words.subarray(RUN).findIndex((times) => times > 1), 'run twice').toBe(-1);
    // What a reactor had not run when it was taken away; nothing else is lost, for the main thread sends.
    expect(number - count()).toBeLessThanOrEqual(undelivered + closed.undelivered);
  }, 3 * ENDS_MS + 20_000);
});

/** Buckets that move between real threads, while all of them send. */
import { afterEach, describe, expect, it } from 'vitest';
import { bucketOf, createRuntime, hashKey, type Runtime, type RuntimeOptions } from '../reactor/index.js';
import { BUCKETS, SLOTS } from '../layout.js';
import { OK } from '../queues/index.js';
import { ownerIn } from '../slot-word.js';
import { controllerOf } from '../reactor/internal.js';
import { createBalancer, moveAllBuckets, type Balancer } from './balancer.js';
import {
  bucketsOfKeys, feed, keyOf, NAME, type CountMessage, type KeyedReport, type KeyedServices,
} from './fixtures/keyed-reactor.js';
import { keyedAddress } from './keyed-address.js';
import { movesOf } from './moves.js';

type Town = { calls: KeyedServices };
const isStress = process.env['PERCORE_STRESS'] !== undefined;
const MESSAGES = isStress ? 2_000_000 : 20_000;
const TIMEOUT_MS = isStress ? 1_800_000 : 120_000;

let runtime: Runtime<Town>;
let balancer: Balancer;
async function start(reactors: number, options: Partial<RuntimeOptions<Town>> = {}): Promise<void> {
  runtime = await createRuntime<Town>({
    entry: new URL('./fixtures/keyed-reactor.js', import.meta.url), reactors, laneBytes: 16_384, ...options,
  });
  balancer = createBalancer(runtime, { mostMoves: 0, everyMs: 10 });
}
afterEach(async () => {
  await runtime.close({ drainMs: 2000 });
});

const living = (): number[] => runtime.status().reactors.filter(({ state }) => state !== 'dead').map(({ id }) => id);
const reports = (): Promise<KeyedReport[]> =>
  Promise.all(living().map((reactor) => runtime.call('report', null, { reactor })));
const total = (sent: number[][]): number => sent.flat().reduce((sum, count) => sum + count, 0);
const bucketOfKey = (key: number): number => bucketOf(hashKey(Buffer.from(keyOf(key))));

/** True when it has moved; a death on the way is no fault here. */
const tryToMove = (bucket: number, to: number): Promise<boolean> =>
  balancer.move(bucket, to).catch((error: { code?: string }) => {
    if (error.code !== 'ERR_PERCORE_REACTOR_DIED') throw error;
    return false;
  });

/** Moves buckets of the keys to and fro until `isOver`. */
async function moveUntil(isOver: () => boolean): Promise<number> {
  const buckets = bucketsOfKeys();
  let moves = 0;
  // Eight at a time.
  await Promise.all(Array.from({ length: 8 }, async (_, first) => {
    for (let tries = first; !isOver(); tries += 8) {
      const reactors = living();
      if (await tryToMove(buckets[tries % buckets.length]!, reactors[(tries >> 2) % reactors.length]!)) moves++;
    }
  }));
  return moves;
}

describe('buckets that move between threads under load', () => {
  it.each([1, 2, 3])('keep each key in order and lose nothing, with %i reactors and the main thread sending', async (
    reactors,
  ) => {
    await start(reactors);
    const address = keyedAddress<CountMessage>(runtime, NAME, { capacity: 2 });
    let isOver = false;
    const feeding = Promise.all([
      feed(address, MESSAGES),
      ...living().map((reactor) => runtime.call('feed', MESSAGES, { reactor })),
    ]);
    const moving = reactors === 1 ? Promise.resolve(0) : moveUntil(() => isOver);
    const accepted = total(await feeding);
    isOver = true;
    const moves = await moving;
    expect(accepted).toBe(MESSAGES * (reactors + 1));
    let all: KeyedReport[] = [];
    await expect.poll(async () => {
      all = await reports();
      return all.reduce((sum, { run }) => sum + run, 0);
    }, { timeout: 20_000 }).toBe(accepted);
    expect(all.flatMap(({ wrong }) => wrong)).toEqual([]);
    expect(all.reduce((sum, { arrived }) => sum + arrived, 0)).toBe(moves);
    expect(balancer.status()).toMatchObject({ moved: moves, failed: 0, lost: 0, moving: 0, adopted: 0 });
    if (reactors > 1) expect(moves).toBeGreaterThan(20);
  }, TIMEOUT_MS);

  it('go on when a reactor dies in the middle, and what it has lost is counted', async () => {
    await start(3, { idle: { strategy: 'park' } });
    runtime.on('reactorDied', () => undefined).on('stepError', () => undefined);
    const address = keyedAddress<CountMessage>(runtime, NAME);
    let isOver = false;
    const moving = moveUntil(() => isOver);
    const feeding = feed(address, MESSAGES);
    await runtime.call('slow', 2, { reactor: 1 });
    await runtime.call('die', null, { reactor: 1 }).catch(() => undefined);
    const accepted = total([await feeding]);
    isOver = true;
    await moving;
    await expect.poll(() => balancer.status().buckets[1], { timeout: 10_000 }).toBe(0);
    // What the main thread has sent was taken by somebody, or is counted as lost.
    const { table } = movesOf(controllerOf(runtime)).room;
    const missing = (): number => Array.from({ length: BUCKETS }, (_, bucket) => {
      // Stage 3, from party 3, the main thread.
      const slot = 3 * BUCKETS + bucket;
      return table.figures[3]!.sent[slot]! - table.figures[ownerIn(table.word(slot))]!.taken[3 * SLOTS + slot]!;
    }).reduce((sum, each) => sum + Math.abs(each), 0);
    await expect.poll(missing, { timeout: 20_000 }).toBe(0);
    const all = await reports();
    expect(all.reduce((sum, { run }) => sum + run, 0) + balancer.status().lost).toBeLessThanOrEqual(accepted);
    expect(balancer.status().adopted).toBeGreaterThan(0);
    const wrong = all.flatMap((report) => report.wrong);
    expect(wrong.filter((each) => each.includes('but it is here'))).toEqual([]);
    expect(address.send(keyOf(0), [0, 0])).toBe(OK);
  }, TIMEOUT_MS);

  it('are emptied out of a reactor by moveAllBuckets', async () => {
    await start(2);
    expect(await moveAllBuckets(runtime, 1)).toBe(512);
    expect(balancer.status().buckets).toEqual([1024, 0]);
    expect(runtime.ownerOf('anything')).toBe(0);
    await expect(moveAllBuckets(runtime, 0, { to: [0] })).rejects.toMatchObject({ argument: 'to' });
    expect(await moveAllBuckets(runtime, 1)).toBe(0);
  });

  it('stay where they are pinned', async () => {
    await start(2);
    const bucket = bucketOfKey(3);
    const owner = runtime.ownerOf(keyOf(3));
    expect(await balancer.pin(bucket, 1 - owner)).toBe(true);
    expect(runtime.ownerOf(keyOf(3))).toBe(1 - owner);
    await expect(balancer.move(bucket, owner)).rejects.toMatchObject({
      code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'to', message: expect.stringContaining('pinned'),
    });
    expect(balancer.unpin(bucket)).toBe(true);
    expect(balancer.unpin(bucket)).toBe(false);
    expect(await balancer.move(bucket, owner)).toBe(true);
    expect(await balancer.move(bucket, owner)).toBe(false);
  });

  it('are pinned as before when the move of a pin fails, and to where the last one went that did not', async () => {
    await start(2);
    const bucket = bucketOfKey(3);
    const owner = runtime.ownerOf(keyOf(3));
    const pinned = (): number | undefined => balancer.status().pinned.get(bucket);
    await runtime.call('keep', null, { reactor: owner });
    await expect(balancer.pin(bucket, 1 - owner)).rejects.toThrow('they stay');
    expect(pinned(), 'it was not pinned').toBe(undefined);
    // Both are asked for before either ends.
    const both = [balancer.pin(bucket, owner), balancer.pin(bucket, 1 - owner)];
    expect(pinned(), 'the last one that was asked for').toBe(1 - owner);
    expect(await both[0]).toBe(false);
    await expect(both[1]).rejects.toThrow('they stay');
    expect(pinned()).toBe(owner);
    // One that was taken back on its way does not come back.
    const late = balancer.pin(bucket, 1 - owner);
    expect(balancer.unpin(bucket)).toBe(true);
    await expect(late).rejects.toThrow('they stay');
    expect(pinned()).toBe(undefined);
    const first = balancer.pin(bucket, 1 - owner);
    const second = balancer.pin(bucket, owner);
    await expect(first).rejects.toThrow('they stay');
    expect([await second, pinned()]).toEqual([false, owner]);
  });

  it('are moved from a busy reactor to an idle one, and the busy shares become equal', async () => {
    await start(2);
    balancer.close();
    balancer = createBalancer(runtime, { everyMs: 20, restMs: 50 });
    await moveAllBuckets(runtime, 1);
    for (const reactor of [0, 1]) await runtime.call('slow', 20, { reactor });
    const address = keyedAddress<CountMessage>(runtime, NAME);
    let isOver = false;
    const feeding = (async () => {
      // So many that one reactor could not bear them alone.
      while (!isOver) {
        for (let key = 0; key < 16; key++) address.send(keyOf(key), [key, 0]);
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
    })();
    await expect.poll(() => {
      const { busy, moved } = balancer.status();
      return moved > 512 && busy[0]! > 0.02 && Math.abs(busy[0]! - busy[1]!) / (busy[0]! + busy[1]!);
    }, { timeout: 20_000, interval: 20 }).toBeLessThan(0.2);
    isOver = true;
    await feeding;
    expect(balancer.status().moved).toBeGreaterThan(512);
  }, 60_000);
});

describe('wrong arguments', () => {
  it('are refused by what they are called', async () => {
    await start(1);
    expect(() => createBalancer(runtime, { everyMs: 0 })).toThrow(/everyMs/);
    expect(() => createBalancer(runtime, { hysteresis: 0 })).toThrow(/hysteresis must be .* above 0 to 10, not 0/);
    expect(() => createBalancer(runtime, { onDeath: 'sleep' as 'stay' })).toThrow(/onDeath/);
    await expect(balancer.move(1024, 0)).rejects.toMatchObject({ argument: 'bucket' });
    await expect(balancer.move(0, 1)).rejects.toMatchObject({ argument: 'reactor' });
    const address = keyedAddress<unknown>(runtime, NAME);
    expect(() => address.send(5 as unknown as string, 1)).toThrow(/String\(5\)/);
    expect(() => address.sendToBucket(1.5, 1)).toThrow(/bucket must be a whole number from 0 to 1023, not 1.5/);
    expect(() => address.send('a', () => undefined)).toThrow(/ERR_PERCORE_UNSERIALIZABLE|function/);
    expect(() => keyedAddress(runtime, '')).toThrow(/name/);
    expect(() => keyedAddress(runtime, 'a', { capacity: 0 })).toThrow(/capacity/);
  });
});

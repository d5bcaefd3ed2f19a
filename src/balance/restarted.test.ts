/** Buckets that move after a reactor was started again: its counts are made equal, and no move waits for ever. */
import { expect, it } from 'vitest';
import { createRuntime } from '../reactor/index.js';
import { createBalancer, moveAllBuckets } from './balancer.js';
import { bucketsOfKeys, feed, NAME, type CountMessage, type KeyedServices } from './fixtures/keyed-reactor.js';
import { keyedAddress } from './keyed-address.js';

it('moves buckets from, to and past a reactor that was started again', async () => {
  const runtime = await createRuntime<{ calls: KeyedServices }>({
    entry: new URL('./fixtures/keyed-reactor.js', import.meta.url), reactors: 2, laneBytes: 16_384,
    restart: { most: 3, withinMs: 60_000 },
  });
  try {
    runtime.on('reactorDied', () => undefined).on('stepError', () => undefined);
    const balancer = createBalancer(runtime, { mostMoves: 0 });
    const address = keyedAddress<CountMessage>(runtime, NAME);
    const feeding = feed(address, 5000);
    const fed = runtime.call('feed', 100_000, { reactor: 1 }).catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 20));
    await runtime.call('die', null, { reactor: 1 }).catch(() => undefined);
    await fed;
    await expect.poll(() => runtime.call('report', null, { reactor: 1 }).then(() => true, () => false), {
      timeout: 20_000,
    }).toBe(true);
    await feeding;
    for (const to of [0, 1, 0]) {
      await Promise.all(bucketsOfKeys().map((bucket) => balancer.move(bucket, to)));
    }
    expect(balancer.status()).toMatchObject({ moving: 0, failed: 0, adopted: 0 });
    const before = await runtime.call('report', null, { reactor: 0 });
    await feed(keyedAddress<CountMessage>(runtime, NAME, { capacity: 8 }), 640);
    await expect.poll(async () => (await runtime.call('report', null, { reactor: 0 })).run).toBe(before.run + 640);
  } finally {
    await runtime.close({ drainMs: 2000 });
  }
}, 60_000);

it('moves buckets to reactors that are added, and from those that are to be taken away', async () => {
  const runtime = await createRuntime<{ calls: KeyedServices }>({
    entry: new URL('./fixtures/keyed-reactor.js', import.meta.url), reactors: 2, maxReactors: 3, laneBytes: 16_384,
  });
  try {
    const balancer = createBalancer(runtime, { mostMoves: 0 });
    const address = keyedAddress<CountMessage>(runtime, NAME);
    const feeding = feed(address, 6400);
    await runtime.scale(3);
    await Promise.all(bucketsOfKeys().map((bucket) => balancer.move(bucket, 2)));
    // Beside those that came to it by themselves.
    expect(balancer.status().buckets[2]).toBeGreaterThanOrEqual(bucketsOfKeys().length);
    await feeding;
    await moveAllBuckets(runtime, 2);
    await runtime.scale(2);
    expect(balancer.status().buckets[2]).toBe(0);
    await feed(keyedAddress<CountMessage>(runtime, NAME), 640);
    expect(balancer.status()).toMatchObject({ failed: 0, lost: 0 });
    expect(balancer.status().moved).toBeGreaterThanOrEqual(2 * bucketsOfKeys().length);
  } finally {
    await runtime.close({ drainMs: 2000 });
  }
}, 60_000);

/** Buckets go with the reactors that are drained, added and taken away, under load, with their messages and state. */
import { afterEach, describe, expect, it } from 'vitest';
import { createRuntime, type Runtime, type RuntimeOptions } from '../reactor/index.js';
import { createBalancer, type Balancer } from './balancer.js';
import {
  feed, keyOf, NAME, type CountMessage, type KeyedReport, type KeyedServices,
} from './fixtures/keyed-reactor.js';
import { keyedAddress } from './keyed-address.js';

type Town = { calls: KeyedServices };
const MESSAGES = 10_000;

let runtime: Runtime<Town>;
let balancer: Balancer;
async function start(reactors: number, options: Partial<RuntimeOptions<Town>> = {}): Promise<void> {
  runtime = await createRuntime<Town>({
    entry: new URL('./fixtures/keyed-reactor.js', import.meta.url), reactors, laneBytes: 16_384,
    idle: { strategy: 'park' }, ...options,
  });
  balancer = createBalancer(runtime, { mostMoves: 0, everyMs: 10 });
}
afterEach(async () => {
  await runtime.close({ drainMs: 2000 });
});

const reports = (): Promise<KeyedReport[]> => Promise.all(
  Array.from({ length: runtime.reactors }, (_, reactor) => runtime.call('report', null, { reactor })),
);
const buckets = (): number[] => balancer.status().buckets.slice(0, runtime.reactors);

describe('buckets', () => {
  it('do not move to a reactor that there is room for and that is not started', async () => {
    await start(2, { maxReactors: 3 });
    const error = await balancer.move(3, 2).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'to', reactorId: 2 });
    expect((error as Error).message).toContain('runtime.scale(3)');
    await runtime.scale(3);
    await balancer.move(3, 2);
    expect(buckets()[2]).toBeGreaterThan(0);
  });

  it('whose hook never settles hold messages, which close counts', async () => {
    await start(2);
    const address = keyedAddress<CountMessage>(runtime, NAME);
    const bucket = 5;
    await balancer.move(bucket, 0);
    await runtime.call('stick', null, { reactor: 0 });
    expect(address.sendToBucket(bucket, [1, 0])).toBe(0);
    void balancer.move(bucket, 1).catch(() => undefined);
    await expect.poll(async () => (await reports())[0]!.run).toBe(1);
    for (let i = 1; i <= 7; i++) expect(address.sendToBucket(bucket, [1, i])).toBe(0);
    expect(address.held).toBe(7);
    const closed = await runtime.close({ drainMs: 200 });
    expect(closed).toMatchObject({ drained: false, undelivered: 7 });
  });

  it('leave a reactor that is drained, and come back when it takes work again', async () => {
    await start(3);
    const owners = (): number[] => Array.from({ length: 64 }, (_, key) => runtime.ownerOf(keyOf(key)));
    await balancer.pin(3, 1);
    const before = owners();
    expect(buckets()).toEqual([341, 342, 341]);
    await runtime.drain(1);
    expect(buckets()[1]).toBe(0);
    expect(owners()).not.toContain(1);
    expect(keyedAddress<CountMessage>(runtime, NAME).send(keyOf(0), [0, 0])).toBe(0);
    runtime.resume(1);
    await expect.poll(buckets, { timeout: 20_000 }).toEqual([341, 342, 341]);
    expect(owners()).toEqual(before);
    expect((await reports()).flatMap(({ wrong }) => wrong)).toEqual([]);
  });

  it('stay, or go elsewhere, where the reactor that they were to come to is taken away meanwhile', async () => {
    await start(3);
    const errors: string[] = [];
    runtime.on('stepError', ({ error }) => void errors.push(error.message));
    const drained = runtime.drain(2);
    // They come back behind those moves, when there is no such reactor any more.
    runtime.resume(2);
    await Promise.all([drained, runtime.drain(0), runtime.scale(2)]);
    await expect.poll(() => balancer.status().moving, { timeout: 20_000 }).toBe(0);
    expect(errors).toEqual([]);
    expect(buckets()).toEqual([0, 1024]);
  });

  it('are shared with reactors that are added, and left by those that are taken away, without loss', async () => {
    await start(1, { maxReactors: 4 });
    const address = keyedAddress<CountMessage>(runtime, NAME);
    const feeding = feed(address, MESSAGES);
    // What was run by reactors that have left is no longer told by them.
    let arrived = 0;
    await runtime.scale(3);
    expect(buckets()).toEqual([341, 341, 342].reverse());
    await runtime.scale(4);
    expect(buckets()).toEqual([256, 256, 256, 256]);
    arrived += (await reports()).slice(1).filter(({ arrived: count }) => count > 0).length;
    expect(arrived).toBe(3);
    await runtime.scale(1);
    expect(buckets()).toEqual([1024]);
    const accepted = (await feeding).reduce((sum, count) => sum + count, 0);
    expect(accepted).toBe(MESSAGES);
    // Each key of each sender counts up from 0 in a state that moves with its bucket: one that was lost would be wrong.
    expect((await reports()).flatMap(({ wrong }) => wrong)).toEqual([]);
    expect(balancer.status()).toMatchObject({ failed: 0, lost: 0, moving: 0, adopted: 0 });
  });

  it('whose hook keeps them keep nobody from leaving: they are given to others, and it is told', async () => {
    await start(2);
    const told: string[] = [];
    runtime.on('stepError', ({ error, where }) => void told.push(`${where}: ${error.message}`));
    await runtime.call('keep', null, { reactor: 1 });
    await expect(runtime.drain(1)).rejects.toThrow('they stay');
    expect(buckets()).toEqual([512, 512]);
    expect(await runtime.scale(1)).toEqual({ reactors: 1, undelivered: 0 });
    expect(buckets()).toEqual([1024]);
    expect(told).toEqual(['moving buckets: they stay']);
    expect(balancer.status().adopted).toBe(512);
    const address = keyedAddress<CountMessage>(runtime, NAME);
    for (let key = 0; key < 64; key++) expect(address.send(keyOf(key), [key, 0])).toBe(0);
    await expect.poll(async () => (await reports())[0]!.run, { timeout: 20_000 }).toBe(64);
  });
});

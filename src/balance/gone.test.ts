/** Moves of buckets past reactors that are taken away while they wait to be started again, and that come again. */
import { expect, it } from 'vitest';
import { createRuntime, type Runtime } from '../reactor/index.js';
import { createBalancer, type Balancer } from './balancer.js';
import { BLOCKS, ENDS, HELD_UP, REFUSED, STARTS } from './fixtures/gone.js';

async function live(
  reactors: number, use: (runtime: Runtime, balancer: Balancer, words: Int32Array) => Promise<void>,
): Promise<void> {
  const words = new Int32Array(new SharedArrayBuffer(16)).fill(-1, HELD_UP, STARTS + 2);
  words[STARTS] = 0;
  const runtime = await createRuntime({
    entry: new URL('./fixtures/gone.js', import.meta.url), reactors, maxReactors: 3, data: words, pin: false,
    laneBytes: 16_384, restart: { most: 9, withinMs: 60_000, backoffMs: 1000 },
  });
  runtime.on('reactorDied', () => undefined).on('stepError', () => undefined);
  try {
    await use(runtime, createBalancer(runtime, { mostMoves: 0, onDeath: 'stay' }), words);
  } finally {
    await runtime.close({ drainMs: 0 });
  }
}

/** Resolves while it has died and waits a second before it is started again. */
async function endTwice(runtime: Runtime, reactor: number): Promise<void> {
  const status = (): { generation: number; state: string } => runtime.status().reactors[reactor]!;
  for (let generation = 1; generation <= 2; generation++) {
    await expect.poll(() => status().state, { timeout: 20_000, interval: 2 }).toBe('ready');
    await runtime.call('end', null, { reactor }).catch(() => undefined);
    await expect.poll(() => status().generation, { timeout: 20_000, interval: 2 }).toBe(generation);
  }
}

it('what was asked of one that is not started again ends, and so do the moves from it and past it', async () => {
  await live(3, async (runtime, balancer) => {
    await endTwice(runtime, 2);
    const asked = runtime.call('end', null, { reactor: 2 }).catch((error: { code?: string }) => error.code);
    // Its messages are to be read before, for which it is asked by the old owner.
    const moved = balancer.move(0, 1);
    expect(await runtime.scale(2, { drainMs: 0 })).toMatchObject({ reactors: 2 });
    expect(await asked).toBe('ERR_PERCORE_REACTOR_DIED');
    expect(await moved).toBe(true);
    expect(balancer.status()).toMatchObject({ moving: 0, failed: 0, adopted: 341 });
  });
}, 20_000);

it('what one had that was taken away moves while another is started in its place', async () => {
  await live(2, async (runtime, balancer, words) => {
    words[REFUSED] = 1;
    await runtime.scale(1);
    // Once with their state, and once without it.
    expect(balancer.status(), 'nobody could have them').toMatchObject({ failed: 1024, adopted: 0 });
    words[REFUSED] = 0;
    words[HELD_UP] = 1;
    const scaled = runtime.scale(2);
    await expect.poll(() => Atomics.load(words, STARTS), { timeout: 20_000, interval: 2 }).toBe(3);
    expect(await balancer.move(1, 0)).toBe(true);
    words[HELD_UP] = -1;
    await scaled;
    // The thread that is started there has answered for its place, amid its entry: nobody had to adopt anything.
    expect(balancer.status()).toMatchObject({ moving: 0, failed: 1024, adopted: 0 });
  });
}, 20_000);

it('what one had that is taken away goes to one that takes no work, where no other does', async () => {
  await live(2, async (runtime, balancer) => {
    await runtime.drain(0);
    await runtime.scale(1);
    expect(balancer.status()).toMatchObject({ moving: 0, adopted: 1024 });
  });
}, 20_000);

it('one that ends before the others that are added are there is not taken for living', async () => {
  await live(1, async (runtime, balancer, words) => {
    words[HELD_UP] = 2;
    const scaled = runtime.scale(3).catch((error: unknown) => error);
    const state = (): string | undefined => runtime.status().reactors[1]?.state;
    await expect.poll(state, { timeout: 20_000, interval: 2 }).toBe('ready');
    words[ENDS] = 1;
    await expect.poll(state, { timeout: 20_000, interval: 2 }).toBe('dead');
    words[HELD_UP] = -1;
    expect(await scaled).toMatchObject({ code: 'ERR_PERCORE_ENTRY', reactorId: 1 });
    expect(runtime.reactors).toBe(1);
    expect(balancer.status()).toMatchObject({ moving: 0, moved: 0 });
  });
}, 20_000);

it('one that is taken away amid an endless step had been sent what others sent, not calls about buckets', async () => {
  await live(3, async (runtime, balancer, words) => {
    runtime.send('block', 0, { reactor: 2 });
    await expect.poll(() => Atomics.load(words, ENDS), { timeout: 20_000, interval: 2 }).toBe(BLOCKS);
    for (let i = 0; i < 5; i++) runtime.send('block', i, { reactor: 2 });
    runtime.flush();
    // All its buckets were asked for, and it has answered none of that.
    expect(await runtime.scale(2, { drainMs: 100 })).toEqual({ reactors: 2, undelivered: 5 });
    expect(balancer.status()).toMatchObject({ moving: 0, adopted: 341 });
  });
}, 20_000);

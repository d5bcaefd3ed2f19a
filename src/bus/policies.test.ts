import { describe, expect, it } from 'vitest';
import { BACK_PRESSURED, CLOSED, EVICTED, OK } from '../queues/index.js';
import type { Runtime } from '../reactor/index.js';
import { createTopic, subscribe, subscribeBytes, topicsOf, type SubscribeOptions, type Subscription } from './index.js';
import { errorOf, sleep, until, withRuntime } from './fixtures/inside.js';

interface Slow extends Subscription {
  readonly heard: number[];
  /** Lets the handler finish the present message, and all that follow. */
  open(): void;
}

/** A subscriber that takes one message and does not finish it until it is opened. */
function slow(runtime: Runtime, options: SubscribeOptions): Slow {
  const heard: number[] = [];
  let open!: () => void;
  const gate = new Promise<void>((resolve) => (open = resolve));
  const subscription = subscribe(runtime, 'n', { concurrency: 1, ...options }, (value) => {
    heard.push(value as number);
    return gate;
  });
  return { ...subscription, heard, open };
}

/** Publishes 0, 1, 2, … in separate passes of the event loop. Returns how many were taken. */
async function publish(runtime: Runtime, count: number): Promise<number> {
  const topic = createTopic(runtime, { name: 'n' });
  let taken = 0;
  for (let n = 0; n < count; n++) {
    if (topic.publish(n) === OK) taken++;
    if (n % 16 === 15) await sleep(1);
  }
  await sleep(5);
  topic.close();
  return taken;
}

describe('a slow subscriber', () => {
  it("with 'wait' makes its publisher wait, and neither it nor any other subscriber loses a message", async () => {
    await withRuntime(1, { laneBytes: 4096 }, async (runtime) => {
      const one = slow(runtime, { capacity: 4 });
      const other = slow(runtime, { capacity: 4096 });
      const taken = await publish(runtime, 1000);
      expect(taken).toBeLessThan(200);
      await until(() => one.status().lag === 4 && other.status().lag === 4, 'one is full');
      expect(one.status()).toMatchObject({ lag: 4, received: 1, dropped: 0, whenSlow: 'wait', capacity: 4 });
      expect(other.status().lag, 'all of them or none').toBe(4);
      one.open();
      other.open();
      await until(() => one.heard.length === taken && other.heard.length === taken, 'all that was taken');
      expect(one.heard).toEqual(Array.from({ length: taken }, (_, n) => n));
      expect(other.heard).toEqual(one.heard);
    });
  });

  it("with 'drop-newest' keeps the first messages, with 'drop-oldest' the last, and counts what it lost", async () => {
    await withRuntime(1, {}, async (runtime) => {
      const newest = slow(runtime, { capacity: 4, whenSlow: 'drop-newest' });
      const oldest = slow(runtime, { capacity: 4, whenSlow: 'drop-oldest' });
      expect(await publish(runtime, 100), 'nobody is refused').toBe(100);
      await until(() => newest.status().dropped === 95 && oldest.status().dropped === 95, 'all have come');
      expect(newest.status()).toMatchObject({ lag: 4, dropped: 95, droppedByReason: { newest: 95, oldest: 0 } });
      expect(oldest.status()).toMatchObject({ lag: 4, dropped: 95, droppedByReason: { newest: 0, oldest: 95 } });
      newest.open();
      oldest.open();
      await until(() => newest.heard.length === 5 && oldest.heard.length === 5, 'what was kept');
      expect(newest.heard).toEqual([0, 1, 2, 3, 4]);
      expect(oldest.heard).toEqual([0, 96, 97, 98, 99]);
      expect([newest.status().received, oldest.status().received]).toEqual([5, 5]);
    });
  });

  it("with 'evict' is evicted after its standstill, and its publisher goes on", async () => {
    await withRuntime(1, { laneBytes: 4096 }, async (runtime) => {
      const errors: string[] = [];
      runtime.on('stepError', ({ error, where }) => void errors.push(`${where} ${(error as { code?: string }).code}`));
      const late = slow(runtime, { capacity: 4, whenSlow: 'evict', evictAfterMs: 50 });
      const heard: number[] = [];
      subscribe(runtime, 'n', {}, (value) => void heard.push(value as number));
      const taken = await publish(runtime, 1000);
      expect(await late.ended).toBe(EVICTED);
      await until(() => heard.length === taken, 'the other has all that was taken');
      expect(late.status()).toMatchObject({
        received: 1, lag: 0, dropped: 4, droppedByReason: { evicted: 4 }, isOver: true,
      });
      await until(() => errors.length === 1, 'the report');
      expect(errors).toEqual(['subscriber of n ERR_PERCORE_CLOSED']);
      expect(runtime.status().main.stepErrors).toBe(1);
    });
  });

  it("with 'evict' stays if it goes on in time", async () => {
    await withRuntime(1, { laneBytes: 4096 }, async (runtime) => {
      const heard: number[] = [];
      const options = { capacity: 1, concurrency: 1, whenSlow: 'evict', evictAfterMs: 100 } as const;
      const lazy = subscribe(runtime, 'n', options, async (value) => {
        await sleep(10);
        heard.push(value as number);
      });
      const topic = createTopic(runtime, { name: 'n' });
      for (let n = 0; n < 30; n++) while (topic.publish(n) !== OK) await sleep(1);
      await until(() => heard.length === 30, 'all');
      expect(lazy.status()).toMatchObject({ isOver: false, dropped: 0 });
    });
  });

  it('drops what waits when it leaves, and lets its publisher go on', async () => {
    await withRuntime(1, { laneBytes: 4096 }, async (runtime) => {
      const gone = slow(runtime, { capacity: 4 });
      const taken = await publish(runtime, 1000);
      await until(() => gone.status().lag === 4, 'it is full');
      gone.leave();
      gone.leave();
      expect(gone.status()).toMatchObject({ dropped: 4, droppedByReason: { left: 4 }, lag: 0, isOver: true });
      expect(await gone.ended).toBe(CLOSED);
      const topic = createTopic(runtime, { name: 'n' });
      await until(() => topic.publish(taken) === OK, 'room');
      gone.open();
      expect((await runtime.close()).drained, 'nobody waits for it').toBe(true);
    });
  });

  it('is given the same message again after BACK_PRESSURED, as soon as its refuser has room', async () => {
    await withRuntime(1, {}, async (runtime) => {
      let open!: () => void;
      const gate = new Promise<void>((resolve) => (open = resolve));
      const done: number[] = [];
      const next = runtime.spawn<number>({ name: 'next', capacity: 2, concurrency: 1 }, (n) => {
        done.push(n);
        return gate;
      });
      let tries = 0;
      const subscription = subscribe(runtime, 'n', { capacity: 8 }, (value) => {
        tries++;
        return next.send(value as number);
      });
      const taken = await publish(runtime, 10);
      await until(() => subscription.status().lag === 7 && done.length === 1, 'it waits for the next one');
      expect([taken, done]).toEqual([10, [0]]);
      const before = tries;
      await sleep(30);
      expect(tries, 'it takes no turn while it waits').toBe(before);
      expect(before, 'and no message but the refused one is tried twice').toBeLessThanOrEqual(5);
      open();
      await until(() => done.length === 10, 'all');
      expect(done).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
      expect(BACK_PRESSURED).toBeLessThan(0);
    });
  });

  it('may be of a class, which stands for its band, as may a topic', async () => {
    await withRuntime(1, { classes: { bulk: { priority: 1 } } }, async (runtime) => {
      const bands: number[] = [];
      subscribe(runtime, 'n', { class: 'bulk' }, () => undefined);
      subscribeBytes(runtime, 'n', {}, ({ priority }) => void bands.push(priority));
      const topic = createTopic(runtime, { name: 'n', class: 'bulk' });
      topic.publish(1);
      await until(() => bands.length === 1, 'it');
      expect([bands, topicsOf(runtime).topics[0]!.priority]).toEqual([[1], 1]);
      const unknown = { code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'class' };
      expect(await errorOf(() => createTopic(runtime, { name: 'm', class: 'none' }))).toMatchObject(unknown);
      const both = { class: 'bulk', priority: 1 };
      expect(await errorOf(() => subscribe(runtime, 'n', both, () => undefined))).toMatchObject(unknown);
    });
  });

  it('runs in its own band', async () => {
    await withRuntime(1, {}, async (runtime) => {
      const order: string[] = [];
      subscribe(runtime, 'n', { priority: 6 }, (value) => void order.push(`high ${value}`));
      subscribe(runtime, 'n', { priority: 1 }, (value) => void order.push(`low ${value}`));
      subscribe(runtime, 'n', {}, (value) => void order.push(`own ${value}`));
      const topic = createTopic(runtime, { name: 'n', priority: 3 });
      for (const n of [0, 1, 2]) topic.publish(n);
      await until(() => order.length === 9, 'all');
      expect(order.filter((each) => each.startsWith('low')), 'they are the last').toEqual(order.slice(-3));
      expect(order.indexOf('high 0')).toBeLessThan(order.indexOf('own 1'));
    });
  });

  it('ends with its runtime, and what waits for it is counted', async () => {
    let subscription!: Slow;
    await withRuntime(1, {}, async (runtime) => {
      subscription = slow(runtime, { capacity: 4, whenSlow: 'drop-newest' });
      await publish(runtime, 3);
    });
    expect(await Promise.race([subscription.ended, sleep(5000)])).toBe(CLOSED);
    await subscription.ready;
    expect(subscription.status()).toMatchObject({ isOver: true, lag: 0, droppedByReason: { left: 2 } });
  });
});

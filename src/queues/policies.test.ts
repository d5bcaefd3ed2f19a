import { describe, expect, it } from 'vitest';
import { drained, eight, errorOf, fixed } from './fixtures/helpers.js';
import { Other } from './fixtures/party.js';
import { BACK_PRESSURED, CLOSED, DROPPED, EVICTED, OK, create, inspect, pub, sub } from './index.js';
import type { FixedConsumer, FixedQueue } from './index.js';

const spsc = () => create({ kind: 'spsc', capacity: 2, recordBytes: 8 });
const spmc = (maxConsumers = 3) => create({ kind: 'spmc', capacity: 2, recordBytes: 8, maxConsumers });
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('whenSlow: wait', () => {
  it('answers BACK_PRESSURED and counts each refusal', () => {
    const queue = spsc();
    const producer = pub(queue);
    expect([1, 2, 3, 4].map((value) => producer.offer(eight(value)))).toEqual([OK, OK, BACK_PRESSURED, BACK_PRESSURED]);
    expect(producer.tryClaim(2)).toBe(BACK_PRESSURED);
    expect(inspect(queue)).toMatchObject({ refused: 3, published: 2, depth: 2, highWater: 2 });
  });

  it('publishes what lazy publishing has held back before it refuses, since nobody could drain it', () => {
    const { producer, consumer } = fixed({ capacity: 2 }, { publishEvery: { records: 100 } });
    expect([1, 2].map((value) => producer.offer(eight(value)))).toEqual([OK, OK]);
    expect(drained(consumer)).toEqual([]);
    expect(producer.offer(eight(3))).toBe(BACK_PRESSURED);
    expect(drained(consumer)).toEqual([1, 2]);
  });
});

describe('whenSlow: drop-newest', () => {
  it('answers DROPPED, keeps what is there, and counts', () => {
    const queue = spsc();
    const producer = pub(queue);
    const consumer = sub(queue, { whenSlow: 'drop-newest' });
    expect([1, 2, 3, 4].map((value) => producer.offer(eight(value)))).toEqual([OK, OK, DROPPED, DROPPED]);
    expect([drained(consumer), producer.offer(eight(5)), drained(consumer)]).toEqual([[1, 2], OK, [5]]);
    expect(inspect(queue)).toMatchObject({ published: 3, refused: 0, dropped: { newest: 2 } });
  });

  it('is refused if there are other consumers, since they would lose the record too', () => {
    const refused = {
      code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'whenSlow',
      message: expect.stringContaining("'drop-oldest' costs its own consumer alone"),
    };
    expect(errorOf(() => sub(spmc(), { whenSlow: 'drop-newest' }))).toMatchObject(refused);
    expect(
      errorOf(() =>
        create({ kind: 'spmc', capacity: 2, recordBytes: 8, consumers: { log: { whenSlow: 'drop-newest' } } }),
      ),
    ).toMatchObject(refused);
  });

  it('ends with the subscription', () => {
    const queue = spsc();
    const producer = pub(queue);
    const consumer = sub(queue, { whenSlow: 'drop-newest' });
    consumer.leave();
    [1, 2].forEach((value) => producer.offer(eight(value)));
    expect(producer.offer(eight(3)), 'nobody has asked for drops any more').toBe(BACK_PRESSURED);
  });
});

describe('whenSlow: block', () => {
  it('makes offer block until there is room', async () => {
    const queue = spsc();
    const producer = pub(queue);
    const other = new Other(queue, [
      { do: 'sub', options: { whenSlow: 'block' } }, { do: 'sleep', ms: 100 }, { do: 'drain', limit: 1 },
    ]);
    await other.did(0);
    [1, 2].forEach((value) => producer.offer(eight(value)));
    expect(producer.offer(eight(3)), 'blocks here').toBe(OK);
    expect(await other.did(2)).toEqual([1]);
    await other.ended();
  });

  it('makes offer of a variable queue block too', async () => {
    const queue = create({ kind: 'spsc', capacityBytes: 32 });
    const producer = pub(queue);
    const other = new Other(queue, [
      { do: 'sub', options: { whenSlow: 'block' } }, { do: 'sleep', ms: 50 }, { do: 'drain', limit: 1 },
    ]);
    await other.did(0);
    [1, 2].forEach((value) => producer.offer(eight(value)));
    expect(producer.offer(eight(3), 5)).toBe(OK);
    expect(await other.did(2)).toEqual([1]);
    await other.ended();
  });

  it('makes it answer CLOSED if the consumer closes instead', async () => {
    const queue = spsc();
    const producer = pub(queue);
    const other = new Other(queue, [
      { do: 'sub', options: { whenSlow: 'block' } }, { do: 'sleep', ms: 50 }, { do: 'close' },
    ]);
    await other.did(0);
    [1, 2].forEach((value) => producer.offer(eight(value)));
    expect(producer.offer(eight(3))).toBe(CLOSED);
    await other.ended();
  });

  it.each([
    ['fixed', (): FixedQueue<'spsc'> => spsc()],
    ['variable', () => create({ kind: 'spsc', capacityBytes: 32 }) as unknown as FixedQueue<'spsc'>],
  ])('does not sleep on for a consumer that leaves (%s records)', async (_, make) => {
    const queue = make();
    const producer = pub(queue);
    const other = new Other(queue, [
      { do: 'sub', options: { whenSlow: 'block' } }, { do: 'sleep', ms: 50 }, { do: 'leave' },
    ]);
    await other.did(0);
    [1, 2].forEach((value) => producer.offer(eight(value)));
    expect(producer.offer(eight(3)), 'a sleep on would never end').toBe(BACK_PRESSURED);
    await other.ended();
  });

  it('does not sleep for another consumer, which waits', () => {
    const queue = spmc();
    const producer = pub(queue);
    const blocking = sub(queue, { whenSlow: 'block' });
    sub(queue);
    [1, 2].forEach((value) => producer.offer(eight(value)));
    drained(blocking);
    expect(producer.offer(eight(3)), 'blocking here would never end').toBe(BACK_PRESSURED);
  });

  it('never makes tryClaim block', () => {
    const queue = spsc();
    const producer = pub(queue);
    sub(queue, { whenSlow: 'block' });
    producer.tryClaim(2);
    producer.commit();
    expect(producer.tryClaim()).toBe(BACK_PRESSURED);
  });

  it('is refused in a thread that may not block', async () => {
    const queue = spsc();
    sub(queue, { whenSlow: 'block' });
    const other = new Other(queue, [
      { do: 'forbidBlocking' }, { do: 'pub' }, { do: 'offer', value: 1 }, { do: 'offer', value: 2 },
      { do: 'offer', value: 3 }, { do: 'roomSync' },
    ]);
    expect(await other.ended()).toEqual([undefined, 0, OK, OK, 'ERR_PERCORE_WOULD_BLOCK', 'ERR_PERCORE_WOULD_BLOCK']);
  });
});

describe('whenSlow: evict', () => {
  const evicting = (evictAfterMs: number) => ({ whenSlow: 'evict', evictAfterMs }) as const;

  it('evicts a consumer that holds the producer back for too long', async () => {
    const queue = spsc();
    const producer = pub(queue);
    const consumer = sub(queue, evicting(40));
    [1, 2].forEach((value) => producer.offer(eight(value)));
    expect(producer.offer(eight(3))).toBe(BACK_PRESSURED);
    await pause(60);
    expect([producer.offer(eight(3)), producer.offer(eight(4)), producer.offer(eight(5))]).toEqual([OK, OK, OK]);
    expect([consumer.poll(), consumer.drain(() => {}), consumer.look(), consumer.lost]).toEqual([
      EVICTED, EVICTED, EVICTED, 3,
    ]);
    expect(inspect(queue)).toMatchObject({
      published: 5, dropped: { evicted: 3, oldest: 0 }, consumers: [{ state: 'evicted', droppedEvicted: 3 }],
    });
  });

  it('does not evict a consumer that reads now and then, however slowly', async () => {
    const queue = spsc();
    const producer = pub(queue);
    const consumer = sub(queue, evicting(100));
    for (let value = 1; value < 5; value++) {
      while (producer.offer(eight(value)) === OK);
      await pause(40);
      expect(drained(consumer, 1), `reading ${value}`).toHaveLength(1);
    }
    expect([consumer.lost, inspect(queue).dropped.evicted]).toEqual([0, 0]);
  });

  it('evicts two consumers that stand still together', async () => {
    const queue = spmc();
    const producer = pub(queue);
    const consumers = [sub(queue, evicting(40)), sub(queue, evicting(40))];
    while (producer.offer(eight(1)) === OK);
    await pause(60);
    expect(producer.offer(eight(2))).toBe(OK);
    expect(consumers.map((consumer) => consumer.poll())).toEqual([EVICTED, EVICTED]);
  });

  it('gives the place back, and the next consumer goes on there with the full time', async () => {
    const queue = spsc();
    const producer = pub(queue);
    const first = sub(queue, evicting(40));
    while (producer.offer(eight(1)) === OK);
    await pause(60);
    producer.offer(eight(2));
    expect(first.poll()).toBe(EVICTED);
    expect(errorOf(() => sub(queue)).code).toBe('ERR_PERCORE_NO_PLACE');
    first.leave();
    const second = sub(queue, evicting(40));
    expect([producer.offer(eight(3)), drained(second), producer.offer(eight(3))]).toEqual([BACK_PRESSURED, [1, 2], OK]);
  });

  it('gives the full time to a consumer that takes over where another stood still', async () => {
    const queue = spsc();
    const producer = pub(queue);
    const first = sub(queue, evicting(40));
    while (producer.offer(eight(1)) === OK);
    await pause(60);
    first.leave();
    expect(producer.offer(eight(2)), 'nobody is there to be evicted').toBe(BACK_PRESSURED);
    const second = sub(queue, evicting(40));
    expect([producer.offer(eight(2)), drained(second)]).toEqual([BACK_PRESSURED, [1, 1]]);
  });

  it('ends the wait of a producer for room', async () => {
    const queue = spsc();
    const producer = pub(queue);
    sub(queue, evicting(30));
    while (producer.offer(eight(1)) === OK);
    expect(await producer.room(1, { timeoutMs: 60_000 })).toBe(OK);
    expect(producer.offer(eight(2))).toBe(OK);
  }, 10_000);

  it('ends the sleep of a producer for room', () => {
    const queue = spsc();
    const producer = pub(queue);
    sub(queue, evicting(30));
    while (producer.offer(eight(1)) === OK);
    const began = performance.now();
    expect(producer.roomSync(1, { timeoutMs: 10_000 })).toBe(OK);
    expect(performance.now() - began, 'milliseconds, not the whole time-out').toBeLessThan(5000);
  });

  it('with 0 evicts with the first refusal', () => {
    const queue = spsc();
    const producer = pub(queue);
    const consumer = sub(queue, evicting(0));
    expect([1, 2, 3].map((value) => producer.offer(eight(value)))).toEqual([OK, OK, OK]);
    expect(consumer.poll()).toBe(EVICTED);
  });
});

describe('bad policies', () => {
  it('are refused with the policies that are allowed', () => {
    const queue = spsc();
    const message = "whenSlow must be 'wait', 'block', 'drop-newest', 'drop-oldest' or 'evict', not \"sleep\"";
    expect(errorOf(() => sub(queue, { whenSlow: 'sleep' as 'wait' }))).toEqual({
      code: 'ERR_PERCORE_INVALID_ARGUMENT', message, argument: 'whenSlow',
    });
    for (const evictAfterMs of [-1, 0.5, 2 ** 31]) {
      expect(errorOf(() => sub(queue, { whenSlow: 'evict', evictAfterMs }))).toMatchObject({
        argument: 'evictAfterMs',
        message: `evictAfterMs must be a whole number from 0 to 2147483647, not ${evictAfterMs}`,
      });
    }
    const consumer: FixedConsumer = sub(queue);
    expect(consumer.place, 'those have not taken the place').toBe(0);
  });
});

import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { PercoreError } from '../errors.js';
import { createDeque, propertiesOfDeque, pubDeque, subDeque } from './deque.js';
import { collect } from './fixtures/collect.js';
import { BACK_PRESSURED, CLOSED, DROPPED, EMPTY, OK } from '../result-codes.js';

async function errorOf(run: () => unknown): Promise<PercoreError> {
  try {
    await run();
  } catch (error) {
    if (error instanceof PercoreError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** A deque with one end for each role. */
function both<T = number>(options: Parameters<typeof createDeque>[0]) {
  const queue = createDeque<T>(options);
  return { queue, producer: pubDeque(queue), consumer: subDeque(queue), properties: () => propertiesOfDeque(queue) };
}

/** True if `promise` is still pending after everything that is due now. */
async function isWaiting(promise: Promise<unknown>): Promise<boolean> {
  let decided = false;
  promise.then(() => (decided = true), () => (decided = true));
  await new Promise((resolve) => setImmediate(resolve));
  return !decided;
}

describe('a deque', () => {
  it('hands values on by reference, in order, whatever they are', () => {
    const { producer, consumer } = both<unknown>({ capacity: 100 });
    const values = [{}, [], () => 1, Symbol('s'), null, undefined, NaN, '', 0n, Promise.resolve(1)];
    for (const value of values) expect(producer.offer(value)).toBe(OK);
    for (const value of values) {
      expect(consumer.poll()).toBe(value);
      expect(consumer.state).toBe(OK);
    }
    expect(consumer.poll()).toBe(undefined);
    expect(consumer.state).toBe(EMPTY);
  });

  it('holds exactly as many values as it was made for, whatever the number', () => {
    for (const capacity of [1, 3, 16, 17, 1000, 70_001]) {
      const { producer, consumer, properties } = both({ capacity });
      for (let i = 0; i < capacity; i++) expect(producer.offer(i)).toBe(OK);
      expect(producer.offer(-1)).toBe(BACK_PRESSURED);
      expect(properties()).toMatchObject({
        capacity, depth: capacity, highWater: capacity, refused: 1, published: capacity,
      });
      expect(consumer.poll()).toBe(0);
      expect(producer.offer(capacity)).toBe(OK);
      let next = 1;
      expect(consumer.drain((value) => expect(value).toBe(next++))).toBe(capacity);
    }
  });

  it('with drop-newest answers DROPPED and counts it', () => {
    const { producer, consumer, properties } = both({ capacity: 2, whenSlow: 'drop-newest' });
    expect([1, 2, 3, 4].map((value) => producer.offer(value))).toEqual([OK, OK, DROPPED, DROPPED]);
    expect([consumer.poll(), consumer.poll(), consumer.poll()]).toEqual([1, 2, undefined]);
    expect(properties()).toMatchObject({
      published: 2, consumed: 2, refused: 0, dropped: { newest: 2, oldest: 0, evicted: 0, closed: 0 },
    });
  });

  it('with drop-oldest takes each value and counts what it drops', () => {
    const { producer, consumer, properties } = both({ capacity: 2, whenSlow: 'drop-oldest' });
    expect([1, 2, 3, 4].map((value) => producer.offer(value))).toEqual([OK, OK, OK, OK]);
    expect([consumer.poll(), consumer.poll(), consumer.poll()]).toEqual([3, 4, undefined]);
    expect(properties()).toMatchObject({
      published: 4, consumed: 2, refused: 0, dropped: { newest: 0, oldest: 2, evicted: 0, closed: 0 },
    });
  });

  it('keeps alive what it holds, and nothing that was read, dropped, or left at its last consumer\'s end', async () => {
    const { producer, consumer } = both<object>({ capacity: 4, whenSlow: 'drop-oldest' });
    const refs: WeakRef<object>[] = [];
    const offer = () => {
      const value = {};
      refs.push(new WeakRef(value));
      producer.offer(value);
    };
    const alive = () => refs.map((ref) => ref.deref() !== undefined);
    for (let i = 0; i < 6; i++) offer();
    consumer.poll();
    await collect();
    expect(alive()).toEqual([false, false, false, true, true, true]);
    consumer.close();
    await collect();
    expect(alive()).toEqual([false, false, false, false, false, false]);
  });

  it('gives each value to one of several consumers', async () => {
    const queue = createDeque<number>({ capacity: 10 });
    const producers = [pubDeque(queue), pubDeque(queue)];
    const consumers = [subDeque(queue), subDeque(queue), subDeque(queue)];
    const read: number[][] = [[], [], []];
    const loops = consumers.map(async (consumer, i) => {
      for await (const value of consumer) read[i]!.push(value);
    });
    for (let i = 0; i < 500; i++) {
      for (const [half, producer] of producers.entries()) {
        while (producer.offer(2 * i + half) === BACK_PRESSURED) expect(await producer.room()).toBe(OK);
      }
    }
    for (const producer of producers) producer.close();
    await Promise.all(loops);
    expect(read.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    for (const values of read) {
      expect(values, 'nobody reads backwards').toEqual([...values].sort((a, b) => a - b));
      expect(values.length, 'nobody starves').toBeGreaterThan(0);
    }
    expect(propertiesOfDeque(queue).consumers.map(({ place, consumed }) => ({ place, consumed }))).toEqual(
      read.map(({ length }, place) => ({ place, consumed: length })),
    );
  });

  it('closes when its last producer closes, after the consumers have drained', async () => {
    const queue = createDeque<number>({ capacity: 10 });
    const [first, second, consumer] = [pubDeque(queue), pubDeque(queue), subDeque(queue)];
    first.offer(1);
    first.close();
    expect(first.offer(2)).toBe(CLOSED);
    expect(first.flush()).toBe(CLOSED);
    expect(await first.room()).toBe(CLOSED);
    expect(second.offer(3)).toBe(OK);
    first.close();
    expect(propertiesOfDeque(queue).isClosed, 'closing twice is closing once').toBe(false);
    second.close();
    expect(propertiesOfDeque(queue).isClosed).toBe(true);
    expect(await consumer.ready()).toBe(OK);
    expect(consumer.drain(() => undefined)).toBe(2);
    expect(consumer.drain(() => undefined)).toBe(CLOSED);
    expect(consumer.poll()).toBe(undefined);
    expect(consumer.state).toBe(CLOSED);
    expect(await consumer.ready()).toBe(CLOSED);
    expect(pubDeque(queue).offer(4), 'a later producer finds it closed').toBe(CLOSED);
  });

  it('answers CLOSED to producers when its last consumer has closed, and counts what was left', async () => {
    const { queue, producer, consumer, properties } = both({ capacity: 2 });
    const other = subDeque(queue);
    producer.offer(1);
    producer.offer(2);
    consumer.close();
    expect(consumer.poll()).toBe(undefined);
    expect(consumer.state).toBe(CLOSED);
    expect(properties().consumers).toHaveLength(1);
    const room = producer.room();
    expect(await isWaiting(room)).toBe(true);
    other.close();
    expect(await room).toBe(CLOSED);
    expect(producer.offer(3)).toBe(CLOSED);
    expect(properties()).toMatchObject({ depth: 0, published: 2, consumed: 0, dropped: { closed: 2 }, isClosed: true });
  });

  it('ends waits: ready with a value or the end, room with a free slot', async () => {
    const { producer, consumer } = both({ capacity: 1 });
    const ready = consumer.ready();
    expect(await isWaiting(ready)).toBe(true);
    producer.offer(1);
    expect(await ready).toBe(OK);
    expect(await consumer.ready(), 'at once while there is a value').toBe(OK);
    const room = producer.room();
    expect(await isWaiting(room)).toBe(true);
    consumer.poll();
    expect(await room).toBe(OK);
    expect(await producer.room(), 'at once while there is room').toBe(OK);
    const end = consumer.ready();
    producer.close();
    expect(await end).toBe(CLOSED);
  });

  it('ends the waits of an end when that end closes', async () => {
    const { queue, producer, consumer } = both({ capacity: 1 });
    const [otherProducer, otherConsumer] = [pubDeque(queue), subDeque(queue)];
    const [mine, theirs] = [consumer.ready(), otherConsumer.ready()];
    consumer.close();
    expect(await mine).toBe(CLOSED);
    expect(await isWaiting(theirs)).toBe(true);
    producer.offer(1);
    expect(await theirs).toBe(OK);
    const [mySpace, theirSpace] = [producer.room(), otherProducer.room()];
    producer.close();
    expect(await mySpace).toBe(CLOSED);
    expect(await isWaiting(theirSpace)).toBe(true);
    otherConsumer.poll();
    expect(await theirSpace).toBe(OK);
  });

  it('waits no longer than it was told, and not after an abort', async () => {
    const { producer, consumer } = both({ capacity: 1 });
    expect(await errorOf(() => consumer.ready({ timeoutMs: 5 }))).toMatchObject({
      code: 'ERR_PERCORE_TIMEOUT', value: 5, message: 'no record in the queue within 5 ms',
    });
    producer.offer(1);
    expect(await errorOf(() => producer.room({ timeoutMs: 0 }))).toMatchObject({
      code: 'ERR_PERCORE_TIMEOUT', message: 'no room in the queue within 0 ms',
    });
    const controller = new AbortController();
    const reason = new Error('enough');
    const aborted = producer.room({ signal: controller.signal });
    controller.abort(reason);
    await expect(aborted).rejects.toBe(reason);
    await expect(producer.room({ signal: controller.signal })).rejects.toBe(reason);
    consumer.poll();
    await expect(producer.room({ signal: controller.signal }), 'even if it need not wait').rejects.toBe(reason);
    expect(await producer.room({ timeoutMs: 0 }), 'room that is there takes no time').toBe(OK);
  });

  it('answers one waiting caller although another has given up', async () => {
    const { producer, consumer } = both({ capacity: 1 });
    const short = errorOf(() => consumer.ready({ timeoutMs: 1 }));
    const long = consumer.ready({ timeoutMs: 10_000 });
    expect(await short).toMatchObject({ code: 'ERR_PERCORE_TIMEOUT' });
    producer.offer(1);
    expect(await long).toBe(OK);
  });

  it('leaves no timer and no listener behind when a wait is answered', async () => {
    const { producer, consumer } = both({ capacity: 1 });
    const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const before = timers();
    const { signal } = new AbortController();
    const ready = consumer.ready({ signal, timeoutMs: 60_000 });
    expect(timers()).toBe(before + 1);
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    producer.offer(1);
    expect(await ready).toBe(OK);
    expect(timers()).toBe(before);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  it('ends a loop with the queue, and leaves the queue open when the loop is left', async () => {
    const { producer, consumer } = both<Promise<number> | number>({ capacity: 10 });
    const promise = Promise.resolve(7);
    producer.offer(promise);
    producer.offer(2);
    const seen: unknown[] = [];
    for await (const value of consumer) {
      seen.push(value);
      break;
    }
    expect(seen[0], 'a promise is a value like any other').toBe(promise);
    producer.offer(3);
    producer.close();
    for await (const value of consumer) seen.push(value);
    expect(seen.slice(1)).toEqual([2, 3]);
  });

  it('lets a handler offer, poll and close without harm', () => {
    const { producer, consumer, properties } = both({ capacity: 4 });
    for (const value of [1, 2, 3, 4]) producer.offer(value);
    const seen: number[] = [];
    expect(
      consumer.drain((value) => {
        seen.push(value);
        producer.offer(value + 10);
        if (value === 2) seen.push(consumer.poll()!);
      }),
    ).toBe(4);
    expect(seen, 'only what was there at first, without what was polled, and with what took its place').toEqual([
      1, 2, 3, 4, 11,
    ]);
    expect(consumer.drain(() => consumer.close())).toBe(1);
    expect(properties()).toMatchObject({ depth: 0, published: 8, consumed: 6, dropped: { closed: 2 } });
  });

  it('hands nothing more to a consumer that closes in its handler, while others go on', () => {
    const { queue, producer, consumer } = both({ capacity: 4 });
    const other = subDeque(queue);
    for (const value of [1, 2, 3]) producer.offer(value);
    expect(consumer.drain(() => consumer.close())).toBe(1);
    expect([other.poll(), other.poll(), other.poll()]).toEqual([2, 3, undefined]);
  });

  it('lets nobody wait for room if it drops values', async () => {
    for (const whenSlow of ['drop-newest', 'drop-oldest'] as const) {
      const { producer } = both({ capacity: 1, whenSlow });
      producer.offer(1);
      expect(await producer.room({ timeoutMs: 0 })).toBe(OK);
    }
  });

  it('refuses options and arguments that make no sense', async () => {
    for (const capacity of [0, -1, 1.5, 2 ** 30 + 1, '8', undefined]) {
      expect(await errorOf(() => createDeque({ capacity: capacity as number }))).toMatchObject({
        code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'capacity', value: capacity,
      });
    }
    for (const whenSlow of ['block', 'evict', 'DROP']) {
      expect(await errorOf(() => createDeque({ capacity: 1, whenSlow: whenSlow as 'wait' }))).toMatchObject({
        code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'whenSlow', value: whenSlow,
      });
    }
    const { consumer, producer } = both({ capacity: 1 });
    for (const timeoutMs of [-1, NaN, '5' as never]) {
      expect(await errorOf(() => consumer.ready({ timeoutMs }))).toMatchObject({
        code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'timeoutMs',
      });
      expect(await errorOf(() => producer.room({ timeoutMs })), 'even if nobody has to wait').toMatchObject({
        argument: 'timeoutMs',
      });
    }
    expect(await errorOf(() => consumer.ready({ signal: {} as AbortSignal }))).toMatchObject({ argument: 'signal' });
  });

  it('says that it stays in its thread: a structured clone is readable and cannot be opened', async () => {
    const queue = createDeque({ capacity: 3, whenSlow: 'drop-oldest' });
    const clone = structuredClone(queue);
    expect(clone).toEqual({ kind: 'mpmc', backend: 'deque', capacity: 3, whenSlow: 'drop-oldest' });
    for (const verb of [pubDeque, subDeque, propertiesOfDeque]) {
      for (const wrong of [clone, undefined, null, 3]) {
        expect(await errorOf(() => verb(wrong as typeof queue))).toMatchObject({
          code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'queue',
          message: expect.stringContaining('stays in the thread that made it'),
        });
      }
    }
  });
});

import { describe, expect, it } from 'vitest';
import { collect } from './fixtures/collect.js';
import { CLOSED, EMPTY, OK } from '../result-codes.js';
import { createWindow, propertiesOfWindow, pubWindow, subWindow } from './window.js';

describe('a window', () => {
  it('keeps the newest values, always answers OK, and counts what it overwrites', () => {
    for (const capacity of [1, 2, 3, 10]) {
      const queue = createWindow<number>({ capacity });
      const [producer, consumer] = [pubWindow(queue), subWindow(queue)];
      for (let i = 0; i < 25; i++) expect(producer.offer(i)).toBe(OK);
      expect(propertiesOfWindow(queue)).toEqual({
        kind: 'mpmc', backend: 'window', capacity, depth: capacity, highWater: capacity, published: 25, consumed: 0,
        refused: 0, dropped: { newest: 0, oldest: 25 - capacity, evicted: 0, closed: 0 },
        consumers: [{ place: 0, lag: capacity, consumed: 0 }], isClosed: false,
      });
      const read: number[] = [];
      expect(consumer.drain((value) => void read.push(value))).toBe(capacity);
      expect(read).toEqual(Array.from({ length: capacity }, (_, i) => 25 - capacity + i));
      expect(consumer.poll()).toBe(undefined);
      expect(consumer.state).toBe(EMPTY);
    }
  });

  it('tells the value `undefined` from no value', () => {
    const queue = createWindow<undefined>({ capacity: 2 });
    const [producer, consumer] = [pubWindow(queue), subWindow(queue)];
    for (let i = 0; i < 3; i++) producer.offer(undefined);
    const states = [0, 1, 2].map(() => [consumer.poll(), consumer.state]);
    expect(states).toEqual([[undefined, OK], [undefined, OK], [undefined, EMPTY]]);
    expect(propertiesOfWindow(queue).dropped.oldest).toBe(1);
  });

  it('keeps alive what it holds and nothing that was read, overwritten or left when its last consumer '
    + 'closed', async () => {
    const queue = createWindow<object>({ capacity: 4 });
    const [producer, consumer] = [pubWindow(queue), subWindow(queue)];
    const refs: WeakRef<object>[] = [];
    const offer = () => {
      const value = {};
      refs.push(new WeakRef(value));
      producer.offer(value);
    };
    const alive = () => refs.map((ref) => ref.deref() !== undefined);
    for (let i = 0; i < 6; i++) offer();
    consumer.poll();
    consumer.poll();
    await collect();
    // ringbufferjs alone would still hold the two values that were read.
    expect(alive()).toEqual([false, false, false, false, true, true]);
    consumer.close();
    await collect();
    expect(alive()).toEqual([false, false, false, false, false, false]);
    expect(producer.offer({})).toBe(CLOSED);
    expect(propertiesOfWindow(queue)).toMatchObject({
      published: 6, consumed: 2, depth: 0, dropped: { oldest: 2, closed: 2 },
    });
  });

  it('never makes a producer wait, and makes a consumer wait for a value or the end', async () => {
    const queue = createWindow<number>({ capacity: 1 });
    const [producer, consumer] = [pubWindow(queue), subWindow(queue)];
    producer.offer(1);
    expect(await producer.room()).toBe(OK);
    expect(producer.flush()).toBe(OK);
    consumer.poll();
    const ready = consumer.ready();
    producer.offer(2);
    producer.offer(3);
    expect(await ready).toBe(OK);
    producer.close();
    expect(await producer.room()).toBe(CLOSED);
    const left: number[] = [];
    for await (const value of consumer) left.push(value);
    expect(left).toEqual([3]);
  });

  it('refuses options that make no sense', () => {
    for (const capacity of [0, -1, 1.5, 2 ** 24 + 1, '8', undefined, null]) {
      expect(() => createWindow({ capacity: capacity as number })).toThrow(
        expect.objectContaining({ code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'capacity' }),
      );
    }
    const queue = createWindow({ capacity: 3 });
    expect(() => subWindow(structuredClone(queue))).toThrow(
      expect.objectContaining({ code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'queue' }),
    );
  });
});

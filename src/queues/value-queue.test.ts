import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, expectTypeOf, it } from 'vitest';
import {
  BACK_PRESSURED, CLOSED, DROPPED, EMPTY, EVICTED, OK, TOO_LARGE, bytes, close, create, inspect, link, msgpack, pub,
  struct, sub, value, type ValueQueue,
} from './index.js';

const quote = struct({ price: 'f64', size: 'u32', side: 'u8' });

function drained<T>(consumer: { drain(handler: (value: T) => void): number }): T[] {
  const values: T[] = [];
  consumer.drain((each) => void values.push(each));
  return values;
}

describe('a queue with a codec', () => {
  it('carries the type of its values from create to both ends', () => {
    const queue = create({ kind: 'spsc', capacity: 4, codec: quote });
    expectTypeOf(pub(queue).offer).parameter(0).toEqualTypeOf<{ price: number; size: number; side: number }>();
    expectTypeOf(sub(queue).poll()).toEqualTypeOf<{ price: number; size: number; side: number } | undefined>();
  });

  it('puts structs into fixed records, everything else into variable ones', () => {
    expect(create({ kind: 'spsc', capacity: 4, codec: quote })).toMatchObject({
      fixed: true, capacity: 4, recordBytes: 16,
    });
    for (const codec of [bytes, value, msgpack])
      expect(create({ kind: 'spsc', capacityBytes: 256, codec })).toMatchObject({
        fixed: false, capacity: 256, recordBytes: 0,
      });
  });

  for (const kind of ['spsc', 'mpsc', 'spmc', 'banded'] as const) {
    for (const codec of [value, msgpack]) {
      it(`of kind ${kind} carries what ${codec.name} can, through a clone of its handle`, () => {
        const queue = create({ kind, capacityBytes: 1024, codec });
        const clone = structuredClone(queue) as ValueQueue<unknown, 'spsc'>;
        const producer = pub(clone) as unknown as { offer(value: unknown, band?: number): number; flush(): number };
        const consumer = sub(queue as ValueQueue<unknown, 'spsc'>);
        const sent = [1.5, 'text', null, [1, { deep: [true] }], 'ü€😀'];
        for (const each of sent) expect(producer.offer(each, 3)).toBe(OK);
        expect(producer.flush()).toBe(OK);
        expect(drained(consumer)).toEqual(sent);
        expect(consumer.state).toBe(OK);
        expect([consumer.poll(), consumer.state]).toEqual([undefined, EMPTY]);
        close(queue);
        expect([consumer.poll(), consumer.state]).toEqual([undefined, CLOSED]);
      });
    }
  }

  it('tells by `state` whether undefined is a value', () => {
    const queue = create({ kind: 'spsc', capacityBytes: 64, codec: value });
    const [producer, consumer] = [pub(queue), sub(queue)];
    producer.offer(undefined);
    expect([consumer.poll(), consumer.state, consumer.poll(), consumer.state]).toEqual([
      undefined, OK, undefined, EMPTY,
    ]);
  });

  it('returns what its ring returns', () => {
    const queue = create({ kind: 'spsc', capacityBytes: 64, codec: bytes });
    const [producer, consumer] = [pub(queue), sub(queue)];
    expect(producer.offer(new Uint8Array(25))).toBe(TOO_LARGE);
    expect([8, 8, 8, 8, 8].map((length) => producer.offer(new Uint8Array(length)))).toEqual([
      OK, OK, OK, OK, BACK_PRESSURED,
    ]);
    consumer.close();
    expect(producer.offer(new Uint8Array(8))).toBe(CLOSED);
  });

  it('claims nothing for a value that cannot be sent, and names the path to it', () => {
    const queue = create({ kind: 'spsc', capacityBytes: 256, codec: value });
    const [producer, consumer] = [pub(queue), sub(queue)];
    expect(() => producer.offer({ jobs: [{ run: () => 1 }] })).toThrow(
      expect.objectContaining({ code: 'ERR_PERCORE_UNSERIALIZABLE', argument: 'value.jobs[0].run (a function)' }),
    );
    producer.offer('next');
    expect(drained(consumer)).toEqual(['next']);
    expect(inspect(queue).published).toBe(1);
  });

  it('may lose, drop or evict as its consumer chose, and counts it', () => {
    const orders = (whenSlow: 'drop-oldest' | 'drop-newest' | 'evict') => {
      const queue = create({ kind: 'spsc', capacity: 2, codec: struct({ n: 'u32' }) });
      const consumer = sub(queue, { whenSlow, evictAfterMs: 0 });
      const producer = pub(queue);
      const codes = [1, 2, 3].map((n) => producer.offer({ n }));
      return {
        codes, values: drained(consumer), state: consumer.state, lost: consumer.lost, dropped: inspect(queue).dropped,
      };
    };
    const none = { newest: 0, oldest: 0, evicted: 0, closed: 0 };
    expect(orders('drop-oldest')).toEqual({
      codes: [OK, OK, OK], values: [{ n: 2 }, { n: 3 }], state: OK, lost: 1, dropped: { ...none, oldest: 1 },
    });
    expect(orders('drop-newest')).toEqual({
      codes: [OK, OK, DROPPED], values: [{ n: 1 }, { n: 2 }], state: OK, lost: 0, dropped: { ...none, newest: 1 },
    });
    expect(orders('evict')).toMatchObject({
      codes: [OK, OK, OK], values: [], state: EVICTED, lost: 1, dropped: { ...none, evicted: 1 },
    });
  });

  it('ends a loop over an evicted consumer with an error, not as if the queue had ended', async () => {
    const queue = create({ kind: 'spsc', capacity: 2, codec: struct({ n: 'u32' }) });
    const consumer = sub(queue, { whenSlow: 'evict', evictAfterMs: 0 });
    const producer = pub(queue);
    for (let n = 0; n < 3; n++) producer.offer({ n });
    const loop = (async () => {
      for await (const each of consumer) expect(each).toBeUndefined();
    })();
    await expect(loop).rejects.toMatchObject({ code: 'ERR_PERCORE_CLOSED' });
  });

  it('is read by for await in another thread, until it ends', async () => {
    const queue = create({ kind: 'spsc', capacityBytes: 512, codec: value });
    const worker = new Worker(`
      const { parentPort, workerData } = require('node:worker_threads');
      import(workerData.url).then(async ({ sub }) => {
        let sum = 0;
        for await (const { n } of sub(workerData.queue)) sum += n;
        parentPort.postMessage(sum);
      });`, { eval: true, workerData: { queue, url: new URL('./index.js', import.meta.url).href } });
    const answer = once(worker, 'message');
    const producer = pub(queue);
    for (let n = 1; n <= 2000; n++) while (producer.offer({ n }) === BACK_PRESSURED) await producer.room();
    producer.close();
    expect(await answer).toEqual([2_001_000]);
  });

  it('is linked by its records, if both codecs are the same', () => {
    const from = create({ kind: 'spsc', capacity: 4, codec: quote });
    const to = create({ kind: 'mpsc', capacity: 8, codec: quote });
    const producer = pub(from);
    const joined = link(sub(from) as never, pub(to) as never);
    const consumer = sub(to);
    producer.offer({ price: 1, size: 2, side: 3 });
    expect([joined.move(), joined.move(), joined.moved]).toEqual([1, 0, 1]);
    expect(drained(consumer)).toEqual([{ price: 1, size: 2, side: 3 }]);
    const other = create({ kind: 'spsc', capacity: 4, codec: struct({ price: 'f64', size: 'u32', kind: 'u8' }) });
    expect(() => link(sub(create({ kind: 'spsc', capacity: 4, codec: quote })) as never, pub(other) as never)).toThrow(
      expect.objectContaining({ code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'to' }),
    );
  });

  it('refuses the wrong kind of capacity, and names the right one', () => {
    // @ts-expect-error The records of a struct all have one length.
    expect(() => create({ kind: 'spsc', capacityBytes: 64, codec: quote })).toThrow(
      'capacityBytes must be left out for a struct: its records have 16 bytes each, so capacity says how many, not 64',
    );
    // @ts-expect-error The records of values vary in length.
    expect(() => create({ kind: 'spsc', capacity: 64, codec: value })).toThrow(
      'capacity must be left out where records vary in length: capacityBytes says how many bytes, not 64',
    );
    expect(() => create({ kind: 'spsc', capacity: 64, codec: { name: 'xml' } as never })).toThrow(
      expect.objectContaining({ code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'codec' }),
    );
  });
});

describe('the other backends', () => {
  it('keep references in their thread', () => {
    const object = { any: () => 'thing' };
    for (const backend of ['deque', 'window'] as const) {
      const queue = create({ backend, capacity: 2 } as never);
      const consumer = sub(queue as never) as unknown as { poll(): unknown };
      (pub(queue as never) as unknown as { offer(value: unknown): number }).offer(object);
      expect(consumer.poll()).toBe(object);
      expect(inspect(queue as never)).toMatchObject({ backend, published: 1, consumed: 1, depth: 0 });
    }
  });

  it('carry values in chunks', () => {
    const queue = create({ kind: 'spsc', backend: 'linked', capacityBytes: 2 ** 20, codec: value });
    const [producer, consumer] = [pub(queue), sub(queue)];
    for (let n = 0; n < 5000; n++) expect(producer.offer({ n })).toBe(OK);
    expect(drained<unknown>(consumer)).toHaveLength(5000);
  });

  it('are refused if their name is wrong', () => {
    expect(() => create({ backend: 'turbine', capacity: 2 } as never)).toThrow(
      "backend must be 'fixed', 'linked', 'deque', 'window' or 'pipe', not \"turbine\"",
    );
  });
});

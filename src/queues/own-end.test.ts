/**
 * Waits come to an end: with their own end of the queue, with their signal, and with the queue. A wait for room never
 * ends before what was refused would be taken.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { errorOf } from './fixtures/helpers.js';
import { BACK_PRESSURED, CLOSED, OK, close, create, inspect, link, pub, struct, sub, value } from './index.js';
import type { BandedProducer } from './index.js';

interface Reads { ready(options?: object): Promise<number>; close(): void; leave?(): void }
interface Writes { room(count?: undefined, options?: object): Promise<number>; close(): void; leave?(): void }

const shapes: Record<string, () => unknown> = {
  'spsc, fixed': () => create({ kind: 'spsc', capacity: 4, recordBytes: 8 }),
  'spsc, variable': () => create({ kind: 'spsc', capacityBytes: 64 }),
  'spmc': () => create({ kind: 'spmc', capacity: 4, recordBytes: 8 }),
  'mpsc': () => create({ kind: 'mpsc', capacity: 4, recordBytes: 8 }),
  'banded': () => create({ kind: 'banded', capacity: 4, recordBytes: 8 }),
  'linked': () => create({ kind: 'spsc', backend: 'linked', capacityBytes: 8192, chunkBytes: 64 }),
  'of values': () => create({ kind: 'spsc', capacityBytes: 256, codec: value }),
  'of structs': () => create({ kind: 'mpsc', capacity: 4, codec: struct({ a: 'u32' }) }),
  'deque': () => create({ backend: 'deque', capacity: 4 }),
  'window': () => create({ backend: 'window', capacity: 4 }),
  'pipe': () => create({ backend: 'pipe' }),
};
const names = Object.keys(shapes);
const readerOf = (name: string): Reads => {
  const queue = shapes[name]!() as never;
  const producer = pub(queue);
  // Kept, because otherwise the only producer of a deque would be gone.
  return Object.assign(sub(queue) as unknown as Reads, { producer });
};
/** A producer whose last offer was refused. */
const refused = (name: string): Writes => {
  const queue = shapes[name]!() as never;
  sub(queue);
  let producer = pub(queue) as unknown as { offer(value: unknown): number; band?(band: number): never };
  if (name === 'banded') producer = producer.band!(3);
  const record =
    name === 'of structs'
      ? { a: 1 }
      : name === 'deque'
        ? 1
        : name === 'pipe'
          ? new Uint8Array(4000)
          : new Uint8Array(8);
  while (producer.offer(record) === OK);
  return producer as unknown as Writes;
};
const isPending = async (promise: Promise<unknown>): Promise<boolean> =>
  (await Promise.race([
    promise.then(
      () => 'settled', () => 'settled',
    ),
    sleep(20, 'pending'),
  ])) === 'pending';

describe('an end that closes or leaves', () => {
  const verbs = (end: Reads | Writes): ('close' | 'leave')[] =>
    end.leave === undefined ? ['close'] : ['close', 'leave'];

  it.each(names)('ends its own ready(), and reads nothing afterwards: %s', async (name) => {
    for (const verb of verbs(readerOf(name))) {
      const consumer = readerOf(name);
      const waits = [consumer.ready(), consumer.ready({ timeoutMs: 30_000 })];
      expect(await isPending(waits[0]!)).toBe(true);
      consumer[verb]!();
      expect(await Promise.all(waits), verb).toEqual([CLOSED, CLOSED]);
      expect(await consumer.ready()).toBe(CLOSED);
    }
  });

  it.each(names.filter((name) => name !== 'window'))('ends its own room(): %s', async (name) => {
    for (const verb of verbs(refused(name))) {
      const producer = refused(name);
      const wait = producer.room();
      expect(await isPending(wait)).toBe(true);
      producer[verb]!();
      expect(await wait, verb).toBe(CLOSED);
    }
  });

  it.each(['of values', 'of structs', 'deque', 'pipe'])('ends its own `for await`: %s', async (name) => {
    const consumer = readerOf(name);
    const loop = (async () => {
      for await (const _ of consumer as unknown as AsyncIterable<unknown>);
      return 'ended';
    })();
    expect(await isPending(loop)).toBe(true);
    consumer.close();
    expect(await loop).toBe('ended');
  });

  it('moves nothing over a link whose signal has aborted already, whether there are records or not', async () => {
    for (const records of [0, 1]) {
      const source = create({ kind: 'spsc', capacity: 4, recordBytes: 8 });
      const target = create({ kind: 'spsc', capacity: 4, recordBytes: 8 });
      const [producer, from, to] = [pub(source), sub(source), pub(target)];
      sub(target);
      for (let i = 0; i < records; i++) producer.offer(new Uint8Array(8));
      const joined = link(from, to);
      await expect(joined.run({ signal: AbortSignal.abort('before') })).rejects.toBe('before');
      expect(joined.moved).toBe(0);
    }
  });

  it('ends a link that waits for it, on either side', async () => {
    for (const side of ['from', 'to']) {
      const from = sub(create({ kind: 'spsc', capacity: 4, recordBytes: 8 }));
      const target = create({ kind: 'spsc', capacity: 4, recordBytes: 8 });
      sub(target);
      const to = pub(target);
      const run = link(from, to).run();
      if (side === 'from') from.leave();
      else {
        close(target);
        from.close();
      }
      expect(await run).toBe(CLOSED);
    }
  });

  it('ends a link that waits for the other end', async () => {
    const shapes = [
      { kind: 'spsc', capacity: 4, recordBytes: 8 }, { kind: 'spsc', capacityBytes: 64 },
      { kind: 'mpsc', capacity: 4, recordBytes: 8 }, { kind: 'banded', capacity: 4, recordBytes: 8 },
    ] as const;
    for (const shape of shapes) {
      for (const how of [
        'the source leaves', 'the source closes', 'the target leaves', 'the target closes', 'its consumer closes',
        'its queue closes', 'a signal',
      ] as const) {
        const source = create(shape as { kind: 'spsc'; capacity: number; recordBytes: number });
        const target = create(
          (shape.kind === 'spsc' ? shape : { kind: 'spsc', capacity: 4, recordBytes: 8 }) as {
            kind: 'spsc';
            capacity: number;
            recordBytes: number;
          },
        );
        const producer = shape.kind === 'banded' ? (pub(source) as unknown as BandedProducer).band(2) : pub(source);
        const [from, to, reader] = [sub(source), pub(target), sub(target)];
        const isFull = how === 'the source leaves' || how === 'the source closes' || how === 'a signal';
        while (isFull && to.offer(new Uint8Array(8)) === OK);
        if (isFull) producer.offer(new Uint8Array(8));
        const stop = new AbortController();
        const joined = link(from, to);
        const run = joined.run({ signal: stop.signal });
        expect(await isPending(run), how).toBe(true);
        if (how === 'the source leaves') from.leave();
        else if (how === 'the source closes') from.close();
        else if (how === 'the target leaves') to.leave();
        else if (how === 'the target closes') to.close();
        else if (how === 'its consumer closes') reader.close();
        else if (how === 'its queue closes') close(target);
        else stop.abort('enough');
        if (how === 'a signal') await expect(run).rejects.toBe('enough');
        else expect(await run, `${shape.kind}, ${how}`).toBe(CLOSED);
        expect(joined.moved).toBe(0);
      }
    }
  });

  it('gives no further record to a handler that ends it', () => {
    for (const kind of ['spsc', 'mpsc', 'banded'] as const) {
      for (const shape of [{ capacity: 8, recordBytes: 8 }, { capacityBytes: 256 }]) {
        const queue = create({ kind, ...shape } as { kind: 'spsc'; capacityBytes: number });
        const producer = pub(queue);
        const end =
          kind === 'banded' ? (producer as unknown as { band(band: number): typeof producer }).band(2) : producer;
        const consumer = sub(queue);
        for (let i = 0; i < 3; i++) end.offer(new Uint8Array(8).fill(i));
        let seen = 0;
        consumer.drain(() => {
          seen++;
          consumer.leave();
        });
        expect(seen, kind).toBe(1);
        const rest: number[] = [];
        sub(queue).drain((view, offset) => void rest.push(view.getUint8(offset)));
        expect(rest, 'the next consumer has the others').toEqual([1, 2]);
      }
    }
  });

  it('lets a handler read on by itself', () => {
    const queue = create({ kind: 'spsc', capacity: 8, recordBytes: 8 });
    const [producer, consumer] = [pub(queue), sub(queue)];
    for (let i = 0; i < 5; i++) producer.offer(new Uint8Array(8).fill(i));
    const seen: number[] = [];
    const handler = (view: DataView, offset: number): void => {
      seen.push(view.getUint8(offset));
      if (seen.length === 1) consumer.drain(handler);
    };
    consumer.drain(handler);
    expect(seen).toEqual([0, 1, 2, 3, 4]);
    for (let i = 5; i < 13; i++)
      expect(producer.offer(new Uint8Array(8).fill(i)), 'nothing was released that was not sent').toBe(OK);
    expect(producer.offer(new Uint8Array(8))).toBe(BACK_PRESSURED);
  });
});

describe('room()', () => {
  it('waits for what was refused, of any length', async () => {
    const queue = create({ kind: 'spsc', capacityBytes: 1024 });
    const [producer, consumer] = [pub(queue), sub(queue)];
    while (producer.offer(new Uint8Array(100)) === OK);
    expect(producer.offer(new Uint8Array(400))).toBe(BACK_PRESSURED);
    const wait = producer.room();
    for (let i = 0; i < 3; i++) {
      consumer.poll();
      expect(await isPending(wait), 'there is room, but not for 400 bytes').toBe(true);
    }
    consumer.drain(() => {});
    expect([await wait, producer.offer(new Uint8Array(400))]).toEqual([OK, OK]);
    consumer.drain(() => {});
    expect(await producer.room(), 'what was refused has been taken by now').toBe(OK);
  });

  it('waits for as many records as were refused', async () => {
    const queue = create({ kind: 'spsc', capacity: 4, recordBytes: 8 });
    const [producer, consumer] = [pub(queue), sub(queue)];
    while (producer.offer(new Uint8Array(8)) === OK);
    expect(producer.tryClaim(3)).toBe(BACK_PRESSURED);
    const wait = producer.room();
    consumer.drain(() => {}, 2);
    expect(await isPending(wait)).toBe(true);
    consumer.drain(() => {});
    expect([await wait, producer.tryClaim(3)]).toEqual([OK, 0]);
  });

  it('of a queue of values waits for the value that was refused, beside a reader in the same thread', async () => {
    for (const queue of [
      create({ kind: 'spsc', capacityBytes: 4096, codec: value }),
      create({ kind: 'spsc', backend: 'linked', capacityBytes: 4096, chunkBytes: 1024, codec: value }),
    ]) {
      const [producer, consumer] = [pub(queue), sub(queue)];
      let received = 0;
      const reading = (async () => {
        for await (const _ of consumer) received++;
      })();
      for (let i = 0; i < 40; i++)
        while (producer.offer('x'.repeat(i % 2 === 0 ? 490 : 5)) !== OK) await producer.room();
      producer.close();
      await reading;
      expect(received).toBe(40);
    }
  });

  it('depends on where the producer stands by then: the record may need padding in front of it', async () => {
    const queue = create({ kind: 'spsc', capacityBytes: 256 });
    const [producer, consumer] = [pub(queue), sub(queue)];
    for (let i = 0; i < 8; i++) expect(producer.offer(new Uint8Array(24))).toBe(OK);
    const wait = producer.room(80);
    for (let i = 0; i < 6; i++) {
      consumer.drain(() => {}, 1);
      expect(producer.offer(new Uint8Array(24)), 'something shorter goes first').toBe(OK);
    }
    consumer.drain(() => {}, 3);
    expect(await isPending(wait), '96 bytes are free, and 64 of them before the end').toBe(true);
    consumer.drain(() => {});
    expect([await wait, producer.tryClaim(80) >= 0]).toEqual([OK, true]);
  });
});

describe('a link', () => {
  it('waits for room for its next record', async () => {
    const [from, to] = [create({ kind: 'spsc', capacityBytes: 8192 }), create({ kind: 'spsc', capacityBytes: 8192 })];
    const [producer, consumer] = [pub(from), sub(to)];
    let sent = 0;
    const fill = (): void => {
      while (producer.offer(new Uint8Array(1500)) === OK) sent++;
    };
    fill();
    const joined = link(sub(from), pub(to));
    joined.move(3);
    fill();
    const ended = joined.run();
    producer.close();
    let received = 0;
    const draining = setInterval(() => void consumer.drain(() => void received++), 2);
    expect(await ended).toBe(CLOSED);
    await sleep(20);
    clearInterval(draining);
    expect([received, joined.moved]).toEqual([sent, sent]);
  });

  it('goes on if its target drops what it has no room for', async () => {
    const from = create({ kind: 'spsc', capacityBytes: 1024 });
    const producer = pub(from);
    const same = create({ kind: 'spsc', capacityBytes: 1024 });
    sub(same, { whenSlow: 'drop-newest' });
    const joined = link(sub(from), pub(same));
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 10; i++) producer.offer(new Uint8Array(80));
      joined.move();
    }
    producer.close();
    expect(await joined.run()).toBe(CLOSED);
    expect(joined.moved + joined.dropped).toBe(30);
    expect(joined.dropped).toBeGreaterThan(0);
    expect(inspect(same).dropped.newest).toBe(joined.dropped);
  });

  it('takes no record out of its source that a closed target has not taken', () => {
    const shapes = [
      { kind: 'spsc', capacity: 8, recordBytes: 8 }, { kind: 'spsc', capacityBytes: 128 },
      { kind: 'spsc', backend: 'linked', capacityBytes: 8192, chunkBytes: 64 },
    ] as const;
    for (const shape of shapes) {
      const queue = create(shape as { kind: 'spsc'; capacityBytes: number });
      const like = 'recordBytes' in shape ? shape : { kind: 'spsc', capacityBytes: 256 };
      const target = create(like as { kind: 'spsc'; capacityBytes: number });
      const [producer, from] = [pub(queue), sub(queue)];
      for (let i = 1; i <= 6; i++) expect(producer.offer(new Uint8Array(8).fill(i))).toBe(OK);
      expect(from.poll()).toEqual(new Uint8Array(8).fill(1));
      const to = pub(target, { publishEvery: { records: 64 } });
      sub(target).close();
      const joined = link(from, to);
      expect([joined.move(), joined.moved]).toEqual([CLOSED, 0]);
      const rest: number[] = [];
      from.drain((view, offset) => void rest.push(view.getUint8(offset)));
      expect(rest, JSON.stringify(shape)).toEqual([2, 3, 4, 5, 6]);
      expect(inspect(queue)).toMatchObject({ published: 6, consumed: 6, depth: 0 });
    }
  });

  it('is refused for anything but the end of a ring', () => {
    const queue = create({ kind: 'spsc', capacity: 4, recordBytes: 8 });
    for (const junk of [{}, null, undefined, 5, 'x']) {
      expect(errorOf(() => link(junk as never, pub(queue)))).toMatchObject({
        code: expect.stringMatching(/^ERR_PERCORE_(INVALID_ARGUMENT|NO_PLACE)$/),
      });
      expect(
        errorOf(() => link(sub(create({ kind: 'spsc', capacity: 4, recordBytes: 8 })), junk as never)),
      ).toMatchObject({ code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'to' });
    }
  });
});

describe('promises that can be settled at once', () => {
  /** A producer in another thread that keeps the queue full. */
  const flood = (queue: unknown): Worker => new Worker(`
    const { workerData } = require('node:worker_threads');
    import(workerData.module).then(({ pub }) => {
      const producer = pub(workerData.queue);
      const record = workerData.queue.codec === undefined ? new Uint8Array(8) : { a: 1 };
      for (;;) producer.offer(record);
    });`, { eval: true, workerData: { queue, module: new URL('./index.js', import.meta.url).href } });
  const loops: Record<string, [unknown, (end: any) => Promise<unknown>]> = {
    'ready()': [create({ kind: 'spsc', capacity: 1024, recordBytes: 8 }), async (consumer) => {
      while (await consumer.ready() === OK) consumer.drain(() => {});
    }],
    'ready() of lanes': [create({ kind: 'mpsc', capacityBytes: 4096 }), async (consumer) => {
      while (await consumer.ready() === OK) consumer.poll();
    }],
    'for await': [create({ kind: 'spsc', capacity: 1024, codec: struct({ a: 'u32' }) }), async (consumer) => {
      for await (const _ of consumer);
    }],
  };

  it.each(Object.keys(loops))('let the event loop do other work: %s, beside a producer that keeps up', async (name) => {
    const [queue, loop] = loops[name]!;
    const worker = flood(queue);
    const consumer = sub(queue as never) as unknown as Reads;
    await consumer.ready();
    const ended = loop(consumer);
    // Otherwise it would never come.
    for (let i = 0; i < 5; i++) await sleep(1);
    await worker.terminate();
    consumer.close();
    await ended;
  });

  it('let the event loop do other work within one thread, too', async () => {
    const queue = create<number>({ backend: 'deque', capacity: 4 });
    const [producer, consumer] = [pub(queue), sub(queue)];
    let isOver = false;
    const writing = (async () => {
      while (!isOver) while (producer.offer(1) !== OK) await producer.room();
      producer.close();
    })();
    const reading = (async () => {
      for await (const _ of consumer);
    })();
    await sleep(10);
    isOver = true;
    await Promise.all([writing, reading]);
  });
});

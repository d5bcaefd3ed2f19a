/** Memory that something else has written to: an error says so, nothing hangs, and nothing is read out of bounds. */
import { describe, expect, it } from 'vitest';
import { LINKED_MAGIC, queueLayout } from '../layout.js';
import { codeOf, drained, eight, field, placeField } from './fixtures/helpers.js';
import { BACK_PRESSURED, CLOSED, EMPTY, OK, close, create, inspect, link, pub, recover, sub } from './index.js';
import { READY, USED, ownerOf } from './group.js';
import type { BandedProducer, FixedQueue, LossyConsumer, VariableConsumer, VariableProducer } from './index.js';

const DAMAGED = 'ERR_PERCORE_DAMAGED';

describe('memory that was written over', () => {
  type Ends = { producer: VariableProducer; words: Int32Array; at: number };
  const shapes = {
    'spsc': () => ({ kind: 'spsc', capacityBytes: 256 }),
    'spmc': () => ({ kind: 'spmc', capacityBytes: 256, maxConsumers: 2 }),
    'mpsc': () => ({ kind: 'mpsc', capacityBytes: 256, maxProducers: 1 }),
    'linked': () => ({ kind: 'spsc', backend: 'linked', capacityBytes: 8192, chunkBytes: 256 }),
  };
  /** Makes two records. `at` is where the header of the first lies. */
  const twoIn = (queue: FixedQueue): Ends => {
    const producer = pub(queue) as unknown as VariableProducer;
    const at = producer.tryClaim(16);
    producer.commit();
    producer.offer(new Uint8Array(16).fill(2));
    return { producer, words: producer.words, at: (at - 8) >> 2 };
  };
  /** Impossible pairs of length and type: padding that does not end there, a record that is too long, and so on. */
  const headers: [number, number][] = [
    [0, -1], [-8, -1], [8, -1], [24, -1], [-(2 ** 31), -1], [2 ** 31 - 1, -1], [-1, 1], [-8, 1], [-16, 1],
    [-(2 ** 31), 1], [2 ** 31 - 1, 1], [2 ** 30, 1], [41, 1], [100, 1], [240, 1], [1000, 1],
  ];

  it.each(Object.keys(shapes))(
    'is an error for its reader, whatever a header says, each time it is read: %s',
    (name) => {
      for (const [length, type] of headers) {
        for (const read of [
          (consumer: VariableConsumer) => consumer.poll(), (consumer: VariableConsumer) => consumer.drain(() => {}),
        ]) {
          const queue = create(shapes[name as 'spsc']() as never) as unknown as FixedQueue;
          const { words, at } = twoIn(queue);
          const consumer = sub(queue) as unknown as VariableConsumer;
          words[at] = length;
          words[at + 1] = type;
          expect([codeOf(() => read(consumer)), codeOf(() => read(consumer))], `${length}, ${type}`).toEqual([
            DAMAGED, DAMAGED,
          ]);
        }
      }
    },
  );

  it('is an error for a reader that may be lapped, for the producer that laps it, and for a link', () => {
    for (const [length, type] of headers.filter(([bytes, kind]) => kind === -1 || bytes < 0 || bytes > 300)) {
      const queue = create({ kind: 'spsc', capacityBytes: 256 });
      const { producer, words, at } = twoIn(queue as never);
      const consumer = sub(queue, { whenSlow: 'drop-oldest' }) as LossyConsumer;
      words[at] = length;
      words[at + 1] = type;
      expect(codeOf(() => consumer.poll()), `read ${length}, ${type}`).toBe(DAMAGED);
      expect(codeOf(() => {
        for (let i = 0; i < 20; i++) producer.offer(new Uint8Array(16));
      }), `lapped ${length}, ${type}`).toBe(DAMAGED);
      const other = create({ kind: 'spsc', capacityBytes: 256 });
      const ends = twoIn(other as never);
      ends.words[ends.at] = length;
      ends.words[ends.at + 1] = type;
      const joined = link(sub(other), pub(create({ kind: 'spsc', capacityBytes: 256 })));
      expect(codeOf(() => joined.move()), `linked ${length}, ${type}`).toBe(DAMAGED);
    }
  });

  it('is an error if a cursor is impossible', async () => {
    for (const shape of [{ capacity: 8, recordBytes: 8 }, { capacityBytes: 256 }]) {
      for (const scribble of [-8, 2 ** 31 - 8, 1 << 20, -(2 ** 31) + (1 << 20)]) {
        const queue = create({ kind: 'spsc', ...shape } as { kind: 'spsc'; capacityBytes: number });
        const [producer, consumer] = [pub(queue), sub(queue)];
        producer.offer(eight(1));
        new Int32Array(queue.buffer)[field('producerCursor')] = scribble;
        expect([codeOf(() => consumer.poll()), codeOf(() => consumer.drain(() => {}))]).toEqual([DAMAGED, DAMAGED]);
        await expect(consumer.ready()).rejects.toMatchObject({ code: DAMAGED });
        close(queue);
        expect([DAMAGED, CLOSED, EMPTY]).toContain(codeOf(() => consumer.poll()));
      }
    }
  });

  it('is an error for every end if it says wrongly who has ended the queue', () => {
    for (const kind of ['spsc', 'spmc', 'mpsc', 'banded'] as const) {
      const most = kind === 'spmc' ? 16 : 1;
      for (const phase of [16 + most, 17 + 64, 1 << 20, 2 ** 31 - 1]) {
        for (const isFixed of [true, false]) {
          const queue = create({ kind, ...(isFixed ? { capacity: 4, recordBytes: 8 } : { capacityBytes: 64 }) } as {
            kind: 'spsc';
            capacity: number;
            recordBytes: number;
          });
          const whole = pub(queue);
          const producer = kind === 'banded' ? (whole as unknown as BandedProducer).band(7) : whole;
          const consumer = sub(queue);
          producer.offer(eight(1));
          close(queue);
          // The phase of the ring that the producer writes to.
          producer.words[field('phase')] = phase;
          expect([codeOf(() => producer.offer(eight(1))), codeOf(() => consumer.poll())], `${kind} ${phase}`).toEqual([
            DAMAGED, DAMAGED,
          ]);
        }
      }
    }
  });

  it('is ignored, or an error, if it says wrongly which bands and lanes there are', () => {
    for (const ready of [-1, 1 << 8, 1 << 30, -(2 ** 31)]) {
      const queue = create({ kind: 'banded', capacity: 4, recordBytes: 8 });
      const [producer, consumer] = [pub(queue), sub(queue)];
      producer.offer(eight(5), 2);
      new Int32Array(queue.buffer)[READY]! |= ready;
      expect([consumer.look(), drained(consumer), consumer.poll()]).toEqual([OK, [5], EMPTY]);
    }
    for (const used of [-1, 17, 2 ** 31 - 1, -(2 ** 31)]) {
      const queue = create({ kind: 'mpsc', capacity: 4, recordBytes: 8 });
      pub(queue).offer(eight(5));
      new Int32Array(queue.buffer)[USED] = used;
      expect(codeOf(() => sub(queue))).toBe(DAMAGED);
    }
    for (const owner of [-1, 99, 2 ** 31 - 1, -(2 ** 31)]) {
      const queue = create({ kind: 'mpsc', capacity: 4, recordBytes: 8 });
      pub(queue).offer(eight(5));
      new Int32Array(queue.buffer)[ownerOf(0)] = owner;
      expect(drained(sub(queue)), 'a lane that nobody owns goes to the first consumer').toEqual([5]);
    }
  });

  it('is an error for a reader that may be lapped, and not an endless search', () => {
    for (const shape of [{ capacity: 8, recordBytes: 8 }, { capacityBytes: 256 }]) {
      for (const cursor of [-8, -(2 ** 30), 2 ** 31 - 8, 1 << 20]) {
        const queue = create({ kind: 'spsc', ...shape } as { kind: 'spsc'; capacityBytes: number });
        const [producer, consumer] = [pub(queue), sub(queue, { whenSlow: 'drop-oldest' })];
        producer.offer(eight(1));
        new Int32Array(queue.buffer)[field('producerCursor')] = cursor;
        expect([codeOf(() => consumer.poll()), codeOf(() => consumer.drain(() => {}))], String(cursor)).toEqual([
          DAMAGED, DAMAGED,
        ]);
      }
    }
  });

  it('is told at once to a reader that may be lapped, wherever the producer is said to be', () => {
    const queue = create({ kind: 'spsc', capacity: 8, recordBytes: 8 });
    const [producer, consumer] = [pub(queue), sub(queue, { whenSlow: 'drop-oldest' })];
    producer.offer(eight(1));
    // 2^29 - 2^27 records behind: 2^28 words, if 32 bits are all that is looked at.
    new Int32Array(queue.buffer)[field('producerCursor')] = -(2 ** 29) + 2 ** 27;
    let least = Infinity;
    for (let i = 0; i < 3; i++) {
      const beganMs = performance.now();
      expect(codeOf(() => consumer.poll())).toBe(DAMAGED);
      least = Math.min(least, performance.now() - beganMs);
    }
    expect(least).toBeLessThan(200);
  });

  it('does not make a producer skip records over which nobody has passed', () => {
    const queue = create({ kind: 'spsc', capacityBytes: 256 });
    const producer = pub(queue);
    sub(queue, { whenSlow: 'drop-oldest' });
    for (let i = 0; i < 32; i++) producer.offer(new Uint8Array(0));
    // Ahead of the producer by so much that it seems to be behind.
    new Int32Array(queue.buffer)[placeField('lossyCursor')] = (256 + 2 ** 31) | 0;
    producer.offer(new Uint8Array(0));
    expect(inspect(queue).dropped.oldest).toBeLessThan(33);
  });

  it('stops no supervisor', () => {
    const queue = create({ kind: 'spsc', capacityBytes: 256 });
    const { words, at } = twoIn(queue as never);
    sub(queue);
    words[placeField('thread')] = 9999 + 1;
    words[placeField('taken')] = 48;
    words[at] = 0;
    words[at + 1] = -1;
    expect(recover(queue, 9999)).toMatchObject({ consumers: 1 });
  });

  it('is an error if it says wrongly which chunk comes next', () => {
    for (const chunk of [-1, 1000, 2 ** 31 - 1, -(2 ** 31)]) {
      const queue = create({ kind: 'spsc', backend: 'linked', capacityBytes: 8192, chunkBytes: 64 });
      const [producer, consumer] = [pub(queue), sub(queue)];
      for (let i = 0; i < 4; i++) expect(producer.offer(new Uint8Array(16).fill(i))).toBe(OK);
      const words = new Int32Array(queue.buffer);
      expect(words.includes(LINKED_MAGIC)).toBe(true);
      // All slots of the table, which lies behind both headers.
      const table = words.indexOf(LINKED_MAGIC, queueLayout.bytes >> 2);
      for (let slot = 1; slot < 128; slot++) {
        const word = table + 32 + slot;
        if (words[word] === slot && slot < 4) words[word] = chunk;
      }
      const codes: unknown[] = [];
      for (let i = 0; i < 5; i++) codes.push(codeOf(() => (consumer.poll() instanceof Uint8Array ? 'read' : 'none')));
      expect(codes.every((code) => ['read', 'none', DAMAGED].includes(code as string))).toBe(true);
    }
  });
});

describe('a policy word that says "block" although nobody has asked for it', () => {
  const shapes = {
    fixed: () => create({ kind: 'spsc', capacity: 4, recordBytes: 8 }),
    variable: () => create({ kind: 'spsc', capacityBytes: 64 }),
    'one of many': () => create({ kind: 'spmc', capacity: 4, recordBytes: 8 }),
    linked: () => create({ kind: 'spsc', backend: 'linked', capacityBytes: 4096, chunkBytes: 1024 }),
  };
  it.each(Object.keys(shapes))('does not make an offer block for ever: %s', (name) => {
    for (const isThere of [false, true]) {
      const queue = shapes[name as 'fixed']();
      const producer = pub(queue);
      if (isThere) sub(queue);
      new Int32Array(queue.buffer)[placeField('policy')] = 1;
      let code: number = OK;
      for (let i = 0; i < 1000 && code === OK; i++) code = producer.offer(eight(1));
      expect(code, isThere ? 'of a consumer of this thread' : 'of nobody').toBe(BACK_PRESSURED);
    }
  });
});

/** Ends of a linked queue that follow others, the queue among other kinds, and what it refuses. */
import { describe, expect, it } from 'vitest';
import { LINKED_MAGIC, queueLayout } from '../layout.js';
import { SHAPE } from './doors.js';
import { BACK_PRESSURED, create, inspect, link, pub, recover, sub } from './index.js';
import type { LinkedConsumer, LinkedOptions } from './index.js';
import { placeAt, PRODUCER_THREAD, THREAD } from './ring.js';
import {
  GHOST, linked, ends, eight, offerAll, fill, drained, upTo, wordsOf, chunksOf, errorOf,
} from './fixtures/linked-ends.js';

describe('a producer of a linked queue that follows another', () => {
  it('goes on where the other has left, in the middle of a chunk, and has every chunk', () => {
    for (let count = 0; count <= 9; count++) {
      const { producer, consumer, queue } = ends(3);
      offerAll(producer, ...upTo(count));
      producer.leave();
      const second = pub(queue);
      expect(count + fill(second, count + 1)).toBe(9);
      expect(drained(consumer)).toEqual(upTo(9));
    }
  });

  it('finds the chunks that a dead producer had in hand, or had filled and not published', () => {
    for (let lost = 0; lost <= 9; lost++) {
      const { producer, consumer, queue } = ends(4, {}, { publishEvery: { records: 100 } });
      offerAll(producer, ...upTo(3));
      producer.flush();
      offerAll(producer, ...upTo(lost, 100));
      // With more than 6, an offer would be refused, and would publish them first.
      if (lost <= 6) expect(producer.tryClaim(48)).toBeGreaterThan(0);
      wordsOf(queue)[PRODUCER_THREAD] = GHOST + 1;
      expect(recover(queue, GHOST)).toEqual({ producers: 1, consumers: 0, taken: 0 });
      const second = pub(queue);
      expect(3 + fill(second, 4), `${lost} lost`).toBe(12);
      expect(drained(consumer)).toEqual(upTo(12));
      expect(chunksOf(queue).allocated).toBe(4);
    }
  });

  it('does not take a chunk that the consumer has yet to release', () => {
    const { producer, consumer, queue } = ends(4);
    expect(fill(producer)).toBe(12);
    expect(drained(consumer, 5)).toEqual(upTo(5));
    producer.leave();
    const second = pub(queue);
    expect(fill(second, 13)).toBe(3);
    expect(drained(consumer)).toEqual(upTo(10, 6));
  });
});

describe('a consumer of a linked queue that follows another', () => {
  it('begins at the first record that was not released', () => {
    for (let read = 0; read <= 9; read++) {
      const { producer, consumer, queue } = ends(3);
      fill(producer);
      drained(consumer, read);
      consumer.leave();
      const second = sub(queue);
      expect(drained(second)).toEqual(upTo(9 - read, read + 1));
      expect(fill(producer)).toBe(9 - 3);
    }
  });

  it('begins behind what drain had given to a dead consumer, in however many chunks that lies', () => {
    for (let taken = 1; taken <= 9; taken++) {
      const { producer, consumer, queue } = ends(3);
      fill(producer);
      const seen: number[] = [];
      // A handler that never returns, at the record `taken`.
      expect(() => consumer.drain((view, offset) => {
        if (seen.push(view.getUint8(offset)) === taken) throw new Error('dead');
      })).toThrow('dead');
      wordsOf(queue)[placeAt(0) + THREAD] = GHOST + 1;
      const done = recover(queue, GHOST);
      // Whole chunks were released on the way.
      expect(done).toEqual({ producers: 0, consumers: 1, taken: (taken - 1) % 3 + 1 });
      expect(drained(sub(queue)), `${taken} taken`).toEqual(upTo(9 - taken, taken + 1));
      expect(inspect(queue).consumed).toBe(9);
    }
  });

  it('is told how many records that is, wherever their chunk lies', () => {
    const { producer, consumer, queue } = ends(4);
    // The chunk of the last three records is the second that was used, behind one with a single record.
    offerAll(producer, ...upTo(3));
    producer.offer(new Uint8Array(48));
    drained(consumer);
    producer.offer(new Uint8Array(48));
    offerAll(producer, 7, 8, 9);
    let count = 0;
    expect(() => consumer.drain(() => {
      if (++count === 4) throw new Error('dead');
    })).toThrow('dead');
    wordsOf(queue)[placeAt(0) + THREAD] = GHOST + 1;
    expect(recover(queue, GHOST).taken).toBe(3);
    expect(inspect(queue)).toMatchObject({ consumed: 8, depth: 0 });
  });

  it('sees again what a dead consumer had only peeked at', () => {
    const { producer, consumer, queue } = ends(3);
    fill(producer);
    for (let i = 0; i < 7; i++) {
      consumer.peek();
      consumer.advance();
    }
    wordsOf(queue)[placeAt(0) + THREAD] = GHOST + 1;
    expect(recover(queue, GHOST).taken).toBe(0);
    expect(drained(sub(queue))).toEqual(upTo(9));
  });
});

describe('a linked queue among the others', () => {
  it('survives structured clone, with the chunks that come later', () => {
    const queue = linked(4);
    const clone = structuredClone(queue);
    const producer = pub(queue);
    const consumer = sub(clone);
    fill(producer);
    expect(drained(consumer)).toEqual(upTo(12));
    expect(chunksOf(clone)).toMatchObject({ allocated: 4 });
  });

  it('can be inspected', () => {
    const { producer, consumer, queue } = ends(4);
    fill(producer);
    drained(consumer, 4);
    expect(inspect(queue)).toMatchObject({
      kind: 'spsc',
      backend: 'linked',
      capacity: 256,
      recordBytes: 0,
      published: 12,
      consumed: 4,
      refused: 1,
      isClosed: false,
      // Each record takes 16 bytes, and each chunk 16 bytes of padding.
      depth: 256 - 16 - (64 + 16), highWater: 256 - 16,
      chunks: { chunkBytes: 64, inUse: 3, allocated: 4, most: 4, growthsRefused: 0 },
    });
  });

  it('knows how deep it was, although its consumer did not look at that time', () => {
    const { producer, consumer, queue } = ends(4);
    offerAll(producer, 1, 2, 3);
    consumer.peek();
    fill(producer);
    for (let i = 0; i < 3; i++) consumer.poll();
    expect(drained(consumer)).toHaveLength(9);
    expect(inspect(queue)).toMatchObject({ depth: 0, highWater: 256 - 16 });
  });

  it('does not keep its thread when it is linked to itself', () => {
    const ring = create({ kind: 'spsc', capacityBytes: 128 });
    for (const { producer, consumer } of [ends(4), { producer: pub(ring), consumer: sub(ring) }]) {
      producer.offer(eight(7));
      expect(link(consumer, producer).move()).toBeGreaterThan(0);
      expect(drained(consumer)).toEqual([7]);
    }
  });

  it('can be linked to another, both ways', () => {
    const from = ends(8);
    const to = ends(3);
    const moving = link(from.consumer, to.producer);
    fill(from.producer);
    expect(moving.move()).toBe(9);
    expect(moving.move()).toBe(BACK_PRESSURED);
    expect(drained(to.consumer)).toEqual(upTo(9));
    // The consumer of `to` stands at the end of a chunk.
    expect(moving.move()).toBe(6);

    const ring = create({ kind: 'spsc', capacityBytes: 128 });
    const [producer, consumer] = [pub(ring), sub(ring)];
    const { consumer: source, producer: sender } = ends(2);
    sender.offer(eight(5));
    expect(link(source, producer).move()).toBe(1);
    expect(drained(consumer)).toEqual([5]);
    // 56 bytes fit into a ring of 128, and 48 into a chunk of 64.
    expect(errorOf(() => link(consumer, sender)).argument).toBe('to');
    expect(errorOf(() => link(sub(linked(2, { chunkBytes: 128 })), sender)).argument).toBe('to');
    expect((source as LinkedConsumer)[SHAPE].maxRecordBytes).toBe(48);
  });

  it('passes the wrap of its sequence', () => {
    for (const startSequence of [2 ** 31 - 8, 2 ** 31 - 64, 2 ** 32 - 8, 2 ** 32 - 128, -64]) {
      const { producer, consumer } = ends(3, { startSequence });
      for (let round = 0; round < 5; round++) {
        const count = fill(producer, 1);
        expect(count).toBeGreaterThanOrEqual(6);
        expect(drained(consumer)).toEqual(upTo(count));
      }
    }
  });
});

describe('bad arguments of a linked queue', () => {
  const message = (options: object): string =>
    errorOf(() => create({ kind: 'spsc', backend: 'linked', capacityBytes: 2 ** 20, ...options } as LinkedOptions))
      .message;

  it.each([
    [{ kind: 'mpsc' }, "kind must be 'spsc' for the backend 'linked', not \"mpsc\""],
    [{ capacityBytes: 132_223 }, 'capacityBytes must be a whole number from 132224 to 1073741824, not 132223'],
    [{ capacityBytes: 2 ** 30 + 1 }, 'capacityBytes must be a whole number from 132224 to 1073741824, not 1073741825'],
    [{ capacityBytes: undefined }, 'capacityBytes must be a whole number from 132224 to 1073741824, not undefined'],
    [{ chunkBytes: 100 }, 'chunkBytes must be a power of two from 32 to 268435456, not 100'],
    [{ chunkBytes: 16 }, 'chunkBytes must be a power of two from 32 to 268435456, not 16'],
    [{ chunkBytes: 2 ** 29 }, 'chunkBytes must be a power of two from 32 to 268435456, not 536870912'],
    [{ chunkBytes: '64' }, 'chunkBytes must be a power of two from 32 to 268435456, not "64"'],
    [
      { chunkBytes: 32, capacityBytes: 2 ** 22 },
      'chunkBytes must be so large that 4194304 bytes are at most 65536 chunks, not 32',
    ],
    [{ startSequence: 12 }, 'startSequence must be a multiple of 8 for a queue of variable records, not 12'],
    [{ recordBytes: 8 }, "recordBytes must be left out for the backend 'linked', not 8"],
    [{ capacity: 8 }, "capacity must be left out for the backend 'linked', not 8"],
    [{ consumers: {} }, "consumers must be left out for the backend 'linked', not [object Object]"],
    [{ byteOffset: 8 }, "byteOffset must be left out for the backend 'linked', not 8"],
    [
      { buffer: new SharedArrayBuffer(8) },
      "buffer must be left out for the backend 'linked', not [object SharedArrayBuffer]",
    ],
    [
      { memory: { name: 'x' } },
      "memory must be left out for the backend 'linked', whose memory grows: a queue in a file is made of rings, "
        + 'without `backend`, not [object Object]',
    ],
    [{ maxConsumers: 2 }, "maxConsumers must be 1 for the backend 'linked', not 2"],
    [{ maxProducers: 0 }, "maxProducers must be 1 for the backend 'linked', not 0"],
  ])('%o', (options, expected) => {
    expect(message(options)).toBe(expected);
  });

  it('a handle of something else', () => {
    const queue = linked();
    expect(errorOf(() => pub({ ...queue, buffer: undefined } as never)).argument).toBe('queue');
    expect(errorOf(() => pub({ ...queue, chunkBytes: 32 } as never)).code).toBe('ERR_PERCORE_LAYOUT_MISMATCH');
    expect(errorOf(() => pub({ ...queue, capacity: 64 } as never)).argument).toBe('queue');
    const ring = create({ kind: 'spsc', capacityBytes: 4096 });
    expect(
      errorOf(() => pub({ ...ring, backend: 'linked', chunkBytes: 64 } as never)), 'its memory cannot grow',
    ).toMatchObject({ code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'queue' });
    new Int32Array(queue.buffer)[queueLayout.bytes >> 2] = 0;
    expect(errorOf(() => pub(queue)).message).toContain(`expected ${LINKED_MAGIC}`);
  });

  it('a second producer or consumer', () => {
    const { queue } = ends();
    expect([errorOf(() => pub(queue)).code, errorOf(() => sub(queue)).code]).toEqual([
      'ERR_PERCORE_NO_PLACE', 'ERR_PERCORE_NO_PLACE',
    ]);
  });
});

import { describe, expect, it } from 'vitest';
import { PercoreError } from '../errors.js';
import { LINKED_MAGIC, linkedLayout, queueLayout } from '../layout.js';
import {
  BACK_PRESSURED, CLOSED, DROPPED, EMPTY, OK, TOO_LARGE, close, create, inspect, link, pub, recover, sub,
} from './index.js';
import type {
  LinkedConsumer, LinkedOptions, LinkedQueue, PubOptions, VariableConsumer, VariableProducer,
} from './index.js';
import { placeAt, PRODUCER_THREAD, THREAD } from './ring.js';

/** Headers and table of a queue of up to 32 chunks. */
const FRONT_BYTES = queueLayout.bytes + linkedLayout.bytes + 128;
/** A thread that there never was: its name is written into words by hand, for `recover`. */
const GHOST = 2 ** 30;

/** A queue of up to `chunks` chunks of 64 bytes: each holds three records of 8 bytes, or one of 48. */
function linked(chunks = 3, options: Partial<LinkedOptions> = {}): LinkedQueue {
  const chunkBytes = options.chunkBytes ?? 64;
  return create({
    kind: 'spsc', backend: 'linked', capacityBytes: FRONT_BYTES + chunks * chunkBytes, chunkBytes, ...options,
  });
}

function ends(
  chunks = 3, options?: Partial<LinkedOptions>, pubOptions?: PubOptions,
): { queue: LinkedQueue; producer: VariableProducer; consumer: VariableConsumer } {
  const queue = linked(chunks, options);
  return { queue, producer: pub(queue, pubOptions), consumer: sub(queue) };
}

const eight = (value: number): Uint8Array => new Uint8Array(8).fill(value);
const offerAll = (producer: VariableProducer, ...values: number[]): number[] =>
  values.map((value) => producer.offer(eight(value)));
/** Offers records of 8 bytes, numbered from `first`, until one is refused. Returns how many were taken. */
function fill(producer: VariableProducer, first = 1): number {
  for (let count = 0; ; count++) if (producer.offer(eight(first + count)) !== OK) return count;
}
/** The first byte of each record that one drain hands out. */
function drained(consumer: VariableConsumer, limit?: number): number[] {
  const seen: number[] = [];
  consumer.drain((view, offset) => void seen.push(view.getUint8(offset)), limit);
  return seen;
}
const upTo = (count: number, first = 1): number[] => Array.from({ length: count }, (_, i) => first + i);
const wordsOf = (queue: LinkedQueue): Int32Array => new Int32Array(queue.buffer);
const chunksOf = (queue: LinkedQueue) => inspect(queue).chunks!;
/** Makes the system refuse memory, in this thread. */
const starve = (queue: LinkedQueue): void =>
  void Object.defineProperty(queue.buffer, 'grow', {
    configurable: true,
    value: () => {
      throw new RangeError('no memory');
    },
  });

function errorOf(run: () => unknown): { code: string; message: string; argument?: string } {
  try {
    run();
  } catch (error) {
    if (!(error instanceof PercoreError)) throw error;
    return { code: error.code, message: error.message, argument: error.argument };
  }
  throw new Error('nothing was thrown');
}

describe('a linked queue', () => {
  it('gives records back in order, through chunks that come and come again', () => {
    const { producer, consumer } = ends();
    for (let round = 0; round < 20; round++) {
      const values = [1, 2, 3, 4, 5].map((i) => (round * 5 + i) & 255);
      expect(offerAll(producer, ...values)).toEqual([OK, OK, OK, OK, OK]);
      expect(drained(consumer)).toEqual(values);
    }
  });

  it('carries records of every length up to a chunk less 16 bytes, with their types', () => {
    const { producer, consumer } = ends();
    expect(producer.maxRecordBytes).toBe(48);
    for (let length = 0; length <= 48; length++) {
      const record = Uint8Array.from({ length }, (_, i) => length + i);
      expect(producer.offer(record, length * 1000)).toBe(OK);
      expect(consumer.poll()).toEqual(record);
      expect([consumer.length, consumer.type]).toEqual([length, length * 1000]);
    }
    expect([producer.offer(new Uint8Array(49)), producer.tryClaim(49), producer.tryClaim(-1)]).toEqual([
      TOO_LARGE, TOO_LARGE, TOO_LARGE,
    ]);
    expect(errorOf(() => producer.tryClaim(8, -1)).argument).toBe('type');
  });

  it('keeps records contiguous and aligned, and away from the last 8 bytes of the buffer, which slow a '
    + 'DataView down', () => {
    const { producer, consumer, queue } = ends();
    for (let i = 0; i < 60; i++) {
      const length = (i * 7) % 49;
      const at = producer.tryClaim(length);
      if (at === BACK_PRESSURED) {
        consumer.drain((_view, offset, size) => {
          expect(offset % 8).toBe(0);
          expect(Math.floor((offset - FRONT_BYTES) / 64)).toBe(
            Math.floor((offset + Math.max(size, 1) - 1 - FRONT_BYTES) / 64),
          );
        });
        continue;
      }
      expect(at + length).toBeLessThanOrEqual(queue.buffer.byteLength - 8);
      producer.commit();
    }
  });

  it('gives a chunk that is still claimed for the next record to that record, be the claim given up or not', () => {
    const { producer, consumer } = ends();
    offerAll(producer, 1, 2, 3);
    const at = producer.tryClaim(40);
    producer.abort();
    expect(producer.tryClaim(48), 'the same chunk').toBe(at);
    producer.bytes[at] = 4;
    producer.commit(8);
    expect(producer.tryClaim(8), 'behind the shortened record').toBe(at + 16);
    expect(drained(consumer)).toEqual([1, 2, 3, 4]);
  });

  it('shows several chunks of lazily published records with one flush', () => {
    const { producer, consumer, queue } = ends(4, {}, { publishEvery: { records: 100 } });
    offerAll(producer, ...upTo(10));
    expect([consumer.poll(), producer.unpublished, chunksOf(queue).inUse]).toEqual([EMPTY, 10, 1]);
    expect(producer.flush()).toBe(OK);
    expect(chunksOf(queue).inUse).toBe(4);
    expect(drained(consumer)).toEqual(upTo(10));
  });

  it('lets a consumer peek again until it has released, across chunks', () => {
    const { producer, consumer } = ends();
    offerAll(producer, 1, 2, 3, 4);
    for (const value of upTo(4)) {
      const offset = consumer.peek();
      expect([consumer.bytes[offset], consumer.peek()]).toEqual([value, offset]);
      consumer.advance();
    }
    // Nothing was released: whoever comes next sees it all again.
    expect(fill(producer)).toBe(5);
    consumer.publishRelease();
    expect(fill(producer)).toBe(3);
  });

  it('ends with CLOSED behind the last record', () => {
    const { producer, consumer, queue } = ends(3, {}, { publishEvery: { records: 100 } });
    offerAll(producer, ...upTo(5));
    producer.close();
    expect(drained(consumer)).toEqual(upTo(5));
    expect([consumer.poll(), consumer.peek(), consumer.drain(() => {})]).toEqual([CLOSED, CLOSED, CLOSED]);
    expect([producer.offer(eight(1)), producer.tryClaim(48)]).toEqual([CLOSED, CLOSED]);
    expect(errorOf(() => pub(queue)).code).toBe('ERR_PERCORE_CLOSED');
  });

  it('tells a producer in the middle of a chunk, and one at its end, that the queue was closed', () => {
    for (const [count, closes] of [[1, 'queue'], [3, 'queue'], [1, 'consumer'], [3, 'consumer']] as const) {
      const { producer, consumer, queue } = ends();
      offerAll(producer, ...upTo(count));
      if (closes === 'queue') close(queue);
      else consumer.close();
      // One that is in time may be the last.
      const code = producer.offer(eight(9));
      expect([OK, CLOSED], `${closes} closed after ${count}`).toContain(code);
      expect(producer.offer(eight(9))).toBe(CLOSED);
      const { dropped, consumed, published } = inspect(queue);
      if (closes === 'queue')
        expect([...drained(consumer), consumer.poll()]).toEqual([...upTo(count), ...(code === OK ? [9] : []), CLOSED]);
      else expect(dropped.closed).toBe(published - consumed);
    }
  });

  it('resolves room and ready when there is something', async () => {
    const { producer, consumer } = ends(2);
    fill(producer);
    const room = producer.room(48);
    const shortly = producer.roomSync(48, { timeoutMs: 1 });
    expect(shortly).toBe(BACK_PRESSURED);
    drained(consumer);
    expect(await room).toBe(OK);
    expect(producer.tryClaim(48)).toBeGreaterThan(0);
    producer.abort();
    const ready = consumer.ready();
    producer.offer(eight(1));
    expect(await ready).toBe(OK);
    expect(await producer.room(8, { timeoutMs: 0 })).toBe(OK);
    await expect(producer.room(48, { timeoutMs: 1 }), 'the other chunk is not read to its end').rejects.toThrow(
      'within 1 ms',
    );
    expect(errorOf(() => void producer.room(49)).argument).toBe('length');
  });

  it('asks for room once, and is told', () => {
    const { producer, consumer } = ends(2);
    let told = 0;
    consumer.onRoom = () => void told++;
    expect(producer.askForRecord(8)).toBe(true);
    fill(producer);
    expect(producer.askForRecord(8)).toBe(false);
    drained(consumer, 4);
    expect(told).toBeGreaterThan(0);
    expect(producer.askForRecord(8)).toBe(true);
  });
});

describe('the cap of a linked queue', () => {
  it('is exact: all that the buffer ever is lies below it, and one chunk more would not', () => {
    for (const chunkBytes of [32, 64, 4096]) {
      for (const capacityBytes of [
        FRONT_BYTES + 2 * chunkBytes, FRONT_BYTES + 3 * chunkBytes - 1, FRONT_BYTES + 5 * chunkBytes + 7,
      ]) {
        const { queue, producer } = ends(0, { chunkBytes, capacityBytes });
        while (producer.offer(eight(1)) === OK) expect(queue.buffer.byteLength).toBeLessThanOrEqual(capacityBytes);
        expect(queue.buffer.byteLength + chunkBytes).toBeGreaterThan(capacityBytes);
        expect((queue.buffer as { maxByteLength?: number }).maxByteLength).toBe(queue.buffer.byteLength);
        expect(queue.capacity).toBe(queue.buffer.byteLength - FRONT_BYTES);
      }
    }
  });

  it('counts a large table too', () => {
    const capacityBytes = 2 ** 20;
    const { queue, producer } = ends(0, { chunkBytes: 32, capacityBytes });
    fill(producer);
    const { allocated, most } = chunksOf(queue);
    expect(allocated).toBe(most);
    expect(queue.buffer.byteLength).toBeLessThanOrEqual(capacityBytes);
    // Headers, and a word for each chunk, to the next power of two.
    expect(queue.buffer.byteLength).toBe(queueLayout.bytes + linkedLayout.bytes + 32768 * 4 + most * 32);
  });

  it('is 64 KiB a chunk unless said otherwise, and two of them at first', () => {
    const queue = create({ kind: 'spsc', backend: 'linked', capacityBytes: 2 ** 20 });
    expect([queue.chunkBytes, queue.buffer.byteLength, pub(queue).maxRecordBytes]).toEqual([
      65_536, FRONT_BYTES + 2 * 65_536, 65_520,
    ]);
  });

  it('answers BACK_PRESSURED at the cap, counts it, and goes on when a chunk is released', () => {
    const { producer, consumer, queue } = ends(3);
    expect(fill(producer)).toBe(9);
    expect([producer.offer(eight(1)), producer.tryClaim(1)]).toEqual([BACK_PRESSURED, BACK_PRESSURED]);
    expect(inspect(queue).refused).toBe(3);
    // Two of three records of the first chunk, then the third: the chunk is not free before the fourth is looked at.
    expect(drained(consumer, 2)).toEqual([1, 2]);
    expect(producer.offer(eight(10))).toBe(BACK_PRESSURED);
    expect(drained(consumer, 2)).toEqual([3, 4]);
    expect(fill(producer, 10)).toBe(3);
    expect(drained(consumer)).toEqual(upTo(8, 5));
  });

  it('leaves room in every empty queue for the longest record, also with two chunks', () => {
    for (let before = 0; before < 4; before++) {
      const { producer, consumer } = ends(2);
      offerAll(producer, ...upTo(before));
      drained(consumer);
      expect(producer.offer(new Uint8Array(48)), `behind ${before} records`).toBe(OK);
    }
  });
});

describe('the chunks of a linked queue', () => {
  it('grow by what a burst needs, are used again, and after it the queue lives in two', () => {
    const { producer, consumer, queue } = ends(32);
    expect(chunksOf(queue)).toEqual({ chunkBytes: 64, inUse: 1, allocated: 2, most: 32, growthsRefused: 0 });
    offerAll(producer, ...upTo(30));
    expect(chunksOf(queue)).toMatchObject({ inUse: 10, allocated: 10 });
    const burst = fill(producer, 31);
    expect(30 + burst).toBe(96);
    expect(chunksOf(queue)).toMatchObject({ inUse: 32, allocated: 32 });
    expect(drained(consumer)).toEqual(upTo(96));

    const touched = new Set<number>();
    const { words, bytes, view } = producer;
    const seen = [consumer.words, consumer.bytes, consumer.view];
    for (let i = 0; i < 500; i++) {
      const at = producer.tryClaim(8);
      touched.add(Math.floor((at - FRONT_BYTES) / 64));
      producer.commit();
      expect(consumer.drain(() => {})).toBe(1);
    }
    expect(touched.size).toBe(2);
    expect(chunksOf(queue)).toMatchObject({ inUse: 1, allocated: 32 });
    expect(
      [producer.words === words, producer.bytes === bytes, producer.view === view], 'no new views in steady state',
    ).toEqual([true, true, true]);
    expect([consumer.words, consumer.bytes, consumer.view].map((each, i) => each === seen[i])).toEqual([
      true, true, true,
    ]);
  });

  it('are seen by a consumer that came before they did', () => {
    const { producer, consumer, queue } = ends(8);
    const before = consumer.bytes.length;
    fill(producer);
    const seen: number[] = [];
    consumer.drain((view, offset) => {
      expect(view).toBe(consumer.view);
      seen.push(view.getUint8(offset));
    });
    expect(seen).toEqual(upTo(24));
    expect([before, consumer.bytes.length]).toEqual([FRONT_BYTES + 2 * 64, queue.buffer.byteLength]);
  });

  it('come back while a drain goes on: one that never catches up takes no more of them', () => {
    const { producer, consumer, queue } = ends(32);
    offerAll(producer, 1, 2);
    let count = 0;
    const handler = (): void => {
      if (++count < 500) expect(producer.offer(eight(count))).toBe(OK);
    };
    expect(consumer.drain(handler), 'no more than the queue could hold, or it would not end').toBe((32 * 64) / 8);
    expect(consumer.drain(handler, 1000)).toBe(501 - 256);
    expect([count, chunksOf(queue).allocated]).toEqual([501, 2]);
  });

  it('are not asked of a system that has none: BACK_PRESSURED, counted, and the first two go on', () => {
    const { producer, consumer, queue } = ends(8);
    starve(queue);
    expect(fill(producer)).toBe(6);
    expect(chunksOf(queue)).toMatchObject({ allocated: 2, growthsRefused: 1 });
    drained(consumer);
    for (let round = 0; round < 10; round++) {
      // The consumer stands in one of them.
      expect(fill(producer)).toBe(3);
      expect(drained(consumer)).toHaveLength(3);
    }
    Reflect.deleteProperty(queue.buffer, 'grow');
    expect(fill(producer)).toBe(21);
    expect(chunksOf(queue)).toMatchObject({ allocated: 8, growthsRefused: 11 });
  });

  it('let other errors through', () => {
    const { producer, queue } = ends(8);
    Object.defineProperty(queue.buffer, 'grow', { value: () => {
      throw new TypeError('something else');
    } });
    expect(() => fill(producer)).toThrow('something else');
  });
});

describe('a slow consumer of a linked queue', () => {
  it('may have the newest dropped, which is counted', () => {
    const queue = linked(2);
    const producer = pub(queue);
    const consumer = sub(queue, { whenSlow: 'drop-newest' });
    expect(offerAll(producer, ...upTo(8))).toEqual([OK, OK, OK, OK, OK, OK, DROPPED, DROPPED]);
    expect(inspect(queue)).toMatchObject({ refused: 0, dropped: { newest: 2 } });
    expect(drained(consumer)).toEqual(upTo(6));
  });

  it('may not be lapped: what it reads lies in chunks that are its own', () => {
    for (const whenSlow of ['drop-oldest', 'evict'] as const) {
      expect(errorOf(() => sub(linked(), { whenSlow } as never))).toMatchObject({
        code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'whenSlow',
      });
    }
  });
});

describe('a producer of a linked queue that follows another', () => {
  it('goes on where that one left, in the middle of a chunk, with every chunk', () => {
    for (let count = 0; count <= 9; count++) {
      const { producer, consumer, queue } = ends(3);
      offerAll(producer, ...upTo(count));
      producer.leave();
      const second = pub(queue);
      expect(count + fill(second, count + 1)).toBe(9);
      expect(drained(consumer)).toEqual(upTo(9));
    }
  });

  it('finds the chunks that a dead one had in hand or had filled and not published', () => {
    for (let lost = 0; lost <= 9; lost++) {
      const { producer, consumer, queue } = ends(4, {}, { publishEvery: { records: 100 } });
      offerAll(producer, ...upTo(3));
      producer.flush();
      offerAll(producer, ...upTo(lost, 100));
      // With more than 6 it would be refused, and publish them first.
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

  it('begins behind what a dead one had been given by drain, however many chunks that was', () => {
    for (let taken = 1; taken <= 9; taken++) {
      const { producer, consumer, queue } = ends(3);
      fill(producer);
      const seen: number[] = [];
      // A handler that never comes back, at the record `taken`.
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

  it('is told how many those were, wherever their chunk lies', () => {
    const { producer, consumer, queue } = ends(4);
    // The chunk of the last three is the second that was used, behind one with a single record.
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

  it('sees again what a dead one had only peeked at', () => {
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

  it('can be asked its properties', () => {
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
      // 16 bytes a record, 16 of padding a chunk.
      depth: 256 - 16 - (64 + 16), highWater: 256 - 16,
      chunks: { chunkBytes: 64, inUse: 3, allocated: 4, most: 4, growthsRefused: 0 },
    });
  });

  it('knows how deep it was, though its consumer never looked then', () => {
    const { producer, consumer, queue } = ends(4);
    offerAll(producer, 1, 2, 3);
    consumer.peek();
    fill(producer);
    for (let i = 0; i < 3; i++) consumer.poll();
    expect(drained(consumer)).toHaveLength(9);
    expect(inspect(queue)).toMatchObject({ depth: 0, highWater: 256 - 16 });
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
    // 56 bytes fit a ring of 128, and 48 a chunk of 64.
    expect(errorOf(() => link(consumer, sender)).argument).toBe('to');
    expect(errorOf(() => link(sub(linked(2, { chunkBytes: 128 })), sender)).argument).toBe('to');
    expect((source as LinkedConsumer).shape.maxRecordBytes).toBe(48);
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

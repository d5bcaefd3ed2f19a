/** The chunks of a linked queue: the cap, and how chunks are made, come back and are used again. */
import { describe, expect, it } from 'vitest';
import { linkedLayout, queueLayout } from '../layout.js';
import { BACK_PRESSURED, DROPPED, OK, create, inspect, pub, sub } from './index.js';
import {
  FRONT_BYTES, linked, ends, eight, offerAll, fill, drained, upTo, chunksOf, starve, errorOf,
} from './fixtures/linked-ends.js';

describe('the cap of a linked queue', () => {
  it('is exact: the buffer never grows beyond it, and one chunk more would be too much', () => {
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

  it('gives chunks of 64 KiB unless told otherwise, and two of them at first', () => {
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
    // Two of the three records of the first chunk, then the third. The chunk is not free before the fourth record is
    // looked at.
    expect(drained(consumer, 2)).toEqual([1, 2]);
    expect(producer.offer(eight(10))).toBe(BACK_PRESSURED);
    expect(drained(consumer, 2)).toEqual([3, 4]);
    expect(fill(producer, 10)).toBe(3);
    expect(drained(consumer)).toEqual(upTo(8, 5));
  });

  it('leaves room for the longest record in every empty queue, even with two chunks', () => {
    for (let before = 0; before < 4; before++) {
      const { producer, consumer } = ends(2);
      offerAll(producer, ...upTo(before));
      drained(consumer);
      expect(producer.offer(new Uint8Array(48)), `behind ${before} records`).toBe(OK);
    }
  });
});

describe('the chunks of a linked queue', () => {
  it('are added as a burst needs them and used again, and after it the queue uses two', () => {
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

  it('are seen by a consumer that came before they were made', () => {
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

  it('come back during a drain: a drain that never catches up takes no more of them', () => {
    const { producer, consumer, queue } = ends(32);
    offerAll(producer, 1, 2);
    let count = 0;
    const handler = (): void => {
      if (++count < 500) expect(producer.offer(eight(count))).toBe(OK);
    };
    expect(consumer.drain(handler), 'no more than the queue can hold, or it would not end').toBe((32 * 64) / 8);
    expect(consumer.drain(handler, 1000)).toBe(501 - 256);
    expect([count, chunksOf(queue).allocated]).toEqual([501, 2]);
  });

  it('need no memory that the system refuses: BACK_PRESSURED is counted, and the first two go on', () => {
    const { producer, consumer, queue } = ends(8);
    starve(queue);
    expect(fill(producer)).toBe(6);
    expect(chunksOf(queue)).toMatchObject({ allocated: 2, growthsRefused: 1 });
    drained(consumer);
    for (let round = 0; round < 10; round++) {
      // The consumer stands in one of the two chunks.
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
  it('may have the newest records dropped, which is counted', () => {
    const queue = linked(2);
    const producer = pub(queue);
    const consumer = sub(queue, { whenSlow: 'drop-newest' });
    expect(offerAll(producer, ...upTo(8))).toEqual([OK, OK, OK, OK, OK, OK, DROPPED, DROPPED]);
    expect(inspect(queue)).toMatchObject({ refused: 0, dropped: { newest: 2 } });
    expect(drained(consumer)).toEqual(upTo(6));
  });

  it('may not be lapped, because what it reads lies in chunks of its own', () => {
    for (const whenSlow of ['drop-oldest', 'evict'] as const) {
      expect(errorOf(() => sub(linked(), { whenSlow } as never))).toMatchObject({
        code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'whenSlow',
      });
    }
  });
});

/** A linked queue with both ends in one thread. */
import { describe, expect, it } from 'vitest';
import { ASK_FOR_ROOM, ON_ROOM } from './doors.js';
import { BACK_PRESSURED, CLOSED, EMPTY, OK, TOO_LARGE, close, create, inspect, pub, sub } from './index.js';
import { FRONT_BYTES, ends, eight, offerAll, fill, drained, upTo, chunksOf, errorOf } from './fixtures/linked-ends.js';

describe('a linked queue', () => {
  it('gives records back in order, through chunks that are made and used again', () => {
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

  it('uses a chunk that was claimed for the next record for that record, whether the claim is given up or not', () => {
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
    // Nothing was released, so the next consumer sees it all again.
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

  it('counts the record whose handler threw as read, also when nothing comes behind it', () => {
    const queue = create({ kind: 'spsc', backend: 'linked', capacityBytes: 8192, chunkBytes: 64 });
    const [producer, consumer] = [pub(queue), sub(queue)];
    producer.offer(new Uint8Array(8));
    producer.close();
    expect(() => consumer.drain(() => {
      throw new Error('no');
    })).toThrow('no');
    expect(consumer.drain(() => {})).toBe(CLOSED);
    expect(inspect(queue)).toMatchObject({ published: 1, consumed: 1, depth: 0 });
  });

  it('tells a producer in the middle of a chunk, and one at its end, that the queue was closed', () => {
    for (const [count, closes] of [[1, 'queue'], [3, 'queue'], [1, 'consumer'], [3, 'consumer']] as const) {
      const { producer, consumer, queue } = ends();
      offerAll(producer, ...upTo(count));
      if (closes === 'queue') close(queue);
      else consumer.close();
      // A producer that is in time may have published the last record.
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
    await expect(producer.room(48, { timeoutMs: 1 }), 'the other chunk was not read to its end').rejects.toThrow(
      'within 1 ms',
    );
    expect(errorOf(() => void producer.room(49)).argument).toBe('length');
  });

  it('asks for room once, and is told', () => {
    const { producer, consumer } = ends(2);
    let told = 0;
    consumer[ON_ROOM](() => void told++);
    expect(producer[ASK_FOR_ROOM](8)).toBe(true);
    fill(producer);
    expect(producer[ASK_FOR_ROOM](8)).toBe(false);
    drained(consumer, 4);
    expect(told).toBeGreaterThan(0);
    expect(producer[ASK_FOR_ROOM](8)).toBe(true);
  });
});

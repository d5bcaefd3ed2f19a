import { describe, expect, it } from 'vitest';
import { bytes, drained, eight } from './fixtures/helpers.js';
import { BACK_PRESSURED, CLOSED, EMPTY, LossyConsumer, OK, close, create, inspect, pub, sub } from './index.js';
import { openRing } from './memory.js';
import { join } from './places.js';

const DROP_OLDEST = { whenSlow: 'drop-oldest' } as const;
const spsc = (capacity = 4, startSequence = 0) => create({ kind: 'spsc', capacity, recordBytes: 8, startSequence });
const variable = (capacityBytes = 64) => create({ kind: 'spsc', capacityBytes });
const throwing = (): never => {
  throw new Error('no');
};

describe('a consumer that is lapped', () => {
  it('gets the newest records that fit, and is told how many it lost', () => {
    for (const start of [0, 2 ** 31 - 3, 2 ** 32 - 3]) {
      const queue = spsc(4, start);
      const producer = pub(queue);
      const consumer = sub(queue, DROP_OLDEST);
      for (let value = 1; value <= 10; value++) expect(producer.offer(eight(value))).toBe(OK);
      expect([consumer.lost, drained(consumer), consumer.lost, consumer.poll()]).toEqual([0, [7, 8, 9, 10], 6, EMPTY]);
      for (let value = 11; value <= 15; value++) producer.offer(eight(value));
      expect([drained(consumer), consumer.lost]).toEqual([[12, 13, 14, 15], 7]);
      expect(inspect(queue)).toMatchObject({
        published: 15, consumed: 8, refused: 0, dropped: { oldest: 7, newest: 0, evicted: 0 },
      });
    }
  });

  it('loses whole variable records, and does not count padding', () => {
    const queue = variable(64);
    const producer = pub(queue);
    const consumer = sub(queue, DROP_OLDEST);
    for (let value = 1; value <= 20; value++)
      expect(
        producer.offer(
          Uint8Array.from({ length: (value * 7) % 25 }, () => value), value,
        ),
      ).toBe(OK);
    const seen: number[][] = [];
    const count = consumer.drain(
      (view, offset, length, type) => void seen.push([type, length, length === 0 ? type : view.getUint8(offset)]),
    );
    expect(seen).toEqual(
      Array.from({ length: count }, (_, i) => 20 - count + 1 + i).map((value) => [value, (value * 7) % 25, value]),
    );
    expect(consumer.lost).toBe(20 - count);
    expect(inspect(queue).dropped.oldest).toBe(20 - count);
  });

  it('makes room for a claim of the whole ring', () => {
    const queue = spsc(4);
    const producer = pub(queue);
    const consumer = sub(queue, DROP_OLDEST);
    [1, 2, 3].forEach((value) => producer.offer(eight(value)));
    expect(producer.tryClaim(4)).toBe(3);
    producer.abort();
    expect([consumer.poll(), consumer.lost], 'the claim alone has overwritten them').toEqual([EMPTY, 3]);
  });

  it('never loses what is committed and unpublished', () => {
    const queue = spsc(2);
    const producer = pub(queue, { publishEvery: { records: 100 } });
    const consumer = sub(queue, DROP_OLDEST);
    for (let value = 1; value <= 7; value++) expect(producer.offer(eight(value))).toBe(OK);
    producer.flush();
    expect([drained(consumer), consumer.lost]).toEqual([[6, 7], 5]);
  });

  it('wakes a producer that went to sleep while it was joining', async () => {
    const queue = spsc(2);
    const memory = openRing(queue);
    const producer = pub(queue);
    const place = join(memory, DROP_OLDEST);
    [1, 2].forEach((value) => producer.offer(eight(value)));
    const room = producer.room();
    const consumer = new LossyConsumer(memory, place);
    expect([await room, producer.offer(eight(3)), drained(consumer), consumer.lost]).toEqual([OK, OK, [2, 3], 1]);
  }, 10_000);

  it('does not disturb a consumer beside it that waits', () => {
    const queue = create({ kind: 'spmc', capacity: 2, recordBytes: 8, maxConsumers: 2 });
    const producer = pub(queue);
    const [lossy, waiting] = [sub(queue, DROP_OLDEST), sub(queue)];
    [1, 2].forEach((value) => producer.offer(eight(value)));
    expect([producer.offer(eight(3)), drained(lossy, 1), drained(waiting)]).toEqual([BACK_PRESSURED, [1], [1, 2]]);
    expect([producer.offer(eight(3)), producer.offer(eight(4)), lossy.lost, drained(lossy), lossy.lost]).toEqual([
      OK, OK, 0, [3, 4], 1,
    ]);
  });

  it('reads records larger than its scratch memory, and rings larger than that', () => {
    const large = create({ kind: 'spsc', capacity: 4, recordBytes: 40_000 });
    const producer = pub(large);
    const consumer = sub(large, DROP_OLDEST);
    for (let value = 1; value <= 5; value++) producer.offer(new Uint8Array(40_000).fill(value));
    const seen: number[] = [];
    consumer.drain((view, offset, length) => void seen.push(view.getUint8(offset), view.getUint8(offset + length - 1)));
    expect([seen, consumer.lost]).toEqual([[2, 2, 3, 3, 4, 4, 5, 5], 1]);
    const long = create({ kind: 'spsc', capacityBytes: 65_536 });
    const writer = pub(long);
    const reader = sub(long, DROP_OLDEST);
    let written = 0;
    while (inspect(long).dropped.oldest === 0)
      writer.offer(new Uint8Array(1 + ((written * 37) % 400)).fill(written++ & 255));
    const first = inspect(long).dropped.oldest;
    expect(drained(reader)).toEqual(Array.from({ length: written - first }, (_, i) => (first + i) & 255));
    writer.offer(new Uint8Array(writer.maxRecordBytes).fill(9));
    expect([reader.poll(), reader.length, reader.lost]).toEqual([
      new Uint8Array(writer.maxRecordBytes).fill(9), writer.maxRecordBytes, first,
    ]);
  });

  it('copies records of any size', () => {
    for (const recordBytes of [1, 3, 7, 12]) {
      const queue = create({ kind: 'spsc', capacity: 4, recordBytes });
      const producer = pub(queue);
      const consumer = sub(queue, DROP_OLDEST);
      for (let value = 1; value <= 6; value++)
        producer.offer(Uint8Array.from({ length: recordBytes }, (_, i) => value * 16 + i));
      expect(consumer.poll()).toEqual(Uint8Array.from({ length: recordBytes }, (_, i) => 3 * 16 + i));
      expect([drained(consumer), consumer.lost]).toEqual([[4, 5, 6].map((value) => value * 16), 2]);
    }
  });
});

describe('what a lossy consumer was not asked for', () => {
  it('stays in the ring, for its successor', () => {
    for (const queue of [spsc(), variable(128)]) {
      const producer = pub(queue as ReturnType<typeof spsc>);
      const first = sub(queue, DROP_OLDEST);
      [1, 2, 3, 4].forEach((value) => producer.offer(eight(value)));
      expect([drained(first, 1), first.poll()]).toEqual([[1], eight(2)]);
      first.leave();
      expect(drained(sub(queue, DROP_OLDEST))).toEqual([3, 4]);
      expect(inspect(queue)).toMatchObject({ published: 4, consumed: 4, dropped: { oldest: 0 } });
    }
  });

  it('is seen by look, in every kind of queue', () => {
    const lanes = create({ kind: 'mpsc', capacity: 4, recordBytes: 8 });
    const bands = create({ kind: 'banded', capacity: 4, recordBytes: 8 });
    const producers = [pub(lanes), pub(bands).band(3)];
    const consumers = [sub(lanes, DROP_OLDEST), sub(bands, { ...DROP_OLDEST, quantum: 1 })];
    for (const [i, consumer] of consumers.entries()) {
      [1, 2, 3].forEach((value) => producers[i]!.offer(eight(value)));
      expect([
        drained(consumer, 1), consumer.look(), consumer.poll(), consumer.look(), drained(consumer), consumer.look(),
      ]).toEqual([[1], OK, eight(2), OK, [3], EMPTY]);
    }
  });

  it('includes the records behind one whose handler threw: they are handed out next', async () => {
    const queue = spsc();
    const producer = pub(queue);
    const consumer = sub(queue, DROP_OLDEST);
    [1, 2, 3].forEach((value) => producer.offer(eight(value)));
    expect(() => consumer.drain(throwing)).toThrow('no');
    expect([consumer.look(), await consumer.ready({ timeoutMs: 1000 }), drained(consumer), consumer.look()]).toEqual([
      OK, OK, [2, 3], EMPTY,
    ]);
  });

  it('is counted as consumed if it leaves after such a throw', () => {
    const queue = spsc();
    const producer = pub(queue);
    const consumer = sub(queue, DROP_OLDEST);
    [1, 2, 3].forEach((value) => producer.offer(eight(value)));
    expect(() => consumer.drain(throwing)).toThrow('no');
    consumer.leave();
    expect([inspect(queue).consumed, sub(queue).poll()]).toEqual([3, EMPTY]);
  });
});

describe('the count of what was lost', () => {
  it('begins with the subscription, not with the queue', () => {
    const queue = spsc();
    const producer = pub(queue);
    const first = sub(queue, DROP_OLDEST);
    for (let value = 1; value <= 7; value++) producer.offer(eight(value));
    expect([drained(first), first.lost]).toEqual([[4, 5, 6, 7], 3]);
    first.leave();
    const second = sub(queue, DROP_OLDEST);
    for (let value = 8; value <= 13; value++) producer.offer(eight(value));
    expect([drained(second), second.lost, inspect(queue).dropped.oldest]).toEqual([[10, 11, 12, 13], 2, 5]);
  });

  it('is right when the sequence passes 0', () => {
    const queue = spsc(2, 2 ** 32 - 3);
    const producer = pub(queue);
    const first = sub(queue, DROP_OLDEST);
    [1, 2, 3].forEach((value) => producer.offer(eight(value)));
    expect([drained(first), first.lost]).toEqual([[2, 3], 1]);
    first.leave();
    const second = sub(queue, DROP_OLDEST);
    [4, 5, 6].forEach((value) => producer.offer(eight(value)));
    expect([drained(second), second.lost]).toEqual([[5, 6], 1]);
  });

  it('misses nothing that is lost between the joining and the first look', () => {
    const queue = spsc();
    const memory = openRing(queue);
    const producer = pub(queue);
    const place = join(memory, DROP_OLDEST);
    const codes = [1, 2, 3, 4, 5, 6].map((value) => producer.offer(eight(value)));
    const consumer = new LossyConsumer(memory, place);
    const received = drained(consumer);
    expect(received.length + consumer.lost).toBe(codes.filter((code) => code === OK).length);
  });

  it('does not grow when a consumer that holds the producer back takes the place over', () => {
    const queue = spsc();
    const producer = pub(queue);
    const lossy = sub(queue, DROP_OLDEST);
    for (let value = 1; value <= 6; value++) producer.offer(eight(value));
    lossy.leave();
    const gating = sub(queue);
    expect([producer.offer(eight(7)), drained(gating), inspect(queue).dropped.oldest]).toEqual([
      BACK_PRESSURED, [3, 4, 5, 6], 2,
    ]);
  });
});

describe('a lossy consumer at the end', () => {
  it('reads what is left of a closed queue, then CLOSED', () => {
    const queue = spsc();
    const producer = pub(queue);
    const consumer = sub(queue, DROP_OLDEST);
    for (let value = 1; value <= 6; value++) producer.offer(eight(value));
    producer.close();
    expect([drained(consumer), consumer.lost, consumer.drain(() => {}), consumer.poll()]).toEqual([
      [3, 4, 5, 6], 2, CLOSED, CLOSED,
    ]);
  });

  it('counts what it leaves unread when it closes', () => {
    const queue = spsc();
    const producer = pub(queue);
    const consumer = sub(queue, DROP_OLDEST);
    for (let value = 1; value <= 6; value++) producer.offer(eight(value));
    drained(consumer, 1);
    consumer.close();
    expect(producer.offer(eight(7))).toBe(CLOSED);
    // Of the seven records, two were overwritten, one was read, one was overwritten since, and three are left. What the
    // last claim has overwritten is among the dropped.
    const { published, consumed, dropped } = inspect(queue);
    expect([published, consumed, dropped.oldest + dropped.closed]).toEqual([7, 1, 6]);
  });

  it('hands out nothing more once it has closed, whether in its handler or after one that threw', () => {
    for (const isInside of [true, false]) {
      const queue = spsc();
      const producer = pub(queue);
      const consumer = sub(queue, DROP_OLDEST);
      [1, 2, 3].forEach((value) => producer.offer(eight(value)));
      const seen: number[] = [];
      const handler = (view: DataView, offset: number): void => {
        seen.push(view.getUint8(offset));
        if (isInside) consumer.close();
        else throw new Error('no');
      };
      if (isInside) expect(consumer.drain(handler)).toBe(1);
      else expect(() => consumer.drain(handler)).toThrow('no');
      consumer.close();
      expect([consumer.drain(handler), consumer.poll(), seen]).toEqual([CLOSED, CLOSED, [1]]);
      expect(producer.offer(eight(4))).toBe(CLOSED);
      const { published, consumed, dropped } = inspect(queue);
      expect([published, consumed, dropped.closed], 'the record that was offered last is the only one lost').toEqual([
        4, 3, 1,
      ]);
    }
  });

  it('ends in all lanes and bands', () => {
    const lanes = create({ kind: 'mpsc', capacity: 4, recordBytes: 8 });
    const bands = create({ kind: 'banded', capacity: 4, recordBytes: 8 });
    const consumers = [sub(lanes, DROP_OLDEST), sub(bands, DROP_OLDEST)];
    pub(lanes).offer(eight(1));
    pub(bands).offer(eight(1), 2);
    [lanes, bands].forEach((queue) => close(queue));
    for (const consumer of consumers)
      expect([drained(consumer), consumer.poll(), consumer.drain(() => {})]).toEqual([[1], CLOSED, CLOSED]);
  });

  it('says that an empty record has 0 bytes', () => {
    const queue = variable();
    const producer = pub(queue);
    const consumer = sub(queue, DROP_OLDEST);
    producer.offer(bytes(), 3);
    expect([consumer.poll(), consumer.length, consumer.type]).toEqual([bytes(), 0, 3]);
  });
});

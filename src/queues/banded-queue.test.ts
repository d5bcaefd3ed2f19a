import { describe, expect, it } from 'vitest';
import { drained, eight, errorOf } from './fixtures/helpers.js';
import { Other } from './fixtures/party.js';
import { BACK_PRESSURED, CLOSED, EMPTY, EVICTED, OK, close, create, inspect, pub, sub } from './index.js';
import type { BandedConsumer, BandedProducer } from './index.js';

const banded = (capacity = 64) => create({ kind: 'banded', capacity, recordBytes: 8 });
/** The bands of the records that polls return, in order. */
function bandsOf(consumer: BandedConsumer, count: number): number[] {
  return Array.from({ length: count }, () => (typeof consumer.poll() === 'number' ? -1 : consumer.band));
}
/** Offers `count` records to each of the bands. */
function fill(producer: BandedProducer, bands: readonly number[], count: number): void {
  for (const band of bands) for (let i = 0; i < count; i++) expect(producer.offer(eight(band), band)).toBe(OK);
}

describe('a banded queue', () => {
  it('gives records of the highest band first, and those of each band in order', () => {
    const queue = banded();
    const producer = pub(queue);
    const consumer = sub(queue);
    [[1, 0], [2, 7], [3, 4], [4, 7], [5, 0]].forEach(([value, band]) => producer.offer(eight(value!), band!));
    const seen: number[][] = [];
    consumer.drain((view, offset, _length, _type, band) => void seen.push([view.getUint8(offset), band]));
    expect(seen).toEqual([[2, 7], [4, 7], [3, 4], [1, 0], [5, 0]]);
  });

  it('looks for higher bands again before each record of poll', () => {
    const queue = banded();
    const producer = pub(queue);
    const consumer = sub(queue);
    fill(producer, [2], 2);
    expect(bandsOf(consumer, 1)).toEqual([2]);
    fill(producer, [5], 1);
    expect(bandsOf(consumer, 3)).toEqual([5, 2, -1]);
  });

  it('looks for higher bands again after at most 64 records of a drain', () => {
    const queue = banded(256);
    const producer = pub(queue);
    const consumer = sub(queue);
    fill(producer, [2], 200);
    const seen: number[] = [];
    consumer.drain((_view, _offset, _length, _type, band) => {
      if (seen.push(band) === 10) producer.offer(eight(9), 7);
    });
    expect(seen.indexOf(7)).toBe(64);
  });

  it('has a ring of its own for each band, with its own backpressure', () => {
    const queue = banded(2);
    const producer = pub(queue);
    expect([0, 0, 0, 1].map((band) => producer.offer(eight(1), band))).toEqual([OK, OK, BACK_PRESSURED, OK]);
    const at = producer.band(7).tryClaim(2);
    expect(at).toBe(0);
    producer.band(7).commit(1);
    expect(inspect(queue)).toMatchObject({ published: 4, depth: 4, refused: 1 });
  });

  it('takes variable records', () => {
    const queue = create({ kind: 'banded', capacityBytes: 64 });
    const producer = pub(queue);
    const consumer = sub(queue);
    producer.band(1).offer(Uint8Array.of(1), 4);
    producer.band(6).offer(Uint8Array.of(), 5);
    const ring = consumer.select()!;
    expect([consumer.band, ring.peek() > 0, ring.length, ring.type]).toEqual([6, true, 0, 5]);
    ring.advance();
    ring.publishRelease();
    expect([consumer.poll(), consumer.band, consumer.poll()]).toEqual([Uint8Array.of(1), 1, EMPTY]);
  });

  it('publishes lazily band by band, and all with flush', () => {
    const queue = banded();
    const producer = pub(queue, { publishEvery: { records: 3 } });
    const consumer = sub(queue);
    fill(producer, [1, 6], 2);
    expect(consumer.poll()).toBe(EMPTY);
    expect([producer.flush(), bandsOf(consumer, 5)]).toEqual([OK, [6, 6, 1, 1, -1]]);
  });

  it('says with each verb that it is empty', () => {
    const consumer = sub(banded());
    expect([consumer.poll(), consumer.drain(() => {}), consumer.look(), consumer.select()]).toEqual([
      EMPTY, 0, EMPTY, null,
    ]);
  });

  it('wakes its consumer with a record of any band', async () => {
    const queue = banded();
    const producer = pub(queue);
    const other = new Other(queue, [
      { do: 'sub' }, { do: 'ready' }, { do: 'drain' }, { do: 'readySync' }, { do: 'drain' },
    ]);
    await other.did(0);
    await new Promise((resolve) => setTimeout(resolve, 30));
    producer.offer(eight(3), 3);
    expect([await other.did(1), await other.did(2)]).toEqual([OK, [3]]);
    await new Promise((resolve) => setTimeout(resolve, 30));
    producer.offer(eight(0), 0);
    expect(await other.ended()).toEqual([undefined, OK, [3], OK, [0]]);
  });

  it('tells its consumer that it was evicted from a band', () => {
    const queue = banded(2);
    const producer = pub(queue);
    const consumer = sub(queue, { whenSlow: 'evict', evictAfterMs: 0 });
    [1, 2, 3].forEach((value) => producer.offer(eight(value), 4));
    producer.offer(eight(9), 1);
    expect([drained(consumer), consumer.drain(() => {}), consumer.poll(), consumer.look(), consumer.lost]).toEqual([
      [9], EVICTED, EVICTED, EVICTED, 1,
    ]);
    close(queue);
    expect(consumer.drain(() => {})).toBe(EVICTED);
    consumer.leave();
    const next = sub(queue);
    expect([drained(next), next.poll()]).toEqual([[2, 3], CLOSED]);
  });
});

describe('a quantum', () => {
  it('gives a lower band that waits one record of every quantum + 1', () => {
    for (const quantum of [1, 2, 5]) {
      const queue = banded();
      const producer = pub(queue);
      const consumer = sub(queue, { quantum });
      fill(producer, [7, 1], 20);
      const bands = bandsOf(consumer, 20);
      expect(bands).toEqual(Array.from({ length: 20 }, (_, i) => (i % (quantum + 1) === quantum ? 1 : 7)));
    }
  });

  it('does the same in drain', () => {
    const queue = banded();
    const producer = pub(queue);
    const consumer = sub(queue, { quantum: 3 });
    fill(producer, [7, 1], 12);
    expect(drained(consumer, 12)).toEqual([7, 7, 7, 1, 7, 7, 7, 1, 7, 7, 7, 1]);
  });

  it('lets several lower bands take turns', () => {
    const queue = banded();
    const producer = pub(queue);
    const consumer = sub(queue, { quantum: 2 });
    fill(producer, [7, 5, 3, 0], 20);
    expect(bandsOf(consumer, 18)).toEqual([7, 7, 5, 7, 7, 3, 7, 7, 0, 7, 7, 5, 7, 7, 3, 7, 7, 0]);
  });

  it('does not take an empty band for the highest', () => {
    const queue = banded();
    const producer = pub(queue);
    const consumer = sub(queue, { quantum: 2 });
    fill(producer, [7], 2);
    fill(producer, [6, 0], 3);
    expect(bandsOf(consumer, 8), 'band 7 is used up when the first low turn comes: band 6 is the highest then').toEqual(
      [7, 7, 0, 6, 6, 0, 6, 0],
    );
  });

  it('of 0, which is the default, lets low bands starve', () => {
    const queue = banded();
    const producer = pub(queue);
    const consumer = sub(queue);
    fill(producer, [7, 1], 30);
    expect(bandsOf(consumer, 30)).toEqual(Array.from({ length: 30 }, () => 7));
  });

  it('is refused if it is not a count, and then no place is taken', () => {
    const queue = banded();
    for (const quantum of [-1, 0.5, 2 ** 30 + 1])
      expect(errorOf(() => sub(queue, { quantum })).message).toBe(
        `quantum must be a whole number from 0 to 1073741824, not ${quantum}`,
      );
    expect(sub(queue).poll()).toBe(EMPTY);
  });
});

describe('places of a banded queue', () => {
  it('are one for each side', () => {
    const queue = banded();
    const [producer, consumer] = [pub(queue), sub(queue)];
    expect(errorOf(() => pub(queue)).message).toBe(
      'the only place for a producer is taken by this thread. Use that producer, or call its leave() first',
    );
    expect(errorOf(() => sub(queue)).code).toBe('ERR_PERCORE_NO_PLACE');
    fill(producer, [3], 2);
    producer.leave();
    consumer.leave();
    expect([pub(queue).offer(eight(9), 3), drained(sub(queue))]).toEqual([OK, [3, 3, 9]]);
  });

  it('are given up once: a producer that has left does not close the queue of the next one', () => {
    const queue = banded();
    const first = pub(queue);
    first.leave();
    const second = pub(queue);
    first.close();
    expect([inspect(queue).isClosed, second.offer(eight(1), 3), drained(sub(queue))]).toEqual([false, OK, [1]]);
    second.close();
    expect(inspect(queue).isClosed).toBe(true);
  });

  it('are all taken, or none', () => {
    const queue = banded();
    const producer = pub(queue);
    producer.band(0).leave();
    expect(errorOf(() => pub(queue)).code, 'bands 1 to 7 are taken').toBe('ERR_PERCORE_NO_PLACE');
    producer.leave();
    expect(pub(queue).offer(eight(1), 0)).toBe(OK);
    const consumer = sub(queue);
    consumer.select()!.leave();
    expect(errorOf(() => sub(queue)).code).toBe('ERR_PERCORE_NO_PLACE');
    consumer.leave();
    expect(drained(sub(queue))).toEqual([1]);
  });

  it('end with the bands', () => {
    const queue = banded();
    const producer = pub(queue);
    for (const band of [-1, 8, 1.5])
      expect(errorOf(() => producer.offer(eight(1), band)).message).toBe(
        `band must be a whole number from 0 to 7, not ${band}`,
      );
  });
});

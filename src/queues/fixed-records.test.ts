import { describe, expect, it } from 'vitest';
import { ASK_FOR_ROOM, ON_ROOM } from './doors.js';
import { DATA_BYTES, bytes, drained, eight, errorOf, field, fixed } from './fixtures/helpers.js';
import { BACK_PRESSURED, CLOSED, EMPTY, OK, TOO_LARGE, create, pub, sub } from './index.js';

describe('a fixed queue', () => {
  it('gives records back in order, as copies', () => {
    const { producer, consumer } = fixed();
    expect([1, 2, 3].map((value) => producer.offer(eight(value)))).toEqual([OK, OK, OK]);
    const first = consumer.poll();
    expect(first).toEqual(eight(1));
    [4, 5].forEach((value) => producer.offer(eight(value)));
    expect(first, 'the copy belongs to the caller').toEqual(eight(1));
    expect([consumer.poll(), consumer.poll()]).toEqual([eight(2), eight(3)]);
  });

  it('fills a shorter record with zeros, also over an older one', () => {
    const { producer, consumer } = fixed({ capacity: 2 });
    [1, 2].forEach((value) => producer.offer(eight(value)));
    consumer.drain(() => {});
    expect(producer.offer(bytes(9, 9, 9))).toBe(OK);
    expect(consumer.poll()).toEqual(bytes(9, 9, 9, 0, 0, 0, 0, 0));
    producer.offer(bytes());
    expect(consumer.poll()).toEqual(eight(0));
  });

  it('answers TOO_LARGE to a longer record and takes nothing', () => {
    const { producer, consumer } = fixed();
    expect(producer.offer(new Uint8Array(9))).toBe(TOO_LARGE);
    expect(consumer.poll()).toBe(EMPTY);
  });

  it('answers BACK_PRESSURED when full, until the consumer releases', () => {
    const { producer, consumer } = fixed({ capacity: 2 });
    expect([1, 2, 3].map((value) => producer.offer(eight(value)))).toEqual([OK, OK, BACK_PRESSURED]);
    expect(producer.tryClaim()).toBe(BACK_PRESSURED);
    consumer.poll();
    expect(producer.tryClaim(2)).toBe(BACK_PRESSURED);
    expect(producer.offer(eight(3))).toBe(OK);
    expect([consumer.poll(), consumer.poll()]).toEqual([eight(2), eight(3)]);
  });

  it('hands out what it saw at its last look, and looks again when that is used up', () => {
    const { producer, consumer } = fixed();
    [1, 2].forEach((value) => producer.offer(eight(value)));
    expect(consumer.available()).toBe(2);
    producer.offer(eight(3));
    expect([consumer.available(), drained(consumer), drained(consumer)]).toEqual([2, [1, 2], [3]]);
  });

  it('says with each verb that it is empty', () => {
    const { consumer } = fixed();
    expect([consumer.poll(), consumer.available(), consumer.drain(() => {})]).toEqual([EMPTY, EMPTY, 0]);
  });

  it('claims 1 to capacity records at a time', () => {
    const { producer } = fixed({ capacity: 4 });
    expect([0, -1, 5].map((count) => producer.tryClaim(count))).toEqual([TOO_LARGE, TOO_LARGE, TOO_LARGE]);
    expect(producer.tryClaim(4)).toBe(0);
  });

  it('shows a claimed record only after commit', () => {
    const { producer, consumer } = fixed();
    const at = producer.tryClaim();
    producer.words[producer.wordOf(at)] = 7;
    expect(consumer.poll()).toBe(EMPTY);
    producer.commit();
    expect(consumer.poll()).toEqual(bytes(7, 0, 0, 0, 0, 0, 0, 0));
  });

  it('commits the first few of the claimed records and gives up the rest', () => {
    const { producer, consumer } = fixed();
    const at = producer.tryClaim(3);
    for (let i = 0; i < 3; i++) producer.bytes[producer.offsetOf(at, i)] = i + 1;
    producer.commit(2);
    producer.offer(eight(9));
    expect(drained(consumer)).toEqual([1, 2, 9]);
  });

  it('refuses to commit more than was claimed', () => {
    const { producer, consumer } = fixed();
    producer.tryClaim(2);
    const message =
      'commit(3) without a claim that large; claimed: 2. Call tryClaim first and check that it is not negative';
    expect(errorOf(() => producer.commit(3))).toEqual({ code: 'ERR_PERCORE_CLAIM', message, argument: 'commit' });
    expect(errorOf(() => producer.commit(-1)).code).toBe('ERR_PERCORE_CLAIM');
    producer.commit(2);
    expect(errorOf(() => producer.commit(1)).message).toBe(
      'commit(1) without a claim that large; claimed: 0. Call tryClaim first and check that it is not negative',
    );
    expect(consumer.available()).toBe(2);
  });

  it('refuses counts that are not whole numbers', () => {
    const { producer, consumer } = fixed();
    for (const count of [NaN, 1.5, '2', [1], 2n, Symbol('2'), null]) {
      expect(errorOf(() => producer.tryClaim(count as number))).toMatchObject({
        code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'count',
      });
    }
    producer.tryClaim(3);
    for (const count of [NaN, 0.5, 2.5, '1', 1n])
      expect(errorOf(() => producer.commit(count as number)).code).toBe('ERR_PERCORE_CLAIM');
    producer.tryClaim(3);
    producer.commit(3);
    expect(consumer.available()).toBe(3);
    for (const count of [NaN, 0.5, 4, -1])
      expect(errorOf(() => consumer.release(count)).message).toBe(
        `count must be 0 to 3, the records that available() found, not ${count}`,
      );
    for (const limit of [NaN, -1, 1.5, '2', 2n, null]) {
      expect(errorOf(() => consumer.available(limit as number))).toMatchObject({
        code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'limit',
      });
      expect(errorOf(() => consumer.drain(() => {}, limit as number))).toMatchObject({
        code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'limit',
      });
    }
    expect([0, 2, Infinity].map((limit) => consumer.available(limit))).toEqual([0, 2, 3]);
    expect([0, 2, Infinity].map((limit) => consumer.drain(() => {}, limit))).toEqual([0, 2, 1]);
  });

  it('forgets an aborted claim', () => {
    const { producer, consumer } = fixed();
    const at = producer.tryClaim(2);
    producer.abort();
    expect(errorOf(() => producer.commit(1)).code).toBe('ERR_PERCORE_CLAIM');
    expect(consumer.poll()).toBe(EMPTY);
    expect(producer.tryClaim(2), 'the same position is claimed again').toBe(at);
  });

  it('continues a claim over the ring\'s end at its beginning', () => {
    const { producer, consumer } = fixed({ capacity: 4, startSequence: 3 });
    const at = producer.tryClaim(2);
    expect([producer.offsetOf(at), producer.offsetOf(at, 1)]).toEqual([DATA_BYTES + 24, DATA_BYTES]);
    expect([producer.wordOf(at), producer.wordOf(at, 1)]).toEqual([(DATA_BYTES + 24) >> 2, DATA_BYTES >> 2]);
    producer.commit();
    expect(consumer.available()).toBe(2);
    expect([consumer.offsetOf(), consumer.offsetOf(1)]).toEqual([DATA_BYTES + 24, DATA_BYTES]);
    expect([consumer.wordOf(), consumer.wordOf(1)]).toEqual([(DATA_BYTES + 24) >> 2, DATA_BYTES >> 2]);
  });

  it('shows lazily published records at the bound, or after flush', () => {
    const { producer, consumer } = fixed({}, { publishEvery: { records: 3 } });
    producer.offer(eight(1));
    producer.offer(eight(2));
    expect([consumer.poll(), producer.unpublished]).toEqual([EMPTY, 2]);
    producer.offer(eight(3));
    expect([drained(consumer), producer.unpublished]).toEqual([[1, 2, 3], 0]);
    producer.offer(eight(4));
    expect(consumer.poll()).toBe(EMPTY);
    producer.flush();
    expect([consumer.poll(), producer.unpublished]).toEqual([eight(4), 0]);
  });

  it('counts records, not commits, towards the bound', () => {
    const { producer, consumer } = fixed({}, { publishEvery: { records: 2 } });
    producer.tryClaim(3);
    producer.commit();
    expect(consumer.available()).toBe(3);
  });

  it('publishes with close, and says CLOSED after the last record', () => {
    const { producer, consumer } = fixed({}, { publishEvery: { records: 100 } });
    producer.offer(eight(1));
    producer.close();
    expect(consumer.poll()).toEqual(eight(1));
    expect([consumer.poll(), consumer.available(), consumer.drain(() => {})]).toEqual([CLOSED, CLOSED, CLOSED]);
  });

  it('answers CLOSED to the producer as soon as nobody reads any more', () => {
    const { producer, consumer } = fixed({ capacity: 2 });
    consumer.close();
    expect([1, 2, 3].map((value) => producer.offer(eight(value)))).toEqual([CLOSED, CLOSED, CLOSED]);
    expect(producer.tryClaim()).toBe(CLOSED);
  });

  it('releases no more than it has seen', () => {
    const { producer, consumer } = fixed();
    expect(errorOf(() => consumer.release()).message).toBe(
      'count must be 0 to 0, the records that available() found, not 1',
    );
    producer.offer(eight(1));
    expect(errorOf(() => consumer.release()).code, 'not looked at yet').toBe('ERR_PERCORE_INVALID_ARGUMENT');
    consumer.available();
    consumer.release();
    expect(consumer.poll()).toBe(EMPTY);
  });

  it('drains up to the limit and hands out view, offset and length', () => {
    const { producer, consumer } = fixed();
    [1, 2, 3].forEach((value) => producer.offer(eight(value)));
    const seen: unknown[] = [];
    expect(consumer.drain((...record) => void seen.push(record), 2)).toBe(2);
    expect(seen).toEqual([[consumer.view, DATA_BYTES, 8, 1], [consumer.view, DATA_BYTES + 8, 8, 1]]);
    expect(consumer.drain(() => {})).toBe(1);
  });

  it('counts the record whose handler throws as read, and no other', () => {
    const { producer, consumer } = fixed();
    [1, 2, 3].forEach((value) => producer.offer(eight(value)));
    const throwAtTwo = (view: DataView, offset: number): void => {
      if (view.getUint8(offset) === 2) throw new Error('no');
    };
    expect(() => consumer.drain(throwAtTwo)).toThrow('no');
    expect(drained(consumer)).toEqual([3]);
  });

  it('gives back the room of a record whose handler threw, at the next drain at the latest', () => {
    const { producer, consumer } = fixed({ capacity: 2 });
    [1, 2].forEach((value) => producer.offer(eight(value)));
    expect(() => consumer.drain((view, offset) => {
      if (view.getUint8(offset) === 2) throw new Error('no');
    })).toThrow('no');
    expect(consumer.drain(() => {})).toBe(0);
    expect(producer.offer(eight(3)), 'the ring is empty').toBe(OK);
  });

  it('keeps available records until they are released', () => {
    const { producer, consumer } = fixed({ capacity: 2 });
    [1, 2].forEach((value) => producer.offer(eight(value)));
    expect([consumer.available(), consumer.available(1), consumer.available()]).toEqual([2, 1, 2]);
    expect(producer.tryClaim()).toBe(BACK_PRESSURED);
    expect([consumer.bytes[consumer.offsetOf()], consumer.bytes[consumer.offsetOf(1)]]).toEqual([1, 2]);
    consumer.release();
    expect(consumer.bytes[consumer.offsetOf()]).toBe(2);
    expect(producer.tryClaim()).toBe(0);
    consumer.release(1);
    expect(consumer.available()).toBe(EMPTY);
  });

  it('tells a producer that has asked for room once there is some', () => {
    const { producer, consumer } = fixed({ capacity: 2 });
    let told = 0;
    consumer[ON_ROOM](() => void told++);
    expect(producer[ASK_FOR_ROOM](2), 'there is room at once').toBe(true);
    [1, 2].forEach((value) => producer.offer(eight(value)));
    expect(producer[ASK_FOR_ROOM](1)).toBe(false);
    expect(told).toBe(0);
    consumer.poll();
    expect(told).toBe(1);
    consumer.poll();
    expect(told, 'told once for one wish').toBe(1);
  });

  it('tells a producer that never asks for less no sooner than there is so much', () => {
    for (const startSequence of [0, 2 ** 31 - 5, 2 ** 32 - 5]) {
      const { producer, consumer } = fixed({ capacity: 8, startSequence });
      let told = 0;
      consumer[ON_ROOM](() => void told++, 4);
      while (producer.offer(eight(1)) === OK);
      expect(producer[ASK_FOR_ROOM](4)).toBe(false);
      for (let read = 1; read <= 4; read++) {
        expect(told, `${read - 1} are free`).toBe(0);
        consumer.poll();
      }
      expect(told).toBe(1);
      expect(producer[ASK_FOR_ROOM](4)).toBe(true);
    }
  });

  it('withdraws the wish when there was room after all, and needs nobody to hear it', () => {
    const { producer, consumer } = fixed({ capacity: 2 });
    producer[ASK_FOR_ROOM](1);
    expect(producer.words[field('attention')]).toBe(0);
    [1, 2].forEach((value) => producer.offer(eight(value)));
    producer[ASK_FOR_ROOM](1);
    expect(producer.words[field('attention')]).toBe(2);
    consumer.poll();
    expect(producer.words[field('attention')]).toBe(0);
  });

  it('keeps the wish of a producer that fills the room at once and asks again', () => {
    const { producer, consumer } = fixed({ capacity: 2 });
    let told = 0;
    consumer[ON_ROOM](() => {
      told++;
      while (producer.offer(eight(told + 2)) === OK);
      producer[ASK_FOR_ROOM](1);
    });
    while (producer.offer(eight(1)) === OK);
    producer[ASK_FOR_ROOM](1);
    consumer.poll();
    expect(producer.words[field('attention')]).toBe(2);
    consumer.poll();
    expect(told).toBe(2);
  });

  it('overwrites a record only after it was read', () => {
    const { producer, consumer } = fixed({ capacity: 2 });
    const overwriteSoon = (): void => {
      while (producer.offer(eight(9)) === OK);
      producer[ASK_FOR_ROOM](1);
    };
    consumer[ON_ROOM](overwriteSoon);
    [1, 2].forEach((value) => producer.offer(eight(value)));
    overwriteSoon();
    expect(consumer.poll()).toEqual(eight(1));
    expect([drained(consumer), drained(consumer)]).toEqual([[2], [9, 9]]);
  });

  it('goes on across both wraps of its sequence', () => {
    for (const startSequence of [2 ** 31 - 3, 2 ** 32 - 3]) {
      const { producer, consumer } = fixed({ capacity: 2, startSequence });
      for (let lap = 0; lap < 4; lap++) {
        expect([1, 2, 3].map((value) => producer.offer(eight(lap * 3 + value)))).toEqual([OK, OK, BACK_PRESSURED]);
        expect([drained(consumer), consumer.poll()]).toEqual([[lap * 3 + 1, lap * 3 + 2], EMPTY]);
      }
    }
  });

  it('lets nobody wait for room when the consumer has closed', () => {
    const { producer, consumer } = fixed({ capacity: 2 });
    [1, 2].forEach((value) => producer.offer(eight(value)));
    consumer.close();
    expect(producer[ASK_FOR_ROOM](1)).toBe(true);
  });

  it('goes on where earlier ends of the same queue stopped', () => {
    const queue = create({ kind: 'spsc', capacity: 4, recordBytes: 1, startSequence: 2 ** 31 - 1 });
    const first = pub(queue);
    [1, 2, 3].forEach((value) => first.offer(bytes(value)));
    const early = sub(queue);
    expect(drained(early, 1)).toEqual([1]);
    early.leave();
    first.leave();
    const second = pub(queue);
    expect([4, 5, 6].map((value) => second.offer(bytes(value)))).toEqual([OK, OK, BACK_PRESSURED]);
    expect(drained(sub(queue))).toEqual([2, 3, 4, 5]);
  });

  it('holds records of any size, aligned or not', () => {
    for (const recordBytes of [1, 3, 7, 24, 1000]) {
      const { producer, consumer } = fixed({ capacity: 2, recordBytes });
      const record = Uint8Array.from({ length: recordBytes }, (_, i) => i + 1);
      for (let lap = 0; lap < 5; lap++) {
        producer.offer(record);
        expect(consumer.poll()).toEqual(record);
      }
    }
  });
});

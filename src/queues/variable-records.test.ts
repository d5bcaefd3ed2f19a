import { describe, expect, it } from 'vitest';
import { ASK_FOR_ROOM, LENGTHEN, ON_ROOM, ROOM_BEHIND } from './doors.js';
import { DATA_BYTES, bytes, drained, eight, errorOf, field, variable } from './fixtures/helpers.js';
import { BACK_PRESSURED, CLOSED, EMPTY, OK, TOO_LARGE } from './index.js';
import { PADDING } from './record.js';

describe('a variable queue', () => {
  it('gives payloads and types back in order', () => {
    const { producer, consumer } = variable();
    expect([producer.offer(bytes(1, 2, 3), 5), producer.offer(bytes(), 0), producer.offer(bytes(4))]).toEqual([
      OK, OK, OK,
    ]);
    expect([consumer.poll(), consumer.type]).toEqual([bytes(1, 2, 3), 5]);
    expect([consumer.poll(), consumer.type]).toEqual([bytes(), 0]);
    expect([consumer.poll(), consumer.type]).toEqual([bytes(4), 1]);
    expect([consumer.poll(), consumer.peek(), consumer.drain(() => {})]).toEqual([EMPTY, EMPTY, 0]);
  });

  it('has room for maxRecordBytes when empty, wherever its cursor stands, and for no byte more', () => {
    for (let startSequence = 0; startSequence < 64; startSequence += 8) {
      const { producer, consumer } = variable({ startSequence });
      expect(producer.maxRecordBytes).toBe(24);
      expect(producer.offer(new Uint8Array(25))).toBe(TOO_LARGE);
      expect(producer.offer(eight(startSequence + 1).subarray(0, 8)), 'a small one first').toBe(OK);
      consumer.poll();
      expect(producer.tryClaim(24)).toBeGreaterThan(0);
    }
  });

  it('answers TOO_LARGE to a negative length', () => {
    expect(variable().producer.tryClaim(-1)).toBe(TOO_LARGE);
  });

  it('answers BACK_PRESSURED when the record and its padding do not fit', () => {
    const { producer, consumer } = variable({ capacityBytes: 32 });
    // 8 + 8 + 8 bytes of empty records; the next needs 16 and would need padding of 8.
    expect([0, 0, 0].map((length) => producer.offer(new Uint8Array(length)))).toEqual([OK, OK, OK]);
    expect(producer.tryClaim(8)).toBe(BACK_PRESSURED);
    consumer.poll();
    expect(producer.tryClaim(8), 'sixteen bytes are free, but not contiguous').toBe(BACK_PRESSURED);
    consumer.poll();
    expect(producer.tryClaim(8)).toBe(DATA_BYTES + 8);
  });

  it('pads to the ring\'s end so that each record is contiguous', () => {
    const { producer, consumer } = variable({ capacityBytes: 32, startSequence: 24 });
    expect(producer.offer(bytes(1, 2, 3, 4, 5, 6, 7, 8), 3)).toBe(OK);
    const padding = (DATA_BYTES + 24) >> 2;
    expect([producer.words[padding], producer.words[padding + 1]]).toEqual([8, PADDING]);
    const record = DATA_BYTES >> 2;
    expect([producer.words[record], producer.words[record + 1]]).toEqual([8, 3]);
    expect(producer.words[field('producerCursor')]).toBe(24 + 8 + 16);
    expect(consumer.peek()).toBe(DATA_BYTES + 8);
    expect(consumer.poll()).toEqual(bytes(1, 2, 3, 4, 5, 6, 7, 8));
  });

  it('does not pad before a record that ends exactly at the ring\'s end', () => {
    const { producer } = variable({ capacityBytes: 32, startSequence: 16 });
    expect(producer.tryClaim(8)).toBe(DATA_BYTES + 16 + 8);
    producer.commit();
    expect(producer.words[field('producerCursor')]).toBe(32);
  });

  it('commits a record shorter than its claim, which then takes no more room than it needs', () => {
    const { producer, consumer } = variable();
    const offset = producer.tryClaim(24, 9);
    producer.bytes.set(bytes(1, 2, 3), offset);
    producer.commit(3);
    expect(producer.words[field('producerCursor')]).toBe(16);
    expect([consumer.poll(), consumer.type]).toEqual([bytes(1, 2, 3), 9]);
  });

  it('refuses to commit more than was claimed, or without a claim', () => {
    const { producer, consumer } = variable();
    expect(errorOf(() => producer.commit()).message).toBe(
      'commit(-1) without a claim that large; claimed: 0. Call tryClaim first and check that it is not negative',
    );
    producer.tryClaim(4);
    const message =
      'commit(5) without a claim that large; claimed: 4. Call tryClaim first and check that it is not negative';
    expect(errorOf(() => producer.commit(5))).toEqual({ code: 'ERR_PERCORE_CLAIM', message, argument: 'commit' });
    producer.abort();
    expect(errorOf(() => producer.commit(0)).code).toBe('ERR_PERCORE_CLAIM');
    expect(consumer.poll()).toBe(EMPTY);
  });

  it('refuses types and lengths that it cannot represent', () => {
    const { producer, consumer } = variable();
    for (const type of [-1, 2 ** 31, 1.5, NaN]) {
      expect(errorOf(() => producer.tryClaim(4, type))).toEqual({
        code: 'ERR_PERCORE_INVALID_ARGUMENT', message: `type must be a whole number from 0 to 2147483647, not ${type}`,
        argument: 'type',
      });
      expect(errorOf(() => producer.offer(bytes(1), type)).argument).toBe('type');
    }
    producer.tryClaim(8);
    for (const length of [NaN, 0.5, -1]) expect(errorOf(() => producer.commit(length)).code).toBe('ERR_PERCORE_CLAIM');
    for (const length of [NaN, 16.5, '16', [16], 16n, Symbol('16'), null]) {
      expect(errorOf(() => producer.tryClaim(length as number))).toMatchObject({
        code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'length',
      });
    }
    expect([producer.tryClaim(25), producer.tryClaim(2 ** 40)]).toEqual([TOO_LARGE, TOO_LARGE]);
    expect(producer.offer(bytes(1), 2 ** 31 - 1)).toBe(OK);
    expect([consumer.poll(), consumer.type]).toEqual([bytes(1), 2 ** 31 - 1]);
  });

  it('refuses to pass a record twice, or one that was not peeked at', () => {
    const { producer, consumer } = variable({ capacityBytes: 128 });
    [bytes(1), bytes(2, 2, 2, 2, 2, 2, 2, 2, 2), bytes(3)].forEach((record) => producer.offer(record));
    const refused = (verb: 'advance' | 'begin') => ({
      code: 'ERR_PERCORE_CLAIM', argument: verb,
      message: `${verb}() without a record that peek() has found. Call peek first and check that it is not negative`,
    });
    expect(errorOf(() => consumer.advance())).toEqual(refused('advance'));
    expect(errorOf(() => consumer.begin())).toEqual(refused('begin'));
    consumer.peek();
    consumer.begin();
    consumer.advance();
    expect(errorOf(() => consumer.advance()), 'more records are there, of another length').toEqual(refused('advance'));
    expect(errorOf(() => consumer.begin())).toEqual(refused('begin'));
    consumer.publishRelease();
    expect(drained(consumer)).toEqual([2, 3]);
  });

  it('leaves nothing behind of an aborted claim, padding included', () => {
    const { producer, consumer } = variable({ capacityBytes: 32, startSequence: 24 });
    producer.tryClaim(8);
    producer.abort();
    producer.offer(bytes());
    expect(producer.words[field('producerCursor')], 'an empty record fits before the end').toBe(32);
    expect(consumer.poll()).toEqual(bytes());
  });

  it('shows lazily published records at the bound, or after flush', () => {
    const { producer, consumer } = variable({}, { publishEvery: { records: 2 } });
    producer.offer(bytes(1));
    expect(consumer.poll()).toBe(EMPTY);
    producer.offer(bytes(2));
    expect(drained(consumer)).toEqual([1, 2]);
    producer.offer(bytes(3));
    expect(consumer.poll()).toBe(EMPTY);
    producer.flush();
    expect(consumer.poll()).toEqual(bytes(3));
  });

  it('publishes with close, and says CLOSED after the last record', () => {
    const { producer, consumer } = variable({}, { publishEvery: { records: 100 } });
    producer.offer(bytes(1));
    producer.close();
    expect(drained(consumer)).toEqual([1]);
    expect([consumer.poll(), consumer.peek(), consumer.drain(() => {})]).toEqual([CLOSED, CLOSED, CLOSED]);
  });

  it('answers CLOSED to the producer as soon as nobody reads any more', () => {
    const { producer, consumer } = variable({ capacityBytes: 32 });
    consumer.close();
    expect([1, 2, 3].map((value) => producer.offer(eight(value)))).toEqual([CLOSED, CLOSED, CLOSED]);
  });

  it('drains up to the limit and hands out view, offset, length and type', () => {
    const { producer, consumer } = variable();
    producer.offer(bytes(1, 1), 4);
    producer.offer(bytes(2), 5);
    const seen: unknown[] = [];
    expect(consumer.drain((...record) => void seen.push(record), 1)).toBe(1);
    expect(seen).toEqual([[consumer.view, DATA_BYTES + 8, 2, 4]]);
    expect(drained(consumer)).toEqual([2]);
  });

  it('counts the record whose handler throws as read, and gives its room back at the next drain', () => {
    const { producer, consumer } = variable({ capacityBytes: 32 });
    [1, 2].forEach((value) => producer.offer(eight(value)));
    const throwAtTwo = (view: DataView, offset: number): void => {
      if (view.getUint8(offset) === 2) throw new Error('no');
    };
    expect(() => consumer.drain(throwAtTwo)).toThrow('no');
    expect(consumer.drain(() => {})).toBe(0);
    expect([3, 4].map((value) => producer.offer(eight(value)))).toEqual([OK, OK]);
    expect(drained(consumer)).toEqual([3, 4]);
  });

  it('shows a peeked record again until advance, and keeps its room until publishRelease', () => {
    const { producer, consumer } = variable({ capacityBytes: 32 });
    producer.offer(eight(1), 7);
    producer.offer(eight(2), 8);
    const offset = consumer.peek();
    expect([offset, consumer.length, consumer.type, consumer.peek()]).toEqual([DATA_BYTES + 8, 8, 7, offset]);
    consumer.advance();
    expect([consumer.peek(), consumer.type]).toEqual([DATA_BYTES + 24, 8]);
    expect(producer.tryClaim(8)).toBe(BACK_PRESSURED);
    consumer.publishRelease();
    expect(producer.tryClaim(8)).toBe(DATA_BYTES + 8);
  });

  it('overwrites a record only after it was read', () => {
    const { producer, consumer } = variable({ capacityBytes: 32 });
    const overwriteSoon = (): void => {
      while (producer.offer(eight(9)) === OK);
      producer[ASK_FOR_ROOM](8);
    };
    consumer[ON_ROOM](overwriteSoon);
    [1, 2].forEach((value) => producer.offer(eight(value)));
    overwriteSoon();
    expect(consumer.poll()).toEqual(eight(1));
    expect(drained(consumer, 1)).toEqual([2]);
  });

  it('lengthens its last record until that is published, and no further than the ring and the room go', () => {
    const { producer, consumer } = variable({}, { publishEvery: { records: 100 } });
    const behind = (value: number): number => {
      const at = producer[ROOM_BEHIND](8);
      if (at >= 0) producer.bytes.set(eight(value), at);
      return at;
    };
    expect(producer[ROOM_BEHIND](8), 'there is no record').toBe(-1);
    expect(producer.offer(eight(1), 5)).toBe(OK);
    const record = DATA_BYTES + 8;
    expect(behind(2)).toBe(record + 8);
    producer[LENGTHEN](record, 16, 6, 8);
    expect(producer.tryClaim(8), 'a claim lies behind it').toBe(record + 24);
    expect(behind(3)).toBe(record + 16);
    producer[LENGTHEN](record, 24, 7, 8);
    expect(errorOf(() => producer.commit(8)).code, 'and is void once it grows').toBe('ERR_PERCORE_CLAIM');
    expect(consumer.peek(), 'nothing is published').toBe(EMPTY);
    expect(producer.committedSequence).toBe(32);
    producer.flush();
    expect(producer[ROOM_BEHIND](8), 'it is published').toBe(-1);
    expect([consumer.poll(), consumer.type]).toEqual([bytes(...[1, 2, 3].flatMap((value) => [...eight(value)])), 7]);

    // From byte 32 to 56: 8 more reach the ring's end, and no further.
    expect(producer.offer(new Uint8Array(16))).toBe(OK);
    expect([producer[ROOM_BEHIND](16), behind(4)]).toEqual([-1, DATA_BYTES + 56]);
    producer[LENGTHEN](DATA_BYTES + 40, 24, 1, 8);
    expect(producer[ROOM_BEHIND](8), 'the ring ends here').toBe(-1);
    expect(producer.offer(new Uint8Array(16))).toBe(OK);
    expect(behind(5)).toBe(DATA_BYTES + 24);
    producer[LENGTHEN](DATA_BYTES + 8, 24, 1, 8);
    expect(producer[ROOM_BEHIND](8), 'what comes next was not read').toBe(-1);
    producer.flush();
    expect([consumer.poll(), consumer.poll()].map((each) => (each as Uint8Array).length)).toEqual([24, 24]);
    expect(consumer.poll()).toBe(EMPTY);
  });

  it('goes on across both wraps of its sequence', () => {
    for (const startSequence of [2 ** 31 - 24, 2 ** 32 - 24]) {
      const { producer, consumer } = variable({ capacityBytes: 32, startSequence });
      for (let lap = 0; lap < 5; lap++) {
        expect([producer.offer(bytes(lap, 1)), producer.offer(bytes()), producer.offer(eight(lap))]).toEqual([
          OK, OK, BACK_PRESSURED,
        ]);
        expect([consumer.poll(), consumer.poll(), consumer.poll()]).toEqual([bytes(lap, 1), bytes(), EMPTY]);
      }
    }
  });

  it('counts padding when a producer asks for room', () => {
    const { producer, consumer } = variable({ capacityBytes: 32 });
    [0, 0, 0].forEach((length) => producer.offer(new Uint8Array(length)));
    expect(producer[ASK_FOR_ROOM](0)).toBe(true);
    consumer.poll();
    expect(producer[ASK_FOR_ROOM](8), 'sixteen bytes are free, but not contiguous').toBe(false);
    consumer.poll();
    expect(producer[ASK_FOR_ROOM](8)).toBe(true);
  });
});

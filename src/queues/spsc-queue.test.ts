import { describe, expect, it } from 'vitest';
import { PercoreError } from '../errors.js';
import { LAYOUT_VERSION, QUEUE_MAGIC, queueLayout } from '../layout.js';
import { BACK_PRESSURED, CLOSED, EMPTY, OK, SLACK_BYTES, TOO_LARGE, bytesFor, create, nameOfCode, pub, sub } from './index.js';
import type { FixedConsumer, FixedOptions, FixedProducer, PubOptions, Queue, VariableConsumer, VariableOptions, VariableProducer } from './index.js';
import { PADDING } from './record.js';

const DATA_BYTES = queueLayout.bytes;
const field = (name: keyof typeof queueLayout.fields): number => queueLayout.fields[name].at >> 2;

function fixed(options: Partial<FixedOptions> = {}, pubOptions?: PubOptions): { producer: FixedProducer; consumer: FixedConsumer } {
  const queue = create({ kind: 'spsc', capacity: 4, recordBytes: 8, ...options });
  return { producer: pub(queue, pubOptions), consumer: sub(queue) };
}

function variable(options: Partial<VariableOptions> = {}, pubOptions?: PubOptions): { producer: VariableProducer; consumer: VariableConsumer } {
  const queue = create({ kind: 'spsc', capacityBytes: 64, ...options });
  return { producer: pub(queue, pubOptions), consumer: sub(queue) };
}

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const eight = (value: number): Uint8Array => new Uint8Array(8).fill(value);
/** The first byte of each record that one drain hands out. */
function drained(consumer: FixedConsumer | VariableConsumer, limit?: number): number[] {
  const seen: number[] = [];
  consumer.drain((view, offset) => void seen.push(view.getUint8(offset)), limit);
  return seen;
}
/** The error that `run` throws, as far as a caller can read it. */
function errorOf(run: () => unknown): { code: string; message: string; argument?: string } {
  try {
    run();
  } catch (error) {
    if (!(error instanceof PercoreError)) throw error;
    return { code: error.code, message: error.message, argument: error.argument };
  }
  throw new Error('nothing was thrown');
}

describe('a fixed queue', () => {
  it('gives records back in order, as copies', () => {
    const { producer, consumer } = fixed();
    expect([1, 2, 3].map((value) => producer.offer(eight(value)))).toEqual([OK, OK, OK]);
    const first = consumer.poll();
    expect(first).toEqual(eight(1));
    [4, 5].forEach((value) => producer.offer(eight(value)));
    expect(first, 'the copy is the caller\'s own').toEqual(eight(1));
    expect([consumer.poll(), consumer.poll()]).toEqual([eight(2), eight(3)]);
  });

  it('fills a shorter record with zeros, also where an older one lay', () => {
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

  it('hands out what its last look has seen, and looks again when that is used up', () => {
    const { producer, consumer } = fixed();
    [1, 2].forEach((value) => producer.offer(eight(value)));
    expect(consumer.peek()).toBe(2);
    producer.offer(eight(3));
    expect([consumer.peek(), drained(consumer), drained(consumer)]).toEqual([2, [1, 2], [3]]);
  });

  it('says that it is empty in the words of each verb', () => {
    const { consumer } = fixed();
    expect([consumer.poll(), consumer.peek(), consumer.drain(() => {})]).toEqual([EMPTY, EMPTY, 0]);
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

  it('commits the first of the claimed records and gives up the rest', () => {
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
    const message = 'commit(3) without a claim that large; claimed: 2. Call tryClaim first and check that it is not negative';
    expect(errorOf(() => producer.commit(3))).toEqual({ code: 'ERR_PERCORE_CLAIM', message, argument: 'commit' });
    expect(errorOf(() => producer.commit(-1)).code).toBe('ERR_PERCORE_CLAIM');
    producer.commit(2);
    expect(errorOf(() => producer.commit(1)).message).toBe('commit(1) without a claim that large; claimed: 0. Call tryClaim first and check that it is not negative');
    expect(consumer.peek()).toBe(2);
  });

  it('forgets an aborted claim', () => {
    const { producer, consumer } = fixed();
    const at = producer.tryClaim(2);
    producer.abort();
    expect(errorOf(() => producer.commit(1)).code).toBe('ERR_PERCORE_CLAIM');
    expect(consumer.poll()).toBe(EMPTY);
    expect(producer.tryClaim(2), 'the same place is claimed again').toBe(at);
  });

  it('continues a claim over the ring\'s end at its beginning', () => {
    const { producer, consumer } = fixed({ capacity: 4, startSequence: 3 });
    const at = producer.tryClaim(2);
    expect([producer.offsetOf(at), producer.offsetOf(at, 1)]).toEqual([DATA_BYTES + 24, DATA_BYTES]);
    expect([producer.wordOf(at), producer.wordOf(at, 1)]).toEqual([(DATA_BYTES + 24) >> 2, DATA_BYTES >> 2]);
    producer.commit();
    expect(consumer.peek()).toBe(2);
    expect([consumer.offsetOf(), consumer.offsetOf(1)]).toEqual([DATA_BYTES + 24, DATA_BYTES]);
    expect([consumer.wordOf(), consumer.wordOf(1)]).toEqual([(DATA_BYTES + 24) >> 2, DATA_BYTES >> 2]);
  });

  it('shows lazily published records at the bound, or after flush', () => {
    const { producer, consumer } = fixed({}, { publishEvery: 3 });
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
    const { producer, consumer } = fixed({}, { publishEvery: 2 });
    producer.tryClaim(3);
    producer.commit();
    expect(consumer.peek()).toBe(3);
  });

  it('publishes with close, and says CLOSED after the last record', () => {
    const { producer, consumer } = fixed({}, { publishEvery: 100 });
    producer.offer(eight(1));
    producer.close();
    expect(consumer.poll()).toEqual(eight(1));
    expect([consumer.poll(), consumer.peek(), consumer.drain(() => {})]).toEqual([CLOSED, CLOSED, CLOSED]);
  });

  it('answers CLOSED to the producer as soon as nobody reads any more', () => {
    const { producer, consumer } = fixed({ capacity: 2 });
    consumer.close();
    expect([1, 2, 3].map((value) => producer.offer(eight(value)))).toEqual([CLOSED, CLOSED, CLOSED]);
    expect(producer.tryClaim()).toBe(CLOSED);
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

  it('releases the space of a record whose handler threw, at the latest with the next drain', () => {
    const { producer, consumer } = fixed({ capacity: 2 });
    [1, 2].forEach((value) => producer.offer(eight(value)));
    expect(() => consumer.drain((view, offset) => {
      if (view.getUint8(offset) === 2) throw new Error('no');
    })).toThrow('no');
    expect(consumer.drain(() => {})).toBe(0);
    expect(producer.offer(eight(3)), 'the ring is empty').toBe(OK);
  });

  it('lets peeked records stay until they are released', () => {
    const { producer, consumer } = fixed({ capacity: 2 });
    [1, 2].forEach((value) => producer.offer(eight(value)));
    expect([consumer.peek(), consumer.peek(1), consumer.peek()]).toEqual([2, 1, 2]);
    expect(producer.tryClaim()).toBe(BACK_PRESSURED);
    expect([consumer.bytes[consumer.offsetOf()], consumer.bytes[consumer.offsetOf(1)]]).toEqual([1, 2]);
    consumer.release();
    expect(consumer.bytes[consumer.offsetOf()]).toBe(2);
    expect(producer.tryClaim()).toBe(0);
    consumer.release(1);
    expect(consumer.peek()).toBe(EMPTY);
  });

  it('tells a producer that asked for space once, when there is some', () => {
    const { producer, consumer } = fixed({ capacity: 2 });
    let told = 0;
    consumer.onSpace = () => void told++;
    expect(producer.askForSpace(2), 'there is room at once').toBe(true);
    [1, 2].forEach((value) => producer.offer(eight(value)));
    expect(producer.askForSpace(1)).toBe(false);
    expect(told).toBe(0);
    consumer.poll();
    expect(told).toBe(1);
    consumer.poll();
    expect(told, 'one wish, one word').toBe(1);
  });

  it('withdraws the wish when there was room after all, and needs nobody to hear it', () => {
    const { producer, consumer } = fixed({ capacity: 2 });
    producer.askForSpace(1);
    expect(producer.words[field('attention')]).toBe(0);
    [1, 2].forEach((value) => producer.offer(eight(value)));
    producer.askForSpace(1);
    expect(producer.words[field('attention')]).toBe(2);
    consumer.poll();
    expect(producer.words[field('attention')]).toBe(0);
  });

  it('keeps the wish of a producer that fills the room at once and asks again', () => {
    const { producer, consumer } = fixed({ capacity: 2 });
    let told = 0;
    consumer.onSpace = () => {
      told++;
      while (producer.offer(eight(told + 2)) === OK);
      producer.askForSpace(1);
    };
    while (producer.offer(eight(1)) === OK);
    producer.askForSpace(1);
    consumer.poll();
    expect(producer.words[field('attention')]).toBe(2);
    consumer.poll();
    expect(told).toBe(2);
  });

  it('gives a record\'s place away only when it has been read', () => {
    const { producer, consumer } = fixed({ capacity: 2 });
    const overwriteSoon = (): void => {
      while (producer.offer(eight(9)) === OK);
      producer.askForSpace(1);
    };
    consumer.onSpace = overwriteSoon;
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

  it('lets nobody wait for space when the consumer has closed', () => {
    const { producer, consumer } = fixed({ capacity: 2 });
    [1, 2].forEach((value) => producer.offer(eight(value)));
    consumer.close();
    expect(producer.askForSpace(1)).toBe(true);
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

describe('a variable queue', () => {
  it('gives payloads and types back in order', () => {
    const { producer, consumer } = variable();
    expect([producer.offer(bytes(1, 2, 3), 5), producer.offer(bytes(), 0), producer.offer(bytes(4))]).toEqual([OK, OK, OK]);
    expect([consumer.poll(), consumer.type]).toEqual([bytes(1, 2, 3), 5]);
    expect([consumer.poll(), consumer.type]).toEqual([bytes(), 0]);
    expect([consumer.poll(), consumer.type]).toEqual([bytes(4), 1]);
    expect([consumer.poll(), consumer.peek(), consumer.drain(() => {})]).toEqual([EMPTY, EMPTY, 0]);
  });

  it('fits maxRecordBytes into an empty ring wherever its cursor stands, and not a byte more', () => {
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
    // 8 + 8 + 8 bytes of empty records; the next needs 16 and would pad 8.
    expect([0, 0, 0].map((length) => producer.offer(new Uint8Array(length)))).toEqual([OK, OK, OK]);
    expect(producer.tryClaim(8)).toBe(BACK_PRESSURED);
    consumer.poll();
    expect(producer.tryClaim(8), 'sixteen bytes are free, but not in one piece').toBe(BACK_PRESSURED);
    consumer.poll();
    expect(producer.tryClaim(8)).toBe(DATA_BYTES + 8);
  });

  it('pads to the ring\'s end so that each record is in one piece', () => {
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

  it('commits a record shorter than its claim, and takes no more room than that', () => {
    const { producer, consumer } = variable();
    const offset = producer.tryClaim(24, 9);
    producer.bytes.set(bytes(1, 2, 3), offset);
    producer.commit(3);
    expect(producer.words[field('producerCursor')]).toBe(16);
    expect([consumer.poll(), consumer.type]).toEqual([bytes(1, 2, 3), 9]);
  });

  it('refuses to commit more than was claimed, or without a claim', () => {
    const { producer, consumer } = variable();
    expect(errorOf(() => producer.commit()).message).toBe('commit(-1) without a claim that large; claimed: 0. Call tryClaim first and check that it is not negative');
    producer.tryClaim(4);
    const message = 'commit(5) without a claim that large; claimed: 4. Call tryClaim first and check that it is not negative';
    expect(errorOf(() => producer.commit(5))).toEqual({ code: 'ERR_PERCORE_CLAIM', message, argument: 'commit' });
    producer.abort();
    expect(errorOf(() => producer.commit(0)).code).toBe('ERR_PERCORE_CLAIM');
    expect(consumer.poll()).toBe(EMPTY);
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
    const { producer, consumer } = variable({}, { publishEvery: 2 });
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
    const { producer, consumer } = variable({}, { publishEvery: 100 });
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

  it('counts the record whose handler throws as read, and releases its space with the next drain', () => {
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

  it('shows a peeked record again until advance, and keeps its space until publishRelease', () => {
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

  it('gives a record\'s place away only when it has been read', () => {
    const { producer, consumer } = variable({ capacityBytes: 32 });
    const overwriteSoon = (): void => {
      while (producer.offer(eight(9)) === OK);
      producer.askForRecord(8);
    };
    consumer.onSpace = overwriteSoon;
    [1, 2].forEach((value) => producer.offer(eight(value)));
    overwriteSoon();
    expect(consumer.poll()).toEqual(eight(1));
    expect(drained(consumer, 1)).toEqual([2]);
  });

  it('goes on across both wraps of its sequence', () => {
    for (const startSequence of [2 ** 31 - 24, 2 ** 32 - 24]) {
      const { producer, consumer } = variable({ capacityBytes: 32, startSequence });
      for (let lap = 0; lap < 5; lap++) {
        expect([producer.offer(bytes(lap, 1)), producer.offer(bytes()), producer.offer(eight(lap))]).toEqual([OK, OK, BACK_PRESSURED]);
        expect([consumer.poll(), consumer.poll(), consumer.poll()]).toEqual([bytes(lap, 1), bytes(), EMPTY]);
      }
    }
  });

  it('counts padding when a producer asks for space', () => {
    const { producer, consumer } = variable({ capacityBytes: 32 });
    [0, 0, 0].forEach((length) => producer.offer(new Uint8Array(length)));
    expect(producer.askForRecord(0)).toBe(true);
    consumer.poll();
    expect(producer.askForRecord(8), 'sixteen bytes are free, but not in one piece').toBe(false);
    consumer.poll();
    expect(producer.askForRecord(8)).toBe(true);
  });
});

describe('a queue\'s handle', () => {
  it('works after structured clone, on the same memory', () => {
    const queue = create({ kind: 'spsc', capacity: 4, recordBytes: 8 });
    const clone = structuredClone(queue);
    pub(queue).offer(eight(1));
    expect(sub(clone).poll()).toEqual(eight(1));
    const records = create({ kind: 'spsc', capacityBytes: 64 });
    pub(structuredClone(records)).offer(bytes(1, 2));
    expect(sub(records).poll()).toEqual(bytes(1, 2));
  });

  it('lets queues share one buffer without touching each other', () => {
    const second = Math.ceil(bytesFor(2, 8) / 8) * 8;
    const buffer = new SharedArrayBuffer(second + bytesFor(32, 0));
    const one = create({ kind: 'spsc', capacity: 2, recordBytes: 8, buffer });
    const two = create({ kind: 'spsc', capacityBytes: 32, buffer, byteOffset: second });
    expect([two.buffer, two.byteOffset]).toEqual([buffer, second]);
    const [producer, other] = [pub(one), pub(two)];
    const [consumer, another] = [sub(one), sub(two)];
    for (let lap = 1; lap < 6; lap++) {
      expect([producer.offer(eight(lap)), producer.offer(eight(lap)), other.offer(eight(100 + lap))]).toEqual([OK, OK, OK]);
      expect(drained(another)).toEqual([100 + lap]);
      expect(drained(consumer)).toEqual([lap, lap]);
    }
  });

  it('takes exactly bytesFor bytes, slack included', () => {
    const bytesOfTwo = bytesFor(2, 3);
    expect(bytesOfTwo).toBe(DATA_BYTES + 6 + SLACK_BYTES);
    expect(create({ kind: 'spsc', capacity: 2, recordBytes: 3 }).buffer.byteLength).toBe(bytesOfTwo);
    expect(create({ kind: 'spsc', capacityBytes: 32 }).buffer.byteLength).toBe(DATA_BYTES + 32 + SLACK_BYTES);
  });

  it('is refused when another version laid the memory out', () => {
    const queue = create({ kind: 'spsc', capacity: 4, recordBytes: 8 });
    new Int32Array(queue.buffer)[field('version')] = LAYOUT_VERSION + 1;
    const message = `queue memory has magic ${QUEUE_MAGIC} and layout version ${LAYOUT_VERSION + 1}; this build writes ${QUEUE_MAGIC} and ${LAYOUT_VERSION}. Use one version of percore in all threads`;
    expect(errorOf(() => pub(queue))).toEqual({ code: 'ERR_PERCORE_LAYOUT_MISMATCH', message, argument: 'queue' });
    expect(errorOf(() => sub(queue)).message).toBe(message);
  });

  it('is refused when its memory is not a queue', () => {
    const queue: Queue<'spsc'> = { kind: 'spsc', backend: 'fixed', maxProducers: 1, maxConsumers: 1, buffer: new SharedArrayBuffer(bytesFor(4, 8)), byteOffset: 0, capacity: 4, recordBytes: 8 };
    expect(errorOf(() => sub({ ...queue, fixed: true })).code).toBe('ERR_PERCORE_LAYOUT_MISMATCH');
    const short = { ...queue, fixed: true, capacity: 8 } as const;
    expect(errorOf(() => sub(short)).message).toBe(`queue.buffer has ${bytesFor(4, 8)} bytes, the queue needs ${bytesFor(8, 8)}`);
    expect(errorOf(() => pub({} as never)).message).toBe('queue must be what create() returned, or its structured clone, not [object Object]');
    expect(errorOf(() => pub(undefined as never)).message).toBe('queue must be what create() returned, or its structured clone, not undefined');
  });
});

describe('bad options', () => {
  const fixedOptions = { kind: 'spsc', capacity: 4, recordBytes: 8 };
  const variableOptions = { kind: 'spsc', capacityBytes: 64 };
  const wrong: [message: string, options: unknown][] = [
    ["kind must be 'spsc', 'mpsc', 'spmc', 'banded', not undefined", undefined],
    ['kind must be \'spsc\', \'mpsc\', \'spmc\', \'banded\', not "ring"', { ...fixedOptions, kind: 'ring' }],
    ['capacity must be a power of two from 2 to 1073741824, not 1', { ...fixedOptions, capacity: 1 }],
    ['capacity must be a power of two from 2 to 1073741824, not 3', { ...fixedOptions, capacity: 3 }],
    ['capacity must be a power of two from 2 to 1073741824, not 2147483648', { ...fixedOptions, capacity: 2 ** 31 }],
    ['capacity must be a power of two from 2 to 1073741824, not "4"', { ...fixedOptions, capacity: '4' }],
    ['recordBytes must be a whole number from 1 to 1048576, not 0', { ...fixedOptions, recordBytes: 0 }],
    ['recordBytes must be a whole number from 1 to 1048576, not 1048577', { ...fixedOptions, recordBytes: 2 ** 20 + 1 }],
    ['recordBytes must be a whole number from 1 to 1048576, not 1.5', { ...fixedOptions, recordBytes: 1.5 }],
    ['capacityBytes must be a power of two from 32 to 1073741824, not 16', { ...variableOptions, capacityBytes: 16 }],
    ['capacityBytes must be a power of two from 32 to 1073741824, not 100', { ...variableOptions, capacityBytes: 100 }],
    ['capacityBytes must be a power of two from 32 to 1073741824, not undefined', { kind: 'spsc' }],
    ['startSequence must be a whole number from -2147483648 to 4294967295, not 4294967296', { ...fixedOptions, startSequence: 2 ** 32 }],
    ['startSequence must be a whole number from -2147483648 to 4294967295, not 0.5', { ...fixedOptions, startSequence: 0.5 }],
    ['startSequence must be a multiple of 8 for a queue of variable records, not 4', { ...variableOptions, startSequence: 4 }],
    ['byteOffset must be a multiple of 8, not 4', { ...fixedOptions, buffer: new SharedArrayBuffer(1024), byteOffset: 4 }],
    ['byteOffset must be a whole number from 0 to 8, not 16', { ...fixedOptions, buffer: new SharedArrayBuffer(bytesFor(4, 8) + 8), byteOffset: 16 }],
    ['byteOffset must be a whole number from 0 to 0, not -8', { ...fixedOptions, byteOffset: -8 }],
  ];

  it.each(wrong)('are refused with: %s', (message, options) => {
    expect(errorOf(() => create(options as FixedOptions))).toMatchObject({ code: 'ERR_PERCORE_INVALID_ARGUMENT', message });
  });

  it('of pub are refused likewise', () => {
    const queue = create({ kind: 'spsc', capacity: 4, recordBytes: 8 });
    for (const publishEvery of [0, 1.5, 2 ** 30 + 1]) {
      const message = `publishEvery must be a whole number from 1 to 1073741824, not ${publishEvery}`;
      expect(errorOf(() => pub(queue, { publishEvery }))).toEqual({ code: 'ERR_PERCORE_INVALID_ARGUMENT', message, argument: 'publishEvery' });
    }
  });
});

describe('result codes', () => {
  it('have names for messages', () => {
    expect([OK, 5, BACK_PRESSURED, CLOSED, TOO_LARGE, EMPTY, -9].map(nameOfCode)).toEqual(['OK', 'OK', 'BACK_PRESSURED', 'CLOSED', 'TOO_LARGE', 'EMPTY', 'code -9']);
  });
});

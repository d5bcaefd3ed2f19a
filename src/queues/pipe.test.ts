/** What a pipe carries within one thread, how it is made, and what it refuses. */
import { describe, expect, it } from 'vitest';
import { pipeLayout } from '../layout.js';
import { descriptors, errorOf, within } from '../reactor/fixtures/inside.js';
import { closePipe, createPipe, propertiesOfPipe, pubPipe, subPipe } from './pipe.js';
import { BACK_PRESSURED, CLOSED, DROPPED, EMPTY, OK, TOO_LARGE } from '../result-codes.js';
import { bytes, both, fill } from './fixtures/pipe-ends.js';

describe('a pipe', () => {
  it('carries bytes, of any content and length', () => {
    const { producer, consumer, properties } = both();
    const records = [bytes(), bytes(10), bytes(0, 255, 10, 13), new Uint8Array(5000).fill(10)];
    for (const record of records) expect(producer.offer(record)).toBe(OK);
    for (const record of records) {
      expect(consumer.poll()).toEqual(record);
      expect(consumer.state).toBe(OK);
    }
    expect(consumer.poll()).toBe(undefined);
    expect(consumer.state).toBe(EMPTY);
    expect(properties()).toMatchObject({
      kind: 'spsc', backend: 'pipe', published: 4, consumed: 4, depth: 0, isClosed: false,
    });
    producer.close();
    consumer.close();
  });

  it('carries text, as records of either framing', () => {
    for (const framing of ['line', 'length'] as const) {
      const queue = createPipe({ framing, values: 'text' });
      const [producer, consumer] = [pubPipe(queue), subPipe(queue)];
      const texts = ['', 'plain', 'ü€😀', '\r', '\0', 'x'.repeat(6000)];
      for (const text of texts) expect(producer.offer(text)).toBe(OK);
      producer.close();
      const read: string[] = [];
      expect(consumer.drain((text) => void read.push(text))).toBe(texts.length);
      expect(read).toEqual(texts);
      consumer.close();
    }
  });

  it('answers BACK_PRESSURED when it is full, counts that, and takes more when it was read', () => {
    const { producer, consumer, properties } = both({ capacityBytes: 4096 });
    expect(properties().capacity).toBe(4096);
    const count = fill(producer, 60);
    expect(count).toBe(64);
    expect(producer.offer(new Uint8Array(60))).toBe(BACK_PRESSURED);
    expect(properties()).toMatchObject({
      depth: 4096, highWater: 4096, published: 64, refused: 2, dropped: { newest: 0, closed: 0 },
      consumers: [{ place: 0, lag: 4096, consumed: 0 }],
    });
    expect(consumer.drain(() => undefined)).toBe(64);
    expect(producer.offer(new Uint8Array(60))).toBe(OK);
    expect(properties()).toMatchObject({ depth: 64, highWater: 4096, consumed: 64 });
    producer.close();
    consumer.close();
  });

  it('with drop-newest answers DROPPED and counts that', () => {
    const { producer, consumer, properties } = both({ capacityBytes: 4096, whenSlow: 'drop-newest' });
    expect(fill(producer, 1020)).toBe(4);
    expect(producer.offer(new Uint8Array(1020))).toBe(DROPPED);
    expect(properties()).toMatchObject({
      published: 4, refused: 0, dropped: { newest: 2, oldest: 0, evicted: 0, closed: 0, tooLarge: 0 },
    });
    producer.close();
    consumer.close();
  });

  it('takes a record longer than itself, which then goes out without a further call, before anything else, and '
    + 'is not torn', async () => {
    const { producer, consumer, properties } = both({ capacityBytes: 4096 });
    const long = new Uint8Array(100_000).map((_, i) => i * 31);
    expect(producer.offer(long)).toBe(OK);
    expect(producer.offer(bytes(1)), 'its rest goes first').toBe(BACK_PRESSURED);
    expect(consumer.poll(), 'a part is not handed out').toBe(undefined);
    // Nothing but reading is done here: the producer's thread sends the rest.
    expect(await within(5000, consumer.ready(), 'the whole record')).toBe(OK);
    expect(Buffer.compare(consumer.poll()!, long)).toBe(0);
    expect(producer.offer(bytes(2))).toBe(OK);
    expect(consumer.poll()).toEqual(bytes(2));
    expect(properties()).toMatchObject({ published: 2, consumed: 2, refused: 1 });
    producer.close();
    consumer.close();
  });

  it('sends the rest of a long record although its thread makes no other call', async () => {
    const { producer, consumer } = both({ capacityBytes: 4096 });
    expect(producer.offer(new Uint8Array(20_000))).toBe(OK);
    expect(await within(5000, consumer.ready(), 'the whole record')).toBe(OK);
    expect(consumer.poll()!.length).toBe(20_000);
    producer.close();
    consumer.close();
  });

  it('refuses for good what is longer than maxRecordBytes', () => {
    const { producer, consumer, properties } = both({ maxRecordBytes: 10 });
    expect(producer.offer(new Uint8Array(10))).toBe(OK);
    expect(producer.offer(new Uint8Array(11))).toBe(TOO_LARGE);
    expect(properties()).toMatchObject({ published: 1, refused: 0 });
    producer.close();
    consumer.close();
  });

  it('gathers records for one write when told to, and writes them at the limit, at a page, at flush and at '
    + 'close', () => {
    const { producer, consumer, properties } = both({}, 10);
    for (let i = 0; i < 9; i++) producer.offer(bytes(i));
    expect(properties(), 'accepted, and not yet in the pipe').toMatchObject({ published: 9, depth: 0 });
    producer.offer(bytes(9));
    expect(properties().depth).toBe(50);
    expect(consumer.drain(() => undefined)).toBe(10);
    producer.offer(bytes(1));
    expect(producer.flush()).toBe(OK);
    expect(properties().depth).toBe(5);
    expect(consumer.poll()).toEqual(bytes(1));
    for (let i = 0; i < 5; i++) producer.offer(new Uint8Array(1000));
    expect(properties().depth, 'the fifth record did not fit beside the others into 4,096 bytes').toBe(4 * 1004);
    expect(consumer.drain(() => undefined)).toBe(4);
    producer.offer(new Uint8Array(4093));
    expect(properties().depth, 'a record longer than 4,096 bytes is not gathered').toBe(1004 + 4097);
    producer.offer(bytes(1));
    producer.close();
    expect(consumer.drain(() => undefined)).toBe(3);
    expect(consumer.drain(() => undefined)).toBe(CLOSED);
  });

  it('sends what was flushed into a full pipe as soon as there is room, without another call', async () => {
    const { producer, consumer } = both({ capacityBytes: 4096 }, 100);
    for (let i = 0; i < 4; i++) expect(producer.offer(new Uint8Array(1020))).toBe(OK);
    expect(producer.flush()).toBe(OK);
    for (let i = 0; i < 3; i++) expect(producer.offer(bytes(i))).toBe(OK);
    expect(producer.flush()).toBe(OK);
    expect(consumer.drain(() => undefined)).toBe(4);
    expect(await within(5000, consumer.ready(), 'the flushed records')).toBe(OK);
    expect([consumer.poll(), consumer.poll(), consumer.poll()]).toEqual([bytes(0), bytes(1), bytes(2)]);
    producer.close();
    consumer.close();
  });

  it('refuses values that its framing or kind cannot carry, by name, and takes nothing of them', async () => {
    const line = createPipe({ framing: 'line' });
    const [producer, consumer] = [pubPipe(line), subPipe(line)];
    expect(await errorOf(() => producer.offer('two\nlines'))).toMatchObject({
      code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'value',
      message: expect.stringContaining("framing 'line' ends a record there"),
    });
    expect(await errorOf(() => producer.offer('half \ud800'))).toMatchObject({ code: 'ERR_PERCORE_UNSERIALIZABLE' });
    expect(await errorOf(() => producer.offer(bytes(1) as never))).toMatchObject({
      code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'value',
    });
    expect(producer.offer('good')).toBe(OK);
    expect([consumer.poll(), consumer.poll()]).toEqual(['good', undefined]);
    producer.close();
    consumer.close();
    const raw = both({ framing: 'line', values: 'bytes' });
    expect(await errorOf(() => raw.producer.offer(bytes(65, 10)))).toMatchObject({
      code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'value',
    });
    expect(await errorOf(() => raw.producer.offer('text' as never))).toMatchObject({
      code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'value',
    });
    raw.producer.close();
    raw.consumer.close();
    expect(propertiesOfPipe(line)).toMatchObject({ published: 1, consumed: 1 });
  });

  it('reports the capacity that was granted, not the one asked for', () => {
    for (const [asked, granted] of [[undefined, 65_536], [1, 4096], [4097, 8192], [100_000, 131_072]] as const) {
      const queue = createPipe(asked === undefined ? {} : { capacityBytes: asked });
      expect(queue.capacityBytes).toBe(granted);
      expect(propertiesOfPipe(queue)).toMatchObject({ capacity: granted, depth: 0, consumers: [], isClosed: false });
      closePipe(queue);
    }
  });

  it('refuses bad options', async () => {
    const wrong: [string, unknown][] = [
      ['framing', 'lines'], ['values', 'json'], ['whenSlow', 'drop-oldest'], ['maxRecordBytes', 0],
      ['maxRecordBytes', 2 ** 28 + 1], ['capacityBytes', 0], ['capacityBytes', 2 ** 30 + 1], ['mode', 0o1000],
      ['path', ''], ['path', 3], ['path', 'a\0b'], ['keepOpen', true], ['keepOpen', 1],
    ];
    const before = descriptors();
    for (const [argument, value] of wrong) {
      expect(await errorOf(() => createPipe({ [argument]: value })), `${argument} ${String(value)}`).toMatchObject({
        code: 'ERR_PERCORE_INVALID_ARGUMENT', argument, value,
      });
    }
    const queue = createPipe();
    for (const publishEvery of [0, 1.5, 2 ** 31])
      expect(await errorOf(() => pubPipe(queue, { publishEvery: { records: publishEvery } }))).toMatchObject({
        argument: 'publishEvery.records',
      });
    expect(await errorOf(() => closePipe(queue, 'reader' as never))).toMatchObject({ argument: 'end' });
    closePipe(queue);
    for (const not of [undefined, {}, { shared: new SharedArrayBuffer(8) }])
      expect(await errorOf(() => pubPipe(not as never))).toMatchObject({
        code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'queue',
      });
    expect(await errorOf(() => subPipe({ shared: new SharedArrayBuffer(pipeLayout.bytes) } as never))).toMatchObject({
      code: 'ERR_PERCORE_LAYOUT_MISMATCH',
    });
    expect(descriptors()).toEqual(before);
  });
});

import { describe, expect, it } from 'vitest';
import { drained, eight, errorOf } from './fixtures/helpers.js';
import {
  BACK_PRESSURED, CLOSED, EMPTY, OK, close, create, inspect, pub, sub, type DeclaredConsumer, type FixedConsumer,
} from './index.js';

const spmc = (consumers?: Record<string, DeclaredConsumer>) =>
  create({
    kind: 'spmc', capacity: 4, recordBytes: 8, maxConsumers: 4, ...(consumers === undefined ? {} : { consumers }),
  });
const pipeline = () => spmc({ parse: {}, store: { after: ['parse'] } });
const diamond = () =>
  spmc({ one: {}, left: { after: ['one'] }, right: { after: ['one'] }, last: { after: ['left', 'right'] } });

describe('a declared pipeline', () => {
  it('lets each stage read what the stage before has released, and no more', () => {
    const queue = pipeline();
    const producer = pub(queue);
    const [parse, store] = [sub(queue, { name: 'parse' }), sub(queue, { name: 'store' })];
    [1, 2, 3].forEach((value) => producer.offer(eight(value)));
    expect(store.poll()).toBe(EMPTY);
    expect(drained(parse, 2)).toEqual([1, 2]);
    expect([drained(store), store.poll(), drained(parse), drained(store)]).toEqual([[1, 2], EMPTY, [3], [3]]);
  });

  it('shows a stage what the stage before has written into the record', () => {
    const queue = pipeline();
    const producer = pub(queue);
    const [parse, store] = [sub(queue, { name: 'parse' }) as FixedConsumer, sub(queue, { name: 'store' })];
    producer.offer(eight(1));
    expect(parse.available()).toBe(1);
    parse.bytes[parse.offsetOf()] = 77;
    expect(store.poll(), 'peeked is not released').toBe(EMPTY);
    parse.release();
    expect(drained(store)).toEqual([77]);
  });

  it('keeps all records for stages that have no consumer yet', () => {
    const queue = pipeline();
    const producer = pub(queue);
    expect([1, 2, 3, 4, 5].map((value) => producer.offer(eight(value)))).toEqual([OK, OK, OK, OK, BACK_PRESSURED]);
    expect(drained(sub(queue, { name: 'parse' }))).toEqual([1, 2, 3, 4]);
    expect(producer.offer(eight(5)), 'the last stage holds them').toBe(BACK_PRESSURED);
    expect([drained(sub(queue, { name: 'store' })), producer.offer(eight(5))]).toEqual([[1, 2, 3, 4], OK]);
  });

  it('keeps them again when a stage has left, and its successor goes on there', () => {
    const queue = pipeline();
    const producer = pub(queue);
    const parse = sub(queue, { name: 'parse' });
    [1, 2].forEach((value) => producer.offer(eight(value)));
    expect(drained(parse, 1)).toEqual([1]);
    parse.leave();
    const store = sub(queue, { name: 'store' });
    expect([drained(store), drained(store)], 'waits for the stage although it has no consumer').toEqual([[1], []]);
    expect([drained(sub(queue, { name: 'parse' })), drained(store)]).toEqual([[2], [2]]);
  });

  it('ends stage by stage', () => {
    const queue = pipeline();
    const producer = pub(queue);
    const [parse, store] = [sub(queue, { name: 'parse' }), sub(queue, { name: 'store' })];
    producer.offer(eight(1));
    producer.close();
    expect(store.poll(), 'not at its end, although there is nothing to read').toBe(EMPTY);
    expect([drained(parse), parse.poll(), drained(store), store.poll()]).toEqual([[1], CLOSED, [1], CLOSED]);
  });

  it('ends at one record for all stages when somebody else closes it', () => {
    const queue = pipeline();
    const producer = pub(queue);
    const [parse, store] = [sub(queue, { name: 'parse' }), sub(queue, { name: 'store' })];
    producer.offer(eight(1));
    close(queue);
    expect(store.poll(), 'this ends the queue behind record 1').toBe(EMPTY);
    expect(producer.offer(eight(2))).toBe(CLOSED);
    expect([drained(parse), parse.poll(), drained(store), store.poll()]).toEqual([[1], CLOSED, [1], CLOSED]);
    expect(inspect(queue).dropped.closed).toBe(1);
  });
});

describe('a declared diamond', () => {
  it('lets the last stage read behind both sides', () => {
    const queue = diamond();
    const producer = pub(queue);
    const [one, left, right, last] = ['one', 'left', 'right', 'last'].map((name) => sub(queue, { name }));
    [1, 2, 3].forEach((value) => producer.offer(eight(value)));
    expect([left, right, last].map((consumer) => drained(consumer!))).toEqual([[], [], []]);
    drained(one!);
    expect([drained(left!), drained(last!), drained(right!, 2), drained(last!)]).toEqual([
      [1, 2, 3], [], [1, 2], [1, 2],
    ]);
    expect(producer.tryClaim(4), 'record 3 is still to be read').toBe(BACK_PRESSURED);
    expect([drained(right!), drained(last!), producer.tryClaim(4)]).toEqual([[3], [3], 3]);
  });
});

describe('consumers that join behind others', () => {
  it('read behind them from where they joined, and without them when they leave', () => {
    const queue = spmc();
    const producer = pub(queue);
    const first = sub(queue);
    const second = sub(queue, { after: [first.place] });
    producer.offer(eight(1));
    expect([drained(second), drained(first), drained(second)]).toEqual([[], [1], [1]]);
    producer.offer(eight(2));
    first.leave();
    expect(drained(second)).toEqual([2]);
  });

  it('have nothing to read until those before them have come as far', () => {
    const queue = spmc();
    const producer = pub(queue);
    const first = sub(queue);
    [1, 2].forEach((value) => producer.offer(eight(value)));
    const second = sub(queue, { after: [first.place] });
    expect(
      [second.available(), second.poll(), second.drain(() => {}), second.look()], 'joined two records ahead',
    ).toEqual([EMPTY, EMPTY, 0, EMPTY]);
    producer.offer(eight(3));
    expect([second.poll(), drained(first, 2), second.poll(), drained(first), drained(second)]).toEqual([
      EMPTY, [1, 2], EMPTY, [3], [3],
    ]);
  });

  it('may name declared consumers', () => {
    const queue = pipeline();
    const producer = pub(queue);
    const late = sub(queue, { after: ['store'] });
    producer.offer(eight(1));
    drained(sub(queue, { name: 'parse' }));
    expect([drained(late), drained(sub(queue, { name: 'store' })), drained(late)]).toEqual([[], [1], [1]]);
  });

  it('are woken by those before them, and by the producer once those have left', async () => {
    const queue = spmc();
    const producer = pub(queue);
    const first = sub(queue);
    const second = sub(queue, { after: [first.place] });
    producer.offer(eight(1));
    const released = second.ready();
    drained(first);
    expect([await released, drained(second)]).toEqual([OK, [1]]);
    producer.offer(eight(2));
    const left = second.ready();
    first.leave();
    expect([await left, drained(second)]).toEqual([OK, [2]]);
    const published = second.ready();
    producer.offer(eight(3));
    expect([await published, drained(second)]).toEqual([OK, [3]]);
  }, 10_000);

  it('are woken by the producer even if those before them have left while they slept', async () => {
    const queue = spmc();
    const producer = pub(queue);
    const first = sub(queue);
    const second = sub(queue, { after: [first.place] });
    const asleep = second.ready();
    first.leave();
    producer.offer(eight(1));
    expect(await asleep).toBe(OK);
  }, 10_000);
});

describe('chains that could never move', () => {
  it('are refused when they are declared', () => {
    const message = (consumers: Record<string, DeclaredConsumer>): string => errorOf(() => spmc(consumers)).message;
    expect(message({ a: { after: ['b'] }, b: {} })).toBe(
      'consumers.a.after must be a consumer declared before it: there is none, not "b"',
    );
    expect(message({ a: { after: ['a'] } })).toBe(
      'consumers.a.after must be a consumer declared before it: there is none, not "a"',
    );
    expect(message({ a: {}, b: { after: ['a', 'c'] } })).toBe(
      'consumers.b.after must be a consumer declared before it: a, not "c"',
    );
    expect(message({ a: {}, b: { after: ['a'], whenSlow: 'drop-oldest' } })).toBe(
      "whenSlow must be 'wait' or 'block' for a consumer with `after`, not \"drop-oldest\"",
    );
    expect(message({ a: { whenSlow: 'evict' }, b: { after: ['a'] } })).toMatch(
      /^consumers\.b\.after must be a consumer that is not lapped/,
    );
    expect(message({ a: { whenSlow: 'slow' as 'wait' } })).toMatch(/^whenSlow must be/);
    expect(message({ a: { whenSlow: 'evict', evictAfterMs: -1 } })).toMatch(/^evictAfterMs must be/);
    expect(message(Object.fromEntries(['a', 'b', 'c', 'd', 'e'].map((name) => [name, {}])))).toBe(
      'maxConsumers must be at least 5, the number of declared consumers, not 4',
    );
    expect(errorOf(() => create({ kind: 'spsc', capacity: 2, recordBytes: 8, consumers: { a: {} } })).message).toBe(
      "consumers must be left out, unless kind is 'spmc', not [object Object]",
    );
  });

  it('are refused when somebody joins', () => {
    const queue = spmc();
    const message = (after: (string | number)[]): string => errorOf(() => sub(queue, { after })).message;
    expect(message([0]), 'that would be its own place').toBe(
      'after must be the place of a consumer that exists, or a declared one, not 0',
    );
    expect(message([4])).toBe('after must be a whole number from 0 to 3, not 4');
    expect(message(['parse'])).toBe('after must be a declared consumer: the queue has none, not "parse"');
    const lossy = sub(queue, { whenSlow: 'drop-oldest' });
    expect(message([lossy.place])).toMatch(/^after must be the place of a consumer that is not lapped/);
    expect(errorOf(() => sub(pipeline(), { after: ['save'] })).message).toBe(
      'after must be a declared consumer: parse, store, not "save"',
    );
    expect(errorOf(() => sub(create({ kind: 'spsc', capacity: 2, recordBytes: 8 }), { after: [0] })).message).toBe(
      "after must be left out, unless kind is 'spmc', not [object Array]",
    );
  });

  it('are refused with options that a declared consumer already has', () => {
    const queue = spmc({ a: { whenSlow: 'block' } });
    expect(errorOf(() => sub(queue, { name: 'a', whenSlow: 'wait' })).message).toBe(
      'whenSlow must be left out, or \'block\', with which this consumer was declared, not "wait"',
    );
    expect(errorOf(() => sub(queue, { name: 'a', after: ['a'] })).message).toBe(
      'after must be left out for a declared consumer, which brings its own, not [object Array]',
    );
    expect(errorOf(() => sub(queue, { name: 'b' })).message).toBe('name must be a declared consumer: a, not "b"');
    sub(queue, { name: 'a', whenSlow: 'block' });
    expect(errorOf(() => sub(queue, { name: 'a' })).message).toMatch(/^place 0 is taken/);
  });
});

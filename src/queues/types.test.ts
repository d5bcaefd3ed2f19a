/**
 * What the compiler says about queues: the types that `create`, `pub`, `sub` and `link` return, and what they refuse.
 */
import { describe, expect, expectTypeOf, it } from 'vitest';
import {
  OK, bytes, create, link, msgpack, pub, struct, sub, value, type BandedConsumer, type BandedProducer,
  type BandedValueProducer, type FixedConsumer, type FixedProducer, type FixedQueue, type Link, type LinkedConsumer,
  type LinkedProducer, type LinkedQueue, type LossyConsumer, type MpscConsumer, type QueueConsumer, type QueueProducer,
  type ResultCode, type ValueConsumer, type ValueProducer, type ValueQueue, type VariableConsumer,
  type VariableProducer, type VariableQueue,
} from './index.js';

interface Order {
  readonly price: number;
}

describe('what create returns', () => {
  it('depends on the options', () => {
    expectTypeOf(create({ kind: 'spsc', capacity: 4, recordBytes: 8 })).toEqualTypeOf<FixedQueue<'spsc', never>>();
    expectTypeOf(create({ kind: 'mpsc', capacityBytes: 64 })).toEqualTypeOf<VariableQueue<'mpsc', never>>();
    expectTypeOf(create({ kind: 'spsc', backend: 'linked', capacityBytes: 2 ** 20 })).toEqualTypeOf<LinkedQueue>();
    expectTypeOf(create({ kind: 'banded', capacityBytes: 64, codec: value<Order>() })).toEqualTypeOf<
      ValueQueue<Order, 'banded', never>
    >();
    expectTypeOf(create({ kind: 'spsc', capacityBytes: 64, codec: msgpack<Order>() })).toEqualTypeOf<
      ValueQueue<Order, 'spsc', never>
    >();
    expectTypeOf(create({ kind: 'spsc', capacityBytes: 64, codec: bytes })).toEqualTypeOf<
      ValueQueue<Uint8Array, 'spsc', never>
    >();
    expectTypeOf(
      create({ kind: 'spsc', backend: 'linked', capacityBytes: 2 ** 20, codec: value<Order>() }),
    ).toEqualTypeOf<ValueQueue<Order, 'spsc', never>>();
    expectTypeOf(create({ kind: 'spsc', capacity: 4, codec: struct({ price: 'f64' }) })).toEqualTypeOf<
      ValueQueue<{ price: number }, 'spsc', never>
    >();
    const chain = create({
      kind: 'spmc', capacity: 4, recordBytes: 8, consumers: { first: {}, second: { after: ['first'] } },
    });
    expectTypeOf(chain).toEqualTypeOf<FixedQueue<'spmc', 'first' | 'second'>>();
  });

  it('is a queue of unknown values if `value` is not called', () => {
    const queue = create({ kind: 'spsc', capacityBytes: 64, codec: value });
    expectTypeOf(queue).toEqualTypeOf<ValueQueue<unknown, 'spsc', never>>();
    expect([structuredClone(queue).codec, pub(queue).offer(1), sub(queue).poll()]).toEqual([{ name: 'value' }, OK, 1]);
  });

  it('refuses what is also refused at run time', () => {
    const wrong = [
      // @ts-expect-error A linked queue has one producer.
      () => create({ kind: 'mpsc', backend: 'linked', capacityBytes: 2 ** 20 }),
      // @ts-expect-error The same holds with a codec.
      () => create({ kind: 'mpsc', backend: 'linked', capacityBytes: 2 ** 20, codec: value<Order>() }),
      // @ts-expect-error The records of values vary in length, so bytes are counted.
      () => create({ kind: 'spsc', capacity: 4, codec: value<Order>() }),
      // @ts-expect-error The records of a struct have one length, so records are counted.
      () => create({ kind: 'spsc', capacityBytes: 64, codec: struct({ price: 'f64' }) }),
      // @ts-expect-error Records that are counted need a length.
      () => create({ kind: 'spsc', capacity: 4 }),
      () => create({
        // @ts-expect-error No consumer is called "third".
        kind: 'spmc', capacity: 4, recordBytes: 8,
        consumers: { first: {}, second: { after: ['third'] } },
      }),
      // @ts-expect-error There is no such kind.
      () => create({ kind: 'spcs', capacity: 4, recordBytes: 8 }),
      // @ts-expect-error There is no such option.
      () => create({ kind: 'spsc', capacity: 4, recordBytes: 8, maxConsumer: 2 }),
    ];
    for (const make of wrong) expect(make).toThrow(expect.objectContaining({ code: 'ERR_PERCORE_INVALID_ARGUMENT' }));
  });
});

describe('what pub and sub return', () => {
  it('depends on the queue', () => {
    const ends = () => {
      expectTypeOf(pub({} as FixedQueue)).toEqualTypeOf<FixedProducer>();
      expectTypeOf(pub({} as VariableQueue<'mpsc'>)).toEqualTypeOf<VariableProducer>();
      expectTypeOf(pub({} as LinkedQueue)).toEqualTypeOf<LinkedProducer>();
      expectTypeOf(pub({} as FixedQueue<'banded'>)).toEqualTypeOf<BandedProducer<FixedProducer>>();
      expectTypeOf(pub({} as ValueQueue<Order>)).toEqualTypeOf<ValueProducer<Order>>();
      expectTypeOf(pub({} as ValueQueue<Order, 'banded'>)).toEqualTypeOf<BandedValueProducer<Order>>();
      expectTypeOf(sub({} as FixedQueue)).toEqualTypeOf<FixedConsumer>();
      expectTypeOf(sub({} as LinkedQueue)).toEqualTypeOf<LinkedConsumer>();
      expectTypeOf(sub({} as FixedQueue, { whenSlow: 'drop-oldest' })).toEqualTypeOf<LossyConsumer>();
      expectTypeOf(sub({} as FixedQueue<'spmc', 'a'>, { name: 'a' })).toEqualTypeOf<FixedConsumer | LossyConsumer>();
      expectTypeOf(sub({} as VariableQueue<'mpsc'>)).toEqualTypeOf<MpscConsumer<VariableConsumer>>();
      expectTypeOf(sub({} as FixedQueue<'banded'>, { quantum: 8 })).toEqualTypeOf<BandedConsumer<FixedConsumer>>();
      expectTypeOf(sub({} as ValueQueue<Order, 'spmc', 'a'>, { name: 'a' })).toEqualTypeOf<ValueConsumer<Order>>();
      const deque = create<Order>({ backend: 'deque', capacity: 4 });
      expectTypeOf(pub(deque)).toEqualTypeOf<QueueProducer<Order>>();
      expectTypeOf(sub(deque)).toEqualTypeOf<QueueConsumer<Order>>();
      expectTypeOf(pub(create({ backend: 'pipe', framing: 'line' })).offer).toBeCallableWith('text');
      expectTypeOf(pub(create({ kind: 'spsc', backend: 'pipe', framing: 'line' })).offer).toBeCallableWith('text');
    };
    expectTypeOf(ends).toBeFunction();
  });

  it('names result codes', () => {
    const producer = pub(create({ kind: 'spsc', capacityBytes: 64, codec: value<Order>() }));
    expectTypeOf(producer.offer({ price: 1 })).toEqualTypeOf<ResultCode>();
    expectTypeOf(producer.flush()).toEqualTypeOf<ResultCode>();
    expectTypeOf(producer.room()).resolves.toEqualTypeOf<ResultCode>();
    // @ts-expect-error An order has a price.
    expectTypeOf(producer.offer).toBeCallableWith({});
  });

  it('refuses consumers that were not declared, and options of other kinds', () => {
    const chain = create({ kind: 'spmc', capacity: 4, recordBytes: 8, consumers: { first: {} } });
    const plain = create({ kind: 'spsc', capacity: 4, recordBytes: 8 });
    const wrong = [
      // @ts-expect-error No consumer is called "second".
      () => sub(chain, { name: 'second' }),
      // @ts-expect-error Nor is one here.
      () => sub(chain, { after: ['second'] }),
      // @ts-expect-error No consumer was declared.
      () => sub(plain, { name: 'first' }),
      // @ts-expect-error Only bands have a quantum.
      () => sub(plain, { quantum: 8 }),
      // @ts-expect-error The option must name its unit.
      () => pub(plain, { publishEvery: 64 }),
    ];
    for (const open of wrong) expect(open).toThrow(expect.objectContaining({ code: 'ERR_PERCORE_INVALID_ARGUMENT' }));
  });
});

describe('link', () => {
  it('takes ends of rings, with or without a codec', () => {
    const [from, to] = [
      create({ kind: 'mpsc', capacityBytes: 64, codec: value<Order>() }),
      create({ kind: 'spsc', capacityBytes: 64, codec: value<Order>() }),
    ];
    expectTypeOf(link(sub(from), pub(to))).toEqualTypeOf<Link>();
    const deque = create<Order>({ backend: 'deque', capacity: 4 });
    const lane = pub(from);
    // @ts-expect-error A deque has no records.
    expect(() => link(sub(deque), lane)).toThrow(expect.objectContaining({ argument: 'from' }));
    // @ts-expect-error Nor has it room for records.
    expect(() => link(sub(to), pub(deque))).toThrow(expect.objectContaining({ argument: 'to' }));
  });
});

/**
 * What the types of calls and tasks take and refuse: tsc compiles this file, and complains of an error that is
 * expected and does not come.
 */
import { describe, expect, expectTypeOf, it } from 'vitest';
import type { FixedQueue, ResultCode, ValueQueue } from '../queues/index.js';
import type { Address } from './address.js';
import type { CallContext } from './call-context.js';
import { callStream, type StreamedAnswer } from './call-stream.js';
import type { Task } from './reactor-options.js';
import type { Reactor } from './reactor.js';
import type { Runtime } from './runtime.js';
import type { ByteRecord } from './task.js';
import { inside, withRuntime } from './fixtures/inside.js';

interface Order {
  readonly price: number;
}
interface Town {
  calls: {
    size(): number; ping(): void; sum(pair: [number, number]): number; find(name?: string): Promise<string>;
    loose(...all: never[]): string; two(a: number, b: number): number; half(a: number, b?: number): number;
  };
  tasks: { orders: Order; frames: Uint8Array };
}
const to = { reactor: 0 };

/** Never run: calls, both ends. */
export function calls(runtime: Runtime<Town>, reactor: Reactor<Town>): void {
  expectTypeOf(runtime.call('size')).toEqualTypeOf<Promise<number>>();
  expectTypeOf(reactor.call('find')).toEqualTypeOf<Promise<string>>();
  void runtime.call('find', 'name', to);
  void runtime.call('size', undefined, to);
  expectTypeOf(runtime.call('ping', undefined, { reactor: 1 })).toEqualTypeOf<Promise<void>>();
  // @ts-expect-error Options come third: here they would be the argument.
  void runtime.call('ping', { reactor: 1 });
  // @ts-expect-error The same.
  void reactor.call('size', to);
  // @ts-expect-error It takes none.
  void reactor.call('size', null, to);
  expectTypeOf(reactor.call('loose', undefined as never)).toEqualTypeOf<Promise<string>>();
  // @ts-expect-error A call carries one argument; 'two' has two.
  void runtime.call('two', 1);
  // @ts-expect-error The second of them would be the options.
  void reactor.call('two', 1, 2);
  // @ts-expect-error Nor may the second be left out.
  void reactor.call('half', 1);
  // @ts-expect-error This one takes an argument.
  void runtime.call('sum');
  // @ts-expect-error And of another type.
  void reactor.call('sum', 'two');
  // @ts-expect-error Nobody has this name.
  void runtime.call('siez');
  reactor.handle('sum', ([a, b], { from }) => a + b + from);
  reactor.handle('find', async (name) => name ?? 'none');
  runtime.handle('size', () => 1);
  // @ts-expect-error It answers a number.
  reactor.handle('sum', () => 'three');
  // @ts-expect-error It is given a pair.
  reactor.handle('sum', (text: string) => text.length);
  reactor.handle('ping', () => undefined);
  // @ts-expect-error Its second parameter would be the context of the call.
  reactor.handle('two', (a: number, b: number) => a + b);
  // @ts-expect-error The same, whatever it uses.
  runtime.handle('two', () => 1);
  // @ts-expect-error And where the second may be left out.
  runtime.handle('half', (a: number) => a);
  // @ts-expect-error Nobody asks for this name.
  reactor.handle('smu', () => 1);
}

interface Feed {
  calls: {
    ticks(count: number): AsyncIterable<number>; all(): Promise<AsyncIterable<string>>; once(count: number): number;
  };
}

/** Never run: streaming answers, both ends. */
export function streams(runtime: Runtime<Feed>, reactor: Reactor<Feed>, plain: Reactor): void {
  expectTypeOf(callStream(runtime, 'ticks', 5)).toEqualTypeOf<StreamedAnswer<number>>();
  expectTypeOf(callStream(reactor, 'all')).toEqualTypeOf<StreamedAnswer<string>>();
  callStream(reactor, 'ticks', 5, { ...to, credits: 8, timeoutMs: 5 });
  expectTypeOf(callStream(plain, 'anything', 1)).toEqualTypeOf<StreamedAnswer<unknown>>();
  // @ts-expect-error It takes a number.
  callStream(runtime, 'ticks');
  // @ts-expect-error It answers once.
  callStream(runtime, 'once', 5);
  // @ts-expect-error It answers a stream.
  void runtime.call('ticks', 5);
  reactor.handle('ticks', async function* (count, context) {
    expectTypeOf(context).toEqualTypeOf<CallContext<Feed>>();
    expectTypeOf(context.call('once', 1)).toEqualTypeOf<Promise<number>>();
    for await (const value of callStream(context, 'ticks', count - 1)) yield value;
  });
  // @ts-expect-error It streams numbers.
  reactor.handle('ticks', async function* () { yield 'text'; });
  // @ts-expect-error It answers a stream.
  reactor.handle('ticks', () => 5);
}

/** Never run: tasks, both ends. */
export function tasks(runtime: Runtime<Town>, reactor: Reactor<Town>): void {
  const orders = reactor.spawn({ name: 'orders' }, (order) => void expectTypeOf(order).toEqualTypeOf<Order>());
  expectTypeOf(orders).toEqualTypeOf<Task<Order>>();
  expectTypeOf(runtime.address('orders', to)).toEqualTypeOf<Address<Order>>();
  runtime.send('orders', { price: 1 }, to);
  reactor.spawnBytes({ name: 'frames' }, (record) => void expectTypeOf(record).toEqualTypeOf<ByteRecord>());
  reactor.send('frames', new Uint8Array(1), to);
  // @ts-expect-error A message of another type.
  orders.send({ prize: 1 });
  // @ts-expect-error The same.
  runtime.send('orders', 5, to);
  // @ts-expect-error The same.
  runtime.address('orders', to).send('text');
  // @ts-expect-error Nobody has this name.
  reactor.send('ordres', { price: 1 }, to);
  // @ts-expect-error Nobody has this name.
  reactor.address('ordres', to);
  // @ts-expect-error Nobody sends to this name.
  reactor.spawn({ name: 'ordres' }, () => undefined);
  // @ts-expect-error Its messages are orders.
  reactor.spawn({ name: 'orders' }, (text: string) => void text);
  // @ts-expect-error Its messages are no bytes.
  reactor.spawnBytes({ name: 'orders' }, () => undefined);
  // @ts-expect-error A step answers a code, nothing, or a promise.
  reactor.spawn({ name: 'orders' }, () => 'done');
  // @ts-expect-error A value that is sent to bytes would be dropped.
  reactor.send('frames', { price: 1 }, to);
}

/** Never run: who declares a part, or nothing. */
export function gradual(
  reactor: Reactor<Town>, half: Reactor<{ calls: Town['calls'] }>, plain: Reactor, runtime: Runtime<Town>,
): void {
  const take = (_reactor: Reactor): void => undefined;
  take(reactor);
  take(half);
  const takeRuntime = (_runtime: Runtime): void => undefined;
  takeRuntime(runtime);
  half.send('anything', 1, to);
  const numbers = half.spawn({ name: 'anything' }, (value: number) => void value);
  expectTypeOf(numbers).toEqualTypeOf<Task<number>>();
  expectTypeOf(plain.call('anything', 1)).toEqualTypeOf<Promise<unknown>>();
  plain.handle('anything', ([a, b]: [number, number]) => a + b);
  plain.spawn<Order>({ name: 'anything' }, (order) => void order.price).send({ price: 1 });
  // @ts-expect-error What was said of its messages holds here as well.
  numbers.send('text');
  // @ts-expect-error A protocol has calls and tasks; services stand under calls.
  expectTypeOf<Reactor<Town['calls']>>();
}

/** Never run: queues that are read as tasks. */
export function queues(
  reactor: Reactor, bytes: FixedQueue<'spmc', 'a' | 'b'>, values: ValueQueue<Order, 'spmc', 'a' | 'b'>,
  none: FixedQueue<'spmc', never>, any: FixedQueue,
): void {
  const take = (record: Uint8Array): void => void record;
  const reading = reactor.sub(bytes, { name: 'a', priority: 6, after: ['b', 0] }, take);
  expectTypeOf(reading.ended).toEqualTypeOf<Promise<ResultCode>>();
  expectTypeOf(reading.lost).toEqualTypeOf<number>();
  reactor.sub(values, { name: 'b' }, (order) => void expectTypeOf(order).toEqualTypeOf<Order>());
  reactor.sub<Order>(values, {}, ({ price }) => void price);
  reactor.sub(none, { whenSlow: 'evict' }, take);
  reactor.sub(any, { name: 'whoever' }, take);
  // @ts-expect-error No consumer of this name was declared.
  reactor.sub(bytes, { name: 'z' }, take);
  // @ts-expect-error The same.
  reactor.sub(values, { name: 'z' }, () => undefined);
  // @ts-expect-error Nobody to be behind.
  reactor.sub(values, { after: ['z'] }, () => undefined);
  // @ts-expect-error None was declared.
  reactor.sub(none, { name: 'a' }, take);
}

describe('a call without an argument', () => {
  it('hands the handler undefined', async () => {
    await withRuntime(1, {}, async (runtime) => {
      expect(await inside(runtime, 0, (reactor) => {
        reactor.handle('size', (argument: unknown) => [argument === undefined, 3]);
      })).toBeUndefined();
      expect(await runtime.call('size')).toEqual([true, 3]);
    });
  });
});

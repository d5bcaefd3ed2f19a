/**
 * What the types of topics accept and refuse. tsc compiles this file, and complains if an expected error does not come.
 */
import { describe, expect, expectTypeOf, it } from 'vitest';
import { bytes, struct, value } from '../queues/index.js';
import type { Reactor, Runtime } from '../reactor/index.js';
import { createTopic, subscribe, subscribeBatches, subscribeBytes, type Topic } from './index.js';

interface Price { bid: number; ask: number }
interface Town {
  calls: { size(): number };
  topics: { 'prices.eur': Price; 'prices.usd': Price; 'prices.raw': Uint8Array; 'news': string };
}
const quote = struct({ bid: 'f64', ask: 'f64' });

/** Never run. With a protocol: */
export function declared(reactor: Reactor<Town>, runtime: Runtime<Town>): void {
  const prices = createTopic(reactor, { name: 'prices.eur', codec: quote });
  prices.publish({ bid: 1, ask: 2 });
  createTopic(runtime, { name: 'prices.usd' }).publish({ bid: 1, ask: 2 });
  createTopic(runtime, { name: 'prices.raw', codec: bytes }).publish(new Uint8Array(1));
  expectTypeOf(createTopic(reactor, { name: 'news' })).toEqualTypeOf<Topic<string>>();
  // @ts-expect-error A message of another type.
  prices.publish({ bid: 1 });
  // @ts-expect-error The same, without a codec.
  createTopic(runtime, { name: 'news' }).publish(1);
  // @ts-expect-error Nobody has declared this topic.
  createTopic(reactor, { name: 'price.eur' });
  // @ts-expect-error The codec carries something else.
  createTopic(reactor, { name: 'news', codec: quote });
  // @ts-expect-error A codec of fewer fields.
  createTopic(reactor, { name: 'prices.eur', codec: struct({ bid: 'f64' }) });

  subscribe(reactor, 'prices.eur', {}, (price) => void expectTypeOf(price).toEqualTypeOf<Price>());
  subscribe(runtime, 'prices.*', {}, (price) => void expectTypeOf(price).toEqualTypeOf<Price | Uint8Array>());
  subscribe(runtime, '*', {}, (any, { topic }) => {
    expectTypeOf(any).toEqualTypeOf<Price | Uint8Array | string>();
    expectTypeOf(topic).toEqualTypeOf<string>();
  });
  subscribeBatches(reactor, 'prices.eur', {}, (list) => void expectTypeOf(list).toEqualTypeOf<readonly Price[]>());
  prices.publishBatch([{ bid: 1, ask: 2 }]);
  // @ts-expect-error One of them is something else.
  prices.publishBatch([{ bid: 1, ask: 2 }, 1]);
  // @ts-expect-error The handler takes one message and not a list of them.
  subscribeBatches(reactor, 'news', {}, (text: string) => void text);
  subscribeBytes(reactor, 'prices.raw', {}, ({ view, offset }) => void view.getInt8(offset));
  // @ts-expect-error The handler takes something else.
  subscribe(reactor, 'news', {}, (text: number) => void text);
  // @ts-expect-error No declared topic has this name.
  subscribe(reactor, 'new', {}, () => undefined);
  // @ts-expect-error Nor does any begin like this.
  subscribe(runtime, 'price.*', {}, () => undefined);
  // @ts-expect-error There is no such policy.
  subscribe(reactor, 'news', { whenSlow: 'block' }, () => undefined);
  subscribe(reactor, 'news' as string, {}, (any) => {
    expectTypeOf(any).toEqualTypeOf<Price | Uint8Array | string>();
  });
}

/** Never run. Without a protocol, the type is what the sender says it is. */
export function untyped(reactor: Reactor, runtime: Runtime): void {
  expectTypeOf(createTopic(reactor, { name: 'any' })).toEqualTypeOf<Topic<unknown>>();
  const prices = createTopic(runtime, { name: 'any', codec: quote });
  prices.publish({ bid: 1, ask: 2 });
  // @ts-expect-error The codec says what it carries.
  prices.publish('text');
  createTopic(runtime, { name: 'typed', codec: value<Price>() }).publish({ bid: 1, ask: 2 });
  subscribe(reactor, 'any', {}, (price: Price) => void price.bid);
  subscribe(runtime, 'a*', {}, (any) => void expectTypeOf(any).toEqualTypeOf<unknown>());
}

describe('types of topics', () => {
  it('are checked by the compiler', () => {
    expect([typeof declared, typeof untyped]).toEqual(['function', 'function']);
  });
});

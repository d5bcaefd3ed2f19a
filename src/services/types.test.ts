/** What the types of services take and refuse: tsc compiles this file, and complains of an error that does not come. */
import { expect, expectTypeOf, it } from 'vitest';
import type { Reactor, StreamedAnswer } from '../reactor/index.js';
import { createService, openService, type Service, type ServiceCaller } from './index.js';

interface Book {
  price(symbol: string): number;
  orders(symbol: string, most?: number): Promise<{ size: number }[]>;
  ping(): void;
  trades(symbol: string): AsyncGenerator<{ price: number }>;
  readonly depth: number;
  stop(): Promise<void>;
}

/** Never run. */
export async function calls(reactor: Reactor, book: ServiceCaller<Book>): Promise<void> {
  expectTypeOf(book.on('a').price('a')).toEqualTypeOf<Promise<number>>();
  expectTypeOf(book.at(1).orders('a')).toEqualTypeOf<Promise<{ size: number }[]>>();
  expectTypeOf(book.map('orders', ['a', 5])).toEqualTypeOf<Promise<{ size: number }[][]>>();
  expectTypeOf(book.mapReduce('price', ['a'], (sum, price) => sum + price, 0)).toEqualTypeOf<Promise<number>>();
  void book.map('ping');
  expectTypeOf(book.stream('trades', ['a'], { key: 'a' })).toEqualTypeOf<StreamedAnswer<{ price: number }>>();
  // @ts-expect-error It has to be said whose shard is asked.
  void book.stream('trades', ['a'], { credits: 5 });
  // @ts-expect-error It answers once.
  void book.stream('price', ['a'], { key: 'a' });
  // @ts-expect-error It streams.
  void book.on('a').trades('a');
  // @ts-expect-error It takes a symbol.
  void book.on('a').price();
  // @ts-expect-error Of another type.
  void book.on('a').price(5);
  // @ts-expect-error Nobody has this method.
  void book.on('a').prise('a');
  // @ts-expect-error The hook is for the runtime alone.
  void book.on('a').stop();
  // @ts-expect-error A field cannot be called.
  void book.on('a').depth;
  // @ts-expect-error A key is text or bytes.
  void book.on(5);
  // @ts-expect-error The arguments are of `orders`.
  void book.map('orders', [5]);
  // @ts-expect-error Nobody has this method.
  void book.map('nothing');
  // @ts-expect-error The answers are numbers.
  void book.mapReduce('price', ['a'], (text: string, price: string) => text + price, '');
  // @ts-expect-error Opened by name, there is no shard here.
  void book.local;

  const made = createService(reactor, { name: 'made' }, ({ id }) => ({ twice: (n: number) => n * 2 + id }));
  expectTypeOf(made).toEqualTypeOf<Service<{ twice: (n: number) => number }>>();
  expectTypeOf(made.local.twice(1)).toEqualTypeOf<number>();
  expectTypeOf(made.on('a').twice(1)).toEqualTypeOf<Promise<number>>();
  // @ts-expect-error It takes a number.
  void made.on('a').twice('1');
  // @ts-expect-error A service has a name.
  createService(reactor, {}, () => ({}));
  // @ts-expect-error An implementation is an object.
  createService(reactor, { name: 'none' }, () => 5);
  openService<Book>(reactor, 'book') satisfies ServiceCaller<Book>;
}

it('types of services are checked by the compiler', () => {
  expect(calls).toBeTypeOf('function');
});

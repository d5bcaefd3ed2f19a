/** What the types of processes take and refuse: tsc compiles this file. */
import { expect, expectTypeOf, it } from 'vitest';
import type { Reactor, Runtime, Task } from '../reactor/index.js';
import { createProcess, type Process, type ProcessEnd, type Self } from './index.js';

interface Order {
  readonly price: number;
}
interface Town {
  calls: { sum(pair: [number, number]): number };
  tasks: { orders: Order };
}

/** Never run. */
export async function processes(reactor: Reactor, town: Reactor<Town>, runtime: Runtime): Promise<void> {
  const book = createProcess(reactor, { name: 'book' }, function* (self: Self<Order>) {
    const order = yield* self.receive();
    expectTypeOf(order).toEqualTypeOf<Order>();
    const text = yield* self.until(Promise.resolve('text'));
    expectTypeOf(text).toEqualTypeOf<string>();
    expectTypeOf(self.poll()).toEqualTypeOf<Order | undefined>();
    yield;
    return order.price;
  });
  expectTypeOf(book).toEqualTypeOf<Process<Order, number>>();
  expectTypeOf(await book.join()).toEqualTypeOf<ProcessEnd<number>>();
  book.send({ price: 1 });
  // @ts-expect-error An order has a price.
  book.send({ cost: 1 });
  // @ts-expect-error A process takes orders.
  book.send(5);
  const task: Task<Order> = book;
  void task;
  const report = createProcess(town, { name: 'report', supervise: { policy: 'restart', most: 1 } }, async (
    self: Self<string>,
  ) => {
    expectTypeOf(await self.next({ timeoutMs: 5 })).toEqualTypeOf<string>();
    // @ts-expect-error Steps of a child are of another process's messages.
    createProcess(self, { name: 'child' }, async (child: Self<number>) => (await child.next()).length);
  });
  expectTypeOf(report).toEqualTypeOf<Process<string, void>>();
  createProcess(runtime, { name: 'main' }, async () => undefined);
  // @ts-expect-error A process has a name.
  createProcess(reactor, {}, async () => undefined);
  // @ts-expect-error There is no such policy.
  createProcess(reactor, { name: 'a', supervise: { policy: 'resume' } }, async () => undefined);
  // @ts-expect-error Its steps come one at a time.
  createProcess(reactor, { name: 'a', concurrency: 2 }, async () => undefined);
  // @ts-expect-error A plain function is a step, for spawn.
  createProcess(reactor, { name: 'a' }, () => 5);
  // @ts-expect-error A generator may not yield an object that is no promise.
  createProcess(reactor, { name: 'a' }, function* () { yield { wait: 1 }; });
  // @ts-expect-error It needs a reactor, a runtime, or a parent.
  createProcess({}, { name: 'a' }, async () => undefined);
  // @ts-expect-error The signal belongs to the process.
  book.signal = new AbortController().signal;
}

it('is compiled', () => {
  expect(processes).toBeTypeOf('function');
});

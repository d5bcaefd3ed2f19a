/**
 * Processes beside a simple model: messages tell the body what to do (take, yield, throw, end), and the test sends,
 * cancels and lets time pass in any order. After each operation, what the body has done, its inbox and its state must
 * be those of the model.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BACK_PRESSURED, CLOSED, OK } from '../result-codes.js';
import { ProcessTown } from './fixtures/town.js';
import { createProcess, tasksOf, type Process, type Self } from './index.js';

const RUNS = process.env['PERCORE_STRESS'] === undefined ? 150 : 20_000;
const QUANTUM = 16;

type Order =
  | { readonly kind: 'take' | 'throw' | 'return' }
  | { readonly kind: 'yield'; readonly times: number };
type Operation = { readonly kind: 'send'; readonly order: Order } | { readonly kind: 'cancel' | 'turn' | 'rest' };

interface Options {
  readonly capacity: number;
  readonly most: number;
  readonly policy: 'restart' | 'stop' | 'escalate';
}

/** The reference: an array for an inbox, a number of yields that are left, and what was seen. */
class Model {
  readonly seen: string[] = [];
  readonly inbox: Order[] = [];
  end: string | undefined;
  restarts = 0;
  dropped = 0;
  private isRunning = false;
  private yields = 0;
  private isCancelled = false;

  constructor(private readonly options: Options) {}

  send(order: Order): number {
    if (this.end !== undefined) return CLOSED;
    if (this.inbox.length === this.options.capacity) return BACK_PRESSURED;
    this.inbox.push(order);
    return OK;
  }

  cancel(): void {
    if (this.end === undefined) this.isCancelled = true;
  }

  /** One quantum; false when there is nothing to do. */
  quantum(): boolean {
    let steps = 0;
    while (this.canGoOn()) {
      this.step();
      steps++;
      if (!this.isRunning || this.yields > 0 || steps === QUANTUM) break;
    }
    return steps > 0;
  }

  private canGoOn(): boolean {
    if (this.end !== undefined) return false;
    return this.isCancelled || !this.isRunning || this.yields > 0 || this.inbox.length > 0;
  }

  private step(): void {
    if (this.isCancelled) {
      if (this.isRunning) this.seen.push('cleaned');
      this.over('cancelled');
    } else if (!this.isRunning) {
      this.isRunning = true;
      this.seen.push('begins');
    } else if (this.yields > 0) {
      this.yields--;
      this.seen.push('goes on');
    } else {
      this.obey(this.inbox.shift()!);
    }
  }

  private obey(order: Order): void {
    this.seen.push(order.kind);
    if (order.kind === 'yield') {
      this.yields = order.times;
    } else if (order.kind === 'return') {
      this.seen.push('cleaned');
      this.over('ended');
    } else if (order.kind === 'throw') {
      this.seen.push('cleaned');
      this.isRunning = false;
      if (this.options.policy !== 'restart' || this.restarts === this.options.most) this.over('failed');
      else this.restarts++;
    }
  }

  private over(how: string): void {
    this.end = how;
    this.isRunning = false;
    this.dropped += this.inbox.splice(0).length;
  }
}

function* generator(self: Self<Order>, seen: string[]): Generator<void | symbol, void, unknown> {
  seen.push('begins');
  try {
    for (;;) {
      const order = yield* self.receive();
      seen.push(order.kind);
      if (order.kind === 'throw') throw new Error('as told');
      if (order.kind === 'return') return;
      if (order.kind !== 'yield') continue;
      for (let i = 0; i < order.times; i++) {
        yield;
        seen.push('goes on');
      }
    }
  } finally {
    seen.push('cleaned');
  }
}

async function asynchronous(self: Self<Order>, seen: string[]): Promise<void> {
  seen.push('begins');
  try {
    for (;;) {
      const order = await self.next();
      seen.push(order.kind);
      if (order.kind === 'throw') throw new Error('as told');
      if (order.kind === 'return') return;
      if (order.kind !== 'yield') continue;
      for (let i = 0; i < order.times; i++) {
        await self.pause();
        seen.push('goes on');
      }
    }
  } finally {
    seen.push('cleaned');
  }
}

const anOrder: fc.Arbitrary<Order> = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Order>({ kind: 'take' }) },
  { weight: 2, arbitrary: fc.constant<Order>({ kind: 'throw' }) },
  { weight: 1, arbitrary: fc.constant<Order>({ kind: 'return' }) },
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 3 }).map((times): Order => ({ kind: 'yield', times })) },
);
const operations = (isByTurns: boolean): fc.Arbitrary<Operation[]> => fc.array(fc.oneof(
  { weight: 12, arbitrary: anOrder.map((order): Operation => ({ kind: 'send', order })) },
  { weight: 1, arbitrary: fc.constant<Operation>({ kind: 'cancel' }) },
  { weight: isByTurns ? 6 : 0, arbitrary: fc.constant<Operation>({ kind: 'turn' }) },
  { weight: 3, arbitrary: fc.constant<Operation>({ kind: 'rest' }) },
), { maxLength: 60 });
const someOptions: fc.Arbitrary<Options> = fc.record({
  capacity: fc.constantFrom(1, 2, 3, 40), most: fc.integer({ min: 0, max: 4 }),
  policy: fc.constantFrom('restart', 'restart', 'stop', 'escalate'),
});

/** A town whose turns have one quantum each, with one process. */
function build({ capacity, most, policy }: Options, body: (self: Self<Order>, seen: string[]) => never) {
  const town = new ProcessTown(1, 1);
  const seen: string[] = [];
  const made = createProcess(
    town.reactor(0), { name: 'p', capacity, supervise: { policy, most, withinMs: 2 ** 31 - 1 } },
    (self: Self<Order>) => body(self, seen),
  );
  return { town, seen, made: made as Process<Order> };
}

function compare(model: Model, { town, seen, made }: ReturnType<typeof build>): void {
  const droppedNow = town.parties[0]!.inside.turn.counters;
  const row = tasksOf(town.reactor(0))[0];
  expect(seen).toEqual(model.seen);
  expect([made.state === 'ended', made.depth, droppedNow.length > 0]).toEqual(
    [model.end !== undefined, model.inbox.length, true],
  );
  expect(row?.restarts, 'restarts').toBe(model.end === undefined ? model.restarts : undefined);
}

describe('a process does what the model does', () => {
  it('as a generator, quantum by quantum', () => {
    fc.assert(fc.property(someOptions, operations(true), (options, list) => {
      const model = new Model(options);
      const built = build(options, generator as never);
      for (const operation of list) {
        if (operation.kind === 'send') {
          expect(built.made.send(operation.order)).toBe(model.send(operation.order));
        } else if (operation.kind === 'cancel') {
          built.made.cancel();
          model.cancel();
        } else if (operation.kind === 'turn') {
          built.town.turn();
          model.quantum();
        } else {
          built.town.rest();
          while (model.quantum());
        }
        compare(model, built);
      }
    }), { numRuns: RUNS });
  });

  it('as an asynchronous function, whenever it is at rest', async () => {
    await fc.assert(fc.asyncProperty(someOptions, operations(false), async (options, list) => {
      const model = new Model(options);
      const built = build(options, asynchronous as never);
      for (const operation of list) {
        if (operation.kind === 'send') {
          expect(built.made.send(operation.order)).toBe(model.send(operation.order));
        } else if (operation.kind === 'cancel') {
          built.made.cancel();
          model.cancel();
        } else {
          await built.town.restAll();
          while (model.quantum());
          compare(model, built);
        }
      }
      if (model.end === undefined) return;
      expect((await built.made.join()).how).toBe(model.end);
    }), { numRuns: RUNS / 3 });
  });
});

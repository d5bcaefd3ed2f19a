/**
 * Random commands on deque and window against a plain array, at capacities 1 to 4 and with every policy, while several
 * ends are open. After each command every count must be what the model says. The window is also compared with
 * ringbufferjs used directly. A failure prints its seed, its path and the shortest commands that fail.
 */
import fc from 'fast-check';
import RingBuffer from 'ringbufferjs';
import { describe, expect, it } from 'vitest';
import { createDeque } from './deque.js';
import { type InThreadQueue, propertiesInThread, pubInThread, subInThread } from './in-thread.js';
import type { DequePolicy } from './deque.js';
import type { QueueConsumer, QueueProducer } from './queue-ends.js';
import { BACK_PRESSURED, CLOSED, DROPPED, EMPTY, OK } from '../result-codes.js';
import { createWindow } from './window.js';

const RUNS = process.env['PERCORE_STRESS'] === '1' ? 8000 : 150;
const ENDS = 2;

/** What is offered: a new number each time, and now and then `undefined`, which is a value too. */
type Value = number | undefined;

type Step =
  | { does: 'offer'; by: number; isUndefined: boolean }
  | { does: 'poll'; by: number }
  | { does: 'drain'; by: number; limit: number; throwsAt: number; offersInside: boolean }
  | { does: 'flush'; by: number }
  | { does: 'closeProducer'; by: number }
  | { does: 'closeConsumer'; by: number };

const by = fc.nat({ max: ENDS - 1 });
const steps = fc.array(
  fc.oneof(
    {
      weight: 12,
      arbitrary: fc.record({
        does: fc.constant('offer' as const), by, isUndefined: fc.nat({ max: 9 }).map((n) => n === 0),
      }),
    },
    { weight: 8, arbitrary: fc.record({ does: fc.constant('poll' as const), by }) },
    {
      weight: 4,
      arbitrary: fc.record({
        does: fc.constant('drain' as const), by, limit: fc.integer({ min: 0, max: 5 }),
        // 0 and what the drain does not reach: it throws not at all.
        throwsAt: fc.integer({ min: 0, max: 4 }), offersInside: fc.boolean(),
      }),
    },
    { weight: 1, arbitrary: fc.record({ does: fc.constant('flush' as const), by }) },
    { weight: 1, arbitrary: fc.record({ does: fc.constant('closeProducer' as const), by }) },
    { weight: 1, arbitrary: fc.record({ does: fc.constant('closeConsumer' as const), by }) },
  ),
  { minLength: 1, maxLength: 60, size: 'max' },
);

class Model {
  values: Value[] = [];
  published = 0;
  consumed = 0;
  refused = 0;
  newest = 0;
  oldest = 0;
  closed = 0;
  highWater = 0;
  producers = new Set([0, 1]);
  consumers = new Set([0, 1]);

  constructor(readonly capacity: number, readonly whenFull: DequePolicy) {}

  offer(producer: number, value: Value): number {
    if (!this.producers.has(producer) || this.consumers.size === 0) return CLOSED;
    if (this.values.length === this.capacity) {
      if (this.whenFull === 'wait') {
        this.refused++;
        return BACK_PRESSURED;
      }
      if (this.whenFull === 'drop-newest') {
        this.newest++;
        return DROPPED;
      }
      this.values.shift();
      this.oldest++;
    }
    this.values.push(value);
    this.published++;
    this.highWater = Math.max(this.highWater, this.values.length);
    return OK;
  }

  isEnded(consumer: number): boolean {
    return !this.consumers.has(consumer) || (this.producers.size === 0 && this.values.length === 0);
  }

  closeConsumer(consumer: number): void {
    this.consumers.delete(consumer);
    if (this.consumers.size > 0) return;
    this.closed += this.values.length;
    this.values = [];
  }
}

/** Runs the steps on `queue` and on the model. `also` is told of each value that was offered and each that came out. */
function run(
  queue: InThreadQueue<Value>, model: Model, script: readonly Step[], met: Map<string, number>,
  also?: { offered(value: Value): void; taken(value: Value): void },
): void {
  const meet = (event: string) => void met.set(event, (met.get(event) ?? 0) + 1);
  const producers: QueueProducer<Value>[] = Array.from({ length: ENDS }, () => pubInThread(queue));
  const consumers: QueueConsumer<Value>[] = Array.from({ length: ENDS }, () => subInThread(queue));
  let next = 0;
  const offer = (producer: number, isUndefined: boolean) => {
    const value = isUndefined ? undefined : next++;
    const code = producers[producer]!.offer(value);
    expect(code).toBe(model.offer(producer, value));
    if (code === OK) also?.offered(value);
    meet(`offer ${code}`);
  };
  const take = (value: Value) => {
    expect(value).toBe(model.values.shift());
    model.consumed++;
    also?.taken(value);
  };
  for (const step of script) {
    const consumer = consumers[step.by]!;
    switch (step.does) {
      case 'offer':
        offer(step.by, step.isUndefined);
        break;
      case 'poll': {
        const expected = model.isEnded(step.by) ? CLOSED : model.values.length > 0 ? OK : EMPTY;
        const value = consumer.poll();
        expect(consumer.state).toBe(expected);
        if (expected === OK) take(value);
        else expect(value).toBe(undefined);
        meet(`poll ${expected}`);
        break;
      }
      case 'drain': {
        const isEnded = model.isEnded(step.by);
        const most = Math.min(step.limit, model.values.length);
        let handled = 0;
        const drain = () => consumer.drain((value) => {
          take(value);
          handled++;
          if (step.offersInside) offer(0, false);
          if (handled === step.throwsAt) throw new Error('by the handler');
        }, step.limit);
        if (!isEnded && step.throwsAt >= 1 && step.throwsAt <= most) {
          expect(drain).toThrow('by the handler');
          expect(handled, 'a value that was handed over counts as read').toBe(step.throwsAt);
          meet('thrown');
        } else {
          expect(drain()).toBe(isEnded ? CLOSED : most);
          expect(handled).toBe(isEnded ? 0 : most);
          meet(isEnded ? 'drain closed' : most > 0 ? 'drained' : 'drain nothing');
        }
        break;
      }
      case 'flush':
        expect(producers[step.by]!.flush()).toBe(
          !model.producers.has(step.by) || model.consumers.size === 0 ? CLOSED : OK,
        );
        break;
      case 'closeProducer':
        producers[step.by]!.close();
        model.producers.delete(step.by);
        break;
      case 'closeConsumer':
        consumer.close();
        model.closeConsumer(step.by);
        break;
      default:
    }
    const properties = propertiesInThread(queue);
    expect(properties).toMatchObject({
      kind: 'mpmc', capacity: model.capacity, depth: model.values.length, highWater: model.highWater,
      published: model.published, consumed: model.consumed, refused: model.refused,
      dropped: { newest: model.newest, oldest: model.oldest, evicted: 0, closed: model.closed },
      isClosed: model.producers.size === 0 || model.consumers.size === 0,
    });
    expect(properties.published).toBe(
      properties.consumed + properties.depth + properties.dropped.oldest + properties.dropped.closed,
    );
    expect(properties.consumers.map(({ place, lag }) => ({ place, lag }))).toEqual(
      [...model.consumers].map((place) => ({ place, lag: model.values.length })),
    );
  }
}

/** The rarest of them came 46 to 76 times in a dozen runs of the short form. */
function expectMet(met: Map<string, number>, events: readonly string[]): void {
  for (const event of events) expect(met.get(event) ?? 0, `the runs met "${event}"`).toBeGreaterThan(10);
}

const EVERYWHERE = [
  'offer 0', `offer ${CLOSED}`, 'poll 0', `poll ${EMPTY}`, `poll ${CLOSED}`, 'drained', 'drain closed', 'drain nothing',
  'thrown',
];

describe('a deque is a bounded array with a policy', () => {
  for (const whenSlow of ['wait', 'drop-newest', 'drop-oldest'] as const) {
    it(`${whenSlow}, capacity 1 to 4`, () => {
      const met = new Map<string, number>();
      let oldest = 0;
      fc.assert(fc.property(fc.integer({ min: 1, max: 4 }), steps, (capacity, script) => {
        const model = new Model(capacity, whenSlow);
        run(createDeque<Value>({ capacity, whenSlow }), model, script, met);
        oldest += model.oldest;
      }), { numRuns: RUNS });
      expectMet(met, EVERYWHERE);
      if (whenSlow === 'wait') expectMet(met, [`offer ${BACK_PRESSURED}`]);
      if (whenSlow === 'drop-newest') expectMet(met, [`offer ${DROPPED}`]);
      if (whenSlow === 'drop-oldest') expect(oldest).toBeGreaterThan(20);
    });
  }
});

describe('a window does what an array that forgets its oldest value does, and what ringbufferjs does', () => {
  it('capacity 1 to 4', () => {
    const met = new Map<string, number>();
    let overwritten = 0;
    fc.assert(fc.property(fc.integer({ min: 1, max: 4 }), steps, (capacity, script) => {
      const model = new Model(capacity, 'drop-oldest');
      const evicted: Value[] = [];
      const ring = new RingBuffer<Value>(capacity, (value) => void evicted.push(value));
      run(createWindow<Value>({ capacity }), model, script, met, {
        offered: (value) => void ring.enq(value),
        taken: (value) => expect(ring.deq(), 'ringbufferjs gives the same').toBe(value),
      });
      expect(evicted.length, 'and has overwritten as many').toBe(model.oldest);
      expect(ring.size()).toBe(model.values.length + model.closed);
      overwritten += evicted.length;
    }), { numRuns: RUNS });
    expectMet(met, EVERYWHERE);
    expect(overwritten).toBeGreaterThan(100);
  });
});

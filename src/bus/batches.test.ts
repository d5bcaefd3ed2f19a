import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { AGAIN, BACK_PRESSURED, CLOSED, EVICTED, OK, TOO_LARGE, bytes, msgpack, struct } from '../queues/index.js';
import { Random } from '../random.js';
import type { ByteRecord, Runtime } from '../reactor/index.js';
import {
  createTopic, subscribe, subscribeBatches, subscribeBytes, topicsOf, type SubscribeOptions, type TopicInfo,
} from './index.js';
import { errorOf, inside, sleep, until, withRuntime } from './fixtures/inside.js';

const numbers = (count: number, from = 0): number[] => Array.from({ length: count }, (_, i) => from + i);

/** Notes what it is handed, list by list. */
function listing(runtime: Runtime, pattern: string, options: SubscribeOptions = {}) {
  const lists: unknown[][] = [];
  const subscription = subscribeBatches(runtime, pattern, options, (list) => void lists.push([...list]));
  return { lists, subscription, flat: () => lists.flat() as number[] };
}

describe('a batch of messages', () => {
  it('comes as one list to those who take lists, and one by one to others, in every thread', async () => {
    await withRuntime(1, {}, async (runtime) => {
      await inside(runtime, 0, (reactor, _argument, { bus, state }) => {
        state['lists'] = [];
        bus.subscribeBatches(reactor, 'n', {}, (list, { from }) => void state['lists'].push([...list, `of ${from}`]));
        state['topic'] = bus.createTopic(reactor, { name: 'n' });
      });
      const ones: unknown[] = [];
      const one = subscribe(runtime, 'n', {}, (value) => void ones.push(value));
      const topic = createTopic(runtime, { name: 'n' });
      // Each thread is told of the topic before the first message.
      expect(topic.publish('first')).toBe(OK);
      const before = runtime.status().main.sent;
      expect(topic.publishBatch(['a', 'b', 'c'])).toBe(3);
      expect(runtime.status().main.sent - before, 'figures count messages: three for each of two threads').toBe(6);
      expect(topic.publish('d')).toBe(OK);
      expect(topic.publishBatch(['e'])).toBe(1);
      expect(topic.publishBatch([])).toBe(0);
      await until(() => ones.length === 6, 'all of them one by one');
      expect(ones).toEqual(['first', 'a', 'b', 'c', 'd', 'e']);
      const lists = () => inside(runtime, 0, (_r, _a, { state }) => state['lists']) as Promise<unknown[][]>;
      await until(async () => (await lists()).length === 4, 'all lists');
      expect(await lists()).toEqual([['first', 'of 1'], ['a', 'b', 'c', 'of 1'], ['d', 'of 1'], ['e', 'of 1']]);
      expect(topicsOf(runtime)).toMatchObject({ topics: [{ published: 6, refused: 0 }], delivered: 6 });
      expect(one.status()).toMatchObject({ received: 6, dropped: 0, lag: 0 });
      const inReactor = await inside(runtime, 0, (reactor, _argument, { bus, state }) =>
        [bus.topicsOf(reactor).subscriptions[0]!.received, state['topic'].publishBatch(['f', 'g'])]);
      expect(inReactor).toEqual([6, 2]);
      await until(() => ones.length === 8, 'those of the reactor');
      // What was sent is received, message for message, or the runtime would wait for it at its end.
      expect((await runtime.close({ drainMs: 5000 })).drained).toBe(true);
    });
  });

  it('carries every codec, read and in place, however long its messages are', async () => {
    await withRuntime(1, {}, async (runtime) => {
      const text = (n: number): string => 'ü'.repeat(n * 7);
      const kinds = [
        { name: 'values', codec: undefined, of: (n: number) => ({ n, text: text(n), when: new Date(n) }) },
        { name: 'packed', codec: msgpack(), of: (n: number) => ({ n, text: text(n) }) },
        { name: 'structs', codec: struct({ n: 'u32' }), of: (n: number) => ({ n }) },
        { name: 'odd', codec: struct({ n: 'u8', m: 'f64', k: 'u8' }), of: (n: number) => ({ n, m: n / 3, k: n }) },
        { name: 'bytes', codec: bytes, of: (n: number) => new Uint8Array(n * 3).fill(n) },
      ];
      for (const { name, codec, of } of kinds) {
        const list = listing(runtime, name);
        const ones: unknown[] = [];
        const lengths: number[] = [];
        const later: Uint8Array[] = [];
        subscribe(runtime, name, {}, (value) => void ones.push(value));
        const copyOf = ({ bytes: memory, offset, length }: ByteRecord): Uint8Array =>
          memory.slice(offset, offset + length);
        subscribeBytes(runtime, name, {}, (record) => void lengths.push(record.length));
        subscribeBytes(runtime, name, { priority: 1 }, (record) => void later.push(copyOf(record)));
        const topic = createTopic(runtime, { name, ...(codec === undefined ? {} : { codec }) } as { name: string });
        const values = numbers(40).map((n) => of(n));
        expect(topic.publishBatch(values), name).toBe(40);
        await until(() => ones.length === 40 && list.flat().length === 40 && later.length === 40, name);
        expect(ones).toEqual(values);
        expect(list.flat()).toEqual(values);
        expect(lengths, 'copies that wait are of the same messages').toEqual(later.map(({ length }) => length));
        if (name === 'bytes') expect(later).toEqual(values);
      }
    });
  });

  it('of more than fit is divided, and publishBatch says how many were taken', async () => {
    await withRuntime(1, { laneBytes: 4096 }, async (runtime) => {
      const { lists, flat } = listing(runtime, 'n', { capacity: 4096 });
      const topic = createTopic(runtime, { name: 'n' });
      const values = numbers(1000);
      const taken = topic.publishBatch(values);
      expect(taken).toBeGreaterThan(40);
      expect(taken).toBeLessThan(1000);
      expect(topicsOf(runtime).topics[0]).toMatchObject({ published: taken, refused: 1000 - taken });
      expect(topic.publishBatch(values.slice(taken))).toBe(BACK_PRESSURED);
      let next = taken;
      while (next < 1000) {
        await new Promise<void>((resolve) => topic.whenRoom(resolve));
        const more = topic.publishBatch(values.slice(next));
        next += Math.max(0, more);
      }
      await until(() => flat().length === 1000, 'all');
      expect(flat()).toEqual(values);
      expect(Math.max(...lists.map(({ length }) => length)), 'some are long').toBeGreaterThan(10);

      // Whatever stops a batch is what the next one begins with.
      const large = 'x'.repeat(5000);
      expect(topic.publishBatch([1, 2, large, 3])).toBe(2);
      expect(topic.publishBatch([large, 3])).toBe(TOO_LARGE);
      const bad = (): void => undefined;
      expect(topic.publishBatch([4, bad, 5])).toBe(1);
      expect(await errorOf(() => topic.publishBatch([bad, 5]))).toMatchObject({ code: 'ERR_PERCORE_UNSERIALIZABLE' });
      // Longer than its share of a lane, and so by itself.
      const long = 'y'.repeat(1500);
      expect(topic.publishBatch([6, long, 7])).toBe(3);
      await until(() => flat().length === 1006, 'the rest');
      expect(flat().slice(1000)).toEqual([1, 2, 4, 6, long, 7]);
      expect(await errorOf(() => topic.publishBatch('text' as never))).toMatchObject({
        code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'values',
      });
      topic.close();
      expect([topic.publishBatch([1]), topic.publishBatch([])]).toEqual([CLOSED, CLOSED]);
    });
  });

  it('has at most 256 messages, also where they have waited', async () => {
    await withRuntime(1, {}, async (runtime) => {
      const { lists, flat } = listing(runtime, 'n', { priority: 1 });
      const at = listing(runtime, 'n');
      const topic = createTopic(runtime, { name: 'n', codec: struct({ n: 'u32' }) });
      const values = numbers(600).map((n) => ({ n }));
      expect(topic.publishBatch(values)).toBe(600);
      await until(() => flat().length === 600 && at.flat().length === 600, 'all');
      expect([flat(), at.flat()]).toEqual([values, values]);
      expect(at.lists.map(({ length }) => length)).toEqual([256, 256, 88]);
      expect(Math.max(...lists.map(({ length }) => length))).toBeLessThanOrEqual(256);
    });
  });

  it('is of one topic and publisher, whatever the pattern, and is not looked at where nobody subscribes', async () => {
    await withRuntime(1, {}, async (runtime) => {
      const lists: unknown[] = [];
      subscribeBatches(runtime, 'p.*', { priority: 1 }, (list, { topic }: TopicInfo) => {
        lists.push([topic, ...list]);
      });
      const [a, b, c] = ['p.a', 'p.b', 'q'].map((name) => createTopic(runtime, { name }));
      a!.publishBatch([1, 2]);
      b!.publishBatch([3, 4]);
      a!.publishBatch([5, 6]);
      const trap = { get never(): number { throw new Error('looked at'); } };
      expect(c!.publishBatch([trap, trap])).toBe(2);
      await until(() => lists.length === 3, 'all');
      expect(lists).toEqual([['p.a', 1, 2], ['p.b', 3, 4], ['p.a', 5, 6]]);
    });
  });

  it('leaves its last value behind, for those who come later', async () => {
    await withRuntime(1, {}, async (runtime) => {
      const topic = createTopic(runtime, { name: 'n', retain: true });
      expect(topic.publishBatch([1, 2, 3])).toBe(3);
      const { lists, subscription } = listing(runtime, 'n');
      await subscription.ready;
      expect(lists).toEqual([[3]]);
      topic.publishBatch([4, { five: 5 }]);
      const late: unknown[] = [];
      await subscribe(runtime, 'n', {}, (value) => void late.push(value)).ready;
      await until(() => lists.length === 2, 'the next');
      expect([late, lists[1]]).toEqual([[{ five: 5 }], [4, { five: 5 }]]);
    });
  });

  it('lets others of its band run after 16 messages that are taken one by one', async () => {
    await withRuntime(1, { budget: { timeNs: 1e9 } }, async (runtime) => {
      const order: unknown[] = [];
      subscribe(runtime, 'n', {}, (value) => {
        order.push(value);
        if (value === 0) other.send(null);
      });
      const other = runtime.spawn<null>({ name: 'other' }, () => void order.push('other'));
      const topic = createTopic(runtime, { name: 'n' });
      topic.publish(-1);
      await until(() => order.length === 1, 'the topic is known');
      order.length = 0;
      const before = runtime.status().main.steps[3]!;
      expect(topic.publishBatch(numbers(40))).toBe(40);
      await until(() => order.length === 41, 'all');
      expect(order.indexOf('other')).toBe(16);
      expect(order.filter((each) => each !== 'other')).toEqual(numbers(40));
      expect(runtime.status().main.steps[3]! - before, 'each is a step').toBe(41);
    });
  });

  it('may be published by a getter of its own values', async () => {
    await withRuntime(1, {}, async (runtime) => {
      const { flat } = listing(runtime, 'n');
      const topic = createTopic(runtime, { name: 'n', codec: struct({ n: 'u32' }) });
      let inner = 0;
      const value = { get n(): number { return inner++ === 0 ? topic.publishBatch([{ n: 7 }, { n: 8 }]) : 9; } };
      expect(topic.publishBatch([{ n: 1 }, value, { n: 2 }])).toBe(3);
      await until(() => flat().length === 5, 'all');
      expect(flat()).toEqual([{ n: 7 }, { n: 8 }, { n: 1 }, { n: expect.any(Number) }, { n: 2 }]);
    });
  });
});

describe('a slow subscriber of batches', () => {
  /** It takes a list and does not finish it until it is opened. */
  const slow = (runtime: Runtime, options: SubscribeOptions) => {
    const lists: number[][] = [];
    let open!: () => void;
    const gate = new Promise<void>((resolve) => (open = resolve));
    const subscription = subscribeBatches(runtime, 'n', { concurrency: 1, ...options }, (list) => {
      lists.push([...list as number[]]);
      return gate;
    });
    return { subscription, lists, open };
  };

  it("with 'wait' holds the lane at the message for which it has no room, and nothing is lost", async () => {
    await withRuntime(1, {}, async (runtime) => {
      const one = slow(runtime, { capacity: 10 });
      const ones: number[] = [];
      subscribe(runtime, 'n', {}, (value) => void ones.push(value as number));
      const topic = createTopic(runtime, { name: 'n' });
      expect(topic.publishBatch(numbers(100))).toBe(100);
      await until(() => one.subscription.status().lag === 10, 'it is full');
      const { received } = one.subscription.status();
      expect(ones, 'all have a message or none has').toEqual(numbers(received + 10));
      await sleep(20);
      expect(ones.length).toBe(received + 10);
      one.open();
      await until(() => one.lists.flat().length === 100 && ones.length === 100, 'all');
      expect([one.lists.flat(), ones]).toEqual([numbers(100), numbers(100)]);
      expect(one.subscription.status()).toMatchObject({ received: 100, dropped: 0, lag: 0 });
    });
  });

  it("with 'drop-newest' and 'drop-oldest' loses and counts messages, not lists", async () => {
    await withRuntime(1, {}, async (runtime) => {
      const newest = slow(runtime, { capacity: 4, whenSlow: 'drop-newest' });
      const oldest = slow(runtime, { capacity: 4, whenSlow: 'drop-oldest' });
      const topic = createTopic(runtime, { name: 'n' });
      topic.publish(0);
      await until(() => newest.lists.length === 1 && oldest.lists.length === 1, 'both are busy');
      topic.publishBatch(numbers(60, 1));
      topic.publishBatch(numbers(39, 61));
      await until(() => [newest, oldest].every(({ subscription }) => subscription.status().dropped === 95), 'all');
      expect(newest.subscription.status()).toMatchObject({ lag: 4, droppedByReason: { newest: 95, oldest: 0 } });
      expect(oldest.subscription.status()).toMatchObject({ lag: 4, droppedByReason: { newest: 0, oldest: 95 } });
      newest.open();
      oldest.open();
      await until(() => newest.lists.length === 2 && oldest.lists.length === 2, 'what was kept, in one list');
      expect([newest.lists, oldest.lists]).toEqual([[[0], [1, 2, 3, 4]], [[0], [96, 97, 98, 99]]]);
      expect([newest, oldest].map(({ subscription }) => subscription.status().received)).toEqual([5, 5]);
    });
  });

  it("with 'evict' is evicted, and what waited counts as messages; so does what waits when it leaves", async () => {
    await withRuntime(1, {}, async (runtime) => {
      runtime.on('stepError', () => undefined);
      const late = slow(runtime, { capacity: 4, whenSlow: 'evict', evictAfterMs: 30 });
      const gone = slow(runtime, { capacity: 1000 });
      const ones: unknown[] = [];
      subscribe(runtime, 'n', {}, (value) => void ones.push(value));
      const topic = createTopic(runtime, { name: 'n' });
      topic.publish(0);
      await until(() => late.lists.length === 1 && gone.lists.length === 1, 'both are busy');
      topic.publishBatch(numbers(50, 1));
      expect(await late.subscription.ended).toBe(EVICTED);
      await until(() => ones.length === 51, 'the other has all');
      expect(late.subscription.status()).toMatchObject({ received: 1, dropped: 4, droppedByReason: { evicted: 4 } });
      gone.subscription.leave();
      expect(gone.subscription.status()).toMatchObject({ received: 1, dropped: 50, droppedByReason: { left: 50 } });
    });
  });

  it('gets the same messages again after BACK_PRESSURED or AGAIN, and may leave in the middle', async () => {
    await withRuntime(1, {}, async (runtime) => {
      let tries = 0;
      const again: unknown[][] = [];
      subscribeBatches(runtime, 'n', { capacity: 3 }, (list) => {
        again.push([...list]);
        return ++tries === 1 ? AGAIN : OK;
      });
      const left: unknown[] = [];
      const leaving = subscribeBatches(runtime, 'n', {}, (list) => {
        left.push(...list);
        leaving.leave();
      });
      const topic = createTopic(runtime, { name: 'n' });
      topic.publishBatch(numbers(5));
      await until(() => again.flat().length === 8, 'all');
      expect(again[0]).toEqual([0, 1, 2]);
      expect(again.slice(1).flat()).toEqual(numbers(5));
      expect(left).toEqual([0, 1, 2]);
      expect(leaving.status()).toMatchObject({ received: 3, dropped: 0, isOver: true });
    });
  });
});

describe('a batch and deaths', () => {
  it('counts as so many messages where its publisher dies before it is published', async () => {
    await withRuntime(1, { restart: { most: 3, withinMs: 60_000 } }, async (runtime) => {
      const { flat } = listing(runtime, 'n');
      const died = once(runtime, 'reactorDied');
      await inside(runtime, 0, (reactor, _argument, { bus, state }) => {
        state['topic'] = bus.createTopic(reactor, { name: 'n' });
        state['topic'].publish(0);
      });
      await until(() => flat().length === 1, 'the topic is known');
      void inside(runtime, 0, (reactor, _argument, { state: { topic } }) => {
        reactor.spawn<null>({ name: 'dies' }, () => {
          topic.publishBatch([1, 2, 3, 4, 5]);
          topic.publishBatch([6, 7]);
          topic.publish(8);
          process.exit(1);
        }).send(null);
      }).catch(() => undefined);
      const [{ lost }] = await died as [{ lost: { unpublished: number } }];
      expect(lost.unpublished).toBe(8);
      expect(flat()).toEqual([0]);
      await until(() => runtime.status().reactors[0]!.state === 'ready', 'it is back');
      expect((await runtime.close({ drainMs: 5000 })).drained, 'nobody waits for them').toBe(true);
    });
  });

  it('is all that counts: the record that makes a topic known is no message that was sent, or lost', async () => {
    await withRuntime(1, {}, async (runtime) => {
      listing(runtime, 'n');
      const topic = createTopic(runtime, { name: 'n' });
      const { sent, received } = runtime.status().main;
      expect(topic.publish(0)).toBe(OK);
      expect(runtime.status().main.sent - sent).toBe(1);
      await until(() => topicsOf(runtime).delivered === 1, 'it has come');
      expect(runtime.status().main.received - received).toBe(1);

      const died = once(runtime, 'reactorDied');
      void inside(runtime, 0, (reactor, _argument, { bus }) => {
        const other = bus.createTopic(reactor, { name: 'n' });
        reactor.spawn<null>({ name: 'dies' }, () => {
          other.publishBatch([2, 3]);
          process.exit(1);
        }).send(null);
      }).catch(() => undefined);
      const [{ lost }] = await died as [{ lost: { unpublished: number } }];
      expect(lost.unpublished).toBe(2);
    });
  });

  it('counts as begun, or as unknown to the next thread, where its subscriber dies in the middle', async () => {
    await withRuntime(1, { restart: { most: 3, withinMs: 60_000 } }, async (runtime) => {
      await inside(runtime, 0, (reactor, _argument, { bus }) => {
        bus.subscribe(reactor, 'n', {}, (n) => {
          if (n === 2) process.exit(1);
        });
      });
      const topic = createTopic(runtime, { name: 'n' });
      const died = once(runtime, 'reactorDied');
      const restarted = once(runtime, 'reactorRestarted');
      topic.publishBatch([0, 1, 2, 3, 4]);
      topic.publishBatch([5, 6, 7]);
      const [{ lost }] = await died as [{ lost: { unpublished: number; begun: number } }];
      expect(lost).toMatchObject({ unpublished: 0, begun: 5 });
      await restarted;
      const unknown = () => inside(runtime, 0, (reactor, _argument, { bus }) => {
        // It knows the bus once it subscribes.
        bus.subscribe(reactor, 'm', {}, () => undefined);
        return bus.topicsOf(reactor).unknown;
      });
      await until(async () => (await unknown()) + runtime.status().reactors[0]!.dropped === 3, 'the other three');
      expect((await runtime.close({ drainMs: 5000 })).drained).toBe(true);
    });
  });
});

describe('batches against messages one by one', () => {
  it('are the same to every subscriber, whatever its policy, at random', async () => {
    const seeds = process.env['PERCORE_STRESS'] === undefined ? 20 : 5000;
    await withRuntime(1, { laneBytes: 4096 }, async (runtime) => {
      for (let seed = 0; seed < seeds; seed++) {
        const chance = new Random(seed);
        const topics = { batch: createTopic(runtime, { name: 'batch' }), one: createTopic(runtime, { name: 'one' }) };
        const policies = ['wait', 'drop-newest', 'drop-oldest'] as const;
        const doors: (() => void)[] = [];
        const pairs = numbers(1 + chance.below(4)).map(() => {
          const options: SubscribeOptions = {
            capacity: 1 + chance.below(12), whenSlow: policies[chance.below(3)]!,
            ...(chance.oneIn(2) ? { concurrency: 1 } : {}), ...(chance.oneIn(3) ? { priority: chance.below(8) } : {}),
          };
          // The same decisions for both of a pair, by the message.
          const salt = chance.below(100);
          const refused = new Set<string>();
          return (['batch', 'one'] as const).map((name) => {
            const heard: number[] = [];
            const subscription = subscribe(runtime, name, options, (value) => {
              const n = value as number;
              if ((n + salt) % 7 === 0 && !refused.has(`${name} ${n}`)) {
                refused.add(`${name} ${n}`);
                return AGAIN;
              }
              heard.push(n);
              if (options.concurrency === undefined || (n + salt) % 11 !== 0) return undefined;
              return new Promise<void>((resolve) => doors.push(resolve));
            });
            return { heard, subscription };
          });
        });
        const list = listing(runtime, 'batch', { capacity: 8 });
        const settle = async (): Promise<void> => {
          let [before, now] = ['', ' '];
          while (before !== now) {
            before = now;
            for (let i = 0; i < 4; i++) await new Promise((resolve) => setImmediate(resolve));
            now = JSON.stringify(pairs.flat().map(({ subscription }) => subscription.status()));
          }
        };
        let [batched, single] = [0, 0];
        for (let round = 0; round < 12; round++) {
          const count = chance.below(24);
          batched += Math.max(0, topics.batch.publishBatch(numbers(count, batched)));
          while (single < batched && topics.one.publish(single) === OK) single++;
          await settle();
          if (chance.oneIn(2)) doors.splice(0).forEach((open) => open());
          await settle();
        }
        for (let i = 0; i < 1000 && (single < batched || doors.length > 0); i++) {
          doors.splice(0).forEach((open) => open());
          while (single < batched && topics.one.publish(single) === OK) single++;
          await settle();
        }
        await until(() => {
          doors.splice(0).forEach((open) => open());
          return pairs.flat().every(({ subscription }) => subscription.status().lag === 0)
            && list.flat().length === batched;
        }, `all of seed ${seed}`);
        expect(list.flat(), `seed ${seed}`).toEqual(numbers(batched));
        for (const [batch, one] of pairs) {
          const waits = batch!.subscription.status().whenSlow === 'wait';
          for (const { heard, subscription } of [batch!, one!]) {
            const { received, dropped } = subscription.status();
            expect(received + dropped, `seed ${seed}`).toBe(batched);
            expect(heard.length).toBe(received);
            expect(heard.every((n, i) => i === 0 || n > heard[i - 1]!), `order of seed ${seed}`).toBe(true);
          }
          if (waits) expect(batch!.heard, `seed ${seed}`).toEqual(one!.heard);
        }
        for (const { subscription } of [...pairs.flat(), list]) subscription.leave();
        for (const topic of Object.values(topics)) topic.close();
      }
    });
  });
});

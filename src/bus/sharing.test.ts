/** Messages of a struct that are published one by one and share a record of each lane. */
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { AGAIN, BACK_PRESSURED, OK, struct } from '../queues/index.js';
import { Random } from '../random.js';
import type { Runtime } from '../reactor/index.js';
import { createTopic, subscribe, subscribeBatches, subscribeBytes, topicsOf, type SubscribeOptions } from './index.js';
import { inside, until, withRuntime } from './fixtures/inside.js';

const numbers = (count: number, from = 0): number[] => Array.from({ length: count }, (_, i) => from + i);
const codec = struct({ n: 'u32', half: 'u16' });
const of = (n: number): { n: number; half: number } => ({ n, half: n >> 1 });

/** Notes the numbers that it is handed, list by list. */
function listing(runtime: Runtime, pattern: string, options: SubscribeOptions = {}) {
  const lists: number[][] = [];
  const subscription = subscribeBatches(
    runtime, pattern, options, (list) => void lists.push((list as { n: number }[]).map(({ n }) => n)),
  );
  return { lists, subscription, flat: () => lists.flat() };
}

describe('messages of a struct that are published one by one', () => {
  it('share a record of each lane until it is published, and each is counted', async () => {
    await withRuntime(1, {}, async (runtime) => {
      await inside(runtime, 0, (reactor, _argument, { bus, state }) => {
        state['heard'] = [];
        bus.subscribeBytes(reactor, 's', {}, ({ words, offset, length }) => {
          state['heard'].push([words[offset >> 2], length]);
        });
      });
      const { lists, flat } = listing(runtime, 's');
      const topic = createTopic(runtime, { name: 's', codec });
      const { sent, received } = runtime.status().main;
      for (const n of numbers(40)) expect(topic.publish(of(n))).toBe(OK);
      expect(runtime.status().main.sent - sent).toBe(80);
      await until(() => flat().length === 40, 'all here');
      expect(flat()).toEqual(numbers(40));
      expect(lists.length, 'not one record each').toBeLessThan(20);
      const heard = () => inside(runtime, 0, (_r, _a, { state }) => state['heard']) as Promise<unknown[]>;
      await until(async () => (await heard()).length === 40, 'all there');
      expect(await heard()).toEqual(numbers(40).map((n) => [n, 8]));
      expect(runtime.status().main.received - received).toBeGreaterThanOrEqual(40);
      expect(topicsOf(runtime)).toMatchObject({ topics: [{ published: 40, refused: 0 }], delivered: 40 });
      for (const n of numbers(200)) topic.publish(of(n));
      await until(() => flat().length === 240, 'all');
      const longest = Math.max(...lists.map(({ length }) => length));
      expect(longest, 'a lane is published after 64 messages').toBeLessThanOrEqual(64);
      expect((await runtime.close({ drainMs: 5000 })).drained).toBe(true);
    });
  });

  it('keep their order with what other topics, tasks and calls of the same lane send in between', async () => {
    await withRuntime(1, { laneBytes: 32_768 }, async (runtime) => {
      const heard = await inside(runtime, 0, async (reactor, _argument, { bus, queues, sleep }) => {
        const got: unknown[] = [];
        const shape = queues.struct({ n: 'u32' });
        bus.subscribe(reactor, 'x.*', {}, (value, { topic }) => void got.push([topic, value]));
        const [a, b] = ['x.a', 'x.b'].map((name) => bus.createTopic(reactor, { name, codec: shape }));
        const c = bus.createTopic(reactor, { name: 'x.c' });
        const sent: unknown[] = [];
        const put = (topic: any, n: number) => {
          sent.push([topic.name, { n }]);
          if (topic.publish({ n }) !== queues.OK) throw new Error('it was not taken');
        };
        for (let n = 0; n < 600; n++) {
          put(n % 7 < 4 ? a : b, n);
          if (n % 5 === 0) put(a, -n >>> 0);
          if (n % 11 === 0) put(c, n);
          if (n % 13 === 0) void reactor.call('nobody', n, { reactor: 0 }).catch(() => undefined);
          if (n % 17 === 0 && b!.publishBatch([{ n: 1 }, { n: 2 }]) === 2) {
            sent.push(['x.b', { n: 1 }], ['x.b', { n: 2 }]);
          }
          if (n % 30 === 0) await sleep(1);
        }
        for (let i = 0; i < 1000 && got.length < sent.length; i++) await sleep(1);
        const wrong = sent.findIndex((each, i) => JSON.stringify(each) !== JSON.stringify(got[i]));
        return { got: got.length, sent: sent.length, wrong };
      }) as { got: number; sent: number; wrong: number };
      expect(heard.sent).toBeGreaterThan(700);
      expect(heard).toEqual({ got: heard.sent, sent: heard.sent, wrong: -1 });
    });
  });

  it('reach who joins in the middle from then on, and who leaves until then', async () => {
    await withRuntime(1, {}, async (runtime) => {
      const topic = createTopic(runtime, { name: 's', codec });
      const first = listing(runtime, 's');
      topic.publish(of(0));
      await until(() => first.flat().length === 1, 'the topic is known');
      topic.publish(of(1));
      topic.publish(of(2));
      const second = listing(runtime, 's');
      topic.publish(of(3));
      topic.publish(of(4));
      const third = listing(runtime, 's*');
      topic.publish(of(5));
      await until(() => third.flat().length === 1 && first.flat().length === 6, 'all');
      expect([first.flat(), second.flat(), third.flat()]).toEqual([numbers(6), [3, 4, 5], [5]]);
    });
  });

  it('reach who reads in place where they lie, also if the last who reads values leaves in the middle', async () => {
    await withRuntime(1, {}, async (runtime) => {
      const inPlace: [boolean, number][] = [];
      subscribeBytes(runtime, 's', {}, ({ words, offset, length }) => {
        inPlace.push([length === 8, words[offset >> 2]!]);
      });
      const read: number[] = [];
      const reading = subscribe(runtime, 's', {}, (value) => {
        read.push((value as { n: number }).n);
        if (read.length === 2) reading.leave();
      });
      const topic = createTopic(runtime, { name: 's', codec });
      for (const n of numbers(6)) topic.publish(of(n));
      await until(() => inPlace.length === 6, 'all of them');
      expect([inPlace, read]).toEqual([numbers(6).map((n) => [true, n]), [0, 1]]);
      expect(runtime.status().main.stepErrors).toBe(0);
    });
  });

  it('are counted one by one where their publisher dies before they are published', async () => {
    await withRuntime(1, { restart: { most: 3, withinMs: 60_000 } }, async (runtime) => {
      const { flat } = listing(runtime, 's');
      const died = once(runtime, 'reactorDied');
      await inside(runtime, 0, (reactor, _argument, { bus, queues, state }) => {
        state['topic'] = bus.createTopic(reactor, { name: 's', codec: queues.struct({ n: 'u32', half: 'u16' }) });
        state['topic'].publish({ n: 0, half: 0 });
      });
      await until(() => flat().length === 1, 'the topic is known');
      void inside(runtime, 0, (reactor, _argument, { state: { topic } }) => {
        reactor.spawn<null>({ name: 'dies' }, () => {
          for (let n = 1; n <= 11; n++) topic.publish({ n, half: 0 });
          topic.publishBatch([{ n: 12, half: 0 }, { n: 13, half: 0 }]);
          topic.publish({ n: 14, half: 0 });
          topic.publish({ n: 15, half: 0 });
          process.exit(1);
        }).send(null);
      }).catch(() => undefined);
      const [{ lost }] = await died as [{ lost: { unpublished: number } }];
      expect(lost.unpublished).toBe(15);
      expect(flat()).toEqual([0]);
      await until(() => runtime.status().reactors[0]!.state === 'ready', 'it is back');
      expect((await runtime.close({ drainMs: 5000 })).drained, 'nobody waits for them').toBe(true);
    });
  });

  it('are refused for all if one lane is full, also in the middle of a record, and then nobody has them', async () => {
    await withRuntime(1, { laneBytes: 4096 }, async (runtime) => {
      await inside(runtime, 0, (reactor, _argument, { bus, state }) => {
        state['heard'] = [];
        state['gate'] = new Promise<void>((resolve) => (state['open'] = resolve));
        bus.subscribe(reactor, 's', { capacity: 2, concurrency: 1 }, (value) => {
          state['heard'].push((value as { n: number }).n);
          return state['gate'];
        });
      });
      const here: number[] = [];
      subscribe(runtime, 's', {}, (value) => void here.push((value as { n: number }).n));
      const topic = createTopic(runtime, { name: 's', codec });
      let taken = 0;
      for (let full = 0, before = 0; full < 5; full = taken === before ? full + 1 : 0) {
        before = taken;
        while (topic.publish(of(taken)) === OK) taken++;
        await until(() => here.length === taken, 'here is what was taken');
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      expect(topic.publish(of(taken))).toBe(BACK_PRESSURED);
      expect(here).toEqual(numbers(taken));
      expect(taken, 'less than a frame of 40 bytes each').toBeGreaterThan(4096 / 40);
      let hasRoom = false;
      topic.whenRoom(() => (hasRoom = true));
      await inside(runtime, 0, (_reactor, _argument, { state }) => state['open']());
      await until(() => hasRoom, 'room');
      for (let more = 0; more < 300; more++) {
        while (topic.publish(of(taken)) !== OK) await new Promise((resolve) => setTimeout(resolve, 1));
        taken++;
      }
      const there = () => inside(runtime, 0, (_r, _a, { state: { heard } }) =>
        [heard.length, heard.findIndex((n: number, i: number) => n !== i)]);
      await until(async () => here.length === taken && (await there())[0] === taken, 'both have all');
      expect([here, await there()]).toEqual([numbers(taken), [taken, -1]]);
    });
  });

  it('may be claimed in place in between, and published by a getter of such a message', async () => {
    await withRuntime(1, {}, async (runtime) => {
      const { flat } = listing(runtime, 's');
      const read: number[] = [];
      subscribeBytes(runtime, 's', {}, ({ words, offset }) => void read.push(words[offset >> 2]!));
      const topic = createTopic(runtime, { name: 's', codec });
      topic.publish(of(0));
      topic.publish({ get n(): number { return topic.publish(of(1)) + 2; }, half: 0 });
      const at = topic.tryClaim(8);
      topic.view.setUint32(at, 3, true);
      topic.commit(8);
      topic.publish(of(4));
      topic.publish(of(5));
      expect(topic.tryClaim(8)).toBeGreaterThan(0);
      topic.publish(of(6));
      expect(() => topic.commit(8), 'another message came in between').toThrow('without a claim');
      expect(() => topic.publish({ n: -1, half: 0 })).toThrow('value.n');
      topic.publish(of(7));
      await until(() => flat().length === 8, 'all');
      expect([flat(), read]).toEqual([numbers(8), numbers(8)]);
    });
  });

  it('are the same to every subscriber as records of their own, whatever its policy, at random', async () => {
    const seeds = process.env['PERCORE_STRESS'] === undefined ? 20 : 5000;
    await withRuntime(1, { laneBytes: 4096 }, async (runtime) => {
      for (let seed = 0; seed < seeds; seed++) {
        const chance = new Random(seed);
        // Values that are no struct have records of their own.
        const topics = {
          apart: createTopic(runtime, { name: 'apart' }), shared: createTopic(runtime, { name: 'shared', codec }),
        };
        const policies = ['wait', 'drop-newest', 'drop-oldest'] as const;
        const pairs = numbers(1 + chance.below(4)).map(() => {
          const options: SubscribeOptions = {
            capacity: 1 + chance.below(12), whenSlow: policies[chance.below(3)]!,
            ...(chance.oneIn(3) ? { priority: chance.below(8) } : {}),
          };
          const salt = chance.below(100);
          return (['apart', 'shared'] as const).map((name) => {
            const heard: number[] = [];
            const refused = new Set<number>();
            const subscription = subscribe(runtime, name, options, (value) => {
              const { n } = value as { n: number };
              if ((n + salt) % 7 === 0 && !refused.has(n)) {
                refused.add(n);
                return AGAIN;
              }
              heard.push(n);
              return undefined;
            });
            return { heard, subscription };
          });
        });
        const next = { apart: 0, shared: 0 };
        for (let goal = 0, round = 0; round < 12 || next.apart < goal || next.shared < goal; round++) {
          if (round < 12) goal += chance.below(24);
          for (const name of ['apart', 'shared'] as const) {
            while (next[name] < goal && topics[name].publish(of(next[name])) === OK) next[name]++;
          }
          for (let i = chance.below(4); i > 0; i--) await new Promise((resolve) => setImmediate(resolve));
        }
        await until(() => pairs.flat().every(({ subscription }) => {
          const { lag, received, dropped } = subscription.status();
          return lag === 0 && received + dropped === next.apart;
        }), `all of seed ${seed}`);
        for (const pair of pairs) {
          for (const { heard, subscription } of pair) {
            expect(heard.length).toBe(subscription.status().received);
            expect(heard.every((n, i) => i === 0 || n > heard[i - 1]!), `order of seed ${seed}`).toBe(true);
            if (subscription.status().whenSlow === 'wait') expect(heard, `seed ${seed}`).toEqual(numbers(next.apart));
          }
        }
        for (const { subscription } of pairs.flat()) subscription.leave();
        for (const topic of Object.values(topics)) topic.close();
      }
    });
  });
});

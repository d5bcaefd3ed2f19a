import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { AGAIN, OK, struct } from '../queues/index.js';
import { createTopic, subscribe, topicsOf, type TopicInfo } from './index.js';
import { inside, until, withRuntime } from './fixtures/inside.js';

describe('a reactor that is started again', () => {
  it('joins anew: it is told about topics, and gets everything that is published from then on', async () => {
    await withRuntime(2, { restart: { most: 3, withinMs: 60_000 } }, async (runtime) => {
      const quote = struct({ bid: 'f64' });
      const topic = createTopic(runtime, { name: 'price', codec: quote, retain: true });
      const join = () => inside(runtime, 1, async (reactor, _argument, { bus, state }) => {
        state['heard'] = [];
        await bus.subscribe(reactor, 'pri*', {}, (value) => {
          state['heard'].push((value as { bid: number }).bid);
        }).ready;
      });
      const heard = () => inside(runtime, 1, (_r, _a, { state }) => state['heard']) as Promise<number[]>;
      await join();
      for (const round of [1, 2]) {
        expect(topic.publish({ bid: round })).toBe(OK);
        await until(async () => (await heard()).includes(round), 'it');
        const restarted = once(runtime, 'reactorRestarted');
        void inside(runtime, 1, () => process.exit(1)).catch(() => undefined);
        await restarted;
        expect(topicsOf(runtime).topics[0]!.subscribers, 'what it had subscribed to ended with its thread').toEqual([]);
        topic.publish({ bid: round + 10 });
        await join();
        topic.publish({ bid: round + 20 });
        await until(async () => (await heard()).length === 2, 'the last value and the next');
        expect(await heard()).toEqual([round + 10, round + 20]);
      }
    });
  });

  it('publishes anew: its numbers stand for the topics of its new thread', async () => {
    await withRuntime(1, { restart: { most: 3, withinMs: 60_000 } }, async (runtime) => {
      const heard: unknown[] = [];
      subscribe(runtime, '*', {}, (value, { topic }) => void heard.push([topic, value]));
      const publish = (name: string) => inside(runtime, 0, (reactor, topic, { bus }) => {
        bus.createTopic(reactor, { name: topic, retain: true }).publish(topic.length);
      }, name);
      await publish('a');
      await until(() => heard.length === 1, 'the first');
      const restarted = once(runtime, 'reactorRestarted');
      void inside(runtime, 0, () => process.exit(1)).catch(() => undefined);
      await restarted;
      await publish('bb');
      await until(() => heard.length === 2, 'the second');
      expect(heard).toEqual([['a', 1], ['bb', 2]]);
      const late: unknown[] = [];
      await subscribe(runtime, '*', {}, (value) => void late.push(value)).ready;
      expect(late, 'what the dead thread retained is gone').toEqual([2]);
    });
  });

  it('what its dead thread had published, and waits in a lane, belongs to the topics of that thread', async () => {
    await withRuntime(1, { restart: { most: 3, withinMs: 60_000 } }, async (runtime) => {
      const heard: unknown[] = [];
      let isHeld = true;
      const take = (value: unknown, { topic }: TopicInfo): number | void => {
        if (isHeld && topic === 'held') return AGAIN;
        heard.push([topic, value]);
      };
      subscribe(runtime, 'held', { capacity: 1 }, take);
      subscribe(runtime, 'next', {}, take);
      const publish = (name: string, priority: number, list: number[]) => inside(runtime, 0, (reactor, of, { bus }) => {
        const topic = bus.createTopic(reactor, { name: of.name, priority: of.priority });
        for (const value of of.list) topic.publish(value);
        return topic.publishBatch(of.list);
      }, { name, priority, list });
      await publish('held', 1, [1, 2, 3]);
      const restarted = once(runtime, 'reactorRestarted');
      void inside(runtime, 0, () => process.exit(1)).catch(() => undefined);
      await restarted;
      // The first topic of each thread has the same number.
      await publish('next', 6, [7, 8]);
      await until(() => heard.length === 4, 'those of the new thread');
      isHeld = false;
      await until(() => heard.length === 10, 'those of the dead one');
      expect(heard).toEqual([...[7, 8, 7, 8].map((n) => ['next', n]), ...[1, 2, 3, 1, 2, 3].map((n) => ['held', n])]);
    });
  });
});

describe('a reactor that is taken away', () => {
  it('is no longer published to, loses nothing that it was sent, and joins anew when it comes back', async () => {
    await withRuntime(2, {}, async (runtime) => {
      const join = (id: number) => inside(runtime, id, (reactor, _argument, { bus, state }) => {
        state['next'] = -1;
        bus.subscribe(reactor, 'n', {}, (value) => {
          if (state['next'] >= 0 && value !== state['next']) throw new Error(`${value} where ${state['next']} was due`);
          state['next'] = (value as number) + 1;
        });
      });
      await join(0);
      await join(1);
      const topic = createTopic(runtime, { name: 'n' });
      let n = 0;
      let isOver = false;
      const publishing = (async () => {
        while (!isOver) {
          for (let i = 0; i < 50; i++) if (topic.publish(n) === OK) n++;
          await new Promise((resolve) => setImmediate(resolve));
        }
      })();
      await until(() => n > 1000, 'some');
      expect(await runtime.scale(1)).toEqual({ reactors: 1, undelivered: 0 });
      expect(topicsOf(runtime).topics[0]!.subscribers).toEqual([0]);
      const before = n;
      await until(() => n > before + 1000, 'the publisher goes on');
      await runtime.scale(2);
      await join(1);
      const again = n;
      await until(() => n > again + 1000, 'and on');
      isOver = true;
      await publishing;
      runtime.flush();
      for (const id of [0, 1]) {
        await until(async () => (await inside(runtime, id, (_r, _a, { state }) => state['next'])) === n, 'all of it');
        expect(runtime.status().reactors[id]!.stepErrors).toBe(0);
      }
    });
  });
});

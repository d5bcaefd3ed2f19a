import { describe, expect, it } from 'vitest';
import { OK, struct } from '../queues/index.js';
import { topicRowLayout } from '../layout.js';
import { partyOf } from '../reactor/internal.js';
import { topicRowsOf } from '../topic-figures.js';
import { createTopic, subscribe, topicsOf, type TopicInfo } from './index.js';
import { giveRetained } from './late-joiner.js';
import { errorOf, inside, until, withRuntime } from './fixtures/inside.js';

describe('a topic that retains its last value', () => {
  it('gives it to a late subscriber once, and then what is published', async () => {
    await withRuntime(1, {}, async (runtime) => {
      const price = createTopic(runtime, { name: 'price', retain: true, codec: struct({ bid: 'f64' }) });
      for (const bid of [1, 2, 3]) expect(price.publish({ bid })).toBe(OK);
      expect(
        await inside(runtime, 0, async (reactor, _argument, { bus, state }) => {
          state['heard'] = [];
          const subscription = bus.subscribe(reactor, 'pri*', {}, (value, { from, topic, isRetained }) => {
            state['heard'].push([value, from, topic, isRetained]);
          });
          await subscription.ready;
          return state['heard'];
        }),
      ).toEqual([[{ bid: 3 }, 1, 'price', true]]);
      price.publish({ bid: 4 });
      const heard = () => inside(runtime, 0, (_r, _a, { state }) => state['heard']);
      await until(async () => (await heard()).length === 2, 'the next');
      expect((await heard())[1]).toEqual(
        [{ bid: 4 }, 1, 'price', false],
      );
    });
  });

  it('gives nothing if nothing was retained, or after close()', async () => {
    await withRuntime(1, {}, async (runtime) => {
      const heard: unknown[] = [];
      const late = async (): Promise<void> => subscribe(runtime, '*', {}, (value) => void heard.push(value)).ready;
      const topic = createTopic(runtime, { name: 'a', retain: true });
      await late();
      topic.publish(1);
      await until(() => heard.length === 1, 'the one that was there');
      topic.close();
      await late();
      expect(heard).toEqual([1]);
    });
  });

  it('gives many values in pages, and waits for the room of a small subscriber', async () => {
    await withRuntime(1, {}, async (runtime) => {
      const count = 300;
      await inside(runtime, 0, (reactor, total, { bus }) => {
        for (let i = 0; i < total; i++) {
          bus.createTopic(reactor, { name: `t.${i}`, retain: true }).publish({ i, text: 'x'.repeat(200) });
        }
      }, count);
      const heard: number[] = [];
      const slow = subscribe(runtime, 't.*', { capacity: 1, concurrency: 1 }, async (value) => {
        await Promise.resolve();
        heard.push((value as { i: number }).i);
      });
      await slow.ready;
      await until(() => heard.length === count, 'all');
      expect(heard).toEqual(Array.from({ length: count }, (_, i) => i));
    });
  });

  it('never gives an older value after a newer one, or a value twice, however they cross', async () => {
    const published = new Int32Array(new SharedArrayBuffer(4));
    await withRuntime(1, { data: published }, async (runtime) => {
      await inside(runtime, 0, (reactor, _argument, { bus, state, data }) => {
        const topic = bus.createTopic(reactor, { name: 'n', retain: true });
        let n = 0;
        const go = reactor.spawn<number>({ name: 'go', priority: 2 }, () => {
          if (topic.publish(n) === 0) Atomics.store(data, 0, ++n);
          if (state['isOver'] !== true) go.send(0);
        });
        go.send(0);
      });
      let count = 0;
      const rounds = process.env['PERCORE_STRESS'] === undefined ? 100 : 20_000;
      for (let round = 0; round < rounds; round++) {
        const heard: number[] = [];
        const retained: number[] = [];
        const subscription = subscribe(runtime, 'n', { capacity: 4096 }, (value, info: TopicInfo) => {
          heard.push(value as number);
          if (info.isRetained) retained.push(value as number);
        });
        // One publish may have begun before this, and stored its number afterwards.
        const asOf = Atomics.load(published, 0) + 1;
        await subscription.ready;
        if (heard[0]! > asOf) throw new Error(`${heard[0]} is the first, as of ${asOf} in round ${round}`);
        if (round % 3 === 0) await until(() => heard.length > 3, 'some');
        subscription.leave();
        count += retained.length;
        heard.forEach((n, i) => {
          if (i > 0 && n !== heard[i - 1]! + 1) throw new Error(`${n} after ${heard[i - 1]} in round ${round}`);
        });
      }
      expect(count, 'some were retained values').toBeGreaterThan(0);
      await inside(runtime, 0, (_reactor, _argument, { state }) => void (state['isOver'] = true));
    });
  });

  it('gives nothing when its publisher has died', async () => {
    await withRuntime(2, {}, async (runtime) => {
      runtime.on('reactorDied', () => undefined);
      await inside(runtime, 0, (reactor, _argument, { bus }) => {
        bus.createTopic(reactor, { name: 'a', retain: true }).publish(1);
      });
      void inside(runtime, 0, () => process.exit(1)).catch(() => undefined);
      await until(() => runtime.status().reactors[0]!.state === 'dead', 'the death');
      const heard: unknown[] = [];
      await subscribe(runtime, 'a', {}, (value) => void heard.push(value)).ready;
      expect(heard).toEqual([]);
    });
  });

  it('gives the other values if one cannot be read here, and reports that one', async () => {
    const unreadable = { name: 'bad', number: 0, codec: { name: 'value' }, bytes: new Uint8Array(16).fill(99) };
    const values = [unreadable, { name: 'good', number: 1, codec: { name: 'bytes' }, bytes: Uint8Array.of(7) }];
    const given: unknown[] = [];
    const reported: string[] = [];
    const bus = {
      party: {
        shared: { reactors: 0 }, calls: { call: () => Promise.resolve({ values, hasMore: false }) },
        reportError: (_error: unknown, where: string) => void reported.push(where),
      },
      members: { retaining: () => 1 }, heardOf: () => undefined,
    };
    const subscriber = {
      pattern: '*', joinedAs: 0, hasEnded: false, takesBytes: false,
      offer: (message: unknown) => given.push(message) > 0, hasHandled: () => Promise.resolve(),
    };
    await giveRetained(bus as never, subscriber as never);
    expect([given, reported]).toEqual([[Uint8Array.of(7)], ['the last value of topic "bad"']]);
  });

  it('needs large enough lanes, and says how large', async () => {
    for (const laneBytes of [4096, 16_384, 32_768]) {
      await withRuntime(1, { laneBytes }, async (runtime) => {
        const make = (): number => createTopic(runtime, { name: 'a', retain: true }).publish('x'.repeat(200));
        if (laneBytes === 32_768) return expect(make()).toBe(OK);
        expect(await errorOf(make)).toMatchObject({
          code: 'ERR_PERCORE_TOO_LARGE', argument: 'retain',
          message: 'a topic with `retain` needs createRuntime({ laneBytes: 32768 }) or more, and there are '
            + String(laneBytes),
        });
        // Nothing of it is left behind, such as its row in the figures.
        const { shared, id } = partyOf(runtime);
        const { at, count } = topicRowsOf(shared.topics, id);
        const isOver = new Int32Array(shared.topics, at)[topicRowLayout.fields.isOver.at >> 2];
        expect([count, isOver, topicsOf(runtime).topics]).toEqual([1, 1, []]);
      });
    }
  });
});

/**
 * Topics that are joined and left all the time while messages pour in, with exact counts: a subscriber misses nothing
 * that is published after it has joined, gets everything once and in order, and hears nothing after it has left.
 */
import { describe, expect, it } from 'vitest';
import { createTopic, subscribe, topicsOf } from './index.js';
import { inside, sleep, until, withRuntime } from './fixtures/inside.js';

const JOINS = process.env['PERCORE_STRESS'] === undefined ? 400 : 100_000;

describe('topics under joins and leaves', () => {
  it(`keep exact counts over ${JOINS} of each, in two reactors and on the main thread`, async () => {
    // The number of the next message, which the publisher stores after each publish.
    const shared = new SharedArrayBuffer(4);
    await withRuntime(2, { data: shared, laneBytes: 16_384 }, async (runtime) => {
      await inside(runtime, 0, (reactor, _argument, { bus, state, data }) => {
        const published = new Int32Array(data as SharedArrayBuffer);
        const topic = bus.createTopic(reactor, { name: 'load.n' });
        let n = 0;
        const go = reactor.spawn<null>({ name: 'go', priority: 2 }, () => {
          for (let i = 0; i < 8; i++) {
            const code = topic.publish(n);
            // It waits for the one lane that was full.
            if (code !== 0) return code;
            Atomics.store(published, 0, ++n);
          }
          if (state['isOver'] === true) state['count'] = n;
          else go.send(null);
          return 0;
        });
        go.send(null);
      });

      /** Sent as text, so it sees only its parameters. */
      const churn = async (
        bus: typeof import('./index.js'), reactor: never, joins: number, published: Int32Array,
      ): Promise<{ joined: number; taken: number }> => {
        const patterns = ['load.n', 'load.*', '*', 'load.n*'];
        interface One { first: number; last: number; count: number; asOf: number; leave(): void; isOver: boolean }
        const living: One[] = [];
        let joined = 0;
        let taken = 0;
        const fail = (what: string): never => {
          throw new Error(what);
        };
        while (joined < joins || living.length > 0) {
          if (joined < joins && living.length < 8) {
            const one = { first: -1, last: -1, count: 0, asOf: 0, isOver: false, leave: () => undefined as void };
            const subscription = bus.subscribe(reactor, patterns[joined % 4]!, { capacity: 4096 }, (value) => {
              const n = value as number;
              if (one.isOver) fail(`${n} after leave()`);
              if (one.first < 0) one.first = n;
              else if (n !== one.last + 1) fail(`${n} after ${one.last}`);
              one.last = n;
              one.count++;
            });
            // One publish may have begun before this, and stored its number afterwards.
            one.asOf = Atomics.load(published, 0) + 1;
            one.leave = () => {
              one.isOver = true;
              const before = one.count;
              subscription.leave();
              const { received, droppedByReason } = subscription.status();
              if (received !== before || one.last - one.first + 1 !== before) fail(`${received} of ${before} counted`);
              if (droppedByReason.newest + droppedByReason.oldest + droppedByReason.evicted !== 0) fail('dropped');
              taken += before;
            };
            living.push(one);
            joined++;
            if (joined % 5 !== 0) continue;
          }
          const index = Math.floor(Math.random() * living.length);
          const leaving = living[index]!;
          if (leaving.count > 0) {
            if (leaving.first > leaving.asOf) fail(`joined at ${leaving.asOf}, the first was ${leaving.first}`);
            leaving.leave();
            living.splice(index, 1);
          }
          await new Promise((resolve) => setImmediate(resolve));
        }
        return { joined, taken };
      };

      const source = churn.toString();
      const third = Math.ceil(JOINS / 3);
      const [own, one, two] = await Promise.all([
        churn({ subscribe } as never, runtime as never, third, new Int32Array(shared)),
        ...[0, 1].map((id) =>
          inside(runtime, id, (reactor, [text, joins]: [string, number], { bus, data }) => {
            const run = new Function(`return (${text});`)() as (
              ...given: unknown[]
            ) => Promise<{ joined: number; taken: number }>;
            return run(bus, reactor, joins, new Int32Array(data as SharedArrayBuffer));
          }, [source, third] as [string, number]),
        ),
      ]);
      await inside(runtime, 0, (_reactor, _argument, { state }) => void (state['isOver'] = true));
      await until(
        async () => (await inside(runtime, 0, (_r, _a, { state }) => state['count'])) !== undefined, 'the end of all',
      );
      expect([own.joined, one!.joined, two!.joined]).toEqual([third, third, third]);
      for (const { taken } of [own, one!, two!]) expect(taken).toBeGreaterThanOrEqual(third);
      const status = await inside(runtime, 0, (reactor, _argument, { bus }) => bus.topicsOf(reactor));
      expect(status.topics[0]!.subscribers, 'nobody is left').toEqual([]);
      const count = await inside(runtime, 0, (_r, _a, { state }) => state['count']);
      expect(status.topics[0]!.published).toBe(count);
      expect(topicsOf(runtime)).toMatchObject({ subscriptions: [], unknown: 0 });
      expect(runtime.status().reactors.map(({ stepErrors }) => stepErrors)).toEqual([0, 0]);
    });
  }, 600_000);

  it('keep the order of each publisher, whoever else publishes, and lose no message', async () => {
    await withRuntime(2, { laneBytes: 4096 }, async (runtime) => {
      const count = 3000;
      const publish = (reactor: never, total: number, bus: typeof import('./index.js')): Promise<void> =>
        new Promise((resolve) => {
          const topic = bus.createTopic(reactor, { name: 'order' });
          let n = 0;
          const go = (): void => {
            while (n < total) {
              if (topic.publish(n) !== 0) return topic.whenRoom(go);
              n++;
            }
            resolve();
          };
          go();
        });
      const next = [0, 0, 0];
      const gaps = [0, 0, 0];
      const wrong: string[] = [];
      // With a capacity of one and a band of its own, most messages have to wait somewhere.
      subscribe(runtime, 'order', { capacity: 1, priority: 1 }, (value, { from }) => {
        if (value !== next[from]!++) wrong.push(`${value} of ${from}`);
      });
      const last = [-1, -1, -1];
      const losing = subscribe(runtime, 'order', { capacity: 1, priority: 0, whenSlow: 'drop-oldest' }, (
        value, { from },
      ) => {
        const n = value as number;
        if (n <= last[from]!) wrong.push(`${n} of ${from} after ${last[from]}`);
        gaps[from]! += n - last[from]! - 1;
        last[from] = n;
      });
      await inside(runtime, 1, (reactor, _argument, { bus, state }) => {
        state['next'] = [0, 0, 0];
        bus.subscribe(reactor, '*', {}, (value, { from }) => {
          if (value !== state['next'][from]++) throw new Error(`${value} of ${from}`);
        });
      });
      const source = publish.toString();
      await Promise.all([
        publish(runtime as never, count, { createTopic } as never),
        ...[0, 1].map((id) =>
          inside(runtime, id, (reactor, [text, total]: [string, number], { bus }) => {
            const run = new Function(`return (${text});`)() as (...given: unknown[]) => Promise<void>;
            return run(reactor, total, bus);
          }, [source, count] as [string, number]),
        ),
      ]);
      await until(() => next.every((n) => n === count), 'all of all publishers');
      await until(
        async () => (await inside(runtime, 1, (_r, _a, { state }) => state['next'])).every((n: number) => n === count),
        'all in the reactor',
      );
      expect(wrong).toEqual([]);
      await until(() => losing.status().received + losing.status().dropped === 3 * count, 'every one is accounted for');
      const behind = last.reduce((sum, n) => sum + (count - 1 - n), 0);
      expect(losing.status().dropped).toBe(gaps[0]! + gaps[1]! + gaps[2]! + behind);
    });
  });
});

describe('a subscriber whose reactor dies', () => {
  it('holds nobody back: the publisher that waited for it goes on, and the others have all', async () => {
    const rounds = process.env['PERCORE_STRESS'] === undefined ? 3 : 100;
    for (let round = 0; round < rounds; round++) {
      await withRuntime(3, { laneBytes: 4096 }, async (runtime) => {
        runtime.on('reactorDied', () => undefined);
        await inside(runtime, 2, (reactor, _argument, { bus, state }) => {
          state['next'] = 0;
          bus.subscribe(reactor, 'n', {}, (value) => {
            if (value !== state['next']++) throw new Error(`${value}`);
          });
        });
        // It takes nothing at all, so that the publisher has to wait for it in the end.
        await inside(runtime, 1, (reactor, _argument, { bus }) => {
          bus.subscribe(reactor, 'n', { capacity: 1, concurrency: 1 }, () => new Promise<void>(() => undefined));
        });
        await inside(runtime, 0, (reactor, _argument, { bus, state }) => {
          const topic = bus.createTopic(reactor, { name: 'n' });
          state['n'] = 0;
          const go = reactor.spawn<null>({ name: 'go', priority: 2 }, () => {
            const code = topic.publish(state['n']);
            if (code !== 0) return code;
            state['n']++;
            if (state['isOver'] === true) state['isAtRest'] = true;
            else go.send(null);
            return 0;
          });
          go.send(null);
        });
        const published = () => inside(runtime, 0, (_r, _a, { state }) => state['n'] as number);
        let before = -1;
        await until(async () => {
          const now = await published();
          const isStill = now > 0 && now === before;
          before = now;
          await sleep(5);
          return isStill;
        }, 'the publisher waits');
        void inside(runtime, 1, () => process.exit(1)).catch(() => undefined);
        await until(async () => (await published()) > before + 1000, 'the publisher goes on');
        await inside(runtime, 0, (_reactor, _argument, { state }) => void (state['isOver'] = true));
        await until(
          () => inside(runtime, 0, (_r, _a, { state }) => state['isAtRest'] === true), 'the publisher is done',
        );
        const total = await published();
        await until(
          async () => (await inside(runtime, 2, (_r, _a, { state }) => state['next'])) === total, 'the other has all',
        );
        const { topics } = await inside(runtime, 0, (reactor, _argument, { bus }) => bus.topicsOf(reactor));
        expect(topics[0]).toMatchObject({ published: total, subscribers: [2] });
        expect(runtime.status().reactors[2]!.stepErrors).toBe(0);
      });
    }
  });
});

describe('a circle of full topics', () => {
  it('comes to rest if each stage has a topic of its own, even at the smallest capacities', async () => {
    await withRuntime(2, { laneBytes: 4096 }, async (runtime) => {
      const count = 5000;
      // 0 -> 1 -> main -> 0 -> 1, each stage in a higher band than the one before it.
      const stage = (
        reactor: never, from: string, to: { name: string; priority: number } | undefined,
        bus: typeof import('./index.js'), done: (value: unknown) => void,
      ): void => {
        const next = to === undefined ? undefined : bus.createTopic(reactor, to);
        bus.subscribe(reactor, from, { capacity: 1 }, (value) => {
          if (next !== undefined) return next.publish(value);
          done(value);
          return 0;
        });
      };
      const source = stage.toString();
      const there = (id: number, from: string, to?: { name: string; priority: number }) =>
        inside(runtime, id, (reactor, [text, name, target]: [string, string, unknown], { bus, state }) => {
          const run = new Function(`return (${text});`)() as (...given: unknown[]) => void;
          state['done'] ??= [];
          run(reactor, name, target, bus, (value: unknown) => state['done'].push(value));
        }, [source, from, to] as [string, string, unknown]);
      await there(0, 's4');
      stage(runtime as never, 's3', { name: 's4', priority: 5 }, { subscribe, createTopic } as never, () => undefined);
      await there(1, 's2', { name: 's3', priority: 4 });
      await there(0, 's1', { name: 's2', priority: 3 });
      const first = createTopic(runtime, { name: 's1', priority: 2 });
      let n = 0;
      const go = (): void => {
        while (n < count) {
          if (first.publish(`${n} ${'x'.repeat(100)}`) !== 0) return first.whenRoom(go);
          n++;
        }
      };
      go();
      await until(
        async () => (await inside(runtime, 0, (_r, _a, { state }) => state['done'].length)) === count, 'all went round',
        60_000,
      );
      expect(
        await inside(runtime, 0, (_r, _a, { state }) => {
          return state['done'].findIndex((text: string, i: number) => parseInt(text) !== i);
        }), 'none is out of order',
      ).toBe(-1);
      const turns = () => runtime.status().reactors.map((reactor) => reactor.turns);
      await sleep(20);
      const before = turns();
      await sleep(100);
      expect(turns(), 'and then nobody takes a turn').toEqual(before);
    });
  });
});

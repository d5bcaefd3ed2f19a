/** `reactor.sub`: a queue that a reactor reads as a task of a band. */
import { describe, expect, it } from 'vitest';
import * as queues from '../queues/index.js';
import { errorOf, inside, sleep, until, withRuntime } from './fixtures/inside.js';

const eight = (value: number): Uint8Array => Uint8Array.of(value, 0, 0, 0, 0, 0, 0, 0);
const makers = {
  spsc: () => queues.create({ kind: 'spsc', capacity: 256, recordBytes: 8 }),
  mpsc: () => queues.create({ kind: 'mpsc', capacity: 256, recordBytes: 8 }),
  spmc: () => queues.create({ kind: 'spmc', capacity: 256, recordBytes: 8 }),
  banded: () => queues.create({ kind: 'banded', capacity: 256, recordBytes: 8 }),
  linked: () => queues.create({ kind: 'spsc', backend: 'linked', capacityBytes: 2 ** 16, chunkBytes: 1024 }),
  'of any length': () => queues.create({ kind: 'spsc', capacityBytes: 2 ** 14 }),
};

describe('reactor.sub', () => {
  for (const [kind, make] of Object.entries(makers)) {
    it(`gives the handler each record in order, woken by the queue, until the queue ends (${kind})`, async () => {
      const queue = make() as queues.FixedQueue<'spsc'>;
      await withRuntime(1, { data: queue, idle: { strategy: 'park' } }, async (runtime) => {
        await inside(runtime, 0, (reactor, _argument, { data, state }) => {
          state['seen'] = [];
          reactor.sub(data as queues.FixedQueue, {}, (record) => void state['seen'].push(record[0]));
        });
        const seen = () => inside(runtime, 0, (_reactor, _argument, { state }) => state['seen'] as number[]);
        const producer = queues.pub(queue) as { offer(record: Uint8Array, band?: number): number; flush(): number };
        const all: number[] = [];
        for (let value = 1; value <= 100; value++) {
          expect(producer.offer(eight(value), 3)).toBe(queues.OK);
          all.push(value);
          // Long enough for it to wait at the queue's bell.
          if (value % 40 === 0) await sleep(20);
        }
        await until(async () => (await seen()).length === 100, 'all records');
        expect(await seen()).toEqual(all);
        await sleep(20);
        const { turns } = runtime.status().reactors[0]!;
        await sleep(100);
        expect(runtime.status().reactors[0]!.turns - turns, 'turns while nothing comes').toBeLessThan(5);
        queues.close(queue);
        await until(
          () => queues.inspect(queue).consumers.every(({ threadId }) => threadId === undefined), 'the place is free',
        );
        expect(runtime.status().reactors[0]!.stepErrors).toBe(0);
      });
    });
  }

  it('gives way to higher bands after each record, and to its own band after sixteen', async () => {
    const queue = queues.create({ kind: 'spsc', capacity: 1024, codec: queues.struct({ value: 'u32' }) });
    const producer = queues.pub(queue);
    for (let value = 0; value < 100; value++) producer.offer({ value });
    // Its first steps are slow: the time of the turn must not end the quantum.
    await withRuntime(1, { data: queue, budget: { timeNs: 1e9 } }, async (runtime) => {
      const [urgent, same] = await inside(runtime, 0, async (reactor, _argument, { data, until: comes }) => {
        let count = 0;
        const at: number[] = [];
        const high = reactor.spawn({ name: 'high', priority: 6 }, () => void (at[0] = count));
        const same = reactor.spawn({ name: 'same', priority: 2 }, () => void (at[1] = count));
        reactor.sub(data as queues.ValueQueue<{ value: number }>, { priority: 2 }, ({ value }) => {
          if (value !== count++) throw new Error(`${value} came as number ${count}`);
          if (count === 1) same.send(0);
          if (count === 20) high.send(0);
        });
        await comes(() => count === 100);
        return at;
      });
      expect({ urgent, same }).toEqual({ urgent: 20, same: 16 });
      expect(runtime.status().reactors[0]!.stepErrors).toBe(0);
    });
  });

  it('keeps the record that a step was refused with, and waits for room without a turn', async () => {
    const from = queues.create({ kind: 'spsc', capacity: 256, codec: queues.struct({ value: 'u32' }) });
    const to = queues.create({ kind: 'spsc', capacity: 2, codec: queues.struct({ value: 'u32' }) });
    await withRuntime(1, { data: { from, to }, idle: { strategy: 'park' } }, async (runtime) => {
      await inside(runtime, 0, (reactor, _argument, { data, queues: q }) => {
        const target = q.pub(data.to as queues.ValueQueue<{ value: number }>);
        reactor.sub(data.from as queues.ValueQueue<{ value: number }>, {}, (record) => target.offer(record));
      });
      const producer = queues.pub(from);
      for (let value = 1; value <= 50; value++) producer.offer({ value });
      await until(() => queues.inspect(to).depth === 2, 'the target is full');
      await sleep(30);
      const { turns } = runtime.status().reactors[0]!;
      await sleep(100);
      expect(runtime.status().reactors[0]!.turns - turns, 'turns while the target is full').toBeLessThan(5);
      const seen: number[] = [];
      const consumer = queues.sub(to);
      while (seen.length < 50) {
        const record = consumer.poll();
        if (record === undefined) await consumer.ready({ timeoutMs: 5000 });
        else seen.push(record.value);
      }
      expect(seen).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
    });
  });

  it('reports what the handler throws or rejects with, and goes on', async () => {
    const queue = queues.create({ kind: 'spsc', capacityBytes: 1024, codec: queues.value });
    await withRuntime(1, { data: queue }, async (runtime) => {
      const errors: string[] = [];
      runtime.on('stepError', ({ error, where }) => void errors.push(`${where}: ${error.message}`));
      await inside(runtime, 0, (reactor, _argument, { data, state }) => {
        state['seen'] = [];
        reactor.sub(data as queues.ValueQueue<number>, { concurrency: 1 }, (value) => {
          state['seen'].push(value);
          if (value === 1) throw new Error('at once');
          if (value === 2) return Promise.reject(new Error('later'));
          return undefined;
        });
      });
      const producer = queues.pub(queue as queues.ValueQueue<number>);
      for (const value of [1, 2, 3]) producer.offer(value);
      await until(
        async () =>
          (await inside(runtime, 0, (_reactor, _argument, { state }) => (state['seen'] as number[]).length)) === 3,
        'all three',
      );
      await until(() => errors.length === 2, 'both errors');
      expect(errors).toEqual([
        'task "sub of a queue of kind spsc": at once', 'task "sub of a queue of kind spsc": later',
      ]);
    });
  });

  it('reports a record that cannot be read, and goes on behind it', async () => {
    const queue = queues.create({
      kind: 'spsc', capacityBytes: 1024, codec: queues.value,
    }) as queues.ValueQueue<unknown>;
    const { codec: _, ...raw } = queue;
    await withRuntime(1, { data: queue }, async (runtime) => {
      const errors: string[] = [];
      runtime.on('stepError', ({ where }) => void errors.push(where));
      await inside(runtime, 0, (reactor, _argument, { data, state }) => {
        state['seen'] = [];
        reactor.sub(data as queues.ValueQueue<unknown>, {}, (value) => void state['seen'].push(value));
      });
      const bytes = queues.pub(raw as unknown as queues.VariableQueue);
      for (let i = 0; i < 3; i++) bytes.offer(new Uint8Array(24).fill(0xee));
      bytes.leave();
      queues.pub(queue).offer('good');
      await until(
        async () =>
          (await inside(runtime, 0, (_reactor, _argument, { state }) => (state['seen'] as unknown[]).length)) === 1,
        'the good one',
      );
      await until(() => errors.length === 3, 'three errors');
      expect(errors).toEqual(Array(3).fill('sub of a queue of kind spsc'));
    });
  });

  it('ends by leave and close, and what it has not read is there for the next', async () => {
    const queue = queues.create({ kind: 'spsc', capacity: 64, recordBytes: 8 });
    const producer = queues.pub(queue);
    await withRuntime(1, { data: queue }, async (runtime) => {
      for (let value = 1; value <= 10; value++) producer.offer(eight(value));
      const seen = await inside(runtime, 0, async (reactor, _argument, { data, until: comes }) => {
        const values: number[] = [];
        const first = reactor.sub(data as queues.FixedQueue, {}, (record) => {
          values.push(record[0]!);
          if (record[0] === 4) first.leave();
        });
        await comes(() => values.length === 4);
        await new Promise((resolve) => setTimeout(resolve, 10));
        const second = reactor.sub(data as queues.FixedQueue, {}, (record) => void values.push(record[0]!));
        await comes(() => values.length === 10);
        second.close();
        second.close();
        first.leave();
        return values;
      });
      expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
      expect(producer.offer(eight(11)), 'at the latest with the next').toBe(queues.CLOSED);
    });
  });

  it('says that it was evicted, who it was, and how many records it has lost', async () => {
    const queue = queues.create({
      kind: 'spmc', capacity: 8, recordBytes: 8, consumers: { logger: { whenSlow: 'evict', evictAfterMs: 20 } },
    });
    await withRuntime(1, { data: queue }, async (runtime) => {
      const errors: string[] = [];
      runtime.on('stepError', ({ error, where }) => void errors.push(`${where}: ${error.message}`));
      const end = inside(runtime, 0, async (reactor, _argument, { data, queues: q }) => {
        // Each record takes longer than the producer may be held back.
        const reading = reactor.sub(data as queues.FixedQueue, { name: 'logger' }, () => {
          const untilMs = Date.now() + 100;
          while (Date.now() < untilMs);
        });
        const before = reading.lost;
        const code = await reading.ended;
        const { lost } = reading;
        reading.close();
        return { before, isEvicted: code === q.EVICTED, lost, isKept: reading.lost === lost };
      });
      const producer = queues.pub(queue);
      for (let value = 0; errors.length === 0; value++) {
        producer.offer(eight(value % 256));
        await sleep(1);
      }
      const { lost, ...others } = await end;
      expect(others).toEqual({ before: 0, isEvicted: true, isKept: true });
      expect(lost).toBeGreaterThan(0);
      expect(errors).toHaveLength(1);
      expect(errors[0]).toMatch(/^sub "logger" of a queue of kind spmc: the consumer was EVICTED: /);
    });
  });

  it('says when it has ended by its queue, or by itself, whether anybody asks or not', async () => {
    const [first, second] = [1, 2].map(() => queues.create({ kind: 'spsc', capacity: 64, recordBytes: 8 }));
    await withRuntime(1, { data: [first, second] }, async (runtime) => {
      const end = inside(runtime, 0, async (reactor, _argument, { data }) => {
        const [ends, left] = (data as queues.FixedQueue[]).map((each) => reactor.sub(each, {}, () => undefined));
        left!.leave();
        return [await left!.ended, await ends!.ended, left!.lost, ends!.lost];
      });
      queues.close(first!);
      expect(await end).toEqual([queues.CLOSED, queues.CLOSED, 0, 0]);
    });
  });

  it('ends when the runtime is closed, and leaves its place', async () => {
    const queue = queues.create({ kind: 'spsc', capacity: 64, recordBytes: 8 });
    await withRuntime(1, { data: queue }, async (runtime) => {
      await inside(
        runtime, 0, (reactor, _argument, { data }) => void reactor.sub(data as queues.FixedQueue, {}, () => undefined),
      );
      expect(await runtime.close()).toMatchObject({ drained: true, leftBehind: [] });
      expect(queues.inspect(queue).consumers.map(({ threadId }) => threadId)).toEqual([undefined]);
    });
  });

  it('refuses what is no option, no band and no handler, and takes no place', async () => {
    const queue = queues.create({ kind: 'spsc', capacity: 64, recordBytes: 8 });
    await withRuntime(1, { data: queue }, async (runtime) => {
      for (const [options, handler, message] of [
        [{ prioritty: 3 }, true, 'did you mean "priority"'], [{ priority: 8 }, true, 'priority must be'],
        [{}, false, 'handler'],
      ] as const) {
        const error = await errorOf(() =>
          inside(
            runtime,
            0,
            (reactor, [given, hasHandler]: [object, boolean], { data }) =>
              void reactor.sub(data as queues.FixedQueue, given, (hasHandler ? () => undefined : 5) as () => void),
            [options, handler] as [object, boolean],
          ),
        );
        expect(error.message).toContain(message);
      }
      queues.sub(queue);
    });
  });
});

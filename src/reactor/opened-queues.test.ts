/**
 * The ends of queues that a reactor has when it dies: the runtime frees their places, and whoever is at the other ends
 * goes on.
 */
import { describe, expect, it } from 'vitest';
import * as queues from '../queues/index.js';
import type { ReactorDeath } from './runtime-events.js';
import { controllerOf, createRuntime, type Runtime } from './runtime.js';
import { errorOf, fixture, inside, until, within, withRuntime } from './fixtures/inside.js';

interface Member { readonly worker: { terminate(): Promise<number> }; readonly queues: { readonly count: number } }
const memberOf = (runtime: Runtime, id: number): Member => controllerOf(runtime).members[id]!;
const eight = (value: number): Uint8Array => new Uint8Array(new BigInt64Array([BigInt(value)]).buffer);

/** What a consumer has now, without an end. */
function drained(consumer: { drain(handler: (view: DataView, offset: number) => void): number }): number[] {
  const values: number[] = [];
  while (consumer.drain((view, offset) => void values.push(Number(view.getBigInt64(offset, true)))) > 0);
  return values;
}

async function deathOf(runtime: Runtime, die: () => unknown): Promise<ReactorDeath> {
  const died = new Promise<ReactorDeath>((resolve) => runtime.once('reactorDied', resolve));
  void Promise.resolve(die()).catch(() => undefined);
  return within(10_000, died, 'the death');
}

const deaths: Record<string, (runtime: Runtime) => unknown> = {
  'process.exit': (runtime) => inside(runtime, 1, () => process.exit(5)),
  'a throw in a callback': (runtime) => inside(runtime, 1, () => void setTimeout(() => {
    throw new RangeError('dies here');
  }, 1)),
  terminate: (runtime) => memberOf(runtime, 1).worker.terminate(),
  'terminate in an endless step': (runtime) => {
    setTimeout(() => void memberOf(runtime, 1).worker.terminate(), 20);
    return inside(runtime, 1, () => {
      for (;;);
    });
  },
};

const makeQueues = () => ({
  lanes: queues.create({ kind: 'mpsc', capacity: 8, recordBytes: 8, maxProducers: 1, maxConsumers: 1 }),
  shared: queues.create({ kind: 'mpsc', capacity: 8, recordBytes: 8, maxConsumers: 1 }),
  all: queues.create({ kind: 'spmc', capacity: 4, recordBytes: 8 }),
  linked: queues.create({ kind: 'spsc', backend: 'linked', capacityBytes: 2 ** 16, chunkBytes: 1024 }),
  banded: queues.create({ kind: 'banded', capacity: 8, recordBytes: 8 }),
  values: queues.create({ kind: 'spsc', capacityBytes: 1024, codec: queues.value }),
});

describe('the queues of a reactor that dies', () => {
  for (const [how, die] of Object.entries(deaths)) {
    it(`by ${how}: its places are free, those who wait go on, no record that was published is lost`, async () => {
      const data = makeQueues();
      await withRuntime(2, { data }, async (runtime) => {
        const toAll = queues.pub(data.all);
        const ofAll = queues.sub(data.all);
        await inside(runtime, 1, (_reactor, _argument, { data: handles, queues: q, state }) => {
          const lane = q.pub(handles.lanes);
          const linked = q.pub(handles.linked);
          const values = q.pub(handles.values as queues.ValueQueue<unknown>);
          for (const value of [1, 2, 3]) {
            const record = new Uint8Array(new BigInt64Array([BigInt(value)]).buffer);
            lane.offer(record);
            linked.offer(record);
            values.offer(value);
          }
          state['ends'] = [lane, linked, values, q.sub(handles.shared), q.sub(handles.all), q.sub(handles.banded)];
        });
        const toShared = queues.pub(data.shared);
        const toBanded = queues.pub(data.banded);
        for (const value of [1, 2, 3, 4])
          expect([
            toShared.offer(eight(value)), toBanded.offer(eight(value), value), toAll.offer(eight(value)),
          ]).toEqual([0, 0, 0]);
        expect([drained(ofAll), toAll.offer(eight(5))], 'the reactor alone is in the way').toEqual([
          [1, 2, 3, 4], queues.BACK_PRESSURED,
        ]);
        const room = within(10_000, toAll.room(), 'room');

        const death = await deathOf(runtime, () => die(runtime));
        expect(death).toMatchObject({ reactorId: 1, recovered: { producers: 3, consumers: 3, taken: 0 } });
        expect(runtime.status().reactors[1]).toMatchObject({ state: 'dead', threadId: death.threadId });
        expect([await room, toAll.offer(eight(5)), drained(ofAll)]).toEqual([queues.OK, queues.OK, [5]]);
        // What it had sent, then what its successors send.
        const [lane, linked, values] = [
          queues.pub(data.lanes), queues.pub(data.linked), queues.pub(data.values as queues.ValueQueue<unknown>),
        ];
        expect([lane.offer(eight(4)), linked.offer(eight(4)), values.offer(4)]).toEqual([0, 0, 0]);
        expect([drained(queues.sub(data.lanes)), drained(queues.sub(data.linked))]).toEqual([
          [1, 2, 3, 4], [1, 2, 3, 4],
        ]);
        const ofValues = queues.sub(data.values);
        expect([1, 2, 3, 4].map(() => ofValues.poll())).toEqual([1, 2, 3, 4]);
        // And what it had not read.
        expect([drained(queues.sub(data.shared)), drained(queues.sub(data.banded))]).toEqual([
          [1, 2, 3, 4], [4, 3, 2, 1],
        ]);
      });
    });
  }

  it('are free for a peer that waits in another reactor', async () => {
    const data = { lanes: queues.create({ kind: 'mpsc', capacity: 8, recordBytes: 8, maxProducers: 1 }) };
    await withRuntime(2, { data }, async (runtime) => {
      await inside(
        runtime, 1,
        (_reactor, _argument, { data: handles, queues: q, state }) => void (state['end'] = q.pub(handles.lanes)),
      );
      const reading = inside(runtime, 0, async (_reactor, _argument, { data: handles, queues: q }) => {
        const consumer = q.sub(handles.lanes);
        const code = await consumer.ready();
        return [code, (consumer.poll() as Uint8Array)[0]];
      });
      const death = await deathOf(runtime, () => inside(runtime, 1, () => process.exit(0)));
      expect(death.recovered).toEqual({ producers: 1, consumers: 0, taken: 0 });
      queues.pub(data.lanes).offer(eight(7));
      expect(await within(10_000, reading, 'the record')).toEqual([queues.OK, 7]);
    });
  });

  for (const kind of ['spsc', 'mpsc', 'spmc', 'banded'] as const) {
    it(`are free when they were opened in the moment before the death (${kind})`, async () => {
      const queue = queues.create({
        kind, capacity: 8, recordBytes: 8, ...(kind === 'mpsc' ? { maxProducers: 1, maxConsumers: 1 } : {}),
      } as queues.FixedOptions<'spsc'>);
      await withRuntime(1, { data: queue }, async (runtime) => {
        const death = await deathOf(runtime, () =>
          inside(runtime, 0, (_reactor, _argument, { data: handle, queues: q }) => {
            q.pub(handle);
            q.sub(handle);
            process.exit(3);
          }),
        );
        expect(death.recovered).toEqual({ producers: 1, consumers: 1, taken: 0 });
        expect(queues.inspect(queue).producers).toEqual([]);
        queues.pub(queue);
        queues.sub(queue);
      });
    });
  }

  it('are free when its entry fails, and after an orderly end', async () => {
    const queue = queues.create({ kind: 'spsc', capacity: 8, recordBytes: 8 });
    const failed = await errorOf(() => createRuntime({ entry: fixture('opens-and-fails'), reactors: 1, data: queue }));
    expect(failed).toMatchObject({ code: 'ERR_PERCORE_ENTRY' });
    expect(queues.inspect(queue).producers).toEqual([]);
    await withRuntime(1, { data: queue }, async (runtime) => {
      await inside(
        runtime, 0, (_reactor, _argument, { data: handle, queues: q, state }) => void (state['end'] = q.pub(handle)),
      );
    });
    expect(queues.inspect(queue).producers).toEqual([]);
  });

  it('are kept in mind no longer than the reactor can reach them or holds a place in them', async () => {
    const held = queues.create({ kind: 'spsc', capacity: 8, recordBytes: 8 });
    await withRuntime(1, { data: { queue: held } }, async (runtime) => {
      await inside(runtime, 0, (_reactor, _argument, { data, queues: q, require, state }) => {
        const handle = data.queue;
        // Held until it was looked: a collection may come at any time.
        state['opened'] = [];
        for (let i = 0; i < 300; i++) {
          const queue = q.create({ kind: (i % 2 === 0 ? 'spsc' : 'mpsc') as 'spsc', capacity: 8, recordBytes: 8 });
          const producer = q.pub(queue);
          const consumer = q.sub(queue);
          state['opened'].push(queue, producer, consumer);
          // Left, or read to its end.
          if (i % 3 === 0) producer.leave();
          else q.close(queue);
          if (i % 3 === 0) consumer.leave();
        }
        // Dropped, but never left: only the death of the thread frees its place.
        q.pub(handle);
        // Its memory is reached by nothing here any more.
        (data as { queue?: unknown }).queue = undefined;
        (require('node:v8') as typeof import('node:v8')).setFlagsFromString('--expose-gc');
      });
      const { queues: kept } = memberOf(runtime, 0);
      expect(kept.count, 'of what it has just opened').toBeGreaterThan(1);
      await inside(runtime, 0, (_reactor, _argument, { state }) => void (state['opened'] = undefined));
      await until(async () => {
        await inside(runtime, 0, async (_reactor, _argument, { require, sleep }) => {
          ((require('node:vm') as typeof import('node:vm')).runInNewContext('gc') as () => void)();
          await sleep(5);
        });
        return kept.count === 1;
      }, 'only the one that is held is left');
      await deathOf(runtime, () => inside(runtime, 0, () => process.exit(0)));
      expect(queues.inspect(held).producers).toEqual([]);
    });
  });
});

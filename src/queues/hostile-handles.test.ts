/** Handles that were made by hand, consumers that were evicted, and workers that have exited. */
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { codeOf, eight, errorOf } from './fixtures/helpers.js';
import { BACK_PRESSURED, EVICTED, OK, close, create, inspect, pub, recover, struct, sub } from './index.js';
import type { FixedQueue } from './index.js';

const INVALID = 'ERR_PERCORE_INVALID_ARGUMENT';

describe('a handle that was made by hand', () => {
  const made = {
    ring: create({ kind: 'spsc', capacity: 4, recordBytes: 8 }), group: create({ kind: 'mpsc', capacityBytes: 64 }),
    banded: create({ kind: 'banded', capacity: 4, recordBytes: 8 }),
    linked: create({ kind: 'spsc', backend: 'linked', capacityBytes: 8192, chunkBytes: 64 }),
    values: create({ kind: 'spsc', capacity: 4, codec: struct({ a: 'f64' }) }), pipe: create({ backend: 'pipe' }),
  };
  const verbs: ((queue: never) => unknown)[] = [pub, sub, inspect, (queue) => recover(queue, 12345), close];
  const wrongs = [undefined, null, NaN, -8, 4, 2 ** 31, 2 ** 40, 0.5, '64', 64n, {}, [], () => 1];

  it.each(Object.keys(made))('is refused by every verb, whatever is wrong with it: %s', (name) => {
    const handle = made[name as 'ring'] as unknown as Record<string, unknown>;
    // Changes of fields that do not make it another queue have no effect, and are left out.
    const fields = Object.keys(handle).filter(
      (key) =>
        ![
          'fixed', 'consumers', 'framing', 'values', 'maxRecordBytes', 'whenSlow', 'capacityBytes', 'path', 'keepOpen',
          'readDescriptor', 'writeDescriptor', 'codec', 'kind',
        ].includes(key) && !(name === 'pipe' && key === 'backend'),
    );
    for (const key of fields) {
      if (['maxProducers', 'maxConsumers'].includes(key) && name !== 'group') continue;
      for (const wrong of wrongs) {
        if (Object.is(handle[key], wrong)) continue;
        for (const verb of verbs) {
          const code = codeOf(() => verb({ ...handle, [key]: wrong } as never));
          expect(
            ['ERR_PERCORE_INVALID_ARGUMENT', 'ERR_PERCORE_LAYOUT_MISMATCH'], `${key}: ${String(wrong)} of ${name}`,
          ).toContain(code);
        }
      }
    }
  });

  it('is inspected in the same way if the names of its consumers are lost', () => {
    for (const consumers of [null, 5, 'a']) {
      const queue = {
        ...create({ kind: 'spmc', capacity: 4, recordBytes: 8, consumers: { a: {} } }), consumers,
      } as unknown as FixedQueue<'spmc'>;
      expect(inspect(queue).consumers.map(({ name }) => name)).toEqual([undefined]);
      expect(codeOf(() => sub(queue, { name: 'a' }))).toBe(INVALID);
    }
  });

  it('is refused if it is no handle at all', () => {
    for (const junk of [
      undefined, null, 5, 'x', Symbol('x'), 5n, {}, [], () => 1, { kind: 'spsc' }, { kind: 'spsc', backend: 'fixed' },
      { kind: 'x', backend: 'fixed', buffer: made.ring.buffer },
    ]) {
      for (const verb of verbs) expect(codeOf(() => verb(junk as never))).toBe(INVALID);
    }
    for (const buffer of [new SharedArrayBuffer(8), new SharedArrayBuffer(1 << 16), new ArrayBuffer(1 << 16)]) {
      for (const handle of Object.values(made)) {
        if ('shared' in handle) continue;
        for (const verb of verbs)
          expect(String(codeOf(() => verb({ ...handle, buffer } as never)))).toMatch(/^ERR_PERCORE_/);
      }
    }
  });

  it('is refused if its codec does not fit its records', () => {
    const codec = struct({ a: 'f64', b: 'f64' });
    for (const verb of [pub, sub] as ((queue: never) => unknown)[]) {
      expect(codeOf(() => verb({ ...made.values, codec } as never))).toBe(INVALID);
      for (const junk of [5, null, { name: 'x' }, { name: 'struct' }, { name: 'struct', fields: { a: 'x' } }])
        expect(codeOf(() => verb({ ...made.values, codec: junk } as never))).toBe(INVALID);
    }
  });
});

describe('what inspect says of a consumer that was evicted', () => {
  it('agrees with what the consumer says, and with those that keep up', () => {
    for (const shape of [{ capacity: 8, recordBytes: 8 }, { capacityBytes: 256 }]) {
      const queue = create({ kind: 'spmc', ...shape, maxConsumers: 2 } as unknown as {
        kind: 'spmc';
        capacityBytes: number;
      });
      const producer = pub(queue);
      const slow = sub(queue, { whenSlow: 'evict', evictAfterMs: 0 });
      const quick = sub(queue);
      let read = 0;
      for (let i = 0; i < 200; i++) {
        while (producer.offer(eight(i & 255)) === BACK_PRESSURED) read += Math.max(0, quick.drain(() => {}));
      }
      read += quick.drain(() => {});
      expect(slow.poll()).toBe(EVICTED);
      const { depth, highWater, capacity, consumers, dropped, published } = inspect(queue);
      expect([read, published, depth]).toEqual([200, 200, 0]);
      expect(highWater).toBeLessThanOrEqual(capacity);
      expect(slow.lost).toBe(dropped.evicted);
      expect(consumers[0]).toMatchObject({ state: 'evicted', droppedEvicted: slow.lost });
      expect(errorOf(() => {
        sub(queue);
      }).message).toContain('call its leave() first, then subscribe again');
      slow.leave();
      expect(sub(queue).place).toBe(0);
    }
  });
});

describe('recover', () => {
  it('takes the Worker itself, although Node has forgotten its thread by then', async () => {
    const queue = create({ kind: 'spsc', capacity: 4, recordBytes: 8 });
    const worker = new Worker(`
      const { workerData, parentPort } = require('node:worker_threads');
      import(workerData.module).then(({ pub }) => {
        pub(workerData.queue).offer(new Uint8Array(8).fill(1));
        parentPort.postMessage('sent');
        setInterval(() => {}, 1000);
      });`, { eval: true, workerData: { queue, module: new URL('./index.js', import.meta.url).href } });
    await new Promise((resolve) => worker.once('message', resolve));
    expect(errorOf(() => recover(queue, worker)).message).toContain('still runs');
    const { threadId } = worker;
    await worker.terminate();
    expect(worker.threadId).toBe(-1);
    expect(errorOf(() => recover(queue, worker.threadId)).message).toContain(
      'Pass the Worker itself, or the id that you noted at its "online" event',
    );
    expect(recover(queue, worker)).toEqual({ producers: 1, consumers: 0, taken: 0 });
    expect(recover(queue, threadId)).toEqual({ producers: 0, consumers: 0, taken: 0 });
    expect(pub(queue).offer(eight(2))).toBe(OK);
  });

  it('is refused for anything but a thread that has ended', () => {
    const queue = create({ kind: 'spsc', capacity: 4, recordBytes: 8 });
    for (const who of [-1, 1.5, NaN, '5', null, undefined, {}, { threadId: -1 }, { threadId: 3 }, 5n, 0])
      expect(
        codeOf(() => recover(queue, who as never)), String(who),
      ).toBe(INVALID);
    expect(errorOf(() => recover(create({ backend: 'deque', capacity: 2 }) as never, 5)).message).toContain(
      'for queues that threads share',
    );
    expect(errorOf(() => close(create({ backend: 'deque', capacity: 2 }) as never)).message).toContain(
      'when the last of its producers calls close()',
    );
  });
});

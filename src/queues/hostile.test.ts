/**
 * Arguments that no caller should give. They are refused with an error that says so, nothing hangs, and nothing is
 * lost. See also hostile-handles.test.ts and hostile-memory.test.ts.
 */
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { codeOf, drained, eight, errorOf } from './fixtures/helpers.js';
import { OK, create, pub, sub, value } from './index.js';
import type { FixedQueue } from './index.js';

const INVALID = 'ERR_PERCORE_INVALID_ARGUMENT';

describe('a raw queue takes bytes and nothing else', () => {
  const others = [
    'hello', new Float64Array([1.5]), new Int8Array(2), new Uint8ClampedArray(2), new DataView(new ArrayBuffer(4)),
    new ArrayBuffer(8), new SharedArrayBuffer(8), [1, 2], { length: 4 }, 5, 5n, null, undefined, true, Symbol('x'),
    () => 1, Object.create(Uint8Array.prototype), new Proxy(new Uint8Array(2), {}),
  ];
  const queues = {
    fixed: () => create({ kind: 'spsc', capacity: 4, recordBytes: 8 }),
    variable: () => create({ kind: 'spsc', capacityBytes: 1024 }),
    mpsc: () => create({ kind: 'mpsc', capacityBytes: 1024 }),
    linked: () => create({ kind: 'spsc', backend: 'linked', capacityBytes: 8192, chunkBytes: 1024 }),
  };

  it.each(Object.keys(queues))('%s', (name) => {
    const queue = queues[name as 'fixed']() as FixedQueue;
    const [producer, consumer] = [pub(queue), sub(queue)];
    producer.offer(eight(7));
    for (const other of others) expect(codeOf(() => producer.offer(other as never))).toBe(INVALID);
    for (const bytes of [Buffer.alloc(8, 8), new (class Own extends Uint8Array {})(8).fill(9)])
      expect(producer.offer(bytes)).toBe(OK);
    expect(drained(consumer)).toEqual([7, 8, 9]);
  });

  it('of a banded queue, and only in a band that exists', () => {
    const producer = pub(create({ kind: 'banded', capacity: 4, recordBytes: 8 }));
    for (const other of others) expect(codeOf(() => producer.offer(other as never, 3))).toBe(INVALID);
    for (const band of [-1, 8, 1.5, '3', NaN, undefined])
      expect(codeOf(() => producer.offer(eight(1), band as number))).toBe(INVALID);
  });

  it('as long as they were when they were offered, although another thread makes them grow', async () => {
    const queue = create({ kind: 'spsc', capacityBytes: 4096 });
    const growing = new (
      SharedArrayBuffer as unknown as new (
        bytes: number, options: object,
      ) => SharedArrayBuffer & { grow(bytes: number): void }
    )(40, { maxByteLength: 65_536 });
    const consumer = sub(queue, { whenSlow: 'block' });
    const worker = new Worker(`
      const { workerData: { module, queue, growing }, parentPort } = require('node:worker_threads');
      import(module).then(({ pub }) => {
        const producer = pub(queue);
        const view = new Uint8Array(growing).fill(7);
        while (producer.tryClaim(40) >= 0) producer.commit();
        parentPort.postMessage('full');
        producer.offer(view);
        for (let i = 0; i < 20; i++) producer.offer(new Uint8Array(40).fill(200));
        producer.close();
      });`, { eval: true, workerData: { queue, growing, module: new URL('./index.js', import.meta.url).href } });
    await new Promise((resolve) => worker.once('message', resolve));
    await new Promise((resolve) => setTimeout(resolve, 50));
    growing.grow(2048);
    const records: string[] = [];
    for (let code = await consumer.ready(); code === OK; code = await consumer.ready()) {
      const record = consumer.poll() as Uint8Array;
      records.push(`${record.length} of ${new Set(record).size === 1 ? record[0] : 'many'}`);
    }
    expect(records.slice(-21)).toEqual(['40 of 7', ...Array.from({ length: 20 }, () => '40 of 200')]);
    expect(new Set(records.slice(0, -21))).toEqual(new Set(['40 of 0']));
  });
});

describe('every call that hands out records', () => {
  const consumers: Record<string, () => unknown> = {
    fixed: () => create({ kind: 'spsc', capacity: 4, recordBytes: 8 }),
    variable: () => create({ kind: 'spsc', capacityBytes: 1024 }),
    mpsc: () => create({ kind: 'mpsc', capacity: 4, recordBytes: 8 }),
    linked: () => create({ kind: 'spsc', backend: 'linked', capacityBytes: 8192, chunkBytes: 1024 }),
    values: () => create({ kind: 'spsc', capacityBytes: 1024, codec: value }),
    deque: () => create({ backend: 'deque', capacity: 4 }), window: () => create({ backend: 'window', capacity: 4 }),
    pipe: () => create({ backend: 'pipe' }),
  };

  it.each(Object.keys(consumers))('takes a function and a limit; anything else loses nothing: %s', (name) => {
    const queue = consumers[name]!() as FixedQueue;
    const [producer, consumer] = [pub(queue), sub(queue)];
    producer.offer(eight(3));
    for (const handler of ['f', undefined, null, {}, 5])
      expect(codeOf(() => consumer.drain(handler as never))).toBe(INVALID);
    for (const limit of [NaN, 0.5, -1, '1', 1n, null])
      expect(
        codeOf(() => consumer.drain(() => {}, limit as number)), String(limit),
      ).toBe(INVALID);
    expect([consumer.drain(() => {}, Infinity), consumer.drain(() => {}, 2 ** 40)]).toEqual([1, 0]);
    producer.close();
  });

  it('waits only with options that exist', async () => {
    const consumer = sub(create({ kind: 'spmc', capacity: 4, recordBytes: 8 }));
    const deque = sub(create({ backend: 'deque', capacity: 4 }));
    for (const options of [
      { signal: {} }, { signal: null }, { timeoutMs: '5' }, { timeoutMs: -1 }, { timeoutMs: 5n }, { timeOutMs: 5 }, 5,
      null,
    ]) {
      for (const end of [consumer, deque])
        await expect(end.ready(options as never)).rejects.toMatchObject({ code: INVALID });
    }
    await expect(consumer.ready({ timeoutMs: 1 })).rejects.toMatchObject({ code: 'ERR_PERCORE_TIMEOUT' });
  });
});

describe('options that do not exist', () => {
  it('are named, together with what was probably meant', () => {
    const spsc = create({ kind: 'spsc', capacity: 4, recordBytes: 8 });
    expect(errorOf(() => create({ kind: 'spsc', capacity: 4, recordByte: 8 } as never)).message).toContain(
      'did you mean "recordBytes"?',
    );
    expect(errorOf(() => sub(spsc, { whenslow: 'block' } as never)).message).toContain('did you mean "whenSlow"?');
    expect(errorOf(() => pub(spsc, { publishAfter: 4 } as never)).message).toContain(
      'options has no option "publishAfter"',
    );
    expect(
      errorOf(() =>
        (sub as (queue: unknown, options: unknown) => unknown)(create({ backend: 'deque', capacity: 4 }), {
          whenSlow: 'wait',
        }),
      ).message,
    ).toContain('It takes none');
    for (const options of [
      { backend: 'deque', capacity: 4, whenFull: 'wait' }, { backend: 'window', capacity: 4, whenSlow: 'wait' },
      { backend: 'pipe', capacity: 4 }, { kind: 'spsc', backend: 'linked', capacityBytes: 8192, chunks: 4 },
    ]) {
      expect(codeOf(() => create(options as never))).toBe(INVALID);
    }
    for (const options of [
      { after: 5 }, { name: 5 }, { name: 'toString' }, { after: ['toString'] }, { quantum: 4 }, { whenSlow: 5 },
    ]) {
      expect(
        codeOf(() =>
          sub(create({ kind: 'spmc', capacity: 4, recordBytes: 8, consumers: { a: {} } }), options as never),
        ),
        JSON.stringify(options),
      ).toBe(INVALID);
    }
    for (const consumers of ['a', 5, { a: null }, { a: 5 }, { a: { after: 5 } }, { a: { afterwards: [] } }, [{}]]) {
      expect(
        codeOf(() => create({ kind: 'spmc', capacity: 4, recordBytes: 8, consumers } as never)),
        JSON.stringify(consumers),
      ).toBe(INVALID);
    }
  });

  it('so are options that are missing', () => {
    expect(errorOf(() => create({ kind: 'spsc', capacity: 4 } as never))).toMatchObject({
      argument: 'recordBytes', message: expect.stringContaining('it needs recordBytes'),
    });
    expect(errorOf(() => create({ kind: 'spsc', capacityBytes: 64, recordBytes: 8 } as never)).argument).toBe(
      'capacityBytes',
    );
    for (const options of [undefined, null, 5, 'x', {}]) expect(codeOf(() => create(options as never))).toBe(INVALID);
  });

  it('and so is memory that is in use', () => {
    const { buffer } = create({ kind: 'spsc', capacity: 4, recordBytes: 8 });
    expect(errorOf(() => create({ kind: 'spsc', capacity: 4, recordBytes: 8, buffer })).argument).toBe('buffer');
  });
});

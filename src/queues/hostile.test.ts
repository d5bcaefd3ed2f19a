/**
 * What no caller should give and no memory should hold: refused with an error that says so, and nothing hangs, is lost,
 * or is read out of bounds.
 */
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { LINKED_MAGIC, queueLayout } from '../layout.js';
import { drained, eight, errorOf, field, placeField } from './fixtures/helpers.js';
import {
  BACK_PRESSURED, CLOSED, EMPTY, EVICTED, OK, close, create, inspect, link, pub, recover, struct, sub, value,
} from './index.js';
import { READY, USED, ownerOf } from './group.js';
import type { BandedProducer, FixedQueue, LossyConsumer, VariableConsumer, VariableProducer } from './index.js';

const codeOf = (run: () => unknown): unknown => {
  try {
    return run();
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
};
const INVALID = 'ERR_PERCORE_INVALID_ARGUMENT';
const DAMAGED = 'ERR_PERCORE_DAMAGED';

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

  it('of a banded queue, and in a band that there is', () => {
    const producer = pub(create({ kind: 'banded', capacity: 4, recordBytes: 8 }));
    for (const other of others) expect(codeOf(() => producer.offer(other as never, 3))).toBe(INVALID);
    for (const band of [-1, 8, 1.5, '3', NaN, undefined])
      expect(codeOf(() => producer.offer(eight(1), band as number))).toBe(INVALID);
  });

  it('as long as they were when they were offered, though another thread lets them grow', async () => {
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

  it.each(Object.keys(consumers))('takes a function and a limit, and loses nothing to what is none: %s', (name) => {
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

  it('waits with options that there are', async () => {
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
  it('are named, with what was meant', () => {
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

  it('and those that are missing', () => {
    expect(errorOf(() => create({ kind: 'spsc', capacity: 4 } as never))).toMatchObject({
      argument: 'recordBytes', message: expect.stringContaining('it needs recordBytes'),
    });
    expect(errorOf(() => create({ kind: 'spsc', capacityBytes: 64, recordBytes: 8 } as never)).argument).toBe(
      'capacityBytes',
    );
    for (const options of [undefined, null, 5, 'x', {}]) expect(codeOf(() => create(options as never))).toBe(INVALID);
  });

  it('and memory that is in use', () => {
    const { buffer } = create({ kind: 'spsc', capacity: 4, recordBytes: 8 });
    expect(errorOf(() => create({ kind: 'spsc', capacity: 4, recordBytes: 8, buffer })).argument).toBe('buffer');
  });
});

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
    // What makes no other queue of it is not looked at.
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

  it('says no less of itself for having lost its names', () => {
    for (const consumers of [null, 5, 'a']) {
      const queue = {
        ...create({ kind: 'spmc', capacity: 4, recordBytes: 8, consumers: { a: {} } }), consumers,
      } as unknown as FixedQueue<'spmc'>;
      expect(inspect(queue).consumers.map(({ name }) => name)).toEqual([undefined]);
      expect(codeOf(() => sub(queue, { name: 'a' }))).toBe(INVALID);
    }
  });

  it('is refused where it is no handle at all', () => {
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

  it('whose codec does not fit its records', () => {
    const codec = struct({ a: 'f64', b: 'f64' });
    for (const verb of [pub, sub] as ((queue: never) => unknown)[]) {
      expect(codeOf(() => verb({ ...made.values, codec } as never))).toBe(INVALID);
      for (const junk of [5, null, { name: 'x' }, { name: 'struct' }, { name: 'struct', fields: { a: 'x' } }])
        expect(codeOf(() => verb({ ...made.values, codec: junk } as never))).toBe(INVALID);
    }
  });
});

describe('memory that was scribbled on', () => {
  type Ends = { producer: VariableProducer; words: Int32Array; at: number };
  const shapes = {
    'spsc': () => ({ kind: 'spsc', capacityBytes: 256 }),
    'spmc': () => ({ kind: 'spmc', capacityBytes: 256, maxConsumers: 2 }),
    'mpsc': () => ({ kind: 'mpsc', capacityBytes: 256, maxProducers: 1 }),
    'linked': () => ({ kind: 'spsc', backend: 'linked', capacityBytes: 8192, chunkBytes: 256 }),
  };
  /** Two records, and where the header of the first lies. */
  const twoIn = (queue: FixedQueue): Ends => {
    const producer = pub(queue) as unknown as VariableProducer;
    const at = producer.tryClaim(16);
    producer.commit();
    producer.offer(new Uint8Array(16).fill(2));
    return { producer, words: producer.words, at: (at - 8) >> 2 };
  };
  /** Length and type: no padding ends here, no record is as long, and so on. */
  const headers: [number, number][] = [
    [0, -1], [-8, -1], [8, -1], [24, -1], [-(2 ** 31), -1], [2 ** 31 - 1, -1], [-1, 1], [-8, 1], [-16, 1],
    [-(2 ** 31), 1], [2 ** 31 - 1, 1], [2 ** 30, 1], [41, 1], [100, 1], [240, 1], [1000, 1],
  ];

  it.each(Object.keys(shapes))(
    'is an error of its reader, whatever a header says, and goes on being one: %s',
    (name) => {
      for (const [length, type] of headers) {
        for (const read of [
          (consumer: VariableConsumer) => consumer.poll(), (consumer: VariableConsumer) => consumer.drain(() => {}),
        ]) {
          const queue = create(shapes[name as 'spsc']() as never) as unknown as FixedQueue;
          const { words, at } = twoIn(queue);
          const consumer = sub(queue) as unknown as VariableConsumer;
          words[at] = length;
          words[at + 1] = type;
          expect([codeOf(() => read(consumer)), codeOf(() => read(consumer))], `${length}, ${type}`).toEqual([
            DAMAGED, DAMAGED,
          ]);
        }
      }
    },
  );

  it('is one of a reader that may be lapped, of the producer that laps it, and of a link', () => {
    for (const [length, type] of headers.filter(([bytes, kind]) => kind === -1 || bytes < 0 || bytes > 300)) {
      const queue = create({ kind: 'spsc', capacityBytes: 256 });
      const { producer, words, at } = twoIn(queue as never);
      const consumer = sub(queue, { whenSlow: 'drop-oldest' }) as LossyConsumer;
      words[at] = length;
      words[at + 1] = type;
      expect(codeOf(() => consumer.poll()), `read ${length}, ${type}`).toBe(DAMAGED);
      expect(codeOf(() => {
        for (let i = 0; i < 20; i++) producer.offer(new Uint8Array(16));
      }), `lapped ${length}, ${type}`).toBe(DAMAGED);
      const other = create({ kind: 'spsc', capacityBytes: 256 });
      const ends = twoIn(other as never);
      ends.words[ends.at] = length;
      ends.words[ends.at + 1] = type;
      const joined = link(sub(other), pub(create({ kind: 'spsc', capacityBytes: 256 })));
      expect(codeOf(() => joined.move()), `linked ${length}, ${type}`).toBe(DAMAGED);
    }
  });

  it('is an error when a cursor is no cursor', async () => {
    for (const shape of [{ capacity: 8, recordBytes: 8 }, { capacityBytes: 256 }]) {
      for (const scribble of [-8, 2 ** 31 - 8, 1 << 20, -(2 ** 31)]) {
        const queue = create({ kind: 'spsc', ...shape } as { kind: 'spsc'; capacityBytes: number });
        const [producer, consumer] = [pub(queue), sub(queue)];
        producer.offer(eight(1));
        new Int32Array(queue.buffer)[field('producerCursor')] = scribble;
        expect([codeOf(() => consumer.poll()), codeOf(() => consumer.drain(() => {}))]).toEqual([DAMAGED, DAMAGED]);
        await expect(consumer.ready()).rejects.toMatchObject({ code: DAMAGED });
        close(queue);
        expect([DAMAGED, CLOSED, EMPTY]).toContain(codeOf(() => consumer.poll()));
      }
    }
  });

  it('is an error where it says who ended the queue, and for whoever asks', () => {
    for (const kind of ['spsc', 'spmc', 'mpsc', 'banded'] as const) {
      const most = kind === 'spmc' ? 16 : 1;
      for (const phase of [16 + most, 17 + 64, 1 << 20, 2 ** 31 - 1]) {
        for (const isFixed of [true, false]) {
          const queue = create({ kind, ...(isFixed ? { capacity: 4, recordBytes: 8 } : { capacityBytes: 64 }) } as {
            kind: 'spsc';
            capacity: number;
            recordBytes: number;
          });
          const whole = pub(queue);
          const producer = kind === 'banded' ? (whole as unknown as BandedProducer).band(7) : whole;
          const consumer = sub(queue);
          producer.offer(eight(1));
          close(queue);
          // The phase of the ring that the producer writes to.
          producer.words[field('phase')] = phase;
          expect([codeOf(() => producer.offer(eight(1))), codeOf(() => consumer.poll())], `${kind} ${phase}`).toEqual([
            DAMAGED, DAMAGED,
          ]);
        }
      }
    }
  });

  it('is passed over, or an error, where it says which bands and lanes there are', () => {
    for (const ready of [-1, 1 << 8, 1 << 30, -(2 ** 31)]) {
      const queue = create({ kind: 'banded', capacity: 4, recordBytes: 8 });
      const [producer, consumer] = [pub(queue), sub(queue)];
      producer.offer(eight(5), 2);
      new Int32Array(queue.buffer)[READY]! |= ready;
      expect([consumer.look(), drained(consumer), consumer.poll()]).toEqual([OK, [5], EMPTY]);
    }
    for (const used of [-1, 17, 2 ** 31 - 1, -(2 ** 31)]) {
      const queue = create({ kind: 'mpsc', capacity: 4, recordBytes: 8 });
      pub(queue).offer(eight(5));
      new Int32Array(queue.buffer)[USED] = used;
      expect(codeOf(() => sub(queue))).toBe(DAMAGED);
    }
    for (const owner of [-1, 99, 2 ** 31 - 1, -(2 ** 31)]) {
      const queue = create({ kind: 'mpsc', capacity: 4, recordBytes: 8 });
      pub(queue).offer(eight(5));
      new Int32Array(queue.buffer)[ownerOf(0)] = owner;
      expect(drained(sub(queue)), 'a lane of nobody is the first one\'s').toEqual([5]);
    }
  });

  it('is an error, and no endless search, of a reader that may be lapped', () => {
    for (const shape of [{ capacity: 8, recordBytes: 8 }, { capacityBytes: 256 }]) {
      for (const cursor of [-8, -(2 ** 30), 2 ** 31 - 8, 1 << 20]) {
        const queue = create({ kind: 'spsc', ...shape } as { kind: 'spsc'; capacityBytes: number });
        const [producer, consumer] = [pub(queue), sub(queue, { whenSlow: 'drop-oldest' })];
        producer.offer(eight(1));
        new Int32Array(queue.buffer)[field('producerCursor')] = cursor;
        expect([codeOf(() => consumer.poll()), codeOf(() => consumer.drain(() => {}))], String(cursor)).toEqual([
          DAMAGED, DAMAGED,
        ]);
      }
    }
  });

  it('stops no supervisor', () => {
    const queue = create({ kind: 'spsc', capacityBytes: 256 });
    const { words, at } = twoIn(queue as never);
    sub(queue);
    words[placeField('thread')] = 9999 + 1;
    words[placeField('taken')] = 48;
    words[at] = 0;
    words[at + 1] = -1;
    expect(recover(queue, 9999)).toMatchObject({ consumers: 1 });
  });

  it('also where it says which chunk comes next', () => {
    for (const chunk of [-1, 1000, 2 ** 31 - 1, -(2 ** 31)]) {
      const queue = create({ kind: 'spsc', backend: 'linked', capacityBytes: 8192, chunkBytes: 64 });
      const [producer, consumer] = [pub(queue), sub(queue)];
      for (let i = 0; i < 4; i++) expect(producer.offer(new Uint8Array(16).fill(i))).toBe(OK);
      const words = new Int32Array(queue.buffer);
      expect(words.includes(LINKED_MAGIC)).toBe(true);
      // All slots of the table, behind both headers.
      const table = words.indexOf(LINKED_MAGIC, queueLayout.bytes >> 2);
      for (let slot = 1; slot < 128; slot++) {
        const word = table + 32 + slot;
        if (words[word] === slot && slot < 4) words[word] = chunk;
      }
      const codes: unknown[] = [];
      for (let i = 0; i < 5; i++) codes.push(codeOf(() => (consumer.poll() instanceof Uint8Array ? 'read' : 'none')));
      expect(codes.every((code) => ['read', 'none', DAMAGED].includes(code as string))).toBe(true);
    }
  });
});

describe('a policy word that says "block" though nobody has asked for it', () => {
  const shapes = {
    fixed: () => create({ kind: 'spsc', capacity: 4, recordBytes: 8 }),
    variable: () => create({ kind: 'spsc', capacityBytes: 64 }),
    'one of many': () => create({ kind: 'spmc', capacity: 4, recordBytes: 8 }),
    linked: () => create({ kind: 'spsc', backend: 'linked', capacityBytes: 4096, chunkBytes: 1024 }),
  };
  it.each(Object.keys(shapes))('does not make an offer stand still for ever: %s', (name) => {
    for (const isThere of [false, true]) {
      const queue = shapes[name as 'fixed']();
      const producer = pub(queue);
      if (isThere) sub(queue);
      new Int32Array(queue.buffer)[placeField('policy')] = 1;
      let code: number = OK;
      for (let i = 0; i < 1000 && code === OK; i++) code = producer.offer(eight(1));
      expect(code, isThere ? 'of a consumer of this thread' : 'of nobody').toBe(BACK_PRESSURED);
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
  it('takes the Worker itself, though Node has forgotten its thread by then', async () => {
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

  it('is refused for what is no thread that has ended', () => {
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

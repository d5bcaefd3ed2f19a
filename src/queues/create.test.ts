import { describe, expect, it, vi } from 'vitest';
import { LAYOUT_VERSION, QUEUE_MAGIC } from '../layout.js';
import { DATA_BYTES, drained, eight, errorOf, field } from './fixtures/helpers.js';
import {
  AGAIN, BACK_PRESSURED, CLOSED, DROPPED, EMPTY, EVICTED, OK, SLACK_BYTES, TOO_LARGE, bytesFor, close, create, inspect,
  nameOfCode, pub, recover, sub,
} from './index.js';
import type { FixedOptions, FixedQueue, Queue } from './index.js';

describe('a queue\'s handle', () => {
  it('works after structured clone, on the same memory, whatever its kind', () => {
    const handles = (['spsc', 'spmc', 'mpsc'] as const).flatMap((kind) => [
      create({ kind, capacity: 4, recordBytes: 8 }), create({ kind, capacityBytes: 64 }),
    ]);
    for (const handle of handles as FixedQueue[]) {
      const [clone, another] = [structuredClone(handle), structuredClone(handle)];
      expect(clone).toEqual(handle);
      expect(pub(clone).offer(eight(1)), handle.kind).toBe(OK);
      const consumer = sub(another);
      expect(drained(consumer)).toEqual([1]);
      close(structuredClone(handle));
      expect([consumer.poll(), inspect(structuredClone(handle))]).toEqual([CLOSED, inspect(handle)]);
    }
  });

  it('works after structured clone for a banded queue, and for declared consumers', () => {
    const banded = create({ kind: 'banded', capacity: 4, recordBytes: 8 });
    pub(structuredClone(banded)).offer(eight(3), 3);
    expect(drained(sub(structuredClone(banded)))).toEqual([3]);
    const staged = create({
      kind: 'spmc', capacity: 4, recordBytes: 8, consumers: { one: {}, two: { after: ['one'] } },
    });
    pub(structuredClone(staged)).offer(eight(4));
    expect([
      drained(sub(structuredClone(staged), { name: 'one' })), drained(sub(structuredClone(staged), { name: 'two' })),
    ]).toEqual([[4], [4]]);
  });

  it('says what the queue is, and consists of plain values and its memory', () => {
    const queue = create({ kind: 'spmc', capacity: 4, recordBytes: 8, maxConsumers: 5, consumers: { one: {} } });
    const { buffer, ...plain } = queue;
    expect(plain).toEqual({
      kind: 'spmc', backend: 'fixed', byteOffset: 0, capacity: 4, recordBytes: 8, maxProducers: 1, maxConsumers: 5,
      fixed: true, consumers: { one: 0 },
    });
    expect(buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(create({ kind: 'mpsc', capacityBytes: 64 })).toMatchObject({
      maxProducers: 16, maxConsumers: 16, fixed: false, recordBytes: 0,
    });
  });

  it('lets queues share one buffer without touching each other', () => {
    const second = Math.ceil(bytesFor(2, 8) / 8) * 8;
    const buffer = new SharedArrayBuffer(second + bytesFor(32, 0));
    const one = create({ kind: 'spsc', capacity: 2, recordBytes: 8, buffer });
    const two = create({ kind: 'spsc', capacityBytes: 32, buffer, byteOffset: second });
    expect([two.buffer, two.byteOffset]).toEqual([buffer, second]);
    const [producer, other] = [pub(one), pub(two)];
    const [consumer, another] = [sub(one), sub(two)];
    for (let lap = 1; lap < 6; lap++) {
      expect([producer.offer(eight(lap)), producer.offer(eight(lap)), other.offer(eight(100 + lap))]).toEqual([
        OK, OK, OK,
      ]);
      expect(drained(another)).toEqual([100 + lap]);
      expect(drained(consumer)).toEqual([lap, lap]);
    }
  });

  it('takes exactly bytesFor bytes, slack included', () => {
    const bytesOfTwo = bytesFor(2, 3);
    expect(bytesOfTwo).toBe(DATA_BYTES + 6 + SLACK_BYTES);
    expect(create({ kind: 'spsc', capacity: 2, recordBytes: 3 }).buffer.byteLength).toBe(bytesOfTwo);
    expect(create({ kind: 'spsc', capacityBytes: 32 }).buffer.byteLength).toBe(DATA_BYTES + 32 + SLACK_BYTES);
  });

  it('is refused if another version has laid out the memory', () => {
    const queue = create({ kind: 'spsc', capacity: 4, recordBytes: 8 });
    new Int32Array(queue.buffer)[field('version')] = LAYOUT_VERSION + 1;
    const message = `queue memory has magic ${QUEUE_MAGIC} and layout version ${LAYOUT_VERSION + 1}; this build `
      + `writes ${QUEUE_MAGIC} and ${LAYOUT_VERSION}. Use one version of percore in all threads`;
    expect(errorOf(() => pub(queue))).toEqual({ code: 'ERR_PERCORE_LAYOUT_MISMATCH', message, argument: 'queue' });
    expect(errorOf(() => sub(queue)).message).toBe(message);
  });

  it('is refused when its memory is not a queue', () => {
    const queue: Queue<'spsc'> = {
      kind: 'spsc', backend: 'fixed', maxProducers: 1, maxConsumers: 1, buffer: new SharedArrayBuffer(bytesFor(4, 8)),
      byteOffset: 0, capacity: 4, recordBytes: 8,
    };
    expect(errorOf(() => sub({ ...queue, fixed: true })).code).toBe('ERR_PERCORE_LAYOUT_MISMATCH');
    const short = { ...queue, fixed: true, capacity: 8 } as const;
    expect(errorOf(() => sub(short)).message).toBe(
      `queue.buffer has ${bytesFor(4, 8)} bytes, the queue needs ${bytesFor(8, 8)}`,
    );
    expect(errorOf(() => pub({} as never)).message).toBe(
      'queue must be what create() returned, or its structured clone, not [object Object]',
    );
    expect(errorOf(() => pub(undefined as never)).message).toBe(
      'queue must be what create() returned, or its structured clone, not undefined',
    );
    for (const kind of ['spsc', 'mpsc', 'banded'] as const) {
      for (const verb of [pub, sub, close, inspect, (handle: never) => recover(handle, 1)]) {
        expect(errorOf(() => verb({ kind, buffer: new SharedArrayBuffer(64) } as never)).message).toBe(
          'queue must be what create() returned, or its structured clone, not [object Object]',
        );
      }
    }
  });

  it('is refused when it does not fit its memory', () => {
    const made = create({ kind: 'spmc', capacity: 4, recordBytes: 8, maxConsumers: 3 });
    const message =
      'the handle says capacity, recordBytes and maxConsumers 4, 8, 2; the memory was made with 4, 8, 3. Pass the '
        + 'handle as create() returned it';
    expect(errorOf(() => sub({ ...made, maxConsumers: 2 }))).toEqual({
      code: 'ERR_PERCORE_INVALID_ARGUMENT', message, argument: 'queue',
    });
    const lanes = create({ kind: 'mpsc', capacity: 4, recordBytes: 8, maxProducers: 3 });
    expect(errorOf(() => sub({ ...lanes, maxProducers: 2 })).code).toBe('ERR_PERCORE_LAYOUT_MISMATCH');
    expect(errorOf(() => pub({ ...lanes, maxProducers: 64 })).message).toMatch(
      /^queue\.buffer has \d+ bytes, the queue needs \d+$/,
    );
  });
});

describe('bad options', () => {
  const fixedOptions = { kind: 'spsc', capacity: 4, recordBytes: 8 };
  const variableOptions = { kind: 'spsc', capacityBytes: 64 };
  const wrong: [message: string, options: unknown][] = [
    ["kind must be 'spsc', 'mpsc', 'spmc' or 'banded', not undefined", undefined],
    ['kind must be \'spsc\', \'mpsc\', \'spmc\' or \'banded\', not "ring"', { ...fixedOptions, kind: 'ring' }],
    [
      'kind must be \'spsc\', \'mpsc\', \'spmc\' or \'banded\', not "spcs"; did you mean \'spsc\'?',
      { ...fixedOptions, kind: 'spcs' },
    ],
    ['capacity must be a power of two from 2 to 1073741824, not 1', { ...fixedOptions, capacity: 1 }],
    ['capacity must be a power of two from 2 to 1073741824, not 3', { ...fixedOptions, capacity: 3 }],
    ['capacity must be a power of two from 2 to 1073741824, not 2147483648', { ...fixedOptions, capacity: 2 ** 31 }],
    ['capacity must be a power of two from 2 to 1073741824, not "4"', { ...fixedOptions, capacity: '4' }],
    ['recordBytes must be a whole number from 1 to 1048576, not 0', { ...fixedOptions, recordBytes: 0 }],
    [
      'recordBytes must be a whole number from 1 to 1048576, not 1048577',
      { ...fixedOptions, recordBytes: 2 ** 20 + 1 },
    ],
    ['recordBytes must be a whole number from 1 to 1048576, not 1.5', { ...fixedOptions, recordBytes: 1.5 }],
    ['capacityBytes must be a power of two from 32 to 1073741824, not 16', { ...variableOptions, capacityBytes: 16 }],
    ['capacityBytes must be a power of two from 32 to 1073741824, not 100', { ...variableOptions, capacityBytes: 100 }],
    ['capacityBytes must be a power of two from 32 to 1073741824, not undefined', { kind: 'spsc' }],
    [
      'startSequence must be a whole number from -2147483648 to 4294967295, not 4294967296',
      { ...fixedOptions, startSequence: 2 ** 32 },
    ],
    [
      'startSequence must be a whole number from -2147483648 to 4294967295, not 0.5',
      { ...fixedOptions, startSequence: 0.5 },
    ],
    [
      'startSequence must be a multiple of 8 for a queue of variable records, not 4',
      { ...variableOptions, startSequence: 4 },
    ],
    [
      'byteOffset must be a multiple of 8, not 4',
      { ...fixedOptions, buffer: new SharedArrayBuffer(1024), byteOffset: 4 },
    ],
    [
      'byteOffset must be a whole number from 0 to 8, not 16',
      { ...fixedOptions, buffer: new SharedArrayBuffer(bytesFor(4, 8) + 8), byteOffset: 16 },
    ],
    ['byteOffset must be a whole number from 0 to 0, not -8', { ...fixedOptions, byteOffset: -8 }],
    [
      `buffer must be at least ${bytesFor(4, 8)} bytes long, not 16`,
      { ...fixedOptions, buffer: new SharedArrayBuffer(16) },
    ],
    [
      'buffer must be a SharedArrayBuffer, not [object ArrayBuffer]',
      { ...fixedOptions, buffer: new ArrayBuffer(4096) },
    ],
    [
      'capacity must be a power of two below 2048 for records of 1048576 bytes: a ring takes less than 2 GiB, not 2048',
      { ...fixedOptions, capacity: 2048, recordBytes: 2 ** 20 },
    ],
    ["maxProducers must be 1 for a queue of kind 'spsc', not 2", { ...fixedOptions, maxProducers: 2 }],
    ["maxProducers must be 1 for a queue of kind 'spmc', not 2", { ...fixedOptions, kind: 'spmc', maxProducers: 2 }],
    [
      "maxConsumers must be 1 for a queue of kind 'banded', not 3",
      { ...fixedOptions, kind: 'banded', maxConsumers: 3 },
    ],
    ['maxProducers must be a whole number from 1 to 64, not 65', { ...fixedOptions, kind: 'mpsc', maxProducers: 65 }],
    ['maxConsumers must be a whole number from 1 to 32, not 33', { ...fixedOptions, kind: 'mpsc', maxConsumers: 33 }],
    ['maxConsumers must be a whole number from 1 to 32, not 0', { ...fixedOptions, kind: 'spmc', maxConsumers: 0 }],
  ];

  it.each(wrong)('are refused with: %s', (message, options) => {
    expect(errorOf(() => create(options as FixedOptions))).toMatchObject({
      code: 'ERR_PERCORE_INVALID_ARGUMENT', message,
    });
  });

  it('that the system has no memory for are refused with a code', () => {
    vi.stubGlobal('SharedArrayBuffer', function refuse() {
      throw new RangeError('Array buffer allocation failed');
    });
    try {
      for (const options of [{}, { kind: 'mpsc' }, { backend: 'linked' }]) {
        expect(errorOf(() => create({ kind: 'spsc', capacityBytes: 2 ** 20, ...options } as never))).toMatchObject({
          code: 'ERR_PERCORE_SYSTEM', argument: 'capacity', message: expect.stringContaining('ENOMEM'),
        });
      }
    } finally {
      vi.unstubAllGlobals();
    }
  });

  it('of pub are refused likewise', () => {
    const queue = create({ kind: 'spsc', capacity: 4, recordBytes: 8 });
    for (const publishEvery of [0, 1.5, 2 ** 30 + 1]) {
      const message = `publishEvery.records must be a whole number from 1 to 1073741824, not ${publishEvery}`;
      expect(errorOf(() => pub(queue, { publishEvery: { records: publishEvery } }))).toEqual({
        code: 'ERR_PERCORE_INVALID_ARGUMENT', message, argument: 'publishEvery.records',
      });
    }
  });
});

describe('result codes', () => {
  it('have names for messages', () => {
    expect([OK, 5, BACK_PRESSURED, CLOSED, TOO_LARGE, EMPTY, AGAIN, DROPPED, EVICTED, -9].map(nameOfCode)).toEqual([
      'OK', 'OK', 'BACK_PRESSURED', 'CLOSED', 'TOO_LARGE', 'EMPTY', 'AGAIN', 'DROPPED', 'EVICTED', 'code -9',
    ]);
  });
});

import { describe, expect, it } from 'vitest';
import { LAYOUT_VERSION, QUEUE_MAGIC } from '../layout.js';
import { DATA_BYTES, bytes, drained, eight, errorOf, field } from './fixtures/helpers.js';
import { BACK_PRESSURED, CLOSED, EMPTY, OK, SLACK_BYTES, TOO_LARGE, bytesFor, create, nameOfCode, pub, sub } from './index.js';
import type { FixedOptions, Queue } from './index.js';

describe('a queue\'s handle', () => {
  it('works after structured clone, on the same memory', () => {
    const queue = create({ kind: 'spsc', capacity: 4, recordBytes: 8 });
    const clone = structuredClone(queue);
    pub(queue).offer(eight(1));
    expect(sub(clone).poll()).toEqual(eight(1));
    const records = create({ kind: 'spsc', capacityBytes: 64 });
    pub(structuredClone(records)).offer(bytes(1, 2));
    expect(sub(records).poll()).toEqual(bytes(1, 2));
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
      expect([producer.offer(eight(lap)), producer.offer(eight(lap)), other.offer(eight(100 + lap))]).toEqual([OK, OK, OK]);
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

  it('is refused when another version laid the memory out', () => {
    const queue = create({ kind: 'spsc', capacity: 4, recordBytes: 8 });
    new Int32Array(queue.buffer)[field('version')] = LAYOUT_VERSION + 1;
    const message = `queue memory has magic ${QUEUE_MAGIC} and layout version ${LAYOUT_VERSION + 1}; this build writes ${QUEUE_MAGIC} and ${LAYOUT_VERSION}. Use one version of percore in all threads`;
    expect(errorOf(() => pub(queue))).toEqual({ code: 'ERR_PERCORE_LAYOUT_MISMATCH', message, argument: 'queue' });
    expect(errorOf(() => sub(queue)).message).toBe(message);
  });

  it('is refused when its memory is not a queue', () => {
    const queue: Queue<'spsc'> = { kind: 'spsc', backend: 'fixed', maxProducers: 1, maxConsumers: 1, buffer: new SharedArrayBuffer(bytesFor(4, 8)), byteOffset: 0, capacity: 4, recordBytes: 8 };
    expect(errorOf(() => sub({ ...queue, fixed: true })).code).toBe('ERR_PERCORE_LAYOUT_MISMATCH');
    const short = { ...queue, fixed: true, capacity: 8 } as const;
    expect(errorOf(() => sub(short)).message).toBe(`queue.buffer has ${bytesFor(4, 8)} bytes, the queue needs ${bytesFor(8, 8)}`);
    expect(errorOf(() => pub({} as never)).message).toBe('queue must be what create() returned, or its structured clone, not [object Object]');
    expect(errorOf(() => pub(undefined as never)).message).toBe('queue must be what create() returned, or its structured clone, not undefined');
  });
});

describe('bad options', () => {
  const fixedOptions = { kind: 'spsc', capacity: 4, recordBytes: 8 };
  const variableOptions = { kind: 'spsc', capacityBytes: 64 };
  const wrong: [message: string, options: unknown][] = [
    ["kind must be 'spsc', 'mpsc', 'spmc', 'banded', not undefined", undefined],
    ['kind must be \'spsc\', \'mpsc\', \'spmc\', \'banded\', not "ring"', { ...fixedOptions, kind: 'ring' }],
    ['capacity must be a power of two from 2 to 1073741824, not 1', { ...fixedOptions, capacity: 1 }],
    ['capacity must be a power of two from 2 to 1073741824, not 3', { ...fixedOptions, capacity: 3 }],
    ['capacity must be a power of two from 2 to 1073741824, not 2147483648', { ...fixedOptions, capacity: 2 ** 31 }],
    ['capacity must be a power of two from 2 to 1073741824, not "4"', { ...fixedOptions, capacity: '4' }],
    ['recordBytes must be a whole number from 1 to 1048576, not 0', { ...fixedOptions, recordBytes: 0 }],
    ['recordBytes must be a whole number from 1 to 1048576, not 1048577', { ...fixedOptions, recordBytes: 2 ** 20 + 1 }],
    ['recordBytes must be a whole number from 1 to 1048576, not 1.5', { ...fixedOptions, recordBytes: 1.5 }],
    ['capacityBytes must be a power of two from 32 to 1073741824, not 16', { ...variableOptions, capacityBytes: 16 }],
    ['capacityBytes must be a power of two from 32 to 1073741824, not 100', { ...variableOptions, capacityBytes: 100 }],
    ['capacityBytes must be a power of two from 32 to 1073741824, not undefined', { kind: 'spsc' }],
    ['startSequence must be a whole number from -2147483648 to 4294967295, not 4294967296', { ...fixedOptions, startSequence: 2 ** 32 }],
    ['startSequence must be a whole number from -2147483648 to 4294967295, not 0.5', { ...fixedOptions, startSequence: 0.5 }],
    ['startSequence must be a multiple of 8 for a queue of variable records, not 4', { ...variableOptions, startSequence: 4 }],
    ['byteOffset must be a multiple of 8, not 4', { ...fixedOptions, buffer: new SharedArrayBuffer(1024), byteOffset: 4 }],
    ['byteOffset must be a whole number from 0 to 8, not 16', { ...fixedOptions, buffer: new SharedArrayBuffer(bytesFor(4, 8) + 8), byteOffset: 16 }],
    ['byteOffset must be a whole number from 0 to 0, not -8', { ...fixedOptions, byteOffset: -8 }],
  ];

  it.each(wrong)('are refused with: %s', (message, options) => {
    expect(errorOf(() => create(options as FixedOptions))).toMatchObject({ code: 'ERR_PERCORE_INVALID_ARGUMENT', message });
  });

  it('of pub are refused likewise', () => {
    const queue = create({ kind: 'spsc', capacity: 4, recordBytes: 8 });
    for (const publishEvery of [0, 1.5, 2 ** 30 + 1]) {
      const message = `publishEvery must be a whole number from 1 to 1073741824, not ${publishEvery}`;
      expect(errorOf(() => pub(queue, { publishEvery }))).toEqual({ code: 'ERR_PERCORE_INVALID_ARGUMENT', message, argument: 'publishEvery' });
    }
  });
});

describe('result codes', () => {
  it('have names for messages', () => {
    expect([OK, 5, BACK_PRESSURED, CLOSED, TOO_LARGE, EMPTY, -9].map(nameOfCode)).toEqual(['OK', 'OK', 'BACK_PRESSURED', 'CLOSED', 'TOO_LARGE', 'EMPTY', 'code -9']);
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { codecOf } from './codecs.js';
import { dirtyMemory, errorOf } from './fixtures/codec-round-trip.js';
import { create, pub, sub } from './index.js';
import { recordMemory } from './record-memory.js';
import { struct } from './struct-layout.js';
import { structReader, structWriter } from './struct-view.js';

const modes = [
  ['generated code', true], ['closures', false],
] as const;
const order = struct({
  price: 'f64', size: 'u32', side: 'u8', delta: 'i16', id: 'u64', isBuy: 'bool', name: 'utf8[6]', hash: 'u8[4]',
  ratio: 'f32', level: 'i8', steps: 'i32[2]',
});

describe('a struct in place', () => {
  for (const [mode, isGenerated] of modes) {
    it(`writes what the codec reads, and reads what the codec writes, field by field (${mode})`, () => {
      const values = fc.record(
        {
          price: fc.double(), size: fc.nat({ max: 2 ** 31 - 1 }).map((x) => x * 2), side: fc.nat({ max: 255 }),
          delta: fc.integer({ min: -32768, max: 32767 }), id: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
          isBuy: fc.boolean(), name: fc.string({ maxLength: 6 }), hash: fc.uint8Array({ minLength: 4, maxLength: 4 }),
          ratio: fc.float(), level: fc.integer({ min: -128, max: 127 }),
          steps: fc.int32Array({ minLength: 2, maxLength: 2 }),
        },
        { noNullPrototype: true },
      );
      fc.assert(
        fc.property(values, fc.nat({ max: 6 }), (value, place) => {
          const memory = dirtyMemory(8 * order.recordBytes);
          const at = place * order.recordBytes;
          const writer = structWriter(order, memory, isGenerated);
          const reader = structReader(order, memory, isGenerated);
          Object.assign(writer.at(at), value);
          expect(codecOf(order).read(memory, at, order.recordBytes)).toStrictEqual(value);
          const record = reader.at(at);
          for (const key of Object.keys(value) as (keyof typeof value)[]) {
            expect(record[key], key).toStrictEqual(value[key]);
            expect(writer.at(at)[key], key).toStrictEqual(value[key]);
          }
          // The records before and after it are unchanged.
          expect(memory.bytes.subarray(0, at).every((byte) => byte === 0xa5)).toBe(true);
          expect(memory.bytes.subarray(at + order.recordBytes).every((byte) => byte === 0xa5)).toBe(true);
        }),
      );
    });

    it(`is one object, moved from record to record (${mode})`, () => {
      const small = struct({ a: 'u32', b: 'u8' });
      const memory = dirtyMemory(64);
      const writer = structWriter(small, memory, isGenerated);
      const first = writer.at(0);
      first.a = 1;
      expect(writer.at(16)).toBe(first);
      first.a = 2;
      writer.at(16).b = 3;
      expect([memory.words[0], memory.words[4], memory.bytes[20]]).toEqual([1, 2, 3]);
      const reader = structReader(small, memory, isGenerated);
      expect([reader.at(0).a, reader.at(16).a, reader.at(16).b]).toEqual([1, 2, 3]);
    });

    it(`keeps two flyweights apart (${mode})`, () => {
      const small = struct({ a: 'u32' });
      const memory = dirtyMemory(64);
      const [one, two] = [
        structWriter(small, memory, isGenerated).at(0), structWriter(small, memory, isGenerated).at(4),
      ];
      one.a = 1;
      two.a = 2;
      expect([one.a, two.a]).toEqual([1, 2]);
    });

    it(`stores nothing that does not fit, and says what would fit (${mode})`, () => {
      const memory = dirtyMemory(128);
      const record = structWriter(order, memory, isGenerated).at(0) as Record<string, unknown>;
      for (const [key, wrong] of [
        ['price', '1'], ['size', -1], ['size', 2 ** 32], ['size', 1.5], ['side', 256], ['delta', 32768], ['id', 1],
        ['id', -1n], ['isBuy', 1], ['name', 'abcdefg'], ['hash', new Uint8Array(5)], ['ratio', 1e39], ['level', 128],
        ['steps', [1, 2]],
      ] as const) {
        const error = errorOf(() => {
          record[key] = wrong;
        });
        expect([error.code, error.argument, error.value]).toEqual([
          'ERR_PERCORE_UNSERIALIZABLE', `value.${key}`, wrong,
        ]);
      }
      expect(memory.bytes.every((byte) => byte === 0xa5)).toBe(true);
      expect(
        errorOf(() => {
          record['side'] = 256;
        }).message,
      ).toBe('value.side must be a whole number from 0 to 255, not 256');
    });

    it(`cannot be written through a reader (${mode})`, () => {
      const memory = dirtyMemory(128);
      const record = structReader(order, memory, isGenerated).at(0) as { price: number };
      expect(() => { record.price = 1; }).toThrow(TypeError);
      expect(memory.bytes.every((byte) => byte === 0xa5)).toBe(true);
    });

    it(`refuses a position where no record is, such as the code of a claim that failed (${mode})`, () => {
      const memory = dirtyMemory(2 * order.recordBytes);
      const writer = structWriter(order, memory, isGenerated);
      writer.at(order.recordBytes);
      for (const at of [-1, -3, 4, order.recordBytes + 8, 2 ** 32, 0.5, NaN, undefined as never]) {
        const error = errorOf(() => writer.at(at));
        expect([error.code, error.argument, error.allowed]).toEqual([
          'ERR_PERCORE_INVALID_ARGUMENT', 'at', `a multiple of 8 from 0 to ${order.recordBytes}`,
        ]);
      }
    });

    it(`accepts any name of a field (${mode})`, () => {
      const names = [
        'constructor', 'prototype', 'toString', 'at', '#at', 'word', 'memory', 'a b', '"', '\\', '\u2028', '\ud800',
        '${x}', '`', '7', 'move', 'get', 'set', 'static',
      ];
      const odd = struct(Object.fromEntries(names.map((key) => [key, 'u16' as const])));
      const memory = dirtyMemory(odd.recordBytes);
      const record = structWriter(odd, memory, isGenerated).at(0);
      for (const [i, key] of names.entries()) record[key] = 1000 + i;
      expect(names.map((key) => memory.view.getUint16(odd.offsets[key], true))).toEqual(names.map((_, i) => 1000 + i));
      const reader = structReader(odd, memory, isGenerated).at(0);
      expect(names.map((key) => reader[key])).toEqual(names.map((_, i) => 1000 + i));
    });

    it(`works on the memory of a queue, without a copy (${mode})`, () => {
      const tick = struct({ price: 'f64', size: 'u32', name: 'utf8[8]' });
      const queue = create({ kind: 'spsc', capacity: 4, recordBytes: tick.recordBytes, startSequence: 2 ** 31 - 2 });
      const [producer, consumer] = [pub(queue), sub(queue)];
      const writer = structWriter(tick, producer, isGenerated);
      const reader = structReader(tick, consumer, isGenerated);
      for (let round = 0; round < 5; round++) {
        const at = producer.tryClaim(3);
        for (let i = 0; i < 3; i++) {
          const record = writer.at(producer.offsetOf(at, i));
          record.price = round + i / 4;
          record.size = i;
          record.name = `n${i}`;
        }
        producer.commit(3);
        const seen: unknown[] = [];
        consumer.drain((_view, offset) => {
          const { price, size, name } = reader.at(offset);
          seen.push([price, size, name]);
        }, 8);
        expect(seen).toEqual([[round, 0, 'n0'], [round + 0.25, 1, 'n1'], [round + 0.5, 2, 'n2']]);
      }
      expect(producer.tryClaim(4)).toBeGreaterThanOrEqual(0);
      producer.commit(4);
      expect(errorOf(() => writer.at(producer.tryClaim(1))).argument).toBe('at');
    });

    it(`works where the views do not begin at the start of their memory (${mode})`, () => {
      const small = struct({ a: 'u32', b: 'f64', c: 'u8', name: 'utf8[4]' });
      const memory = recordMemory(new SharedArrayBuffer(128), 8, 64);
      const { words, bytes, view } = memory;
      Object.assign(structWriter(small, { words, bytes, view }, isGenerated).at(32), {
        a: 7, b: 0.5, c: 9, name: 'abcd',
      });
      expect(codecOf(small).read(memory, 32, small.recordBytes)).toStrictEqual({ a: 7, b: 0.5, c: 9, name: 'abcd' });
    });
  }
});

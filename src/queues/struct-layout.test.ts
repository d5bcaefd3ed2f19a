import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { errorOf } from './fixtures/codec-round-trip.js';
import type { FieldType } from './field-types.js';
import { layoutOf, struct, type StructFields } from './struct-layout.js';

const sizes: Readonly<Record<string, number>> = {
  i8: 1, u8: 1, bool: 1, i16: 2, u16: 2, i32: 4, u32: 4, f32: 4, i64: 8, u64: 8, f64: 8,
};

describe('a struct\'s layout', () => {
  it('has its fields in the order of declaration, each aligned to its size, as a C compiler lays them out', () => {
    const order = struct({ side: 'u8', price: 'f64', size: 'u32', symbol: 'u16', flag: 'bool' });
    expect(order.offsets).toEqual({ side: 0, price: 8, size: 16, symbol: 20, flag: 22 });
    expect(order.recordBytes).toBe(24);
    const mixed = struct({ a: 'u8', hash: 'u8[3]', b: 'u16[2]', name: 'utf8[5]', big: 'i64[2]', end: 'i8' });
    expect(mixed.offsets).toEqual({ a: 0, hash: 1, b: 4, name: 8, big: 24, end: 40 });
    expect(mixed.recordBytes).toBe(48);
  });

  it('wastes nothing where large fields come first', () => {
    expect(struct({ price: 'f64', size: 'u32', side: 'u8' }).recordBytes).toBe(16);
    expect(struct({ only: 'u8' }).recordBytes).toBe(1);
    expect(struct({ a: 'u8', b: 'u8', c: 'u8' }).recordBytes).toBe(3);
  });

  it('never lets two fields overlap, or one lie unaligned, whatever the fields are', () => {
    const fields = fc.array(fc.constantFrom(...Object.keys(sizes)), { minLength: 1, maxLength: 20 });
    fc.assert(fc.property(fields, (types) => {
      const { offsets, recordBytes } = struct(Object.fromEntries(types.map((type, i) => [`f${i}`, type as FieldType])));
      let end = 0;
      for (const [i, type] of types.entries()) {
        const offset = offsets[`f${i}`];
        expect(offset % sizes[type]).toBe(0);
        expect(offset).toBeGreaterThanOrEqual(end);
        expect(offset - end).toBeLessThan(sizes[type]);
        end = offset + sizes[type];
      }
      const largest = Math.max(...types.map((type) => sizes[type]));
      expect(recordBytes % largest).toBe(0);
      expect(recordBytes - end).toBeLessThan(largest);
      expect(recordBytes).toBeGreaterThanOrEqual(end);
    }));
  });

  it('does not change when the object changes from which it was made', () => {
    const fields: Record<string, FieldType> = { a: 'u32' };
    const description = struct(fields);
    fields['a'] = 'f64';
    expect([description.fields, description.recordBytes, Object.isFrozen(description)]).toEqual([
      { a: 'u32' }, 4, true,
    ]);
  });

  it('accepts every name but two', () => {
    const names = [
      'constructor', 'toString', 'at', 'words', 'a b', '"', '\\', '\u2028', '\ud800', '${x}', '1', '#at',
      'hasOwnProperty', 'prototype', 'name', '`',
    ];
    expect(Object.keys(struct(Object.fromEntries(names.map((name) => [name, 'u8' as const]))).offsets)).toEqual(
      expect.arrayContaining(names),
    );
    for (const name of ['', '__proto__']) {
      const error = errorOf(() => struct(JSON.parse(`{${JSON.stringify(name)}: "u8"}`) as StructFields));
      expect([error.code, error.argument, error.value]).toEqual(['ERR_PERCORE_INVALID_ARGUMENT', 'fields', name]);
    }
  });

  it('refuses what is not a type, and names the field', () => {
    const wrong = [
      '', 'f65', 'F64', 'f64[]', 'f64[0]', 'f64[-1]', 'f64[1.5]', 'f64[01]', 'f64[1e3]', 'f64[1048577]', 'bool[2]',
      'utf8', 'utf8[0]', 'utf16[4]', 'u8[2][2]', ' u8', 'u8 ', 'constructor', '__proto__', 'constructor[1]', 8, null,
      undefined, {}, ['u8'],
    ];
    for (const type of wrong) {
      const error = errorOf(() => struct({ fine: 'u8', 'odd name': type as FieldType }));
      expect([error.code, error.argument, error.value]).toEqual([
        'ERR_PERCORE_INVALID_ARGUMENT', 'fields["odd name"]', type,
      ]);
    }
    expect(errorOf(() => struct({ price: 'f65' as FieldType })).message).toBe(
      'fields.price must be i8, u8, i16, u16, i32, u32, i64, u64, f32, f64 or bool; or an array of a number type, '
        + 'such as u8[16]; or text, such as utf8[32], not "f65"',
    );
  });

  it('refuses too few fields, too many fields, and anything but an object', () => {
    for (const wrong of [{}, null, undefined, 'f64', 7, ['f64']])
      expect(errorOf(() => struct(wrong as unknown as StructFields)).argument).toBe('fields');
    const many = (count: number): StructFields =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`f${i}`, 'u8' as const]));
    expect(struct(many(1024)).recordBytes).toBe(1024);
    expect(errorOf(() => struct(many(1025))).message).toBe('fields must be 1 to 1024 fields, not "1025 fields"');
  });

  it('refuses a record longer than 2^20 bytes, and accepts one of exactly that length', () => {
    expect(struct({ a: 'u8[1048576]' }).recordBytes).toBe(2 ** 20);
    expect(struct({ a: 'u8[1048569]', b: 'u8' }).recordBytes).toBe(2 ** 20 - 6);
    expect(struct({ a: 'f64', b: 'u8[1048561]' }).recordBytes).toBe(2 ** 20);
    for (const fields of [
      { a: 'u8[1048576]', b: 'u8' }, { a: 'f64[131073]' }, { a: 'utf8[1048576]' }, { a: 'u8[1048573]', b: 'u32' },
    ] as const) {
      const error = errorOf(() => struct(fields as unknown as StructFields));
      expect([error.code, error.allowed]).toEqual(['ERR_PERCORE_INVALID_ARGUMENT', 'at most 1048576 bytes in all']);
    }
  });

  it('is the same for a description that comes from elsewhere', () => {
    const description = struct({ side: 'u8', price: 'f64' });
    const { recordBytes, places } = layoutOf(structuredClone(description).fields);
    expect([recordBytes, places.map(({ name, offset }) => [name, offset])]).toEqual([16, [['side', 0], ['price', 8]]]);
  });
});

import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canGenerateCode } from './code-generation.js';
import type { Codec } from './codec.js';
import { dirtyMemory, EDGE_BIGINTS, EDGE_NUMBERS, errorOf, roundTrip } from './fixtures/codec-round-trip.js';
import { StructCodec } from './struct-codec.js';
import type { FieldType, ScalarType } from './field-types.js';
import { struct, type StructFields, type StructRecord } from './struct-layout.js';

type Any = Codec<Record<string, unknown>>;
const generated = (fields: StructFields): Any => new StructCodec({ name: 'struct', fields }, true) as Any;
const looping = (fields: StructFields): Any => new StructCodec({ name: 'struct', fields }, false) as Any;
const modes = [['generated code', generated], ['closures', looping]] as const;

const integer = (least: number, most: number): fc.Arbitrary<number> =>
  fc.oneof(fc.integer({ min: least, max: most }), fc.constantFrom(least, most, Math.max(0, least)));
const bigint = (min: bigint, max: bigint): fc.Arbitrary<bigint> =>
  fc.oneof(fc.bigInt({ min, max }), fc.constantFrom(min, max, 0n));
const float = fc.oneof(fc.double(), fc.constantFrom(NaN, -0, Infinity, -Infinity, Number.MIN_VALUE, Number.MAX_VALUE));
const text = (bytes: number): fc.Arbitrary<string> =>
  fc.string({ unit: 'binary', maxLength: bytes }).filter((x) => Buffer.byteLength(x) <= bytes);
/** A type of field, and a value that it holds exactly. */
const typed: fc.Arbitrary<[FieldType, unknown]> = fc.oneof(
  ...(
    [
      ['i8', integer(-128, 127)], ['u8', integer(0, 255)], ['i16', integer(-32768, 32767)], ['u16', integer(0, 65535)],
      ['i32', integer(-(2 ** 31), 2 ** 31 - 1)], ['u32', integer(0, 2 ** 32 - 1)],
      ['i64', bigint(-(2n ** 63n), 2n ** 63n - 1n)], ['u64', bigint(0n, 2n ** 64n - 1n)],
      ['f32', float.map(Math.fround)], ['f64', float], ['bool', fc.boolean()], ['utf8[1]', text(1)],
      ['utf8[11]', text(11)], ['utf8[100]', text(100)], ['u8[5]', fc.uint8Array({ minLength: 5, maxLength: 5 })],
      ['i8[3]', fc.int8Array({ minLength: 3, maxLength: 3 })],
      ['u16[3]', fc.uint16Array({ minLength: 3, maxLength: 3 })],
      ['i16[3]', fc.int16Array({ minLength: 3, maxLength: 3 })],
      ['u32[1]', fc.uint32Array({ minLength: 1, maxLength: 1 })],
      ['i32[2]', fc.int32Array({ minLength: 2, maxLength: 2 })],
      ['i64[2]', fc.bigInt64Array({ minLength: 2, maxLength: 2 })],
      ['u64[2]', fc.bigUint64Array({ minLength: 2, maxLength: 2 })],
      ['f32[2]', fc.float32Array({ minLength: 2, maxLength: 2 })],
      ['f64[3]', fc.float64Array({ minLength: 3, maxLength: 3 })],
    ] as [FieldType, fc.Arbitrary<unknown>][]
  ).map(([type, values]) => values.map((x): [FieldType, unknown] => [type, x])),
);
const name = fc
  .oneof(
    fc.constantFrom('constructor', 'toString', 'at', 'value', 'x0', '"', '\\', '\u2028', '\ud800', '${1}', '7', 'a b'),
    fc.string({ unit: 'binary' }),
  )
  .filter((x) => x !== '' && x !== '__proto__');
const anyStruct = fc
  .uniqueArray(fc.tuple(name, typed), { minLength: 1, maxLength: 12, selector: ([key]) => key })
  .map((entries) => ({
    fields: Object.fromEntries(entries.map(([key, [type]]) => [key, type])) as StructFields,
    record: Object.fromEntries(entries.map(([key, [, x]]) => [key, x])),
  }));

describe('a struct comes back equal', () => {
  it('whatever its fields, values and position; written by one mode and read by the other', () => {
    fc.assert(fc.property(anyStruct, fc.nat({ max: 9 }), fc.boolean(), ({ fields, record }, place, isReversed) => {
      const [writer, reader] = isReversed ? [looping(fields), generated(fields)] : [generated(fields), looping(fields)];
      // In a fixed queue, records lie at multiples of their own length, which may be odd; in a variable queue, they lie
      // at multiples of 8.
      const at = place % 2 === 0 ? place * writer.recordBytes : place * 8;
      const back = roundTrip(writer, reader, record, at);
      expect(Object.keys(back)).toEqual(Object.keys(fields));
      for (const [key, x] of Object.entries(record)) expect(back[key], key).toStrictEqual(x);
    }), { numRuns: 400 });
  });

  it('with the same bytes written by both modes', () => {
    fc.assert(fc.property(anyStruct, ({ fields, record }) => {
      const [one, two] = [generated(fields), looping(fields)].map((codec) => {
        const memory = dirtyMemory(16 + codec.measure(record));
        codec.write(record, memory, 8);
        return Buffer.from(memory.bytes).toString('hex');
      });
      expect(one).toBe(two);
    }));
  });

  for (const [mode, codecOf] of modes) {
    it(`at both ends of every range, with NaN, -0 and infinities (${mode})`, () => {
      const codec = codecOf({ i64: 'i64', u64: 'u64', f64: 'f64', f32: 'f32', i32: 'i32', u32: 'u32' });
      const least = { i64: -(2n ** 63n), u64: 0n, f64: -Infinity, f32: -Infinity, i32: -(2 ** 31), u32: 0 };
      const most = {
        i64: 2n ** 63n - 1n, u64: 2n ** 64n - 1n, f64: Infinity, f32: Infinity, i32: 2 ** 31 - 1, u32: 2 ** 32 - 1,
      };
      const odd = { i64: -1n, u64: 2n ** 63n, f64: -0, f32: NaN, i32: -1, u32: 2 ** 31 };
      for (const record of [least, most, odd, { ...odd, f64: NaN, f32: -0 }])
        expect(
          roundTrip(codec, codecOf(codec.description.name === 'struct' ? codec.description.fields : {}), record, 40),
        ).toStrictEqual(record);
    });

    it(`in the layout that is documented (${mode})`, () => {
      const codec = codecOf({
        side: 'u8', price: 'f64', size: 'u32', tag: 'u16', name: 'utf8[4]', is: 'bool', i: 'i8', big: 'u64',
        steps: 'i16[2]',
      });
      const memory = dirtyMemory(64);
      codec.write(
        {
          side: 200, price: 1.5, size: 0xfffffffe, tag: 0x1234, name: 'aé', is: true, i: -2, big: 2n ** 63n,
          steps: Int16Array.of(-1, 2),
        },
        memory,
        8,
      );
      const record = memory.buffer.subarray(8);
      expect(record.subarray(0, 1).toString('hex')).toBe('c8');
      expect(record.readDoubleLE(8)).toBe(1.5);
      expect(record.readUInt32LE(16)).toBe(0xfffffffe);
      expect(record.readUInt16LE(20)).toBe(0x1234);
      expect([record.readUInt32LE(24), record.toString('utf8', 28, 31)]).toEqual([3, 'aé']);
      expect([record.readUInt8(32), record.readInt8(33)]).toEqual([1, -2]);
      expect(record.readBigUInt64LE(40)).toBe(2n ** 63n);
      expect([record.readInt16LE(48), record.readInt16LE(50)]).toEqual([-1, 2]);
      expect(codec.recordBytes).toBe(56);
    });

    it(`without properties that the struct does not declare, and from an instance of any class (${mode})`, () => {
      class Order { price = 2; size = 3; get double(): number { return this.price * 2; } }
      const codec = codecOf({ price: 'f64', double: 'f64' });
      expect(
        roundTrip(
          codec, codec, Object.assign(new Order(), { extra: () => 1 }) as unknown as Record<string, unknown>, 16,
        ),
      ).toStrictEqual({ price: 2, double: 4 });
    });

    it(`with all its text when that is as long as it may be, and without half a character if the length is wrong `
      + `(${mode})`, () => {
      const codec = codecOf({ a: 'u8', name: 'utf8[6]', b: 'u8' });
      for (const x of ['', 'abcdef', 'äöü', '😀ab', '\0\0', '\ufeffab'])
        expect(roundTrip(codec, codec, { a: 1, name: x, b: 2 }, 8)).toStrictEqual({ a: 1, name: x, b: 2 });
      const memory = dirtyMemory(64);
      codec.write({ a: 1, name: 'abcdef', b: 2 }, memory, 0);
      memory.words[1] = -1;
      expect((codec.read(memory, 0, codec.recordBytes)['name'] as string).length).toBe(6);
    });
  }
});

/** Whether a scalar type accepts `x`, judged by what the type means and not by how the codec asks. */
function isTaken(type: ScalarType, x: unknown): boolean {
  switch (type) {
    case 'bool': return typeof x === 'boolean';
    case 'f64': return typeof x === 'number';
    case 'f32': return typeof x === 'number' && (!Number.isFinite(x) || Number.isFinite(Float32Array.of(x)[0]));
    case 'i64': return typeof x === 'bigint' && x >= -(2n ** 63n) && x < 2n ** 63n;
    case 'u64': return typeof x === 'bigint' && x >= 0n && x < 2n ** 64n;
    default: {
      const bits = Number(type.slice(1));
      const [least, most] = type.startsWith('u') ? [0, 2 ** bits - 1] : [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1];
      return Number.isInteger(x) && (x as number) >= least && (x as number) <= most;
    }
  }
}

describe('a value that does not fit', () => {
  const scalars: readonly ScalarType[] = ['i8', 'u8', 'i16', 'u16', 'i32', 'u32', 'i64', 'u64', 'f32', 'f64', 'bool'];
  const throwing = {
    valueOf(): never {
      throw new Error('must not be asked');
    },
    [Symbol.toPrimitive](): never {
      throw new Error('must not be asked');
    },
  };
  const others: readonly unknown[] = [
    undefined, null, '', '1', 'NaN', true, false, {}, [], [1], Symbol('x'), () => 1, new Number(1), new Date(1),
    throwing, Object.create(null), Uint8Array.of(1),
  ];
  const candidates = [...EDGE_NUMBERS, ...EDGE_BIGINTS, ...others];

  for (const [mode, codecOf] of modes) {
    it(`is refused, and every other accepted, by every scalar type (${mode})`, () => {
      for (const type of scalars) {
        const codec = codecOf({ x: type });
        for (const x of candidates) {
          if (isTaken(type, x)) {
            expect(codec.measure({ x })).toBe(codec.recordBytes);
            continue;
          }
          const error = errorOf(() => codec.measure({ x }));
          expect([error.code, error.argument], `${type} ${String(typeof x)}`).toEqual([
            'ERR_PERCORE_UNSERIALIZABLE', 'value.x',
          ]);
          expect(Object.is(error.value, x)).toBe(true);
        }
      }
      fc.assert(
        fc.property(
          fc.constantFrom(...scalars),
          fc.oneof(fc.anything(), fc.double(), fc.bigInt()),
          (type: ScalarType, x) => {
            const isRefused = (() => {
              try {
                codecOf({ x: type }).measure({ x });
                return false;
              } catch {
                return true;
              }
            })();
            expect(isRefused).toBe(!isTaken(type, x));
          },
        ),
      );
    });

    it(`is named with its path, itself, and what is allowed (${mode})`, () => {
      const codec = codecOf({
        price: 'f64', size: 'u8', id: 'u64', ok: 'bool', 'odd name': 'i16', name: 'utf8[4]', hash: 'u8[4]',
        levels: 'f64[2]', far: 'f32',
      });
      const right = {
        price: 1, size: 1, id: 1n, ok: true, 'odd name': 1, name: 'a', hash: new Uint8Array(4),
        levels: new Float64Array(2), far: 1,
      };
      const { proxy: revoked, revoke } = Proxy.revocable({}, {});
      revoke();
      const messages: [object, string][] = [
        [{ price: '101.5' }, 'value.price must be a number, not "101.5"'],
        [{ price: undefined }, 'value.price must be a number, not undefined'],
        [{ size: 300 }, 'value.size must be a whole number from 0 to 255, not 300'],
        [{ size: 5n }, 'value.size must be a whole number from 0 to 255, not 5n'],
        [{ id: 5 }, 'value.id must be a bigint from 0 to 2^64 - 1, not 5'],
        [{ id: -1n }, 'value.id must be a bigint from 0 to 2^64 - 1, not -1n'],
        [{ ok: 1 }, 'value.ok must be a boolean, not 1'],
        [{ 'odd name': {} }, 'value["odd name"] must be a whole number from -32768 to 32767, not an object'],
        [{ name: 'abcde' }, 'value.name must be well-formed text of at most 4 bytes as UTF-8, not "abcde"'],
        [{ name: 'äöü' }, 'value.name must be well-formed text of at most 4 bytes as UTF-8, not "äöü"'],
        [{ name: '\ud800' }, 'value.name must be well-formed text of at most 4 bytes as UTF-8, not "\\ud800"'],
        [{ hash: new Uint8Array(3) }, 'value.hash must be a Uint8Array of length 4, not a Uint8Array'],
        [{ hash: revoked }, 'value.hash must be a Uint8Array of length 4, not a proxy that refuses to be looked at'],
        [{ ok: revoked }, 'value.ok must be a boolean, not a proxy that refuses to be looked at'],
        [{ hash: [1, 2, 3, 4] }, 'value.hash must be a Uint8Array of length 4, not an Array'],
        [{ levels: new Float32Array(2) }, 'value.levels must be a Float64Array of length 2, not a Float32Array'],
        [{ far: 1e39 }, 'value.far must be a number that a 32-bit float can hold, at most 3.4e38, not 1e+39'],
      ];
      for (const [wrong, message] of messages)
        expect(errorOf(() => codec.measure({ ...right, ...wrong })).message).toBe(message);
      expect(errorOf(() => codec.measure({ ...right, size: 300 }))).toMatchObject({
        code: 'ERR_PERCORE_UNSERIALIZABLE', argument: 'value.size', value: 300, allowed: 'a whole number from 0 to 255',
      });
      for (const [wrong, shown] of [
        [null, 'null'], [undefined, 'undefined'], [7, '7'], ['x', '"x"'], [() => 1, 'a function'],
      ] as const) {
        expect(errorOf(() => codec.measure(wrong as never)).message).toBe(
          `value must be an object with the fields price, size, id, ok, odd name, name, hash, levels, far, not `
            + `${shown}`,
        );
      }
    });

    it(`is refused if a field is missing although every object has a property of that name (${mode})`, () => {
      // Every object has a toString, which is not a number.
      expect(errorOf(() => codecOf({ toString: 'f64' as const }).measure({})).argument).toBe('value.toString');
    });

    it(`is refused if it no longer fits after it was measured, or is sent as it was then (${mode})`, () => {
      const fields = { a: 'u32', name: 'utf8[4]', hash: 'u8[4]', b: 'u32' } as const;
      let hasGrown = false;
      const value = {
        a: 1, b: 2,
        get name(): string { return hasGrown ? 'abcdefghijklmnop' : 'ab'; },
        get hash(): Uint8Array { return new Uint8Array(hasGrown ? 16 : 4); },
      };
      const keeping = new StructCodec({ name: 'struct', fields }, mode === 'generated code', true);
      const codec = codecOf(fields);
      for (const each of [codec, keeping]) each.measure(value as never);
      hasGrown = true;
      const memory = dirtyMemory(64);
      expect(errorOf(() => codec.write(value, memory, 8)).argument).toBe('value.name');
      expect(memory.bytes.every((byte) => byte === 0xa5)).toBe(true);
      keeping.write(value as never, memory, 8);
      expect(codec.read(memory, 8, codec.recordBytes)).toStrictEqual({
        a: 1, name: 'ab', hash: new Uint8Array(4), b: 2,
      });
      expect(memory.bytes.subarray(8 + codec.recordBytes).every((byte) => byte === 0xa5)).toBe(true);
    });
  }
});

describe('a position where no record is', () => {
  for (const [mode, codecOf] of modes) {
    it(`is refused before anything is written: unaligned, outside the memory, or a result code (${mode})`, () => {
      const codec = codecOf({ size: 'u32', side: 'u8' });
      const memory = dirtyMemory(64);
      for (const at of [
        -1, -2, -8, 1, 2, 3, 6, 60, 64, 2 ** 31, 2 ** 32, 2 ** 32 + 8, 0.5, NaN, undefined as never, '8' as never,
      ]) {
        for (const action of [() => codec.write({ size: 1, side: 2 }, memory, at), () => codec.read(memory, at, 8)]) {
          const error = errorOf(action);
          expect([error.code, error.argument, error.allowed]).toEqual([
            'ERR_PERCORE_INVALID_ARGUMENT', 'at', 'a multiple of 4 from 0 to 56',
          ]);
        }
      }
      expect(memory.bytes.every((byte) => byte === 0xa5)).toBe(true);
      expect(codec.write({ size: 1, side: 2 }, memory, 56)).toBe(8);
    });

    it(`is refused if the payload is too short, or the memory (${mode})`, () => {
      const codec = codecOf({ size: 'f64' });
      for (const length of [0, 7, NaN])
        expect(errorOf(() => codec.read(dirtyMemory(64), 0, length)).argument).toBe('length');
      expect(errorOf(() => codec.write({ size: 1 }, { ...dirtyMemory(8), bytes: new Uint8Array(4) }, 0)).allowed).toBe(
        'impossible: the memory has 4 bytes, a record 8',
      );
    });
  }
});

describe('code generation', () => {
  it('is allowed here, and used', () => {
    expect(canGenerateCode()).toBe(true);
    expect(new StructCodec(struct({ a: 'f64' })).measure.toString()).toContain('x0');
  });

  it('is avoided in a process that forbids it', () => {
    const script = `
      import { canGenerateCode } from ${JSON.stringify(new URL('./code-generation.js', import.meta.url).href)};
      import { codecOf, recordMemory, struct, structReader, structWriter } from ${JSON.stringify(new URL('./index.js', import.meta.url).href)};
      const order = struct({ price: 'f64', size: 'u32', id: 'i64', name: 'utf8[8]' });
      const codec = codecOf(order);
      const memory = recordMemory(new SharedArrayBuffer(128));
      const value = { price: 101.5, size: 20, id: -1n, name: 'ab' };
      codec.measure(value);
      codec.write(value, memory, 32);
      structWriter(order, memory).at(32).size = 21;
      const record = structReader(order, memory).at(32);
      let refused;
      try { codec.measure({ ...value, size: -1 }); } catch (error) { refused = error.message; }
      const back = codec.read(memory, 32, codec.recordBytes);
      const plain = { ...back, id: String(back.id) };
      console.log(JSON.stringify([canGenerateCode(), plain, record.price, record.size, refused]));`;
    const output = execFileSync(
      process.execPath, ['--disallow-code-generation-from-strings', '--input-type=module', '-e', script],
      { encoding: 'utf8' },
    );
    expect(JSON.parse(output)).toEqual([
      false, { price: 101.5, size: 21, id: '-1', name: 'ab' }, 101.5, 21,
      'value.size must be a whole number from 0 to 4294967295, not -1',
    ]);
  });
});

// The compiler is the test: the types that a struct stands for.
const _typed: StructRecord<{ readonly a: 'f64'; readonly b: 'i64[2]' }> = { a: 1, b: new BigInt64Array(2) };
void _typed;

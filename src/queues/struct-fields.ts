/**
 * The types that a field of a struct can have: how many bytes each takes, which values it accepts, and how it is
 * written and read.
 *
 * Scalars have everything twice: as functions, for error messages and for processes where code must not be generated
 * from strings, and as expressions that struct-codec.ts puts together into straight-line code. A property test makes
 * sure that the two are equal.
 *
 *     expression   may use
 *     accepts      x                           the value, any JavaScript value at all
 *     write        x, view, words, bytes, at   x has been accepted
 *     read         view, words, bytes, at
 *
 * Fields of 8 and 32 bits go through `bytes` and `words`, the others through the DataView: on Node 26 a struct of six
 * fields takes 6 ns that way, and 16 ns through a DataView alone (docs/decisions). Everything is little-endian, as are
 * all machines on which Node runs percore.
 */
import { copyOfBytes } from './bytes-codec.js';
import type { RecordMemory } from './codec.js';
import { lengthOf, startOf } from '../byte-views.js';
import type { ArrayElement, ScalarType } from './field-types.js';
import { withArticle } from './value-path.js';

/** Expressions for a scalar that lies `offset` bytes behind `at`; `offset` is a multiple of the scalar's size. */
export interface FieldCode {
  accepts(x: string): string;
  write(offset: number, x: string): string;
  read(offset: number): string;
}

/** A type of field, as struct-codec.ts uses it. */
export interface Field {
  /** How many bytes it takes in a record. */
  readonly bytes: number;
  /** The multiple at which it must begin. */
  readonly alignment: 1 | 2 | 4 | 8;
  /** Which values it accepts, for error messages. */
  readonly allowed: string;
  accepts(x: unknown): boolean;
  write(memory: RecordMemory, at: number, x: unknown): void;
  read(memory: RecordMemory, at: number): unknown;
  /** Only scalars have it; for the others, generated code calls the functions above. */
  readonly code?: FieldCode;
}

const MOST_ELEMENTS = 2 ** 20;
const isNumber = (x: unknown): x is number => typeof x === 'number';
const whole = (least: bigint | number, most: bigint | number): string => `a whole number from ${least} to ${most}`;
const big = (least: string, most: string): string => `a bigint from ${least} to ${most}`;

const scalars: Readonly<Record<ScalarType, Field>> = {
  i8: {
    bytes: 1,
    alignment: 1,
    allowed: whole(-128, 127),
    accepts: (x) => isNumber(x) && (x << 24) >> 24 === x,
    write: (memory, at, x) => {
      memory.bytes[at] = x as number;
    },
    read: (memory, at) => (memory.bytes[at] << 24) >> 24,
    code: {
      accepts: (x) => `typeof ${x} === 'number' && ${x} << 24 >> 24 === ${x}`,
      write: (o, x) => `bytes[at + ${o}] = ${x}`, read: (o) => `bytes[at + ${o}] << 24 >> 24`,
    },
  },
  u8: {
    bytes: 1, alignment: 1, allowed: whole(0, 255),
    accepts: (x) => isNumber(x) && (x & 0xff) === x,
    write: (memory, at, x) => { memory.bytes[at] = x as number; },
    read: (memory, at) => memory.bytes[at],
    code: {
      accepts: (x) => `typeof ${x} === 'number' && (${x} & 0xff) === ${x}`, write: (o, x) => `bytes[at + ${o}] = ${x}`,
      read: (o) => `bytes[at + ${o}]`,
    },
  },
  i16: {
    bytes: 2, alignment: 2, allowed: whole(-(2 ** 15), 2 ** 15 - 1),
    accepts: (x) => isNumber(x) && x << 16 >> 16 === x,
    write: (memory, at, x) => memory.view.setInt16(at, x as number, true),
    read: (memory, at) => memory.view.getInt16(at, true),
    code: {
      accepts: (x) => `typeof ${x} === 'number' && ${x} << 16 >> 16 === ${x}`,
      write: (o, x) => `view.setInt16(at + ${o}, ${x}, true)`, read: (o) => `view.getInt16(at + ${o}, true)`,
    },
  },
  u16: {
    bytes: 2, alignment: 2, allowed: whole(0, 2 ** 16 - 1),
    accepts: (x) => isNumber(x) && (x & 0xffff) === x,
    write: (memory, at, x) => memory.view.setUint16(at, x as number, true),
    read: (memory, at) => memory.view.getUint16(at, true),
    code: {
      accepts: (x) => `typeof ${x} === 'number' && (${x} & 0xffff) === ${x}`,
      write: (o, x) => `view.setUint16(at + ${o}, ${x}, true)`, read: (o) => `view.getUint16(at + ${o}, true)`,
    },
  },
  i32: {
    bytes: 4, alignment: 4, allowed: whole(-(2 ** 31), 2 ** 31 - 1),
    accepts: (x) => isNumber(x) && (x | 0) === x,
    write: (memory, at, x) => { memory.words[at >> 2] = x as number; },
    read: (memory, at) => memory.words[at >> 2],
    code: {
      accepts: (x) => `typeof ${x} === 'number' && (${x} | 0) === ${x}`,
      write: (o, x) => `words[(at >> 2) + ${o >> 2}] = ${x}`, read: (o) => `words[(at >> 2) + ${o >> 2}]`,
    },
  },
  u32: {
    bytes: 4, alignment: 4, allowed: whole(0, 2 ** 32 - 1),
    accepts: (x) => isNumber(x) && x >>> 0 === x,
    write: (memory, at, x) => { memory.words[at >> 2] = x as number; },
    read: (memory, at) => memory.words[at >> 2] >>> 0,
    code: {
      accepts: (x) => `typeof ${x} === 'number' && ${x} >>> 0 === ${x}`,
      write: (o, x) => `words[(at >> 2) + ${o >> 2}] = ${x}`, read: (o) => `words[(at >> 2) + ${o >> 2}] >>> 0`,
    },
  },
  i64: {
    bytes: 8, alignment: 8, allowed: big('-2^63', '2^63 - 1'),
    accepts: (x) => typeof x === 'bigint' && BigInt.asIntN(64, x) === x,
    write: (memory, at, x) => memory.view.setBigInt64(at, x as bigint, true),
    read: (memory, at) => memory.view.getBigInt64(at, true),
    code: {
      accepts: (x) => `typeof ${x} === 'bigint' && BigInt.asIntN(64, ${x}) === ${x}`,
      write: (o, x) => `view.setBigInt64(at + ${o}, ${x}, true)`, read: (o) => `view.getBigInt64(at + ${o}, true)`,
    },
  },
  u64: {
    bytes: 8, alignment: 8, allowed: big('0', '2^64 - 1'),
    accepts: (x) => typeof x === 'bigint' && BigInt.asUintN(64, x) === x,
    write: (memory, at, x) => memory.view.setBigUint64(at, x as bigint, true),
    read: (memory, at) => memory.view.getBigUint64(at, true),
    code: {
      accepts: (x) => `typeof ${x} === 'bigint' && BigInt.asUintN(64, ${x}) === ${x}`,
      write: (o, x) => `view.setBigUint64(at + ${o}, ${x}, true)`, read: (o) => `view.getBigUint64(at + ${o}, true)`,
    },
  },
  f32: {
    // A float may round a value, but must not make it infinite.
    bytes: 4, alignment: 4, allowed: 'a number that a 32-bit float can hold, at most 3.4e38',
    accepts: (x) => isNumber(x) && (Math.abs(Math.fround(x)) !== Infinity || Math.abs(x) === Infinity),
    write: (memory, at, x) => memory.view.setFloat32(at, x as number, true),
    read: (memory, at) => memory.view.getFloat32(at, true),
    code: {
      accepts: (x) =>
        `typeof ${x} === 'number' && (Math.abs(Math.fround(${x})) !== Infinity || Math.abs(${x}) === Infinity)`,
      write: (o, x) => `view.setFloat32(at + ${o}, ${x}, true)`,
      read: (o) => `view.getFloat32(at + ${o}, true)`,
    },
  },
  f64: {
    bytes: 8, alignment: 8, allowed: 'a number',
    accepts: isNumber,
    write: (memory, at, x) => memory.view.setFloat64(at, x as number, true),
    read: (memory, at) => memory.view.getFloat64(at, true),
    code: {
      accepts: (x) => `typeof ${x} === 'number'`, write: (o, x) => `view.setFloat64(at + ${o}, ${x}, true)`,
      read: (o) => `view.getFloat64(at + ${o}, true)`,
    },
  },
  bool: {
    bytes: 1, alignment: 1, allowed: 'a boolean',
    accepts: (x) => typeof x === 'boolean',
    write: (memory, at, x) => { memory.bytes[at] = x === true ? 1 : 0; },
    read: (memory, at) => memory.bytes[at] !== 0,
    code: {
      accepts: (x) => `typeof ${x} === 'boolean'`, write: (o, x) => `bytes[at + ${o}] = ${x} === true ? 1 : 0`,
      read: (o) => `bytes[at + ${o}] !== 0`,
    },
  },
};

const arrays = {
  i8: Int8Array, u8: Uint8Array, i16: Int16Array, u16: Uint16Array, i32: Int32Array, u32: Uint32Array,
  i64: BigInt64Array, u64: BigUint64Array, f32: Float32Array, f64: Float64Array,
} as const;
type AnyArray = InstanceType<(typeof arrays)[ArrayElement]>;

const TEXT_LENGTH_BYTES = 4;

/** The field for the name of a type, or undefined if there is no such type. */
export function fieldOf(type: unknown): Field | undefined {
  if (typeof type !== 'string') return undefined;
  if (Object.hasOwn(scalars, type)) return scalars[type as ScalarType];
  const [, element, digits] = /^([a-z]+[0-9]+)\[([1-9][0-9]{0,6})\]$/.exec(type) ?? [];
  const count = Number(digits);
  if (element === undefined || count > MOST_ELEMENTS) return undefined;
  if (element === 'utf8') return textField(count);
  return Object.hasOwn(arrays, element) ? arrayField(element as ArrayElement, count) : undefined;
}

/** A field of text: `[4 bytes of length] [text as UTF-8] [whatever was there]`. */
function textField(mostBytes: number): Field {
  return {
    bytes: TEXT_LENGTH_BYTES + mostBytes,
    alignment: TEXT_LENGTH_BYTES,
    allowed: `well-formed text of at most ${mostBytes} bytes as UTF-8`,
    accepts: (x) => typeof x === 'string'
      && (x.length * 3 <= mostBytes || (x.length <= mostBytes && Buffer.byteLength(x) <= mostBytes))
      && (x as string & { isWellFormed(): boolean }).isWellFormed(),
    write(memory, at, x) {
      memory.words[at >> 2] = memory.buffer.write(x as string, at + TEXT_LENGTH_BYTES, mostBytes, 'utf8');
    },
    read(memory, at) {
      const from = at + TEXT_LENGTH_BYTES;
      return memory.buffer.toString('utf8', from, from + Math.min(memory.words[at >> 2] >>> 0, mostBytes));
    },
  };
}

/** A field of an array: its elements, one behind the other. */
function arrayField(element: ArrayElement, count: number): Field {
  const elementBytes = scalars[element].bytes;
  const bytes = elementBytes * count;
  const { [element]: ArrayClass } = arrays;
  return {
    bytes,
    alignment: scalars[element].alignment,
    allowed: `${withArticle(ArrayClass.name)} of length ${count}`,
    // A Proxy is refused, even one that was revoked, for which `instanceof` would throw.
    accepts: (x) => ArrayBuffer.isView(x) && x instanceof ArrayClass && lengthOf(x) === count,
    write(memory, at, x) {
      const array = x as AnyArray;
      // Never writes beyond this field, whatever has happened to the array since it was accepted: it may be longer by
      // now, or have no memory any more.
      const length = Math.min(lengthOf(array) * elementBytes, bytes);
      if (length < bytes) memory.bytes.fill(0, at + length, at + bytes);
      if (length > 0) memory.bytes.set(startOf(array, length), at);
    },
    read(memory, at) {
      const copy = copyOfBytes(memory.bytes, at, bytes);
      return element === 'u8' ? copy : new ArrayClass(copy.buffer as ArrayBuffer);
    },
  };
}

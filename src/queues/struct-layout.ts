/**
 * Where the fields of a struct lie in its record: in the order of declaration, each at the next multiple of its own
 * size, as in C.
 *
 *     struct({ price: 'f64', side: 'u8', size: 'u32' })
 *
 *     0                       8      9       12            16
 *     +-----------------------+------+-------+-------------+
 *     | price                 | side | unused| size        |      recordBytes 16, a multiple of the largest alignment
 *     +-----------------------+------+-------+-------------+
 *
 * If large fields are declared first, nothing is unused. Unused bytes keep whatever was there. Keys of an object that
 * look like array indexes (`{ 0: 'f64' }`) come first in JavaScript, in whatever order they were written; `offsets`
 * says where each field is.
 */
import { invalidArgument } from '../errors.js';
import type { Carries } from './codec.js';
import type { FieldType, FieldValue } from './field-types.js';
import { fieldOf, type Field } from './struct-fields.js';
import { memberPath } from './value-path.js';

/** The fields of a struct, by name, with their types. */
export type StructFields = Readonly<Record<string, FieldType>>;
/** The objects that a struct stands for: `{ price: number, size: number }`. */
export type StructRecord<Fields extends StructFields> = { -readonly [Name in keyof Fields]: FieldValue<Fields[Name]> };

/** A struct as a plain object that survives structured clone. */
export interface StructDescription<Fields extends StructFields = StructFields> extends Carries<StructRecord<Fields>> {
  /** The name of the codec. */
  readonly name: 'struct';
  /** The fields in their order, with their types. */
  readonly fields: Fields;
  /** The byte offset of each field in the record. */
  readonly offsets: { readonly [Name in keyof Fields]: number };
  /** The length of a record in bytes: the `recordBytes` of a fixed queue. */
  readonly recordBytes: number;
}

/** The longest record of a fixed queue in bytes. */
const MOST_RECORD_BYTES = 2 ** 20;
/** Bounds the length of generated code, which grows with the number of fields. */
const MOST_FIELDS = 1024;

/** A field and the byte offset at which it lies. */
export interface PlacedField {
  readonly name: string;
  readonly offset: number;
  readonly field: Field;
}
/** All fields of a struct in their places. */
export interface StructLayout {
  readonly places: readonly PlacedField[];
  readonly alignment: number;
  readonly recordBytes: number;
}

/**
 * Describes a struct of 1 to 1,024 fields and at most 2^20 bytes. Field types: `i8 u8 i16 u16 i32 u32 f32 f64` are
 * numbers, `i64 u64` are bigints, and `bool` is a boolean; `f64[4]` is a Float64Array of length 4, and likewise for
 * every number type; `utf8[32]` is text of at most 32 bytes. Allocates; any thread may call it. Throws
 * ERR_PERCORE_INVALID_ARGUMENT for fields that make no struct.
 *
 *     const order = struct({ price: 'f64', size: 'u32', side: 'u8' });      // order.recordBytes is 16
 *     const orders = create({ kind: 'spsc', capacity: 4096, codec: order });
 */
export function struct<const Fields extends StructFields>(fields: Fields): StructDescription<Fields> {
  const { places, recordBytes } = layoutOf(fields);
  const offsets = Object.fromEntries(
    places.map(({ name, offset }) => [name, offset]),
  ) as StructDescription<Fields>['offsets'];
  return Object.freeze({
    name: 'struct', fields: Object.freeze({ ...fields }), offsets: Object.freeze(offsets), recordBytes,
  });
}

/**
 * The layout of a description's fields, which may have come from another thread or been written by hand. Throws if they
 * make no struct.
 */
export function layoutOf(fields: unknown): StructLayout {
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields))
    throw invalidArgument('fields', fields, "an object of field types, such as { price: 'f64' }");
  const entries = Object.entries(fields);
  if (entries.length === 0 || entries.length > MOST_FIELDS)
    throw invalidArgument('fields', `${entries.length} fields`, `1 to ${MOST_FIELDS} fields`);
  const places: PlacedField[] = [];
  let end = 0;
  let alignment = 1;
  for (const [name, type] of entries) {
    // In an object literal, this name would set the prototype.
    if (name === '' || name === '__proto__')
      throw invalidArgument('fields', name, 'an object whose names are neither empty nor __proto__');
    const field = fieldOf(type);
    if (field === undefined) {
      throw invalidArgument(
        memberPath('fields', name), type,
        'i8, u8, i16, u16, i32, u32, i64, u64, f32, f64 or bool; or an array of a number type, such as u8[16]; or '
          + 'text, such as utf8[32]',
      );
    }
    const offset = roundUp(end, field.alignment);
    places.push({ name, offset, field });
    end = offset + field.bytes;
    alignment = Math.max(alignment, field.alignment);
    if (end > MOST_RECORD_BYTES)
      throw invalidArgument(
        'fields', `${end} bytes up to ${memberPath('fields', name)}`, `at most ${MOST_RECORD_BYTES} bytes in all`,
      );
  }
  return { places, alignment, recordBytes: roundUp(end, alignment) };
}

const roundUp = (bytes: number, alignment: number): number => (bytes + alignment - 1) & -alignment;

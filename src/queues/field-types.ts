/** The types that a field of a struct can have, for the compiler. struct-fields.ts says what each of them does. */

/** A field that holds one number, bigint or boolean. */
export type ScalarType = 'i8' | 'u8' | 'i16' | 'u16' | 'i32' | 'u32' | 'i64' | 'u64' | 'f32' | 'f64' | 'bool';
/** What an array in a field can consist of. */
export type ArrayElement = Exclude<ScalarType, 'bool'>;
/**
 * The type of a field: a number, a bigint (i64, u64) or a boolean; an array of a fixed length, such as `u8[16]`; or
 * text of at most so many bytes, such as `utf8[32]`.
 */
export type FieldType = ScalarType | `${ArrayElement}[${number}]` | `utf8[${number}]`;

interface ArrayTypes {
  i8: Int8Array; u8: Uint8Array; i16: Int16Array; u16: Uint16Array; i32: Int32Array; u32: Uint32Array;
  i64: BigInt64Array; u64: BigUint64Array; f32: Float32Array; f64: Float64Array;
}
/** The JavaScript type of a field's value. */
export type FieldValue<Type extends FieldType> =
  Type extends 'bool' ? boolean
    : Type extends 'i64' | 'u64' ? bigint
      : Type extends ScalarType ? number
        : Type extends `utf8[${number}]` ? string
          : Type extends `${infer Element extends ArrayElement}[${number}]` ? ArrayTypes[Element] : never;

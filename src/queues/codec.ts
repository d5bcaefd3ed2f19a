/**
 * Codecs: how a value becomes the payload of a record and comes back.
 *
 *    one thread                                                          another thread
 *    value --measure--> bytes to claim --write--> |payload| --read--> a copy of its own
 *
 * The handle of a queue carries a *description*, a plain object that survives structured clone. Each end makes its own
 * codec from it by `codecOf` (codecs.ts), since a codec remembers between `measure` and `write` what it has measured.
 * There are two steps so that a value is checked before any room is claimed, and is then written straight into the
 * ring.
 *
 * | description       | values                          | record   | cost                        |
 * |-------------------|---------------------------------|----------|-----------------------------|
 * | `bytes`           | Uint8Array                      | variable | one copy in, one out        |
 * | `struct({ ... })` | objects of declared fields      | fixed    | straight-line code          |
 * | `value<T>()`      | whatever structured clone knows | variable | v8.serialize, scalars short |
 * | `msgpack<T>()`    | what MessagePack gives back     | variable | msgpackr, an optional peer  |
 *
 * No codec changes a value silently: a value that would not come back as it was sent throws ERR_PERCORE_UNSERIALIZABLE
 * with the path to the part in question. There are two exceptions: with `value`, class instances lose their class, as
 * by structured clone itself; with `msgpack`, -0 arrives as 0.
 */
import type { FieldType } from './field-types.js';

/** Where a record's payload is written or read: four views of the same memory. */
export interface RecordMemory {
  /** All memory of the queue as 32-bit words, for fields that are aligned. */
  readonly words: Int32Array;
  /** The same memory as bytes. */
  readonly bytes: Uint8Array;
  /** The same memory as a DataView. */
  readonly view: DataView;
  /** The same memory as a Buffer, for text. */
  readonly buffer: Buffer;
}

/** A codec as a plain object that survives structured clone; it travels in the queue's handle. */
export type CodecDescription =
  | { readonly name: 'bytes' }
  | { readonly name: 'struct'; readonly fields: Readonly<Record<string, FieldType>> }
  | { readonly name: 'value' }
  | { readonly name: 'msgpack' };

/** The codec of one end, for one thread. */
export interface Codec<T> {
  /** What was given to `create`, as plain data. */
  readonly description: CodecDescription;
  /** The length of every record in bytes, or 0 if lengths differ. */
  readonly recordBytes: number;
  /**
   * The most bytes that `write(value)` will take. That is the exact number, or a number that is cheaper to find and at
   * most `enough`, so that nothing that fits is refused. Throws ERR_PERCORE_UNSERIALIZABLE with the path to what cannot
   * be sent.
   */
  measure(value: T, enough?: number): number;
  /**
   * Writes the value that was just measured at byte `at`, which is a multiple of 8, or the beginning of any record for
   * a struct. Returns how many bytes it took.
   */
  write(value: T, memory: RecordMemory, at: number): number;
  /**
   * Reads the value at byte `at` from a payload that is `length` bytes long. The value is a copy: no part of it lies in
   * `memory`. Nobody may write to the payload meanwhile; a consumer that can be lapped first copies the bytes and makes
   * sure that it was not.
   */
  read(memory: RecordMemory, at: number, length: number): T;
  /** Forgets a measured value that will not be written. */
  forget(): void;
}

/**
 * This property never exists at run time. It carries the type of the values, so that `create`, `pub` and `sub` can
 * infer it.
 */
declare const carriedType: unique symbol;
/** Something that carries values of type `T`. */
export interface Carries<T> {
  readonly [carriedType]?: T;
}
/** The type of the values that a description stands for: `ValueOf<typeof orders>`. */
export type ValueOf<Description> = Description extends Carries<infer T> ? T : never;

/** A description of values of type `T`. */
export type CodecFor<T> = CodecDescription & Carries<T>;

/** The description of the codec `bytes`. */
export interface BytesCodecDescription extends Carries<Uint8Array> {
  /** The name of the codec. */
  readonly name: 'bytes';
}
/** The description of the codec `value`, for values of type `T`. */
export interface ValueCodecDescription<T = unknown> extends Carries<T> {
  /** The name of the codec. */
  readonly name: 'value';
}
/** The description of the codec `msgpack`, for values of type `T`. */
export interface MsgpackCodecDescription<T = unknown> extends Carries<T> {
  /** The name of the codec. */
  readonly name: 'msgpack';
}

const VALUE: ValueCodecDescription = Object.freeze({ name: 'value' });
const MSGPACK: MsgpackCodecDescription = Object.freeze({ name: 'msgpack' });

/** The codec for bytes as they are. A Buffer may be sent; what arrives is a Uint8Array with memory of its own. */
export const bytes: BytesCodecDescription = Object.freeze({ name: 'bytes' });

/**
 * The codec for everything that structured clone knows. `T` tells the compiler the type of the values; nothing checks
 * it at run time.
 *
 *     const orders = create({ kind: 'spsc', capacityBytes: 2 ** 20, codec: value<Order>() });
 */
export function value<T = unknown>(): ValueCodecDescription<T> {
  return VALUE as ValueCodecDescription<T>;
}

/**
 * As `value`, but by MessagePack: records are shorter, and fewer types can be sent. Needs msgpackr installed beside
 * percore.
 */
export function msgpack<T = unknown>(): MsgpackCodecDescription<T> {
  return MSGPACK as MsgpackCodecDescription<T>;
}

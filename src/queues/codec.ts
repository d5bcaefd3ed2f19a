/**
 * Codecs: how a value becomes the payload of a record and comes back.
 *
 *    one thread                                                          another thread
 *    value --measure--> bytes to claim --write--> |payload| --read--> a copy of its own
 *
 * The handle of a queue carries a *description*, a plain object that survives structured clone. Each end makes a codec
 * of its own from it by `codecOf` (codecs.ts), since a codec remembers between `measure` and `write` what it has
 * measured. There are two steps so that a value is checked before any room is claimed, and is then written straight
 * into the ring.
 *
 * | description       | values                          | record   | cost                        |
 * |-------------------|---------------------------------|----------|-----------------------------|
 * | `bytes`           | Uint8Array                      | variable | one copy in, one out        |
 * | `struct({ ... })` | objects of declared fields      | fixed    | straight-line code          |
 * | `value<T>()`      | whatever structured clone knows | variable | v8.serialize, scalars short |
 * | `msgpack<T>()`    | what MessagePack gives back     | variable | msgpackr, an optional peer  |
 *
 * No codec changes a value silently: what would not come back as it was sent throws ERR_PERCORE_UNSERIALIZABLE with the
 * path to it. The exceptions are structured clone's own (`value`: class instances lose their class) and one of
 * msgpackr's (-0 arrives as 0).
 */
import type { FieldType } from './field-types.js';

/** Where a record's payload is written or read: four views of the same memory. */
export interface RecordMemory {
  /** All memory of the queue in words of 32 bits, for fields that are aligned. */
  readonly words: Int32Array;
  /** The same in bytes. */
  readonly bytes: Uint8Array;
  /** The same as a DataView. */
  readonly view: DataView;
  /** The same as a Buffer, for text. */
  readonly buffer: Buffer;
}

/** A codec as a plain object that survives structured clone; it travels in the queue's handle. */
export type CodecDescription =
  | { readonly name: 'bytes' }
  | { readonly name: 'struct'; readonly fields: Readonly<Record<string, FieldType>> }
  | { readonly name: 'value' }
  | { readonly name: 'msgpack' };

/** One end's codec, for one thread. */
export interface Codec<T> {
  /** What was given to `create`, as plain data. */
  readonly description: CodecDescription;
  /** Bytes of every record, or 0 when they differ. */
  readonly recordBytes: number;
  /**
   * Most bytes that `write(value)` will take: exactly those, or a cheaper bound that is at most `enough`, so that
   * nothing that fits is refused. Throws ERR_PERCORE_UNSERIALIZABLE with the path to what cannot be sent.
   */
  measure(value: T, enough?: number): number;
  /**
   * Writes what was just measured at byte `at`, a multiple of 8, or the start of any record for a struct; returns the
   * bytes taken.
   */
  write(value: T, memory: RecordMemory, at: number): number;
  /**
   * Reads the value at byte `at` of a payload `length` bytes long. It is a copy: nothing of it lies in `memory`. Nobody
   * may write there meanwhile; a consumer that can be lapped copies the bytes first and makes sure that it was not.
   */
  read(memory: RecordMemory, at: number, length: number): T;
  /** Forgets a measured value that will not be written. */
  forget(): void;
}

/** Never there at run time: it carries the type of the values, so that `create`, `pub` and `sub` can infer it. */
declare const carriedType: unique symbol;
/** Something that carries values of type `T`. */
export interface Carries<T> {
  readonly [carriedType]?: T;
}
/** The type of the values of a description: `ValueOf<typeof orders>`. */
export type ValueOf<Description> = Description extends Carries<infer T> ? T : never;

/** A description of values of type `T`. */
export type CodecFor<T> = CodecDescription & Carries<T>;

export interface BytesCodecDescription extends Carries<Uint8Array> {
  readonly name: 'bytes';
}
export interface ValueCodecDescription<T = unknown> extends Carries<T> {
  readonly name: 'value';
}
export interface MsgpackCodecDescription<T = unknown> extends Carries<T> {
  readonly name: 'msgpack';
}

const VALUE: ValueCodecDescription = Object.freeze({ name: 'value' });
const MSGPACK: MsgpackCodecDescription = Object.freeze({ name: 'msgpack' });

/** Bytes as they are. A Buffer may be sent; what arrives is a Uint8Array of its own. */
export const bytes: BytesCodecDescription = Object.freeze({ name: 'bytes' });

/**
 * Whatever structured clone knows. `T` is what the compiler is to know of the values; nothing checks them at run time.
 *
 *     const orders = create({ kind: 'spsc', capacityBytes: 2 ** 20, codec: value<Order>() });
 */
export function value<T = unknown>(): ValueCodecDescription<T> {
  return VALUE as ValueCodecDescription<T>;
}

/** As `value`, by MessagePack: shorter records, fewer types. Needs msgpackr installed beside percore. */
export function msgpack<T = unknown>(): MsgpackCodecDescription<T> {
  return MSGPACK as MsgpackCodecDescription<T>;
}

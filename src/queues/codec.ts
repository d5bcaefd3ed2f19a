/**
 * Codecs: how a value becomes the payload of a record and comes back.
 *
 *    one thread                                                          another thread
 *    value --measure--> bytes to claim --write--> |payload| --read--> a copy of its own
 *
 * A queue's handle carries a *description*, a plain object that survives structured clone; each end makes its own codec from it
 * by `codecOf`, since a codec remembers between `measure` and `write` what it has measured. Two steps and not one, so that a
 * value is checked before any room is claimed and is then written straight into the ring.
 *
 * | description       | values                                            | record   | cost                                   |
 * |-------------------|---------------------------------------------------|----------|----------------------------------------|
 * | `bytes`           | Uint8Array                                        | variable | one copy in, one out                   |
 * | `struct({ ... })` | objects of declared fields                        | fixed    | straight-line code, see struct-codec.ts |
 * | `value`           | whatever structured clone knows                   | variable | v8.serialize, short forms for scalars  |
 * | `msgpack`         | what MessagePack gives back, see msgpack-codec.ts | variable | msgpackr, an optional peer             |
 *
 * No codec changes a value in silence: what would not come back as it was sent throws ERR_PERCORE_UNSERIALIZABLE with the path
 * to it. The exceptions are structured clone's own (`value`: class instances lose their class) and msgpackr's one (-0 is 0).
 */
import * as types from 'node:util/types';
import { checkInteger, invalidArgument } from '../errors.js';
import { BytesCodec } from './bytes-codec.js';
import { MsgpackCodec } from './msgpack-codec.js';
import { checkMemory, notRead, notWritten } from './record-memory.js';
import { StructCodec } from './struct-codec.js';
import type { FieldType } from './struct-layout.js';
import { ValueCodec } from './value-codec.js';

export { struct, type FieldType, type StructDescription, type StructFields, type StructRecord } from './struct-layout.js';
export { structReader, structWriter, type StructReader, type StructWriter } from './struct-view.js';

/** Where a record's payload is written or read: four views of the same memory. */
export interface RecordMemory {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  readonly view: DataView;
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
  readonly description: CodecDescription;
  /** Bytes of every record, or 0 when they differ. */
  readonly recordBytes: number;
  /**
   * Most bytes that `write(value)` will take: exactly those, or a cheaper bound that is at most `enough`, so that nothing that fits is
   * refused. Throws ERR_PERCORE_UNSERIALIZABLE with the path to what cannot be sent.
   */
  measure(value: T, enough?: number): number;
  /** Writes what was just measured at byte `at`, a multiple of 8, or any record's start for a struct; returns the bytes taken. */
  write(value: T, memory: RecordMemory, at: number): number;
  /**
   * Reads the value at byte `at` of a payload `length` bytes long. It is a copy: nothing of it lies in `memory`. Nobody may write
   * there meanwhile; a consumer that can be lapped copies the bytes first and makes sure that it was not.
   */
  read(memory: RecordMemory, at: number, length: number): T;
  /** Forgets a measured value that will not be written. */
  forget(): void;
}

/** Never present at run time: a description carries the type of its values here, so that `create`, `pub` and `sub` can infer it. */
declare const carriedType: unique symbol;
export interface Carries<T> {
  readonly [carriedType]?: T;
}
/** The type of the values of a description: `ValueOf<typeof orders>`. */
export type ValueOf<Description> = Description extends Carries<infer T> ? T : never;

export interface BytesCodecDescription extends Carries<Uint8Array> { readonly name: 'bytes' }
export interface ValueCodecDescription<T = unknown> extends Carries<T> { readonly name: 'value' }
export interface MsgpackCodecDescription<T = unknown> extends Carries<T> { readonly name: 'msgpack' }

/** Bytes as they are. A Buffer may be sent; what arrives is a Uint8Array of its own. */
export const bytes: BytesCodecDescription = Object.freeze({ name: 'bytes' });
/** Whatever structured clone knows. Say what: `value as ValueCodecDescription<Order>`. */
export const value: ValueCodecDescription = Object.freeze({ name: 'value' });
/** MessagePack by msgpackr, which must be installed beside percore. Say what: `msgpack as MsgpackCodecDescription<Order>`. */
export const msgpack: MsgpackCodecDescription = Object.freeze({ name: 'msgpack' });

/**
 * A fresh codec for one end of a queue, in this thread. Allocates; blocks only where msgpackr is loaded for the first time.
 * Throws ERR_PERCORE_INVALID_ARGUMENT for what is not a description, ERR_PERCORE_CODEC_UNAVAILABLE when msgpackr is not installed.
 */
export function codecOf<T>(description: CodecDescription & Carries<T>): Codec<T>;
export function codecOf<T>(description: CodecDescription): Codec<T>;
export function codecOf(description: CodecDescription): Codec<unknown> {
  const codec = makeCodec(description);
  // Those of structs check by themselves, each in code of its own: here all would share one place, and V8 would take none of them into it.
  return codec instanceof StructCodec ? codec : new CheckedCodec(codec);
}

/** The same for the ends of queues, which know where they write and that they have measured. */
export function makeCodec<T>(description: CodecDescription): Codec<T>;
export function makeCodec(description: CodecDescription): Codec<unknown> {
  switch (description?.name) {
    case 'bytes': return new BytesCodec();
    case 'struct': return new StructCodec(description) as Codec<unknown>;
    case 'value': return new ValueCodec();
    case 'msgpack': return new MsgpackCodec();
    default: throw invalidArgument('codec', (description as { name?: unknown } | undefined)?.name ?? description, 'bytes, struct({ ... }), value or msgpack');
  }
}

/** A codec in a user's hands: asked to write or read where there is no record, it says so. */
class CheckedCodec implements Codec<unknown> {
  readonly description: CodecDescription;
  readonly recordBytes: number;
  /** The memory that was looked at last: most codecs know one, and to look at it costs more than a small record does. */
  /** At first an object that nobody can give, as undefined and null can be given. */
  private known: unknown = {};

  constructor(private readonly codec: Codec<unknown>) {
    this.description = codec.description;
    this.recordBytes = codec.recordBytes;
  }

  measure(value: unknown, enough?: number): number {
    return this.codec.measure(value, enough);
  }

  write(value: unknown, memory: RecordMemory, at: number): number {
    if (memory !== this.known) this.known = checkMemory(memory);
    if (!isWithin(at, memory.bytes.length)) checkInteger('at', at, 0, memory.bytes.length);
    try {
      return this.codec.write(value, memory, at);
    } catch (cause) {
      throw notWritten(at, cause);
    }
  }

  read(memory: RecordMemory, at: number, length: number): unknown {
    if (memory !== this.known) this.known = checkMemory(memory);
    const { length: size } = memory.bytes;
    if (!isWithin(at, size)) checkInteger('at', at, 0, size);
    if (!isWithin(length, size - at)) checkInteger('length', length, 0, size - at);
    try {
      return this.codec.read(memory, at, length);
    } catch (cause) {
      throw notRead(at, cause);
    }
  }

  forget(): void {
    this.codec.forget();
  }
}

/** True for a whole number from 0 to `most`. */
const isWithin = (number: number, most: number): boolean => number >>> 0 === number && number <= most;

/**
 * Four views of `byteLength` bytes of `buffer` from `byteOffset`, both multiples of 4: what a codec writes to and reads from
 * where there is no queue, such as a record copied out of one.
 */
export function recordMemory(buffer: ArrayBuffer | SharedArrayBuffer, byteOffset = 0, byteLength: number = lengthFrom(buffer, byteOffset)): RecordMemory {
  if (!types.isAnyArrayBuffer(buffer)) throw invalidArgument('buffer', buffer, 'an ArrayBuffer or a SharedArrayBuffer');
  checkInteger('byteOffset', byteOffset, 0, buffer.byteLength);
  checkInteger('byteLength', byteLength, 0, buffer.byteLength - byteOffset);
  if (byteOffset % 4 !== 0) throw invalidArgument('byteOffset', byteOffset, 'a multiple of 4');
  if (byteLength % 4 !== 0) throw invalidArgument('byteLength', byteLength, 'a multiple of 4');
  return {
    words: new Int32Array(buffer, byteOffset, byteLength >> 2),
    bytes: new Uint8Array(buffer, byteOffset, byteLength),
    view: new DataView(buffer, byteOffset, byteLength),
    buffer: Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength),
  };
}

/** What is left behind `byteOffset`; of what is no buffer anything, since it is refused anyway. */
function lengthFrom(buffer: ArrayBuffer | SharedArrayBuffer, byteOffset: number): number {
  return types.isAnyArrayBuffer(buffer) && typeof byteOffset === 'number' ? buffer.byteLength - byteOffset : 0;
}

/** The codecs by the names of their descriptions. This is the only place where all of them are known. See codec.ts. */
import { checkInteger, invalidArgument } from '../errors.js';
import { BytesCodec } from './bytes-codec.js';
import { msgpack, value, type Codec, type CodecDescription, type CodecFor, type RecordMemory } from './codec.js';
import { MsgpackCodec } from './msgpack-codec.js';
import { checkMemory, notRead, notWritten } from './record-memory.js';
import { StructCodec } from './struct-codec.js';
import type { StructFields } from './struct-layout.js';
import { ValueCodec } from './value-codec.js';

type Described = { name: 'struct'; fields: StructFields };
type Maker = (description: CodecDescription) => Codec<unknown>;

const makers: ReadonlyMap<unknown, Maker> = new Map<CodecDescription['name'], Maker>([
  ['bytes', () => new BytesCodec()],
  [
    'struct',
    (description) => new StructCodec(description as Described, undefined, true) as Codec<unknown>,
  ],
  ['value', () => new ValueCodec()],
  ['msgpack', () => new MsgpackCodec()],
]);

/** The functions that users may give without calling them: `codec: value` stands for `codec: value()`. */
const UNCALLED: readonly unknown[] = [value, msgpack];

/** The description that was meant by what a user gave. */
export function describe<T>(codec: CodecFor<T> | (() => CodecFor<T>)): CodecFor<T> {
  return UNCALLED.includes(codec) ? (codec as () => CodecFor<T>)() : (codec as CodecFor<T>);
}

/**
 * Makes a codec outside of any queue, for this thread. Allocates; blocks only where msgpackr is loaded for the first
 * time. Throws ERR_PERCORE_INVALID_ARGUMENT for anything but a description, and ERR_PERCORE_CODEC_UNAVAILABLE when
 * msgpackr is not installed.
 *
 *     const codec = codecOf(value<Order>());
 *     const memory = recordMemory(new ArrayBuffer(256));
 *     const length = codec.measure(order) && codec.write(order, memory, 0);
 *     codec.read(memory, 0, length);                                            // a copy of the order
 */
export function codecOf<T>(description: CodecFor<T> | (() => CodecFor<T>)): Codec<T> {
  const described: CodecDescription = describe(description);
  // The codec of a struct checks its arguments in its own generated code. If all structs were checked in CheckedCodec,
  // they would share its call sites, and V8 would inline none of them.
  const codec = described?.name === 'struct'
    ? (new StructCodec(described) as Codec<unknown>)
    : new CheckedCodec(makeCodec(described as CodecFor<unknown>));
  return codec as Codec<T>;
}

/**
 * As `codecOf`, but for the ends of queues, which know where they write and that they have measured; so nothing is
 * checked.
 */
export function makeCodec<T>(description: CodecFor<T>): Codec<T> {
  const make = makers.get(description?.name);
  if (make !== undefined) return make(description) as Codec<T>;
  throw invalidArgument(
    'codec', (description as { name?: unknown } | undefined)?.name ?? description,
    'bytes, struct({ ... }), value() or msgpack()',
  );
}

/**
 * A codec in a user's hands. If it is asked to write or read where there is no record, it throws an error that says so.
 */
class CheckedCodec implements Codec<unknown> {
  readonly description: CodecDescription;
  readonly recordBytes: number;
  /**
   * The memory that was checked last: most codecs see only one, and the check costs more than a small record does. It
   * begins as an object that nobody can pass in; undefined or null would not do, since a caller can pass those.
   */
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
    const { length: size } = memory.bytes;
    let taken: number;
    try {
      taken = this.codec.write(value, memory, at);
    } catch (cause) {
      throw notWritten(at, cause);
    }
    if (at + taken > size || (typeof value === 'string' && at + taken > size - LONGEST_LETTER))
      this.checkWhole(value, size - at, at);
    return taken;
  }

  /**
   * Throws if the value did not fit. Behind the end of its memory JavaScript silently writes nothing, and text ends
   * before the first letter that would lie there.
   */
  private checkWhole(value: unknown, room: number, at: number): void {
    const needed = this.codec.measure(value);
    this.codec.forget();
    if (needed > room) throw notWritten(at, new RangeError(`it takes ${needed} bytes, and there are ${room}`));
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

/** The most bytes of one letter in UTF-8: so close to the end of its memory, text may have been cut. */
const LONGEST_LETTER = 4;

/** True for a whole number from 0 to `most`. */
const isWithin = (number: number, most: number): boolean => number >>> 0 === number && number <= most;

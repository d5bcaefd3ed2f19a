/**
 * Plain JavaScript values in a record. Numbers, strings, booleans, null, undefined and bytes have a short form;
 * everything else that structured clone knows goes through V8's serialization. There are two steps, so that a value is
 * written straight into the ring: `measure` says how many bytes it takes at most, and `write` puts it there and says
 * how many it took.
 *
 *    0      4            8
 *    +------+------------+---------------------------------------------------------------+
 *    | tag  | serialized | value ...                                                     |
 *    +------+------------+---------------------------------------------------------------+
 *           its length,    for an object: serialized | view | view ...   each at a multiple of 8
 *
 * A record cannot hold what structured clone would share or move: shared memory, ports, streams and the like are
 * refused by name. Errors arrive whole, see value-errors.ts. As with structured clone, an instance loses its class, a
 * getter is read, and properties under symbols are left out. Unlike with structured clone, two views of one buffer
 * arrive as two, each with bytes of its own.
 */
import { isBytes, lengthOf } from '../byte-views.js';
import { PercoreError } from '../errors.js';
import type { Codec, RecordMemory } from './codec.js';
import { fillShell, type PackedError } from './value-errors.js';
import { padded, serializers } from './value-serializer.js';
import { isShared, whyNotSent } from './value-views.js';
import { isOrdinary, Preparation, refusal } from './value-walk.js';

const enum Tag { Undefined, Null, False, True, Number, Text, Bytes, Serialized, WithErrors }
const HEAD = 8;
/** Longer text is measured exactly, since a bound of three times its length would claim too much. */
const SHORT_TEXT = 1024;
/**
 * Larger objects are read by way of a buffer of their own, so that one large message does not keep its memory for ever.
 */
const SCRATCH_BYTES = 64 * 1024;

/** The codec `value`, for one end. */
export class ValueCodec implements Codec<unknown> {
  readonly description = { name: 'value' } as const;
  readonly recordBytes = 0;
  /**
   * What was measured and is neither written nor forgotten: an object as V8 has serialized it, and the memory of its
   * views.
   */
  private serialized: Buffer | undefined;
  private views: readonly Uint8Array[] | undefined;
  private tag: Tag = Tag.Serialized;
  private scratch: Buffer | undefined;

  /**
   * The most bytes that `write(value)` will take. It is exact, except for text: there it may be three times the length,
   * which is cheap to find, if that is at most `enough`. Throws ERR_PERCORE_UNSERIALIZABLE with the path to what cannot
   * be sent.
   */
  measure(value: unknown, enough = 0): number {
    this.forget();
    switch (typeof value) {
      case 'number': return HEAD + 8;
      case 'string':
        // Half a surrogate pair has no UTF-8.
        if (!(value as string & { isWellFormed(): boolean }).isWellFormed()) break;
        return (
          HEAD
          + (value.length <= SHORT_TEXT && HEAD + value.length * 3 <= enough
            ? value.length * 3
            : Buffer.byteLength(value))
        );
      case 'boolean':
      case 'undefined': return HEAD;
      default:
    }
    if (value === null) return HEAD;
    if (isBytes(value)) {
      // Shared memory is refused with a reason below. So is an array that has lost its memory, which has the length 0.
      const length = lengthOf(value);
      if (length !== 0 ? !isShared(value) : whyNotSent(value) === undefined) return HEAD + length;
    }
    return this.serialize(value);
  }

  /** Writes the value that was just measured at byte `at`, a multiple of 8. Returns how many bytes it took. */
  write(value: unknown, memory: RecordMemory, at: number): number {
    const tag = at >> 2;
    if (this.serialized !== undefined) return this.writeSerialized(this.serialized, memory, at);
    switch (typeof value) {
      case 'number':
        memory.words[tag] = Tag.Number;
        memory.view.setFloat64(at + HEAD, value, true);
        return HEAD + 8;
      case 'string':
        memory.words[tag] = Tag.Text;
        return HEAD + memory.buffer.write(value, at + HEAD, 'utf8');
      case 'boolean':
        memory.words[tag] = value ? Tag.True : Tag.False;
        return HEAD;
      case 'undefined':
        memory.words[tag] = Tag.Undefined;
        return HEAD;
      default:
    }
    if (value === null) {
      memory.words[tag] = Tag.Null;
      return HEAD;
    }
    if (!isBytes(value)) throw new PercoreError('ERR_PERCORE_CLAIM', 'write() follows measure() of the same value');
    memory.words[tag] = Tag.Bytes;
    memory.bytes.set(value, at + HEAD);
    return HEAD + lengthOf(value);
  }

  /** Forgets a measured value that will not be written. */
  forget(): void {
    this.serialized = this.views = undefined;
  }

  /**
   * Reads the value at byte `at` from a payload that is `length` bytes long. Bytes and objects are copies with memory
   * of their own. Throws ERR_PERCORE_UNSERIALIZABLE for a value that cannot be read: one too deep for this thread's
   * stack, one too large for its memory, or bytes that are no value at all.
   */
  read(memory: RecordMemory, at: number, length: number): unknown {
    switch (memory.words[at >> 2]) {
      case Tag.Undefined: return undefined;
      case Tag.Null: return null;
      case Tag.False: return false;
      case Tag.True: return true;
      case Tag.Number: return memory.view.getFloat64(at + HEAD, true);
      case Tag.Text: return memory.buffer.toString('utf8', at + HEAD, at + length);
      // Not `bytes.slice`, since a Buffer's slice is a window on the same memory.
      case Tag.Bytes: return Uint8Array.prototype.slice.call(memory.bytes, at + HEAD, at + length);
      default:
    }
    try {
      return this.readSerialized(memory, at, length);
    } catch (cause) {
      throw new PercoreError(
        'ERR_PERCORE_UNSERIALIZABLE', `a message cannot be read here: ${(cause as Error).message}`, { cause },
      );
    }
  }

  // ---- Objects ------------------------------------------------------------------------------------------------------

  /** Serializes an object and keeps the result for `write`. Returns how many bytes it takes. */
  private serialize(value: unknown): number {
    let serializer = new (serializers().OwnSerializer)();
    let serialized: Buffer | undefined;
    // Not kept before the end, since a getter of the value may send another value by this codec.
    let tag = Tag.Serialized;
    try {
      serialized = serializer.serialize(value);
    } catch {
      // V8 has refused it; the slow walk below finds out why.
    }
    if (serialized === undefined || (typeof value === 'object' && !isOrdinaryHere(value!, serialized.length))) {
      const preparation = Preparation.of(value);
      if (serialized === undefined || preparation.hasErrors) {
        if (preparation.hasErrors) tag = Tag.WithErrors;
        serializer = new (serializers().OwnSerializer)(preparation.heads);
        try {
          serialized = serializer.serialize(preparation.hasErrors ? preparation.root : preparation.root[0]);
        } catch (error) {
          throw refusal(error, value);
        }
      }
    }
    this.tag = tag;
    this.serialized = serialized;
    this.views = serializer.views;
    let bytes = HEAD + serialized.length;
    if (this.views !== undefined) {
      let lengths = 0;
      for (const view of this.views) {
        bytes = padded(bytes) + view.length;
        lengths += view.length;
      }
      // A getter that was called after a view was found may have taken the view's memory away.
      if (lengths !== serializer.viewBytes) {
        this.forget();
        throw refusal(new TypeError('a view whose memory a getter has detached or resized away'), value);
      }
    }
    return bytes;
  }

  private writeSerialized(serialized: Buffer, memory: RecordMemory, at: number): number {
    memory.words[at >> 2] = this.tag;
    memory.words[(at >> 2) + 1] = serialized.length;
    memory.bytes.set(serialized, at + HEAD);
    let bytes = HEAD + serialized.length;
    if (this.views !== undefined) {
      for (const view of this.views) {
        bytes = padded(bytes);
        memory.bytes.set(view, at + bytes);
        bytes += view.length;
      }
    }
    this.forget();
    return bytes;
  }

  private readSerialized(memory: RecordMemory, at: number, length: number): unknown {
    const tag = memory.words[at >> 2];
    const bytes = memory.words[(at >> 2) + 1]!;
    if ((tag !== Tag.Serialized && tag !== Tag.WithErrors) || bytes < 0 || bytes > length - HEAD)
      throw new RangeError('these bytes are not a value');
    const serialized = memory.bytes.subarray(at + HEAD, at + HEAD + bytes);
    const { OwnDeserializer } = serializers();
    const reader = new OwnDeserializer(this.privately(serialized), memory, at + padded(HEAD + bytes), at + length);
    const value = reader.deserialize();
    if (tag === Tag.Serialized) return value;
    const [root, table] = value as [unknown, PackedError[]];
    for (const [i, shell] of reader.shells.entries()) fillShell(shell, table[i]!);
    return root;
  }

  /**
   * A private copy of `bytes`: V8 must not read memory that another thread can write to. Nothing that V8 makes from it
   * lies in the copy.
   */
  private privately(bytes: Uint8Array): Uint8Array {
    if (bytes.length > SCRATCH_BYTES) return Uint8Array.prototype.slice.call(bytes);
    this.scratch ??= Buffer.allocUnsafeSlow(SCRATCH_BYTES);
    this.scratch.set(bytes);
    return this.scratch.subarray(0, bytes.length);
  }
}

/** As `isOrdinary`, but false if a getter throws. */
function isOrdinaryHere(value: object, bytes: number): boolean {
  try {
    return isOrdinary(value, bytes);
  } catch {
    // A getter that answered before throws now; the slow walk says which.
    return false;
  }
}

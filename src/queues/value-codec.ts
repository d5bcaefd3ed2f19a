/**
 * Plain JavaScript values in a record. Numbers, strings, booleans, null, undefined and bytes have a short form; everything else
 * that structured clone knows goes through `v8.serialize`. Two steps, so that a value is written straight into the ring:
 * `measure` says how many bytes it takes at most, `write` puts it there and says how many it took.
 *
 *    0      4        8
 *    +------+--------+---------------+
 *    | tag  | unused | value ...     |
 *    +------+--------+---------------+
 */
import { deserialize, serialize } from 'node:v8';
import { PercoreError } from '../errors.js';
import type { Codec, RecordMemory } from './codec.js';

const enum Tag { Undefined, Null, False, True, Number, Text, Bytes, Serialized }
const HEAD = 8;
const SHORT_TEXT = 1024;

/** Where a value is written to or read from. */
export type ValueMemory = RecordMemory;

export class ValueCodec implements Codec<unknown> {
  readonly description = { name: 'value' } as const;
  readonly recordBytes = 0;
  private serialized: Buffer | undefined;

  /** Most bytes that `write(value)` will take. Throws ERR_PERCORE_UNSERIALIZABLE with the path to what cannot be sent. */
  measure(value: unknown): number {
    // Of a value that was measured before and neither written nor forgotten.
    this.serialized = undefined;
    switch (typeof value) {
      case 'number': return HEAD + 8;
      // An upper bound is free; where it would be large, the exact length is worth a pass over the text.
      case 'string':
        // Half a surrogate pair has no UTF-8.
        if (!(value as string & { isWellFormed(): boolean }).isWellFormed()) break;
        return HEAD + (value.length <= SHORT_TEXT ? value.length * 3 : Buffer.byteLength(value));
      case 'boolean':
      case 'undefined': return HEAD;
      default:
    }
    if (value === null) return HEAD;
    if (value instanceof Uint8Array && (value.constructor === Uint8Array || value.constructor === Buffer)) return HEAD + value.length;
    try {
      this.serialized = serialize(value);
    } catch (cause) {
      const path = safePath(value);
      throw new PercoreError('ERR_PERCORE_UNSERIALIZABLE', `${path} cannot be sent to another thread. Send plain values, typed arrays, maps, sets, dates or errors`, { argument: path, cause });
    }
    return HEAD + this.serialized.length;
  }

  /** Writes what was just measured at byte `at`, a multiple of 8; returns the bytes taken. */
  write(value: unknown, memory: ValueMemory, at: number): number {
    const tag = at >> 2;
    switch (typeof value) {
      case 'number':
        memory.words[tag] = Tag.Number;
        memory.view.setFloat64(at + HEAD, value, true);
        return HEAD + 8;
      case 'string':
        if (this.serialized !== undefined) break;
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
    const bytes = this.serialized ?? (value as Uint8Array);
    memory.words[tag] = this.serialized === undefined ? Tag.Bytes : Tag.Serialized;
    this.serialized = undefined;
    memory.buffer.set(bytes, at + HEAD);
    return HEAD + bytes.length;
  }

  /** Forgets a measured value that will not be written. */
  forget(): void {
    this.serialized = undefined;
  }

  /** Reads the value at byte `at` of a record part `length` bytes long. Bytes and objects are copies. */
  read(memory: ValueMemory, at: number, length: number): unknown {
    switch (memory.words[at >> 2]) {
      case Tag.Undefined: return undefined;
      case Tag.Null: return null;
      case Tag.False: return false;
      case Tag.True: return true;
      case Tag.Number: return memory.view.getFloat64(at + HEAD, true);
      case Tag.Text: return memory.buffer.toString('utf8', at + HEAD, at + length);
      case Tag.Bytes: return memory.bytes.slice(at + HEAD, at + length);
      // A copy first: the reader must not see memory that another thread can write.
      default: return deserialize(Buffer.from(memory.buffer.subarray(at + HEAD, at + length)));
    }
  }
}

function safePath(value: unknown): string {
  try {
    return pathToUnserializable(value, 'value', new Set()) ?? 'value';
  } catch {
    // A getter of the value threw; what could not be sent is known well enough.
    return 'value';
  }
}

/** `value.handlers[0]` for the first function, symbol or other thing that structured clone refuses. */
function pathToUnserializable(value: unknown, path: string, seen: Set<unknown>): string | undefined {
  if (typeof value === 'function') return `${path} (a function)`;
  if (typeof value === 'symbol') return `${path} (a symbol)`;
  if (typeof value !== 'object' || value === null || seen.has(value)) return undefined;
  seen.add(value);
  const entries: [string, unknown][] = value instanceof Map
    ? [...value].flatMap(([key, item], i): [string, unknown][] => [[`${path}.keys()[${i}]`, key], [`${path}.get(${String(key)})`, item]])
    : value instanceof Set
      ? [...value].map((item, i): [string, unknown] => [`${path}.values()[${i}]`, item])
      : Object.entries(value).map(([key, item]) => [Array.isArray(value) ? `${path}[${key}]` : `${path}.${key}`, item]);
  for (const [where, item] of entries) {
    const found = pathToUnserializable(item, where, seen);
    if (found !== undefined) return found;
  }
  try {
    serialize(value);
  } catch {
    return entries.length === 0 ? `${path} (${Object.prototype.toString.call(value)})` : undefined;
  }
  return undefined;
}

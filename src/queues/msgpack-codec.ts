/**
 * Values as MessagePack, by msgpackr, which the user installs beside percore. It can carry about as much as JSON, and
 * is smaller and faster than both JSON and structured clone.
 *
 * The two ends share nothing: msgpackr's records and shared structures are faster still, but need state that is kept
 * equal on both sides. Every payload is complete, and consists of standard types as far as a value allows. Send a
 * Uint8Array that another program must read as a Buffer (`bin`); other typed arrays, sets, regular expressions,
 * undefined and bigints beyond 64 bits are extensions of msgpackr.
 *
 * msgpackr silently turns much into something else: functions into null, maps into objects, class instances into plain
 * objects, holes into undefined, half surrogates into U+FFFD, cycles into a stack overflow. So a value is walked first,
 * and a part that would not come back as it was throws with the path to it. Three things do change: -0 comes back as 0,
 * since msgpackr writes it as an integer; an object that occurs twice is sent twice; and only the elements of an array,
 * set or typed array are sent, not other properties that it has. Kinds of objects are told apart by their prototype;
 * msgpackr looks at `constructor`, which any object may have.
 *
 *     measure: walk, pack into msgpackr's own buffer     write: copy into the ring     read: copy out, unpack
 */
import { createRequire } from 'node:module';
import * as types from 'node:util/types';
import { PercoreError } from '../errors.js';
import type { Codec, RecordMemory } from './codec.js';
import { kindOf, memberPath } from './value-path.js';
import { whyNotSent } from './value-views.js';

/** The part of msgpackr that is used here. Its own types are missing when it is not installed. */
interface Packr {
  pack(value: unknown): Uint8Array;
  unpack(source: Uint8Array, end: number): unknown;
}
interface Msgpackr {
  readonly Packr: new (options: Record<string, unknown>) => Packr;
}

const OPTIONS = {
  useRecords: false,
  // No references between parts, hence no state either.
  structuredClone: false,
  mapsAsObjects: true,
  // Typed arrays, sets and large bigints come back as what they were.
  moreTypes: true,
  // In msgpackr 1.11.0 the line above does not include large bigints.
  useBigIntExtension: true,
  // Allows more than 65,535 properties.
  variableMapSize: true,
  // What is read has memory of its own.
  copyBuffers: true,
  useToJSON: false,
};
/** The deepest nesting of objects. msgpackr recurses, and the stack of the main thread ends at about 1,000. */
const MOST_DEPTH = 256;
/**
 * Longer payloads are copied into a buffer of their own, so that one large message does not keep its memory for ever.
 */
const SCRATCH_BYTES = 64 * 1024;

let loaded: Msgpackr | undefined;
/** msgpackr packs into one buffer of this thread. What a getter packs meanwhile would end up within the other value. */
let isPacking = false;

function msgpackr(): Msgpackr {
  if (loaded !== undefined) return loaded;
  const require = createRequire(import.meta.url);
  let isFound = false;
  try {
    require.resolve('msgpackr');
    isFound = true;
    loaded = require('msgpackr') as Msgpackr;
    return loaded;
  } catch (cause) {
    throw new PercoreError(
      'ERR_PERCORE_CODEC_UNAVAILABLE',
      isFound
        ? `codec msgpack cannot load the package msgpackr: ${String(cause)}. Install it anew: npm install msgpackr`
        : 'codec msgpack needs the package msgpackr, which is not installed: npm install msgpackr',
      { argument: 'codec', value: 'msgpack', cause },
    );
  }
}

/** The codec `msgpack`. msgpackr is loaded by the first of them in a thread. */
export class MsgpackCodec implements Codec<unknown> {
  readonly description = { name: 'msgpack' } as const;
  readonly recordBytes = 0;
  private readonly packr: Packr;
  /** What was measured. msgpackr hands out parts of a buffer and never writes to the same part twice. */
  private packed: Uint8Array | undefined;
  private scratch: Buffer | undefined;

  /**
   * Loads msgpackr if this is the first codec of the thread. Throws ERR_PERCORE_CODEC_UNAVAILABLE when it is not
   * installed.
   */
  constructor() {
    const { Packr } = msgpackr();
    this.packr = new Packr({ ...OPTIONS, writeFunction: refuseFunction });
  }

  /** Walks through the value and packs it. Allocates no more than msgpackr does. */
  measure(value: unknown): number {
    this.packed = undefined;
    try {
      if (!comesBack(value, 0)) throw refusal(value);
      this.packed = this.pack(value);
    } catch (cause) {
      if (cause instanceof PercoreError) throw cause;
      // Happens for an object that is only made to look like a Set, or for a getter that throws.
      if (faultOrNone(value) !== undefined) throw refusal(value);
      throw new PercoreError('ERR_PERCORE_UNSERIALIZABLE', `value cannot be packed: ${(cause as Error).message}`, {
        argument: 'value', value, cause,
      });
    }
    return this.packed.length;
  }

  private pack(value: unknown): Uint8Array {
    if (isPacking) {
      throw new PercoreError(
        'ERR_PERCORE_CLAIM', 'a getter of a value that is being packed has sent another by msgpack: send it afterwards',
      );
    }
    isPacking = true;
    try {
      return this.packr.pack(value);
    } finally {
      isPacking = false;
    }
  }

  write(_value: unknown, memory: RecordMemory, at: number): number {
    const packed = this.packed;
    if (packed === undefined)
      throw new PercoreError('ERR_PERCORE_CLAIM', 'write() follows measure() of the same value');
    this.packed = undefined;
    memory.bytes.set(packed, at);
    return packed.length;
  }

  /** Unpacks from private memory, since the ring's memory belongs to another thread as well. */
  read(memory: RecordMemory, at: number, length: number): unknown {
    const payload = memory.bytes.subarray(at, at + length);
    try {
      if (length > SCRATCH_BYTES) return this.packr.unpack(Buffer.from(payload), length);
      this.scratch ??= Buffer.allocUnsafeSlow(SCRATCH_BYTES);
      this.scratch.set(payload);
      return this.packr.unpack(this.scratch, length);
    } catch (cause) {
      throw new PercoreError(
        'ERR_PERCORE_UNSERIALIZABLE', `a message cannot be read here: ${(cause as Error).message}`, { cause },
      );
    }
  }

  forget(): void {
    this.packed = undefined;
  }
}

/** The walk finds every function; this one is for a getter that answers differently the second time. */
function refuseFunction(): never {
  throw new TypeError('a property became a function while it was packed');
}

/** DataView is missing: msgpackr 1.11.0 makes an empty object of it. */
const classes: ReadonlySet<unknown> = new Set<unknown>([
  Date.prototype, RegExp.prototype, ArrayBuffer.prototype, Buffer.prototype, Int8Array.prototype, Uint8Array.prototype,
  Uint8ClampedArray.prototype, Int16Array.prototype, Uint16Array.prototype, Int32Array.prototype, Uint32Array.prototype,
  Float32Array.prototype, Float64Array.prototype, BigInt64Array.prototype, BigUint64Array.prototype,
]);
const isWellFormed = (text: string): boolean => (text as string & { isWellFormed(): boolean }).isWellFormed();
/** Also true for an object of another realm, whose Object.prototype is not ours. */
const isPlain = (prototype: object | null): boolean =>
  prototype === Object.prototype || prototype === null || Object.getPrototypeOf(prototype) === null;
/** Also true for an array of another realm, but not for an instance of a subclass. */
const isPlainArray = (value: object, prototype: object | null): value is unknown[] =>
  Array.isArray(value)
  && prototype !== null
  && (prototype === Array.prototype || isPlain(Object.getPrototypeOf(prototype) as object | null));
const isHole = (array: readonly unknown[], i: number): boolean => array[i] === undefined && !Object.hasOwn(array, i);
/** msgpackr renames `__proto__`, so that the reader's object does not get a new prototype. */
const isKey = (key: string): boolean => key !== '__proto__' && isWellFormed(key);

/**
 * True if msgpackr gives `value` back as it was. A cycle ends at the depth limit, so no list of ancestors is needed.
 */
function comesBack(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case 'string': return isWellFormed(value);
    case 'object': break;
    default: return typeof value !== 'function' && typeof value !== 'symbol';
  }
  if (value === null) return true;
  if (depth === MOST_DEPTH) return false;
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (isPlainArray(value, prototype)) {
    for (let i = 0; i < value.length; i++) {
      if (isHole(value, i) || !comesBack(value[i], depth + 1)) return false;
    }
    return true;
  }
  if (prototype === Set.prototype) {
    for (const item of value as Set<unknown>) {
      if (!comesBack(item, depth + 1)) return false;
    }
    return true;
  }
  if (classes.has(prototype))
    return prototype === Date.prototype || prototype === RegExp.prototype || whyNotSent(value) === undefined;
  if (!isPlain(prototype)) return false;
  for (const key in value) {
    if (Object.hasOwn(value, key) && !(isKey(key) && comesBack((value as Record<string, unknown>)[key], depth + 1)))
      return false;
  }
  return true;
}

/** The error for a value that would not come back as it was, with the path to the part in question. */
function refusal(value: unknown): PercoreError {
  const { path, part, why, cause } = fault(value, 'value', []) ?? {
    path: 'value', part: value, why: 'something that changes while it is looked at', cause: undefined,
  };
  const where = path.length > 200 ? `${path.slice(0, 200)}…` : path;
  const argument = `${where} (${why})`;
  return new PercoreError(
    'ERR_PERCORE_UNSERIALIZABLE',
    `${argument} would not come back from MessagePack as it is. Send plain objects, arrays, numbers, text, dates, `
      + `bytes or sets, or choose the codec value`,
    { argument, value: part, cause },
  );
}

/**
 * As `fault`, but undefined if the walk itself throws. That happens for a value that changes while it is looked at, or
 * is made to look like something else; the path to that is not known.
 */
function faultOrNone(value: unknown): Fault | undefined {
  try {
    return fault(value, 'value', []);
  } catch {
    return undefined;
  }
}

interface Fault { readonly path: string; readonly part: unknown; readonly why: string; readonly cause?: unknown }

/**
 * The first part of `value` that would not come back, with the path to it. This is the walk of comesBack() again, slow
 * and with words.
 */
function fault(value: unknown, path: string, ancestors: readonly object[]): Fault | undefined {
  if (typeof value === 'string')
    return isWellFormed(value) ? undefined : { path, part: value, why: 'text with half a surrogate pair' };
  if (typeof value === 'function' || typeof value === 'symbol') return { path, part: value, why: kindOf(value) };
  if (typeof value !== 'object' || value === null) return undefined;
  if (ancestors.includes(value)) return { path, part: value, why: 'a cycle' };
  if (ancestors.length === MOST_DEPTH)
    return { path, part: value, why: `more than ${MOST_DEPTH} objects within objects` };
  const line = [...ancestors, value];
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (isPlainArray(value, prototype)) {
    for (let i = 0; i < value.length; i++) {
      const found = isHole(value, i)
        ? { path: `${path}[${i}]`, part: undefined, why: 'a hole' }
        : fault(value[i], `${path}[${i}]`, line);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  if (prototype === Set.prototype) {
    let i = 0;
    for (const item of value as Set<unknown>) {
      const found = fault(item, `${path}.values()[${i++}]`, line);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  if (classes.has(prototype)) {
    const why = ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value) ? whyNotSent(value) : undefined;
    return why === undefined ? undefined : { path, part: value, why };
  }
  if (!isPlain(prototype)) return { path, part: value, why: kindOf(value) };
  for (const key of Object.keys(value)) {
    if (!isKey(key)) return { path: memberPath(path, key), part: key, why: 'a name that msgpackr changes' };
    let item: unknown;
    try {
      item = (value as Record<string, unknown>)[key];
    } catch (cause) {
      return { path: memberPath(path, key), part: undefined, why: 'a getter that throws', cause };
    }
    const found = fault(item, memberPath(path, key), line);
    if (found !== undefined) return found;
  }
  return undefined;
}

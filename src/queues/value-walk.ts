/**
 * Two walks over a value that is to be sent. `isOrdinary` is fast and finds out whether V8's serialization is right for
 * all of it. `Preparation` is slow. It finds the parts for which it is not, and either makes a copy that can be sent,
 * or gives the path to a part that cannot.
 */
import * as types from 'node:util/types';
import { PercoreError } from '../errors.js';
import { headOf, isError, packError, type ErrorHead, type PackedError } from './value-errors.js';
import { kindOf, memberPath } from './value-path.js';
import { serializers } from './value-serializer.js';
import { whyNotSent } from './value-views.js';

/** The deepest nesting of objects that the fast walk follows. */
const MOST_DEPTH = 100;

const enum Sort { Leaf, Map, Set, Instance, Unusual }

/**
 * What the instances of a prototype are. Most values have only instances of Object and Array, which are not looked up
 * here.
 */
const sorts = new WeakMap<object, Sort>([
  ...[
    Date, RegExp, Number, String, Boolean, BigInt, ArrayBuffer, DataView, Buffer, Int8Array, Uint8Array,
    Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array, BigInt64Array,
    BigUint64Array,
  ].map((each): [object, Sort] => [each.prototype as object, Sort.Leaf]),
  [Map.prototype, Sort.Map],
  [Set.prototype, Sort.Set],
]);

let visits = 0;

/**
 * True if V8 would silently change nothing in `value`: there is no error in it, and no object of Node's. `bytes` is how
 * many bytes V8 has taken. An object takes at least one, so more visits than that come from cycles or from parts that
 * occur twice, and the walk gives up.
 */
export function isOrdinary(value: object, bytes: number): boolean {
  visits = bytes;
  return isOrdinaryPart(value, 0);
}

function isOrdinaryPart(value: object, depth: number): boolean {
  if (--visits < 0 || depth === MOST_DEPTH) return false;
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (prototype === Object.prototype || prototype === null) return hasOrdinaryFields(value, depth);
  if (prototype === Array.prototype) {
    const items = value as unknown[];
    // Gives up on a sparse array.
    if (items.length > visits + 64) return false;
    for (let i = 0; i < items.length; i++) {
      const item = items[i];
      if (typeof item === 'object' && item !== null && !isOrdinaryPart(item, depth + 1)) return false;
    }
    return true;
  }
  switch (sorts.get(prototype) ?? learnSort(value, prototype)) {
    case Sort.Leaf: return true;
    case Sort.Instance: return hasOrdinaryFields(value, depth);
    case Sort.Map:
      for (const [key, item] of value as Map<unknown, unknown>) {
        if (typeof key === 'object' && key !== null && !isOrdinaryPart(key, depth + 1)) return false;
        if (typeof item === 'object' && item !== null && !isOrdinaryPart(item, depth + 1)) return false;
      }
      return true;
    case Sort.Set:
      for (const item of value as Set<unknown>) {
        if (typeof item === 'object' && item !== null && !isOrdinaryPart(item, depth + 1)) return false;
      }
      return true;
    default: return false;
  }
}

function hasOrdinaryFields(value: object, depth: number): boolean {
  for (const key in value) {
    const item = (value as Record<string, unknown>)[key];
    if (typeof item === 'object' && item !== null && !isOrdinaryPart(item, depth + 1)) return false;
  }
  return true;
}

function learnSort(value: object, prototype: object): Sort {
  // Subclasses and other realms are left to the slow walk, except for plain objects and instances of a user's classes.
  const isInstance =
    !isError(value)
    && !ArrayBuffer.isView(value)
    && !types.isMap(value)
    && !types.isSet(value)
    && !Array.isArray(value)
    && systemClassOf(value) === undefined;
  const sort = isInstance ? Sort.Instance : Sort.Unusual;
  sorts.set(prototype, sort);
  return sort;
}

/**
 * Classes of the platform whose instances V8 takes for objects with few fields or none, or writes in a way that nobody
 * can read. None of these classes is looked up before an object says that it is one.
 */
const SYSTEM_CLASSES = new Set([
  'Blob', 'File', 'MessagePort', 'BroadcastChannel', 'ReadableStream', 'WritableStream', 'TransformStream',
  'AbortSignal', 'CryptoKey', 'FileHandle', 'PublicKeyObject', 'PrivateKeyObject', 'SecretKeyObject', 'X509Certificate',
  'Worker', 'Socket', 'Server', 'Module', 'URL', 'URLSearchParams', 'Headers', 'Request', 'Response', 'FormData',
]);

/**
 * The name of the platform's class of which `value` is an instance, if its contents are in no field that could be sent.
 */
function systemClassOf(value: object): string | undefined {
  for (
    let at = Object.getPrototypeOf(value) as object | null;
    at !== null;
    at = Object.getPrototypeOf(at) as object | null
  ) {
    const made: unknown = Object.getOwnPropertyDescriptor(at, 'constructor')?.value;
    if (typeof made !== 'function' || !SYSTEM_CLASSES.has(made.name)) continue;
    // A user may have a class of that name.
    const source = Function.prototype.toString.call(made);
    if (
      (globalThis as Record<string, unknown>)[made.name] === made
      || source.includes('[native code]')
      || Object.getOwnPropertySymbols(value).length !== 0
    )
      return made.name;
  }
  return undefined;
}

/** A part that cannot be sent, with the path to it. */
class Refused extends Error {
  constructor(readonly path: string, readonly why: string, readonly part: unknown, cause?: unknown) {
    super(why, { cause });
  }
}

/** Makes a copy of a value in which other objects stand for the errors, and a table of what the errors hold. */
export class Preparation {
  /** The errors' heads, by the objects that stand in the places of the errors. */
  readonly heads = new Map<object, ErrorHead>();
  private readonly table: PackedError[] = [];
  private readonly errors: object[] = [];
  private readonly copies = new Map<object, unknown>();
  /** The keys of `copies` in their order, so that an attempt can be undone. */
  private readonly added: object[] = [];

  /** Prepares `value`. Throws ERR_PERCORE_UNSERIALIZABLE for the first part that cannot be sent. */
  static of(value: unknown): Preparation {
    const preparation = new Preparation();
    try {
      preparation.root[0] = preparation.copy(value, 'value');
      preparation.packErrors();
    } catch (error) {
      throw refusal(error, value);
    }
    return preparation;
  }

  /** The copy of the value, and what its errors hold. */
  readonly root: [value: unknown, errors: PackedError[]] = [undefined, this.table];

  get hasErrors(): boolean {
    return this.table.length !== 0;
  }

  private packErrors(): void {
    // The list grows meanwhile, since an error's cause may be an error.
    for (let i = 0; i < this.errors.length; i++)
      this.table[i] = packError(this.errors[i]!, (value, key) => this.attempt(value, key));
  }

  /** The copy of a part of the value. Throws Refused for a part that cannot be sent. */
  private copy(value: unknown, path: string): unknown {
    if (typeof value === 'function' || typeof value === 'symbol') throw new Refused(path, kindOf(value), value);
    if (typeof value !== 'object' || value === null) return value;
    const known = this.copies.get(value);
    if (known !== undefined) return known;
    if (types.isProxy(value)) throw new Refused(path, 'a Proxy', value);
    if (isError(value)) return this.addError(value);
    if (ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value)) {
      const why = whyNotSent(value);
      if (why !== undefined) throw new Refused(path, why, value);
      return value;
    }
    if (types.isDate(value) || types.isRegExp(value) || (types.isBoxedPrimitive(value) && !types.isSymbolObject(value)))
      return value;
    if (types.isMap(value)) {
      const entries = [...Map.prototype.entries.call(value)];
      return entries.reduce(
        (copy, [key, item], i) =>
          copy.set(this.copy(key, `${path}.keys()[${i}]`), this.copy(item, `${path}.get(${keyText(key)})`)),
        this.add(value, new Map()),
      );
    }
    if (types.isSet(value)) {
      return [...Set.prototype.values.call(value)].reduce(
        (copy, item, i) => copy.add(this.copy(item, `${path}.values()[${i}]`)), this.add(value, new Set()),
      );
    }
    const system = systemClassOf(value);
    if (system !== undefined) throw new Refused(path, `${kindOf(value)}, an object of the platform`, value);
    return this.copyFields(value, path);
  }

  private copyFields(value: object, path: string): object {
    const keys = Object.keys(value);
    const isArray = Array.isArray(value);
    if (!isArray && isRefusedByV8(value, keys.length))
      throw new Refused(path, Object.prototype.toString.call(value), value);
    // Without a prototype, "__proto__" is a name like any other.
    const copy = this.add(value, (isArray ? new Array(value.length) : Object.create(null)) as Record<string, unknown>);
    for (const key of keys) {
      const at = isArray && /^\d/.test(key) ? `${path}[${key}]` : memberPath(path, key);
      let item: unknown;
      try {
        item = (value as Record<string, unknown>)[key];
      } catch (cause) {
        throw new Refused(at, 'a getter that throws', undefined, cause);
      }
      copy[key] = this.copy(item, at);
    }
    return copy;
  }

  private add<T>(value: object, copy: T): T {
    this.copies.set(value, copy);
    this.added.push(value);
    return copy;
  }

  private addError(error: object): object {
    // V8 hands a view back to us, to be written.
    const place = this.add(error, new Uint8Array(0));
    this.heads.set(place, headOf(error, this.errors.length));
    this.errors.push(error);
    return place;
  }

  /** A field of an error in an array, or undefined if it cannot be sent. */
  private attempt(value: unknown, key: string): [unknown] | undefined {
    const { length } = this.added;
    const errors = this.errors.length;
    try {
      const copy = this.copy(value, key);
      new (serializers().OwnSerializer)(this.heads).serialize(copy);
      return [copy];
    } catch {
      for (const each of this.added.splice(length)) this.copies.delete(each);
      this.errors.length = errors;
      return undefined;
    }
  }
}

/** True for objects that have contents which V8 does not write. */
function isRefusedByV8(value: object, keys: number): boolean {
  if (
    types.isPromise(value)
    || types.isWeakMap(value)
    || types.isWeakSet(value)
    || types.isGeneratorObject(value)
    || types.isExternal(value)
    || types.isModuleNamespaceObject(value)
  )
    return true;
  if (keys !== 0) return false;
  try {
    new (serializers().OwnSerializer)().serialize(value);
    return false;
  } catch {
    return true;
  }
}

/** How a path shows the key of a map. */
function keyText(key: unknown): string {
  if (typeof key === 'object' || typeof key === 'function' || typeof key === 'symbol') return kindOf(key);
  const text = String(key);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

/** The error that the sender gets. */
export function refusal(error: unknown, value: unknown): PercoreError {
  if (error instanceof Refused) return unserializable(error.path, error.why, error.part, error.cause);
  if (error instanceof RangeError && /call stack/.test(error.message))
    return unserializable('value', 'nested too deeply for the stack of this thread', value, error);
  return unserializable(
    'value', error instanceof Error ? error.message : 'something that changes while it is looked at', value, error,
  );
}

function unserializable(path: string, why: string, value: unknown, cause: unknown): PercoreError {
  const argument = `${path.length > 200 ? `${path.slice(0, 200)}…` : path} (${why})`;
  const hint = why.includes('SharedArrayBuffer')
    ? 'Shared memory is handed over by postMessage or workerData; send a copy: view.slice()'
    : 'Send plain values, typed arrays, maps, sets, dates or errors';
  return new PercoreError('ERR_PERCORE_UNSERIALIZABLE', `${argument} cannot be sent to another thread. ${hint}`, {
    argument, value, cause,
  });
}

/**
 * Typed arrays and DataViews over virtual memory. An access to an element becomes accesses to the words that it
 * touches, in ascending order; the real classes only convert between bytes and numbers, in a scratch buffer.
 *
 * Indexed access needs a Proxy, since nothing else notices `words[130]`. Methods that copy (`set`, `fill`, `slice`)
 * access each word once. All other methods throw, so that nothing reads the memory without the explorer's knowledge.
 */
import type { AccessTarget } from './access.js';

/** Where a view lies in virtual memory, and how far it reaches. */
export interface ViewPlace {
  /** The name of its class. */
  readonly kind: string;
  readonly buffer: object;
  /** The index of its first byte, counted through the whole virtual memory. */
  readonly firstByte: number;
  /** The index of its first byte in its buffer. */
  readonly byteOffset: number;
  /** Its length in elements; undefined if it follows the length of a growable buffer. */
  readonly fixedLength: number | undefined;
  /** Its present length in elements. If that may change, reading it is an access. */
  length(): number;
  /** The same without an access. */
  reach(): number;
}

export type TypedArrayClass =
  | Int8ArrayConstructor
  | Uint8ArrayConstructor
  | Int16ArrayConstructor
  | Uint16ArrayConstructor
  | Int32ArrayConstructor
  | Uint32ArrayConstructor
  | Float32ArrayConstructor
  | Float64ArrayConstructor
  | BigInt64ArrayConstructor
  | BigUint64ArrayConstructor;

/** Copies `bytes.length` bytes out, with one plain read for each word. */
function readBytes(memory: AccessTarget, firstByte: number, bytes: Uint8Array): void {
  eachWord(firstByte, bytes.length, (word, mask, shift, from, to) => {
    const value = memory.perform({ verb: 'read', word, mask, value: 0, expected: 0 });
    for (let i = from; i < to; i++) bytes[i] = value >>> (shift + (i - from) * 8);
  });
}

/** Copies `bytes` in, with one plain write for each word. */
function writeBytes(memory: AccessTarget, firstByte: number, bytes: Uint8Array): void {
  eachWord(firstByte, bytes.length, (word, mask, shift, from, to) => {
    let value = 0;
    for (let i = from; i < to; i++) value |= bytes[i] << (shift + (i - from) * 8);
    memory.perform({ verb: 'write', word, mask, value, expected: 0 });
  });
}

function eachWord(
  firstByte: number, count: number,
  visit: (word: number, mask: number, shift: number, from: number, to: number) => void,
): void {
  for (let from = 0; from < count;) {
    const inWord = (firstByte + from) & 3;
    const to = Math.min(count, from + 4 - inWord);
    const bytes = to - from;
    visit((firstByte + from) >> 2, (bytes === 4 ? -1 : (1 << (bytes * 8)) - 1) << (inWord * 8), inWord * 8, from, to);
    from = to;
  }
}

/** The methods `set`, `fill` and `slice` of a virtual typed array, which work on bytes. */
function copyingMethods(memory: AccessTarget, real: TypedArrayClass, place: ViewPlace): Record<string, unknown> {
  const unit = real.BYTES_PER_ELEMENT;
  const elements = (source: ArrayLike<never>): Uint8Array =>
    new Uint8Array((real as Int8ArrayConstructor).from(source).buffer);
  const check = (from: number, to: number): void => {
    if (!(from >= 0 && from <= to && to <= place.reach()))
      throw new RangeError(`elements ${from} to ${to} of ${place.reach()}`);
  };
  return {
    set(source: ArrayLike<never>, at = 0) {
      check(at, at + source.length);
      writeBytes(memory, place.firstByte + at * unit, elements(source));
    },
    fill(value: never, from = 0, to = place.length()) {
      check(from, to);
      writeBytes(memory, place.firstByte + from * unit, elements(Array.from({ length: to - from }, () => value)));
    },
    slice(from = 0, to = place.length()) {
      check(from, to);
      const bytes = new Uint8Array((to - from) * unit);
      readBytes(memory, place.firstByte + from * unit, bytes);
      return new real(bytes.buffer);
    },
  };
}

/** The stand-in for a `real` over virtual memory, with indexed access, `length`, `set`, `fill` and `slice`. */
export function virtualTypedArray(memory: AccessTarget, real: TypedArrayClass, place: ViewPlace): object {
  const unit = real.BYTES_PER_ELEMENT;
  const scratch = new real(1);
  const scratchBytes = new Uint8Array(scratch.buffer);
  const own: Record<string, unknown> = {
    get length() { return place.length(); },
    get byteLength() { return place.length() * unit; },
    byteOffset: place.byteOffset, buffer: place.buffer, BYTES_PER_ELEMENT: unit, ...copyingMethods(memory, real, place),
  };
  const address = (index: number): number => {
    if (!Number.isInteger(index) || index < 0 || index >= place.reach())
      throw new RangeError(`${real.name}[${index}] of ${place.reach()}`);
    return place.firstByte + index * unit;
  };
  return new Proxy(Object.create(real.prototype) as object, {
    get(target, key) {
      if (typeof key === 'symbol') return Reflect.get(target, key) as unknown;
      if (Object.hasOwn(own, key)) return own[key];
      if (Number.isNaN(Number(key))) throw new TypeError(`a virtual ${real.name} has no ${key}`);
      readBytes(memory, address(Number(key)), scratchBytes);
      return scratch[0];
    },
    set(_target, key, value: never) {
      scratch[0] = value;
      writeBytes(memory, address(Number(key)), scratchBytes);
      return true;
    },
  });
}

/** The stand-in for a DataView over virtual memory, with all its getters and setters. */
export function virtualDataView(memory: AccessTarget, place: ViewPlace): object {
  const view = Object.create(DataView.prototype) as Record<string, unknown>;
  const own = (key: string, value: unknown): void => void Object.defineProperty(view, key, { value });
  own('buffer', place.buffer);
  own('byteOffset', place.byteOffset);
  Object.defineProperty(view, 'byteLength', { get: () => place.length() });
  for (const name of Object.getOwnPropertyNames(DataView.prototype)) {
    const [, verb, bits] = /^(get|set)[A-Za-z]+?(8|16|32|64)$/.exec(name) ?? [];
    if (verb === undefined) continue;
    const bytes = new Uint8Array(Number(bits) / 8);
    const scratch = new DataView(bytes.buffer);
    const convert = (scratch as unknown as Record<string, (...values: unknown[]) => unknown>)[name].bind(scratch);
    const address = (offset: number): number => {
      if (!(offset >= 0 && offset + bytes.length <= place.reach()))
        throw new RangeError(`${name}(${offset}) of ${place.reach()} bytes`);
      return place.firstByte + offset;
    };
    own(name, verb === 'get'
      ? (offset: number, littleEndian?: boolean) => {
          readBytes(memory, address(offset), bytes);
          return convert(0, littleEndian);
        }
      : (offset: number, value: unknown, littleEndian?: boolean) => {
          convert(0, value, littleEndian);
          writeBytes(memory, address(offset), bytes);
        });
  }
  return view;
}

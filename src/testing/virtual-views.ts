/**
 * Typed arrays and DataViews over virtual memory. Every element access becomes accesses to the words it touches, in
 * rising order; the real classes only convert between bytes and numbers, in a scratch buffer.
 *
 * Indexed access needs a Proxy: nothing else sees `words[130]`. Methods that copy (`set`, `fill`, `slice`) touch each
 * word once. What is not listed here throws, so that nothing reads the memory behind the explorer's back.
 */
import type { AccessTarget } from './access.js';

/** Where a view lies: its first byte counted through the whole virtual memory, and how far it reaches. */
export interface ViewPlace {
  /** Name of its class. */
  readonly kind: string;
  readonly buffer: object;
  readonly firstByte: number;
  readonly byteOffset: number;
  /** Its length in elements, unless it follows that of a buffer that grows. */
  readonly fixedLength: number | undefined;
  /** Its length now, which is an access where it may change; and the same without an access. */
  length(): number;
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

/** Copies `bytes.length` bytes out, one plain read for each word touched. */
function readBytes(memory: AccessTarget, firstByte: number, bytes: Uint8Array): void {
  eachWord(firstByte, bytes.length, (word, mask, shift, from, to) => {
    const value = memory.perform({ verb: 'read', word, mask, value: 0, expected: 0 });
    for (let i = from; i < to; i++) bytes[i] = value >>> (shift + (i - from) * 8);
  });
}

/** Copies `bytes` in, one plain write for each word touched. */
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

/** `set`, `fill` and `slice` of a virtual typed array, done on the bytes. */
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

/** A `real` over virtual memory: indexed access, `length`, `set`, `fill`, `slice`, with positions that lie inside. */
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

/** A DataView over virtual memory, with all its getters and setters. */
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

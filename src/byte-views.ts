/**
 * What bytes are, asked of their internal slots: a subclass of Uint8Array, or an array with properties of its own, may
 * answer `length`, `buffer` and `subarray` as it likes, run anything meanwhile, and answer otherwise the next time.
 * Whatever copies bytes that a user has given asks here. None of it costs more than the property does.
 */
const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as object;
const getter = <T>(name: PropertyKey): ((this: unknown) => T) =>
  Object.getOwnPropertyDescriptor(typedArray, name)!.get as (this: unknown) => T;
const arrayLength = getter<number>('length');
const arrayBuffer = getter<ArrayBufferLike>('buffer');
const arrayByteOffset = getter<number>('byteOffset');
const arrayName = getter<string | undefined>(Symbol.toStringTag);

/** Elements of a typed array; 0 when its buffer was detached. */
export const lengthOf = (array: ArrayBufferView): number => arrayLength.call(array);

/** The memory of a typed array. */
export const bufferOf = (array: ArrayBufferView): ArrayBufferLike => arrayBuffer.call(array);

/** Where a typed array begins in its memory. */
export const byteOffsetOf = (array: ArrayBufferView): number => arrayByteOffset.call(array);

/** True for a Uint8Array or Buffer of any realm, and for nothing that only looks like one. */
export const isUint8Array = (value: unknown): value is Uint8Array => arrayName.call(value) === 'Uint8Array';

/**
 * True for a Uint8Array of this realm, and not for a Proxy of one. Two tests that V8 takes into the caller, for where a
 * message must cost nothing; `checkBytes` looks at what is none here.
 */
export const isBytes = (value: unknown): value is Uint8Array =>
  ArrayBuffer.isView(value) && value instanceof Uint8Array;

/** The bytes from `from` up to `to`, a range within them, in place. */
export const partOf = (bytes: Uint8Array, from: number, to: number): Uint8Array =>
  new Uint8Array(arrayBuffer.call(bytes), arrayByteOffset.call(bytes) + from, to - from);

/** A copy of them, with memory of its own. Not `bytes.slice`: a Buffer's slice is a window on the same memory. */
export const copyOf = (bytes: Uint8Array, from: number, to: number): Uint8Array =>
  new Uint8Array(partOf(bytes, from, to));

/** The first `length` bytes of a typed array of any sort, in place. */
export const startOf = (array: ArrayBufferView, length: number): Uint8Array =>
  new Uint8Array(arrayBuffer.call(array), arrayByteOffset.call(array), length);

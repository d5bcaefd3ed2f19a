/**
 * Reads the internal slots of typed arrays. The properties `length`, `buffer` and `subarray` cannot be trusted: a
 * subclass of Uint8Array, or an array with properties of its own, may answer them as it likes, run any code meanwhile,
 * and give another answer the next time. Code that copies bytes from a user therefore asks here. None of these
 * functions costs more than the property does.
 */
const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as object;
const getter = <T>(name: PropertyKey): ((this: unknown) => T) =>
  Object.getOwnPropertyDescriptor(typedArray, name)!.get as (this: unknown) => T;
const arrayLength = getter<number>('length');
const arrayBuffer = getter<ArrayBufferLike>('buffer');
const arrayByteOffset = getter<number>('byteOffset');
const arrayName = getter<string | undefined>(Symbol.toStringTag);

/** The number of elements in a typed array; 0 if its buffer was detached. */
export const lengthOf = (array: ArrayBufferView): number => arrayLength.call(array);

/** The buffer that a typed array is a view of. */
export const bufferOf = (array: ArrayBufferView): ArrayBufferLike => arrayBuffer.call(array);

/** The offset in its buffer at which a typed array begins. */
export const byteOffsetOf = (array: ArrayBufferView): number => arrayByteOffset.call(array);

/** True for a Uint8Array or Buffer of any realm, and for nothing that only looks like one. */
export const isUint8Array = (value: unknown): value is Uint8Array => arrayName.call(value) === 'Uint8Array';

/**
 * True for a Uint8Array of this realm, and false for a Proxy of one. V8 inlines both tests, so this is the check for
 * hot paths; a value that fails it goes to `checkBytes`, which also knows other realms.
 */
export const isBytes = (value: unknown): value is Uint8Array =>
  ArrayBuffer.isView(value) && value instanceof Uint8Array;

/** A view of the bytes from `from` up to `to`, which must lie within `bytes`. Copies nothing. */
export const partOf = (bytes: Uint8Array, from: number, to: number): Uint8Array =>
  new Uint8Array(arrayBuffer.call(bytes), arrayByteOffset.call(bytes) + from, to - from);

/** A copy of that range in memory of its own. `bytes.slice` would not do: for a Buffer it returns a view. */
export const copyOf = (bytes: Uint8Array, from: number, to: number): Uint8Array =>
  new Uint8Array(partOf(bytes, from, to));

/** A view of the first `length` bytes of any typed array. Copies nothing. */
export const startOf = (array: ArrayBufferView, length: number): Uint8Array =>
  new Uint8Array(arrayBuffer.call(array), arrayByteOffset.call(array), length);

/**
 * Typed arrays, DataViews and Buffers of any realm: of which sort they are, whether they can be sent, their bytes, and
 * how to make one of the same sort around new bytes. All questions go to internal slots, so that properties which a
 * value defines for itself, such as `length` or `constructor`, change nothing.
 */
import * as types from 'node:util/types';
import { isDataView } from './is-data-view.js';
import { withArticle } from './value-path.js';

type ViewClass = new (buffer: ArrayBuffer, byteOffset: number, length: number) => ArrayBufferView;

/** Records hold indexes into this list. Float16Array exists from Node 24 on. */
const NAMES = [
  'Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array', 'Int32Array', 'Uint32Array',
  'Float32Array', 'Float64Array', 'BigInt64Array', 'BigUint64Array', 'DataView', 'Buffer', 'Float16Array',
] as const;
const BUFFER = NAMES.indexOf('Buffer');
const DATA_VIEW = NAMES.indexOf('DataView');

const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as object;
const getter = (of: object, name: PropertyKey): ((this: unknown) => unknown) =>
  Object.getOwnPropertyDescriptor(of, name)!.get!;
const nameOf = getter(typedArray, Symbol.toStringTag) as (this: unknown) => string | undefined;
const arrayByteLength = getter(typedArray, 'byteLength') as (this: unknown) => number;
const arrayByteOffset = getter(typedArray, 'byteOffset') as (this: unknown) => number;
const arrayBuffer = getter(typedArray, 'buffer') as (this: unknown) => ArrayBufferLike;
const viewByteLength = getter(DataView.prototype, 'byteLength') as (this: unknown) => number;
const viewByteOffset = getter(DataView.prototype, 'byteOffset') as (this: unknown) => number;
const viewBuffer = getter(DataView.prototype, 'buffer') as (this: unknown) => ArrayBufferLike;
const bufferByteLength = getter(ArrayBuffer.prototype, 'byteLength') as (this: unknown) => number;

/** The number of a view's sort. */
export function sortOfView(view: ArrayBufferView): number {
  if (view instanceof Buffer) return BUFFER;
  return NAMES.indexOf((nameOf.call(view) ?? 'DataView') as (typeof NAMES)[number]);
}

/**
 * The memory of a view as bytes. Throws a TypeError if the memory was detached, or has shrunk to less than the view
 * needs.
 */
export function bytesOfView(view: ArrayBufferView): Uint8Array {
  if (isDataView(view))
    return new Uint8Array(viewBuffer.call(view), viewByteOffset.call(view), viewByteLength.call(view));
  // A typed array that has lost its memory only says that its length is 0. Reading an element by a method throws.
  if (arrayByteLength.call(view) === 0) Uint8Array.prototype.at.call(view as Uint8Array, 0);
  return new Uint8Array(arrayBuffer.call(view), arrayByteOffset.call(view), arrayByteLength.call(view));
}

/**
 * A view of this sort around all of `bytes`, whose buffer must hold nothing else. Throws for a sort or length that does
 * not exist.
 */
export function viewOfSort(sort: number, bytes: Uint8Array): ArrayBufferView {
  const buffer = bytes.buffer as ArrayBuffer;
  if (sort === BUFFER) return Buffer.from(buffer);
  if (sort === DATA_VIEW) return new DataView(buffer);
  const Class = (globalThis as unknown as Record<string, ViewClass & { BYTES_PER_ELEMENT: number }>)[NAMES[sort] ?? ''];
  if (Class === undefined) throw new TypeError(`no sort ${sort} of typed array`);
  return new Class(buffer, 0, bytes.length / Class.BYTES_PER_ELEMENT);
}

/** Why the memory of a view or buffer cannot be sent; undefined if it can. */
export function whyNotSent(memory: object): string | undefined {
  const isView = ArrayBuffer.isView(memory);
  const name = isView ? NAMES[sortOfView(memory)] ?? 'typed array' : 'ArrayBuffer';
  const buffer = isView ? (isDataView(memory) ? viewBuffer.call(memory) : arrayBuffer.call(memory)) : memory;
  if (types.isSharedArrayBuffer(buffer))
    return isView ? `${withArticle(name)} over a SharedArrayBuffer` : 'a SharedArrayBuffer';
  try {
    if (isView) bytesOfView(memory);
    else new Uint8Array(memory as ArrayBuffer, 0, bufferByteLength.call(memory));
    return undefined;
  } catch {
    return `${withArticle(name)} whose memory was detached or resized away`;
  }
}

/** True for bytes in shared memory: a copy of them would not be what was sent. */
export function isShared(array: Uint8Array): boolean {
  try {
    // This getter refuses shared memory, whatever that pretends to be. Unlike a question to util.types, it takes no
    // call out of JavaScript.
    bufferByteLength.call(arrayBuffer.call(array));
    return false;
  } catch {
    return true;
  }
}

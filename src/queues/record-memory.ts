/**
 * The memory that codecs write to and read from, and the errors of a codec in a user's hands where there is no record.
 */
import * as types from 'node:util/types';
import { checkInteger, invalidArgument, PercoreError } from '../errors.js';
import { isDataView } from './is-data-view.js';
import type { RecordMemory } from './codec.js';

/**
 * Makes the four views of `byteLength` bytes of `buffer` from `byteOffset` on, which a codec writes to and reads from
 * where there is no queue, such as for a record that was copied out of one. Both numbers are multiples of 4. Throws
 * ERR_PERCORE_INVALID_ARGUMENT for anything else.
 */
export function recordMemory(
  buffer: ArrayBuffer | SharedArrayBuffer, byteOffset = 0, byteLength: number = lengthFrom(buffer, byteOffset),
): RecordMemory {
  if (!types.isAnyArrayBuffer(buffer)) throw invalidArgument('buffer', buffer, 'an ArrayBuffer or a SharedArrayBuffer');
  checkInteger('byteOffset', byteOffset, 0, buffer.byteLength);
  checkInteger('byteLength', byteLength, 0, buffer.byteLength - byteOffset);
  if (byteOffset % 4 !== 0) throw invalidArgument('byteOffset', byteOffset, 'a multiple of 4');
  if (byteLength % 4 !== 0) throw invalidArgument('byteLength', byteLength, 'a multiple of 4');
  return {
    words: new Int32Array(buffer, byteOffset, byteLength >> 2),
    bytes: new Uint8Array(buffer, byteOffset, byteLength),
    view: new DataView(buffer, byteOffset, byteLength),
    buffer: Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength),
  };
}

/** The bytes behind `byteOffset`. For anything but a buffer the answer does not matter, since that is refused later. */
function lengthFrom(buffer: ArrayBuffer | SharedArrayBuffer, byteOffset: number): number {
  return types.isAnyArrayBuffer(buffer) && typeof byteOffset === 'number' ? buffer.byteLength - byteOffset : 0;
}

/**
 * Returns `memory`, or throws if it is no RecordMemory. The check costs more than a small record does, so codecs
 * remember which memory they were given last.
 */
export function checkMemory(memory: RecordMemory): RecordMemory {
  // A Proxy could answer each look differently, or throw.
  const { words, bytes, view, buffer } = types.isProxy(memory) ? ({} as Partial<RecordMemory>) : (memory ?? {});
  if (words instanceof Int32Array && types.isUint8Array(bytes) && isDataView(view) && Buffer.isBuffer(buffer))
    return memory;
  throw invalidArgument('memory', memory, 'what recordMemory() returns, or an end of a queue');
}

/** The error for what a codec throws if a value was not measured, or if it did not write what it reads. */
function noRecord(what: string, cause: unknown): PercoreError {
  if (cause instanceof PercoreError) return cause;
  return new PercoreError(
    'ERR_PERCORE_INVALID_ARGUMENT',
    `${what}: ${(cause as Error | undefined)?.message}. Measure a value before it is written, and give it as much room`,
    { argument: 'at', cause },
  );
}

/** The error for a value that a codec cannot write at `at`. */
export const notWritten = (at: number, cause: unknown): PercoreError =>
  noRecord(`this value cannot be written at ${at}`, cause);
/** The error for bytes at `at` that a codec cannot read. */
export const notRead = (at: number, cause: unknown): PercoreError => noRecord(`no value can be read at ${at}`, cause);

/** Bytes as they are: the payload is the value. One copy in and one out. */
import { PercoreError } from '../errors.js';
import type { Codec, RecordMemory } from './codec.js';
import { kindOf } from './value-path.js';

export class BytesCodec implements Codec<Uint8Array> {
  readonly description = { name: 'bytes' } as const;
  readonly recordBytes = 0;

  measure(value: Uint8Array): number {
    if (value instanceof Uint8Array) return value.length;
    throw new PercoreError('ERR_PERCORE_UNSERIALIZABLE', `value (${kindOf(value)}) is not bytes. Send a Uint8Array or a Buffer, or choose another codec`, {
      argument: 'value', value, allowed: 'a Uint8Array or a Buffer',
    });
  }

  write(value: Uint8Array, memory: RecordMemory, at: number): number {
    memory.bytes.set(value, at);
    return value.length;
  }

  read(memory: RecordMemory, at: number, length: number): Uint8Array {
    return copyOfBytes(memory.bytes, at, length);
  }

  forget(): void {
    // Nothing is kept between measure() and write().
  }
}

/** A copy with memory of its own. Not `bytes.slice`: a Buffer's slice is a window on the same memory. */
export function copyOfBytes(bytes: Uint8Array, at: number, length: number): Uint8Array {
  return Uint8Array.prototype.slice.call(bytes, at, at + length);
}

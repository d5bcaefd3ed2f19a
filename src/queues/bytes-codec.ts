/** Bytes as they are: the payload is the value. It is copied once on the way in and once on the way out. */
import * as types from 'node:util/types';
import { lengthOf } from '../byte-views.js';
import { PercoreError } from '../errors.js';
import type { Codec, RecordMemory } from './codec.js';
import { copyBytes } from './copy-bytes.js';
import { kindOf } from './value-path.js';
import { whyNotSent } from './value-views.js';

/**
 * The codec `bytes`, for values that are a Uint8Array or a Buffer; what is read is a Uint8Array with memory of its own.
 */
export class BytesCodec implements Codec<Uint8Array> {
  readonly description = { name: 'bytes' } as const;
  readonly recordBytes = 0;

  /** The length of the value that is written next, as `measure` found it. */
  private measured: number | undefined;

  measure(value: Uint8Array): number {
    if (types.isUint8Array(value)) {
      const length = lengthOf(value);
      this.measured = length;
      if (length !== 0 || whyNotSent(value)?.includes('detached') !== true) return length;
      throw new PercoreError('ERR_PERCORE_UNSERIALIZABLE', `value (${whyNotSent(value)}) has no bytes any more`, {
        argument: 'value', value,
      });
    }
    throw new PercoreError(
      'ERR_PERCORE_UNSERIALIZABLE',
      `value (${kindOf(value)}) is not bytes. Send a Uint8Array or a Buffer, or choose another codec`,
      {
        argument: 'value', value, allowed: 'a Uint8Array or a Buffer',
      },
    );
  }

  write(value: Uint8Array, memory: RecordMemory, at: number): number {
    // Shared memory may have grown since it was measured, so its length is not asked for again.
    const length = this.measured ?? lengthOf(value);
    copyBytes(value, length, memory.bytes, at);
    this.measured = undefined;
    return length;
  }

  read(memory: RecordMemory, at: number, length: number): Uint8Array {
    return copyOfBytes(memory.bytes, at, length);
  }

  forget(): void {
    this.measured = undefined;
  }
}

/**
 * A copy with memory of its own. It does not use `bytes.slice`, because a Buffer's slice is a window on the same
 * memory.
 */
export function copyOfBytes(bytes: Uint8Array, at: number, length: number): Uint8Array {
  return Uint8Array.prototype.slice.call(bytes, at, at + length);
}

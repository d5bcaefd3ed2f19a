/**
 * Received bytes that outlive the handler they were given to. They stay in place as long as the connection has less
 * than its share of the pool and the pool has buffers to spare. Otherwise they are copied, so that no connection can
 * leave the others without buffers.
 */
import { PercoreError } from '../errors.js';
import { POOL_BYTES, type IoMemory } from './io-memory.js';

/** What `connection.keep()` returns: received bytes that are valid until `release`. */
export interface Kept {
  /** The bytes, valid until `release`. */
  readonly bytes: Uint8Array;
  /** True when the bytes were copied, and no longer lie where they were received. */
  readonly isCopy: boolean;
  /** Gives the bytes back. Throws ERR_PERCORE_CLAIM at a second call, unless they are a copy. */
  release(): void;
}

const SHARE = 8;

/** `owner.keptBytes` counts whole buffers, since even one byte keeps its whole buffer in use. */
export function keep(memory: IoMemory, place: number, length: number, owner: { keptBytes: number }): Kept {
  const bufferBytes = 1 << memory.bufferBits;
  const isCopy = owner.keptBytes + bufferBytes > POOL_BYTES / SHARE || memory.isPoolShort;
  if (isCopy) return copyOf(memory.pool, place, length);
  memory.hold(place);
  owner.keptBytes += bufferBytes;
  let isReleased = false;
  return {
    bytes: memory.pool.subarray(place, place + length),
    isCopy,
    release: () => {
      if (isReleased) throw new PercoreError('ERR_PERCORE_CLAIM', 'release(): these bytes were released already');
      isReleased = true;
      owner.keptBytes -= bufferBytes;
      memory.release(place);
    },
  };
}

export function copyOf(bytes: Uint8Array, offset: number, length: number): Kept {
  return { bytes: bytes.slice(offset, offset + length), isCopy: true, release: () => undefined };
}

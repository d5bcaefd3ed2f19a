/** Keys hash to one of 1,024 buckets; a table in shared memory names each bucket's owner. */
import { BUCKETS } from '../layout.js';

/** FNV-1a over bytes `from` to `to`, with the final mixing of MurmurHash3 so that the low bits are good too. Unsigned 32-bit. */
export function hashKey(bytes: Uint8Array, from = 0, to: number = bytes.length): number {
  let hash = 0x811c9dc5 | 0;
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

export const bucketOf = (hash: number): number => hash & (BUCKETS - 1);

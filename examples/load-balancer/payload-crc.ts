/**
 * CRC-32 of a payload by `zlib.crc32`, which takes an array and no offsets. A `subarray` a line would cost 50 ns and be
 * garbage at once; a short payload is copied, four bytes at a time, under one of 257 views made beforehand: 10 ns and
 * no garbage.
 */
import { crc32 } from 'node:zlib';

const MOST = 256;
const words = new Int32Array(MOST >> 2);
const views = Array.from({ length: MOST + 1 }, (_, length) => new Uint8Array(words.buffer, 0, length));

/**
 * Unsigned 32-bit. `at` is a multiple of 4, and `source` holds the same memory as `bytes`. One thread; allocates for
 * payloads above 256 bytes.
 */
export function payloadCrc(source: Int32Array, bytes: Uint8Array, at: number, length: number): number {
  if (length > MOST) return crc32(bytes.subarray(at, at + length));
  let from = at >> 2;
  const count = (length + 3) >> 2;
  for (let to = 0; to < count; to++) words[to] = source[from++]!;
  return crc32(views[length]!);
}

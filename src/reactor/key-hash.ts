/**
 * The hash that sends a key to its bucket, and so to the reactor that owns it.
 *
 *   key bytes ──hashKey──> 32 bits ──& 1,023──> bucket ──table──> owner reactor
 *
 * It is MurmurHash3_x86_32 with seed 0 (Austin Appleby, 2011, public domain description in smhasher): four bytes
 * enter a step, so the chain of dependent multiplications is a quarter as long as FNV-1a's, and the closing avalanche
 * lets every key bit reach the ten low bits that choose a bucket. FNV-1a needs the same avalanche added, because its
 * own low bits depend only on the low bits of the key's bytes.
 *
 * It has no secret: whoever chooses the keys can aim all of them at one bucket. That slows one reactor and
 * corrupts nothing; a seed would stop it, and would also make runs and baselines differ.
 */
import { isBytes, isUint8Array, lengthOf } from '../byte-views.js';
import { checkBytes, checkInteger } from '../errors.js';

const WORD_MULTIPLIER = 0xcc9e2d51;
const WORD_MULTIPLIER_2 = 0x1b873593;
const AVALANCHE_MULTIPLIER = 0x85ebca6b;
const AVALANCHE_MULTIPLIER_2 = 0xc2b2ae35;

/**
 * The unsigned 32-bit hash of `bytes[from, to)`, a range within the bytes. Any thread may call it; never blocks, never
 * allocates. Throws ERR_PERCORE_INVALID_ARGUMENT unless `bytes` is a Uint8Array: for a text key, hash
 * `Buffer.from(key)`.
 */
export function hashKey(
  bytes: Uint8Array, from = 0, to: number = isUint8Array(bytes) ? lengthOf(bytes) : 0,
): number {
  if (
    !isBytes(bytes) || typeof from !== 'number' || typeof to !== 'number'
    || from !== from >>> 0 || to !== to >>> 0 || from > to || to > lengthOf(bytes)
  ) {
    checkRange(bytes, from, to);
  }
  let hash = 0;
  let at = from;
  const lastWord = to - 4;
  while (at <= lastWord) {
    const word = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
    hash ^= scrambled(word);
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
    at += 4;
  }
  if (at < to) {
    let word = bytes[at];
    if (at + 1 < to) word |= bytes[at + 1] << 8;
    if (at + 2 < to) word |= bytes[at + 2] << 16;
    hash ^= scrambled(word);
  }
  hash ^= to - from;
  hash = Math.imul(hash ^ (hash >>> 16), AVALANCHE_MULTIPLIER);
  hash = Math.imul(hash ^ (hash >>> 13), AVALANCHE_MULTIPLIER_2);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Kept out of hashKey(), which is called for each line of a stream. Returns for a Uint8Array of another realm. */
function checkRange(bytes: unknown, from: number, to: number): void {
  const length = lengthOf(checkBytes('bytes', bytes));
  checkInteger('to', to, 0, length);
  checkInteger('from', from, 0, to);
}

function scrambled(word: number): number {
  const product = Math.imul(word, WORD_MULTIPLIER);
  return Math.imul((product << 15) | (product >>> 17), WORD_MULTIPLIER_2);
}

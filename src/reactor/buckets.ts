/** Keys hash to one of 1,024 buckets; a table in shared memory names each bucket's owner. */
import { checkInteger } from '../errors.js';
import { BUCKETS } from '../layout.js';

export { hashKey } from './key-hash.js';

/**
 * The bucket, 0 to 1,023, of a hash from `hashKey`. Throws ERR_PERCORE_INVALID_ARGUMENT unless it is a number of 32
 * bits.
 */
export function bucketOf(hash: number): number {
  if (typeof hash !== 'number' || hash !== hash >>> 0 && hash !== (hash | 0)) {
    checkInteger('hash', hash, 0, 2 ** 32 - 1);
  }
  return hash & (BUCKETS - 1);
}

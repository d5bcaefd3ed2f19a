/** Keys hash to one of 1,024 buckets; a table in shared memory names each bucket's owner. */
import { BUCKETS } from '../layout.js';

export { hashKey } from './key-hash.js';

/** The bucket, 0 to 1,023, of a hash from `hashKey`. */
export const bucketOf = (hash: number): number => hash & (BUCKETS - 1);

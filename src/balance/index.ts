/**
 * Keyed tasks, whose messages and state go with their bucket, and the balancer that moves buckets.
 *
 * @module
 */
export { createKeyed, type Keyed, type KeyedContext, type KeyedOptions, type KeyedStep } from './keyed.js';
export { keyedAddress, type KeyedAddress, type KeyedAddressOptions } from './keyed-address.js';
export {
  createBalancer, moveAllBuckets, type Balancer, type BalancerOptions, type BalancerStatus,
} from './balancer.js';
export { createBuckets, type Buckets, type BucketsOptions } from './packed.js';

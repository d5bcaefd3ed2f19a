/**
 * Long work on a pool of threads: what users see of this room.
 *
 * @module
 */
export {
  offload, offloadStatus, type OffloadModule, type OffloadOptions, type PayloadOf, type ResultOf,
} from './offload.js';
export type { OffloadStatus } from './pool.js';
export type { OffloadContext } from './offload-thread.js';
export type { PlaceOfThread } from './thread-messages.js';

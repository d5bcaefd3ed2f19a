/** `percore/realtime`: policies, placement, and what the machine grants. */
export * from '../realtime/index.js';
export {
  collectWhenIdle, IdleCollector, setPolicy, type CollectionStatus, type IdleCollectOptions, type SetPolicyOptions,
} from '../reactor/index.js';

/** `percore/realtime`: policies, placement, and what the machine grants. */
export * from '../realtime/index.js';
export { setPolicy, type SetPolicyOptions } from '../reactor/index.js';

/** What the threads of a runtime ask of the system, for the room of the reactors. */
export { requestGrants, type Grants } from './grants.js';
export { checkPolicy, isRealtime, showPolicy } from './policies.js';
export { explainRefusal, refusalError, showRefusal, type PolicyRefusal } from './policy-refusals.js';
export { policyOfThread, requestPolicy } from './thread-policy.js';
export { placeReactors, PLACEMENTS } from './placement.js';
export { interruptsOn, showInterrupt } from './interrupts.js';
export { memoryLeft } from './memory-limit.js';
export { prefaultStack } from './memory.js';
export { COLLECTION_KINDS } from './garbage.js';
export { formatList, readSystemFile } from './system-files.js';

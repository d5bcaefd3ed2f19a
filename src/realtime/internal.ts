/** What the threads of a runtime ask of the system, for the room of the reactors. */
export { requestGrants, startPoolThreads, type Grants } from './grants.js';
export { checkPolicy, isRealtime } from './policies.js';
export { refusalError, showRefusal, type PolicyRefusal } from './policy-refusals.js';
export { policyOfThread, requestPolicy } from './thread-policy.js';

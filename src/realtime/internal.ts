/** What the threads of a runtime ask of the system, for the room of the reactors. */
export { requestGrants, type Grants } from './grants.js';

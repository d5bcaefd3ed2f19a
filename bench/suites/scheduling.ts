/** Suite `scheduling`: who runs next, and what it costs to speak to another reactor. One bench a row of its table. */
import type { Suite } from '../harness.js';
import { call } from './scheduling/call.js';
import { offload } from './scheduling/offload.js';
import { stream } from './scheduling/stream.js';

const scheduling: Suite = { name: 'scheduling', benches: [call, stream, offload] };
export default scheduling;

/** Suite `scheduling`: who runs next, and what it costs to speak to another reactor. One bench a row of its table. */
import type { Suite } from '../harness.js';
import { restart } from './scheduling/restart.js';

const scheduling: Suite = { name: 'scheduling', benches: [restart] };
export default scheduling;

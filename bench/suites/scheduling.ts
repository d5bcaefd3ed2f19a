/** Suite `scheduling`: who runs next, and what it costs to speak to another reactor. One bench a row of its table. */
import type { Suite } from '../harness.js';
import { topic } from './scheduling/topic.js';

const scheduling: Suite = { name: 'scheduling', benches: [topic] };
export default scheduling;

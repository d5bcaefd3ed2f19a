/** Suite `scheduling`: who runs next, and what it costs to speak to another reactor. One bench a row of its table. */
import type { Suite } from '../harness.js';
import { balance } from './scheduling/balance.js';
import { migrate } from './scheduling/migrate.js';

const scheduling: Suite = { name: 'scheduling', benches: [migrate, balance] };
export default scheduling;

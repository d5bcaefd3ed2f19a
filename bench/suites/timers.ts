/** Suite `timers`: what timers cost and how punctual they are. One bench a row of its table. */
import type { Suite } from '../harness.js';
import { drift } from './timers/drift.js';
import { latenessPark } from './timers/lateness-park.js';
import { latenessSpin } from './timers/lateness-spin.js';
import { seedTable } from './timers/seed-table.js';

const timers: Suite = { name: 'timers', benches: [latenessPark, latenessSpin, drift, seedTable] };
export default timers;

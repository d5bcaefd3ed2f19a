/** Suite `timers`: what timers cost and how punctual they are. There is one bench for each row of its table. */
import type { Suite } from '../harness.js';
import { costGrowth } from './timers/cost-growth.js';
import { cancelRow, createRow } from './timers/create.js';
import { drift } from './timers/drift.js';
import { expire } from './timers/expire.js';
import { idle } from './timers/idle.js';
import { latenessPark } from './timers/lateness-park.js';
import { latenessSpin } from './timers/lateness-spin.js';
import { memory } from './timers/memory.js';
import { seedTable } from './timers/seed-table.js';

const timers: Suite = {
  name: 'timers',
  benches: [createRow, cancelRow, costGrowth, expire, memory, latenessPark, latenessSpin, drift, seedTable, idle],
};
export default timers;

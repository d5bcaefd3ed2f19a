/** Suite `observe`: what it costs to be watched. One bench a row of its table. */
import type { Suite } from '../harness.js';
import { overhead } from './observe/overhead.js';
import { stallReport } from './observe/stall-report.js';
import { trace } from './observe/trace.js';

const observe: Suite = { name: 'observe', benches: [overhead, stallReport, trace] };
export default observe;

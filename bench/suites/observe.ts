/** Suite `observe`: what it costs to be observed. There is one bench for each row of its table. */
import type { Suite } from '../harness.js';
import { overhead } from './observe/overhead.js';
import { stallReport } from './observe/stall-report.js';
import { trace } from './observe/trace.js';
import { page, top } from './observe/watchers.js';

const observe: Suite = { name: 'observe', benches: [overhead, stallReport, trace, top, page] };
export default observe;

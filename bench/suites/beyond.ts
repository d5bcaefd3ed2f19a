/** Suite `beyond`: other processes, other languages, other machines. One bench a row of its table. */
import type { Suite } from '../harness.js';
import { processRing } from './beyond/process-ring.js';

const beyond: Suite = {
  name: 'beyond',
  benches: [
    processRing,
  ],
};
export default beyond;

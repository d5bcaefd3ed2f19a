/** Suite `beyond`: other processes, other languages, other machines. There is one bench for each row of its table. */
import type { Suite } from '../harness.js';
import { nats } from './beyond/nats.js';
import { processRing } from './beyond/process-ring.js';
import { takeover } from './beyond/takeover.js';

const beyond: Suite = {
  name: 'beyond',
  benches: [
    processRing,
    nats,
    takeover,
  ],
};
export default beyond;

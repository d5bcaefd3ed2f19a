/**
 * Suite `queues`: rings between two cores, against the same rings in C++ and against what else JavaScript has. There is
 * one bench for each row of its table.
 */
import type { Suite } from '../harness.js';
import { allocation } from './queues/allocation.js';
import { mpsc1, mpsc3, spmc2 } from './queues/many.js';
import { ready } from './queues/ready.js';
import { roundTrip } from './queues/round-trip.js';
import { batch16, batch64, lazy, lazy64, single, variable } from './queues/spsc.js';
import { structCodec } from './queues/struct-codec.js';

const queues: Suite = {
  name: 'queues',
  benches: [
    single, lazy, batch64, lazy64, batch16, variable, roundTrip, ready, mpsc1, mpsc3, spmc2, structCodec, allocation,
  ],
};
export default queues;

/**
 * Suite `peers`: what people would leave Node for, each in its own language and its best published shape, against ours
 * on the same two CPUs. bench/peers/README.md has the rules; bench/peers/install installs what they need.
 */
import type { Suite } from '../harness.js';
import { mpsc1, mpsc3 } from './peers/mpsc.js';
import { roundTrip } from './peers/round-trip.js';
import { batch64, lazy, single } from './peers/spsc.js';

const peers: Suite = { name: 'peers', benches: [single, lazy, batch64, mpsc1, mpsc3, roundTrip] };
export default peers;

/**
 * Suite `realtime`: levels that preempt each other, locks, real-time FIFOs, and how the rest of the process fares
 * beside them.
 */
import type { Suite } from '../harness.js';
import { lock, lockBlocking, mainLiveness, preempt, spawn } from './realtime/levels.js';
import { rtFifo } from './realtime/rt-fifo.js';

const realtime: Suite = { name: 'realtime', benches: [preempt, spawn, lock, lockBlocking, rtFifo, mainLiveness] };

export default realtime;

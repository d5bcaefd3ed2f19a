/** Suite `spine`: what the runtime costs, and what the main job gains from it. One bench for each row of its table. */
import type { Suite } from '../harness.js';
import { boot } from './spine/boot.js';
import { call } from './spine/call.js';
import { idleCpu, idleWakeups } from './spine/idle.js';
import { loadBalancerScaling } from './spine/load-balancer-scaling.js';
import { loadBalancerThroughput } from './spine/load-balancer-throughput.js';
import { nodeBesideSpin } from './spine/node-beside-spin.js';
import { parkedRoundTrip } from './spine/parked-round-trip.js';
import { reactorRoundTrip } from './spine/reactor-round-trip.js';
import { urgentLatency } from './spine/urgent-latency.js';

const spine: Suite = {
  name: 'spine',
  benches: [
    reactorRoundTrip, parkedRoundTrip, call, loadBalancerThroughput, loadBalancerScaling, urgentLatency, idleCpu,
    idleWakeups, nodeBesideSpin, boot,
  ],
};
export default spine;

// Measures queueing and balance with more reactors than this machine has cores: a program with keyed tasks runs in the
// simulator, in which each thread has a CPU of its own. Times are virtual; docs/scale.md says what they mean.
import { createBalancer, createKeyed, keyedAddress } from '../../dist/src/balance/index.js';
import { partyLayout } from '../../dist/src/layout.js';
import { partyOf } from '../../dist/src/reactor/internal.js';
import { simulate } from '../../dist/src/testing/index.js';

const SERVICE_NS = 10_000;
const BUCKETS = 1024;
const SKEW = 0.6;
/** Before this time the balancer is still learning, and nothing is measured. */
const WARM_NS = 20e6;
const END_NS = 60e6;

const cumulative = [];
for (let rank = 1, sum = 0; rank <= BUCKETS; rank++) cumulative.push((sum += rank ** -SKEW));

const YIELD_REQUESTED = partyLayout.fields.yieldRequested.at >> 2;

/**
 * Open-loop Poisson arrivals at every reactor, buckets by Zipf, exponential service. `load` is the mean utilisation.
 */
export async function runQueues({ reactors, load, isBalanced, seed = 1 }) {
  const waits = [];
  let [refused, run] = [0, 0];
  let helpers;
  const below = () => (helpers.random(2 ** 30) + 1) / 2 ** 30;
  const exponential = (mean) => -mean * Math.log(below());
  // The seed decides which bucket has which rank, so that hot buckets are not all neighbours.
  const bucketOf = () => {
    const at = below() * cumulative.at(-1);
    let [from, to] = [0, BUCKETS - 1];
    while (from < to) {
      const middle = (from + to) >> 1;
      if (cumulative[middle] < at) from = middle + 1;
      else to = middle;
    }
    return (from * 389) % BUCKETS;
  };
  const start = (reactor) => {
    const { words } = partyOf(reactor);
    createKeyed(reactor, { name: 'orders', priority: 3 }, (sentNs) => {
      const waitedNs = reactor.nowNs() - sentNs;
      if (sentNs > WARM_NS) waits.push(waitedNs);
      run++;
      helpers.work(Math.round(exponential(SERVICE_NS)));
      // End this turn: what a turn sends is visible from its beginning, which would be too early after long work.
      Atomics.store(words, YIELD_REQUESTED, 1);
    });
    const address = keyedAddress(reactor, 'orders', { priority: 3, capacity: 65_536 });
    reactor.handle('begin', () => {
      let nextNs = reactor.nowNs();
      const arrive = () => {
        for (; nextNs <= reactor.nowNs(); nextNs += exponential(SERVICE_NS / load)) {
          if (nextNs > END_NS) return;
          // It arrived when it was due, however long this reactor was busy at that time.
          if (address.sendToBucket(bucketOf(), nextNs) !== 0) refused++;
        }
        reactor.timers.at({ deadlineNs: nextNs, priority: 7 }, arrive);
      };
      arrive();
    });
  };
  const busy = [];
  await simulate({
    entry: start, reactors, seed, stalls: false, laneBytes: 2 ** 14, mostEvents: 1e9,
  }, async (simulation) => {
    helpers = simulation;
    const { runtime } = simulation;
    const balancer = createBalancer(runtime, {
      everyMs: 2, restMs: 4, leastBusy: 0, mostMoves: isBalanced ? 64 : 0,
    });
    await Promise.all(Array.from({ length: reactors }, (_, reactor) => runtime.call('begin', undefined, { reactor })));
    await new Promise((resolve) => setTimeout(resolve, WARM_NS / 1e6));
    const before = runtime.status().reactors.map(({ busyNs }) => busyNs);
    await new Promise((resolve) => setTimeout(resolve, (END_NS - WARM_NS) / 1e6 - 1));
    const { reactors: after } = runtime.status();
    for (const [id, { busyNs }] of after.entries()) busy.push((busyNs - before[id]) / (END_NS - WARM_NS));
    await simulation.rest();
    balancer.close();
  });
  waits.sort((a, b) => a - b);
  const at = (part) => waits[Math.min(waits.length - 1, Math.floor(waits.length * part))] / 1000;
  const mean = busy.reduce((sum, part) => sum + part, 0) / reactors;
  return {
    reactors, load, isBalanced, messages: run, refused, p50Us: at(0.5), p99Us: at(0.99), meanBusy: mean,
    busiest: Math.min(1, Math.max(...busy)), idlest: Math.min(...busy),
  };
}

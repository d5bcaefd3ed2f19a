/**
 * Row `round-trip`: a question over one queue and its answer over another. Both ends wait in the way of their queue.
 * The round trip of the C++ ring shows whether the two CPUs are near to each other or far apart.
 */
import { compare, type Bench } from '../../harness.js';
import { plainThreads, workers } from '../queues/round-trip.js';
import { noteOf, queues, type PeerName, type Trial } from './programs.js';
import { RUNS } from './rates.js';

const CAPACITY = 2048;

/** Channels of Rust and Go put a waiter to sleep after a while, as the Disruptor's guide does; rings spin. */
export const TRIPS: readonly PeerName[] = [
  'disruptor yielding', 'disruptor busy-spin', 'boost spsc', 'rte_ring', 'crossbeam', 'std sync_channel', 'tokio mpsc',
  'go channel', 'nng',
];

export const roundTrip: Bench = {
  name: 'round-trip',
  async run() {
    const trials = TRIPS.map((peer): Trial => ({ peer, pattern: 'round-trip', capacity: CAPACITY }));
    const all = await queues<'p50' | 'p99'>(trials);
    return compare({
      runs: RUNS,
      ours: workers,
      baselines: [plainThreads, ...all.present],
      figures: (['p50', 'p99'] as const).map((of) => ({ of, metric: of, unit: 'ns', better: 'lower' as const })),
      note: () => noteOf(all),
    });
  },
};

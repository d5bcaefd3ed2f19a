/**
 * Row `parked-round-trip`: each message finds the other reactor asleep. The baseline are two C threads that sleep in
 * epoll.
 */
import { compare, type Bench } from '../../harness.js';
import { plainThreads, reactors } from './round-trip.js';

const RUNS = 9;

export const parkedRoundTrip: Bench = {
  name: 'parked-round-trip',
  run: () =>
    compare({
      runs: RUNS,
      ours: reactors('park', { warmupMs: 300, measureMs: 400 }),
      baselines: [plainThreads('C eventfd', 10_000)],
      figures: [
        {
          of: 'p50',
          metric: 'p50',
          unit: 'us',
          better: 'lower',
          targets: { 'C eventfd': { of: 'ratio', atMost: 1.25 } },
        },
        { of: 'p99', metric: 'p99', unit: 'us', better: 'lower' },
      ],
    }),
};

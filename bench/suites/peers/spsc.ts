/**
 * Rows `spsc-single`, `spsc-lazy` and `spsc-batch64`: one producer and one consumer, of the same capacity everywhere.
 * Who has no lazy publishing is measured one by one in `spsc-lazy` too, and in batches where it has them.
 */
import { create } from 'percore/queues';
import type { Bench, Contender, Finding } from '../../harness.js';
import type { RecordsSetup } from '../queues/ends/percore-64.js';
import type { WordsSetup } from '../queues/ends/percore-each.js';
import { workers } from '../queues/race.js';
import type { PeerName, Trial } from './programs.js';
import { rates } from './rates.js';

const CAPACITIES = [16_384, 2048] as const;
/** As in the suite `queues`: about a microsecond. */
const PAUSES = 2000;

export const EACH: readonly PeerName[] = [
  'disruptor yielding', 'disruptor busy-spin', 'jctools', 'boost spsc', 'rte_ring', 'crossbeam', 'std sync_channel',
  'tokio mpsc', 'go channel', 'zeromq',
];
export const BATCHES: readonly PeerName[] = ['disruptor yielding', 'disruptor busy-spin', 'boost spsc', 'rte_ring'];

const ours = (ends: 'percore-each' | 'percore-batch', publishEvery: number, capacity: number): Contender<'rate'> =>
  workers<WordsSetup>({
    name: 'percore',
    ends,
    setup: () => ({ queue: create({ kind: 'spsc', capacity, recordBytes: 8 }), publishEvery, pauses: PAUSES }),
  });
const ours64 = (capacity: number): Contender<'rate'> =>
  workers<RecordsSetup>({
    name: 'percore',
    ends: 'percore-64',
    setup: () => ({ queue: create({ kind: 'spsc', capacity, recordBytes: 64 }), pauses: PAUSES }),
  });

const each = (capacity: number, bytes: 8 | 64 = 8): Trial[] =>
  EACH.map((peer) => ({ peer, pattern: 'each', capacity, bytes }));
const batches = (capacity: number, bytes: 8 | 64 = 8): Trial[] =>
  BATCHES.map((peer) => ({ peer, pattern: 'batch', capacity, bytes }));

async function forCapacities(rows: (capacity: number) => Promise<Finding[]>): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const capacity of CAPACITIES) findings.push(...(await rows(capacity)));
  return findings;
}

export const single: Bench = {
  name: 'spsc-single',
  run: () =>
    forCapacities((capacity) =>
      rates(
        ours('percore-each', 1, capacity), each(capacity),
        { 'boost spsc': 1.2, 'crossbeam': 2, 'std sync_channel': 1.5 }, { capacity, bytes: 8 },
      )),
};

export const lazy: Bench = {
  name: 'spsc-lazy',
  run: () =>
    forCapacities(async (capacity) => [
      ...(await rates(
        ours('percore-each', 64, capacity), each(capacity), { 'disruptor yielding': 1, 'disruptor busy-spin': 1 },
        { capacity, bytes: 8 },
      )),
      ...(await rates(ours64(capacity), each(capacity, 64), {}, { capacity, bytes: 64 })),
    ]),
};

export const batch64: Bench = {
  name: 'spsc-batch64',
  run: () =>
    forCapacities((capacity) =>
      rates(
        ours('percore-batch', 1, capacity), batches(capacity),
        { 'disruptor yielding batch': 2, 'disruptor busy-spin batch': 2, 'boost spsc batch': 3 },
        { capacity, bytes: 8 },
      )),
};

/**
 * Rows `spsc-single`, `spsc-lazy` and `spsc-batch64`: one producer and one consumer, with the same capacity everywhere.
 * A peer without lazy publishing is measured one by one in `spsc-lazy` as well, and in batches if it has them. The two
 * rows in which messages are sent one by one have the same peers, which run only once if both rows are asked for.
 */
import { create } from 'percore/queues';
import type { Bench, Contender, Finding } from '../../harness.js';
import type { RecordsSetup } from '../queues/ends/percore-64.js';
import type { WordsSetup } from '../queues/ends/percore-each.js';
import { workers } from '../queues/race.js';
import { byPackage } from './npm-queues.js';
import type { PeerName, Trial } from './programs.js';
import { rates, type Ours } from './rates.js';

const CAPACITIES = [16_384, 2048] as const;
/** The pause, about a microsecond, as in the suite `queues`. */
const PAUSES = 2000;

export const EACH: readonly PeerName[] = [
  'disruptor yielding', 'disruptor busy-spin', 'jctools', 'boost spsc', 'rte_ring', 'crossbeam', 'std sync_channel',
  'tokio mpsc', 'go channel', 'zeromq', 'nng',
];
export const BATCHES: readonly PeerName[] = ['disruptor yielding', 'disruptor busy-spin', 'boost spsc', 'rte_ring'];

const ours = (ends: 'percore-each' | 'percore-batch', publishEvery: number, capacity: number): Contender<'rate'> =>
  workers<WordsSetup>({
    name: 'percore',
    ends,
    setup: () => ({ queue: create({ kind: 'spsc', capacity, recordBytes: 8 }), publishEvery, pauses: PAUSES }),
  });
const ours64 = (capacity: number, ends = 'percore-64'): Contender<'rate'> =>
  workers<RecordsSetup>({
    name: 'percore',
    ends,
    setup: () => ({ queue: create({ kind: 'spsc', capacity, recordBytes: 64 }), pauses: PAUSES }),
  });

const oneByOne = (capacity: number, bytes: 8 | 64): Trial[] =>
  EACH.map((peer) => ({ peer, pattern: 'each', capacity, bytes }));
const batches = (capacity: number, bytes: 8 | 64): Trial[] =>
  BATCHES.map((peer) => ({ peer, pattern: 'batch', capacity, bytes }));

async function forCapacities(rows: (capacity: number) => Promise<Finding[]>): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const capacity of CAPACITIES) findings.push(...(await rows(capacity)));
  return findings;
}

/** Messages of 8 bytes one by one. Ours publishes at once, and lazily. */
const words = new Map<number, Promise<Finding[][]>>();
function wordByWord(capacity: number): Promise<Finding[][]> {
  const known = words.get(capacity);
  if (known !== undefined) return known;
  const params = { capacity, bytes: 8 };
  const shapes: Ours[] = [
    {
      contender: ours('percore-each', 1, capacity), params,
      aims: { 'boost spsc': 1.2, 'crossbeam': 2, 'std sync_channel': 1.5 },
    },
    {
      contender: ours('percore-each', 64, capacity), params,
      aims: { 'disruptor yielding': 1, 'disruptor busy-spin': 1 },
    },
  ];
  const running = rates(shapes, oneByOne(capacity, 8), byPackage({ capacity, bytes: 8, batch: 1, pauses: PAUSES }));
  words.set(capacity, running);
  return running;
}

export const single: Bench = {
  name: 'spsc-single',
  run: () => forCapacities(async (capacity) => (await wordByWord(capacity))[0]),
};

export const lazy: Bench = {
  name: 'spsc-lazy',
  run: () =>
    forCapacities(async (capacity) => {
      const [large] = await rates(
        [{ contender: ours64(capacity), params: { capacity, bytes: 64 } }], oneByOne(capacity, 64),
        byPackage({ capacity, bytes: 64, batch: 1, pauses: PAUSES }),
      );
      return [...(await wordByWord(capacity))[1], ...large];
    }),
};

export const batch64: Bench = {
  name: 'spsc-batch64',
  run: () =>
    forCapacities(async (capacity) => {
      const findings: Finding[] = [];
      for (const bytes of [8, 64] as const) {
        const shape: Ours = {
          contender: bytes === 8
            ? ours('percore-batch', 1, capacity) : ours64(capacity, '../../peers/ends/percore-64-batch'),
          params: { capacity, bytes },
          aims: bytes === 8
            ? { 'disruptor yielding batch': 2, 'disruptor busy-spin batch': 2, 'boost spsc batch': 3 } : {},
        };
        const npm = byPackage({ capacity, bytes, batch: 64, pauses: PAUSES });
        findings.push(...(await rates([shape], batches(capacity, bytes), npm)).flat());
      }
      return findings;
    }),
};

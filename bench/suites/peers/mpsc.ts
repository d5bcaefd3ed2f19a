/**
 * Rows `mpsc-1` and `mpsc-3`: queues that many may write to, with one producer and with three, which share the first
 * CPU. Ours publishes one by one and by 64.
 */
import { create } from 'percore/queues';
import type { Bench, Contender, Finding } from '../../harness.js';
import type { ManySetup } from '../queues/ends/percore-mpsc.js';
import { workers } from '../queues/race.js';
import type { PeerName, Trial } from './programs.js';
import { rates } from './rates.js';

const CAPACITY = 16_384;
const PAUSES = 2000;
const SLEEP_MS = 0.05;

export const MANY: readonly PeerName[] = [
  'disruptor multi yielding', 'disruptor multi busy-spin', 'boost queue', 'crossbeam', 'std sync_channel', 'tokio mpsc',
  'go channel',
];
/** These are told how many producers there are, and with one they are the queues of `spsc-single`. */
export const MANY_OF_THREE: readonly PeerName[] = [...MANY, 'jctools', 'rte_ring', 'zeromq'];

function mpsc(producers: number, names: readonly PeerName[]): Bench {
  const ours = (publishEvery: number): Contender<'rate'> =>
    workers<ManySetup>({
      name: 'percore',
      ends: 'percore-mpsc',
      producers,
      setup: () => ({
        queue: create({ kind: 'mpsc', capacity: CAPACITY, recordBytes: 8, maxProducers: producers }),
        publishEvery,
        producers,
        pauses: PAUSES,
        sleepMs: producers > 1 ? SLEEP_MS : 0,
      }),
    });
  const trials: Trial[] = [
    ...names.map((peer): Trial => ({ peer, pattern: 'each', capacity: CAPACITY, producers })),
    { peer: 'disruptor multi yielding', pattern: 'batch', capacity: CAPACITY, producers },
  ];
  return {
    name: `mpsc-${producers}`,
    async run() {
      const rows: Finding[] = [];
      for (const publishEvery of [1, 64]) {
        const aim = publishEvery === 1 ? 1 : 2;
        const aims = { 'disruptor multi yielding': aim, 'disruptor multi busy-spin': aim };
        rows.push(...(await rates(ours(publishEvery), trials, aims, { capacity: CAPACITY, publishEvery })));
      }
      return rows;
    },
  };
}

export const mpsc1 = mpsc(1, MANY);
export const mpsc3 = mpsc(3, MANY_OF_THREE);

/**
 * Row `broadcast-2`: one producer and two readers. Both readers see every message and hold the producer back. Both read
 * on the second CPU, in one thread, one after the other, since two threads that spin on one CPU would measure the
 * scheduler; only the Disruptor's processors and Go's goroutines have threads of their own. Peers without such a queue
 * write two copies.
 */
import { create } from 'percore/queues';
import type { Bench } from '../../harness.js';
import type { ReadersSetup } from '../queues/ends/percore-spmc.js';
import { workers } from '../queues/race.js';
import { disruptor } from './npm-queues.js';
import type { PeerName, Trial } from './programs.js';
import { rates, type Ours } from './rates.js';

const CAPACITY = 16_384;
const PAUSES = 2000;
export const BROADCAST: readonly PeerName[] = [
  'disruptor yielding', 'disruptor pollers', 'boost spsc', 'rte_ring', 'crossbeam', 'go channel',
];

export const broadcast2: Bench = {
  name: 'broadcast-2',
  async run() {
    const shapes = [1, 64].map((publishEvery): Ours => ({
      contender: workers<ReadersSetup>({
        name: 'percore',
        ends: 'percore-spmc',
        setup: () => ({
          queue: create({ kind: 'spmc', capacity: CAPACITY, recordBytes: 8, maxConsumers: 2 }),
          publishEvery,
          pauses: PAUSES,
        }),
      }),
      params: { capacity: CAPACITY, publishEvery },
    }));
    const trials = BROADCAST.map((peer): Trial => ({ peer, pattern: 'broadcast', capacity: CAPACITY }));
    const shape = { capacity: CAPACITY, bytes: 8, batch: 1, pauses: PAUSES } as const;
    return (await rates(shapes, trials, [
      { package: 'shared-memory-disruptor', contender: (entry) => disruptor(entry, shape, 2) },
    ])).flat();
  },
};

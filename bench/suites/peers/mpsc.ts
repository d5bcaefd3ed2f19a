/**
 * Rows `mpsc-1` and `mpsc-3`: queues for many producers, with one producer and with three, which share the first CPU.
 * Ours publishes one by one and by 64.
 */
import type { Bench } from '../../harness.js';
import { CAPACITY, lanes } from '../queues/many.js';
import type { PeerName, Trial } from './programs.js';
import { rates } from './rates.js';

export const MANY: readonly PeerName[] = [
  'disruptor multi yielding', 'disruptor multi busy-spin', 'boost queue', 'crossbeam', 'std sync_channel', 'tokio mpsc',
  'go channel',
];
/** These are told how many producers there are. With one producer they are the same queues as in `spsc-single`. */
export const MANY_OF_THREE: readonly PeerName[] = [...MANY, 'jctools', 'rte_ring', 'zeromq'];

function mpsc(producers: number, names: readonly PeerName[]): Bench {
  const trials: Trial[] = [
    ...names.map((peer): Trial => ({ peer, pattern: 'each', capacity: CAPACITY, producers })),
    { peer: 'disruptor multi yielding', pattern: 'batch', capacity: CAPACITY, producers },
  ];
  return {
    name: `mpsc-${producers}`,
    async run() {
      const shapes = [1, 64].map((publishEvery) => {
        const aim = publishEvery === 1 ? 1 : 2;
        return {
          contender: lanes(producers, publishEvery),
          params: { capacity: CAPACITY, publishEvery },
          aims: { 'disruptor multi yielding': aim, 'disruptor multi busy-spin': aim },
        };
      });
      return (await rates(shapes, trials)).flat();
    },
  };
}

export const mpsc1 = mpsc(1, MANY);
export const mpsc3 = mpsc(3, MANY_OF_THREE);

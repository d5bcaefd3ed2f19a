/**
 * One side of the row `balance`. It sends its half of the load, with keys whose frequencies follow Zipf's law, and
 * works for the keys of the buckets that it owns. The load is open: the rate of messages does not depend on who works
 * for them.
 */
import { createKeyed, keyedAddress, type Reactor } from 'percore';

/** The buckets of the keys, with the most frequent key first, and the cumulative frequencies of the keys, up to 1. */
export interface Keys {
  readonly buckets: readonly number[];
  readonly cumulative: readonly number[];
}
export interface Load {
  readonly perSecond: number;
  readonly workNs: number;
  readonly ms: number;
}
export type BalanceServices = {
  /** Sends for so long; returns how many messages it has sent. */
  send(load: Load): Promise<number>;
  report(argument: null): { run: number; wrong: number };
};

const NAME = 'work';
const TICK_NS = 200_000;

export default function start(reactor: Reactor<{ calls: BalanceServices }>, { buckets, cumulative }: Keys): void {
  /** The number of the last message, by bucket and then by sender. */
  const states = new Map<number, number[]>();
  let run = 0;
  let wrong = 0;
  createKeyed<[sequence: number, workNs: number], number[]>(reactor, {
    name: NAME,
    onBucketLeaves: (bucket) => {
      const state = states.get(bucket) ?? [];
      states.delete(bucket);
      return state;
    },
    onBucketArrives: (bucket, state) => void states.set(bucket, state ?? []),
  }, ([sequence, work], { bucket, from }) => {
    const endNs = reactor.nowNs() + work;
    let state = states.get(bucket);
    if (state === undefined) states.set(bucket, (state = []));
    if (sequence <= (state[from] ?? -1)) wrong++;
    state[from] = sequence;
    run++;
    while (reactor.nowNs() < endNs);
  });
  const address = keyedAddress<[number, number]>(reactor, NAME, { capacity: 2 ** 16 });
  // Each reactor draws its own random numbers, which are the same in every run.
  let random = reactor.id + 1;

  reactor.handle('send', ({ perSecond, ms, workNs }) => new Promise((resolve) => {
    const beganNs = reactor.nowNs();
    let sent = 0;
    const timer = reactor.timers.every({ intervalNs: TICK_NS, priority: 6 }, () => {
      const elapsedNs = reactor.nowNs() - beganNs;
      if (elapsedNs > ms * 1e6) {
        reactor.timers.cancel(timer);
        return resolve(sent);
      }
      for (const due = (elapsedNs / 1e9) * perSecond; sent < due; sent++) {
        random = (Math.imul(random, 1_664_525) + 1_013_904_223) | 0;
        const key = keyAt(cumulative, (random >>> 0) / 2 ** 32);
        // It was refused: there is more work than both can do, which the busy shares will show.
        if (address.sendToBucket(buckets[key], [sent, workNs]) !== 0) break;
      }
    });
  }));
  reactor.handle('report', () => ({ run, wrong }));
}

/** The first index whose sum is above `part`, by binary search. */
function keyAt(cumulative: readonly number[], part: number): number {
  let low = 0;
  let high = cumulative.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (cumulative[middle] > part) high = middle;
    else low = middle + 1;
  }
  return low;
}

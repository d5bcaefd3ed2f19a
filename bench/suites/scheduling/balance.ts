/**
 * Row `balance`: keys by Zipf's law with exponent 1.1 on two reactors, with the balancer and with fixed owners. The
 * figure is how far apart the busy shares of the two are, in percent of their mean, over one second, after the balancer
 * has had two seconds. The keys are chosen so that their buckets are badly distributed at first, as may happen with any
 * keys. The bench checks that everything that was sent was run, in the order of each sender and bucket.
 */
import { bucketOf, createBalancer, createRuntime, hashKey } from 'percore';
import { twoCpus } from '../../cpus.js';
import { check, compare, sleep, type Bench, type Contender } from '../../harness.js';
import type { BalanceServices, Keys, Load } from './balance-reactor.js';

const RUNS = 5;
const KEYS = 10_000;
const EXPONENT = 1.1;
/** The rate of each reactor. With the work below, the two are busy for about half of their time. */
const PER_SECOND = 25_000;
const WORK_NS = 12_000;
const SETTLE_MS = 2000;
const MEASURE_MS = 1000;
const LOAD: Load = { perSecond: PER_SECOND, workNs: WORK_NS, ms: SETTLE_MS + MEASURE_MS + 100 };
/** One reactor has at least this share of the load at first. */
const UNLUCKY = 0.62;

export const balance: Bench = {
  name: 'balance',
  run: () => {
    const keys = unluckyKeys();
    return compare({
      runs: RUNS,
      ours: contender('percore', keys, true),
      baselines: [contender('fixed owners', keys, false)],
      figures: [{
        of: 'difference', metric: 'difference', unit: '%', better: 'lower',
        params: { keys: KEYS, exponent: EXPONENT, perSecond: 2 * PER_SECOND, workUs: WORK_NS / 1000 },
        targets: { 'fixed owners': { of: 'value', atMost: 10 } },
      }],
    });
  },
};

function contender(name: string, data: Keys, isBalanced: boolean): Contender<'difference'> {
  return {
    name,
    async run() {
      await using runtime = await createRuntime<{ calls: BalanceServices }>({
        entry: new URL('./balance-reactor.js', import.meta.url), reactors: 2, pin: twoCpus(),
        idle: { strategy: 'park' }, data,
      });
      const balancer = isBalanced ? createBalancer(runtime, { everyMs: 50, restMs: 300 }) : undefined;
      const sending = Promise.all([0, 1].map((reactor) => runtime.call('send', LOAD, { reactor })));
      await sleep(SETTLE_MS);
      const before = busyOf(runtime.status());
      await sleep(MEASURE_MS);
      const busy = busyOf(runtime.status()).map((busyNs, reactor) => busyNs - before[reactor]);
      const sent = (await sending).reduce((a, b) => a + b, 0);
      for (let tries = 0; ; tries++) {
        const sides = await Promise.all([0, 1].map((reactor) => runtime.call('report', null, { reactor })));
        const run = sides.reduce((sum, side) => sum + side.run, 0);
        check(sides.every(({ wrong }) => wrong === 0), 'a message was run out of order');
        check(run <= sent && tries < 1000, `${sent} messages were sent and ${run} run`);
        if (run === sent) break;
        await sleep(2);
      }
      check(!isBalanced || balancer!.status().moved > 0, 'no bucket was moved');
      return { difference: (200 * Math.abs(busy[0] - busy[1])) / (busy[0] + busy[1]) };
    },
  };
}

const busyOf = ({ reactors }: { reactors: readonly { busyNs: number }[] }): number[] =>
  reactors.map(({ busyNs }) => busyNs);

/** The first family of keys with which one reactor has at least that share at first. */
function unluckyKeys(): Keys {
  const weights = Array.from({ length: KEYS }, (_, key) => (key + 1) ** -EXPONENT);
  const all = weights.reduce((a, b) => a + b, 0);
  let sum = 0;
  const cumulative = weights.map((weight) => (sum += weight / all));
  cumulative[KEYS - 1] = 1;
  for (let family = 0; ; family++) {
    const buckets = weights.map((_, key) => bucketOf(hashKey(Buffer.from(`family ${family} key ${key}`))));
    const first = buckets.reduce((part, bucket, key) => part + (bucket % 2 === 0 ? weights[key] : 0), 0) / all;
    if (Math.max(first, 1 - first) < UNLUCKY) continue;
    return { buckets, cumulative };
  }
}

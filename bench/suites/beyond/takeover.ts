/**
 * Row `takeover`: the time from the death of a machine by SIGKILL to the first result for its ranges from another
 * machine, beside the lease, which is the least that others have to wait. Three processes stand for machines, with one
 * broker and keyed load all the time. At the end each message must have exactly one result, and those of each key must
 * be in order.
 */
// The fixtures come from src/, so the runtime has to come from there too.
import { createRuntime } from '../../../src/index.js';
import { Broker, until } from '../../../src/nats/fixtures/broker.js';
import { Load } from '../../../src/nats/fixtures/load.js';
import { isSettled, Machine } from '../../../src/nats/fixtures/machines.js';
import { check, compare, type Bench } from '../../harness.js';

const RUNS = 5;
const RANGES = 16;
const LEASE_MS = 2000;

export const takeover: Bench = {
  name: 'takeover',
  run: () => compare({
    runs: RUNS,
    ours: { name: 'percore', run: async () => ({ ms: await killOne() }) },
    baselines: [{ name: 'lease', run: () => Promise.resolve({ ms: LEASE_MS }) }],
    figures: [{
      of: 'ms', metric: 'kill to first result', unit: 'ms', better: 'lower', params: { machines: 3, ranges: RANGES },
      targets: { lease: { of: 'ratio', atMost: 2 } },
    }],
  }),
};

async function killOne(): Promise<number> {
  await using broker = await Broker.start();
  await using runtime = await createRuntime({
    entry: new URL('./nats-reactor.js', import.meta.url), reactors: 1, pin: false, idle: { strategy: 'park' },
  });
  const load = await Load.start(runtime, broker.url, RANGES);
  const machines = ['a', 'b', 'c'].map((machine) => new Machine({
    servers: [broker.url], machine, leaseMs: LEASE_MS, ranges: RANGES, replicas: 1,
  }));
  try {
    load.publish();
    await until(() => isSettled(machines, RANGES));
    await until(() => new Set(load.results.map(({ machine }) => machine)).size === 3);
    const dead = machines.shift()!;
    const ranges = new Set(dead.state!.owned);
    const known = load.results.length;
    const killedMs = performance.now();
    await dead.kill();
    const isOthers = ({ machine, bucket }: { machine: string; bucket: number }): boolean =>
      machine !== dead.name && ranges.has(Math.floor((bucket * RANGES) / 1024));
    await until(() => load.results.slice(known).some(isOthers));
    const first = load.results.slice(known).find(isOthers)!;
    await load.end();
    const { notOnce, notInOrder } = load.faults();
    check(notOnce.length === 0, `${notOnce.length} messages have not one result`);
    check(notInOrder.length === 0, `${notInOrder.length} results are not in order`);
    await load.nats.close();
    return first.atMs - killedMs;
  } finally {
    await Promise.all(machines.map((machine) => machine.kill()));
  }
}

/**
 * Keyed work over a cluster of three brokers. In CI one of them is killed. With PERCORE_STRESS=1 two are killed and
 * started again, one by one; and where this process may make networks, brokers and machines have addresses of their
 * own, and one is cut off by pulling its cable. A machine that is killed or cut off: owners.test.ts, with one broker.
 */
import { expect, it, onTestFailed } from 'vitest';
import { createRuntime } from '../index.js';
import { NATS_SERVER, until } from './fixtures/broker.js';
import { Cluster } from './fixtures/cluster.js';
import { Load } from './fixtures/load.js';
import { isSettled, Machine, stateOf } from './fixtures/machines.js';
import { Network } from './fixtures/network.js';

const IDLE = new URL('./fixtures/idle-reactor.js', import.meta.url);
const isLong = process.env.PERCORE_STRESS === '1';
const RANGES = 8;

it('has a broker to be tested with: apt-get install nats-server', () => expect(NATS_SERVER).toBeDefined());

it('loses nothing, and keeps the order of each key', { timeout: isLong ? 900_000 : 120_000 }, async () => {
  using network = isLong && Network.isPossible() ? new Network() : undefined;
  await using cluster = await Cluster.start(network);
  await using runtime = await createRuntime({ entry: IDLE, reactors: 1 });
  const machines: Machine[] = [];
  onTestFailed(() => void process.stderr.write(`${stateOf(machines)}\n`));
  try {
    // Until the three have found each other nothing can be made: that is waited for here, and by each machine.
    const load = await Load.start(runtime, cluster.servers, RANGES, 3);
    machines.push(...['a', 'b', 'c'].slice(isLong ? 0 : 1).map((machine) => new Machine({
      servers: cluster.servers, machine, leaseMs: 3000, ranges: RANGES, replicas: 3,
    }, network?.add(machine).prefix)));
    load.publish();
    const goesOn = async (): Promise<void> => {
      const { length } = load.results;
      await until(() => load.results.length > length + 100 && isSettled(machines, RANGES));
    };
    await goesOn();
    for (const broker of cluster.brokers.slice(isLong ? 0 : 2).slice(0, 2)) {
      await broker.kill();
      await goesOn();
      if (!isLong) break;
      await broker.start();
      await goesOn();
      await cluster.isWhole();
    }
    if (network !== undefined) {
      network.pull('y');
      await goesOn();
      network.plug('y');
      await goesOn();
    }
    await load.end();
    expect(load.faults()).toEqual({ notOnce: [], notInOrder: [] });
    await load.nats.close();
  } finally {
    await Promise.all(machines.map((machine) => machine.kill()));
  }
});

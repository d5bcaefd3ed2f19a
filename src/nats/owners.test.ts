/** Keyed work that several machines share, as processes beside one broker. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRuntime, type Runtime } from '../index.js';
import { joinOwners } from './index.js';
import { Broker, NATS_SERVER, until } from './fixtures/broker.js';
import { Load } from './fixtures/load.js';
import { isSettled, Machine } from './fixtures/machines.js';

const IDLE = new URL('./fixtures/idle-reactor.js', import.meta.url);
const RANGES = 16;
const LEASE_MS = 1500;

it('has a broker to be tested with: apt-get install nats-server', () => expect(NATS_SERVER).toBeDefined());

describe('three machines and one broker', () => {
  let broker: Broker;
  let runtime: Runtime;
  let machines: Machine[];
  let load: Load;
  beforeAll(async () => {
    broker = await Broker.start();
    runtime = await createRuntime({ entry: IDLE, reactors: 1 });
    load = await Load.start(runtime, broker.url, RANGES);
    machines = ['a', 'b', 'c'].map((machine) => new Machine({
      servers: [broker.url], machine, leaseMs: LEASE_MS, ranges: RANGES, replicas: 1,
    }));
  });
  afterAll(async () => {
    await Promise.all(machines.map((machine) => machine.kill()));
    await runtime.close();
    await broker[Symbol.asyncDispose]();
  });

  it('refuse one who divides otherwise', async () => {
    load.publish();
    await until(() => isSettled(machines, RANGES));
    await expect(joinOwners(load.nats, { name: 'work', stream: 'WORK', subject: 'work', ranges: 32 }, () => undefined))
      .rejects.toThrow('ranges must be 16, as those have it who share');
  });

  it('go on when one is killed, and when one comes', async () => {
    await until(() => new Set(load.results.map(({ machine }) => machine)).size === 3);
    const dead = machines.shift()!;
    await dead.kill();
    await until(() => isSettled(machines, RANGES));
    machines.push(new Machine({ ...dead.data, machine: 'd' }));
    await until(() => isSettled(machines, RANGES));
    await until(() => load.results.some(({ machine }) => machine === 'd'));
  });

  it('go on when one stands still for longer than its lease, and when it is there again', async () => {
    const [still, ...left] = machines as [Machine, Machine, Machine];
    still.signal('SIGSTOP');
    await until(() => isSettled(left, RANGES));
    still.state = undefined;
    still.signal('SIGCONT');
    await until(() => isSettled(machines, RANGES));
  });

  it('go on when the broker is killed and started again', async () => {
    await broker.kill();
    await broker.start();
    const { length } = load.results;
    await until(() => load.results.length > length + 50 && isSettled(machines, RANGES));
  });

  it('have lost nothing and kept the order of each key, when one has gone in order as well', async () => {
    const gone = machines.shift()!;
    gone.signal('SIGTERM');
    await gone.ended;
    await until(() => isSettled(machines, RANGES));
    await load.end();
    expect(load.faults()).toEqual({ notOnce: [], notInOrder: [] });
    expect(load.next).toBeGreaterThan(300);
  });
});

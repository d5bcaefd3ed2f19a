/**
 * Keyed work that three machines share over one broker. They are namespaces of the network with addresses of their own,
 * one of which is cut off by pulling its cable; where this process may not make such, they are processes, of which one
 * stands still. PERCORE_STRESS=1: both.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createRuntime, type Runtime } from '../index.js';
import { joinOwners } from './index.js';
import { Broker, NATS_SERVER, until } from './fixtures/broker.js';
import { Load } from './fixtures/load.js';
import { isSettled, Machine, stateOf } from './fixtures/machines.js';
import { Network } from './fixtures/network.js';

const IDLE = new URL('./fixtures/idle-reactor.js', import.meta.url);
const isStress = process.env.PERCORE_STRESS === '1';
const hasNetwork = Network.isPossible();
const RANGES = 8;
const LEASE_MS = 2500;

it('has a broker to be tested with: apt-get install nats-server', () => expect(NATS_SERVER).toBeDefined());

/** In the long form both. */
const FORMS = isStress && hasNetwork ? [true, false] : [hasNetwork];

describe.each(FORMS)('three machines, with addresses of their own: %s', (isApart) => {
  let network: Network | undefined;
  let broker: Broker;
  let runtime: Runtime;
  let machines: Machine[];
  let load: Load;
  const start = (machine: string): Machine => new Machine(
    { servers: [broker.url], machine, leaseMs: LEASE_MS, ranges: RANGES, replicas: 1 }, network?.add(machine).prefix,
  );
  beforeAll(async () => {
    network = isApart ? new Network() : undefined;
    const place = network?.add('broker');
    broker = await Broker.start(place === undefined ? {} : { host: place.address, prefix: place.prefix, port: 4222 });
    runtime = await createRuntime({ entry: IDLE, reactors: 1 });
    load = await Load.start(runtime, broker.url, RANGES);
    machines = ['a', 'b', 'c'].map(start);
  });
  afterAll(async () => {
    await Promise.all(machines.map((machine) => machine.kill()));
    await runtime.close();
    await broker[Symbol.asyncDispose]();
    network?.[Symbol.dispose]();
  });

  afterEach(({ task }) => {
    if (task.result?.state === 'fail') process.stderr.write(`${stateOf(machines)}\n`);
  });

  it('refuse one who divides otherwise', async () => {
    load.publish();
    await until(() => isSettled(machines, RANGES));
    await expect(joinOwners(load.nats, { name: 'work', stream: 'WORK', subject: 'work', ranges: 32 }, () => undefined))
      .rejects.toThrow('ranges must be 8, which all others of');
  });

  it('refuse who would never get anything, and who has joined already', async () => {
    const join = (options: { name: string; stream: string; subject: string }): Promise<unknown> =>
      joinOwners(load.nats, { ranges: RANGES, leaseMs: LEASE_MS, ...options }, () => undefined);
    await expect(join({ name: 'o', stream: 'NONE', subject: 'work' })).rejects.toMatchObject({
      code: 'ERR_PERCORE_BROKER_REFUSED', message: expect.stringContaining('there is no stream "NONE"'),
    });
    await expect(join({ name: 'p', stream: 'WORK', subject: 'play' })).rejects.toMatchObject({
      code: 'ERR_PERCORE_BROKER_REFUSED', argument: 'subject', message: expect.stringContaining('nothing of "play"'),
    });
    const first = await joinOwners(
      load.nats, { name: 'twice', stream: 'WORK', subject: 'work', ranges: RANGES, leaseMs: LEASE_MS }, () => undefined,
    );
    await expect(join({ name: 'twice', stream: 'WORK', subject: 'work' })).rejects.toMatchObject({
      code: 'ERR_PERCORE_NAME_TAKEN', argument: 'name', value: 'twice',
    });
    await first.leave();
  });

  it('go on when one is killed, and when one comes', async () => {
    await until(() => new Set(load.results.map(({ machine }) => machine)).size === 3);
    await machines.shift()!.kill();
    await until(() => isSettled(machines, RANGES));
    machines.push(start('d'));
    await until(() => isSettled(machines, RANGES));
    await until(() => load.results.some(({ machine }) => machine === 'd'));
  });

  it('go on when one is cut off for longer than its lease, and when it is there again', async () => {
    const [cut, ...left] = machines as [Machine, Machine, Machine];
    if (network === undefined) cut.signal('SIGSTOP');
    else network.pull(cut.name);
    await until(() => isSettled(left, RANGES));
    if (network !== undefined) {
      // By its own clock its lease is over, although nobody can tell it so.
      await until(() => cut.state?.isAlive === false);
      network.plug(cut.name);
    }
    cut.state = undefined;
    cut.signal('SIGCONT');
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
  }, 120_000);
});

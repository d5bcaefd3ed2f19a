/** Owners whose stream is made anew, whose publishers divide the buckets otherwise, or whose own functions throw. */
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createRuntime, type Runtime } from '../index.js';
import { createNatsPublisher, ensureStream, joinOwners, openNats, type Nats, type NatsOwners } from './index.js';
import { Broker, NATS_SERVER, pause, until } from './fixtures/broker.js';

const IDLE = new URL('./fixtures/idle-reactor.js', import.meta.url);
const RANGES = 4;

it('has a broker to be tested with: apt-get install nats-server', () => expect(NATS_SERVER).toBeDefined());

describe('owners', { timeout: 30_000 }, () => {
  let broker: Broker;
  let runtimes: Runtime[] = [];
  let connection: NatsConnection;
  let manager: JetStreamManager;
  const errors: string[] = [];
  const open = async (): Promise<Nats> => {
    const runtime = await createRuntime({ entry: IDLE, reactors: 1 });
    runtime.on('stepError', ({ error }) => void errors.push(error.message));
    runtimes.push(runtime);
    return openNats(runtime, { servers: broker.url });
  };
  const owns = (owners: NatsOwners, ranges: number) => (): boolean => owners.status().ranges.length === ranges;
  beforeEach(async () => {
    errors.length = 0;
    broker = await Broker.start();
    connection = await connect({ servers: broker.url });
    manager = await jetstreamManager(connection);
  });
  afterEach(async () => {
    for (const runtime of runtimes) await runtime.close({ drainMs: 100 });
    runtimes = [];
    await connection.close();
    await broker[Symbol.asyncDispose]();
  });

  it('run all messages of a stream that was deleted and made anew, whose numbers begin at 1 again', async () => {
    const stream = { name: 'ANEW', subjects: ['anew.>'] };
    const options = { name: 'anew', stream: 'ANEW', subject: 'anew', ranges: RANGES, leaseMs: 600 };
    const nats = await open();
    await ensureStream(nats, stream);
    const seen: string[] = [];
    const join = (): Promise<NatsOwners> => joinOwners(nats, options, (message) => void seen.push(message.text()));
    const publisher = createNatsPublisher(nats, { subject: 'anew', ranges: RANGES });
    const publish = async (what: string): Promise<void> => {
      for (let i = 0; i < 40; i++) await publisher.stored(`${what} ${i}`, { bucket: i * 25 });
    };
    await publish('old');
    let owners = await join();
    await until(() => seen.length === 40);
    await owners.leave();
    // Now the table says that they begin behind those messages.
    owners = await join();
    await until(owns(owners, RANGES));
    await owners.leave();
    const anew = async (): Promise<void> => {
      await manager.streams.delete('ANEW');
      await ensureStream(nats, stream);
    };
    await anew();
    await publish('new');
    await join();
    await until(() => seen.length === 80);
    // While somebody reads it.
    await anew();
    await publish('third');
    await until(() => seen.length === 120);
    expect(new Set(seen).size).toBe(120);
  });

  it('run the steps of one key one after the other, also those that are tried again', async () => {
    const nats = await open();
    await ensureStream(nats, { name: 'TURNS', subjects: ['turns.>'] });
    const publisher = createNatsPublisher(nats, { subject: 'turns', ranges: 1 });
    for (let i = 0; i < 20; i++) await publisher.stored(`${i}`, { bucket: i % 2 });
    const began: string[] = [];
    const ended: string[] = [];
    let atOnce = 0;
    let most = 0;
    await joinOwners(
      nats, { name: 'turns', stream: 'TURNS', subject: 'turns', ranges: 1, concurrency: 8 }, async (message) => {
        most = Math.max(most, ++atOnce);
        const isFirst = !began.includes(message.text());
        began.push(message.text());
        // Later ones would be done earlier.
        await pause(20 - Number(message.text()));
        atOnce--;
        if (isFirst && Number(message.text()) % 5 === 0) throw new Error('once more');
        ended.push(message.text());
      },
    );
    await until(() => ended.length === 20);
    for (const bucket of [0, 1]) {
      const own = ended.map(Number).filter((number) => number % 2 === bucket);
      expect(own).toEqual([...own].sort((a, b) => a - b));
    }
    expect(most).toBe(2);
    expect(began.length).toBe(24);
  });

  it('are told that a publisher divides the buckets otherwise', async () => {
    const nats = await open();
    await ensureStream(nats, { name: 'OTHER', subjects: ['other.>'] });
    let seen = 0;
    await joinOwners(nats, { name: 'other', stream: 'OTHER', subject: 'other', ranges: RANGES }, () => void seen++);
    const publisher = createNatsPublisher(nats, { subject: 'other', ranges: 16 });
    await publisher.stored('of range 1 of 16', { bucket: 70 });
    await until(() => seen === 1 && errors.length !== 0);
    expect(errors).toEqual([expect.stringContaining('"other.1.70" was published with another number of `ranges`')]);
  });

  it('give a range to a newcomer although onRangeLeaves throws', async () => {
    const nats = await open();
    await ensureStream(nats, { name: 'THROWS', subjects: ['throws.>'] });
    const options = { name: 'throws', stream: 'THROWS', subject: 'throws', ranges: RANGES, leaseMs: 600 };
    const first = await joinOwners(nats, {
      ...options, onRangeLeaves: () => {
        throw new Error('it did not go well');
      },
    }, () => undefined);
    await until(owns(first, 4));
    const second = await joinOwners(await open(), options, () => undefined);
    await until(owns(second, 2));
    await until(owns(first, 2));
    expect(new Set(errors)).toEqual(new Set(['it did not go well']));
    await first.leave();
    await until(owns(second, 4));
  });
});

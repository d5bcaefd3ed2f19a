/** One that alone reads under its name begins anew at the first message that was not acknowledged. */
import { connect } from '@nats-io/transport-node';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRuntime, type Runtime } from '../index.js';
import { createNatsConsumer, createNatsPublisher, ensureStream, openNats, type Nats } from './index.js';
import { Broker, NATS_SERVER, until } from './fixtures/broker.js';

const IDLE = new URL('./fixtures/idle-reactor.js', import.meta.url);
const COUNT = 200;
const numbers = (from: number): number[] => Array.from({ length: COUNT - from }, (_, i) => from + i);

it('has a broker to be tested with: apt-get install nats-server', () => expect(NATS_SERVER).toBeDefined());

describe('the only reader', () => {
  let broker: Broker;
  let runtime: Runtime;
  let nats: Nats;
  beforeAll(async () => {
    broker = await Broker.start();
    runtime = await createRuntime({ entry: IDLE, reactors: 1 });
    nats = await openNats(runtime, { servers: broker.url, reconnectMs: 20 });
  });
  afterAll(async () => {
    await nats?.close();
    await runtime?.close();
    await broker?.[Symbol.asyncDispose]();
  });

  it.each(['limits', 'workqueue', 'interest'] as const)(
    'goes on where one has died, in the order of the stream (%s)', async (keeps) => {
      const stream = `DEAD-${keeps}`;
      await ensureStream(nats, { name: stream, subjects: [`dead-${keeps}`], keeps });
      const options = { stream, name: 'reader', isOnlyReader: true, mostInFlight: 32 };
      const nobody = await createNatsConsumer(nats, options, () => undefined);
      await nobody.drain();
      nobody.close();
      const publisher = createNatsPublisher(nats, { subject: `dead-${keeps}`, inOrder: false });
      for (const number of numbers(0)) publisher.publish(`${number}`);
      await publisher.flushed();
      // It acknowledges 10 of 30 that it was given, and dies: nobody would have the 20 again within 30 s.
      const dead = await connect({ servers: broker.url });
      const place = await jetstream(dead).consumers.get(stream, 'reader');
      for await (const message of await place.fetch({ max_messages: 30, expires: 5000 })) {
        if (message.seq <= 10) await message.ackAck();
      }
      await dead.close();
      const seen: number[] = [];
      const reader = await createNatsConsumer(nats, options, (message) => void seen.push(Number(message.text())));
      await until(() => seen.length >= COUNT - 10);
      expect(seen).toEqual(numbers(10));
      await reader.drain();
      // What it was told of its place it keeps, and nothing else is left there.
      const other = await connect({ servers: broker.url });
      const consumers = await (await jetstreamManager(other)).consumers.list(stream).next();
      expect(consumers.map(({ name, config }) => [name, config.max_ack_pending])).toEqual([['reader', 32]]);
      await other.close();
      reader.close();
      publisher.close();
    });

  it('goes on where a connection broke, in the order of the stream', async () => {
    await ensureStream(nats, { name: 'BROKEN', subjects: ['broken'] });
    const publisher = createNatsPublisher(nats, { subject: 'broken', mostPending: 64, confirmMs: 1000 });
    const seen: number[] = [];
    const reader = await createNatsConsumer(
      nats, { stream: 'BROKEN', name: 'reader', isOnlyReader: true, mostInFlight: 16 }, async (message) => {
        await new Promise((resolve) => setImmediate(resolve));
        seen.push(Number(message.text()));
      },
    );
    let next = 0;
    let isEnding = false;
    const publish = (): void => {
      while (!isEnding && publisher.publish(`${next}`) === 0) next++;
      if (!isEnding) publisher.whenRoom(publish);
    };
    publish();
    for (let kill = 0; kill < 3; kill++) {
      const { length } = seen;
      await until(() => seen.length > length + 100);
      await broker.kill();
      await broker.start();
    }
    isEnding = true;
    await publisher.flushed();
    await until(() => new Set(seen).size === next);
    // What was acknowledged, and the broker did not hear it, may come twice; nothing comes late.
    const first = [...new Set(seen)];
    expect(first).toEqual(first.map((_, i) => i));
    await reader.drain();
    reader.close();
    publisher.close();
  });
});

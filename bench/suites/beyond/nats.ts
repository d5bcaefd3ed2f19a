/**
 * Row `nats`: messages a second over a broker, against the bare client of the broker with as many messages under way.
 * Messages are published and confirmed by the stream, each under an identifier of its own; read and acknowledged one by
 * one; and published as plain messages that nobody stores. The stream is in memory, so that the disk is not measured.
 */
import { connect, headers } from '@nats-io/transport-node';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { BACK_PRESSURED, createRuntime } from 'percore';
import {
  createNatsConsumer, createNatsPublisher, ensureStream, openNats, type Nats, type NatsPublisher,
} from 'percore/nats';
import { Broker } from '../../../src/nats/fixtures/broker.js';
import { check, compare, type Bench, type Contender } from '../../harness.js';

const RUNS = 5;
const MESSAGES = 30_000;
const PLAIN_MESSAGES = 200_000;
const UNDER_WAY = 512;
const PAYLOAD = new Uint8Array(128).fill(7);
const BUCKETS = 1024;

type Figures = 'published' | 'read' | 'plain';
const atLeast = { of: 'ratio', atLeast: 0.9 } as const;
const BARE = 'bare JetStream client';

export const nats: Bench = {
  name: 'nats',
  async run() {
    await using broker = await Broker.start();
    const unit = 'messages/s';
    return await compare<Figures>({
      runs: RUNS, ours: percore(broker.url), baselines: [bare(broker.url)],
      figures: [
        {
          of: 'published', metric: 'published and confirmed', unit, better: 'higher',
          params: { underWay: UNDER_WAY, bytes: PAYLOAD.length }, targets: { [BARE]: atLeast },
        },
        {
          of: 'read', metric: 'read and acknowledged', unit, better: 'higher',
          params: { underWay: UNDER_WAY, bytes: PAYLOAD.length }, targets: { [BARE]: atLeast },
        },
        {
          of: 'plain', metric: 'plain', unit, better: 'higher', params: { bytes: PAYLOAD.length },
          targets: { [BARE]: atLeast },
        },
      ],
    });
  },
};

const rateOf = (messages: number, sinceMs: number): number => messages / ((performance.now() - sinceMs) / 1000);

/** Makes the stream, anew for each contender and run. */
async function freshStream(url: string): Promise<void> {
  const connection = await connect({ servers: url });
  const manager = await jetstreamManager(connection);
  await manager.streams.delete('BENCH').catch(() => undefined);
  await connection.close();
}

function percore(url: string): Contender<Figures> {
  return {
    name: 'percore',
    async run() {
      await freshStream(url);
      await using runtime = await createRuntime({
        entry: new URL('./nats-reactor.js', import.meta.url), reactors: 1, pin: false, idle: { strategy: 'park' },
      });
      const bridge = await openNats(runtime, { servers: url });
      await ensureStream(bridge, { name: 'BENCH', subjects: ['bench.>'], storage: 'memory' });
      const publisher = createNatsPublisher(bridge, { subject: 'bench', mostPending: UNDER_WAY });
      await publishAll(publisher, 1000);
      let startMs = performance.now();
      await publishAll(publisher, MESSAGES);
      const published = rateOf(MESSAGES, startMs);
      check(publisher.status().confirmed === MESSAGES + 1000, 'not all was confirmed');
      startMs = performance.now();
      const read = await new Promise<number>((resolve, reject) => {
        let count = 0;
        createNatsConsumer(bridge, { stream: 'BENCH', name: 'reader', mostInFlight: UNDER_WAY }, (message) => {
          if (message.bytes.length !== PAYLOAD.length) reject(new Error('a message is damaged'));
          if (++count === MESSAGES) resolve(rateOf(MESSAGES, startMs));
        }).catch(reject);
      });
      startMs = performance.now();
      await plainAll(bridge);
      const plain = rateOf(PLAIN_MESSAGES, startMs);
      await bridge.close();
      return { published, read, plain };
    },
  };
}

async function publishAll(publisher: NatsPublisher, messages: number): Promise<void> {
  for (let i = 0; i < messages;) {
    if (publisher.publish(PAYLOAD, { bucket: i % BUCKETS }) === BACK_PRESSURED) {
      await new Promise<void>((resolve) => publisher.whenRoom(resolve));
    } else i++;
  }
  await publisher.flushed();
}

async function plainAll(bridge: Nats): Promise<void> {
  for (let i = 0; i < PLAIN_MESSAGES;) {
    if (bridge.publish('plain', PAYLOAD) === BACK_PRESSURED) {
      await new Promise<void>((resolve) => bridge.whenRoom(resolve));
    } else i++;
  }
  await bridge.flushed();
}

function bare(url: string): Contender<Figures> {
  return {
    name: BARE,
    async run() {
      await freshStream(url);
      const connection = await connect({ servers: url });
      const manager = await jetstreamManager(connection);
      await manager.streams.add({ name: 'BENCH', subjects: ['bench.>'], storage: 'memory' as never });
      const stream = jetstream(connection);
      let next = 0;
      const publish = async (messages: number): Promise<void> => {
        const end = next + messages;
        await Promise.all(Array.from({ length: UNDER_WAY }, async () => {
          while (next < end) {
            const number = next++;
            await stream.publish(`bench.${(number % BUCKETS) >> 4}.${number % BUCKETS}`, PAYLOAD, {
              msgID: `${number}`.padStart(32, '0'), headers: headers(),
            });
          }
        }));
      };
      await publish(1000);
      let startMs = performance.now();
      await publish(MESSAGES);
      const published = rateOf(MESSAGES, startMs);
      startMs = performance.now();
      await manager.consumers.add('BENCH', {
        durable_name: 'reader', ack_policy: 'explicit' as never, max_ack_pending: UNDER_WAY,
      });
      const messages = await (await stream.consumers.get('BENCH', 'reader')).consume({ max_messages: UNDER_WAY });
      let count = 0;
      for await (const message of messages) {
        check(message.data.length === PAYLOAD.length, 'a message is damaged');
        message.ack();
        if (++count === MESSAGES) break;
      }
      const read = rateOf(MESSAGES, startMs);
      startMs = performance.now();
      for (let i = 0; i < PLAIN_MESSAGES; i++) {
        connection.publish('plain', PAYLOAD);
        // The client has no bound of its own: without a pause it would hold all messages in memory.
        if (i % 20_000 === 19_999) await connection.flush();
      }
      await connection.flush();
      const plain = rateOf(PLAIN_MESSAGES, startMs);
      await connection.close();
      return { published, read, plain };
    },
  };
}

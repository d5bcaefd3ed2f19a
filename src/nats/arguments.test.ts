/** What users give wrongly is refused by its name, and streams that are there keep what nobody has asked to change. */
import { connect } from '@nats-io/transport-node';
import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRuntime, type Runtime } from '../index.js';
import { createNatsConsumer, createNatsPublisher, ensureStream, joinOwners, openNats, type Nats } from './index.js';
import { Broker, NATS_SERVER } from './fixtures/broker.js';

it('has a broker to be tested with: apt-get install nats-server', () => expect(NATS_SERVER).toBeDefined());

describe('percore/nats', () => {
  let broker: Broker;
  let runtime: Runtime;
  let nats: Nats;
  let manager: JetStreamManager;
  let close: () => Promise<void>;
  beforeAll(async () => {
    broker = await Broker.start();
    runtime = await createRuntime({ entry: new URL('./fixtures/idle-reactor.js', import.meta.url), reactors: 1 });
    nats = await openNats(runtime, { servers: broker.url });
    const connection = await connect({ servers: broker.url });
    manager = await jetstreamManager(connection);
    close = () => connection.close();
  });
  afterAll(async () => {
    await nats?.close();
    await runtime?.close();
    await close?.();
    await broker?.[Symbol.asyncDispose]();
  });

  it.each([undefined, null, 5, 'text', {}, [1], new ArrayBuffer(2), new Uint16Array(2)])(
    'publishes no plain message of %o', (bytes) => {
      expect(() => nats.publish('plain', bytes as never)).toThrow(/^bytes must be a Uint8Array/);
      expect(nats.status()).toMatchObject({ isOnline: true, unflushedBytes: 0 });
    },
  );

  it('takes no options of a message that it does not know, and no headers that hide theirs', () => {
    const publisher = createNatsPublisher(nats, { subject: 'none' });
    const publish = (options: object): unknown => publisher.publish('text', options as never);
    expect(() => publish({ keys: 'EURUSD' })).toThrow(/no option "keys"; did you mean "key"/);
    for (const headers of [new Map([['traceparent', '00']]), new Headers({ traceparent: '00' }), ['traceparent']])
      expect(() => publish({ headers })).toThrow(/^headers must be an object of texts/);
    expect(publisher.status().pending).toBe(0);
    publisher.close();
  });

  it('refuses a window of identifiers that the broker cannot count', async () => {
    const make = (duplicatesMs: number): Promise<void> =>
      ensureStream(nats, { name: 'WINDOW', subjects: ['window'], duplicatesMs });
    await make(9_223_372_036_854);
    await expect(make(9_223_372_036_855)).rejects.toMatchObject({
      code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'duplicatesMs',
    });
  });

  it('changes of a stream what is given alone, and nothing of one that is kept', async () => {
    await ensureStream(nats, {
      name: 'THERE', subjects: ['there.>'], mostMessages: 1000, duplicatesMs: 5000, whenFull: 'oldest',
    });
    const config = async (): Promise<object> => (await manager.streams.info('THERE')).config;
    const before = await config();
    await ensureStream(nats, { name: 'THERE', subjects: ['there.>'] });
    expect(await config()).toEqual(before);
    await ensureStream(nats, { name: 'THERE', subjects: ['else'], keeps: 'workqueue', existing: 'kept' });
    expect(await config()).toEqual(before);
    await ensureStream(nats, { name: 'THERE', subjects: ['there.>'], mostMessages: 7 });
    expect(await config()).toEqual({ ...before, max_msgs: 7 });
    await expect(ensureStream(nats, { name: 'THERE', subjects: ['x'], existing: 'no' as never })).rejects.toThrow(
      /^existing must be/,
    );
  });

  it('says that it is closed where that comes amid an order', async () => {
    const stream = { name: 'AMID', subjects: ['amid.>'] };
    await ensureStream(nats, stream);
    const orders: ((other: Nats) => Promise<unknown>)[] = [
      (other) => ensureStream(other, stream),
      (other) => createNatsConsumer(other, { stream: 'AMID', name: 'reader' }, () => undefined),
      (other) => joinOwners(other, { name: 'amid', stream: 'AMID', subject: 'amid' }, () => undefined),
    ];
    let closed = 0;
    for (const order of orders) {
      for (let turns = 0; turns < 6; turns++) {
        const other = await openNats(runtime, { servers: `${broker.url}/` });
        const outcome = order(other).then(() => 'done', (error: { code: string }) => error.code);
        // One more answer of the broker each time.
        for (let answers = 0; answers < turns; answers++) await manager.streams.info('AMID');
        await other.close({ timeoutMs: 0 });
        expect(['done', 'ERR_PERCORE_CLOSED']).toContain(await outcome);
        if (await outcome !== 'done') closed++;
      }
    }
    expect(closed).toBeGreaterThan(2);
  });

  it('says after its end that it is closed, whatever is asked', async () => {
    const other = await openNats(runtime, { servers: `${broker.url}/` });
    await other.close();
    await expect(other.flushed()).rejects.toMatchObject({ code: 'ERR_PERCORE_CLOSED' });
  });
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BACK_PRESSURED, CLOSED, createRuntime, createTopic, subscribe, TOO_LARGE, type Runtime } from '../index.js';
import {
  createNatsConsumer, createNatsPublisher, ensureStream, openNats, subjectToTopic, topicToSubject, type Nats,
} from './index.js';
import { Broker, NATS_SERVER, pause, until } from './fixtures/broker.js';

const IDLE = new URL('./fixtures/idle-reactor.js', import.meta.url);

it('has a broker to be tested with: apt-get install nats-server', () => expect(NATS_SERVER).toBeDefined());

describe('a bridge', () => {
  let broker: Broker;
  let runtime: Runtime;
  let nats: Nats;
  const errors: string[] = [];
  beforeAll(async () => {
    broker = await Broker.start();
    runtime = await createRuntime({ entry: IDLE, reactors: 1 });
    runtime.on('stepError', ({ error }) => void errors.push(error.message));
    nats = await openNats(runtime, { servers: broker.url });
  });
  afterAll(async () => {
    await nats?.close();
    await runtime?.close();
    await broker?.[Symbol.asyncDispose]();
  });

  it('stores what is published, and gives it out in the order of each key', async () => {
    await ensureStream(nats, { name: 'KEYED', subjects: ['keyed.>'] });
    const publisher = createNatsPublisher(nats, { subject: 'keyed' });
    for (let i = 0; i < 600; i++) publisher.publish(`${i}`, { key: `key ${i % 7}`, headers: { traceparent: `t${i}` } });
    await publisher.flushed();
    expect(publisher.status()).toMatchObject({ pending: 0, confirmed: 600, dropped: 0, pendingBytes: 0 });
    const seen: { number: number; bucket: number; id: string | undefined; trace: string | undefined }[] = [];
    const consumer = await createNatsConsumer(nats, { stream: 'KEYED', name: 'reader' }, (message) => {
      const { bucket, id } = message;
      seen.push({ number: Number(message.text()), bucket, id, trace: message.header('traceparent') });
    });
    await until(() => seen.length === 600);
    for (let key = 0; key < 7; key++) {
      const own = seen.filter(({ number }) => number % 7 === key);
      expect(own.map(({ number }) => number)).toEqual(own.map((_, i) => key + 7 * i));
      expect(new Set(own.map(({ bucket }) => bucket)).size).toBe(1);
    }
    expect(new Set(seen.map(({ id }) => id)).size).toBe(600);
    expect(seen.every(({ number, trace }) => trace === `t${number}`)).toBe(true);
    await consumer.drain();
    expect(consumer.status()).toMatchObject({ received: 600, acknowledged: 600, inFlight: 0, duplicates: 0 });
    // What is acknowledged does not come again.
    const again = await createNatsConsumer(nats, { stream: 'KEYED', name: 'reader', priority: 4 }, () => {
      throw new Error('it was acknowledged');
    }).catch((error: Error) => error);
    expect(again).toMatchObject({ code: 'ERR_PERCORE_NAME_TAKEN' });
    consumer.close();
    publisher.close();
    expect(publisher.publish('late')).toBe(CLOSED);
  });

  it('stores a message once for one identifier', async () => {
    await ensureStream(nats, { name: 'ONCE', subjects: ['once'] });
    const publisher = createNatsPublisher(nats, { subject: 'once' });
    for (let i = 0; i < 5; i++) await publisher.stored('the same', { id: 'order-7-result' });
    expect(publisher.status()).toMatchObject({ confirmed: 5, duplicates: 4 });
    publisher.close();
  });

  it('refuses when too much is not confirmed, and calls when there is room', async () => {
    await ensureStream(nats, { name: 'ROOM', subjects: ['room'] });
    const publisher = createNatsPublisher(nats, { subject: 'room', mostPending: 4 });
    let taken = 0;
    while (publisher.publish(`${taken}`) !== BACK_PRESSURED) taken++;
    expect(taken).toBe(4);
    await new Promise<void>((resolve) => publisher.whenRoom(resolve));
    expect(publisher.publish('more')).toBe(0);
    await publisher.flushed();
    expect(publisher.status()).toMatchObject({ confirmed: 5, refused: 1 });
    expect(publisher.publish(new Uint8Array(2 ** 20))).toBe(TOO_LARGE);
    await expect(publisher.stored(new Uint8Array(2 ** 20))).rejects.toMatchObject({ code: 'ERR_PERCORE_TOO_LARGE' });
    publisher.close();
  });

  it('slow steps fill the stream, which holds the publisher back, and nothing is lost or overtaken', async () => {
    await ensureStream(nats, { name: 'SLOW', subjects: ['slow.>'], keeps: 'workqueue', mostMessages: 20 });
    const publisher = createNatsPublisher(nats, { subject: 'slow', mostPending: 16 });
    const seen: number[] = [];
    let mayGoOn: () => void = () => undefined;
    const isOpen = new Promise<void>((resolve) => (mayGoOn = resolve));
    const consumer = await createNatsConsumer(
      nats, { stream: 'SLOW', name: 'slow', mostInFlight: 3 }, async (message) => {
        await isOpen;
        seen.push(Number(message.text()));
      },
    );
    let next = 0;
    const publish = (): void => {
      while (next < 200 && publisher.publish(`${next}`, { key: 'one key' }) === 0) next++;
      if (next < 200) publisher.whenRoom(publish);
    };
    publish();
    await until(() => publisher.status().isStalled && publisher.status().pending === 16);
    expect(consumer.status().inFlight).toBeLessThanOrEqual(3);
    // 20 in the stream, 16 here: no more was taken.
    expect(next).toBeLessThanOrEqual(36);
    mayGoOn();
    await until(() => seen.length === 200);
    expect(seen).toEqual(seen.map((_, i) => i));
    expect(errors.some((message) => message.includes('is full, until messages are acknowledged'))).toBe(true);
    consumer.close();
    publisher.close();
  });

  it('runs a step that throws again, and gives its message up after so many tries', async () => {
    await ensureStream(nats, { name: 'THROWS', subjects: ['throws'] });
    const publisher = createNatsPublisher(nats, { subject: 'throws' });
    for (const text of ['good', 'bad', 'better', 'worse', 'best']) publisher.publish(text);
    const seen: string[] = [];
    const consumer = await createNatsConsumer(nats, { stream: 'THROWS', name: 'throws', tries: 3 }, (message) => {
      const text = message.text();
      seen.push(text);
      if (text === 'bad') throw new Error('bad');
      return text === 'worse' ? Promise.reject(new Error('worse')) : undefined;
    });
    await until(() => seen.includes('best') && consumer.status().inFlight === 0);
    expect(seen).toEqual(['good', 'bad', 'bad', 'bad', 'better', 'worse', 'worse', 'worse', 'best']);
    expect(consumer.status()).toMatchObject({ failed: 6, givenUp: 2, acknowledged: 3 });
    consumer.close();
    publisher.close();
  });

  it('takes topics to subjects, and streams to topics', async () => {
    await ensureStream(nats, { name: 'TOPICS', subjects: ['topics.>'] });
    const publisher = createNatsPublisher(nats, { subject: 'topics' });
    const joined = topicToSubject<{ symbol: string; price: number }>(nats, {
      topic: 'orders', to: publisher, describe: ({ symbol }) => ({ key: symbol }),
    });
    const orders = createTopic(runtime, { name: 'orders' });
    const arrived = createTopic(runtime, { name: 'arrived' });
    const heard: unknown[] = [];
    subscribe(runtime, 'arrived', {}, (value) => void heard.push(value));
    for (let price = 0; price < 50; price++) orders.publish({ symbol: 'EURUSD', price });
    const consumer = await subjectToTopic(nats, { stream: 'TOPICS', name: 'topics', topic: arrived });
    await until(() => heard.length === 50);
    expect(heard).toEqual(heard.map((_, price) => ({ symbol: 'EURUSD', price })));
    expect(publisher.status().confirmed).toBe(50);
    joined.leave();
    consumer.close();
    publisher.close();
  });

  it('publishes plain messages within a bound', async () => {
    const bytes = new Uint8Array(65_536);
    let taken = 0;
    while (nats.publish('plain', bytes) === 0) taken++;
    expect(taken).toBeLessThanOrEqual(64);
    await new Promise<void>((resolve) => nats.whenRoom(resolve));
    expect(nats.publish('plain', bytes)).toBe(0);
    await nats.flushed();
    expect(() => nats.publish('not a subject', bytes)).toThrow(/subject must be/);
    expect(nats.publish('plain', new Uint8Array(2 ** 21))).toBe(TOO_LARGE);
    expect(nats.status()).toMatchObject({ isOnline: true, published: taken + 1 });
  });

  it('refuses what cannot be meant', async () => {
    await expect(openNats(runtime, { servers: broker.url })).rejects.toMatchObject({ code: 'ERR_PERCORE_NAME_TAKEN' });
    await expect(openNats(runtime, { servers: 'http://x/y' })).rejects.toThrow(/servers must be/);
    await expect(openNats(runtime, { server: broker.url } as never)).rejects.toThrow(/did you mean "servers"/);
    await expect(openNats(undefined as never, { servers: broker.url })).rejects.toThrow(/reactor must be/);
    expect(() => createNatsPublisher(nats, { subject: 'a b' })).toThrow(/subject must be/);
    expect(() => createNatsPublisher({} as never, { subject: 'a' })).toThrow(/nats must be/);
    expect(() => createNatsPublisher(nats, { subject: 'a', ranges: 3 })).toThrow(/ranges must be a power of two/);
    const publisher = createNatsPublisher(nats, { subject: 'a' });
    expect(() => publisher.publish('', { bucket: 1024 })).toThrow(/bucket must be/);
    for (const two of [{ key: 'a', bucket: 5 }, { key: 'a', below: 'eur' }, { bucket: 5, below: 'eur' }]) {
      expect(() => publisher.publish('', two)).toThrow(/one of 'key', 'bucket' and 'below'/);
    }
    expect(() => publisher.publish('', { id: 'a\nb' })).toThrow(/id must be/);
    expect(() => publisher.publish('', { headers: { 'a:b': '' } })).toThrow(/headers must be/);
    expect(() => publisher.publish('', { headers: { a: 'b\r\nc: d' } })).toThrow(/a must be/);
    expect(() => publisher.publish(5 as never)).toThrow(/payload must be/);
    publisher.close();
    await expect(createNatsConsumer(nats, { stream: 'NONE', name: 'none' }, () => undefined))
      .rejects.toMatchObject({ code: 'ERR_PERCORE_BROKER_REFUSED', message: expect.stringContaining('ensureStream') });
    await expect(createNatsConsumer(nats, { stream: 'A.B', name: 'none' }, () => undefined))
      .rejects.toThrow(/stream must be/);
    await expect(ensureStream(nats, { name: 'X', subjects: [] })).rejects.toThrow(/subjects must be/);
    await pause(0);
  });
});

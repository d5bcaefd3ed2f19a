/** What was sent, not confirmed, and sent again after the broker has forgotten its identifier. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createRuntime, type Runtime } from '../index.js';
import { createNatsConsumer, createNatsPublisher, ensureStream, openNats, type Nats } from './index.js';
import { Broker, NATS_SERVER, pause, until } from './fixtures/broker.js';
import { Proxy } from './fixtures/proxy.js';

const IDLE = new URL('./fixtures/idle-reactor.js', import.meta.url);
const WINDOW_MS = 200;

it('has a broker to be tested with: apt-get install nats-server', () => expect(NATS_SERVER).toBeDefined());

describe('a publisher whose broker was away for longer than it knows identifiers', () => {
  let broker: Broker;
  let runtime: Runtime;
  let proxy: Proxy;
  let nats: Nats;
  /** Past the proxy. */
  let other: Nats;
  let errors: string[] = [];
  beforeEach(async () => {
    errors = [];
    broker = await Broker.start();
    runtime = await createRuntime({ entry: IDLE, reactors: 1 });
    runtime.on('stepError', ({ error }) => void errors.push(error.message));
    proxy = await Proxy.start(broker.port);
    nats = await openNats(runtime, { servers: proxy.url, reconnectMs: 20 });
    other = await openNats(runtime, { servers: broker.url });
  });
  afterEach(async () => {
    await nats?.close({ timeoutMs: 100 });
    await other?.close();
    proxy?.[Symbol.dispose]();
    await runtime?.close();
    await broker?.[Symbol.asyncDispose]();
  });

  const messagesOf = async (stream: string): Promise<number> => {
    const { manager } = other as unknown as { manager: { streams: { info(name: string): Promise<unknown> } } };
    return (await manager.streams.info(stream) as { state: { messages: number } }).state.messages;
  };
  /** Breaks the connection for so long. */
  const cut = async (): Promise<void> => {
    proxy.isClosed = true;
    proxy.cut();
    await until(() => !nats.isOnline);
    await pause(3 * WINDOW_MS);
    proxy.isClosed = proxy.isMute = proxy.isDeaf = false;
    await until(() => nats.isOnline);
  };

  it('looks before it sends, and stores each message once', async () => {
    await ensureStream(nats, { name: 'AWAY', subjects: ['away.>'], duplicatesMs: WINDOW_MS });
    const publisher = createNatsPublisher(nats, { subject: 'away' });
    await publisher.stored('of before', { bucket: 1 });
    proxy.isMute = true;
    for (const bucket of [1, 2, 3]) publisher.publish('stored, and not confirmed', { bucket });
    await until(async () => await messagesOf('AWAY') === 4);
    // Of others, under the same subject.
    const busy = createNatsPublisher(other, { subject: 'away' });
    for (let i = 0; i < 20; i++) await busy.stored('of another', { bucket: 1 });
    proxy.isDeaf = true;
    for (const bucket of [3, 4, 5]) publisher.publish('lost', { bucket });
    await cut();
    await publisher.flushed();
    expect(await messagesOf('AWAY')).toBe(27);
    expect(publisher.status()).toMatchObject({ confirmed: 7, duplicates: 3, uncertain: 0, pending: 0, dropped: 0 });
    expect(errors).toEqual([]);
  });

  it.each([{ bucket: 1 }, {}])('looks for its first message too, of which nothing is known yet: %o', async (where) => {
    await ensureStream(nats, { name: 'FIRST', subjects: ['first', 'first.>'], duplicatesMs: WINDOW_MS });
    const publisher = createNatsPublisher(nats, { subject: 'first', confirmMs: WINDOW_MS });
    proxy.isMute = true;
    publisher.publish('stored, and not confirmed', where);
    await until(async () => await messagesOf('FIRST') === 1);
    // Late: it has begun to ask, and the answer is lost as well.
    await pause(2 * WINDOW_MS);
    await cut();
    await publisher.flushed();
    expect(await messagesOf('FIRST')).toBe(1);
    expect(publisher.status()).toMatchObject({ confirmed: 1, duplicates: 1, uncertain: 0 });
    expect(errors.join()).not.toMatch(/may have stored already/);
  });

  it('says so where that cannot be told, since what was read is deleted', async () => {
    await ensureStream(nats, { name: 'QUEUE', subjects: ['queue'], duplicatesMs: WINDOW_MS, keeps: 'workqueue' });
    const publisher = createNatsPublisher(nats, { subject: 'queue' });
    const seen: string[] = [];
    await createNatsConsumer(other, { stream: 'QUEUE', name: 'reader' }, (message) => void seen.push(message.text()));
    await publisher.stored('first');
    proxy.isMute = true;
    publisher.publish('second');
    await until(() => seen.length === 2);
    await until(async () => await messagesOf('QUEUE') === 0);
    await cut();
    await publisher.flushed();
    expect(publisher.status()).toMatchObject({ confirmed: 2, uncertain: 1, pending: 0 });
    await until(() => seen.length === 3);
    expect(errors.join()).toMatch(/sent again that the broker may have stored already.*duplicatesMs/);
  });

  it('just sends again what the broker still knows', async () => {
    await ensureStream(nats, { name: 'KNOWN', subjects: ['known'], duplicatesMs: 60_000 });
    const publisher = createNatsPublisher(nats, { subject: 'known' });
    await publisher.stored('first');
    proxy.isMute = true;
    publisher.publish('second');
    await until(async () => await messagesOf('KNOWN') === 2);
    await cut();
    await publisher.flushed();
    expect(await messagesOf('KNOWN')).toBe(2);
    expect(publisher.status()).toMatchObject({ confirmed: 2, duplicates: 1, resent: 1, uncertain: 0 });
  });
});

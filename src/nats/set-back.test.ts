/** A clock that is set back by an hour keeps nobody from publishing, and from finding the broker again. */
import { afterEach, expect, it, vi } from 'vitest';
import { createIds, createRuntime, formatId } from '../index.js';
import { createNatsConsumer, createNatsPublisher, ensureStream, openNats } from './index.js';
import { Broker, NATS_SERVER, until } from './fixtures/broker.js';
import { Proxy } from './fixtures/proxy.js';
import { messageIds, reconnectDelay } from './set-back.js';

const HOUR_MS = 3_600_000;
const now = Date.now;
const setBy = (ms: number): void => void vi.spyOn(Date, 'now').mockImplementation(() => now() + ms);
afterEach(() => vi.restoreAllMocks());

it('has a broker to be tested with: apt-get install nats-server', () => expect(NATS_SERVER).toBeDefined());

it('publishes on, and connects again', { timeout: 20_000 }, async () => {
  await using broker = await Broker.start();
  using proxy = await Proxy.start(broker.port);
  const runtime = await createRuntime({ entry: new URL('./fixtures/idle-reactor.js', import.meta.url), reactors: 1 });
  try {
    await using nats = await openNats(runtime, { servers: proxy.url, reconnectMs: 20 });
    await ensureStream(nats, { name: 'BACK', subjects: ['back'] });
    const seen: string[] = [];
    await createNatsConsumer(nats, { stream: 'BACK', name: 'reader' }, (message) => void seen.push(message.text()));
    const publisher = createNatsPublisher(nats, { subject: 'back' });
    await publisher.stored('before');
    setBy(-HOUR_MS);
    await publisher.stored('behind');
    proxy.cut();
    // It may be offline for less than what passes between two looks.
    await until(() => nats.status().reconnects === 1);
    setBy(HOUR_MS);
    await publisher.stored('ahead');
    await until(() => seen.length === 3);
    expect(seen).toEqual(['before', 'behind', 'ahead']);
  } finally {
    await runtime.close();
  }
});

it('tries each server at once after such a step, and then at its pauses', () => {
  const delay = reconnectDelay(250);
  const isPause = (ms: number): boolean => ms >= 250 && ms < 300;
  expect(isPause(delay())).toBe(true);
  setBy(HOUR_MS);
  expect(isPause(delay())).toBe(true);
  setBy(-HOUR_MS);
  expect(delay()).toBe(-Infinity);
  const further = Array.from({ length: 100 }, () => delay());
  expect(further.filter((ms) => ms === -Infinity).length).toBeLessThan(20);
  expect(isPause(further.at(-1)!)).toBe(true);
});

it('makes no identifier that the program makes by createIds', () => {
  const [one, other] = [messageIds(), messageIds()];
  const own = createIds();
  expect(new Set([one.origin, other.origin, own.origin]).size).toBe(3);
  const made = [one, other].flatMap((ids) => Array.from({ length: 1000 }, () => formatId(ids.next())));
  expect(new Set(made).size).toBe(2000);
});

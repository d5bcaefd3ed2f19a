/** What a broker does not allow, cannot do, or does not show to everybody: permissions, TLS, a disk that is full. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BACK_PRESSURED, createRuntime, type Runtime } from '../index.js';
import { where } from '../realtime/fixtures/privileges.js';
import { createNatsConsumer, createNatsPublisher, ensureStream, joinOwners, openNats } from './index.js';
import { Broker, NATS_SERVER, pause, until } from './fixtures/broker.js';
import { SmallDisk } from './fixtures/disk.js';

const IDLE = new URL('./fixtures/idle-reactor.js', import.meta.url);

it('has a broker to be tested with: apt-get install nats-server', () => expect(NATS_SERVER).toBeDefined());

describe('a broker', () => {
  let runtime: Runtime;
  let errors: string[] = [];
  beforeEach(async () => {
    errors = [];
    runtime = await createRuntime({ entry: IDLE, reactors: 1 });
    runtime.on('stepError', ({ error }) => void errors.push(error.message));
  });
  afterEach(() => runtime.close());

  const users = (permissions: string): string => `authorization { users: [
    { user: all, password: all }, { user: some, password: some, permissions: { ${permissions} } }
  ] }`;

  it('that forbids a subject: its messages are tried for a while and given up, the others go on', async () => {
    await using broker = await Broker.start({ config: users('publish: { deny: "split.*.5" }') });
    await using all = await openNats(runtime, { servers: broker.url, user: 'all', pass: 'all' });
    await ensureStream(all, { name: 'SPLIT', subjects: ['split.>'] });
    await all.close();
    await using nats = await openNats(runtime, { servers: broker.url, user: 'some', pass: 'some' });
    const publisher = createNatsPublisher(nats, { subject: 'split', confirmMs: 300 });
    for (let i = 0; i < 40; i++) publisher.publish(`${i}`, { bucket: i % 10 });
    await expect(publisher.stored('never', { bucket: 5 })).rejects.toMatchObject({
      code: 'ERR_PERCORE_BROKER_REFUSED', message: expect.stringContaining('let its `permissions` allow it'),
    });
    await publisher.flushed();
    expect(publisher.status()).toMatchObject({ pending: 0, confirmed: 36, dropped: 5 });
    expect(publisher.status().refusedByBroker).toBeGreaterThan(1);
    expect(errors.join('\n')).toMatch(/cannot publish .*"split\.0\.5".*permissions/);
    // Plain messages have no answer; it is told of them.
    nats.publish('split.0.5', new Uint8Array(1));
    await until(() => errors.some((message) => message.startsWith('the broker says: Permissions Violation')));
  });

  it('that forbids to hear answers: the publisher ends, and says why', async () => {
    await using broker = await Broker.start({ config: users('subscribe: { deny: "mine.>" }') });
    await using nats = await openNats(runtime, { servers: broker.url, user: 'some', pass: 'some' });
    await ensureStream(nats, { name: 'HEARD', subjects: ['heard'] });
    (nats as unknown as { client: { createInbox(): string } }).client.createInbox = () => 'mine.1';
    const publisher = createNatsPublisher(nats, { subject: 'heard' });
    await expect(publisher.stored('x')).rejects.toMatchObject({
      code: 'ERR_PERCORE_BROKER_REFUSED', message: expect.stringContaining('cannot hear what is confirmed'),
    });
  });

  it('that forbids everything is told of at once', async () => {
    await using broker = await Broker.start({ config: users('publish: { deny: ">" }, subscribe: { deny: ">" }') });
    await expect(openNats(runtime, { servers: broker.url, user: 'some', pass: 'some' })).rejects.toMatchObject({
      code: 'ERR_PERCORE_BROKER_REFUSED', message: expect.stringContaining('permissions'),
    });
  });

  it('with TLS is used with the right authority, and named with another', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'percore-tls-'));
    try {
      const [key, certificate] = ['key.pem', 'certificate.pem'].map((name) => join(folder, name));
      execFileSync('openssl', [
        'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key!, '-out', certificate!, '-days', '2',
        '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost',
      ], { stdio: 'ignore' });
      await using broker = await Broker.start({
        config: `tls { cert_file: "${certificate}", key_file: "${key}", timeout: 10 }`,
      });
      // The client compares names, not addresses.
      const servers = `tls://localhost:${broker.port}`;
      await expect(openNats(runtime, { servers })).rejects.toMatchObject({
        code: 'ERR_PERCORE_BROKER_REFUSED', message: expect.stringContaining('client: { tls: { ca } }'),
      });
      const client = { tls: { ca: readFileSync(certificate!, 'utf8') } };
      await using nats = await openNats(runtime, { servers, client });
      await ensureStream(nats, { name: 'TLS', subjects: ['tls'] });
      const publisher = createNatsPublisher(nats, { subject: 'tls' });
      const seen: string[] = [];
      await createNatsConsumer(nats, { stream: 'TLS', name: 'tls' }, (message) => void seen.push(message.text()));
      await publisher.stored('first');
      await broker.kill();
      await broker.start();
      await publisher.stored('second');
      await until(() => seen.length === 2);
      expect(seen).toEqual(['first', 'second']);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('that answers late, as a cluster does that elects, is waited for', async () => {
    await using broker = await Broker.start();
    await using nats = await openNats(runtime, { servers: broker.url });
    await ensureStream(nats, { name: 'LATE', subjects: ['late.>'] });
    broker.freeze();
    const joining = joinOwners(nats, { name: 'late', stream: 'LATE', subject: 'late' }, () => undefined);
    // Longer than the client waits for an answer about a table.
    await pause(2500);
    broker.thaw();
    await (await joining).leave();
  });

  where(SmallDisk.isPossible())('whose disk is full: nothing that it has confirmed is lost', async () => {
    using disk = await SmallDisk.make(8);
    const store = `jetstream { store_dir: "${disk.folder}", max_file: 1GB }`;
    await using broker = await Broker.start({ prefix: disk.prefix, hasJetStream: false, config: store });
    await using nats = await openNats(runtime, { servers: broker.url, reconnectMs: 50 });
    await ensureStream(nats, { name: 'DISK', subjects: ['disk'] });
    const publisher = createNatsPublisher(nats, { subject: 'disk', mostPending: 16, confirmMs: 500 });
    const payload = 'x'.repeat(100_000);
    let taken = 0;
    const publish = (): void => {
      while (taken < 120 && publisher.publish(`${taken} ${payload}`) === 0) taken++;
      if (taken < 120) publisher.whenRoom(publish);
    };
    publish();
    await until(() => publisher.status().isStalled);
    await until(() => publisher.publish('no room') === BACK_PRESSURED);
    expect(errors.join('\n')).toMatch(/to "disk".*disk may be full/);
    const { confirmed } = publisher.status();
    expect(confirmed).toBeGreaterThan(10);
    disk.grow(64);
    // It has given its store up, and takes it again when it is started.
    await broker.kill();
    await broker.start();
    await until(() => taken === 120);
    await publisher.flushed();
    const seen: number[] = [];
    await createNatsConsumer(nats, { stream: 'DISK', name: 'disk' }, (message) => {
      seen.push(Number.parseInt(message.text(), 10));
    });
    await until(() => new Set(seen).size === 120);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(publisher.status()).toMatchObject({ pending: 0, dropped: 0, confirmed: 120 });
  });
});

/** What goes wrong with a broker: a named error, or nothing is lost. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BACK_PRESSURED, createRuntime, type Runtime } from '../index.js';
import { where } from '../realtime/fixtures/privileges.js';
import { createNatsConsumer, createNatsPublisher, ensureStream, openNats } from './index.js';
import { Broker, freePort, NATS_SERVER, pause, until } from './fixtures/broker.js';

const IDLE = new URL('./fixtures/idle-reactor.js', import.meta.url);
const isStress = process.env.PERCORE_STRESS === '1';
const LONG = { timeout: 300_000 };
const KILLS = isStress ? 20 : 3;

it('has a broker to be tested with: apt-get install nats-server', () => expect(NATS_SERVER).toBeDefined());

describe('with a broker that fails', () => {
  let runtime: Runtime;
  let errors: string[] = [];
  beforeEach(async () => {
    errors = [];
    runtime = await createRuntime({ entry: IDLE, reactors: 1 });
    runtime.on('stepError', ({ error }) => void errors.push(error.message));
  });
  afterEach(() => runtime.close());

  it('says so where nobody listens, and works on', async () => {
    const port = await freePort();
    await expect(openNats(runtime, { servers: `nats://127.0.0.1:${port}`, timeoutMs: 2000 })).rejects.toMatchObject({
      code: 'ERR_PERCORE_BROKER_UNAVAILABLE', message: expect.stringContaining('nats-server --jetstream'),
    });
    expect(runtime.status().reactors[0]!.state).toBe('ready');
  });

  it('says so where the client is not installed', () => {
    // The package as a user has it, without the client beside it.
    const folder = mkdtempSync(join(tmpdir(), 'percore-alone-'));
    const root = fileURLToPath(new URL('../../../', import.meta.url));
    try {
      mkdirSync(join(folder, 'node_modules', 'percore', 'dist'), { recursive: true });
      const own = join(folder, 'node_modules', 'percore');
      spawnSync('cp', ['-r', join(root, 'dist', 'percore'), join(own, 'dist', 'percore')]);
      spawnSync('cp', [join(root, 'package.json'), own]);
      symlinkSync(join(root, 'native'), join(own, 'native'));
      const program = `
        const { createRuntime } = await import('percore');
        const { openNats } = await import('percore/nats');
        const entry = ${JSON.stringify(fileURLToPath(IDLE))};
        const runtime = await createRuntime({ entry, reactors: 1 });
        const error = await openNats(runtime, { servers: 'nats://127.0.0.1:1' }).catch((error) => error);
        console.log(error.code, error.message);
        await runtime.close();`;
      const { stdout, stderr } = spawnSync(
        process.execPath, ['--input-type=module', '-e', program], { cwd: folder, encoding: 'utf8' },
      );
      expect(`${stdout}${stderr}`).toContain('ERR_PERCORE_BROKER_UNAVAILABLE');
      expect(stdout).toContain('npm install @nats-io/transport-node @nats-io/jetstream');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('names wrong credentials, and a broker without JetStream', async () => {
    await using locked = await Broker.start({ user: 'percore', pass: 'right' });
    const { url: servers } = locked;
    await expect(openNats(runtime, { servers, user: 'percore', pass: 'wrong' })).rejects.toMatchObject({
      code: 'ERR_PERCORE_BROKER_REFUSED', message: expect.stringContaining('credentials'),
    });
    await (await openNats(runtime, { servers, user: 'percore', pass: 'right' })).close();
    const inAddress = (who: string): string => locked.url.replace('//', `//${who}@`);
    const nats = await openNats(runtime, { servers: [inAddress('percore:right'), inAddress('percore:right')] });
    expect(nats.status().servers).toEqual([locked.url, locked.url]);
    await nats.close();
    // No error shows a password: neither that of a wrong one, nor that of an odd address.
    for (const odd of [
      inAddress('percore:secret'), inAddress('percore:secret@1'), inAddress('percore:secret%'), inAddress('secret /'),
      [inAddress('percore:secret'), locked.url],
    ]) {
      const error = await openNats(runtime, { servers: odd }).catch((reason: unknown) => reason as Error);
      expect(error).toMatchObject({ argument: 'servers' });
      expect(inspect(error)).not.toContain('secret');
    }
    await expect(openNats(runtime, { servers: inAddress('percore:right'), pass: 'right' })).rejects.toMatchObject({
      code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'pass',
    });
    await using plain = await Broker.start({ hasJetStream: false });
    await expect(openNats(runtime, { servers: plain.url })).rejects.toMatchObject({
      code: 'ERR_PERCORE_BROKER_REFUSED', message: expect.stringContaining('without JetStream'),
    });
  });

  it('sends when the stream is there at last, and reads one that was deleted and made anew', async () => {
    await using broker = await Broker.start();
    await using nats = await openNats(runtime, { servers: broker.url });
    const publisher = createNatsPublisher(nats, { subject: 'later' });
    publisher.publish('first');
    await until(() => publisher.status().isStalled);
    await until(() => errors.some((message) => message.includes('no stream has that subject')));
    await ensureStream(nats, { name: 'LATER', subjects: ['later'] });
    await publisher.flushed();
    const seen: string[] = [];
    const consumer = await createNatsConsumer(nats, { stream: 'LATER', name: 'later' }, (message) => {
      seen.push(message.text());
    });
    await until(() => seen.length === 1);
    // Deleted by another program.
    const { connect } = await import('@nats-io/transport-node');
    const { jetstreamManager } = await import('@nats-io/jetstream');
    const other = await connect({ servers: broker.url });
    await (await jetstreamManager(other)).streams.delete('LATER');
    await until(() => errors.some((message) => message.includes('made anew')));
    await ensureStream(nats, { name: 'LATER', subjects: ['later'] });
    await publisher.stored('second');
    await until(() => seen.length === 2);
    expect(seen).toEqual(['first', 'second']);
    await other.close();
    consumer.close();
  });

  it('waits while the store is full, and gives up what no stream takes', async () => {
    await using broker = await Broker.start({ mostBytes: 200_000 });
    await using nats = await openNats(runtime, { servers: broker.url });
    await ensureStream(nats, { name: 'FULL', subjects: ['full'], keeps: 'workqueue' });
    const publisher = createNatsPublisher(nats, { subject: 'full', mostPending: 8 });
    const payload = 'x'.repeat(10_000);
    let taken = 0;
    const publish = (): void => {
      while (taken < 60 && publisher.publish(`${taken} ${payload}`) === 0) taken++;
      if (taken < 60) publisher.whenRoom(publish);
    };
    publish();
    await until(() => publisher.status().isStalled);
    expect(publisher.publish('no room')).toBe(BACK_PRESSURED);
    expect(errors.join()).toMatch(/the stream or the disk is full/);
    const seen: number[] = [];
    await createNatsConsumer(nats, { stream: 'FULL', name: 'full' }, (message) => {
      seen.push(Number.parseInt(message.text(), 10));
    });
    await until(() => seen.length === 60);
    expect(seen).toEqual(seen.map((_, i) => i));

    const { connect } = await import('@nats-io/transport-node');
    const { jetstreamManager } = await import('@nats-io/jetstream');
    const other = await connect({ servers: broker.url });
    await (await jetstreamManager(other)).streams.update('FULL', { max_msg_size: 1000 });
    await other.close();
    await expect(publisher.stored(payload)).rejects.toMatchObject({
      code: 'ERR_PERCORE_BROKER_REFUSED', message: expect.stringContaining('max_msg_size'),
    });
    await publisher.stored('small');
    expect(publisher.status()).toMatchObject({ dropped: 1, pending: 0, confirmed: 61 });
  });

  it(`loses nothing while the broker is killed and started ${KILLS} times under load`, LONG, async () => {
    await using broker = await Broker.start();
    await using nats = await openNats(runtime, { servers: broker.url, reconnectMs: 50 });
    await ensureStream(nats, { name: 'KILLS', subjects: ['kills.>'] });
    const publisher = createNatsPublisher(nats, { subject: 'kills', mostPending: 256, confirmMs: 1000 });
    const seen: number[] = [];
    const consumer = await createNatsConsumer(
      nats, { stream: 'KILLS', name: 'kills', ackWaitMs: 1000, mostInFlight: 64 }, (message) => {
        if (message.bytes.length !== 0) seen.push(Number(message.text()));
      },
    );
    let isEnding = false;
    let next = 0;
    let mostPending = 0;
    const publish = (): void => {
      for (let i = 0; i < 32 && !isEnding && publisher.publish(`${next}`, { key: `${next % 50}` }) === 0; i++) next++;
      mostPending = Math.max(mostPending, publisher.status().pending);
      if (!isEnding) setTimeout(publish, 1);
    };
    publish();
    for (let kill = 0; kill < KILLS; kill++) {
      const before = publisher.status().confirmed;
      await until(() => publisher.status().confirmed > before + 200 && seen.length > 0);
      await broker.kill();
      await until(() => !nats.isOnline && publisher.publish('', { key: 'full' }) === BACK_PRESSURED);
      await broker.start();
      await until(() => nats.isOnline);
    }
    isEnding = true;
    await publisher.flushed();
    await until(() => new Set(seen).size === next);
    expect(mostPending).toBeLessThanOrEqual(256);
    expect(publisher.status()).toMatchObject({ dropped: 0, pending: 0 });
    expect(nats.status().reconnects).toBeGreaterThanOrEqual(KILLS);
    await consumer.drain();
  });

  where(isStress)('goes on after it was cut off for 10 s', { timeout: 120_000 }, async () => {
    await using broker = await Broker.start();
    await using nats = await openNats(runtime, { servers: broker.url, pingMs: 500, reconnectMs: 50 });
    await ensureStream(nats, { name: 'CUT', subjects: ['cut.>'] });
    const publisher = createNatsPublisher(nats, { subject: 'cut', mostPending: 100, confirmMs: 1000 });
    const seen = new Set<string>();
    await createNatsConsumer(nats, { stream: 'CUT', name: 'cut', ackWaitMs: 2000 }, (message) => {
      seen.add(message.text());
    });
    for (let i = 0; i < 50; i++) publisher.publish(`${i}`, { key: `${i}` });
    await publisher.flushed();
    broker.freeze();
    for (let i = 50; i < 150; i++) expect(publisher.publish(`${i}`, { key: `${i}` })).toBe(0);
    expect(publisher.publish('150')).toBe(BACK_PRESSURED);
    await pause(10_000);
    broker.thaw();
    await publisher.flushed();
    await until(() => seen.size === 150);
    expect(publisher.status()).toMatchObject({ pending: 0, dropped: 0 });
  });
});

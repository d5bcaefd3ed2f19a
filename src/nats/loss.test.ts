/**
 * What others delete at the broker, what steps answer that they should not, and messages without an identifier: nothing
 * that was confirmed is lost.
 */
import { connect, headers as natsHeaders, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node';
import { jetstream, jetstreamManager, type JetStreamClient, type JetStreamManager } from '@nats-io/jetstream';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { BACK_PRESSURED, createRuntime, PercoreError, TOO_LARGE, type Runtime } from '../index.js';
import { createNatsConsumer, createNatsPublisher, ensureStream, joinOwners, openNats, type Nats } from './index.js';
import { Broker, NATS_SERVER, pause, until } from './fixtures/broker.js';

const IDLE = new URL('./fixtures/idle-reactor.js', import.meta.url);

it('has a broker to be tested with: apt-get install nats-server', () => expect(NATS_SERVER).toBeDefined());

describe('nothing is lost', () => {
  let broker: Broker;
  let runtime: Runtime;
  let nats: Nats;
  /** Another program. */
  let other: {
    connection: NatsConnection; manager: JetStreamManager; streams: JetStreamClient; close(): Promise<void>;
  };
  const errors: string[] = [];
  const warnings: string[] = [];
  const aside: Runtime[] = [];
  const createRuntimeAside = async (): Promise<Runtime> => {
    const made = await createRuntime({ entry: IDLE, reactors: 1 });
    aside.push(made);
    return made;
  };
  const onWarning = ({ message }: Error): void => void warnings.push(message);
  beforeAll(async () => {
    process.on('warning', onWarning);
    broker = await Broker.start();
    const connection = await connect({ servers: broker.url });
    other = {
      connection, manager: await jetstreamManager(connection), streams: jetstream(connection),
      close: () => connection.close(),
    };
  });
  beforeEach(async () => {
    errors.length = warnings.length = 0;
    runtime = await createRuntime({ entry: IDLE, reactors: 1 });
    runtime.on('stepError', ({ error }) => void errors.push(error.message));
    nats = await openNats(runtime, { servers: broker.url });
  });
  afterEach(async () => {
    await nats?.close({ timeoutMs: 1000 });
    await runtime?.close();
    for (const made of aside.splice(0)) await made.close();
  });
  afterAll(async () => {
    process.off('warning', onWarning);
    await other?.close();
    await broker?.[Symbol.asyncDispose]();
  });

  it('amid joining owners whose connection is closed: a named error', async () => {
    await ensureStream(nats, { name: 'LEFT', subjects: ['left.>'] });
    for (let turns = 0; turns < 12; turns++) {
      const short = await openNats(await createRuntimeAside(), { servers: broker.url });
      const joining = joinOwners(short, { name: 'left', stream: 'LEFT', subject: 'left', ranges: 4 }, () => undefined)
        .then(() => undefined, (error: Error) => error);
      // One more answer of the broker each time.
      for (let answers = 0; answers < turns; answers++) await other.manager.streams.info('LEFT');
      await short.close({ timeoutMs: 1 });
      const error = await joining;
      if (error !== undefined) expect(error).toBeInstanceOf(PercoreError);
    }
  });

  it('where a message has no identifier, by the recipe for results', async () => {
    await ensureStream(nats, { name: 'BARE', subjects: ['bare'] });
    await ensureStream(nats, { name: 'BARE-RESULTS', subjects: ['bare-results'] });
    for (let i = 0; i < 10; i++) await other.streams.publish('bare', `${i}`);
    const results = createNatsPublisher(nats, { subject: 'bare-results' });
    const ids = new Map<string, string>();
    const read = (name: string): Promise<unknown> => createNatsConsumer(nats, { stream: 'BARE', name }, (message) => {
      ids.set(`${name} ${message.text()}`, message.id);
      return results.stored(message.text(), { id: `${message.id}-result` });
    });
    await read('first');
    await until(() => results.status().confirmed === 10);
    await read('again');
    await until(() => results.status().confirmed === 20);
    const { state } = await other.manager.streams.info('BARE-RESULTS');
    expect(state.messages).toBe(10);
    expect(results.status().duplicates).toBe(10);
    for (let i = 0; i < 10; i++) expect(ids.get(`first ${i}`)).toBe(ids.get(`again ${i}`));
    // One that is made anew counts from 1 again.
    await other.manager.streams.delete('BARE');
    await ensureStream(nats, { name: 'BARE', subjects: ['bare'] });
    await other.streams.publish('bare', 'after');
    await until(async () => (await other.manager.streams.info('BARE-RESULTS')).state.messages === 11);
  });

  it('by an asynchronous step that answers that it could not hand its message on', async () => {
    await ensureStream(nats, { name: 'LATE', subjects: ['late'] });
    const publisher = createNatsPublisher(nats, { subject: 'late' });
    for (const text of ['wait', 'large', 'good']) await publisher.stored(text);
    const seen: string[] = [];
    const step = async (text: string): Promise<number | undefined> => {
      await pause(1);
      seen.push(text);
      if (text === 'large') return TOO_LARGE;
      return text === 'wait' && seen.length < 3 ? BACK_PRESSURED : undefined;
    };
    const consumer = await createNatsConsumer(
      nats, { stream: 'LATE', name: 'late', tries: 2 }, (message) => step(message.text()) as Promise<void>,
    );
    await until(() => seen.includes('good') && consumer.status().inFlight === 0);
    expect(seen).toEqual(['wait', 'wait', 'wait', 'large', 'large', 'good']);
    expect(consumer.status()).toMatchObject({ acknowledged: 2, failed: 2, givenUp: 1 });
    expect(errors).toContain('a step answered TOO_LARGE');
  });

  it('by a step that answers something odd, after which the others go on', async () => {
    await ensureStream(nats, { name: 'ODD', subjects: ['odd'] });
    const publisher = createNatsPublisher(nats, { subject: 'odd' });
    // oxlint-disable-next-line unicorn/no-thenable -- lies are what is tested
    const throwing = Object.defineProperty({}, 'then', { get: () => { throw new Error('no then'); } });
    const answers: unknown[] = [
      null, 'text', {}, Number.NaN, [], throwing, undefined,
    ];
    for (const number of answers.keys()) await publisher.stored(`${number}`);
    const consumer = await createNatsConsumer(
      nats, { stream: 'ODD', name: 'odd', tries: 2 }, (message) => answers[Number(message.text())] as undefined,
    );
    await until(() => consumer.status().acknowledged === 6 && consumer.status().inFlight === 0);
    expect(consumer.status()).toMatchObject({ failed: 2, givenUp: 1 });
    expect(new Set(errors)).toEqual(new Set(['no then']));
  });

  it.each(['all', 'new'] as const)('when its consumer is deleted, which begins with what is %s', async (from) => {
    const name = `GONE-${from}`;
    await ensureStream(nats, { name, subjects: [`gone-${from}`] });
    const publisher = createNatsPublisher(nats, { subject: `gone-${from}` });
    if (from === 'new') await publisher.stored('before');
    const seen: string[] = [];
    await createNatsConsumer(nats, { stream: name, name: 'reader', from }, (message) => void seen.push(message.text()));
    // It has had nothing yet.
    await other.manager.consumers.delete(name, 'reader');
    await publisher.stored('first');
    await until(() => seen.length === 1);
    await other.manager.consumers.delete(name, 'reader');
    await publisher.stored('second');
    await until(() => seen.length === 2);
    expect(seen).toEqual(['first', 'second']);
  });

  it('when its consumer is deleted while an earlier message than the last is under way', async () => {
    await ensureStream(nats, { name: 'EARLIER', subjects: ['earlier'] });
    const publisher = createNatsPublisher(nats, { subject: 'earlier' });
    for (let i = 0; i < 4; i++) await publisher.stored(`${i}`);
    const done: string[] = [];
    const options = { stream: 'EARLIER', name: 'reader', concurrency: 4, ackWaitMs: 1000 };
    const consumer = await createNatsConsumer(nats, options, (message) =>
      (message.text() === '1' ? new Promise<void>(() => undefined) : void done.push(message.text())));
    await until(() => done.length === 3);
    await other.manager.consumers.delete('EARLIER', 'reader');
    await until(() => errors.some((message) => message.includes('made anew')));
    // It gives out again what this reader has not done, in case that dies with it.
    await until(async () => {
      const place = await other.manager.consumers.info('EARLIER', 'reader').catch(() => undefined);
      return place !== undefined && place.num_ack_pending >= 1;
    });
    consumer.close();
    const next: string[] = [];
    await createNatsConsumer(nats, options, (message) => void next.push(message.text()));
    await until(() => next.includes('1'));
    expect(done).toEqual(['0', '2', '3']);
  });

  it('when a stream is made anew whose numbers are those of messages under way', async () => {
    const options = { name: 'ANEW', subjects: ['anew'] };
    await ensureStream(nats, options);
    const publisher = createNatsPublisher(nats, { subject: 'anew' });
    await publisher.stored('old');
    let goOn = (): void => undefined;
    const mayGoOn = new Promise<void>((resolve) => (goOn = resolve));
    const seen: string[] = [];
    const consumer = await createNatsConsumer(nats, { stream: 'ANEW', name: 'anew', concurrency: 2 }, (message) => {
      seen.push(message.text());
      return message.text() === 'old' ? mayGoOn : undefined;
    });
    await until(() => seen.length === 1);
    await other.manager.streams.delete('ANEW');
    await until(() => errors.some((message) => message.includes('made anew')));
    await ensureStream(nats, options);
    await publisher.stored('new');
    await until(() => seen.length === 2);
    expect(seen).toEqual(['old', 'new']);
    goOn();
    await until(() => consumer.status().inFlight === 0);
    expect(consumer.status().acknowledged).toBe(2);
  });

  it('when a consumer is closed, and nobody is told that messages were dropped, which the broker gives out again',
    async () => {
      await ensureStream(nats, { name: 'CLOSES', subjects: ['closes'] });
      const publisher = createNatsPublisher(nats, { subject: 'closes' });
      for (let i = 0; i < 5; i++) await publisher.stored(`${i}`);
      const consumer = await createNatsConsumer(
        nats, { stream: 'CLOSES', name: 'closes', ackWaitMs: 1000 }, () => new Promise<void>(() => undefined),
      );
      await until(() => consumer.status().inFlight === 5);
      consumer.close();
      const seen: string[] = [];
      const again = { stream: 'CLOSES', name: 'closes', ackWaitMs: 1000 };
      await createNatsConsumer(nats, again, (message) => void seen.push(message.text()));
      await until(() => new Set(seen).size === 5);
      expect([warnings, runtime.status().main?.dropped ?? 0]).toEqual([[], 0]);
    });

  it('where somebody who is no stream answers its messages: they are sent until the stream has them', async () => {
    const publisher = createNatsPublisher(nats, { subject: 'answered', confirmMs: 200 });
    const answers = ['ok, thanks', '{"ok":true}', 'null', '{"stream":"ANSWERED","seq":"1"}', '{"error":"no"}'];
    const services = answers.map((answer) =>
      other.connection.subscribe('answered', { callback: (_, message) => void message.respond(answer) }));
    await other.connection.flush();
    publisher.publish('first');
    await until(() => errors.some((message) => message.includes('somebody who is no stream answers')));
    expect(publisher.status()).toMatchObject({ confirmed: 0, pending: 1 });
    await ensureStream(nats, { name: 'ANSWERED', subjects: ['answered'] });
    await publisher.stored('second');
    for (const service of services) service.unsubscribe();
    expect((await other.manager.streams.info('ANSWERED')).state.messages).toBe(2);
    expect(publisher.status()).toMatchObject({ confirmed: 2, pending: 0 });
  });

  it('behind a message that the broker never takes: that one is given up by name', async () => {
    await ensureStream(nats, { name: 'NEVER', subjects: ['never.>'] });
    const publisher = createNatsPublisher(nats, { subject: 'never' });
    const odd = ([
      { long: 'x'.repeat(70_000) }, { 'Nats-Expected-Stream': 'OTHER' }, { 'Nats-Expected-Last-Sequence': '77' },
      { 'Nats-Expected-Last-Msg-Id': 'none' }, { 'Nats-Expected-Last-Subject-Sequence': '5' }, { 'Nats-Rollup': 'sub' },
    ] as Record<string, string>[]).map((headers) => publisher.stored('x', { below: 'odd', headers }));
    const good = publisher.stored('x', { below: 'good' });
    for (const each of odd) await expect(each).rejects.toMatchObject({ code: 'ERR_PERCORE_BROKER_REFUSED' });
    await good;
    expect(publisher.status()).toMatchObject({ pending: 0, confirmed: 1, dropped: 6 });
  });

  it('where another program gives identifiers that no result can have', async () => {
    await ensureStream(nats, { name: 'STRANGE', subjects: ['strange'] });
    await ensureStream(nats, { name: 'STRANGE-RESULTS', subjects: ['strange-results'] });
    const given = ['order 7', 'x'.repeat(128), '\u00fcn\u00ef', 'plain'];
    for (const id of given) await other.streams.publish('strange', id, { msgID: id });
    const results = createNatsPublisher(nats, { subject: 'strange-results' });
    const ids: string[] = [];
    for (const name of ['first', 'again']) {
      const consumer = await createNatsConsumer(nats, { stream: 'STRANGE', name, tries: 1 }, (message) => {
        ids.push(message.id);
        return results.stored(message.text(), { id: `${message.id}-result` });
      });
      await until(() => consumer.status().acknowledged === given.length);
    }
    expect(ids.slice(0, 4)).toEqual(ids.slice(4));
    expect([new Set(ids).size, ids[3]]).toEqual([4, 'plain']);
    expect((await other.manager.streams.info('STRANGE-RESULTS')).state.messages).toBe(4);
  });

  it('by a consumer that is there already and is another than the one that is asked for', async () => {
    await ensureStream(nats, { name: 'KNOWN', subjects: ['known.>'] });
    const add = (durable_name: string, config: object): Promise<unknown> =>
      other.manager.consumers.add('KNOWN', { durable_name, ...config } as never);
    await add('none', { ack_policy: 'none' });
    await add('all', { ack_policy: 'all' });
    await add('pushed', { ack_policy: 'explicit', deliver_subject: 'pushed' });
    await add('europe', { ack_policy: 'explicit', filter_subject: 'known.eu' });
    for (const name of ['none', 'all', 'pushed', 'europe']) {
      await expect(createNatsConsumer(nats, { stream: 'KNOWN', name, subject: 'known.us' }, () => undefined))
        .rejects.toMatchObject({ code: 'ERR_PERCORE_BROKER_REFUSED', argument: 'name', value: name });
    }
    await expect(createNatsConsumer(nats, { stream: 'KNOWN', name: 'europe' }, () => undefined))
      .rejects.toThrow('which reads known.eu, and not as it is asked here. Choose another name');
    // Its bounds follow the options, as those of a stream do.
    for (const isOnlyReader of [false, true]) {
      const options = { stream: 'KNOWN', name: 'europe', subject: 'known.eu', mostInFlight: isOnlyReader ? 3 : 2 };
      const consumer = await createNatsConsumer(nats, { ...options, ackWaitMs: 7000, isOnlyReader }, () => undefined);
      const { config } = await other.manager.consumers.info('KNOWN', 'europe');
      expect([config.max_ack_pending, config.ack_wait]).toEqual([options.mostInFlight, 7e9]);
      consumer.close();
    }
  });

  it('without saying so, when a publisher is closed before all is confirmed', async () => {
    await using frozen = await Broker.start();
    const far = await openNats(await createRuntimeAside(), { servers: frozen.url });
    await ensureStream(far, { name: 'FLUSHED', subjects: ['flushed'] });
    const publisher = createNatsPublisher(far, { subject: 'flushed' });
    await publisher.stored('first');
    await publisher.flushed();
    frozen.freeze();
    // What it had begun to answer has come by then.
    await pause(100);
    publisher.publish('second');
    const flushed = publisher.flushed();
    publisher.close();
    await expect(flushed).rejects.toMatchObject({ code: 'ERR_PERCORE_CLOSED' });
    expect(publisher.status()).toMatchObject({ confirmed: 1, dropped: 1 });
    frozen.thaw();
    await far.close({ timeoutMs: 100 });
  });

  it('when entries of the table of owners are deleted, or overwritten by something else', async () => {
    await ensureStream(nats, { name: 'ENTRIES', subjects: ['entries.>'] });
    const publisher = createNatsPublisher(nats, { subject: 'entries', ranges: 4 });
    const seen: number[] = [];
    const epochs = new Map<number, number>();
    const join = (through: Nats): ReturnType<typeof joinOwners> => joinOwners(
      through, { name: 'entries', stream: 'ENTRIES', subject: 'entries', ranges: 4, leaseMs: 1500 },
      (message, { range, epoch }) => {
        seen.push(Number(message.text()));
        epochs.set(range, epoch);
      },
    );
    let next = 0;
    const publish = async (): Promise<void> => {
      for (let i = 0; i < 20; i++) await publisher.stored(`${next++}`, { bucket: (i * 101) % 1024 });
      await until(() => new Set(seen).size === next);
    };
    const spoil = async (): Promise<void> => {
      const put = (key: string, text: string, headers?: MsgHdrs): Promise<unknown> =>
        other.streams.publish(`$KV.entries-owners.${key}`, text, headers === undefined ? {} : { headers });
      const deleted = natsHeaders();
      deleted.set('KV-Operation', 'DEL');
      await put('range.0', 'garbage');
      await put('range.1', '{"owner":7}');
      await put('range.2', '', deleted);
      await put('range.77', 'no range');
      await put('range.x', 'no range');
    };
    const first = await join(nats);
    await until(() => first.status().ranges.length === 4);
    await publish();
    await spoil();
    await until(() => first.status().lost === 3 && first.status().ranges.length === 4);
    expect(errors.join()).toContain('of "entries" was deleted in the table, or overwritten by something else');
    await publish();
    for (const range of [0, 1, 2]) expect(epochs.get(range)).toBeGreaterThan(1000);
    // Also where nobody lives who knows what was there.
    await first.leave();
    await spoil();
    const before = new Map(epochs);
    const second = await join(await openNats(await createRuntimeAside(), { servers: broker.url }));
    await until(() => second.status().ranges.length === 4);
    await publish();
    expect(seen.length).toBe(next);
    for (const [range, epoch] of before) expect(epochs.get(range)).toBeGreaterThan(epoch);
    await second.leave();
    await other.streams.publish('$KV.entries-owners.ranges', 'garbage');
    await expect(join(nats)).rejects.toThrow('does not say how many ranges there are');
  });

  it('by a table of owners that keeps all who were ever there', async () => {
    await ensureStream(nats, { name: 'MANY', subjects: ['many.>'] });
    const join = async (): Promise<{ through: Nats; leave(): Promise<void> }> => {
      const through = await openNats(await createRuntimeAside(), { servers: broker.url });
      const owners = await joinOwners(
        through, { name: 'many', stream: 'MANY', subject: 'many', ranges: 2, leaseMs: 500 }, () => undefined,
      );
      return { through, leave: () => owners.leave() };
    };
    for (let i = 0; i < 3; i++) await (await join()).leave();
    // As if it had died: it says nothing more, and has taken nothing back.
    for (let i = 0; i < 3; i++) await (await join()).through.close({ timeoutMs: 1 });
    await join();
    const machines = async (): Promise<string[]> => {
      const { state } = await other.manager.streams.info('KV_many-owners', { subjects_filter: '>' });
      return Object.keys(state.subjects ?? {}).filter((subject) => subject.includes('.machine.'));
    };
    await until(async () => (await machines()).length === 1);
  });

  it('when the table of owners is deleted: it is made anew, and its epochs grow', async () => {
    await ensureStream(nats, { name: 'OWNED', subjects: ['owned.>'] });
    const second = await createRuntime({ entry: IDLE, reactors: 1 });
    second.on('stepError', ({ error }) => void errors.push(error.message));
    const farther = await openNats(second, { servers: broker.url });
    const publisher = createNatsPublisher(nats, { subject: 'owned', ranges: 4 });
    const epochs = new Map<number, number[]>();
    const seen: number[] = [];
    const join = (through: Nats): ReturnType<typeof joinOwners> => joinOwners(
      through, { name: 'table', stream: 'OWNED', subject: 'owned', ranges: 4, leaseMs: 2500 },
      (message, { range, epoch }) => {
        seen.push(Number(message.text()));
        epochs.set(range, [...epochs.get(range) ?? [], epoch]);
      },
    );
    try {
      const owners = [await join(nats), await join(farther)] as const;
      const isSettled = (): boolean =>
        owners.every((each) => each.status().isAlive && each.status().ranges.length === 2 && each.status().free === 0);
      let next = 0;
      const publish = async (): Promise<void> => {
        for (let i = 0; i < 40; i++) await publisher.stored(`${next++}`, { bucket: (i * 37) % 1024 });
      };
      await until(isSettled);
      await publish();
      await until(() => new Set(seen).size === next);
      await other.manager.streams.delete('KV_table-owners');
      await publish();
      await until(() => errors.some((message) => message.includes('the table of owners of "table" was deleted')));
      await until(isSettled);
      await publish();
      await until(() => new Set(seen).size === next);
      for (const of of epochs.values()) expect(of).toEqual(of.toSorted((a, b) => a - b));
      // Nobody reads by two consumers.
      await until(async () => (await other.manager.consumers.list('OWNED').next()).length === 4);
      await Promise.all(owners.map((each) => each.leave()));
    } finally {
      await farther.close({ timeoutMs: 1000 });
      await second.close();
    }
  });
});

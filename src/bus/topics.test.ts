import { describe, expect, it } from 'vitest';
import { AGAIN, BACK_PRESSURED, CLOSED, OK, TOO_LARGE, bytes, struct } from '../queues/index.js';
import { createTopic, subscribe, subscribeBytes, topicsOf, type TopicInfo } from './index.js';
import type { ByteRecord } from '../reactor/index.js';
import { errorOf, inside, until, withRuntime } from './fixtures/inside.js';

describe('a topic', () => {
  it('reaches each subscriber of a thread, whatever those before it throw, answer or leave', async () => {
    await withRuntime(1, {}, async (runtime) => {
      const errors: string[] = [];
      runtime.on('stepError', ({ error }) => errors.push(error.message));
      const add = (then?: (n: number, times: number) => number | void) => {
        const heard: number[] = [];
        const subscription = subscribe(runtime, 'n', {}, (value) => {
          const n = value as number;
          heard.push(n);
          return then?.(n, heard.filter((each) => each === n).length);
        });
        return { heard, subscription };
      };
      const throwing = add((n) => {
        if (n === 1) throw new Error('planted');
      });
      const again = add((n, times) => (n === 2 && times === 1 ? AGAIN : OK));
      const leaving = add((n) => {
        if (n !== 3) return;
        left.subscription.leave();
        leaving.subscription.leave();
      });
      const left = add();
      const last = add();
      const topic = createTopic(runtime, { name: 'n' });
      for (let n = 0; n < 6; n++) expect(topic.publish(n)).toBe(OK);
      await until(() => last.heard.length === 6 && again.heard.length === 7, 'all were handed on');
      expect(throwing.heard).toEqual([0, 1, 2, 3, 4, 5]);
      expect(again.heard).toEqual([0, 1, 2, 2, 3, 4, 5]);
      expect(leaving.heard).toEqual([0, 1, 2, 3]);
      expect(left.heard).toEqual([0, 1, 2]);
      expect(last.heard).toEqual([0, 1, 2, 3, 4, 5]);
      const received = [throwing, again, leaving, left, last].map(({ subscription }) => subscription.status().received);
      expect(received).toEqual([6, 6, 4, 3, 6]);
      await until(() => errors.length === 1, 'what was thrown is reported');
      expect(errors).toEqual(['planted']);
    });
  });

  it('reaches subscribers in every reactor and on the main thread, from every party', async () => {
    await withRuntime(2, {}, async (runtime) => {
      const heard: [unknown, string, number][] = [];
      subscribe(runtime, 'news', {}, (value, { topic, from }) => void heard.push([value, topic, from]));
      for (const id of [0, 1]) {
        await inside(runtime, id, (reactor, _argument, { bus, state }) => {
          state['heard'] = [];
          state['topic'] = bus.createTopic(reactor, { name: 'news' });
          bus.subscribe(reactor, 'news', {}, (value, { from }) => void state['heard'].push([value, from]));
        });
      }
      const news = createTopic(runtime, { name: 'news' });
      expect(topicsOf(runtime).topics[0]).toMatchObject({ name: 'news', subscribers: [0, 1, 2] });
      expect(news.publish({ by: 'main' })).toBe(OK);
      for (const id of [0, 1]) {
        expect(await inside(runtime, id, (_reactor, by, { state }) => state['topic'].publish({ by }), id)).toBe(OK);
      }
      const all = [[{ by: 'main' }, 2], [{ by: 0 }, 0], [{ by: 1 }, 1]];
      await until(() => heard.length === 3, 'all heard on the main thread');
      expect(heard).toEqual(expect.arrayContaining(all.map(([value, from]) => [value, 'news', from])));
      for (const id of [0, 1]) {
        await until(async () => (await inside(runtime, id, (_r, _a, { state }) => state['heard'].length)) === 3, 'all');
        expect(await inside(runtime, id, (_r, _a, { state }) => state['heard'])).toEqual(expect.arrayContaining(all));
      }
    });
  });

  it('crosses to a thread once, and the subscribers there share one object', async () => {
    await withRuntime(1, {}, async (runtime) => {
      await inside(runtime, 0, (reactor, _argument, { bus, state }) => {
        state['heard'] = [];
        for (const pattern of ['a', 'a*', '*', 'b']) {
          bus.subscribe(reactor, pattern, {}, (value) => void state['heard'].push(value));
        }
      });
      const topic = createTopic(runtime, { name: 'a' });
      topic.publish({ n: 0 });
      await until(async () => (await inside(runtime, 0, (_r, _a, { state }) => state['heard'].length)) === 3, 'heard');
      const before = runtime.status().main.sent;
      topic.publish({ n: 1 });
      expect(runtime.status().main.sent - before, 'one record for three subscribers').toBe(1);
      await until(async () => (await inside(runtime, 0, (_r, _a, { state }) => state['heard'].length)) === 6, 'heard');
      expect(
        await inside(runtime, 0, (reactor, _argument, { bus, state }) => {
          const [one, two, three] = state['heard'].slice(3);
          const { delivered, subscriptions } = bus.topicsOf(reactor);
          return [one === two && two === three, delivered, subscriptions.map(({ received }) => received)];
        }),
      ).toEqual([true, 2, [2, 2, 2, 0]]);
    });
  });

  it('matches by a star every name that begins in this way, also one that is made later', async () => {
    await withRuntime(1, {}, async (runtime) => {
      const heard: string[] = [];
      const hear = (_value: unknown, { topic }: TopicInfo): void => void heard.push(topic);
      subscribe(runtime, 'prices.*', {}, hear);
      for (const name of ['prices.eur', 'prices.', 'price', 'prices', 'other.prices.eur']) {
        createTopic(runtime, { name }).publish(1);
      }
      subscribe(runtime, 'end', {}, hear);
      createTopic(runtime, { name: 'end' }).publish(1);
      await until(() => heard.includes('end'), 'the last');
      expect(heard).toEqual(['prices.eur', 'prices.', 'end']);
    });
  });

  it('carries bytes and structs, which are read in place, and copied if a subscriber has to wait', async () => {
    await withRuntime(1, {}, async (runtime) => {
      const order = struct({ price: 'f64', size: 'u32' });
      const values: unknown[] = [];
      const inPlace: unknown[] = [];
      const later: unknown[] = [];
      subscribe(runtime, '*', {}, (value) => void values.push(value));
      const ends: (() => void)[] = [];
      const read = ({ bytes: memory, view, offset, length }: ByteRecord, info: TopicInfo): unknown => {
        if (info.topic === 'raw') return [...memory.subarray(offset, offset + length)];
        return { price: view.getFloat64(offset, true), size: view.getUint32(offset + 8, true) };
      };
      subscribeBytes(runtime, '*', {}, (record, info) => void inPlace.push(read(record, info)));
      // The second and third message wait until the first handler has ended.
      const slow = subscribeBytes(runtime, '*', { concurrency: 1 }, async (record, info) => {
        later.push(read(record, info));
        if (later.length === 1) await new Promise<void>((resolve) => ends.push(resolve));
      });
      const orders = createTopic(runtime, { name: 'orders', codec: order });
      const raw = createTopic(runtime, { name: 'raw', codec: bytes });
      const all = [{ price: 1.5, size: 3 }, { price: 2.5, size: 4 }, [7, 8, 9]];
      orders.publish({ price: 1.5, size: 3 });
      orders.publish({ price: 2.5, size: 4 });
      raw.publish(Uint8Array.of(7, 8, 9));
      await until(() => values.length === 3, 'all values');
      expect(values).toEqual([all[0], all[1], Uint8Array.of(7, 8, 9)]);
      expect(inPlace).toEqual(all);
      expect([later, slow.status().lag]).toEqual([all.slice(0, 1), 2]);
      // What was read in place is overwritten by then.
      for (let i = 0; i < 20_000; i++) if (orders.publish({ price: i, size: i }) !== OK) break;
      ends.forEach((end) => end());
      await until(() => later.length > 3, 'those that waited');
      expect(later.slice(0, 3)).toEqual(all);
    });
  });

  it('can be written in place, for all threads, retained or not', async () => {
    await withRuntime(1, {}, async (runtime) => {
      for (const retain of [false, true]) {
        const name = `place.${retain}`;
        const quote = struct({ bid: 'f64', ask: 'f64' });
        const topic = createTopic(runtime, { name, codec: quote, retain });
        const write = (bid: number): number => {
          const at = topic.tryClaim(quote.recordBytes);
          if (at < 0) return at;
          topic.view.setFloat64(at, bid, true);
          topic.view.setFloat64(at + 8, bid + 1, true);
          topic.commit(quote.recordBytes);
          return OK;
        };
        expect(write(0), 'without subscribers').toBe(OK);
        const heard: unknown[] = [];
        await subscribe(runtime, name, {}, (value) => void heard.push(value)).ready;
        await inside(runtime, 0, (reactor, topicName, { bus, state }) => {
          state['heard'] = [];
          bus.subscribe(reactor, topicName, {}, (value) => void state['heard'].push(value));
        }, name);
        expect(write(1)).toBe(OK);
        expect(topic.tryClaim(16)).toBeGreaterThanOrEqual(0);
        topic.abort();
        expect(write(2)).toBe(OK);
        const all = [0, 1, 2].slice(retain ? 0 : 1).map((bid) => ({ bid, ask: bid + 1 }));
        await until(() => heard.length === all.length, 'all');
        expect(heard).toEqual(all);
        const there = () => inside(runtime, 0, (_r, _a, { state }) => state['heard']);
        await until(async () => (await there()).length >= 2, 'all there');
        expect((await there()).slice(-2)).toEqual(all.slice(-2));
        expect(topicsOf(runtime).topics.at(-1)).toMatchObject({ name, published: 3, refused: 0 });
        expect((await errorOf(() => topic.commit(1))).code).toBe('ERR_PERCORE_CLAIM');
        expect(topic.tryClaim(16)).toBeGreaterThanOrEqual(0);
        expect(await errorOf(() => topic.commit(8))).toMatchObject({
          code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'length', allowed: expect.stringContaining('at least 16'),
        });
        expect(topic.tryClaim(topic.maxBytes + 1), 'replaces the claim before it, and is none').toBe(TOO_LARGE);
        expect((await errorOf(() => topic.commit(16))).code).toBe('ERR_PERCORE_CLAIM');
        expect(topic.tryClaim(topic.maxBytes + 1)).toBe(TOO_LARGE);
      }
      expect((await errorOf(() => createTopic(runtime, { name: 'v' }).tryClaim(8))).code)
        .toBe('ERR_PERCORE_INVALID_ARGUMENT');
    });
  });

  it('costs nothing if nobody subscribes, and says so', async () => {
    await withRuntime(1, {}, async (runtime) => {
      const topic = createTopic(runtime, { name: 'nobody' });
      expect([topic.publish(1), topic.publish(2)]).toEqual([OK, OK]);
      expect(topicsOf(runtime).topics).toEqual([
        { name: 'nobody', priority: 3, retain: false, published: 2, refused: 0, subscribers: [] },
      ]);
      expect(runtime.status().main.sent).toBe(0);
      expect(await inside(runtime, 0, (reactor, _argument, { bus }) => bus.topicsOf(reactor)))
        .toEqual({ topics: [], subscriptions: [], delivered: 0, unwanted: 0, unknown: 0 });
    });
  });

  it('is refused for all if one lane is full, and then nobody has the message', async () => {
    await withRuntime(2, { laneBytes: 4096 }, async (runtime) => {
      await inside(runtime, 0, (reactor, _argument, { bus, state }) => {
        state['count'] = 0;
        bus.subscribe(reactor, 'flood', {}, () => void state['count']++);
      });
      await inside(runtime, 1, (reactor, _argument, { bus, state }) => {
        state['count'] = 0;
        state['gate'] = new Promise<void>((resolve) => (state['open'] = resolve));
        bus.subscribe(reactor, 'flood', { capacity: 2, concurrency: 1 }, () => (state['count']++, state['gate']));
      });
      const flood = createTopic(runtime, { name: 'flood', codec: bytes });
      const message = new Uint8Array(100);
      let taken = 0;
      const counts = () => Promise.all([0, 1].map((id) => inside(runtime, id, (_r, _a, { state }) => state['count'])));
      // Until it stays full although the other reactor has read all and this one what it takes.
      for (let full = 0, before = 0; full < 5; full = taken === before ? full + 1 : 0) {
        before = taken;
        while (flood.publish(message) === OK) taken++;
        runtime.flush();
        await until(async () => (await counts())[0] >= taken, 'the fast one has what was taken');
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      expect(flood.publish(message)).toBe(BACK_PRESSURED);
      expect(await counts(), 'the fast one has exactly what was taken').toEqual([taken, 1]);
      let hasRoom = false;
      flood.whenRoom(() => (hasRoom = true));
      await inside(runtime, 1, (_reactor, _argument, { state }) => state['open']());
      await until(() => hasRoom, 'room');
      expect(flood.publish(message)).toBe(OK);
      runtime.flush();
      await until(async () => (await counts()).every((count) => count === taken + 1), 'both have all');
    });
  });

  it('answers TOO_LARGE to what no lane takes, and CLOSED when it or the runtime is closed', async () => {
    const left = await withRuntime(1, { laneBytes: 4096 }, async (runtime) => {
      subscribe(runtime, 'big', {}, () => undefined);
      const big = createTopic(runtime, { name: 'big', codec: bytes });
      expect([big.publish(new Uint8Array(1900)), big.publish(new Uint8Array(2100))]).toEqual([OK, TOO_LARGE]);
      const other = createTopic(runtime, { name: 'other' });
      other.close();
      expect(other.publish(1)).toBe(CLOSED);
      createTopic(runtime, { name: 'other' });
      return big;
    });
    expect(left.publish(new Uint8Array(1))).toBe(CLOSED);
  });

  it('sends nothing to a subscriber after its leave(), also if that was called by its handler', async () => {
    await withRuntime(1, {}, async (runtime) => {
      let count = 0;
      const once = subscribe(runtime, 'ticks', {}, () => {
        count++;
        once.leave();
      });
      let all = 0;
      subscribe(runtime, 'ticks', {}, () => void all++);
      const ticks = createTopic(runtime, { name: 'ticks' });
      for (let i = 0; i < 100; i++) ticks.publish(i);
      await until(() => all === 100, 'all');
      expect([count, once.status().isOver, await once.ended]).toEqual([1, true, CLOSED]);
    });
  });

  it('costs a handler that throws only that message', async () => {
    await withRuntime(1, {}, async (runtime) => {
      const errors: string[] = [];
      runtime.on('stepError', ({ error, where }) => void errors.push(`${where}: ${error.message}`));
      const heard: unknown[] = [];
      subscribe(runtime, 'a', {}, (value) => {
        if (value === 1) throw new Error('one');
        heard.push(value);
      });
      subscribe(runtime, 'a', {}, (value) => void heard.push(value));
      const topic = createTopic(runtime, { name: 'a' });
      for (const value of [0, 1, 2]) topic.publish(value);
      await until(() => heard.length === 5, 'the others');
      expect(heard).toEqual([0, 0, 1, 2, 2]);
      await until(() => errors.length === 1, 'the report');
      expect(errors).toEqual(['task "subscriber of a": one']);
    });
  });

  it('refuses bad arguments, and names them', async () => {
    await withRuntime(1, {}, async (runtime) => {
      const say = async (run: () => unknown) => {
        const { code, argument } = await errorOf(run);
        return [code, argument];
      };
      const invalid = 'ERR_PERCORE_INVALID_ARGUMENT';
      createTopic(runtime, { name: 'twice' });
      expect(await say(() => createTopic(runtime, { name: 'twice' }))).toEqual(['ERR_PERCORE_NAME_TAKEN', 'name']);
      expect(await say(() => createTopic(runtime, { name: 'a*' }))).toEqual([invalid, 'name']);
      expect(await say(() => createTopic(runtime, { name: '' }))).toEqual([invalid, 'name']);
      expect(await say(() => createTopic(runtime, { name: 'x'.repeat(257) }))).toEqual([invalid, 'name']);
      expect(await say(() => createTopic(runtime, { name: 'x', priority: 8 }))).toEqual([invalid, 'priority']);
      expect(await say(() => createTopic({} as never, { name: 'x' }))).toEqual([invalid, 'reactor']);
      const hear = (): void => undefined;
      expect(await say(() => subscribe(runtime, 'a*b', {}, hear))).toEqual([invalid, 'pattern']);
      expect(await say(() => subscribe(runtime, 'a', { whenSlow: 'block' as never }, hear))).toEqual(
        [invalid, 'whenSlow'],
      );
      expect((await errorOf(() => subscribe(runtime, 'a', { whenSlow: 'block' as never }, hear))).message).toMatch(
        /'wait', 'drop-newest', 'drop-oldest' or 'evict'/,
      );
      for (const whenSlow of [undefined, 'wait', 'drop-newest', 'drop-oldest'] as const) {
        const options = { evictAfterMs: 5, ...(whenSlow === undefined ? {} : { whenSlow }) };
        const { argument, message } = await errorOf(() => subscribe(runtime, 'a', options, hear));
        const allowed = `left out, unless whenSlow is 'evict' (it is '${whenSlow ?? 'wait'}')`;
        expect([argument, message]).toEqual(['evictAfterMs', `evictAfterMs must be ${allowed}, not 5`]);
      }
      subscribe(runtime, 'a', { whenSlow: 'evict', evictAfterMs: 5 }, hear).leave();
      for (const half of ['a\ud800', '\udc00*']) {
        expect(await say(() => subscribe(runtime, half, {}, hear))).toEqual([invalid, 'pattern']);
        expect(await say(() => createTopic(runtime, { name: half.replace('*', '') }))).toEqual([invalid, 'name']);
      }
      expect(await say(() => subscribe(runtime, 'a', { capacity: 0 }, hear))).toEqual([invalid, 'capacity']);
      expect(await say(() => subscribe(runtime, 'a', {}, undefined as never))).toEqual([invalid, 'handler']);
      const topic = createTopic(runtime, { name: 'values' });
      subscribe(runtime, 'values', {}, hear);
      expect((await say(() => topic.publish(() => 1)))[0]).toBe('ERR_PERCORE_UNSERIALIZABLE');
      expect(topic.publish(1), 'the next one goes').toBe(OK);
    });
  });
});

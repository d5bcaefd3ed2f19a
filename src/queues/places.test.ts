import { describe, expect, it } from 'vitest';
import { drained, eight, errorOf } from './fixtures/helpers.js';
import { Other } from './fixtures/party.js';
import { BACK_PRESSURED, EMPTY, OK, create, inspect, pub, sub } from './index.js';

const spmc = (maxConsumers = 3, capacity = 4) => create({ kind: 'spmc', capacity, recordBytes: 8, maxConsumers });

describe('an end for which there is no place', () => {
  it('as a second producer of this thread is told so', () => {
    const queue = spmc();
    pub(queue);
    const message =
      'the only place for a producer is taken by this thread. Use that producer, or call its leave() first';
    expect(errorOf(() => pub(queue))).toEqual({ code: 'ERR_PERCORE_NO_PLACE', message, argument: 'maxProducers' });
  });

  it('as a second producer of another thread is told whose place it is, and what to do', async () => {
    const queue = spmc();
    const other = new Other(queue, [{ do: 'pub' }, { do: 'sleep', ms: 100 }, { do: 'leave' }]);
    await other.did(0);
    const message = `the only place for a producer is taken by thread ${other.threadId}. Use kind 'mpsc' for several, `
      + `or call recover(queue, worker) if that worker has exited`;
    expect(errorOf(() => pub(queue))).toEqual({ code: 'ERR_PERCORE_NO_PLACE', message, argument: 'maxProducers' });
    await other.ended();
    expect(pub(queue).offer(eight(1)), 'it has left').toBe(OK);
  });

  it('as a consumer is told who has the places, and what to do', () => {
    for (const maxConsumers of [2, 3]) {
      const queue = spmc(maxConsumers);
      const consumers = Array.from({ length: maxConsumers }, () => sub(queue));
      const message = `all ${maxConsumers} places for consumers are taken (by threads `
        + `${consumers.map(() => 0).join(', ')}). Create the queue with a larger maxConsumers; or call recover(queue, `
        + `worker) for a worker that has exited`;
      expect(errorOf(() => sub(queue))).toEqual({ code: 'ERR_PERCORE_NO_PLACE', message, argument: 'maxConsumers' });
      consumers[0]!.leave();
      expect(sub(queue).place).toBe(0);
    }
  });

  it('is one more than 32 consumers of one queue', () => {
    const queue = spmc(32, 2);
    const producer = pub(queue);
    const consumers = Array.from({ length: 32 }, () => sub(queue));
    expect(errorOf(() => sub(queue)).code).toBe('ERR_PERCORE_NO_PLACE');
    for (let value = 1; value <= 4; value++) {
      expect(producer.offer(eight(value))).toBe(OK);
      expect(consumers.every((consumer) => drained(consumer)[0] === value)).toBe(true);
    }
  });

  it('does not get the places of declared consumers', () => {
    const queue = create({ kind: 'spmc', capacity: 4, recordBytes: 8, maxConsumers: 2, consumers: { one: {} } });
    expect(sub(queue).place).toBe(1);
    expect(errorOf(() => sub(queue)).code).toBe('ERR_PERCORE_NO_PLACE');
    expect(sub(queue, { name: 'one' }).place).toBe(0);
  });
});

describe('a consumer that joins', () => {
  it('first finds everything that was published before', () => {
    const queue = spmc();
    const producer = pub(queue);
    [1, 2].forEach((value) => producer.offer(eight(value)));
    expect(drained(sub(queue))).toEqual([1, 2]);
  });

  it('beside others begins at what is published then', () => {
    const queue = spmc();
    const producer = pub(queue, { publishEvery: { records: 2 } });
    const first = sub(queue);
    [1, 2, 3].forEach((value) => producer.offer(eight(value)));
    const second = sub(queue);
    producer.flush();
    expect([drained(first), drained(second)], 'record 3 was not published yet').toEqual([[1, 2, 3], [3]]);
  });

  it('holds the producer back from then on', () => {
    const queue = spmc(2, 2);
    const producer = pub(queue);
    const first = sub(queue);
    producer.offer(eight(1));
    drained(first);
    const second = sub(queue);
    [2, 3].forEach((value) => producer.offer(eight(value)));
    drained(first);
    expect(producer.offer(eight(4)), 'although the producer has not looked at this place before').toBe(BACK_PRESSURED);
    expect([drained(second), producer.offer(eight(4))]).toEqual([[2, 3], OK]);
  });

  it('goes on where the last consumer stood, if that has left', () => {
    const queue = spmc();
    const producer = pub(queue);
    const first = sub(queue);
    [1, 2].forEach((value) => producer.offer(eight(value)));
    drained(first, 1);
    first.leave();
    producer.offer(eight(3));
    expect(drained(sub(queue))).toEqual([2, 3]);
  });

  it('goes on where the last of several consumers stood, and not where the first to leave did', () => {
    const queue = spmc();
    const producer = pub(queue);
    const consumers = [sub(queue), sub(queue), sub(queue)];
    [1, 2, 3].forEach((value) => producer.offer(eight(value)));
    consumers.forEach((consumer, i) => drained(consumer, i));
    consumers[0]!.leave();
    consumers[2]!.leave();
    expect(inspect(queue).consumers, 'a consumer that leaves while others read keeps no place').toHaveLength(1);
    consumers[1]!.leave();
    expect(drained(sub(queue))).toEqual([2, 3]);
  });
});

describe('a consumer that leaves', () => {
  it('releases what it has read', () => {
    const queue = create({ kind: 'spsc', capacityBytes: 32 });
    const producer = pub(queue);
    const consumer = sub(queue);
    [1, 2].forEach((value) => producer.offer(eight(value)));
    consumer.peek();
    consumer.advance();
    expect(producer.offer(eight(3))).toBe(BACK_PRESSURED);
    consumer.leave();
    expect([producer.offer(eight(3)), drained(sub(queue))]).toEqual([OK, [2, 3]]);
  });

  it('holds nobody back while others read', () => {
    const queue = spmc(2, 2);
    const producer = pub(queue);
    const [first, second] = [sub(queue), sub(queue)];
    [1, 2].forEach((value) => producer.offer(eight(value)));
    drained(second);
    expect(producer.offer(eight(3))).toBe(BACK_PRESSURED);
    first.leave();
    expect([producer.offer(eight(3)), drained(second)]).toEqual([OK, [3]]);
  });

  it('keeps the records for the next consumer, if it is the last', () => {
    const queue = spmc(2, 2);
    const producer = pub(queue);
    const consumer = sub(queue);
    consumer.leave();
    expect([1, 2, 3].map((value) => producer.offer(eight(value)))).toEqual([OK, OK, BACK_PRESSURED]);
    expect(inspect(queue).consumers).toMatchObject([{ place: 0, state: 'held', threadId: undefined, lag: 2 }]);
  });
});

describe('a producer that leaves', () => {
  it('publishes what it had committed, and the next goes on there', () => {
    const queue = spmc();
    const first = pub(queue, { publishEvery: { records: 10 } });
    [1, 2].forEach((value) => first.offer(eight(value)));
    const consumer = sub(queue);
    expect(consumer.poll()).toBe(EMPTY);
    first.leave();
    expect(first.offer(eight(9)), 'it sends no more').toBe(-2);
    const second = pub(queue);
    second.offer(eight(3));
    expect([drained(consumer), inspect(queue).published]).toEqual([[1, 2, 3], 3]);
  });
});

describe('inspect', () => {
  it('says from outside what the ends of a queue know', () => {
    const queue = create({ kind: 'spmc', capacity: 4, recordBytes: 8, maxConsumers: 3, consumers: { log: {} } });
    const producer = pub(queue);
    const consumer = sub(queue);
    [1, 2, 3, 4, 5].forEach((value) => producer.offer(eight(value)));
    drained(consumer, 3);
    const declared = {
      place: 0, name: 'log', state: 'held', whenSlow: 'wait', threadId: undefined, lag: 4, consumed: 0,
      droppedOldest: 0, droppedEvicted: 0,
    };
    const other = {
      place: 1, state: 'reading', whenSlow: 'wait', threadId: 0, lag: 1, consumed: 3, droppedOldest: 0,
      droppedEvicted: 0,
    };
    expect(inspect(queue)).toEqual({
      kind: 'spmc', backend: 'fixed', capacity: 4, recordBytes: 8, depth: 4, highWater: 4, published: 4, consumed: 3,
      refused: 1, dropped: { newest: 0, oldest: 0, evicted: 0, closed: 0 }, producers: [{ place: 0, threadId: 0 }],
      consumers: [declared, other], isClosed: false,
    });
    drained(consumer);
    expect([producer.offer(eight(5)), inspect(queue)]).toMatchObject([
      -1, { dropped: { newest: 0 }, refused: 2, consumed: 4 },
    ]);
  });

  it('goes on counting across owners', () => {
    const queue = create({ kind: 'spsc', capacity: 2, recordBytes: 8 });
    for (let value = 1; value <= 3; value++) {
      const producer = pub(queue);
      const consumer = sub(queue);
      expect([producer.offer(eight(value)), producer.offer(eight(value)), producer.offer(eight(value))]).toEqual([
        OK, OK, BACK_PRESSURED,
      ]);
      drained(consumer);
      producer.leave();
      consumer.leave();
    }
    expect(inspect(queue)).toMatchObject({ published: 6, consumed: 6, refused: 3, highWater: 2, depth: 0 });
  });

  it('keeps the figures of consumers that have left', () => {
    const queue = spmc(2, 2);
    const producer = pub(queue);
    const [reading, lossy] = [sub(queue), sub(queue, { whenSlow: 'drop-oldest' })];
    for (let value = 1; value <= 5; value++) {
      producer.offer(eight(value));
      drained(reading);
    }
    lossy.leave();
    expect(inspect(queue)).toMatchObject({ consumed: 5, dropped: { oldest: 3 }, consumers: [{ place: 0 }] });
  });

  it('adds up lanes and bands', () => {
    const lanes = create({ kind: 'mpsc', capacity: 4, recordBytes: 8, maxProducers: 2, maxConsumers: 1 });
    [pub(lanes), pub(lanes)].forEach((producer, i) => Array.from({ length: i + 2 }, () => producer.offer(eight(1))));
    expect(inspect(lanes)).toMatchObject({
      kind: 'mpsc',
      published: 5,
      depth: 5,
      highWater: 3,
      producers: [
        { place: 0, threadId: 0 }, { place: 1, threadId: 0 },
      ],
      isClosed: false,
    });
    const bands = create({ kind: 'banded', capacity: 4, recordBytes: 8 });
    const producer = pub(bands);
    [1, 1, 6].forEach((band) => producer.offer(eight(1), band));
    drained(sub(bands), 1);
    expect(inspect(bands)).toMatchObject({ kind: 'banded', published: 3, consumed: 1, depth: 2 });
  });
});

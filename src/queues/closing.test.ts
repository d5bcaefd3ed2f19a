import { describe, expect, it } from 'vitest';
import { bytes, drained, eight, errorOf } from './fixtures/helpers.js';
import { BACK_PRESSURED, CLOSED, EMPTY, OK, close, create, inspect, pub, sub } from './index.js';
import type { FixedQueue } from './index.js';

const spsc = (capacity = 4) => create({ kind: 'spsc', capacity, recordBytes: 8 });
const spmc = (capacity = 4) => create({ kind: 'spmc', capacity, recordBytes: 8, maxConsumers: 3 });
const mpsc = (capacity = 4) => create({ kind: 'mpsc', capacity, recordBytes: 8, maxProducers: 3 });
const banded = (capacity = 4) => create({ kind: 'banded', capacity, recordBytes: 8 });

describe('a producer that closes', () => {
  it('lets the consumer read everything, and ends after that', () => {
    const queue = spsc();
    const producer = pub(queue, { publishEvery: { records: 3 } });
    [1, 2].forEach((value) => producer.offer(eight(value)));
    producer.close();
    const consumer = sub(queue);
    expect([drained(consumer), consumer.poll(), inspect(queue).isClosed]).toEqual([[1, 2], CLOSED, true]);
  });

  it('ends every consumer of an SPMC queue', () => {
    const queue = spmc();
    const consumers = [sub(queue), sub(queue)];
    const producer = pub(queue);
    producer.offer(eight(1));
    producer.close();
    expect(consumers.map((consumer) => [drained(consumer), consumer.poll()])).toEqual([[[1], CLOSED], [[1], CLOSED]]);
  });

  it('gives up only its lane of an MPSC queue, which goes on', () => {
    const queue = mpsc();
    const consumer = sub(queue);
    const first = pub(queue);
    first.offer(eight(1));
    first.close();
    const second = pub(queue);
    second.offer(eight(2));
    expect([drained(consumer), consumer.poll(), second.offer(eight(3))]).toEqual([[1, 2], EMPTY, OK]);
  });

  it('ends a banded queue after the last record of the last band', () => {
    const queue = banded();
    const producer = pub(queue);
    const consumer = sub(queue);
    producer.offer(eight(1), 0);
    producer.offer(eight(2), 7);
    producer.close();
    expect([drained(consumer, 1), drained(consumer, 1), consumer.poll()]).toEqual([[2], [1], CLOSED]);
  });

  it('counts the records that a consumer, which closed before it, had not read', () => {
    const queue = spsc();
    const producer = pub(queue);
    const consumer = sub(queue);
    [1, 2, 3].forEach((value) => producer.offer(eight(value)));
    consumer.poll();
    consumer.close();
    producer.close();
    expect(inspect(queue).dropped.closed).toBe(2);
  });

  it('counts them also when it leaves', () => {
    const queue = spsc();
    const producer = pub(queue);
    const consumer = sub(queue);
    producer.offer(eight(1));
    consumer.close();
    producer.leave();
    producer.leave();
    expect(inspect(queue).dropped.closed).toBe(1);
  });
});

describe('a claim that is committed after its end has closed or left', () => {
  it('is answered CLOSED and counted, though its producer publishes lazily', () => {
    for (const verb of ['close', 'leave'] as const) {
      for (const shape of [{ capacity: 4, recordBytes: 8 }, { capacityBytes: 64 }]) {
        const queue = create({ kind: 'spsc', ...shape } as { kind: 'spsc'; capacity: number; recordBytes: number });
        const producer = pub(queue, { publishEvery: { records: 64 } });
        expect(producer.tryClaim(1)).toBeGreaterThanOrEqual(0);
        producer[verb]();
        expect(producer.commit(), verb).toBe(CLOSED);
        expect(inspect(queue)).toMatchObject({ published: 0, dropped: { closed: 1 } });
      }
    }
  });
});

describe('giving a place up twice', () => {
  it('does not give up the place of the next producer', () => {
    for (const queue of [spsc(), create({ kind: 'mpsc', capacity: 4, recordBytes: 8, maxProducers: 1 })]) {
      const first = pub(queue);
      first.leave();
      const second = pub(queue);
      first.leave();
      first.close();
      expect(errorOf(() => pub(queue)).code).toBe('ERR_PERCORE_NO_PLACE');
      expect(second.offer(eight(1))).toBe(OK);
    }
  });

  it('does not give up the place of the next consumer', () => {
    for (const queue of [
      spsc(), create({ kind: 'spmc', capacity: 4, recordBytes: 8, maxConsumers: 1 }),
      create({ kind: 'mpsc', capacity: 4, recordBytes: 8, maxConsumers: 1 }), banded(),
    ]) {
      const first = sub(queue as FixedQueue);
      first.leave();
      const second = sub(queue as FixedQueue);
      first.leave();
      first.close();
      expect(errorOf(() => sub(queue as FixedQueue)).code, queue.kind).toBe('ERR_PERCORE_NO_PLACE');
      expect(second.poll()).toBe(EMPTY);
    }
  });

  it('does not open an end that was closed', () => {
    const queue = spsc();
    const producer = pub(queue);
    producer.close();
    producer.leave();
    producer.close();
    expect([producer.offer(eight(1)), producer.flush(), sub(queue).poll()]).toEqual([CLOSED, CLOSED, CLOSED]);
  });
});

describe('a consumer that closes', () => {
  it('makes the producer\'s next publish answer CLOSED, and the loss is counted', () => {
    const queue = spsc();
    const producer = pub(queue);
    const consumer = sub(queue);
    [1, 2].forEach((value) => producer.offer(eight(value)));
    consumer.poll();
    consumer.close();
    expect([producer.offer(eight(3)), producer.offer(eight(4)), producer.tryClaim()]).toEqual([CLOSED, CLOSED, CLOSED]);
    expect(inspect(queue)).toMatchObject({ published: 3, consumed: 1, dropped: { closed: 2 }, isClosed: true });
  });

  it('makes a producer that holds a claim get CLOSED, also from flush', () => {
    const queue = spsc();
    const producer = pub(queue, { publishEvery: { records: 10 } });
    producer.tryClaim(2);
    sub(queue).close();
    expect([producer.commit(2), producer.flush(), producer.flush()]).toEqual([OK, CLOSED, CLOSED]);
    expect(inspect(queue)).toMatchObject({ published: 2, dropped: { closed: 2 } });
  });

  it('is the last: nobody may join after it', () => {
    const queue = spsc();
    sub(queue).close();
    expect(errorOf(() => sub(queue))).toMatchObject({
      code: 'ERR_PERCORE_CLOSED', message: 'the queue was closed by its only consumer; create a new one',
    });
    expect(errorOf(() => pub(queue)).code).toBe('ERR_PERCORE_CLOSED');
  });

  it('gives up only its place if there are other places', () => {
    const queue = spmc();
    const [first, second] = [sub(queue), sub(queue)];
    const producer = pub(queue);
    first.close();
    expect([producer.offer(eight(1)), drained(second), inspect(queue).isClosed]).toEqual([OK, [1], false]);
  });

  it('ends all bands of a banded queue', () => {
    const queue = banded();
    const producer = pub(queue);
    const consumer = sub(queue);
    producer.offer(eight(1), 3);
    consumer.close();
    expect([producer.offer(eight(2), 7), producer.offer(eight(3), 3), producer.offer(eight(3), 3)]).toEqual([
      CLOSED, CLOSED, CLOSED,
    ]);
    expect(inspect(queue)).toMatchObject({ published: 3, dropped: { closed: 3 }, isClosed: true });
  });
});

describe('a queue that is closed by anybody', () => {
  it('takes no more producers', () => {
    for (const queue of [spsc(), spmc(), mpsc(), banded()]) {
      close(queue);
      const error = { code: 'ERR_PERCORE_CLOSED', message: 'the queue is closed; nobody may join it any more' };
      expect(errorOf(() => pub(queue as FixedQueue)), queue.kind).toMatchObject(error);
      expect(inspect(queue).isClosed).toBe(true);
    }
  });

  it('tells its producers at the next publish at the latest, and loses no record that it has answered with OK', () => {
    for (const queue of [spsc(), spmc(), mpsc()]) {
      const producer = pub(queue);
      producer.offer(eight(1));
      close(queue);
      const codes = [2, 3, 4].map((value) => producer.offer(eight(value)));
      expect(codes, 'no consumer has ended it, so one more record is before the end').toEqual([OK, CLOSED, CLOSED]);
      const consumer = sub(queue as FixedQueue);
      expect([drained(consumer), consumer.poll(), inspect(queue).dropped.closed]).toEqual([[1, 2], CLOSED, 0]);
    }
  });

  it('ends where a consumer found it, and counts what was published after', () => {
    for (const queue of [spsc(), spmc(), mpsc()]) {
      const producer = pub(queue, { publishEvery: { records: 2 } });
      const consumer = sub(queue as FixedQueue);
      producer.offer(eight(1));
      close(queue);
      expect(consumer.poll()).toBe(CLOSED);
      expect([producer.offer(eight(2)), producer.offer(eight(3)), consumer.poll()]).toEqual([CLOSED, CLOSED, CLOSED]);
      expect(inspect(queue)).toMatchObject({ published: 2, consumed: 0, dropped: { closed: 2 } });
    }
  });

  it('says CLOSED, not BACK_PRESSURED, to a producer that finds it full', () => {
    const queue = spsc(2);
    const producer = pub(queue);
    [1, 2].forEach((value) => producer.offer(eight(value)));
    expect(producer.offer(eight(3))).toBe(BACK_PRESSURED);
    close(queue);
    expect(producer.offer(eight(3))).toBe(CLOSED);
    const consumer = sub(queue);
    expect([drained(consumer), consumer.poll()]).toEqual([[1, 2], CLOSED]);
  });

  it('gives what is left to a consumer that comes after', () => {
    const queue = spmc();
    const producer = pub(queue);
    producer.offer(eight(1));
    close(queue);
    const consumer = sub(queue);
    expect([drained(consumer), consumer.poll()]).toEqual([[1], CLOSED]);
  });

  it('ends for all consumers at the same record', () => {
    const queue = spmc();
    const [early, late] = [sub(queue), sub(queue)];
    const producer = pub(queue);
    producer.offer(eight(1));
    expect(drained(early)).toEqual([1]);
    close(queue);
    expect(early.poll(), 'this ends it behind record 1').toBe(CLOSED);
    expect(producer.offer(eight(2)), 'too late').toBe(CLOSED);
    expect([drained(late), late.poll()]).toEqual([[1], CLOSED]);
    const latest = sub(queue);
    expect([latest.available(), latest.poll(), drained(latest)], 'behind the end').toEqual([CLOSED, CLOSED, []]);
  });

  it('ends a banded queue when all bands are read', () => {
    const queue = banded();
    const producer = pub(queue);
    const consumer = sub(queue);
    producer.offer(eight(1), 2);
    close(queue);
    expect([
      drained(consumer), consumer.drain(() => {}), producer.offer(eight(2), 2), producer.offer(bytes(3), 4),
    ]).toEqual([[1], CLOSED, CLOSED, CLOSED]);
    expect(inspect(queue).dropped.closed).toBe(2);
  });

  it('may be closed again by others', () => {
    const queue = spsc();
    const producer = pub(queue);
    const consumer = sub(queue);
    producer.offer(eight(1));
    producer.close();
    close(queue);
    close(queue);
    expect([drained(consumer), consumer.poll()]).toEqual([[1], CLOSED]);
    consumer.close();
    expect(inspect(queue).dropped.closed).toBe(0);
  });
});

/**
 * `recover` after deaths that are made by hand: the name of a thread that never existed is written where an end stood.
 * kills.stress.test.ts has real deaths.
 */
import { describe, expect, it } from 'vitest';
import { groupLayout } from '../layout.js';
import { ON_PUBLISH } from './doors.js';
import { GHOST, drained, eight, errorOf, field, haunt, placeField, wordsOf } from './fixtures/helpers.js';
import { Other } from './fixtures/party.js';
import { BACK_PRESSURED, CLOSED, EMPTY, OK, close, create, inspect, pub, recover, sub } from './index.js';
import type { FixedQueue } from './index.js';
import { openGroup, ownerOf, ringOf, type GroupHandle } from './group.js';
import { openRing } from './memory.js';
import { recoverRing } from './place-recovery.js';
import { ENTERING, GATING, HELD, JOINING, LOSSY } from './ring.js';

const spsc = (capacity = 4) => create({ kind: 'spsc', capacity, recordBytes: 8 });
const spmc = () => create({ kind: 'spmc', capacity: 4, recordBytes: 8, maxConsumers: 3 });
const killProducer = (queue: FixedQueue | FixedQueue<'spmc'>): void => haunt(wordsOf(queue), field('producerThread'));
const killConsumer = (queue: FixedQueue | FixedQueue<'spmc'>, place = 0): void =>
  haunt(wordsOf(queue), placeField('thread', place));
const group = (queue: FixedQueue<'mpsc' | 'banded'>): GroupHandle => ({
  ...queue, rings: queue.kind === 'mpsc' ? queue.maxProducers : 8, groupPlaces: queue.maxConsumers,
});

describe('after the death of a producer', () => {
  it('its place is free, and the records that it had not published are lost', () => {
    const queue = spsc(8);
    const dead = pub(queue, { publishEvery: { records: 3 } });
    for (let value = 1; value <= 5; value++) dead.offer(eight(value));
    killProducer(queue);
    expect(errorOf(() => pub(queue)).message).toBe(
      `the only place for a producer is taken by thread ${GHOST}. Use kind 'mpsc' for several, or call recover(queue, `
        + `worker) if that worker has exited`,
    );
    expect(recover(queue, GHOST)).toEqual({ producers: 1, consumers: 0, taken: 0 });
    const next = pub(queue);
    expect([next.offer(eight(9)), drained(sub(queue))]).toEqual([OK, [1, 2, 3, 9]]);
  });

  it('everybody who waits is woken', async () => {
    const queue = spsc();
    pub(queue);
    const other = new Other(queue, [{ do: 'sub' }, { do: 'ready', timeoutMs: 60_000 }]);
    await other.did(0);
    killProducer(queue);
    recover(queue, GHOST);
    const next = pub(queue);
    // Without its flag, as if the dead thread had cleared it and then died before it rang.
    await new Promise((resolve) => setTimeout(resolve, 50));
    Atomics.store(wordsOf(queue), field('attention'), 0);
    next.offer(eight(1));
    recover(queue, GHOST);
    expect(await other.did(1)).toBe(OK);
    await other.ended();
  });
});

describe('after the death of a consumer', () => {
  it('its successor skips the records of a drain that it had begun', () => {
    const queue = spsc();
    const producer = pub(queue);
    [1, 2, 3, 4].forEach((value) => producer.offer(eight(value)));
    const dead = sub(queue);
    expect(() => dead.drain(() => {
      throw new Error('dies here');
    }, 3)).toThrow('dies here');
    killConsumer(queue);
    expect(recover(queue, GHOST)).toEqual({ producers: 0, consumers: 1, taken: 3 });
    expect([inspect(queue).consumed, drained(sub(queue))]).toEqual([3, [4]]);
  });

  it('its successor skips only those variable records that a handler was given', () => {
    const queue = create({ kind: 'spsc', capacityBytes: 64 });
    const producer = pub(queue);
    [1, 2, 3].forEach((value) => producer.offer(eight(value)));
    const dead = sub(queue);
    expect(() => dead.drain(() => {
      throw new Error('dies here');
    })).toThrow('dies here');
    haunt(wordsOf(queue), placeField('thread'));
    expect(recover(queue, GHOST)).toEqual({ producers: 0, consumers: 1, taken: 1 });
    expect([inspect(queue).consumed, drained(sub(queue))]).toEqual([1, [2, 3]]);
  });

  it('its successor reads again what it had peeked at and not released', () => {
    const queue = spsc();
    const producer = pub(queue);
    [1, 2, 3].forEach((value) => producer.offer(eight(value)));
    const dead = sub(queue);
    dead.available(2);
    dead.release(1);
    dead.available(2);
    killConsumer(queue);
    expect(recover(queue, GHOST)).toEqual({ producers: 0, consumers: 1, taken: 0 });
    expect(drained(sub(queue))).toEqual([2, 3]);
  });

  it('its successor goes on where it stood, even 2^31 records after its last drain', () => {
    const capacity = 2 ** 20;
    const queue = create({ kind: 'spsc', capacity, recordBytes: 1 });
    const producer = pub(queue);
    const dead = sub(queue);
    producer.offer(Uint8Array.of(1));
    drained(dead);
    for (let records = 0; records <= 2 ** 31; records += capacity) {
      expect(producer.tryClaim(capacity)).toBeGreaterThanOrEqual(0);
      producer.commit();
      dead.release(dead.available());
    }
    producer.offer(Uint8Array.of(2));
    killConsumer(queue);
    expect(recover(queue, GHOST).taken).toBe(0);
    expect(drained(sub(queue))).toEqual([2]);
  });

  it('its place holds the producer back until a consumer takes it, if nobody else reads', () => {
    const queue = spsc(2);
    const producer = pub(queue);
    sub(queue);
    killConsumer(queue);
    recover(queue, GHOST);
    expect([1, 2, 3].map((value) => producer.offer(eight(value)))).toEqual([OK, OK, BACK_PRESSURED]);
    expect([drained(sub(queue)), producer.offer(eight(3))]).toEqual([[1, 2], OK]);
  });

  it('the others go on without it', () => {
    const queue = spmc();
    const producer = pub(queue);
    const [, living] = [sub(queue), sub(queue)];
    for (let value = 1; value <= 4; value++) producer.offer(eight(value));
    drained(living);
    expect(producer.offer(eight(5))).toBe(BACK_PRESSURED);
    killConsumer(queue);
    recover(queue, GHOST);
    expect([producer.offer(eight(5)), drained(living), inspect(queue).consumers.length]).toEqual([OK, [5], 1]);
  });

  it('those that read behind it go on, and are woken', async () => {
    const queue = spmc();
    const producer = pub(queue);
    const dead = sub(queue);
    const follower = sub(queue, { after: [dead.place] });
    producer.offer(eight(1));
    const ready = follower.ready();
    killConsumer(queue, dead.place);
    recover(queue, GHOST);
    expect([await ready, drained(follower)]).toEqual([OK, [1]]);
  }, 10_000);

  it('the producer that waits for room goes on', async () => {
    const queue = spmc();
    const producer = pub(queue);
    const [dead, living] = [sub(queue), sub(queue)];
    for (let value = 1; value <= 4; value++) producer.offer(eight(value));
    drained(living);
    const room = producer.room();
    killConsumer(queue, dead.place);
    recover(queue, GHOST);
    expect(await room).toBe(OK);
  }, 10_000);

  it('the place of a lapped consumer stays where the last push has left it', () => {
    const queue = spsc();
    const producer = pub(queue);
    sub(queue, { whenSlow: 'drop-oldest' });
    for (let value = 1; value <= 6; value++) producer.offer(eight(value));
    killConsumer(queue);
    expect(recover(queue, GHOST)).toEqual({ producers: 0, consumers: 1, taken: 0 });
    expect([producer.offer(eight(7)), drained(sub(queue))]).toEqual([BACK_PRESSURED, [3, 4, 5, 6]]);
  });

  it('frees a place at every step of joining and leaving', () => {
    for (const state of [HELD, JOINING, ENTERING, GATING, LOSSY]) {
      const queue = create({ kind: 'spmc', capacity: 4, recordBytes: 8, maxConsumers: 2 });
      const memory = openRing(queue);
      const producer = pub(queue);
      const reader = sub(queue);
      producer.offer(eight(1));
      const words = wordsOf(queue);
      // Place 1 as it is left by a thread that dies at this step: its name comes first, and its cursor is at the start
      // of the queue.
      words[placeField('thread', 1)] = GHOST + 1;
      words[placeField('state', 1)] = state;
      expect(recoverRing(memory, GHOST).taken).toBe(0);
      expect([words[placeField('state', 1)], words[placeField('thread', 1)]], `after ${state}`).toEqual([0, 0]);
      for (let value = 2; value <= 4; value++) producer.offer(eight(value));
      expect([drained(reader), producer.offer(eight(5))]).toEqual([[1, 2, 3, 4], OK]);
      expect(drained(sub(queue)), 'what the dead consumer had still to read is not kept for a newcomer').toEqual([]);
    }
  });
});

describe('in an MPSC queue', () => {
  const lanes = () => create({ kind: 'mpsc', capacity: 4, recordBytes: 8, maxProducers: 2, maxConsumers: 2 });
  const lane = (queue: FixedQueue<'mpsc'>, number: number): Int32Array => openRing(ringOf(group(queue), number)).words;

  it('a dead producer\'s lane is free, and the others notice nothing', () => {
    const queue = lanes();
    const [dead, living] = [pub(queue), pub(queue)];
    const consumer = sub(queue);
    dead.offer(eight(1));
    living.offer(eight(2));
    haunt(lane(queue, 0), field('producerThread'));
    expect(errorOf(() => pub(queue)).code).toBe('ERR_PERCORE_NO_PLACE');
    expect(recover(queue, GHOST)).toEqual({ producers: 1, consumers: 0, taken: 0 });
    expect([pub(queue).offer(eight(3)), living.offer(eight(4)), drained(consumer)]).toEqual([OK, OK, [1, 3, 2, 4]]);
  });

  it('a dead consumer\'s lanes go to the first that looks, behind the drain that it had begun', () => {
    const queue = lanes();
    const [one, two] = [pub(queue), pub(queue)];
    const dead = sub(queue);
    const living = sub(queue);
    [1, 2].forEach((value) => one.offer(eight(value)));
    two.offer(eight(3));
    let given = 0;
    expect(() => dead.drain(() => {
      given++;
      throw new Error('dies here');
    }, 1)).toThrow('dies here');
    expect(drained(living)).toEqual([]);
    for (const number of [0, 1]) haunt(lane(queue, number), placeField('thread'));
    haunt(openGroup(group(queue)).words, groupLayout.fields.placeThread.at >> 2);
    expect(recover(queue, GHOST)).toEqual({ producers: 0, consumers: 1, taken: 1 });
    expect([given, living.lanes, drained(living)]).toEqual([1, [0, 1], [2, 3]]);
    expect(sub(queue).place, 'the place is free').toBe(0);
  });

  it('a lane is found that was handed to a consumer which died before it looked', () => {
    const queue = lanes();
    const producer = pub(queue);
    const [giver, dead] = [sub(queue), sub(queue)];
    producer.offer(eight(1));
    haunt(openGroup(group(queue)).words, (groupLayout.fields.placeThread.at >> 2) + dead.place);
    giver.handOver(0, dead.place);
    expect(Atomics.load(openGroup(group(queue)).words, ownerOf(0))).toBe(dead.place + 1);
    recover(queue, GHOST);
    expect(drained(giver)).toEqual([1]);
  });
});

describe('in a banded queue', () => {
  const bands = () => create({ kind: 'banded', capacity: 4, recordBytes: 8 });
  const band = (queue: FixedQueue<'banded'>, number: number): Int32Array =>
    openRing(ringOf(group(queue), number)).words;

  it('the records of a producer that died between its publish and the bit of the band are seen', () => {
    const queue = bands();
    const producer = pub(queue);
    const consumer = sub(queue);
    expect(consumer.poll(), 'this clears the bits that a new consumer sets').toBe(EMPTY);
    producer.band(3)[ON_PUBLISH](() => undefined);
    producer.offer(eight(1), 3);
    expect(consumer.poll(), 'the bit is not set').toBe(EMPTY);
    for (let number = 0; number < 8; number++) haunt(band(queue, number), field('producerThread'));
    expect(recover(queue, GHOST)).toEqual({ producers: 1, consumers: 0, taken: 0 });
    expect([consumer.poll(), pub(queue).offer(eight(2), 0), drained(consumer)]).toEqual([eight(1), OK, [2]]);
  });

  it('a dead consumer counts once, and its successor goes on in every band', () => {
    const queue = bands();
    const producer = pub(queue);
    sub(queue);
    producer.offer(eight(1), 1);
    producer.offer(eight(6), 6);
    for (let number = 0; number < 8; number++) haunt(band(queue, number), placeField('thread'));
    expect(recover(queue, GHOST)).toEqual({ producers: 0, consumers: 1, taken: 0 });
    expect(drained(sub(queue))).toEqual([6, 1]);
  });
});

describe('recover itself', () => {
  it('does nothing for a thread that has nothing here', () => {
    for (const queue of [
      spsc(), spmc(), create({ kind: 'mpsc', capacity: 2, recordBytes: 8 }),
      create({ kind: 'banded', capacity: 2, recordBytes: 8 }),
    ]) {
      pub(queue as FixedQueue);
      sub(queue as FixedQueue);
      expect(recover(queue, GHOST), queue.kind).toEqual({ producers: 0, consumers: 0, taken: 0 });
      const { producers, consumers } = inspect(queue);
      expect([producers.length > 0, consumers.some(({ threadId }) => threadId !== undefined)]).toEqual([true, true]);
    }
  });

  it('is refused for a number that is no thread\'s: a worker that has exited says -1', () => {
    for (const threadId of [-1, 1.5, undefined as never, 2 ** 31]) {
      expect(errorOf(() => recover(spsc(), threadId))).toMatchObject({
        code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'threadId',
      });
    }
  });

  it('frees what a real worker had when it exited', async () => {
    const queue = spsc();
    const producer = pub(queue);
    [1, 2, 3].forEach((value) => producer.offer(eight(value)));
    const other = new Other(queue, [{ do: 'sub' }, { do: 'drain', limit: 2 }]);
    expect(await other.ended()).toEqual([0, [1, 2]]);
    expect(errorOf(() => sub(queue)).message).toBe(
      `the only place for a consumer is taken (by thread ${other.threadId}). For several consumers that each get `
        + `every record use kind 'spmc' with a larger maxConsumers; or call recover(queue, worker) for a worker that `
        + `has exited`,
    );
    expect(recover(queue, other.threadId)).toEqual({ producers: 0, consumers: 1, taken: 0 });
    expect(drained(sub(queue))).toEqual([3]);
  });

  it('works on a queue that was closed', () => {
    const queue = spsc();
    const producer = pub(queue);
    producer.offer(eight(1));
    sub(queue);
    killConsumer(queue);
    killProducer(queue);
    close(queue);
    expect(recover(queue, GHOST)).toEqual({ producers: 1, consumers: 1, taken: 0 });
    const successor = sub(queue);
    expect([drained(successor), successor.poll()]).toEqual([[1], CLOSED]);
  });
});

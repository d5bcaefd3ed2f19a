import { describe, expect, it } from 'vitest';
import { drained, eight, errorOf } from './fixtures/helpers.js';
import { Other } from './fixtures/party.js';
import { BACK_PRESSURED, CLOSED, EMPTY, EVICTED, OK, close, create, inspect, pub, sub } from './index.js';
import type { FixedProducer } from './index.js';

const mpsc = (options: { capacity?: number; maxProducers?: number; maxConsumers?: number } = {}) =>
  create({ kind: 'mpsc', capacity: 4, recordBytes: 8, maxProducers: 3, maxConsumers: 2, ...options });
const offerAll = (producer: FixedProducer, ...values: number[]): number[] =>
  values.map((value) => producer.offer(eight(value)));

describe('an MPSC queue', () => {
  it('keeps the order of each producer', () => {
    const queue = mpsc();
    const [one, two] = [pub(queue), pub(queue)];
    const consumer = sub(queue);
    offerAll(one, 1, 2);
    offerAll(two, 11, 12);
    offerAll(one, 3);
    const seen = drained(consumer);
    expect([seen.filter((value) => value < 10), seen.filter((value) => value > 10)]).toEqual([[1, 2, 3], [11, 12]]);
  });

  it('says with each verb that it is empty', () => {
    const consumer = sub(mpsc());
    expect([consumer.poll(), consumer.drain(() => {}), consumer.look(), consumer.select()]).toEqual([
      EMPTY, 0, EMPTY, null,
    ]);
  });

  it('fills the lane of one producer, and not those of the others', () => {
    const queue = mpsc({ capacity: 2 });
    const [one, two] = [pub(queue), pub(queue)];
    expect([offerAll(one, 1, 2, 3), offerAll(two, 1, 2, 3)]).toEqual([
      [OK, OK, BACK_PRESSURED], [OK, OK, BACK_PRESSURED],
    ]);
    expect(inspect(queue)).toMatchObject({ published: 4, depth: 4, refused: 2, highWater: 2 });
  });

  it('takes variable records', () => {
    const queue = create({ kind: 'mpsc', capacityBytes: 64, maxProducers: 2 });
    const [one, two] = [pub(queue), pub(queue)];
    const consumer = sub(queue);
    one.offer(Uint8Array.of(1, 2, 3), 7);
    two.offer(Uint8Array.of(), 8);
    const seen: number[][] = [];
    consumer.drain((_view, _offset, length, type) => void seen.push([length, type]));
    expect(seen).toEqual([[3, 7], [0, 8]]);
    one.offer(Uint8Array.of(9), 5);
    const lane = consumer.select()!;
    expect([lane.peek() > 0, lane.length, lane.type]).toEqual([true, 1, 5]);
  });

  it('takes in turn from each lane, at most 256 from one', () => {
    const queue = mpsc({ capacity: 1024, maxProducers: 3 });
    const producers = [pub(queue), pub(queue), pub(queue)];
    const consumer = sub(queue);
    producers.forEach((producer, i) => {
      for (let n = 0; n < 600; n++) producer.offer(eight(i));
    });
    const runs = drained(consumer).reduce<number[][]>((all, value) => {
      if (all.at(-1)?.[0] === value) all.at(-1)![1]!++;
      else all.push([value, 1]);
      return all;
    }, []);
    expect(runs).toEqual([
      [0, 256], [1, 256], [2, 256],
    ]);
    expect(
      Array.from({ length: 6 }, () => drained(consumer, 1)[0]), 'a limit of one takes turns too',
    ).toEqual([0, 1, 2, 0, 1, 2]);
  });
});

describe('producers of an MPSC queue', () => {
  it('may join after the consumer, and are seen', () => {
    const queue = mpsc();
    const consumer = sub(queue);
    expect(consumer.lanes).toEqual([]);
    offerAll(pub(queue), 1);
    expect([drained(consumer), consumer.lanes]).toEqual([[1], [0]]);
  });

  it('wake a consumer that sleeps when they join', async () => {
    const queue = mpsc();
    const consumer = sub(queue);
    const other = new Other(queue, [{ do: 'pub' }, { do: 'offer', value: 5 }]);
    expect([await consumer.ready(), drained(consumer)]).toEqual([OK, [5]]);
    await other.ended();
  });

  it('leave a lane to the next, which goes on behind what is unread', () => {
    const queue = mpsc({ maxProducers: 1 });
    const first = pub(queue);
    offerAll(first, 1, 2);
    first.leave();
    offerAll(pub(queue), 3);
    expect(drained(sub(queue))).toEqual([1, 2, 3]);
  });

  it('are refused when there is no place, with what to do', () => {
    const queue = mpsc({ maxProducers: 2 });
    const [first] = [pub(queue), pub(queue)];
    const message =
      'all 2 places for producers are taken. Create the queue with a larger maxProducers, call leave() on producers '
        + 'that have ended, or recover(queue, worker) for a worker that has exited';
    expect(errorOf(() => pub(queue))).toEqual({ code: 'ERR_PERCORE_NO_PLACE', message, argument: 'maxProducers' });
    first.leave();
    expect(pub(queue).offer(eight(1))).toBe(OK);
  });
});

describe('consumers of an MPSC queue', () => {
  it('are refused when there is no place, with what to do', () => {
    const queue = mpsc({ maxConsumers: 1 });
    sub(queue);
    const message =
      'the only place for a consumer is taken (threads 0). Create the queue with a larger maxConsumers, or call '
        + 'recover(queue, worker) for a worker that has exited';
    expect(errorOf(() => sub(queue))).toEqual({ code: 'ERR_PERCORE_NO_PLACE', message, argument: 'maxConsumers' });
  });

  it('leave their lanes to the next, where they stood', () => {
    const queue = mpsc();
    const producers = [pub(queue), pub(queue)];
    const first = sub(queue);
    producers.forEach((producer, i) => offerAll(producer, i * 10 + 1, i * 10 + 2));
    expect(drained(first, 1)).toEqual([1]);
    const lane = first.select()!;
    lane.available();
    first.leave();
    expect([first.lanes, first.drain(() => {})]).toEqual([[], CLOSED]);
    expect(drained(sub(queue)), 'what was peeked is read again').toEqual([2, 11, 12]);
  });

  it('hand a lane over with its cursor: nothing is lost, nothing repeated', () => {
    const queue = mpsc();
    const [one, two] = [pub(queue), pub(queue)];
    const [first, second] = [sub(queue), sub(queue)];
    offerAll(one, 1, 2, 3);
    offerAll(two, 11, 12, 13);
    expect([drained(first, 1), drained(second), first.lanes, second.lanes]).toEqual([[1], [], [0, 1], []]);
    first.handOver(0, second.place);
    expect([drained(second), drained(first), first.lanes, second.lanes]).toEqual([[2, 3], [11, 12, 13], [1], [0]]);
    offerAll(one, 4);
    expect([drained(first), drained(second)]).toEqual([[], [4]]);
    second.handOver(0, first.place);
    offerAll(one, 5);
    expect([drained(second), drained(first)]).toEqual([[], [5]]);
  });

  it('wake the consumer to which they hand a lane', async () => {
    const queue = mpsc();
    const producer = pub(queue);
    const first = sub(queue);
    const other = new Other(queue, [{ do: 'sub' }, { do: 'ready' }, { do: 'drain' }]);
    expect(await other.did(0)).toBe(1);
    offerAll(producer, 7);
    first.handOver(0, 1);
    expect([await other.did(1), await other.did(2)]).toEqual([OK, [7]]);
    await other.ended();
  });

  it('pass on a lane that was handed to them even if they leave before they look', () => {
    const queue = mpsc();
    const producer = pub(queue);
    const [first, second] = [sub(queue), sub(queue)];
    offerAll(producer, 1);
    first.handOver(0, second.place);
    second.leave();
    expect([drained(first), first.lanes]).toEqual([[1], [0]]);
  });

  it('may not hand over what they do not have, or to nobody', () => {
    const queue = mpsc();
    pub(queue);
    const consumer = sub(queue);
    expect(errorOf(() => consumer.handOver(1, 0)).message).toBe('lane must be a lane of this consumer: 0, not 1');
    expect(errorOf(() => consumer.handOver(0, 1)).message).toBe(
      'to must be the place of a consumer; there are consumers of threads 0, not 1',
    );
    expect(errorOf(() => consumer.handOver(0, 2)).message).toBe('to must be a whole number from 0 to 1, not 2');
    const second = sub(queue);
    expect(errorOf(() => second.handOver(0, 0)).message).toBe(
      'lane must be a lane of this consumer: it owns none, not 0',
    );
    consumer.handOver(0, 0);
    expect(consumer.lanes, 'handing it to itself does no harm').toEqual([0]);
  });

  it('are told if they were evicted from one lane, although others go on', () => {
    const queue = mpsc({ capacity: 2 });
    const [one, two] = [pub(queue), pub(queue)];
    const consumer = sub(queue, { whenSlow: 'evict', evictAfterMs: 0 });
    offerAll(one, 1, 2, 3);
    offerAll(two, 11);
    expect([drained(consumer), consumer.drain(() => {}), consumer.poll(), consumer.look()]).toEqual([
      [11], EVICTED, EVICTED, EVICTED,
    ]);
    close(queue);
    expect(consumer.drain(() => {}), 'otherwise it would read for ever').toBe(EVICTED);
    consumer.leave();
    const next = sub(queue);
    expect([drained(next), next.poll()]).toEqual([[2, 3], CLOSED]);
  });
});

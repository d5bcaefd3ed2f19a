/** A pipe between threads: what a worker writes to it or reads from it at the other end. */
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { descriptors, errorOf, within } from '../reactor/fixtures/inside.js';
import { isPatterned, patterned } from './fixtures/pipe-worker.js';
import { closePipe, createPipe, propertiesOfPipe, pubPipe, subPipe, type PipeQueue } from './pipe.js';
import type { QueueProperties } from './queue-ends.js';
import { BACK_PRESSURED, CLOSED, EMPTY, OK } from '../result-codes.js';
import { bytes, fill, start, answerOf } from './fixtures/pipe-ends.js';

describe('a pipe between threads', () => {
  for (const publishEvery of [1, 50]) {
    it(`brings every record whole and in order, from a worker and to one, written `
      + `${publishEvery === 1 ? 'one by one' : `by ${publishEvery}`}`, async () => {
      const before = descriptors();
      const records = 5000;
      const queue = createPipe();
      const [producing, consuming] = [
        start({ role: 'produce', queue, records, publishEvery }), start({ role: 'consume', queue }),
      ];
      const exits = [once(producing, 'exit'), once(consuming, 'exit')];
      const [totals, read] = await Promise.all([answerOf<QueueProperties>(producing), answerOf<number>(consuming)]);
      expect(read).toBe(records);
      expect(totals.published).toBe(records);
      await Promise.all(exits);
      expect(propertiesOfPipe(queue), 'from a third thread').toMatchObject({
        published: records, consumed: records, isClosed: true, dropped: { closed: 0, tooLarge: 0 },
      });
      expect(descriptors()).toEqual(before);
    });
  }

  it('tells anybody its depth and lag while others have the ends', async () => {
    const queue = createPipe();
    const holder = start({ role: 'hold', queue, end: 'producer', bytes: 1000 });
    expect(await answerOf(holder)).toBe(OK);
    expect(propertiesOfPipe(structuredClone(queue))).toMatchObject({
      depth: 1004, published: 1, consumers: [], isClosed: false,
    });
    await holder.terminate();
    closePipe(queue);
  });

  it("ends for the consumer when the producer's worker is terminated; a cut record is counted, and not "
    + "delivered", async () => {
    const before = descriptors();
    const queue = createPipe({ capacityBytes: 4096 });
    const holder = start({ role: 'hold', queue, end: 'producer', bytes: 50_000 });
    expect(await answerOf(holder)).toBe(OK);
    const consumer = subPipe(queue);
    expect(consumer.poll()).toBe(undefined);
    expect(consumer.state).toBe(EMPTY);
    await holder.terminate();
    expect(await within(5000, consumer.ready(), 'the end')).toBe(CLOSED);
    expect(propertiesOfPipe(queue)).toMatchObject({ published: 1, consumed: 0, dropped: { closed: 1 } });
    expect(descriptors()).toEqual(before);
  });

  it('ends for the producer when the consumer\'s worker is terminated', async () => {
    const before = descriptors();
    const queue = createPipe({ capacityBytes: 4096 });
    const holder = start({ role: 'hold', queue, end: 'consumer' });
    expect(await answerOf(holder)).toBe(OK);
    const producer = pubPipe(queue);
    expect(fill(producer, 1020)).toBe(4);
    const room = producer.room();
    await holder.terminate();
    expect(await within(5000, room, 'CLOSED')).toBe(CLOSED);
    expect(producer.offer(bytes(1))).toBe(CLOSED);
    expect(descriptors()).toEqual(before);
  });

  it('closes the ends that nobody has opened when the worker that made them ends, and no others', async () => {
    const before = descriptors();
    const maker = start({ role: 'make', pipes: 40 });
    const pipes = await answerOf<PipeQueue<Uint8Array>[]>(maker);
    const producer = pubPipe(pipes[0]!);
    const consumer = subPipe(pipes[2]!);
    const [owned, read] = [pubPipe(pipes[3]!), subPipe(pipes[3]!)];
    await maker.terminate();
    expect(producer.offer(bytes(1)), 'its reading end was closed with its maker').toBe(CLOSED);
    expect(consumer.poll()).toBe(undefined);
    expect(consumer.state).toBe(CLOSED);
    expect(owned.offer(bytes(2))).toBe(OK);
    expect(read.poll()).toEqual(bytes(2));
    owned.close();
    read.close();
    expect(await errorOf(() => subPipe(pipes[4]!))).toMatchObject({ argument: 'queue' });
    expect(descriptors()).toEqual(before);
  });

  it('survives the death of either worker at any moment, again and again', { timeout: 120_000 }, async () => {
    const before = descriptors();
    for (let i = 0; i < 20; i++) {
      const queue = createPipe({ capacityBytes: i % 2 === 0 ? 4096 : 65_536 });
      const [dying, other] =
        i % 2 === 0
          ? [start({ role: 'produce', queue, records: 1e9, publishEvery: 1 + (i % 3) * 20 }), 'consumer']
          : [start({ role: 'consume', queue }), 'producer'];
      const gone = once(dying, 'exit');
      const failed: Error[] = [];
      dying.on('error', (error) => void failed.push(error));
      // It may have died before it opened its end. Then the end still belongs to this thread, and a supervisor gives it
      // up.
      dying.on('exit', () => closePipe(queue));
      setTimeout(() => void dying.terminate(), 40 + ((i * 7919) % 40));
      if (other === 'consumer') {
        const consumer = subPipe(queue);
        let count = 0;
        for await (const record of consumer) {
          if (!isPatterned(record, count)) throw new Error(`record ${count} is not what was offered`);
          count++;
        }
        expect(consumer.state).toBe(CLOSED);
        expect(propertiesOfPipe(queue).dropped.closed, 'at most the record that was cut').toBeLessThanOrEqual(1);
      } else {
        const producer = pubPipe(queue);
        let code: number = OK;
        for (let n = 0; code !== CLOSED; n++) {
          while ((code = producer.offer(patterned(n))) === BACK_PRESSURED)
            await within(10_000, producer.room(), 'space or the end');
        }
      }
      await gone;
      expect(failed).toEqual([]);
    }
    expect(descriptors()).toEqual(before);
  });
});

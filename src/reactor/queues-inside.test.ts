/**
 * Queues that user code opens inside a reactor: published lazily, flushed by the reactor, awaited without standing
 * still.
 */
import { describe, expect, it } from 'vitest';
import * as queues from '../queues/index.js';
import { inside, withRuntime } from './fixtures/inside.js';

describe('a queue inside a reactor', () => {
  it('publishes lazily, and at the latest at the end of the step', async () => {
    const queue = queues.create({ kind: 'spsc', capacity: 256, recordBytes: 4 });
    await withRuntime(1, { data: queue }, async (runtime) => {
      const seen = await inside(runtime, 0, (_reactor, _argument, { data: handle, queues: q }) => {
        const producer = q.pub(handle);
        const other = q.sub(handle);
        const counts: number[] = [];
        for (let i = 1; i <= 65; i++) {
          producer.offer(Uint8Array.of(i));
          if (i === 1 || i === 63 || i === 64 || i === 65) counts.push(Math.max(0, other.available()));
        }
        return [producer.publishEvery, ...counts];
      });
      expect(seen, 'its publishEvery; what is visible after 1, 63, 64 and 65 records').toEqual([64, 0, 0, 64, 64]);
      expect(queues.inspect(queue).published, 'after the step').toBe(65);
    });
  });

  it('publishes each record at once where it is told to', async () => {
    const queue = queues.create({ kind: 'spsc', capacity: 8, recordBytes: 4 });
    await withRuntime(1, { data: queue }, async (runtime) => {
      const visible = await inside(runtime, 0, (_reactor, _argument, { data: handle, queues: q }) => {
        q.pub(handle, { publishEvery: { records: 1 } }).offer(Uint8Array.of(1));
        return q.sub(handle).available();
      });
      expect(visible).toBe(1);
    });
  });

  it('wakes a parked reactor that awaits records, and a main thread that awaits space', async () => {
    const queue = queues.create({ kind: 'spsc', capacity: 2, recordBytes: 4 });
    await withRuntime(1, { data: queue }, async (runtime) => {
      const reading = inside(runtime, 0, async (_reactor, _argument, { data: handle, queues: q, sleep }) => {
        const consumer = q.sub(handle);
        let sum = 0;
        for (;;) {
          const count = consumer.drain(
            (view: DataView, offset: number) => void (sum += view.getInt32(offset, true)), 1,
          );
          if (count === q.CLOSED) return sum;
          if (count === 0) await consumer.ready();
          // Long enough for the reactor to park, and for the producer to find the ring full.
          else if (sum % 7 === 0) await sleep(5);
        }
      });
      const producer = queues.pub(queue);
      for (let i = 1; i <= 100;) {
        if (producer.offer(new Uint8Array(new Int32Array([i]).buffer)) === queues.OK) i++;
        else await producer.room();
      }
      producer.close();
      expect(await reading).toBe(5050);
    });
  });

  it('refuses to stand still, and names the way out', async () => {
    const queue = queues.create({ kind: 'spsc', capacity: 2, recordBytes: 4 });
    queues.sub(queue, { whenSlow: 'block' });
    await withRuntime(1, { data: queue }, async (runtime) => {
      const answer = await inside(runtime, 0, (_reactor, _argument, { data: handle, queues: q }) => {
        const producer = q.pub(handle);
        const codes = [1, 2].map((value) => producer.offer(Uint8Array.of(value)));
        try {
          return [...codes, producer.offer(Uint8Array.of(3))];
        } catch (error) {
          return [...codes, (error as { code: string }).code, String((error as Error).message).includes('room()')];
        }
      });
      expect(answer).toEqual([queues.OK, queues.OK, 'ERR_PERCORE_WOULD_BLOCK', true]);
    });
  });
});

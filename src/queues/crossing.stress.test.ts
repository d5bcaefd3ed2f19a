/**
 * A sequence that begins at 0 and really passes 2^31 and 2^32, between two threads, each record checked. Variable rings
 * count bytes, so that they get there with few large records, even in CI. More than 2^32 fixed records are sent only
 * with `PERCORE_STRESS=1`.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import type { Crossing } from './fixtures/crossing-worker.js';
import { field, placeField, wordsOf } from './fixtures/helpers.js';
import { isLong } from './fixtures/stress.js';
import { seenFrom } from './mark.js';
import { create, inspect, type FixedQueue, type VariableQueue } from './index.js';

async function cross(queue: FixedQueue | VariableQueue, records: number, size: number): Promise<void> {
  const began = performance.now();
  const workers = (['consumer', 'producer'] as const).map(
    (role) =>
      new Worker(new URL('./fixtures/crossing-worker.js', import.meta.url), {
        workerData: { queue, role, records, size } satisfies Crossing,
      }),
  );
  try {
    const [received] = await Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0] as number));
    expect(received).toBe(records);
    const { published, consumed, depth } = inspect(queue);
    expect({ published, consumed, depth }).toEqual({ published: records, consumed: records, depth: 0 });
    console.log(`crossing: ${records} records in ${((performance.now() - began) / 1000).toFixed(1)} s`);
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

/** The sequence after the last published record; the consumer that has waited last may have marked the word. */
const publishedIn = (words: Int32Array): number =>
  seenFrom(words[placeField('cursor')]!, words[field('producerCursor')]!);

describe('a sequence passes 2^32', () => {
  it('in bytes, from 0, by variable records with padding', async () => {
    const queue = create({ kind: 'spsc', capacityBytes: 2 ** 17 });
    const size = 20_000;
    // The header and the alignment to 8 are part of what is counted, and padding comes on top, so it passes in any
    // case.
    const records = Math.ceil(2 ** 32 / (size + 8)) + 1000;
    await cross(queue, records, size);
    const cursor = publishedIn(wordsOf(queue));
    expect(cursor >>> 0, 'passed 2^32 and is small again').toBeLessThan(2 ** 30);
  }, 120_000);

  // This takes ten to thirty seconds alone on two cores, and minutes beside other work, so CI starts closer to the
  // wrap.
  const records = isLong ? 2 ** 32 + 2 ** 20 : 2 ** 24;
  const startSequence = isLong ? 0 : 2 ** 32 - records / 2;
  it(`in ${records} records of 4 bytes, from ${startSequence}`, async () => {
    const queue = create({ kind: 'spsc', capacity: 4096, recordBytes: 4, startSequence });
    await cross(queue, records, 64);
    expect(publishedIn(wordsOf(queue))).toBe((startSequence + records) % 2 ** 32);
  }, 30 * 60_000);
});

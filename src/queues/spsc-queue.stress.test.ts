/**
 * Two real threads, every word of every record checked. Small rings, so that full, empty, padding and the wrap meet all
 * the time; the sequence passes 2^31 or 2^32 half-way. `PERCORE_STRESS=1` runs fifty times as many records. Seeds are
 * random and printed with a failure: they choose the script, though not what the threads make of it.
 */
import { Worker } from 'node:worker_threads';
import { afterAll, describe, expect, it } from 'vitest';
import { create } from './index.js';
import type { FixedQueue, VariableQueue } from './index.js';
import type { StressResult, StressWork } from './fixtures/spsc-script-worker.js';

const isLong = process.env.PERCORE_STRESS === '1';
const TIMES = isLong ? 50 : 1;
const TIMEOUT_MS = isLong ? 30 * 60_000 : 30_000;

function start(work: StressWork): { worker: Worker; result: Promise<StressResult> } {
  const worker = new Worker(new URL('./fixtures/spsc-script-worker.js', import.meta.url), { workerData: work });
  const result = new Promise<StressResult>((resolve, reject) => {
    worker.on('message', resolve);
    worker.on('error', reject);
    worker.on('exit', () => reject(new Error(`the ${work.role} ended without a result`)));
  });
  return { worker, result };
}

const total = { records: 0, pauses: 0, ms: 0 };

/** Both ends of `queue` in threads of their own, until the consumer has seen CLOSED. */
async function run(queue: FixedQueue | VariableQueue, records: number): Promise<void> {
  const seed = 1 + Math.floor(Math.random() * 2 ** 30);
  const began = performance.now();
  const ends = (['producer', 'consumer'] as const).map((role, i) => start({ queue, role, records, seed: seed + i }));
  try {
    // An end that gives up leaves the other without company, so the first bad result decides.
    const results = ends.map(({ result }) => result.then((each) => {
      if (each.wrong !== '') throw new Error(`seed ${seed}: ${each.wrong}`);
      return each;
    }));
    const [producer, consumer] = await Promise.all(results);
    expect(consumer.records, `seed ${seed}`).toBe(records);
    // Neither end met the other's limits: then this was no stress.
    expect(Math.min(producer.refusals, consumer.refusals), `seed ${seed}: times refused`).toBeGreaterThan(10);
    total.records += records;
    total.pauses += producer.pauses + consumer.pauses;
    total.ms += performance.now() - began;
  } finally {
    await Promise.all(ends.map(({ worker }) => worker.terminate()));
  }
}

describe('between two threads, no record is lost, doubled, reordered or torn', () => {
  // The start lies half of the records before the wrap. Few records through the tiny rings: each hand-over may cost a
  // sleep.
  it.each([
    { capacity: 2, recordBytes: 16, records: 20_000 * TIMES, wrap: 2 ** 31 },
    { capacity: 16, recordBytes: 40, records: 180_000 * TIMES, wrap: 2 ** 32 },
    { capacity: 64, recordBytes: 16, records: 800_000 * TIMES, wrap: 2 ** 31 },
    { capacity: 1024, recordBytes: 8, records: 1_000_000 * TIMES, wrap: 2 ** 32 },
  ])(
    '$records fixed records of $recordBytes bytes through a ring of $capacity, past $wrap',
    ({ capacity, recordBytes, records, wrap }) =>
      run(create({ kind: 'spsc', capacity, recordBytes, startSequence: wrap - records / 2 }), records),
    TIMEOUT_MS,
  );

  // A variable record takes 8 bytes or more.
  it.each([
    { capacityBytes: 32, records: 20_000 * TIMES, wrap: 2 ** 31 },
    { capacityBytes: 256, records: 180_000 * TIMES, wrap: 2 ** 32 },
    { capacityBytes: 4096, records: 800_000 * TIMES, wrap: 2 ** 31 },
    { capacityBytes: 65_536, records: 1_000_000 * TIMES, wrap: 2 ** 32 },
  ])(
    '$records variable records through a ring of $capacityBytes bytes, past $wrap',
    ({ capacityBytes, records, wrap }) =>
      run(create({ kind: 'spsc', capacityBytes, startSequence: wrap - records * 4 }), records),
    TIMEOUT_MS,
  );

  afterAll(() =>
    console.log(
      `stress: ${total.records} records between two threads in ${(total.ms / 1000).toFixed(1)} s, ${total.pauses} `
        + `pauses`,
    ),
  );
});

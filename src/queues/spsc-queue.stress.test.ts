/**
 * Two real threads, with every word of every record checked. The rings are small, so that full, empty, padding and the
 * wrap occur all the time; the sequence passes 2^31 or 2^32 half-way. `PERCORE_STRESS=1` runs a hundred times as many
 * records. Seeds are random and printed with a failure. They decide the script, but not how the threads run.
 */
import { afterAll, describe, expect, it } from 'vitest';
import { runEnds } from './fixtures/script-ends.js';
import { create } from './index.js';
import type { FixedQueue, VariableQueue } from './index.js';

const isLong = process.env.PERCORE_STRESS === '1';
const TIMES = isLong ? 100 : 1;
const TIMEOUT_MS = isLong ? 30 * 60_000 : 30_000;

const total = { records: 0, pauses: 0, ms: 0 };

async function run(queue: FixedQueue | VariableQueue, records: number): Promise<void> {
  const { seed, ms, producer, consumer } = await runEnds(queue, records);
  expect(consumer.records, `seed ${seed}`).toBe(records);
  // If neither end met the other's limits, this was no stress.
  expect(Math.min(producer.refusals, consumer.refusals), `seed ${seed}: times refused`).toBeGreaterThan(10);
  total.records += records;
  total.pauses += producer.pauses + consumer.pauses;
  total.ms += ms;
}

describe('between two threads, no record is lost, doubled, reordered or torn', () => {
  // The start lies half of the records before the wrap. Few records go through the tiny rings, since each hand-over may
  // cost a sleep.
  it.each([
    { capacity: 2, recordBytes: 16, records: 20_000 * TIMES, wrap: 2 ** 31 },
    { capacity: 16, recordBytes: 40, records: 180_000 * TIMES, wrap: 2 ** 32 },
    { capacity: 64, recordBytes: 16, records: 400_000 * TIMES, wrap: 2 ** 31 },
    { capacity: 1024, recordBytes: 8, records: 500_000 * TIMES, wrap: 2 ** 32 },
  ])(
    '$records fixed records of $recordBytes bytes through a ring of $capacity, past $wrap',
    ({ capacity, recordBytes, records, wrap }) =>
      run(create({ kind: 'spsc', capacity, recordBytes, startSequence: wrap - records / 2 }), records),
    TIMEOUT_MS,
  );

  // A variable record takes at least 8 bytes.
  it.each([
    { capacityBytes: 32, records: 20_000 * TIMES, wrap: 2 ** 31 },
    { capacityBytes: 256, records: 180_000 * TIMES, wrap: 2 ** 32 },
    { capacityBytes: 4096, records: 400_000 * TIMES, wrap: 2 ** 31 },
    { capacityBytes: 65_536, records: 500_000 * TIMES, wrap: 2 ** 32 },
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

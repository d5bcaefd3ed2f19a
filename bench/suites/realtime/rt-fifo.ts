/** Row `rt-fifo`: what a write costs, and the longest write while nobody reads. */
import { struct } from 'percore/queues';
import { createRealtimeFifo, openRealtimeFifo, readRealtimeFifo, realtimeFifoStatus } from 'percore/realtime';
import { check, compare, type Bench } from '../../harness.js';

const ROUNDS = 2000;
const BATCH = 512;
const STOPPED = 200_000;
const codec = struct({ at: 'f64', value: 'f64' });

async function measure(): Promise<{ write: number; full: number; longest: number }> {
  const fifo = createRealtimeFifo({ capacity: 1024, codec });
  const writer = openRealtimeFifo(fifo);
  const reader = readRealtimeFifo(fifo);
  const record = { at: 0, value: 0 };
  const each: number[] = [];
  let read = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const began = process.hrtime.bigint();
    for (let i = 0; i < BATCH; i++) {
      record.at = round;
      record.value = i;
      writer.write(record);
    }
    each.push(Number(process.hrtime.bigint() - began) / BATCH);
    for (let i = 0; i < BATCH; i++) if ((await reader.next()).value?.value === i) read++;
  }
  check(read === ROUNDS * BATCH, `${read} of ${ROUNDS * BATCH} records came in order`);
  // Now nobody reads, so it fills and then drops.
  const began = process.hrtime.bigint();
  let longest = 0;
  for (let i = 0; i < STOPPED; i++) {
    const before = process.hrtime.bigint();
    writer.write(record);
    longest = Math.max(longest, Number(process.hrtime.bigint() - before));
  }
  const full = Number(process.hrtime.bigint() - began) / STOPPED;
  const { written, dropped } = realtimeFifoStatus(fifo);
  check(written + dropped === ROUNDS * BATCH + STOPPED, `${written} written and ${dropped} dropped`);
  return { write: each.toSorted((a, b) => a - b)[ROUNDS >> 1]!, full, longest: longest / 1000 };
}

export const rtFifo: Bench = {
  name: 'rt-fifo',
  run: () => compare({
    runs: 3, ours: { name: 'levels', run: measure },
    baselines: [{ name: 'the bound', run: async () => ({ write: 100, full: 100, longest: 10 }) }],
    figures: [
      {
        of: 'write', metric: 'write', unit: 'ns', better: 'lower',
        targets: { 'the bound': { of: 'ratio', atMost: 1 } },
      },
      { of: 'full', metric: 'write when full, timed each', unit: 'ns', better: 'lower' },
      { of: 'longest', metric: 'longest write', unit: 'us', better: 'lower' },
    ],
  }),
};

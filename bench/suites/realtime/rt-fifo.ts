/** Row `rt-fifo`: what a write costs, and the longest write by a level while nobody reads. */
import { fileURLToPath } from 'node:url';
import { cpuBudget } from 'percore';
import { struct } from 'percore/queues';
import { createRealtimeFifo, openRealtimeFifo, readRealtimeFifo, realtimeFifoStatus } from 'percore/realtime';
import { check, compare, type Bench, type Finding } from '../../harness.js';
import { runProgram } from '../../programs.js';
import { LEVEL_FLAGS } from './levels-wish.js';
import type { StoppedReport } from './rt-fifo-process.js';

const ROUNDS = 2000;
const BATCH = 512;
const STOPPED = 200_000;
const codec = struct({ at: 'f64', value: 'f64' });

async function measure(): Promise<{ write: number; full: number }> {
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
  for (let i = 0; i < STOPPED; i++) writer.write(record);
  const full = Number(process.hrtime.bigint() - began) / STOPPED;
  const { written, dropped } = realtimeFifoStatus(fifo);
  check(written + dropped === ROUNDS * BATCH + STOPPED, `${written} written and ${dropped} dropped`);
  return { write: each.toSorted((a, b) => a - b)[ROUNDS >> 1]!, full };
}

/** The longest write by a level, in microseconds, and what of it the machine does not explain. */
async function measureStopped(): Promise<StoppedReport> {
  const program = fileURLToPath(new URL('./rt-fifo-process.js', import.meta.url));
  const node = [process.execPath, ...LEVEL_FLAGS, program];
  const answer = await runProgram('prlimit', [
    '--rttime=20000000', ...node, JSON.stringify({ cpu: cpuBudget().allowed.at(-1) }),
  ]);
  const report = answer as unknown as StoppedReport;
  check(report.isFifo, 'the level was not granted SCHED_FIFO');
  check(report.count > 0, 'nothing was measured');
  return report;
}

async function stopped(): Promise<Finding[]> {
  const reports: StoppedReport[] = [];
  return compare({
    runs: 5,
    ours: {
      name: 'levels',
      async run() {
        const report = await measureStopped();
        reports.push(report);
        const { wallNs, ownNs, gapNs } = report;
        return { wall: wallNs / 1000, own: ownNs / 1000, beyond: Math.max(0, ownNs - gapNs) / 1000 };
      },
    },
    baselines: [{
      name: 'a loop that reads the clock, same thread',
      run: async () => ({ wall: reports.at(-1)!.gapNs / 1000, own: reports.at(-1)!.gapNs / 1000, beyond: 0 }),
    }],
    figures: [
      { of: 'wall', metric: 'longest write', unit: 'us', better: 'lower' },
      { of: 'own', metric: 'longest write without an interrupt', unit: 'us', better: 'lower' },
      {
        of: 'beyond', metric: 'longest write beyond stolen time', unit: 'us', better: 'lower',
        targets: { 'a loop that reads the clock, same thread': { of: 'value', atMost: 10 } },
      },
    ],
    note: () => {
      const sum = (of: 'long' | 'stolen' | 'count'): number => reports.reduce((all, report) => all + report[of], 0);
      return `${sum('long')} of ${sum('count')} writes took more than 5 us, of which ${sum('stolen')} were interrupted`;
    },
  });
}

export const rtFifo: Bench = {
  name: 'rt-fifo',
  run: async () => [
    ...await compare({
      runs: 3, ours: { name: 'levels', run: measure },
      baselines: [{ name: 'the bound', run: async () => ({ write: 100, full: 100 }) }],
      figures: [
        {
          of: 'write', metric: 'write', unit: 'ns', better: 'lower',
          targets: { 'the bound': { of: 'ratio', atMost: 1 } },
        },
        { of: 'full', metric: 'write when full', unit: 'ns', better: 'lower' },
      ],
    }),
    ...await stopped(),
  ],
};

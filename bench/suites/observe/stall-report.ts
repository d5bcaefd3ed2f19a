/**
 * Row `stall-report`: a step that does not end is reported while it lasts. The figure is the time from when the step
 * reaches the threshold to the event on the main thread; the baseline is the threshold itself.
 */
import { createRuntime } from 'percore';
import { check, compare, percentile, sleep, type Bench } from '../../harness.js';
import type { HoldTown } from './stall-report-reactor.js';

const RUNS = 5;
const STALLS = 20;
const THRESHOLD_MS = 10;
const HOLD_MS = 60;

async function measure(): Promise<{ p50: number; max: number }> {
  const clock = new Float64Array(new SharedArrayBuffer(8));
  const runtime = await createRuntime<HoldTown>({
    entry: new URL('./stall-report-reactor.js', import.meta.url), reactors: 1, data: clock,
    stall: { thresholdMs: THRESHOLD_MS, reportsPerMinute: 1000 },
  });
  try {
    const late: number[] = [];
    for (let i = 0; i < STALLS; i++) {
      const told = new Promise<void>((resolve) => runtime.once('stalled', ({ reactorId }) => {
        if (reactorId === 0) late.push(performance.timeOrigin + performance.now() - clock[0] - THRESHOLD_MS);
        resolve();
      }));
      runtime.send('hold', HOLD_MS, { reactor: 0 });
      await Promise.race([told, sleep(1000)]);
      await sleep(HOLD_MS);
    }
    check(late.length === STALLS, `${late.length} of ${STALLS} stalls were told`);
    late.sort((a, b) => a - b);
    return { p50: percentile(late, 50), max: late.at(-1)! };
  } finally {
    await runtime.close();
  }
}

export const stallReport: Bench = {
  name: 'stall-report',
  run: () => compare({
    runs: RUNS,
    ours: { name: 'percore', run: measure },
    baselines: [{ name: 'threshold', run: async () => ({ p50: THRESHOLD_MS, max: THRESHOLD_MS }) }],
    figures: (['p50', 'max'] as const).map((of) => ({
      of, metric: of, unit: 'ms', better: 'lower', params: { thresholdMs: THRESHOLD_MS, stalls: STALLS },
      targets: { threshold: { of: 'ratio', atMost: 2 } },
    })),
  }),
};

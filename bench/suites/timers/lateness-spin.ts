/**
 * Row `lateness-spin`: how late a 1 kHz rate timer with the spin backend is in its callback, beyond a C loop that spins
 * to the same deadlines on the same core. The loop runs just before and just after, and the mean of both is subtracted.
 * So what is left is the time from the deadline into JavaScript. `samples` has the figures of both as they were
 * measured.
 */
import { CheckFailed, type Bench, type Finding } from '../../harness.js';
import { cSpin, lastCpu, measureTimer, percentilesUs } from './lateness.js';

const RUNS = 7;
const INTERVAL_NS = 1e6;
const TICKS = 2500;
/**
 * A warm-up after which V8 has optimized the code of a tick, which it does once that has run often enough. Before that,
 * a tick is half a microsecond later.
 */
const WARMUP_TICKS = 6000;
const LOOP_WARMUP_TICKS = 300;
const LIMITS_US = { p50: 1, p99: 10 } as const;

export const latenessSpin: Bench = {
  name: 'lateness-spin',
  async run() {
    const cpu = lastCpu();
    const ours: Record<'p50' | 'p99', number>[] = [];
    const loop: Record<'p50' | 'p99', number>[] = [];
    for (let run = 0; run < RUNS; run++) {
      const before = await cSpin(cpu, INTERVAL_NS, TICKS, LOOP_WARMUP_TICKS);
      const report = await measureTimer(
        { timer: 'rate-timer', backend: 'spin', cpu, intervalNs: INTERVAL_NS, ticks: TICKS, warmupTicks: WARMUP_TICKS },
        'other',
      );
      const after = await cSpin(cpu, INTERVAL_NS, TICKS, LOOP_WARMUP_TICKS);
      ours.push(percentilesUs(report.latenessNs));
      loop.push({ p50: (before.p50 + after.p50) / 2, p99: (before.p99 + after.p99) / 2 });
    }
    return (['p50', 'p99'] as const).map((metric) =>
      difference(
        metric,
        ours.map((one) => one[metric]),
        loop.map((one) => one[metric]),
      ),
    );
  },
};

/** The row of a difference: that of the run with the median difference. A ratio would mean nothing. */
function difference(metric: 'p50' | 'p99', ours: readonly number[], loop: readonly number[]): Finding {
  const differences = ours.map((value, run) => value - loop[run]!);
  const middle = differences.map((_, run) => run).sort((a, b) => differences[a]! - differences[b]!)[RUNS >> 1]!;
  const value = differences[middle]!;
  if (!Number.isFinite(value)) throw new CheckFailed('a percentile is missing');
  return {
    metric, params: { rateHz: 1000, lessThanBaseline: 'subtracted' }, unit: 'us', value, better: 'lower',
    baseline: { name: 'C spin', value: loop[middle]! }, ratio: null, runs: RUNS,
    spread: { of: 'value', min: Math.min(...differences), max: Math.max(...differences) },
    verified: true, target: { of: 'value', atMost: LIMITS_US[metric], isMet: value <= LIMITS_US[metric] },
    samples: { ours, baseline: loop },
    note: 'ours less the same percentile of the C loop, mean of one run before and one after; samples are as measured',
  };
}

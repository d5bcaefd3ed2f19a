/**
 * Row `lateness-spin`: how much later than a C loop that spins to the same deadlines a 1 kHz rate timer with the spin
 * backend is, in its callback, on the same core. The loop runs just before and just after, and the mean of both is
 * taken off: what is left is the way from the deadline into JavaScript. `samples` has ours and the loop's as they were.
 */
import { CheckFailed, type Bench, type Finding } from '../../harness.js';
import { cSpin, lastCpu, measureTimer, percentilesUs } from './lateness.js';

const RUNS = 7;
const INTERVAL_NS = 1e6;
const TICKS = 2500;
/**
 * Until V8 has optimized what a tick runs, which it does by how often it ran: before that a tick is half a microsecond
 * later.
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

/** The row of a difference: the run that has the median of them. A ratio of it would mean nothing. */
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

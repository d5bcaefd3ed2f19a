/**
 * The contenders of the rows about lateness: percore's timers and Node's, each in a process of its own, cyclictest, and
 * a C loop.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { cpuBudget } from 'percore';
import { check, CheckFailed, percentile } from '../../harness.js';
import { baselineProgram, runProgram } from '../../programs.js';
import type { LatenessReport, LatenessWish } from './lateness-process.js';

export type Policy = 'other' | 'fifo';
export type { LatenessWish };
export const FIFO_PRIORITY = 80;

/** Percentiles of absolute values, in microseconds. */
export interface Percentiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** The last CPU that this process may use, since the first one gets more of the interrupts. */
export function lastCpu(): number {
  return cpuBudget().allowed.at(-1)!;
}

/** Runs a timer in a process of its own, and checks that it is the right one, on the right CPU, and never early. */
export async function measureTimer(wish: LatenessWish, policy: Policy, timeoutMs = 60_000): Promise<LatenessReport> {
  const program = [
    process.execPath, fileURLToPath(new URL('./lateness-process.js', import.meta.url)), JSON.stringify(wish),
  ];
  const report = (await (policy === 'fifo'
    ? runProgram('chrt', ['-f', FIFO_PRIORITY, ...program], timeoutMs)
    : runProgram(program[0]!, program.slice(1), timeoutMs))) as unknown as LatenessReport;
  const what = `${wish.timer} ${wish.backend ?? ''}`;
  check(
    report.policy === (policy === 'fifo' ? `SCHED_FIFO ${FIFO_PRIORITY}` : 'SCHED_OTHER 0'),
    `${what} ran with ${report.policy}, not ${policy}`,
  );
  check(
    wish.backend === undefined || report.granted === wish.backend,
    `asked for ${wish.backend}, granted was ${report.granted}`,
  );
  check(report.latenessNs.length === wish.ticks, `${what}: ${report.latenessNs.length} of ${wish.ticks} ticks`);
  // Node's own timers may be early by as much as its clock of whole milliseconds cuts off.
  check(
    wish.timer.startsWith('set') || report.latenessNs.every((ns) => ns >= 0),
    `${what} was early by ${-Math.min(...report.latenessNs)} ns`,
  );
  return report;
}

export function percentilesUs(valuesNs: readonly number[]): Percentiles {
  const sorted = valuesNs.map((ns) => Math.abs(ns) / 1000).sort((a, b) => a - b);
  return {
    p50: percentile(sorted, 50), p95: percentile(sorted, 95), p99: percentile(sorted, 99),
    p999: percentile(sorted, 99.9), max: sorted.at(-1)!,
  };
}

/**
 * Runs cyclictest on one CPU, in absolute time. As is its default, it keeps the machine out of deep idle states while
 * it runs.
 */
export async function cyclictest(cpu: number, policy: Policy, intervalNs: number, ticks: number): Promise<Percentiles> {
  const how = policy === 'fifo' ? ['--policy=fifo', '-p', FIFO_PRIORITY] : ['--policy=other'];
  const args = ['-q', '-t', 1, '-a', cpu, ...how, '-i', intervalNs / 1000, '-l', ticks, '-h', LONGEST_US].map(String);
  const { stdout } = await promisify(execFile)('cyclictest', args, {
    timeout: (ticks * intervalNs) / 1e6 + 60_000,
    maxBuffer: 2 ** 26,
  }).catch((error: Error & { code?: string }) => {
    throw new CheckFailed(
      error.code === 'ENOENT'
        ? 'there is no cyclictest; on Debian and Ubuntu: apt-get install rt-tests'
        : `cyclictest failed: ${error.message}`,
      { cause: error },
    );
  });
  return fromHistogram(stdout, ticks);
}

const LONGEST_US = 100_000;

/**
 * Parses lines such as "000018 000012": whole microseconds, and how many. Half a microsecond is added to each value.
 */
export function fromHistogram(text: string, ticks: number): Percentiles {
  const bins = [...text.matchAll(/^(\d{6}) (\d{6,})$/gm)].map(
    ([, us, count]) => [Number(us) + 0.5, Number(count)] as const,
  );
  const max = Number(/^# Max Latencies: (\d+)/m.exec(text)?.[1]);
  const total = bins.reduce((sum, [, count]) => sum + count, 0);
  check(
    Number.isFinite(max) && total > ticks * 0.95, `cyclictest printed ${total} of ${ticks} wake-ups in its histogram`,
  );
  const at = (share: number): number => {
    const rank = Math.ceil(share * ticks);
    let seen = 0;
    return bins.find(([, count]) => (seen += count) >= rank)?.[0] ?? max;
  };
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99), p999: at(0.999), max };
}

/** Runs a C loop that spins to the deadlines. */
export async function cSpin(
  cpu: number, intervalNs: number, ticks: number, warmupTicks: number,
): Promise<{ p50: number; p99: number }> {
  const report = await runProgram(await baselineProgram('spin_deadlines'), [cpu, intervalNs, ticks, warmupTicks]);
  check(report['ticks'] === ticks, `the C loop made ${String(report['ticks'])} of ${ticks} ticks`);
  return { p50: report['p50Us'] as number, p99: report['p99Us'] as number };
}

/**
 * Rows `idle-cpu` and `idle-wakeups`: what two reactors cost when there is nothing to do, against two workers that do
 * nothing.
 *
 * Each run is a process of its own, so that nothing else of the harness runs in it. It starts its threads, lets them
 * settle, reads the kernel's counters, sleeps, and reads them again. `idle-cpu` is that of the whole process, including
 * the main thread and V8's helpers. `idle-wakeups` is that of the thread that woke more often: the kernel's count of
 * its context switches (a thread that never ran has none), or the reactor's own count of turns if that is larger.
 */
import { fileURLToPath } from 'node:url';
import { check, compare, type Bench, type Contender, type Figure, type Finding } from '../../harness.js';
import { runProgram } from '../../programs.js';
import { twoCpus } from '../../cpus.js';
import type { IdleReport } from './idle-process.js';

const RUNS = 3;
const IDLE_MS = 5000;

type Figures = 'cpuPercent' | 'wakeupsPerSecond';

const params = { reactors: 2, seconds: IDLE_MS / 1000 };
const cpu: Figure<Figures> = {
  of: 'cpuPercent',
  metric: 'cpu',
  unit: '% of a core',
  better: 'lower',
  params,
  targets: { 'empty worker': { of: 'value', atMost: 0.1 } },
};
const wakeups: Figure<Figures> = {
  of: 'wakeupsPerSecond',
  metric: 'rate',
  unit: '1/s',
  better: 'lower',
  params,
  targets: { 'empty worker': { of: 'value', atMost: 1 } },
};

/** Both rows come from the same runs, which take half a minute. */
let findings: Promise<Finding[]> | undefined;
const measured = (): Promise<Finding[]> =>
  (findings ??= compare({ runs: RUNS, ours: idle('reactors'), baselines: [idle('workers')], figures: [cpu, wakeups] }));
const only =
  ({ metric }: Figure) =>
  async (): Promise<Finding[]> =>
    (await measured()).filter((finding) => finding.metric === metric);

export const idleCpu: Bench = { name: 'idle-cpu', run: only(cpu) };
export const idleWakeups: Bench = { name: 'idle-wakeups', run: only(wakeups) };

function idle(what: 'reactors' | 'workers'): Contender<Figures> {
  return {
    name: what === 'reactors' ? 'percore' : 'empty worker',
    async run() {
      const report = (await runProgram('taskset', [
        '-c', twoCpus().join(','), process.execPath, fileURLToPath(new URL('./idle-process.js', import.meta.url)), what,
        IDLE_MS,
      ])) as unknown as IdleReport;
      check(report.threads === 2, `the counters of ${report.threads} threads were read, not of 2`);
      check(report.answers === 2, `${report.answers} of 2 threads answered after the silence`);
      return {
        cpuPercent: report.cpuPercent,
        wakeupsPerSecond: Math.max(report.mostSwitches, report.mostTurns) / (report.elapsedMs / 1000),
      };
    },
  };
}

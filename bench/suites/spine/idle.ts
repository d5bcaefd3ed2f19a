/**
 * Rows `idle-cpu` and `idle-wakeups`: what two reactors cost when there is nothing to do, against two workers that only exist.
 *
 * Each run is a process of its own, so that nothing else of the harness runs in it: it starts its threads, lets them settle, looks
 * at the kernel's counters, sleeps, and looks again. `idle-cpu` is of the whole process, main thread and V8's helpers included;
 * `idle-wakeups` is the larger number of context switches among the two threads, since a thread that never runs never switches.
 */
import { fileURLToPath } from 'node:url';
import { compare, check, type Bench, type Contender, type Figure } from '../../harness.js';
import { runProgram } from '../../programs.js';
import { twoCpus } from '../../cpus.js';
import type { IdleReport } from './idle-process.js';

const RUNS = 3;
const IDLE_MS = 5000;

type Figures = 'cpuPercent' | 'wakeupsPerSecond';

export const idleCpu: Bench = idleBench('idle-cpu', {
  of: 'cpuPercent', metric: 'cpu', unit: '% of a core', better: 'lower', params: { reactors: 2, seconds: IDLE_MS / 1000 }, targets: { 'empty worker': { of: 'value', atMost: 0.1 } },
});
export const idleWakeups: Bench = idleBench('idle-wakeups', {
  of: 'wakeupsPerSecond', metric: 'rate', unit: '1/s', better: 'lower', params: { reactors: 2, seconds: IDLE_MS / 1000 }, targets: { 'empty worker': { of: 'value', atMost: 1 } },
});

function idleBench(name: string, figure: Figure<Figures>): Bench {
  return { name, run: () => compare({ runs: RUNS, ours: idle('reactors'), baselines: [idle('workers')], figures: [figure] }) };
}

function idle(what: 'reactors' | 'workers'): Contender<Figures> {
  return {
    name: what === 'reactors' ? 'percore' : 'empty worker',
    async run() {
      const report = (await runProgram('taskset', ['-c', twoCpus().join(','), process.execPath, fileURLToPath(new URL('./idle-process.js', import.meta.url)), what, IDLE_MS])) as unknown as IdleReport;
      check(report.threads === 2, `the counters of ${report.threads} threads were read, not of 2`);
      check(report.answers === 2, `${report.answers} of 2 threads answered after the silence`);
      return { cpuPercent: report.cpuPercent, wakeupsPerSecond: report.mostSwitches / (report.elapsedMs / 1000) };
    },
  };
}

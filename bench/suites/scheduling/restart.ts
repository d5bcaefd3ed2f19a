/**
 * Row `restart`: from a reactor's death to the first message that the next thread runs in its place, against a bare
 * worker from `new Worker` to its first message. The message already waits in the lane, or in the port of the worker.
 * The time of death is that of the thread's exit event, which is the only proof of it. Each run is a process of its own
 * that does this several times and gives the median. "spare" is the default, in which a thread is kept ready for the
 * death; "reactor" is `restart.spare: false`.
 */
import { fileURLToPath } from 'node:url';
import { twoCpus } from '../../cpus.js';
import { check, compare, type Bench, type Contender } from '../../harness.js';
import { runProgram } from '../../programs.js';

const RUNS = 7;
const TIMES = 9;

export const restart: Bench = {
  name: 'restart',
  run: async () => {
    const findings = [];
    for (const form of ['spare', 'reactor'] as const) findings.push(...(await figureOf(form)));
    return findings;
  },
};

function figureOf(form: 'reactor' | 'spare'): ReturnType<Bench['run']> {
  return compare({
    runs: RUNS,
    ours: timesOf('percore', form),
    baselines: [timesOf('bare worker', 'worker')],
    figures: [
      {
        of: 'p50',
        metric: 'p50',
        unit: 'ms',
        better: 'lower',
        params: { deaths: TIMES, form },
        targets: { 'bare worker': { of: 'ratio', atMost: 1.2 } },
      },
    ],
  });
}

function timesOf(name: string, what: 'reactor' | 'spare' | 'worker'): Contender<'p50'> {
  return {
    name,
    async run() {
      const { medianMs, count } = await runProgram('taskset', [
        '-c', twoCpus().join(','), process.execPath, fileURLToPath(new URL('./restart-process.js', import.meta.url)),
        what, TIMES,
      ]);
      check(count === TIMES && typeof medianMs === 'number', `${count} of ${TIMES} were started again`);
      return { p50: medianMs };
    },
  };
}

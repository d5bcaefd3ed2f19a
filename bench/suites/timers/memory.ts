/**
 * Row `memory`: how many bytes a timer takes, without its callback, measured with a million timers: of the process, and
 * of the memory that V8 counts, which includes the records of the wheel. The space for young objects has a fixed size
 * here, since otherwise it grows and shrinks by more than a tenth of the figure, and it does not belong to the timers.
 */
import { fileURLToPath } from 'node:url';
import { compare, type Bench, type Contender, type Figure } from '../../harness.js';
import { runProgram } from '../../programs.js';
import type { MemoryReport } from './memory-process.js';

const RUNS = 3;
type Figures = keyof MemoryReport;
const figure = (of: Figures, counted: string): Figure<Figures> => ({
  of,
  metric: 'memory',
  unit: 'bytes',
  better: 'lower',
  params: { live: 1_000_000, counted },
  targets: { setTimeout: { of: 'value', atMost: 48 } },
});

export const memory: Bench = {
  name: 'memory',
  run: () =>
    compare({
      runs: RUNS,
      ours: contender('percore'),
      baselines: [contender('setTimeout')],
      figures: [figure('rssBytes', 'resident'), figure('heapBytes', 'heap and external')],
    }),
};

function contender(name: 'percore' | 'setTimeout'): Contender<Figures> {
  return {
    name,
    run: async () =>
      (await runProgram(process.execPath, [
        '--expose-gc', '--min-semi-space-size=16', '--max-semi-space-size=16',
        fileURLToPath(new URL('./memory-process.js', import.meta.url)), name,
      ])) as unknown as MemoryReport,
  };
}

/**
 * Row `cost-growth`: what it costs to create and to cancel a timer while 10^5 and 10^7 others are live, against the
 * same with 10^3 live. Beside it, a C program reads and writes at random within as many bytes, which shows what memory
 * alone costs at such a size. Each run is a process of its own and is pinned. `cancelled` says which timers are
 * cancelled: those that were just created, or any live ones.
 */
import { fileURLToPath } from 'node:url';
import { compare, type Bench, type Contender, type Figure } from '../../harness.js';
import { twoCpus } from '../../cpus.js';
import { baselineProgram, runProgram } from '../../programs.js';
import type { CostGrowthReport } from './cost-growth-process.js';

const RUNS = 3;
const CASES = [{ live: 1e5, atMost: 2 }, { live: 1e7, atMost: 4 }];
const ACCESSES = 2_000_000;

type Figures = 'newNs' | 'randomNs';

export const costGrowth: Bench = {
  name: 'cost-growth',
  async run() {
    const findings = [];
    for (const { live, atMost } of CASES) {
      let bytes = 0;
      const figure = (of: Figures, cancelled: string): Figure<Figures> => ({
        of,
        metric: 'time',
        unit: 'ns',
        better: 'lower',
        params: { live, cancelled },
        targets: { '10^3 live': { of: 'ratio', atMost } },
      });
      const ours: Contender<Figures> = {
        name: 'percore',
        async run() {
          const report = await pairs(live);
          bytes = report.bytes;
          return report;
        },
      };
      findings.push(
        ...(await compare({
          runs: RUNS,
          ours,
          baselines: [
            { name: '10^3 live', run: () => pairs(1e3) },
            memory('C random access', () => bytes, 'chained'),
            memory('C random access, independent', () => bytes, 'independent'),
          ],
          figures: [figure('newNs', 'new'), figure('randomNs', 'random')],
          note: () =>
            `${Math.round(bytes / 1e6)} MB; one access of the C program is one address, ` +
              'a pair of ours that cancels at random touches about eight',
        })),
      );
    }
    return findings;
  },
};

async function pairs(live: number): Promise<CostGrowthReport> {
  return (await runProgram('taskset', [
    '-c', twoCpus()[1], process.execPath, fileURLToPath(new URL('./cost-growth-process.js', import.meta.url)), live,
  ])) as unknown as CostGrowthReport;
}

/** `bytes` is known after ours has run. */
function memory(name: string, bytes: () => number, how: 'chained' | 'independent'): Contender<Figures> {
  return {
    name,
    async run() {
      const report = (await runProgram(await baselineProgram('random_access'), [
        twoCpus()[1], bytes(), ACCESSES, how,
      ])) as { accessNs: number };
      return { newNs: report.accessNs, randomNs: report.accessNs };
    },
  };
}

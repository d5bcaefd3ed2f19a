/**
 * Row `boot`: from just before `createRuntime` with two reactors to the first answered call, against two bare workers
 * that each answer one message. Every run is a fresh process. On both sides the clock starts after percore, or
 * node:worker_threads, was loaded into the main thread. What the workers load themselves is in the figure; for a
 * reactor that is percore and the addon. The second figure is with code that an earlier process has kept
 * (PERCORE_CODE_CACHE).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { twoCpus } from '../../cpus.js';
import { check, compare, type Bench, type Contender, type Finding } from '../../harness.js';
import { runProgram } from '../../programs.js';

const RUNS = 15;

export const boot: Bench = {
  name: 'boot',
  async run() {
    const folder = mkdtempSync(join(tmpdir(), 'percore-boot-'));
    try {
      const findings = await measureWith('');
      await bootOf('percore', './boot-percore.js', folder).run();
      return [...findings, ...(await measureWith(folder))];
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
};

const measureWith = (codeCache: string): Promise<Finding[]> =>
  compare({
    runs: RUNS,
    ours: bootOf('percore', './boot-percore.js', codeCache),
    baselines: [bootOf('bare workers', './boot-workers.js', '')],
    figures: [
      {
        of: 'p50',
        metric: 'p50',
        unit: 'ms',
        better: 'lower',
        params: { reactors: 2, ...(codeCache === '' ? {} : { code: 'kept' }) },
        targets: { 'bare workers': { of: 'ratio', atMost: 1.5 } },
      },
    ],
  });

function bootOf(name: string, script: string, codeCache: string): Contender<'p50'> {
  return {
    name,
    async run() {
      const { elapsedMs, answers } = await runProgram('taskset', [
        '-c', twoCpus().join(','), 'env', `PERCORE_CODE_CACHE=${codeCache}`,
        process.execPath, fileURLToPath(new URL(script, import.meta.url)),
      ]);
      check(typeof elapsedMs === 'number' && answers === true, 'an answer was wrong');
      return { p50: elapsedMs };
    },
  };
}

/**
 * Row `offload`: microseconds for each task of a pool with one thread and two tasks under way, for tasks of half a
 * millisecond and for tasks that do nothing. Ours are asked for by a reactor and pass through the main thread. The
 * baseline is a bare piscina with the same number of threads on the same CPU, which the main thread asks itself.
 *
 * Each of our runs also checks priorities: an urgent task that is asked for after 50 others of a lower band must end
 * before all of these, except for those that already had a thread.
 */
import { createRuntime } from 'percore';
import { Piscina } from 'piscina';
import { twoCpus } from '../../cpus.js';
import { check, compare, type Bench, type Contender } from '../../harness.js';
import type { OffloadServices } from './offload-reactor.js';
import { timeOfTaskUs, type OffloadTask } from './offload-loop.js';
import type { OffloadTaskData } from './offload-piscina-task.js';

const RUNS = 5;

export const offload: Bench = {
  name: 'offload',
  async run() {
    const findings = [];
    for (const { taskUs, tasks } of [{ taskUs: 500, tasks: 1000 }, { taskUs: 0, tasks: 10_000 }]) {
      findings.push(
        ...(await compare<'time'>({
          runs: RUNS,
          ours: percore(taskUs, tasks),
          baselines: [piscina(taskUs, tasks)],
          figures: [{
            of: 'time', metric: 'time', unit: 'µs/task', better: 'lower', params: { taskUs, threads: 1 },
            ...(taskUs === 0 ? {} : { targets: { 'bare piscina': { of: 'ratio', atMost: 1.15 } } }),
          }],
        })),
      );
    }
    return findings;
  },
};

function percore(taskUs: number, tasks: number): Contender<'time'> {
  return {
    name: 'percore',
    async run() {
      // The reactor has one of the two CPUs, so the pool has the other one.
      await using runtime = await createRuntime<{ calls: OffloadServices }>({
        entry: new URL('./offload-reactor.js', import.meta.url), reactors: 1, pin: [twoCpus()[0]],
      });
      await runtime.call('offload', { taskUs, tasks: tasks / 10 });
      const before = await runtime.call('urgentBefore', 50);
      // One that already had a thread, and those that began while the requests were under way.
      check(before <= 3, `${before} of 50 tasks of a lower band were run before an urgent one`);
      return { time: await runtime.call('offload', { taskUs, tasks }) };
    },
  };
}

function piscina(taskUs: number, tasks: number): Contender<'time'> {
  return {
    name: 'bare piscina',
    async run() {
      const pool = new Piscina<OffloadTask, number>({
        filename: new URL('./offload-piscina-task.js', import.meta.url).href,
        minThreads: 1, maxThreads: 1, workerData: { cpu: twoCpus()[1] } satisfies OffloadTaskData,
      });
      try {
        const ask = (task: OffloadTask): Promise<number> => pool.run(task);
        await timeOfTaskUs(ask, { taskUs, tasks: tasks / 10 });
        return { time: await timeOfTaskUs(ask, { taskUs, tasks }) };
      } finally {
        await pool.destroy();
      }
    },
  };
}

/**
 * Row `select`: what it costs to choose among 10,000 ready tasks, by each discipline, against a binary heap, which is
 * how priority queues of npm work. `reactor.select()` takes the tasks out one after the other until none is ready, and
 * the figure is the mean over all of them. Then each task runs and is made ready again: a round.
 *
 * The disciplines run in turn, and each run begins with another one of them, so that none is always the first in the
 * process or the last. Each has a thread of its own, whose first rounds are not measured: see select-reactor.ts.
 */
import { createRuntime, type DisciplineChoice } from 'percore';
import { twoCpus } from '../../cpus.js';
import { check, compareAll, type Bench, type Contender, type Target } from '../../harness.js';
import type { SelectServices } from './select-reactor.js';

const RUNS = 5;
const ALL = 10_000;

export const DISCIPLINES: readonly { readonly name: string; readonly discipline: DisciplineChoice }[] = [
  { name: 'strict', discipline: 'strict' },
  { name: 'strict, ageing', discipline: { kind: 'strict', ageing: 100 } },
  { name: 'roundRobin', discipline: 'roundRobin' },
  { name: 'weighted', discipline: { kind: 'weighted', weights: { 7: 8, 6: 4, 5: 2, others: 1 } } },
  { name: 'shares', discipline: { kind: 'shares', shares: { 7: 8, 6: 4, 5: 2, others: 1 } } },
  { name: 'deadline', discipline: { kind: 'deadline', deadlinesNs: { 7: 1e5, 6: 1e6, 5: 1e7, others: 1e9 } } },
];
const target = (name: string): Target => ({ of: 'value', atMost: name === 'shares' || name === 'deadline' ? 150 : 30 });

export const select: Bench = {
  name: 'select',
  run: () => compareAll<'nsEach'>(DISCIPLINES.map(({ name, discipline }) => ({
    runs: RUNS,
    ours: contender(name, discipline, 'select'),
    baselines: [contender('binary heap', discipline, 'heap')],
    figures: [{
      of: 'nsEach', metric: 'time', unit: 'ns', better: 'lower', params: { discipline: name, ready: ALL },
      targets: { 'binary heap': target(name) },
    }],
  }))),
};

function contender(
  name: string, discipline: DisciplineChoice, service: keyof SelectServices & string,
): Contender<'nsEach'> {
  return {
    name,
    async run() {
      await using runtime = await createRuntime<{ calls: SelectServices }>({
        entry: new URL('./select-reactor.js', import.meta.url), reactors: 1, pin: [twoCpus()[1]], discipline,
      });
      const { nsEach, wrong } = await runtime.call(service, ALL, { timeoutMs: 60_000 });
      check(wrong === 0, `${wrong} selections were of something that was not ready`);
      return { nsEach };
    },
  };
}

/**
 * Row `expire`: a million timers are due within one millisecond, in an order that has nothing to do with that of their
 * creation. The figures are how long it takes until all have run, in how many turns, and whether turns keep to their
 * budget. The baseline runs all timers in one go, in the order of their creation; its turn is the time in which the
 * loop serves nothing else.
 */
import { fileURLToPath } from 'node:url';
import { createRuntime } from 'percore';
import { check, compare, type Bench, type Contender, type Figure } from '../../harness.js';
import { twoCpus } from '../../cpus.js';
import { runProgram } from '../../programs.js';
import type { ExpireResult, ExpireServices } from './expire-reactor.js';

const RUNS = 5;
const COUNT = 1_000_000;
/** The default budget of a turn, plus a quantum that began just before that was spent. */
const TURN_US = 20 + 5;

type Figures = 'totalMs' | 'turnP99Us' | 'turnMaxUs';
const params = { timers: COUNT };
const us = { unit: 'us', better: 'lower', params, targets: { setTimeout: { of: 'value', atMost: TURN_US } } } as const;
const figures: Figure<Figures>[] = [
  {
    of: 'totalMs',
    metric: 'time',
    unit: 'ms',
    better: 'lower',
    params,
    targets: { setTimeout: { of: 'value', atMost: 250 } },
  },
  { ...us, of: 'turnP99Us', metric: 'turn-p99' },
  { ...us, of: 'turnMaxUs', metric: 'turn-max' },
];

export const expire: Bench = {
  name: 'expire',
  async run() {
    const notes: string[] = [];
    const ours: Contender<Figures> = {
      name: 'percore',
      async run() {
        await using runtime = await createRuntime<{ calls: ExpireServices }>({
          entry: new URL('./expire-reactor.js', import.meta.url),
          reactors: 1,
          pin: [twoCpus()[1]],
        });
        const result: ExpireResult = await runtime.call('expire', COUNT, { reactor: 0, timeoutMs: 60_000 });
        check(result.wrong === 0, `${result.wrong} timers ran early, twice, never or out of order`);
        check(result.turns >= COUNT / 1024, `${result.turns} turns`);
        notes.push(
          `${result.turns} turns of at most ${result.mostInTurn} timers, p99.9 ${result.turnP999Us.toFixed(0)} us`,
        );
        return result;
      },
    };
    return compare({
      runs: RUNS,
      ours,
      baselines: [setTimeouts],
      figures,
      note: () => `first run: ${notes[0]}; the longest turn has what else ran on the CPU and the collector in it`,
    });
  },
};

const setTimeouts: Contender<Figures> = {
  name: 'setTimeout',
  async run() {
    const report = (await runProgram('taskset', [
      '-c', twoCpus()[1], process.execPath, fileURLToPath(new URL('./expire-process.js', import.meta.url)),
    ])) as { totalMs: number; turnMaxUs: number; ran: number };
    check(report.ran === COUNT, `${report.ran} of ${COUNT} ran`);
    return { totalMs: report.totalMs, turnP99Us: report.turnMaxUs, turnMaxUs: report.turnMaxUs };
  },
};

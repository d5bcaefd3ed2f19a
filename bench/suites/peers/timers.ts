/**
 * Rows `timer-create`, `timer-cancel` and `timer-expire` with a million timers, as in the suite `timers`. Node with its
 * own timers and with ours, and tokio's runtime with one thread, have the second CPU. Netty's wheel has a thread of its
 * own beside the one that creates timers, and Go runs what expires in goroutines, so their processes have both CPUs.
 */
import { fileURLToPath } from 'node:url';
import { createRuntime } from 'percore';
import { twoCpus } from '../../cpus.js';
import { check, compare, type Bench, type Contender, type Figure, type Finding } from '../../harness.js';
import { runProgram } from '../../programs.js';
import type { CreateReport } from '../timers/create-process.js';
import type { ExpireServices } from '../timers/expire-reactor.js';
import { noteOf, programs, verified, type Present, type ProgramName } from './programs.js';
import { RUNS } from './rates.js';

const LIVE = 1_000_000;
const BATCH = 100_000;
const [WARMUP_ROUNDS, ROUNDS] = [4, 10];

export const TIMERS: readonly { readonly name: string; readonly program: ProgramName }[] = [
  { name: 'netty', program: 'nettyTimers' }, { name: 'tokio', program: 'rust' }, { name: 'go', program: 'go' },
];

const timersScript = (file: string): string => fileURLToPath(new URL(`../timers/${file}`, import.meta.url));
const onCpus = (name: string): string[] => (
  ['taskset', '-c', name === 'tokio' ? String(twoCpus()[1]) : twoCpus().join()]);
const node = async (...args: string[]): Promise<Record<string, unknown>> =>
  runProgram('taskset', ['-c', twoCpus()[1], process.execPath, ...args]);

type Cost = keyof CreateReport;
const nodeCost = (name: string, call: string): Contender<Cost> => ({
  name, run: async () => (await node(timersScript('create-process.js'), call, 'as created')) as unknown as CreateReport,
});

let costs: Promise<{ rows: Finding[] }> | undefined;
/** Both figures come from the same timers in the same process, which run once for both rows. */
function cost(): Promise<{ rows: Finding[] }> {
  return costs ??= (async () => {
    const all = await programs<(typeof TIMERS)[number], Cost>(TIMERS, ({ name }, start) => ({
      name,
      run: async () =>
        (await verified(name, [...onCpus(name), ...start], ['cost', LIVE, BATCH, WARMUP_ROUNDS, ROUNDS])) as
          unknown as CreateReport,
    }));
    const figure = (of: Cost): Figure<Cost> => (
      { of, metric: of, unit: 'M timers/s', better: 'higher', params: { live: LIVE } });
    const rows = await compare<Cost>({
      runs: RUNS,
      ours: inMillions(nodeCost('percore', 'after')),
      baselines: [nodeCost('node:timers', 'setTimeout'), ...all.present].map(inMillions),
      figures: [figure('createRate'), figure('cancelRate')],
      note: () => noteOf(all),
    });
    return { rows };
  })();
}

const inMillions = (contender: Contender<Cost>): Contender<Cost> => ({
  ...contender,
  async run() {
    const { createRate, cancelRate } = await contender.run();
    return { createRate: createRate / 1e6, cancelRate: cancelRate / 1e6 };
  },
});

const costRow = (name: string, of: Cost): Bench => ({
  name,
  run: async () =>
    (await cost()).rows.filter(({ metric }) => metric === of).map((row) => ({ ...row, metric: 'rate' })),
});
export const timerCreate = costRow('timer-create', 'createRate');
export const timerCancel = costRow('timer-cancel', 'cancelRate');

/** The time from the first deadline of so many timers until all have run. */
const ours = (count: number): Contender<'totalMs'> => ({
  name: 'percore',
  async run() {
    await using runtime = await createRuntime<{ calls: ExpireServices }>({
      entry: new URL('../timers/expire-reactor.js', import.meta.url), reactors: 1, pin: [twoCpus()[1]],
    });
    const { totalMs, wrong } = await runtime.call('expire', count, { reactor: 0, timeoutMs: 60_000 });
    check(wrong === 0, `${wrong} timers ran early, twice, never or out of order`);
    return { totalMs };
  },
});

const setTimeouts: Contender<'totalMs'> = {
  name: 'node:timers',
  async run() {
    const { totalMs, ran } = (await node(timersScript('expire-process.js'))) as { totalMs: number; ran: number };
    check(ran === LIVE, `${ran} of ${LIVE} ran`);
    return { totalMs };
  },
};

/** Making a million takes two seconds at most. If others use the CPUs it may take longer, and is tried again. */
const [AHEAD_MS, LONG_AHEAD_MS] = [4000, 20_000];
/** What a program prints if the first timer was due before the last one was made. */
const NOT_MADE = 'the timers were not made before the first was due';

/** Runs `count` timers with each peer that is installed. */
export const expiring = (count: number): Promise<Present<'totalMs'>> =>
  programs(TIMERS, ({ name }, start) => ({
    name,
    async run() {
      const expire = (aheadMs: number): Promise<Record<string, number>> =>
        verified(name, [...onCpus(name), ...start], ['expire', count, aheadMs]);
      const { totalMs, ran } = await expire(AHEAD_MS).catch((error: Error) => {
        if (error.message.includes(NOT_MADE)) return expire(LONG_AHEAD_MS);
        throw error;
      });
      check(ran === count, `${ran} of ${count} ran`);
      return { totalMs };
    },
  }));

export const timerExpire: Bench = {
  name: 'timer-expire',
  async run() {
    const all = await expiring(LIVE);
    return compare({
      runs: RUNS,
      ours: ours(LIVE),
      baselines: [setTimeouts, ...all.present],
      figures: [{ of: 'totalMs', metric: 'time', unit: 'ms', better: 'lower', params: { timers: LIVE } }],
      note: () => noteOf(all),
    });
  },
};

/**
 * Row `task-with-answer`: an integer to another core and back, with one and with 64 under way. Ours uses `call` from
 * the main thread to a reactor with the default idle strategy. The pools have one worker on the second CPU, which may
 * have 64 tasks at a time. piscina waits with `atomics: 'async'`, which was the fastest of its settings in
 * `spine/call`.
 */
import { fileURLToPath } from 'node:url';
import { createRuntime } from 'percore';
import { twoCpus } from '../../cpus.js';
import { check, compare, type Bench, type Contender, type Finding } from '../../harness.js';
import type { CallServices } from '../spine/call-reactor.js';
import { packages, type PackageTrial } from './npm.js';
import { noteOf, programs, together, verified, type ProgramName } from './programs.js';
import { RUNS } from './rates.js';
import { CPU_VARIABLE } from './task-worker.js';

export const ASKED: readonly { readonly name: string; readonly program: ProgramName }[] = [
  { name: 'go channel', program: 'go' }, { name: 'tokio mpsc', program: 'rust' },
];
export const POOLS = ['piscina', 'poolifier', 'tinypool'] as const;

const MOST_IN_FLIGHT = 64;
const echoUrl = new URL('./task-worker.js', import.meta.url).href;

/** How many tasks a run has for one contender. */
export interface Asking {
  readonly inFlight: number;
  readonly calls: number;
}
type Ask = (argument: number) => Promise<number>;

/**
 * Asks `calls` times, `inFlight` at a time, after a warm-up with a quarter of that. Returns thousands of answers a
 * second.
 */
async function rateOf(ask: Ask, { inFlight, calls }: Asking): Promise<{ rate: number }> {
  const all = async (count: number): Promise<number> => {
    let [asked, wrong] = [0, 0];
    const startMs = performance.now();
    await Promise.all(Array.from({ length: inFlight }, async () => {
      while (asked < count) {
        const argument = asked++;
        if ((await ask(argument)) !== argument) wrong++;
      }
    }));
    check(wrong === 0, `${wrong} of ${count} answers were wrong`);
    return performance.now() - startMs;
  };
  await all(calls >> 2);
  return { rate: calls / (await all(calls)) };
}

export const percore = (asking: Asking): Contender<'rate'> => ({
  name: 'percore',
  async run() {
    await using runtime = await createRuntime<{ calls: CallServices }>({
      entry: new URL('../spine/call-reactor.js', import.meta.url), reactors: 1, pin: [twoCpus()[1]],
    });
    const toFirst = { reactor: 0 };
    return rateOf((argument) => runtime.call('echo', argument, toFirst), asking);
  },
});

interface Pool {
  run(argument: number): Promise<number>;
  destroy(): Promise<void>;
}
type PoolModule = Readonly<Record<'Piscina' | 'Tinypool', new (options: object) => Pool>>;
interface Poolifier {
  execute(argument: number): Promise<number>;
  destroy(): Promise<void>;
}
type PoolifierModule = { readonly FixedThreadPool: new (workers: number, file: string, options: object) => Poolifier };

const oneThread = { minThreads: 1, maxThreads: 1, concurrentTasksPerWorker: MOST_IN_FLIGHT };

async function open(name: (typeof POOLS)[number], entry: string): Promise<Pool> {
  // Workers get a copy of the environment.
  process.env[CPU_VARIABLE] = String(twoCpus()[1]);
  if (name !== 'poolifier') {
    const { Piscina, Tinypool } = (await import(entry)) as PoolModule;
    return name === 'piscina' ? new Piscina({ filename: echoUrl, ...oneThread, atomics: 'async' })
      : new Tinypool({ filename: echoUrl, ...oneThread });
  }
  const { FixedThreadPool } = (await import(entry)) as PoolifierModule;
  const pool = new FixedThreadPool(1, fileURLToPath(new URL('./task-poolifier.js', import.meta.url)), {
    // Without its queue it gives a worker everything at once, as the others do here.
    enableTasksQueue: false, workerOptions: { workerData: entry },
  });
  return { run: (argument) => pool.execute(argument), destroy: () => pool.destroy() };
}

export const pools = (asking: Asking): PackageTrial<'rate'>[] =>
  POOLS.map((name) => ({
    package: name,
    contender: (entry) => ({
      name,
      async run() {
        const pool = await open(name, entry);
        try {
          return await rateOf((argument) => pool.run(argument), asking);
        } finally {
          await pool.destroy();
        }
      },
    }),
  }));

const CALLS = [
  { inFlight: 1, ours: 20_000, pools: 5000, programs: 50_000 },
  { inFlight: MOST_IN_FLIGHT, ours: 200_000, pools: 20_000, programs: 400_000 },
];

export const taskWithAnswer: Bench = {
  name: 'task-with-answer',
  async run() {
    const findings: Finding[] = [];
    for (const { inFlight, ...calls } of CALLS) {
      const others = await programs(ASKED, ({ name, program }, start): Contender<'rate'> => ({
        name,
        async run() {
          const command = program === 'go' ? ['taskset', '-c', twoCpus().join(), ...start] : start;
          const { rate } = await verified(name, command, ['task', inFlight, calls.programs, ...twoCpus()]);
          return { rate: rate / 1000 };
        },
      }));
      const all = together(packages(pools({ inFlight, calls: calls.pools })), others);
      findings.push(...(await compare({
        runs: RUNS,
        ours: percore({ inFlight, calls: calls.ours }),
        baselines: all.present,
        figures: [{ of: 'rate', metric: 'rate', unit: 'k answers/s', better: 'higher', params: { inFlight } }],
        note: () => noteOf(all),
      })));
    }
    return findings;
  },
};

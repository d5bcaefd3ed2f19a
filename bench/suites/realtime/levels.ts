/** The rows about levels, each beside what the system itself does. Each run is a process of its own. */
import { spawn as spawnProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { cpuBudget } from 'percore';
import { check, compare, type Bench, type Contender, type Figure, type Finding, type Target } from '../../harness.js';
import { baselineProgram, runProgram } from '../../programs.js';
import { cyclictest } from '../timers/lateness.js';
import {
  ABOVE_PAUSE_NS, ACROSS_PAUSE_NS, LEVEL_FLAGS, LOWEST, SECTION_NS, type LevelsReport, type LevelsWish,
} from './levels-wish.js';

type Name = 'p50' | 'p99' | 'max';

/** The last CPU comes first, since the first one gets more of the interrupts. */
function cpus(): [number, number] {
  const { allowed } = cpuBudget();
  return [allowed.at(-1)!, allowed[0]!];
}

/** A figure in microseconds, or with `isNs` in nanoseconds. */
function levels(name: string, wish: Omit<LevelsWish, 'cpus'>, isNs = false): Contender<Name> {
  return {
    name,
    async run() {
      const report = await measure(wish);
      const unit = isNs ? 1 : 1000;
      return { p50: report.p50 / unit, p99: report.p99 / unit, max: report.max / unit };
    },
  };
}

async function measure(wish: Omit<LevelsWish, 'cpus'>): Promise<LevelsReport & { insideUs: number }> {
  const program = fileURLToPath(new URL('./levels-process.js', import.meta.url));
  const node = [process.execPath, ...LEVEL_FLAGS, program];
  // The kernel itself ends a level that goes on for too long without a sleep: nobody else might be given a CPU for it.
  const seconds = (wish.row === 'main-liveness' ? wish.count : 0) + 20;
  const answer = await runProgram('prlimit', [
    `--rttime=${seconds * 1e6}`, ...node, JSON.stringify({ ...wish, cpus: cpus() }),
  ]);
  const report = answer as unknown as LevelsReport & { insideUs: number };
  const isAsked = wish.isPreemptive !== false;
  check(report.isPreemptive === isAsked, `preemptive: ${report.isPreemptive}, not ${isAsked}; it takes SCHED_FIFO`);
  check(report.count > 0, 'nothing was measured');
  return report;
}

const published = (name: string, value: number): Contender<Name> => ({
  name, run: async () => ({ p50: value, p99: value, max: value }),
});

const cyclictestHere: Contender<Name> = {
  name: 'cyclictest',
  async run() {
    const { p50, p99, max } = await cyclictest(cpus()[0], 'fifo', 1e6, TICKS);
    return { p50, p99, max };
  },
};

/**
 * The same above a thread that keeps the CPU busy at the priority of our lower level, which is what ours has below it:
 * what Linux gives to ordinary threads of a CPU that real-time threads saturate is taken from both alike.
 */
const cyclictestAboveBusy: Contender<Name> = {
  name: 'cyclictest above a busy thread',
  async run() {
    // `timeout` itself is an ordinary process: at the priority of the loop it would never be given the CPU.
    const busy = spawnProcess('timeout', [
      '60', 'taskset', '-c', String(cpus()[0]), 'chrt', '-f', String(LOWEST), 'sh', '-c', 'while :; do :; done',
    ], { stdio: 'ignore', detached: true });
    try {
      return await cyclictestHere.run();
    } finally {
      // `timeout` and the shell that it has started.
      process.kill(-busy.pid!, 'SIGKILL');
      await once(busy, 'close');
    }
  },
};

function figures(
  of: readonly Name[], unit: string, targets: Readonly<Record<string, Target>>, params = {},
): Figure<Name>[] {
  return of.map((each) => ({ of: each, metric: each, unit, better: 'lower', params, targets }));
}

const TICKS = 1500;
/**
 * Ticks that come before: with `--single-threaded` V8 optimizes what a level runs in the level's own thread, in its
 * first seconds. cyclictest has nothing of the kind.
 */
const WARM_UP = 5000;

/** Ordinary programs keep both CPUs busy meanwhile, and their caches. */
function besideStress<F extends string>({ name, run }: Contender<F>): Contender<F> {
  return {
    name,
    async run() {
      const stress = spawnProcess('stress-ng', ['--cpu', '2', '--vm', '2', '--vm-bytes', '64M', '--timeout', '60'], {
        stdio: 'ignore', detached: true,
      });
      // Whether it is there at all.
      await once(stress, 'spawn');
      try {
        return await run();
      } finally {
        process.kill(-stress.pid!, 'SIGKILL');
        await once(stress, 'close');
      }
    },
  };
}

export const preempt: Bench = {
  name: 'preempt',
  async run() {
    const findings: Finding[] = [];
    for (const [makesGarbage, isStressed] of [[false, false], [true, false], [true, true]] as const) {
      const beside = isStressed ? besideStress<Name> : (contender: Contender<Name>) => contender;
      findings.push(...await compare({
        runs: 3,
        ours: beside(levels('levels', { row: 'preempt', count: TICKS, warmUp: WARM_UP, makesGarbage })),
        baselines: [
          cyclictestHere,
          cyclictestAboveBusy,
          levels('without levels', {
            row: 'preempt', count: TICKS, warmUp: WARM_UP, makesGarbage, isPreemptive: false,
          }),
        ].map(beside),
        figures: figures(['p50', 'p99', 'max'], 'us', {
          cyclictest: { of: 'ratio', atMost: 1.5 }, 'cyclictest above a busy thread': { of: 'ratio', atMost: 1.5 },
          'without levels': { of: 'ratio', atMost: 0.05 },
        }, { busy: makesGarbage ? 'garbage' : 'loop', beside: isStressed ? 'stress-ng' : 'nothing' }),
      }));
    }
    return findings;
  },
};

export const spawn: Bench = {
  name: 'spawn',
  async run() {
    const findings: Finding[] = [];
    for (const row of ['spawn-above', 'spawn-across'] as const) {
      const [cpu, other] = cpus();
      // As ours: the same pause before each, and the same priorities where both are on one CPU.
      const where = row === 'spawn-above' ? [cpu, 10_000, 500, ABOVE_PAUSE_NS, LOWEST]
        : [other, 3000, 100, ACROSS_PAUSE_NS, 0];
      const inC = (name: string, ...how: string[]): Contender<Name> => ({
        name,
        async run() {
          const report = await runProgram(await baselineProgram('eventfd_round_trip'), [cpu, ...where, ...how]);
          const oneWay = (name: string): number => {
            const ns = Number(report[`${name}Ns`]);
            check(ns > 0, `eventfd_round_trip says no ${name}`);
            return ns / 1000;
          };
          return { p50: oneWay('p50'), p99: oneWay('p99'), max: oneWay('max') };
        },
      });
      findings.push(...await compare({
        runs: 3,
        ours: levels('levels', {
          row, count: row === 'spawn-above' ? 10_000 : 3000, warmUp: 2 * WARM_UP,
        }),
        baselines: [inC('C eventfd'), inC('C futex', 'futex'), published('linux-rtfm dispatch, bare metal', 1.752)],
        figures: figures(['p50', 'p99'], 'us', { 'C eventfd': { of: 'ratio', atMost: 1.3 } }, {
          to: row === 'spawn-above' ? 'a level above' : 'a parked level of another core',
        }),
      }));
    }
    return findings;
  },
};

export const lock: Bench = {
  name: 'lock',
  run: async () => [
    ...await compare({
      runs: 3, ours: levels('levels', { row: 'lock', count: 20_000 }, true),
      baselines: [published('linux-rtfm lock', 540)],
      figures: figures(['p50'], 'ns', { 'linux-rtfm lock': { of: 'value', atMost: 60 } }, { ceiling: 'its own' }),
    }),
    ...await compare({
      runs: 3, ours: levels('levels', { row: 'lock-shared', count: 20_000 }, true),
      baselines: [published('linux-rtfm lock', 540)],
      figures: figures(['p50'], 'ns', { 'linux-rtfm lock': { of: 'value', atMost: 60 } }, {
        ceiling: 'its own, of two levels',
      }),
    }),
    ...await compare({
      runs: 3, ours: levels('levels', { row: 'lock', count: 2000, makesGarbage: true }, true),
      baselines: [published('linux-rtfm lock', 540)],
      figures: figures(['p50'], 'ns', { 'linux-rtfm lock': { of: 'value', atMost: 1500 } }, { ceiling: 'raised' }),
    }),
  ],
};

const WAITS = 100_000;
type Wait = Name | 'whole' | 'beyond';

/**
 * A switch to a higher priority in C, as often. In pieces, each too short for the kernel to give the CPU away for the
 * sake of ordinary threads, which rests keep it from doing with levels.
 */
const switchInC: Contender<Wait> = {
  name: 'C eventfd',
  async run() {
    const [cpu] = cpus();
    const all = { p50: [] as number[], p99: [] as number[], max: [] as number[] };
    for (let piece = 0; piece < 5; piece++) {
      const args = [cpu, cpu, WAITS / 5, 500, SECTION_NS / 2, LOWEST];
      const report = await runProgram(await baselineProgram('eventfd_round_trip'), args);
      for (const name of ['p50', 'p99', 'max'] as const) all[name].push(Number(report[`${name}Ns`]) / 1000);
    }
    const max = Math.max(...all.max);
    const middle = (of: number[]): number => of.toSorted((a, b) => a - b)[2]!;
    const p99 = middle(all.p99);
    return { p50: middle(all.p50), p99, max, whole: SECTION_NS / 1000 + max, beyond: p99 };
  },
};

/** How much longer the highest level waits than for the one critical section that it may have to wait for. */
export const lockBlocking: Bench = {
  name: 'lock-blocking',
  async run() {
    const gaps: number[] = [];
    return compare({
      runs: 3,
      ours: {
        name: 'levels',
        async run() {
          const { p50, p99, max, gap } = await measure({ row: 'lock-blocking', count: WAITS, warmUp: 2 * WARM_UP });
          gaps.push(gap / 1000);
          return {
            p50: p50 / 1000, p99: p99 / 1000, max: max / 1000, whole: (SECTION_NS + max) / 1000,
            beyond: Math.max(0, max - gap) / 1000,
          };
        },
      },
      baselines: [switchInC],
      figures: [
        ...figures(['p50', 'p99', 'max'], 'us', {}),
        {
          of: 'whole', metric: 'longest wait, with a section of 30 us', unit: 'us', better: 'lower',
          targets: { 'C eventfd': { of: 'ratio', atMost: 1 } },
        },
        {
          // Beside p99 of the switch in C.
          of: 'beyond', metric: 'longest wait beyond a section and stolen time', unit: 'us', better: 'lower',
          targets: { 'C eventfd': { of: 'ratio', atMost: 1 } },
        },
      ],
      note: () => 'longest gap between two readings of the clock within a critical section, us: '
        + gaps.map((gap) => gap.toFixed(1)).join(', '),
    });
  },
};

type Liveness = 'main' | 'inside';

function liveness(name: string, wish: Pick<LevelsWish, 'onAllCores' | 'restShare'>): Contender<Liveness> {
  return {
    name,
    async run() {
      const { max, insideUs } = await measure({ row: 'main-liveness', count: 30, ...wish });
      return { main: max / 1e6, inside: insideUs / 1000 };
    },
  };
}

/**
 * Gaps in the heartbeat of the main thread, and lateness within a reactor that always has something to do; on all cores
 * but one, and on all, where ordinary threads have what the levels leave them, or what the kernel takes for them.
 */
export const mainLiveness: Bench = {
  name: 'main-liveness',
  async run() {
    const findings: Finding[] = [];
    for (const onAllCores of [false, true]) {
      findings.push(...await compare({
        runs: 1,
        ours: liveness('levels', { onAllCores }),
        baselines: [
          { name: 'the bound', run: async () => ({ main: 100, inside: 50 }) },
          liveness('levels that never rest', { onAllCores, restShare: 0 }),
        ],
        figures: (['main', 'inside'] as const).map((of): Figure<Liveness> => ({
          of, metric: of, unit: 'ms', better: 'lower',
          params: { saturated: onAllCores ? 'all' : 'all but one' },
          // With all of them saturated nobody has promised anything: what it comes to is shown.
          targets: onAllCores ? {} : { 'the bound': { of: 'ratio', atMost: 1 } },
        })),
      }));
    }
    return findings;
  },
};

/**
 * Row `call`: calls a second with 64 in flight, one integer there and back, from the main thread and from another
 * reactor. The baseline does the same from the main thread, with those settings of piscina that are fastest for it in a
 * short trial beforehand; its default settings are reported too.
 *
 * Both sides run 64 loops that each await their answer before they ask again, check every answer, and have the same two
 * CPUs.
 */
import { createRuntime } from 'percore';
import { Piscina } from 'piscina';
import { twoCpus } from '../../cpus.js';
import { check, compare, progress, type Bench, type Contender } from '../../harness.js';
import { answerAll } from './call-loop.js';
import type { CallServices } from './call-reactor.js';
import type { PiscinaTaskData } from './call-piscina-task.js';

const RUNS = 5;
const CALLS = 400_000;
const PISCINA_CALLS = 20_000;
const WARMUP_SHARE = 0.25;
const toFirst = { reactor: 0 };

type From = 'main' | 'reactor';
type Idle = 'adaptive' | 'spin';
/**
 * The default idle strategy, and the one for reactors that have their CPUs to themselves. Even with 64 calls in flight,
 * both sides can run out of work.
 */
const CASES = (['adaptive', 'spin'] as const satisfies Idle[]).flatMap((idle) =>
  (['main', 'reactor'] as const satisfies From[]).map((from) => ({ from, idle })),
);

export const call: Bench = {
  name: 'call',
  async run() {
    const settings = await bestPiscinaSettings();
    const findings = [];
    for (const { from, idle } of CASES) {
      findings.push(
        ...(await compare({
          runs: RUNS,
          ours: percore(from, idle),
          baselines: [
            piscina('piscina', settings, PISCINA_CALLS),
            piscina('piscina, its default settings', {}, PISCINA_CALLS / 2),
          ],
          figures: [
            {
              of: 'rate',
              metric: 'rate',
              unit: 'calls/s',
              better: 'higher',
              params: { from, idle, inFlight: 64 },
              targets: { 'piscina': { of: 'ratio', atLeast: 20 } },
            },
          ],
          note: () => `piscina with ${describe(settings)}, the fastest of the settings tried`,
        })),
      );
    }
    return findings;
  },
};

function percore(from: From, strategy: Idle): Contender<'rate'> {
  return {
    name: `percore from ${from}, ${strategy}`,
    async run() {
      // When the main thread asks, it has the first CPU to itself; between reactors, each of them has a CPU to itself.
      const [first, second] = twoCpus();
      const pin = from === 'main' ? [second] : [first, second];
      await using runtime = await createRuntime<{ calls: CallServices }>({
        entry: new URL('./call-reactor.js', import.meta.url),
        reactors: pin.length,
        pin,
        idle: { strategy },
      });
      const round = (calls: number): Promise<number> => (from === 'main'
        ? answerAll((argument) => runtime.call('echo', argument, toFirst), calls)
        : runtime.call('askPeer', calls, { reactor: 1 }));
      await round(CALLS * WARMUP_SHARE);
      return { rate: await round(CALLS) };
    },
  };
}

interface PiscinaSettings {
  readonly atomics: 'sync' | 'async' | 'disabled';
  readonly concurrentTasksPerWorker: number;
}

function piscina(name: string, settings: Partial<PiscinaSettings>, calls: number): Contender<'rate'> {
  return {
    name,
    async run() {
      const taskData: PiscinaTaskData = { cpu: twoCpus()[1] };
      const pool = new Piscina({
        filename: new URL('./call-piscina-task.js', import.meta.url).href,
        minThreads: 1,
        maxThreads: 1,
        workerData: taskData,
        ...settings,
      });
      try {
        const answer = (argument: number): Promise<number> => pool.run(argument);
        await answerAll(answer, calls * WARMUP_SHARE);
        return { rate: await answerAll(answer, calls) };
      } finally {
        await pool.destroy();
      }
    },
  };
}

/**
 * The default runs one task at a time and waits synchronously by Atomics.wait. A pool for short tasks would be set up
 * differently.
 */
async function bestPiscinaSettings(): Promise<PiscinaSettings> {
  let best: { settings: PiscinaSettings; rate: number } | undefined;
  for (const atomics of ['sync', 'async', 'disabled'] as const) {
    for (const concurrentTasksPerWorker of [1, 64]) {
      const settings = { atomics, concurrentTasksPerWorker };
      progress(`piscina with ${describe(settings)}`);
      const { rate } = await piscina('trial', settings, PISCINA_CALLS / 2).run();
      if (best === undefined || rate > best.rate) best = { settings, rate };
    }
  }
  check(best !== undefined, 'no setting of piscina was tried');
  return best.settings;
}

const describe = ({ atomics, concurrentTasksPerWorker }: PiscinaSettings): string =>
  `atomics: '${atomics}', concurrentTasksPerWorker: ${concurrentTasksPerWorker}`;

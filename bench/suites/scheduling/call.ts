/**
 * Row `call`: one integer there and back. The figures are calls a second with 64 in flight, and the median of 20,000
 * calls that are made one after the other, from one reactor to another and from the main thread. The baseline is
 * piscina's `run` with one thread and the faster of its settings for many short tasks.
 *
 * Both sides check every answer, and both have the same two CPUs.
 */
import { createRuntime } from 'percore';
import { Piscina } from 'piscina';
import { twoCpus } from '../../cpus.js';
import { compare, type Bench, type Contender } from '../../harness.js';
import { answerAll } from '../spine/call-loop.js';
import type { PiscinaTaskData } from '../spine/call-piscina-task.js';
import { medianUs, type CallServices } from './call-reactor.js';

const RUNS = 5;
const CALLS = 400_000;
const SINGLE_CALLS = 20_000;
const PISCINA_CALLS = 20_000;
const PISCINA_SINGLE_CALLS = 4000;

type Figures = 'rate' | 'p50';

export const call: Bench = {
  name: 'call',
  async run() {
    const findings = [];
    for (const from of ['reactor', 'main'] as const) {
      findings.push(
        ...(await compare<Figures>({
          runs: RUNS,
          ours: percore(from),
          baselines: [piscina()],
          figures: [
            {
              of: 'rate', metric: 'rate', unit: 'calls/s', better: 'higher', params: { from, inFlight: 64 },
              targets: { 'piscina run, one thread': { of: 'ratio', atLeast: 30 } },
            },
            { of: 'p50', metric: 'p50', unit: 'µs', better: 'lower', params: { from, inFlight: 1 } },
          ],
        })),
      );
    }
    return findings;
  },
};

function percore(from: 'main' | 'reactor'): Contender<Figures> {
  return {
    name: `percore from ${from}`,
    async run() {
      const [first, second] = twoCpus();
      const pin = from === 'main' ? [second] : [first, second];
      await using runtime = await createRuntime<{ calls: CallServices }>({
        entry: new URL('./call-reactor.js', import.meta.url), reactors: pin.length, pin,
        idle: { strategy: from === 'main' ? 'adaptive' : 'spin' },
      });
      const toFirst = { reactor: 0 };
      const ask = (argument: number): Promise<number> => runtime.call('echo', argument, toFirst);
      const rate = (calls: number): Promise<number> =>
        (from === 'main' ? answerAll(ask, calls) : runtime.call('askPeer', calls, { reactor: 1 }));
      await rate(CALLS / 4);
      return {
        rate: await rate(CALLS),
        p50: from === 'main' ? await medianUs(ask, SINGLE_CALLS)
          : await runtime.call('medianToPeer', SINGLE_CALLS, { reactor: 1 }),
      };
    },
  };
}

function piscina(): Contender<Figures> {
  return {
    name: 'piscina run, one thread',
    async run() {
      const taskData: PiscinaTaskData = { cpu: twoCpus()[1] };
      const pool = new Piscina({
        filename: new URL('../spine/call-piscina-task.js', import.meta.url).href,
        minThreads: 1, maxThreads: 1, workerData: taskData, atomics: 'disabled', concurrentTasksPerWorker: 64,
      });
      try {
        const ask = (argument: number): Promise<number> => pool.run(argument) as Promise<number>;
        await answerAll(ask, PISCINA_CALLS / 4);
        return { rate: await answerAll(ask, PISCINA_CALLS), p50: await medianUs(ask, PISCINA_SINGLE_CALLS) };
      } finally {
        await pool.destroy();
      }
    },
  };
}


/**
 * Row `spsc-round-trip`: a question over one ring and its complement back over another, between two workers that spin.
 * The baseline are C++ threads with the same rings.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { create, type FixedQueue } from 'percore/queues';
import { twoCpus } from '../../cpus.js';
import { check, compare, type Bench, type Contender } from '../../harness.js';
import { baselineProgram, runProgram } from '../../programs.js';
import type { RoundTrips } from '../spine/round-trip.js';

export interface RoundTripWorkerData {
  readonly questions: FixedQueue;
  readonly answers: FixedQueue;
  readonly isAsking: boolean;
  readonly cpu: number;
}

const RUNS = 9;
const CAPACITY = 1024;
/** About as many rounds as ours makes in its time. */
const ROUNDS = 2_000_000;
type Figures = 'p50' | 'p99';

export const workers: Contender<Figures> = {
  name: 'percore',
  async run() {
    const queues = {
      questions: create({ kind: 'spsc', capacity: CAPACITY, recordBytes: 8 }),
      answers: create({ kind: 'spsc', capacity: CAPACITY, recordBytes: 8 }),
    };
    const [asking, answering] = twoCpus().map((cpu, side) => {
      const workerData: RoundTripWorkerData = { ...queues, isAsking: side === 0, cpu };
      return new Worker(new URL('./round-trip-worker.js', import.meta.url), { workerData });
    });
    const [result] = (await once(asking, 'message')) as [RoundTrips];
    await Promise.all([asking.terminate(), answering.terminate()]);
    return inNanoseconds(result);
  },
};

export const plainThreads: Contender<Figures> = {
  name: 'C++ seq_cst',
  async run() {
    const result = (await runProgram(await baselineProgram('ring_round_trip'), [
      ...twoCpus(), ROUNDS, ROUNDS / 10,
    ])) as unknown as RoundTrips & { verified: boolean };
    check(result.verified, 'C++ seq_cst says that a result was wrong');
    return inNanoseconds({ ...result, wrong: 0 });
  },
};

function inNanoseconds({ rounds, wrong, p50Ns, p99Ns }: RoundTrips): Record<Figures, number> {
  check(wrong === 0, `${wrong} of ${rounds} answers were wrong`);
  return { p50: p50Ns, p99: p99Ns };
}

export const roundTrip: Bench = {
  name: 'spsc-round-trip',
  run: () =>
    compare({
      runs: RUNS,
      ours: workers,
      baselines: [plainThreads],
      figures: [
        {
          of: 'p50',
          metric: 'p50',
          unit: 'ns',
          better: 'lower',
          targets: { 'C++ seq_cst': { of: 'ratio', atMost: 1.5 } },
        },
        {
          of: 'p99',
          metric: 'p99',
          unit: 'ns',
          better: 'lower',
          targets: { 'C++ seq_cst': { of: 'ratio', atMost: 2 } },
        },
      ],
    }),
};

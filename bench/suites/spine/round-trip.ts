/**
 * A message to the other core and back, in five ways: between two reactors, spinning or parked; between two workers by
 * postMessage; between two C++ threads over rings like ours; and between two C threads that wake each other by
 * eventfds.
 *
 * All sides are pinned to the same two CPUs and check every answer. JavaScript reads the clock once in each round and
 * takes the difference to the round before, so a round lasts from answer to answer. The C programs read it twice, which
 * is 20 ns of their figure. Every run starts its threads anew, so that the spread shows what the compilers of two fresh
 * isolates happened to do.
 */
import { once } from 'node:events';
import { MessageChannel, Worker } from 'node:worker_threads';
import { createRuntime, type DisciplineChoice, type Runtime } from 'percore';
import { twoCpus } from '../../cpus.js';
import { check, type Contender } from '../../harness.js';
import { baselineProgram, runProgram } from '../../programs.js';
import type { RoundTripServices } from './round-trip-reactor.js';
import type { RoundTripWorkerData } from './round-trip-worker.js';

/** How long a run warms up, and how long it measures. */
export interface Plan {
  readonly warmupMs: number;
  readonly measureMs: number;
}
/** The result of one side. */
export interface RoundTrips {
  readonly rounds: number;
  readonly wrong: number;
  readonly p50Ns: number;
  readonly p99Ns: number;
}
type Figures = 'p50' | 'p99';

export function reactors(
  strategy: 'spin' | 'park', plan: Plan,
  options: { readonly discipline?: DisciplineChoice; readonly metrics?: boolean } = {},
  onStart: (runtime: Runtime) => void = () => undefined,
): Contender<Figures> {
  return {
    name: `percore, ${strategy}`,
    async run() {
      await using runtime = await createRuntime<{ calls: RoundTripServices }>({
        entry: new URL('./round-trip-reactor.js', import.meta.url),
        reactors: 2,
        pin: twoCpus(),
        idle: { strategy },
        ...options,
      });
      onStart(runtime as Runtime);
      const result = await runtime.call('measure', plan, { reactor: 0 });
      const { reactors: sides, capabilities: { backend } } = runtime.status();
      check(
        // The portable backend pins nothing, and says so.
        backend === 'portable' || sides.every(({ refusals }) => refusals.length === 0),
        `a reactor was not granted what it asked: ${sides.flatMap(({ refusals }) => refusals).join('; ')}`,
      );
      check(
        sides.every(({ dropped, stepErrors }) => dropped === 0 && stepErrors === 0),
        'a message was dropped, or a step threw',
      );
      check(result.ticks > 0, 'the live timer did not tick');
      // The figure must be that of parked reactors, so at least every second round must include a sleep.
      const parks = Math.min(...sides.map((side) => side.parks));
      check(
        strategy === 'spin' ? parks === 0 : parks > result.rounds / 2,
        `${parks} parks in ${result.rounds} rounds with strategy ${strategy}`,
      );
      return inMicroseconds(result);
    },
  };
}

export function postMessage(plan: Plan): Contender<Figures> {
  return {
    name: 'postMessage',
    async run() {
      const { port1, port2 } = new MessageChannel();
      const workers = [port1, port2].map((port, side) => {
        const workerData: RoundTripWorkerData = { port, cpu: twoCpus()[side], isAsking: side === 0, plan };
        return new Worker(new URL('./round-trip-worker.js', import.meta.url), { workerData, transferList: [port] });
      });
      const [result] = (await once(workers[0], 'message')) as [RoundTrips];
      await Promise.all(workers.map((worker) => worker.terminate()));
      return inMicroseconds(result);
    },
  };
}

/** `C++ seq_cst` and `C eventfd`. `rounds` is chosen so that a run takes about as long as one of ours. */
export function plainThreads(name: 'C++ seq_cst' | 'C eventfd', rounds: number): Contender<Figures> {
  return {
    name,
    async run() {
      const program = await baselineProgram(name === 'C eventfd' ? 'eventfd_round_trip' : 'ring_round_trip');
      const result = (await runProgram(program, [
        ...twoCpus(), rounds, Math.ceil(rounds / 10),
      ])) as unknown as RoundTrips & { verified: boolean };
      check(result.verified, `${name} says that a result was wrong`);
      return inMicroseconds({ ...result, wrong: 0 });
    },
  };
}

function inMicroseconds({ rounds, wrong, p50Ns, p99Ns }: RoundTrips): Record<Figures, number> {
  check(wrong === 0, `${wrong} of ${rounds} answers were wrong`);
  return { p50: p50Ns / 1000, p99: p99Ns / 1000 };
}

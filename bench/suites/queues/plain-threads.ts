/**
 * Messages a second between two plain C++ threads over the ring of bench/baselines/queue_throughput.cc, in the pattern
 * of a row.
 */
import { twoCpus } from '../../cpus.js';
import { check, type Contender } from '../../harness.js';
import { baselineProgram, runProgram } from '../../programs.js';

export interface PlainRace {
  readonly name: string;
  readonly order: 'release' | 'seq_cst';
  readonly pattern: 'single' | 'lazy' | 'batch' | 'variable';
  /** The size of a record in bytes; 0 with pattern `variable`. */
  readonly recordBytes: number;
  readonly batch: number;
  /** The capacity in records, or in bytes with pattern `variable`. */
  readonly capacity: number;
  /** How many empty steps a side makes when it finds the ring full or empty. */
  readonly pauses: number;
}

const WARMUP_MS = 100;
const MEASURE_MS = 300;

export function plainThreads(race: PlainRace): Contender<'rate'> {
  return {
    name: race.name,
    async run() {
      const { order, pattern, recordBytes, batch, capacity, pauses } = race;
      const program = await baselineProgram('queue_throughput');
      const result = await runProgram(program, [
        order, pattern, recordBytes, batch, capacity, pauses, ...twoCpus(), WARMUP_MS, MEASURE_MS,
      ]);
      check(result.verified === true, `${race.name} says that a result was wrong`);
      return { rate: (result.rate as number) / 1e6 };
    },
  };
}

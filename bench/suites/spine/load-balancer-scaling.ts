/**
 * Row `load-balancer-scaling`: with how much work for each line do two reactors pay off? The main job has 0 to 10 µs of
 * arithmetic for each line. The baselines are one thread that does everything, and two workers that get a chunk of
 * lines in each message. All contenders do the same arithmetic, `examples/load-balancer/arithmetic.ts`, with the same
 * number of steps. How many steps take a microsecond is measured once, here, while nothing else runs.
 */
import { measuredStepsPerUs } from '../../../examples/load-balancer/arithmetic.js';
import { compare, type Bench, type Finding } from '../../harness.js';
import { throughputOf } from './load-balancer-throughput.js';
import { CONNECTIONS, LINE_BYTES, percore, postMessageChunk, singleThread, type Program } from './load-balancer.js';

const RUNS = 3;
const WORK_US = [0, 1, 2, 5, 10];
/**
 * The warm-up, after which everything is compiled in each thread. With 400,000 lines and work for each of them, the
 * first load was a third slower than the second, and the second a tenth slower than the third.
 */
const WARM_UP_SECONDS = 2;
const SECONDS = 1.5;
/** About how many lines a second one thread does without work, which tells how many a warm-up needs. */
const ROUGH_RATE = 600_000;

export const loadBalancerScaling: Bench = {
  name: 'load-balancer-scaling',
  async run() {
    const findings: Finding[] = [];
    process.env['WORK_STEPS_PER_US'] ??= String(measuredStepsPerUs());
    for (const workUs of WORK_US) {
      const lines = Math.ceil((WARM_UP_SECONDS * ROUGH_RATE) / (1 + (workUs * ROUGH_RATE) / 1e6));
      const contender = (program: Program) => throughputOf(
        { ...program, options: ['--work-us', String(workUs)] }, lines, SECONDS,
      );
      findings.push(...(await compare({
        runs: RUNS,
        ours: contender(percore),
        baselines: [singleThread, postMessageChunk].map(contender),
        figures: [{
          of: 'rate',
          metric: 'rate',
          unit: 'lines/s',
          better: 'higher',
          params: { workUs, lineBytes: LINE_BYTES, connections: CONNECTIONS, bands: 'mixed' },
        }],
      })));
    }
    return findings;
  },
};

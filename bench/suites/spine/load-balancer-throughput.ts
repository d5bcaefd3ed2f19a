/**
 * Row `load-balancer-throughput`: lines a second through the main job, from the client's first byte to its last result,
 * with lines of all eight bands, a thousand keys and one output that reads everything. Each run starts the program anew
 * and warms it up with a first load. The size of the measured load is such that it takes about as long for every
 * contender.
 */
import { compare, type Bench, type Contender } from '../../harness.js';
import {
  CONNECTIONS, LINE_BYTES, percore, postMessageChunk, postMessageLine, singleThread, throughput, withProgram,
  type Program,
} from './load-balancer.js';

const RUNS = 5;
const WARMUP_LINES = 400_000;
const SECONDS = 2.5;
const BAND = 'mixed';

export const loadBalancerThroughput: Bench = {
  name: 'load-balancer-throughput',
  run: () =>
    compare({
      runs: RUNS,
      ours: throughputOf(percore),
      baselines: [postMessageLine, postMessageChunk, singleThread].map((program) => throughputOf(program)),
      figures: [
        {
          of: 'rate',
          metric: 'rate',
          unit: 'lines/s',
          better: 'higher',
          params: { lineBytes: LINE_BYTES, connections: CONNECTIONS, bands: BAND },
          targets: {
            'postMessage a line': { of: 'ratio', atLeast: 3 },
            'postMessage a chunk': { of: 'ratio', atLeast: 1.5 },
          },
        },
      ],
    }),
};

/** The lines a second of this program, measured as in the row. */
export function throughputOf(program: Program, warmUpLines = WARMUP_LINES, seconds = SECONDS): Contender<'rate'> {
  return {
    name: program.name,
    run: () => withProgram(program, async (ports) => {
      const warmRate = await throughput(ports, warmUpLines, BAND);
      return { rate: await throughput(ports, warmRate * seconds, BAND) };
    }),
  };
}

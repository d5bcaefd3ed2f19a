/**
 * Suite `codecs`: values to memory and back in one thread, as micro benches. The row `struct-codec` is in suite
 * `queues`.
 */
import { compare, type Bench, type Suite } from '../harness.js';
import { rateFigure, tripContender } from './codecs/contender.js';
import type { TripName } from './codecs/trips.js';

const RUNS = 5;

function row(
  name: string,
  ours: TripName,
  baselines: readonly TripName[],
  params: Record<string, string | number>,
): Bench {
  return {
    name,
    run: () =>
      compare({
        runs: RUNS,
        ours: tripContender(ours, 'percore'),
        baselines: baselines.map((baseline) => tripContender(baseline)),
        figures: [rateFigure(params)],
      }),
  };
}

const codecs: Suite = {
  name: 'codecs',
  benches: [
    row('struct-in-place', 'percore in place', ['DataView in place'], { fields: 6 }),
    row('value', 'value', ['JSON in bytes'], { fields: 6 }),
    row('msgpack', 'msgpack', ['JSON in bytes'], { fields: 6 }),
    row('bytes', 'bytes', ['set and slice'], { bytes: 64 }),
  ],
};
export default codecs;

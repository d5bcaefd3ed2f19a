/**
 * Row `struct-codec`: an object of six fields to a record and back, checked on its way in; against the same through a
 * DataView by hand and unchecked, and against JSON's text alone.
 */
import { compare, type Bench } from '../../harness.js';
import { rateFigure, tripContender } from '../codecs/contender.js';

const RUNS = 9;

export const structCodec: Bench = {
  name: 'struct-codec',
  run: () =>
    compare({
      runs: RUNS,
      ours: tripContender('percore'),
      baselines: [tripContender('DataView'), tripContender('JSON')],
      figures: [
        rateFigure({ fields: 6 }, { 'DataView': { of: 'ratio', atLeast: 0.8 }, 'JSON': { of: 'ratio', atLeast: 10 } }),
      ],
    }),
};

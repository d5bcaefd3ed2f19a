/**
 * Row `struct-codec`: an object with six fields to a record and back, checked before it is written. The baselines are
 * the same by a DataView, written by hand and without checks, and only the text of JSON.
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

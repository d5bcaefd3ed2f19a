/** Times in which the whole process stood still, by the clock of a runtime: see native/halts.h. */
import { native } from '../native.js';

export interface Halts {
  /** Nanoseconds of the last halts between two times of the runtime's clock. */
  readonly between: (fromNs: number, toNs: number) => number;
  readonly end: () => void;
}

/** Where nothing can watch, there are none. */
export function watchHalts(originNs: number): Halts {
  const { halts } = native();
  const watch = halts?.watch() ?? -1;
  if (halts === undefined || watch < 0) return { between: () => 0, end: () => undefined };
  return {
    between: (fromNs, toNs) => halts.between(Math.floor(originNs + fromNs), Math.ceil(originNs + toNs)),
    end: () => halts.unwatch(watch),
  };
}

/**
 * The clock of process.hrtime, which is CLOCK_MONOTONIC on Linux and its like elsewhere, read as one number.
 *
 * `process.hrtime.bigint()` makes a BigInt a call, so `performance.now()` is read, and what lies between the two is
 * measured once a thread: each pair of readings bounds it from both sides, and the tightest bounds are kept. Threads
 * agree to within the time of one reading, a fraction of a microsecond.
 */
import type { NativeClock } from '../native/index.js';
import { systemError } from './errno.js';

const REALTIME = 0;
const MONOTONIC = 1;
const READINGS = 32;

let offsetNs: number | undefined;

/** Nanoseconds of process.hrtime when performance.now() was 0. */
function hrtimeOffsetNs(): number {
  if (offsetNs !== undefined) return offsetNs;
  let least = -Infinity;
  let most = Infinity;
  for (let i = 0; i < READINGS; i++) {
    const before = Number(process.hrtime.bigint());
    const now = performance.now() * 1e6;
    const after = Number(process.hrtime.bigint());
    least = Math.max(least, before - now);
    most = Math.min(most, after - now);
  }
  return (offsetNs = Math.round((least + most) / 2));
}

export const clock: NativeClock = {
  nowNs: () => Math.round(performance.now() * 1e6) + hrtimeOffsetNs(),

  create(out, originNs, kind) {
    if (kind === MONOTONIC) {
      const offset = hrtimeOffsetNs() - originNs;
      return () => {
        out[0] = Math.round(performance.now() * 1e6) + offset;
      };
    }
    // In steps of a millisecond: no finer one is told of the wall clock as it is set now.
    if (kind === REALTIME) {
      return () => {
        out[0] = Date.now() * 1e6 - originNs;
      };
    }
    throw systemError('EINVAL', 'clock_gettime', 'the portable backend has no such clock');
  },
};

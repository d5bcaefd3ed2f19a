/**
 * The clock of process.hrtime, which is CLOCK_MONOTONIC on Linux and its equivalent elsewhere, read as one number.
 *
 * `process.hrtime.bigint()` makes a BigInt with each call, so `performance.now()` is read instead, and the difference
 * between the two is measured once in each thread: each pair of readings bounds it from both sides, and the tightest
 * bounds are kept. Threads agree to within the time of one reading, a fraction of a microsecond.
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
    // In steps of a millisecond: Node gives no finer reading of the wall clock as it is now set.
    if (kind === REALTIME) {
      return () => {
        out[0] = Date.now() * 1e6 - originNs;
      };
    }
    throw systemError('EINVAL', 'clock_gettime', 'the portable backend has no such clock');
  },
};

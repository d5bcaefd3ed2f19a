/**
 * The strict discipline with ageing: nothing starves. What waits in a low band is passed over while anything higher is
 * ready, but only so often; then it is selected once, whatever is above it, and begins to wait anew.
 *
 *      highest band with something ready --selected--> runs
 *      a band that was passed over `limit` times --selected before all others, once-->
 *
 * The bound: the first in its band is selected after at most `limit + 7` others, since each of the seven other bands
 * can be due before it once. The k-th waits at most k times as long. Waiting is counted in selections and not in time,
 * so that the bound holds whatever a step costs, and no clock is read. Source: the time-sharing class of Solaris, which
 * raises what has waited `ts_maxwait`; here with an exact bound.
 */
import { BANDS } from '../layout.js';
import type { Discipline } from './discipline.js';
import type { Ready } from './ready.js';
import { ReadyQueue } from './ready-queue.js';

/** Nobody needs to look before this many selections from now. */
const FAR = 2 ** 30;

export class AgeingBands implements Discipline<Ready> {
  private bitmap = 0;
  private readonly queues: readonly ReadyQueue[] = Array.from({ length: BANDS }, () => new ReadyQueue());
  /**
   * Selections so far, which wrap: the clock of this discipline. Only differences count, and none that matters is above
   * 2^30, since nothing waits longer than `limit` and a few.
   */
  private selections = 0;
  /** For each band that is not empty, the selection since which its first has waited. */
  private readonly since = new Int32Array(BANDS);
  /** Nothing is due before this selection, so until then nobody looks at `since`. */
  private nextDue: number = FAR;

  /** `limit` is how often the first of a band may be passed over: 1 to 2^30. */
  constructor(private readonly limit: number) {}

  get isEmpty(): boolean {
    return this.bitmap === 0;
  }

  hasAbove(band: number): boolean {
    return this.bitmap >>> (band + 1) !== 0;
  }

  push(ready: Ready): void {
    const { band } = ready;
    if ((this.bitmap & (1 << band)) === 0) {
      this.bitmap |= 1 << band;
      this.since[band] = this.selections;
      const due = (this.selections + this.limit + 1) | 0;
      if (((due - this.nextDue) | 0) < 0) this.nextDue = due;
    }
    this.queues[band]!.push(ready);
  }

  select(): Ready | undefined {
    if (this.bitmap === 0) return undefined;
    const now = (this.selections = (this.selections + 1) | 0);
    const band = ((now - this.nextDue) | 0) >= 0 ? this.dueBand() : 31 - Math.clz32(this.bitmap);
    const queue = this.queues[band]!;
    const ready = queue.shift();
    this.since[band] = now;
    if (queue.count === 0) this.bitmap &= ~(1 << band);
    return ready;
  }

  /** The band that has waited longest, if it is due; else the highest. Notes when to look again. */
  private dueBand(): number {
    const now = this.selections;
    let oldest = 31 - Math.clz32(this.bitmap);
    let longest = 0;
    let next = FAR;
    for (let left = this.bitmap; left !== 0; ) {
      const band = 31 - Math.clz32(left);
      left &= ~(1 << band);
      const waited = (now - this.since[band]!) | 0;
      // Of equal ones the highest.
      if (waited > longest) {
        longest = waited;
        oldest = band;
      }
      next = Math.min(next, this.limit + 1 - waited);
    }
    // A due band is looked at once more, after it has been served: then `since` says something else.
    this.nextDue = (now + Math.max(next, 1)) | 0;
    return longest > this.limit ? oldest : 31 - Math.clz32(this.bitmap);
  }
}

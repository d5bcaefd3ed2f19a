/**
 * How busy each bucket keeps its owner, by sampling: one step in sixteen is timed, and stands for sixteen. The number
 * of steps between two samples varies, since messages often come in cycles, and then every sixteenth could have the
 * same key. Why not time all steps: reading the clock twice takes 80 ns, as long as many a step.
 */
import type { KeyRoom } from './room.js';

const ONE_IN = 16;

export class BusySample {
  private readonly busyNs: Float64Array;
  private readonly nowNs: () => number;
  private left = 1;
  private beganNs = 0;
  private state = 1;

  constructor({ table, party }: KeyRoom) {
    this.busyNs = table.figures[party.id]!.busyNs;
    this.nowNs = party.nowNs;
  }

  /** A step begins. */
  begin(): void {
    if (--this.left === 0) this.beganNs = this.nowNs();
  }

  /** The step that has begun was of this bucket. A step that does not end with this call is left out of the sample. */
  end(bucket: number): void {
    if (this.left > 0) return;
    if (this.left === 0) this.busyNs[bucket]! += (this.nowNs() - this.beganNs) * ONE_IN;
    // 1 to 31, by a linear congruential generator: Numerical Recipes, chapter 7.
    this.state = (Math.imul(this.state, 1_664_525) + 1_013_904_223) | 0;
    this.left = 1 + (this.state >>> 16) % (2 * ONE_IN - 1);
  }
}

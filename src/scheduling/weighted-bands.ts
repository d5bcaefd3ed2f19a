/**
 * Weighted round robin: in each round a band is selected as often as its weight says, the higher bands first. A band
 * that has nothing ready does not hold up the round, and cannot save its turns for the next one.
 *
 *      weights 4 (band 7) and 1 (band 1), both always ready:   7 7 7 7 1 | 7 7 7 7 1 | ...
 *
 * The first in a band waits for at most the sum of the other weights, twice: once for the rest of this round, and once
 * for those above it in the next. It counts quanta, not time: for equal time use `Shares`. Source: Katevenis,
 * Sidiropoulos and Courcoubetis, Weighted Round-Robin Cell Multiplexing (1991).
 */
import { BANDS } from '../layout.js';
import type { Discipline } from './discipline.js';
import type { Ready } from './ready.js';
import { ReadyQueue } from './ready-queue.js';

export class WeightedBands implements Discipline<Ready> {
  private bitmap = 0;
  private readonly queues: readonly ReadyQueue[] = Array.from({ length: BANDS }, () => new ReadyQueue());
  private readonly weights: Int32Array;
  /** Selections that each band has left in this round, and the bitmap of those that have any. */
  private readonly left: Int32Array;
  private unspent = (1 << BANDS) - 1;

  /** `weights` of bands 0 to 7: integers of 1 or more. */
  constructor(weights: ArrayLike<number>) {
    this.weights = Int32Array.from(weights);
    this.left = this.weights.slice();
  }

  get isEmpty(): boolean {
    return this.bitmap === 0;
  }

  /** A weight counts quanta, so each quantum runs to its end. */
  hasAbove(_band: number): boolean {
    return false;
  }

  push(ready: Ready): void {
    this.bitmap |= 1 << ready.band;
    this.queues[ready.band]!.push(ready);
  }

  select(): Ready | undefined {
    if (this.bitmap === 0) return undefined;
    if ((this.bitmap & this.unspent) === 0) this.beginRound();
    const band = 31 - Math.clz32(this.bitmap & this.unspent);
    const queue = this.queues[band]!;
    const ready = queue.shift();
    if (queue.count === 0) this.bitmap &= ~(1 << band);
    if (--this.left[band]! === 0) this.unspent &= ~(1 << band);
    return ready;
  }

  /** Changes the weights from the next round on. */
  setWeights(weights: ArrayLike<number>): void {
    this.weights.set(weights);
  }

  private beginRound(): void {
    this.left.set(this.weights);
    this.unspent = (1 << BANDS) - 1;
  }
}

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

const ALL = (1 << BANDS) - 1;

export class WeightedBands implements Discipline<Ready> {
  private bitmap = 0;
  private readonly queues: readonly ReadyQueue[] = Array.from({ length: BANDS }, () => new ReadyQueue());
  /** What is ready, while it is one thing alone, as in `Bands`. */
  private only: Ready | undefined;
  private readonly weights: Int32Array;
  /** For the next round, where others were set since this one began. */
  private nextWeights: ArrayLike<number> | undefined;
  /** Selections that a band has left in this round, once it has had one. */
  private readonly left: Int32Array = new Int32Array(BANDS);
  /** Bands that have had a selection in this round, and those that have any left. So a round begins with two stores. */
  private begun = 0;
  private unspent = ALL;

  /** `weights` of bands 0 to 7: integers of 1 or more. */
  constructor(weights: ArrayLike<number>) {
    this.weights = Int32Array.from(weights);
  }

  get isEmpty(): boolean {
    return this.bitmap === 0;
  }

  /** A weight counts quanta, so each quantum runs to its end. */
  hasAbove(_band: number): boolean {
    return false;
  }

  push(ready: Ready): void {
    if (this.bitmap === 0) {
      this.only = ready;
    } else {
      if (this.only !== undefined) {
        this.queues[this.only.band]!.push(this.only);
        this.only = undefined;
      }
      this.queues[ready.band]!.push(ready);
    }
    this.bitmap |= 1 << ready.band;
  }

  select(): Ready | undefined {
    const { bitmap, only } = this;
    if (bitmap === 0) return undefined;
    if ((bitmap & this.unspent) === 0) this.beginRound();
    const band = 31 - Math.clz32(bitmap & this.unspent);
    const bit = 1 << band;
    const left = (this.begun & bit) === 0 ? this.weights[band]! : this.left[band]!;
    this.begun |= bit;
    this.left[band] = left - 1;
    if (left === 1) this.unspent &= ~bit;
    if (only !== undefined) {
      this.only = undefined;
      this.bitmap = 0;
      return only;
    }
    const queue = this.queues[band]!;
    const ready = queue.shift();
    if (queue.count === 0) this.bitmap &= ~bit;
    return ready;
  }

  /** Changes the weights from the next round on. */
  setWeights(weights: ArrayLike<number>): void {
    this.nextWeights = weights;
  }

  private beginRound(): void {
    this.begun = 0;
    this.unspent = ALL;
    if (this.nextWeights === undefined) return;
    this.weights.set(this.nextWeights);
    this.nextWeights = undefined;
  }
}

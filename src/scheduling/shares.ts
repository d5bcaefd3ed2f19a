/**
 * Proportional shares of the thread's time: of bands that are always ready, each gets time in proportion to its shares,
 * whatever its steps cost. Each band has a *virtual run time*, which grows by the time that it ran divided by its
 * shares; the band with the smallest is selected.
 *
 *      select:  band with the smallest virtual run time  --runs for ns-->  charge: += ns / shares
 *      a band that was idle begins where the others are: it cannot claim the time that it did not use
 *      a quantum is charged at most `debtNs`: a pause of the kernel is paid back for a while, not for ever
 *
 * The bounds: a band that is ready runs again before the others have run for more than `debtNs` times their shares by
 * its own, and one quantum each. During any time in which it is ready it gets no more than its part and one quantum.
 * Within a band the order is first in, first out. A band that is alone gets all the time. Source: Waldspurger's stride
 * scheduling, Linux' CFS (vruntime), the scheduling groups of Seastar and Glommio.
 */
import { BANDS } from '../layout.js';
import type { Discipline } from './discipline.js';
import type { Ready } from './ready.js';
import { ReadyQueue } from './ready-queue.js';

/** The most that a quantum is charged by default. A slice of the kernel's scheduler is a few milliseconds. */
export const DEFAULT_DEBT_NS = 10_000_000;

export class Shares implements Discipline<Ready> {
  private bitmap = 0;
  private readonly queues: readonly ReadyQueue[] = Array.from({ length: BANDS }, () => new ReadyQueue());
  private readonly shares: Float64Array;
  private readonly virtualNs = new Float64Array(BANDS);
  /** The virtual run time of the band that was last selected: an idle band begins there. It never goes back. */
  private nowVirtualNs = 0;

  /**
   * `shares` of bands 0 to 7: numbers above 0. Only their proportions count. `debtNs` is the most that one quantum is
   * charged, in nanoseconds: longer than any step, otherwise those of long steps get more than their share.
   */
  constructor(shares: ArrayLike<number>, public debtNs: number = DEFAULT_DEBT_NS) {
    this.shares = Float64Array.from(shares);
  }

  get isEmpty(): boolean {
    return this.bitmap === 0;
  }

  /** Time is charged as it is used, so each quantum runs to its end. */
  hasAbove(_band: number): boolean {
    return false;
  }

  push(ready: Ready): void {
    const { band } = ready;
    if ((this.bitmap & (1 << band)) === 0) {
      this.bitmap |= 1 << band;
      if (this.virtualNs[band]! < this.nowVirtualNs) this.virtualNs[band] = this.nowVirtualNs;
    }
    this.queues[band]!.push(ready);
  }

  select(): Ready | undefined {
    let left = this.bitmap;
    if (left === 0) return undefined;
    let band = 31 - Math.clz32(left);
    for (left &= ~(1 << band); left !== 0; ) {
      const other = 31 - Math.clz32(left);
      left &= ~(1 << other);
      // The highest of equal ones.
      if (this.virtualNs[other]! < this.virtualNs[band]!) band = other;
    }
    const queue = this.queues[band]!;
    const ready = queue.shift();
    if (queue.count === 0) this.bitmap &= ~(1 << band);
    this.nowVirtualNs = Math.max(this.nowVirtualNs, this.virtualNs[band]!);
    return ready;
  }

  /** A quantum of `band` has run for `ns`. */
  charge(band: number, ns: number): void {
    this.virtualNs[band]! += Math.min(ns, this.debtNs) / this.shares[band]!;
  }

  /** The band gets back what it was charged for a collection. It cannot get ahead of the others by that. */
  refund(band: number, collectedNs: number, chargedNs: number): void {
    const { debtNs, virtualNs } = this;
    const ns = Math.min(chargedNs, debtNs) - Math.min(chargedNs - collectedNs, debtNs);
    const back = virtualNs[band]! - ns / this.shares[band]!;
    virtualNs[band] = Math.max(back, Math.min(virtualNs[band]!, this.nowVirtualNs));
  }

  /** How many of a band are ready. */
  countOf(band: number): number {
    return this.queues[band]!.count;
  }

  /** Changes the shares of a band at once: what it has used so far stays charged at the old ones. */
  setShares(band: number, shares: number): void {
    this.shares[band] = shares;
  }

  /** Changes the shares, and with them what the band owes: it pays back the same time, at its new shares. */
  revalue(band: number, shares: number): void {
    const ahead = this.virtualNs[band]! - this.nowVirtualNs;
    if (ahead > 0) this.virtualNs[band] = this.nowVirtualNs + (ahead * this.shares[band]!) / shares;
    this.shares[band] = shares;
  }

  sharesOf(band: number): number {
    return this.shares[band]!;
  }
}

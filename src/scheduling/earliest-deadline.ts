/**
 * Earliest deadline first: what has to be done soonest runs first. Each Ready has a relative deadline, its own or that of its
 * band, counted from the moment it became ready. As long as all can be met, this order meets them all.
 *
 *      push: key = now + relative deadline --> binary heap --> take: the smallest key; of equal ones the one that came first
 *
 * Under overload every deadline is missed by about as much, so use it where the load is bounded, or `Shares` where it is not.
 * Source: Liu and Layland, Scheduling Algorithms for Multiprogramming in a Hard-Real-Time Environment (1973).
 */
import type { Discipline } from './discipline.js';
import type { Ready } from './ready.js';

export class EarliestDeadline implements Discipline {
  private items: (Ready | undefined)[] = new Array<Ready | undefined>(16).fill(undefined);
  private deadlines = new Float64Array(16);
  /** Tells equal deadlines apart: how many were pushed before. */
  private orders = new Float64Array(16);
  private count = 0;
  private pushed = 0;
  /** The deadline of what was taken last, which runs now. */
  private runningDeadlineNs = -Infinity;

  /** `deadlinesNs` of bands 0 to 7, for a Ready without one of its own. `nowNs` may be the time at which the turn began. */
  constructor(private readonly deadlinesNs: ArrayLike<number>, private readonly nowNs: () => number) {}

  get isEmpty(): boolean {
    return this.count === 0;
  }

  /** True when something must be done before what runs now. */
  hasAbove(_band: number): boolean {
    return this.count !== 0 && this.deadlines[0]! < this.runningDeadlineNs;
  }

  push(ready: Ready): void {
    if (this.count === this.items.length) this.grow();
    const deadlineNs = this.nowNs() + (ready.deadlineNs ?? this.deadlinesNs[ready.band]!);
    this.place(this.risen(this.count++, deadlineNs), ready, deadlineNs, this.pushed++);
  }

  take(): Ready | undefined {
    if (this.count === 0) return undefined;
    const ready = this.items[0]!;
    this.runningDeadlineNs = this.deadlines[0]!;
    const last = --this.count;
    const moved = this.items[last]!;
    this.items[last] = undefined;
    if (last !== 0) this.place(this.sunk(this.deadlines[last]!, this.orders[last]!), moved, this.deadlines[last]!, this.orders[last]!);
    return ready;
  }

  private place(at: number, ready: Ready, deadlineNs: number, order: number): void {
    this.items[at] = ready;
    this.deadlines[at] = deadlineNs;
    this.orders[at] = order;
  }

  /** Where the latest of equals comes to lie, if it begins at `at`. Moves those that are later downwards. */
  private risen(at: number, deadlineNs: number): number {
    let hole = at;
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      if (this.deadlines[parent]! <= deadlineNs) break;
      this.place(hole, this.items[parent]!, this.deadlines[parent]!, this.orders[parent]!);
      hole = parent;
    }
    return hole;
  }

  /** Where something comes to lie that begins at the root. Moves those that are earlier upwards. */
  private sunk(deadlineNs: number, order: number): number {
    let hole = 0;
    for (;;) {
      let child = 2 * hole + 1;
      if (child >= this.count) break;
      if (child + 1 < this.count && this.isBefore(child + 1, this.deadlines[child]!, this.orders[child]!)) child++;
      if (!this.isBefore(child, deadlineNs, order)) break;
      this.place(hole, this.items[child]!, this.deadlines[child]!, this.orders[child]!);
      hole = child;
    }
    return hole;
  }

  private isBefore(at: number, deadlineNs: number, order: number): boolean {
    return this.deadlines[at]! < deadlineNs || (this.deadlines[at] === deadlineNs && this.orders[at]! < order);
  }

  private grow(): void {
    const size = this.items.length * 2;
    const larger = (array: Float64Array): Float64Array<ArrayBuffer> => {
      const copy = new Float64Array(size);
      copy.set(array);
      return copy;
    };
    this.deadlines = larger(this.deadlines);
    this.orders = larger(this.orders);
    while (this.items.length < size) this.items.push(undefined);
  }
}

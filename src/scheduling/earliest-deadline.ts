/**
 * Earliest deadline first: whatever must be done soonest runs first. Each Ready has a relative deadline, its own or
 * that of its band, counted from the moment when it became ready. As long as all deadlines can be met, this order meets
 * them.
 *
 *      relative deadline -> line, first in, first out; in a line the deadlines only grow, since time does
 *      lines that are not empty -> binary heap by the deadline of what is first in them --select--> the smallest
 *
 * There are few relative deadlines, so the heap is small, however much is ready. Under overload all deadlines are
 * missed by about as much, so use it where the load is bounded, and `Shares` where it is not. Source: Liu and Layland,
 * Scheduling Algorithms for Multiprogramming in a Hard-Real-Time Environment (1973).
 */
import type { Discipline } from './discipline.js';
import { ReadyQueue } from './ready-queue.js';
import type { Ready } from './ready.js';
import { NumberQueue } from './number-queue.js';

/** Everything that is ready with one relative deadline. */
class Line {
  readonly items = new ReadyQueue();
  /** Deadlines of all but the first; and which push each of them was. */
  readonly deadlines = new NumberQueue();
  readonly pushes = new NumberQueue();
  /** The deadline of the first, and which push it was, to distinguish equal ones. */
  firstNs = 0;
  firstPush = 0;

  constructor(readonly relativeNs: number) {}

  isBefore(other: Line): boolean {
    return this.firstNs < other.firstNs || (this.firstNs === other.firstNs && this.firstPush < other.firstPush);
  }
}

export class EarliestDeadline implements Discipline<Ready> {
  private bands: readonly Line[];
  private readonly lines = new Map<number, Line>();
  /** The lines that are not empty, as a heap. */
  private readonly heap: Line[] = [];
  private pushes = 0;
  /** The deadline of what was last selected, which runs now. */
  private runningNs = -Infinity;

  /**
   * `deadlinesNs` of bands 0 to 7, for a Ready without one of its own. `nowNs` may be the time at which the turn began.
   */
  constructor(deadlinesNs: ArrayLike<number>, private readonly nowNs: () => number) {
    this.bands = Array.from(deadlinesNs, (relativeNs) => this.lineOf(relativeNs));
  }

  get isEmpty(): boolean {
    return this.heap.length === 0;
  }

  /** True if something must be done before what runs now. */
  hasAbove(_band: number): boolean {
    return this.heap.length !== 0 && this.heap[0]!.firstNs < this.runningNs;
  }

  push(ready: Ready): void {
    const line = ready.deadlineNs === undefined ? this.bands[ready.band]! : this.lineOf(ready.deadlineNs);
    const deadlineNs = this.nowNs() + line.relativeNs;
    const push = this.pushes++;
    if (line.items.count === 0) {
      line.firstNs = deadlineNs;
      line.firstPush = push;
      this.heap.push(line);
      this.rise(this.heap.length - 1);
    } else {
      line.deadlines.push(deadlineNs);
      line.pushes.push(push);
    }
    line.items.push(ready);
  }

  select(): Ready | undefined {
    const { heap } = this;
    if (heap.length === 0) return undefined;
    const line = heap[0]!;
    this.runningNs = line.firstNs;
    const ready = line.items.shift();
    if (line.items.count !== 0) {
      line.firstNs = line.deadlines.shift();
      line.firstPush = line.pushes.shift();
    } else {
      const last = heap.pop()!;
      if (last === line) return ready;
      heap[0] = last;
    }
    this.sink();
    return ready;
  }

  /** New deadlines for what becomes ready from now on. What already waits keeps its own. */
  setDeadlines(deadlinesNs: ArrayLike<number>): void {
    this.bands = Array.from(deadlinesNs, (relativeNs) => this.lineOf(relativeNs));
    // Whoever tunes deadlines for days would otherwise leave a line behind for each number that ever was.
    for (const line of this.lines.values()) {
      if (line.items.count === 0 && !this.bands.includes(line)) this.lines.delete(line.relativeNs);
    }
  }

  /** How many relative deadlines it keeps a line for. */
  get lineCount(): number {
    return this.lines.size;
  }

  private lineOf(relativeNs: number): Line {
    let line = this.lines.get(relativeNs);
    if (line === undefined) {
      line = new Line(relativeNs);
      this.lines.set(relativeNs, line);
    }
    return line;
  }

  private rise(from: number): void {
    const { heap } = this;
    const line = heap[from]!;
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!line.isBefore(heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = line;
  }

  private sink(): void {
    const { heap } = this;
    const line = heap[0]!;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]!.isBefore(heap[child]!)) child++;
      if (!heap[child]!.isBefore(line)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = line;
  }
}

/**
 * First come, first served: what became ready first runs first, whatever its band. Bands still decide which lane a
 * message travels in. For work of one kind, and as the measure for the other disciplines.
 */
import type { Discipline } from './discipline.js';
import type { Ready } from './ready.js';
import { ReadyQueue } from './ready-queue.js';

export class RoundRobin implements Discipline<Ready> {
  private readonly queue = new ReadyQueue();
  /** What is ready, while it is one thing alone, as in `Bands`: then the queue is empty. */
  private only: Ready | undefined;

  get isEmpty(): boolean {
    return this.only === undefined && this.queue.count === 0;
  }

  /** Nothing is above anything: each quantum is run to its end. */
  hasAbove(_band: number): boolean {
    return false;
  }

  push(ready: Ready): void {
    const { only, queue } = this;
    if (only !== undefined) {
      this.only = undefined;
      queue.push(only);
    } else if (queue.count === 0) {
      this.only = ready;
      return;
    }
    queue.push(ready);
  }

  select(): Ready | undefined {
    const { only } = this;
    if (only !== undefined) {
      this.only = undefined;
      return only;
    }
    return this.queue.count === 0 ? undefined : this.queue.shift();
  }
}

/**
 * First come, first served: what became ready first runs first, whatever its band. Bands still decide which lane a
 * message travels in. For work of one kind, and as the measure for the other disciplines.
 */
import type { Discipline } from './discipline.js';
import type { Ready } from './ready.js';
import { ReadyQueue } from './ready-queue.js';

export class RoundRobin implements Discipline<Ready> {
  private readonly queue = new ReadyQueue();

  get isEmpty(): boolean {
    return this.queue.count === 0;
  }

  /** Nothing is above anything: each quantum is run to its end. */
  hasAbove(_band: number): boolean {
    return false;
  }

  push(ready: Ready): void {
    this.queue.push(ready);
  }

  select(): Ready | undefined {
    return this.queue.count === 0 ? undefined : this.queue.shift();
  }
}

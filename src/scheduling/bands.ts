/**
 * The strict discipline: eight first-in-first-out queues of what is ready and one bitmap of those that are not empty,
 * so that the highest is one instruction away (`Math.clz32`). Nothing low is selected while anything higher is ready.
 * Source: the run queues of RTEMS and of Linux' first O(1) scheduler.
 */
import { BANDS } from '../layout.js';
import type { Discipline } from './discipline.js';
import type { Ready } from './ready.js';
import { ReadyQueue } from './ready-queue.js';

export class Bands implements Discipline<Ready> {
  /** Bit b is set while band b has something ready. */
  private bitmap = 0;
  private readonly queues: readonly ReadyQueue[] = Array.from({ length: BANDS }, () => new ReadyQueue());
  /** What is ready, while it is one thing alone: most turns have only one, and a queue costs more than its step. */
  private only: Ready | undefined;

  get isEmpty(): boolean {
    return this.bitmap === 0;
  }

  hasAbove(band: number): boolean {
    return this.bitmap >>> (band + 1) !== 0;
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

  /** Takes what has waited longest in the highest band. */
  select(): Ready | undefined {
    if (this.bitmap === 0) return undefined;
    const { only } = this;
    if (only !== undefined) {
      this.only = undefined;
      this.bitmap = 0;
      return only;
    }
    const band = 31 - Math.clz32(this.bitmap);
    const queue = this.queues[band]!;
    const ready = queue.shift();
    if (queue.count === 0) this.bitmap &= ~(1 << band);
    return ready;
  }
}

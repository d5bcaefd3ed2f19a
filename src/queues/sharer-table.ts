/**
 * The table of those who share a queue's file, a Sharer for each thread. It is written under the lock of the file; see
 * sharers.ts, which has the ordering table.
 */
import { statSync } from 'node:fs';
import { threadId } from 'node:worker_threads';
import { systemCall } from '../errors.js';
import { MAX_SHARERS, sharerAt, sharerLayout } from '../layout.js';
import { startTicksOf } from '../process-start.js';

const { fields } = sharerLayout;

/** A process as a Sharer names it. */
export interface Sharer {
  readonly processId: number;
  readonly thread: number;
  readonly startTicks: number;
  readonly pidNamespace: number;
  /** It has the lock that ends with it. */
  readonly isHeld: boolean;
}

let ownTicks: number | undefined;
let ownNamespace: number | undefined;
/** This process, by what cannot come again. */
export const self = (): { ticks: number; namespace: number } => ({
  ticks: (ownTicks ??= startTicksOf('self') ?? 0),
  namespace: (ownNamespace ??= systemCall('know the own process', () => statSync('/proc/self/ns/pid').ino)),
});

export const isSame = (one: Omit<Sharer, 'isHeld'>, other: Omit<Sharer, 'isHeld'>): boolean =>
  one.processId === other.processId && one.thread === other.thread && one.startTicks === other.startTicks
  && one.pidNamespace === other.pidNamespace;

export class SharerTable {
  private readonly words: Int32Array;
  private readonly numbers: Float64Array;

  constructor(buffer: SharedArrayBuffer) {
    this.words = new Int32Array(buffer, 0, sharerAt(MAX_SHARERS) >> 2);
    this.numbers = new Float64Array(buffer, 0, sharerAt(MAX_SHARERS) >> 3);
  }

  /** What Sharer `index` says. */
  at(index: number): Sharer {
    const at = sharerAt(index);
    return {
      processId: this.processAt(index),
      thread: this.words[(at + fields.thread.at) >> 2]!,
      startTicks: this.numbers[(at + fields.startTicks.at) >> 3]!,
      pidNamespace: this.numbers[(at + fields.pidNamespace.at) >> 3]!,
      isHeld: this.words[(at + fields.isHeld.at) >> 2] === 1,
    };
  }

  /** The process of Sharer `index`; 0 for nobody. */
  processAt(index: number): number {
    // sharers.seen: pairs with enter() and clear().
    return Atomics.load(this.words, (sharerAt(index) + fields.processId.at) >> 2);
  }

  /** Writes this thread into a free Sharer: its index, or -1. `hold` takes the lock of a byte. Under the lock. */
  enter(hold: (at: number) => boolean): number {
    for (let index = 0; index < MAX_SHARERS; index++) {
      if (this.processAt(index) !== 0) continue;
      const at = sharerAt(index);
      const { ticks, namespace } = self();
      this.numbers[(at + fields.startTicks.at) >> 3] = ticks;
      this.numbers[(at + fields.pidNamespace.at) >> 3] = namespace;
      this.words[(at + fields.thread.at) >> 2] = threadId;
      this.words[(at + fields.isHeld.at) >> 2] = hold(at) ? 1 : 0;
      // sharers.seen: last, with what is above.
      Atomics.store(this.words, (at + fields.processId.at) >> 2, process.pid);
      return index;
    }
    return -1;
  }

  /** Lets others have Sharer `index`. Under the lock. */
  clear(index: number): void {
    this.words[(sharerAt(index) + fields.isHeld.at) >> 2] = 0;
    // sharers.seen: after its places are free.
    Atomics.store(this.words, (sharerAt(index) + fields.processId.at) >> 2, 0);
  }

  /** Indexes of the sharers that are this thread of this process. */
  ofThread(thread: number): number[] {
    const { ticks, namespace } = self();
    const wanted = { processId: process.pid, thread, startTicks: ticks, pidNamespace: namespace };
    return Array.from({ length: MAX_SHARERS }, (_, index) => index)
      .filter((index) => this.processAt(index) !== 0 && isSame(this.at(index), wanted));
  }
}

/** What is to come, by time: a binary heap. Events of the same time come in the order in which they were put in. */
import type { SimulatedThread } from './simulated-thread.js';

export interface Event {
  atNs: number;
  readonly order: number;
  /** Whose event it is: it runs as this thread, and does not run once that thread has ended. */
  readonly thread: SimulatedThread;
  /** Undefined once it has run or was cancelled. */
  run: (() => void) | undefined;
  /** Somebody waits for it: it does not merely repeat. */
  isReferenced: boolean;
}

export class EventQueue {
  private readonly heap: Event[] = [];

  get first(): Event | undefined {
    return this.heap[0];
  }

  /** Whether something is to come that somebody waits for. */
  isAwaited(): boolean {
    return this.heap.some(({ run, isReferenced, thread }) => run !== undefined && isReferenced && !thread.hasEnded);
  }

  push(event: Event): void {
    const { heap } = this;
    let at = heap.push(event) - 1;
    for (let up = (at - 1) >> 1; at > 0 && isBefore(event, heap[up]!); at = up, up = (at - 1) >> 1) {
      heap[at] = heap[up]!;
    }
    heap[at] = event;
  }

  /** Takes the first one away. There must be one. */
  pop(): void {
    const { heap } = this;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (let down = 1; down < heap.length; down = 2 * at + 1) {
      if (down + 1 < heap.length && isBefore(heap[down + 1]!, heap[down]!)) down++;
      if (!isBefore(heap[down]!, last)) break;
      heap[at] = heap[down]!;
      at = down;
    }
    heap[at] = last;
  }
}

const isBefore = (a: Event, b: Event): boolean => a.atNs < b.atNs || (a.atNs === b.atNs && a.order < b.order);

/**
 * The backend `window`: the newest `capacity` values inside one thread, by reference; an offer is always OK, and what
 * it overwrites is counted. For what only the latest is worth keeping of: a gauge's last readings, the messages before
 * a fault.
 *
 *     const last = createWindow<Reading>({ capacity: 100 });
 *     pubWindow(last).offer(reading);                          // OK, for ever
 *     propertiesOfWindow(last).dropped.oldest;                 // how many were overwritten unread
 *
 * The ring is ringbufferjs. Three of its ways are met here:
 * - `deq` leaves the value in its slot until a lap later, which would keep it alive. So slots hold cells, and a cell is
 *   emptied when it is read or overwritten; emptied cells are used again, so a window that is full allocates nothing.
 * - its callback for what is overwritten runs in the middle of `enq`; here it only counts and empties.
 * - a capacity of 0 means 50, and memory for all of it is taken at once; so capacity is checked, and ends at 2^24 (128
 *   MiB).
 * `deq` of an empty ring throws and `undefined` is a value like any other: the depth, not the value, says whether there
 * is one.
 */
import RingBuffer from 'ringbufferjs';
import { checkInteger, checkOptions } from '../errors.js';
import { type InThreadQueue, InThreadStore, bind, propertiesInThread, pubInThread, subInThread } from './in-thread.js';
import { OK, type ResultCode } from '../result-codes.js';

export interface WindowOptions {
  /**
   * The newest values kept: any whole number from 1 to 2^24. Takes 8 bytes each at once, and a small object each as
   * they come.
   */
  capacity: number;
}

/** The window as `create` gives it. It stays in its thread; a structured clone cannot be opened. */
export interface WindowQueue<T> extends InThreadQueue<T> {
  readonly backend: 'window';
}

interface Cell<T> {
  value: T | undefined;
}

class WindowStore<T> extends InThreadStore<T> {
  private readonly empties: Cell<T>[] = [];
  private readonly ring: RingBuffer<Cell<T>>;

  constructor(capacity: number) {
    super('window', capacity);
    this.ring = new RingBuffer<Cell<T>>(capacity, (overwritten) => {
      this.dropped.oldest++;
      this.empty(overwritten);
    });
  }

  get depth(): number {
    return this.ring.size();
  }

  get hasRoom(): boolean {
    return true;
  }

  protected put(value: T): ResultCode {
    // Empty cells are at most as many as slots, and one more while a full ring takes the next value.
    const cell = this.empties.pop() ?? { value: undefined };
    cell.value = value;
    this.ring.enq(cell);
    return OK;
  }

  protected take(): T {
    const cell = this.ring.deq();
    const value = cell.value as T;
    this.empty(cell);
    return value;
  }

  private empty(cell: Cell<T>): void {
    cell.value = undefined;
    this.empties.push(cell);
  }
}

/** Makes a window. Throws PercoreError for a bad option. */
export function createWindow<T>(options: WindowOptions): WindowQueue<T> {
  const { capacity: asked } = checkOptions('options', options, ['kind', 'backend', 'capacity']);
  const capacity = checkInteger('capacity', asked, 1, 2 ** 24);
  return bind<T, WindowQueue<T>>({ kind: 'mpmc', backend: 'window', capacity }, new WindowStore<T>(capacity));
}

export { propertiesInThread as propertiesOfWindow, pubInThread as pubWindow, subInThread as subWindow };

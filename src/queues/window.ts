/**
 * The backend `window`: the newest `capacity` values inside one thread, by reference. An offer is always OK, and what
 * it overwrites is counted. It is meant for values of which only the latest are worth keeping: the last readings of a
 * gauge, the messages before a fault.
 *
 *     const last = createWindow<Reading>({ capacity: 100 });
 *     pubWindow(last).offer(reading);                          // always OK
 *     propertiesOfWindow(last).dropped.oldest;                 // how many were overwritten unread
 *
 * The ring is ringbufferjs. Three of its habits are dealt with here:
 * - `deq` leaves the value in its slot until a lap later, which would keep the value alive. So slots hold cells, and a
 * cell is emptied when it is read or overwritten. Emptied cells are used again, so a full window allocates nothing.
 * - Its callback for what is overwritten runs in the middle of `enq`; here it only counts and empties.
 * - A capacity of 0 means 50, and memory for the whole capacity is taken at once. So the capacity is checked, and is at
 * most 2^24 (128 MiB).
 *
 * `deq` of an empty ring throws, and `undefined` is a value like any other: whether there is a value is told by the
 * depth.
 */
import RingBuffer from 'ringbufferjs';
import { checkInteger, checkOptions } from '../errors.js';
import { type InThreadQueue, InThreadStore, bind, propertiesInThread, pubInThread, subInThread } from './in-thread.js';
import { OK, type ResultCode } from '../result-codes.js';

/** Options of a window. */
export interface WindowOptions {
  /**
   * How many of the newest values are kept: a whole number from 1 to 2^24. It takes 8 bytes for each at once, and a
   * small object for each when it comes.
   */
  capacity: number;
}

/** The window as `create` returns it. It stays in its thread: a structured clone of it cannot be opened. */
export interface WindowQueue<T> extends InThreadQueue<T> {
  /** Where the values lie. */
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
    // There are at most as many empty cells as slots, and one more while a full ring takes the next value.
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

/** Makes a window. Throws ERR_PERCORE_INVALID_ARGUMENT for a bad option. */
export function createWindow<T>(options: WindowOptions): WindowQueue<T> {
  const { capacity: asked } = checkOptions('options', options, ['kind', 'backend', 'capacity']);
  const capacity = checkInteger('capacity', asked, 1, 2 ** 24);
  return bind<T, WindowQueue<T>>({ kind: 'mpmc', backend: 'window', capacity }, new WindowStore<T>(capacity));
}

export { propertiesInThread as propertiesOfWindow, pubInThread as pubWindow, subInThread as subWindow };

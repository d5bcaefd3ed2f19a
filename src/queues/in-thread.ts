/**
 * What the backends of one thread share: several producers and consumers that compete for values by reference, and
 * waiting, closing and counting. A backend adds where the values lie: deque.ts, window.ts.
 *
 *     producers: offer -> [ put | dropped, refused ] -> take <- poll, drain, for await: consumers
 *
 * Nothing is shared with another thread, so there are no atomics. The only thing that can happen in the middle of a
 * call is another call, from inside a `drain` handler; so all state is settled before a handler runs. Promises are
 * settled after the values are in place.
 *
 *     published == consumed + depth + dropped.oldest + dropped.closed       always
 *
 * A handle is a plain object, and its state is found by its identity (a WeakMap). A structured clone of a handle still
 * says what the queue was, but opening the clone in another thread throws, because references do not cross threads.
 */
import { PercoreError, checkFunction, checkOptions } from '../errors.js';
import { AWAIT_ROOM, awaitPromised, noteRefusal, type Refuser } from '../refusals.js';
import { Waiters } from '../waiting.js';
import {
  type ConsumerProperties, type QueueBackend, type QueueConsumer, type QueueProducer, type QueueProperties,
  type WaitOptions, valuesOf,
} from './queue-ends.js';
import { limitOf } from './copy-bytes.js';
import { BACK_PRESSURED, CLOSED, EMPTY, OK, type ResultCode } from '../result-codes.js';

/** What `create` returns for a backend of one thread. `T` is the type of its values; no field has it at run time. */
export interface InThreadQueue<T> {
  /** Any number of producers and consumers. */
  readonly kind: 'mpmc';
  /** Where the values lie. */
  readonly backend: QueueBackend;
  /** How many values it holds. */
  readonly capacity: number;
  /** Never there; it only carries the type of the values. */
  readonly carries?: T;
}

const storeOf = new WeakMap<object, InThreadStore<unknown>>();

/** Binds a new handle to its store, and freezes it. */
export function bind<T, Q extends InThreadQueue<T>>(queue: Q, store: InThreadStore<T>): Q {
  storeOf.set(queue, store as InThreadStore<unknown>);
  return Object.freeze(queue);
}

/** The store of a handle. Throws for anything but a handle of this thread. */
function open<T>(queue: InThreadQueue<T>): InThreadStore<T> {
  const store = typeof queue === 'object' && queue !== null ? storeOf.get(queue) : undefined;
  if (store !== undefined) return store as InThreadStore<T>;
  throw new PercoreError(
    'ERR_PERCORE_INVALID_ARGUMENT',
    'queue must be the very object that create() returned: a deque or window holds references and stays in the thread '
      + 'that made it. Between threads use another backend',
    { argument: 'queue', value: queue },
  );
}

/**
 * Opens a producing end. Any number may be open. When the last of them closes, the queue closes too, and ends that are
 * opened later find it closed.
 */
export function pubInThread<T>(queue: InThreadQueue<T>, options?: object): QueueProducer<T> {
  checkOptions('options', options, []);
  return new InThreadProducer(open(queue));
}

/**
 * Opens a consuming end. Any number may be open; each value goes to one of them. When the last of them closes, the
 * remaining values are dropped and counted.
 */
export function subInThread<T>(queue: InThreadQueue<T>, options?: object): QueueConsumer<T> {
  checkOptions('options', options, []);
  return new InThreadConsumer(open(queue));
}

/** What the queue is and has done. Only in its own thread; allocates the answer. */
export function propertiesInThread(queue: InThreadQueue<unknown>): QueueProperties {
  return open(queue).properties();
}

/** The values of one queue, and the ends that work on them. */
export abstract class InThreadStore<T> {
  published = 0;
  consumed = 0;
  refused = 0;
  readonly dropped = { newest: 0, oldest: 0, evicted: 0, closed: 0 };
  /** True when no value will follow. */
  isClosed = false;
  /** True when nobody will read any more. */
  isAbandoned = false;
  readonly producers: InThreadProducer<T>[] = [];
  readonly consumers: InThreadConsumer<T>[] = [];
  /** How many consumers were ever opened, which is the place of the next one. */
  places = 0;
  private highWater = 0;

  constructor(readonly backend: QueueBackend, readonly capacity: number) {}

  /** How many values are there now. */
  abstract get depth(): number;
  /**
   * Takes one value in and returns OK, or returns BACK_PRESSURED or DROPPED without taking it. Counts what it drops.
   */
  protected abstract put(value: T): ResultCode;
  /** Removes the oldest value and returns it. Call it only while `depth` is above 0. */
  protected abstract take(): T;
  /** True if an offer would not be answered with BACK_PRESSURED. */
  abstract get hasRoom(): boolean;

  /** Takes one value in and wakes those who wait for one. CLOSED when the queue is. */
  offer(value: T): ResultCode {
    if (this.isClosed || this.isAbandoned) return CLOSED;
    const code = this.put(value);
    if (code !== OK) return code;
    this.published++;
    if (this.depth > this.highWater) this.highWater = this.depth;
    for (let i = 0; i < this.consumers.length; i++) this.consumers[i]!.readers.settle(OK);
    return OK;
  }

  /** Removes the oldest value, counts it and wakes those who wait for room. Call it only while `depth` is above 0. */
  next(): T {
    const value = this.take();
    this.consumed++;
    for (let i = 0; i < this.producers.length; i++) this.producers[i]!.writers.settle(OK);
    return value;
  }

  /** No value will follow: those who wait for one are told. */
  close(): void {
    this.isClosed = true;
    // If values are left, nobody is waiting.
    for (const { readers } of this.consumers) readers.settle(CLOSED);
  }

  /**
   * Nobody will read any more: the remaining values are dropped, and those who wait for room are told that none will
   * come.
   */
  abandon(): void {
    this.isAbandoned = true;
    this.dropped.closed += this.depth;
    while (this.depth > 0) this.take();
    for (const { writers } of this.producers) writers.settle(CLOSED);
  }

  /** The figures of the queue, as a new object. */
  properties(): QueueProperties {
    return {
      kind: 'mpmc',
      backend: this.backend,
      capacity: this.capacity,
      depth: this.depth,
      highWater: this.highWater,
      published: this.published,
      consumed: this.consumed,
      refused: this.refused,
      dropped: { ...this.dropped },
      consumers: this.consumers.map((consumer): ConsumerProperties => ({
        place: consumer.place, lag: this.depth, consumed: consumer.consumed,
      })),
      isClosed: this.isClosed || this.isAbandoned,
    };
  }
}

class InThreadProducer<T> implements QueueProducer<T>, Refuser {
  readonly writers = new Waiters<ResultCode>('no room in the queue');
  private isOver = false;

  constructor(private readonly store: InThreadStore<T>) {
    store.producers.push(this);
  }

  offer(value: T): ResultCode {
    const code = this.isOver ? CLOSED : this.store.offer(value);
    if (code === BACK_PRESSURED) noteRefusal(this, 1);
    return code;
  }

  /** An offer is seen at once, so there is nothing to publish. */
  flush(): ResultCode {
    return this.isOver || this.store.isClosed || this.store.isAbandoned ? CLOSED : OK;
  }

  room(options?: WaitOptions): Promise<ResultCode> {
    return this.writers.waitUnless(
      () => (this.flush() === CLOSED ? CLOSED : this.store.hasRoom ? OK : undefined), options,
    );
  }

  /** For a step that was refused; see `Refuser`. */
  [AWAIT_ROOM](_needed: number, then: () => void): () => void {
    return awaitPromised((options) => this.room(options), then);
  }

  close(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.writers.settle(CLOSED);
    const { producers } = this.store;
    producers.splice(producers.indexOf(this), 1);
    if (producers.length === 0) this.store.close();
  }
}

class InThreadConsumer<T> implements QueueConsumer<T> {
  readonly readers = new Waiters<ResultCode>('no record in the queue');
  readonly place: number;
  consumed = 0;
  state: ResultCode = EMPTY;
  private isOver = false;

  constructor(private readonly store: InThreadStore<T>) {
    this.place = store.places++;
    store.consumers.push(this);
  }

  poll(): T | undefined {
    if (this.isOver || this.store.depth === 0) {
      this.state = this.ended() ? CLOSED : EMPTY;
      return undefined;
    }
    this.state = OK;
    this.consumed++;
    return this.store.next();
  }

  drain(handler: (value: T) => void, limit = 0x7fffffff): number {
    checkFunction('handler', handler);
    limit = limitOf(limit);
    if (this.ended()) return CLOSED;
    // What the handler offers comes next time. Otherwise a handler that offers as much as it takes would run for ever.
    const most = Math.min(this.store.depth, limit);
    let count = 0;
    // The handler may also poll, or close this end.
    while (count < most && this.store.depth > 0 && !this.isOver) {
      count++;
      this.consumed++;
      handler(this.store.next());
    }
    return count;
  }

  ready(options?: WaitOptions): Promise<ResultCode> {
    return this.readers.waitUnless(() => (this.ended() ? CLOSED : this.store.depth > 0 ? OK : undefined), options);
  }

  close(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.readers.settle(CLOSED);
    const { consumers } = this.store;
    consumers.splice(consumers.indexOf(this), 1);
    if (consumers.length === 0) this.store.abandon();
  }

  [Symbol.asyncIterator](): AsyncIterator<T> {
    return valuesOf(this);
  }

  private ended(): boolean {
    return this.isOver || this.store.isAbandoned || (this.store.isClosed && this.store.depth === 0);
  }
}

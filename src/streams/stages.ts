/** The stages of one value at a time: map, filter, take; and merge, which has several streams above it. */
import { CLOSED, EMPTY, OK } from '../result-codes.js';
import { Bell, MOST_PASSED, Stage, Watch, type Flow } from './flow.js';

export class MapFlow<T, U> extends Stage<T, U> {
  constructor(above: Flow<T>, private readonly change: (value: T) => U) {
    super(above);
  }

  poll(): U | undefined {
    const value = this.above.poll();
    this.state = this.above.state;
    return this.state === OK ? this.change(value as T) : undefined;
  }
}

export class FilterFlow<T> extends Stage<T, T> {
  /** This many values were passed over, so others have their turn first. */
  private hasPassed = false;

  constructor(above: Flow<T>, private readonly accepts: (value: T) => boolean) {
    super(above);
  }

  poll(): T | undefined {
    this.hasPassed = false;
    for (let passed = 0; passed < MOST_PASSED; passed++) {
      const value = this.above.poll();
      this.state = this.above.state;
      if (this.state !== OK) return undefined;
      if (this.accepts(value as T)) return value;
    }
    this.hasPassed = true;
    this.state = EMPTY;
    return undefined;
  }

  override ready(): Promise<unknown> {
    return this.hasPassed ? Promise.resolve() : super.ready();
  }
}

export class TakeFlow<T> extends Stage<T, T> {
  constructor(above: Flow<T>, private left: number) {
    super(above);
  }

  poll(): T | undefined {
    if (this.left === 0) {
      this.state = CLOSED;
      return undefined;
    }
    const value = this.above.poll();
    this.state = this.above.state;
    if (this.state !== OK) return undefined;
    // Close it now: the source need not find out later that nobody reads.
    if (--this.left === 0) this.close();
    return value;
  }
}

/** Asks each in turn, so that none keeps the others waiting. Ends when all have ended; fails when one fails. */
export class MergeFlow<T> implements Flow<T> {
  state: number = EMPTY;
  private readonly bell = new Bell();
  private readonly watches: Watch[];
  private next = 0;

  constructor(private flows: Flow<T>[]) {
    this.watches = flows.map((flow) => new Watch(flow, this.bell));
  }

  poll(): T | undefined {
    for (let tries = this.flows.length; tries > 0; tries--) {
      if (this.next >= this.flows.length) this.next = 0;
      const flow = this.flows[this.next]!;
      const value = flow.poll();
      this.state = flow.state;
      if (this.state === OK) {
        this.next++;
        return value;
      }
      if (this.state === EMPTY) {
        this.next++;
      } else {
        this.flows.splice(this.next, 1);
        this.watches.splice(this.next, 1);
      }
    }
    this.state = this.flows.length === 0 ? CLOSED : EMPTY;
    return undefined;
  }

  ready(): Promise<unknown> {
    const wait = this.bell.wait();
    for (const watch of this.watches) watch.ask();
    return wait;
  }

  close(): void {
    for (const flow of this.flows) flow.close();
  }
}

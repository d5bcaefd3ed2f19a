/** The stages that handle one value at a time: map, filter and take. And merge, which has several streams above it. */
import { CLOSED, EMPTY, OK } from '../result-codes.js';
import { Bell, MOST_PASSED, Stage, Watch, type Flow, type FlowHost, type Open } from './flow.js';

/** Each value as `change` returns it. */
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

/** The values that `accepts` lets through. */
export class FilterFlow<T> extends Stage<T, T> {
  /** True if the last poll passed over so many values that others should have their turn first. */
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

/** The first values, as many as `left` says. */
export class TakeFlow<T> extends Stage<T, T> {
  private failure: { readonly error: unknown } | undefined;

  constructor(above: Flow<T>, private left: number) {
    super(above);
  }

  poll(): T | undefined {
    if (this.left === 0) {
      // Also where no value was wanted at all; a second call does nothing.
      this.close();
      this.state = CLOSED;
      if (this.failure !== undefined) throw this.failure.error;
      return undefined;
    }
    const value = this.above.poll();
    this.state = this.above.state;
    if (this.state !== OK) return undefined;
    // Closed now, so that the source need not find out later that nobody reads.
    if (--this.left === 0) {
      try {
        this.close();
      } catch (error) {
        // The value goes first.
        this.failure = { error };
      }
    }
    return value;
  }
}

/**
 * Asks each stream in turn, so that none keeps the others waiting. Ends when all have ended, and fails when one fails.
 */
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
    closeAll(this.flows);
  }
}

/** Opens several streams, or none: those that are open are closed again when one throws. */
export function openAll<T>(opens: readonly Open<T>[], host: FlowHost): Flow<T>[] {
  const flows: Flow<T>[] = [];
  try {
    for (const open of opens) flows.push(open(host));
  } catch (error) {
    closeAll(flows);
    throw error;
  }
  return flows;
}

/** Closes all of them, and then throws what the first to fail has thrown. */
function closeAll(flows: readonly Flow<unknown>[]): void {
  const errors: unknown[] = [];
  for (const flow of flows) {
    try {
      flow.close();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length !== 0) throw errors[0];
}

/**
 * Gathers values in lists. A list is handed on when it is full, when its time is over, or when the stream above ends.
 */
import { CLOSED, EMPTY, OK } from '../result-codes.js';
import { Bell, Watch, type Flow, type FlowHost } from './flow.js';

/** What a window gathers. */
export interface StreamWindow {
  /** How many values a list has: 1 to 2^20. Default 1,024. */
  readonly count?: number;
  /**
   * A list that is not full is handed on this many milliseconds after its first value: 1 to 2^31 - 1. Without it there
   * is no limit.
   */
  readonly ms?: number;
}

/** The flow of lists. */
export class WindowFlow<T> implements Flow<T[]> {
  state: number = EMPTY;
  private readonly bell = new Bell();
  private readonly watch: Watch;
  private values: T[] = [];
  private isDue = false;
  private stopTimer: (() => void) | undefined;
  private failure: { readonly error: unknown } | undefined;

  constructor(
    private readonly above: Flow<T>, private readonly count: number, private readonly ms: number | undefined,
    private readonly host: FlowHost,
  ) {
    this.watch = new Watch(above, this.bell);
  }

  poll(): T[] | undefined {
    let state: number = OK;
    while (this.values.length < this.count && !this.isDue && state === OK) state = this.gather();
    if (this.values.length > 0 && state !== EMPTY) return this.handOn();
    // What was gathered before a failure has been handed on by now.
    if (this.failure !== undefined) throw this.failure.error;
    this.state = state;
    return undefined;
  }

  ready(): Promise<unknown> {
    const wait = this.bell.wait();
    this.watch.ask();
    return wait;
  }

  close(): void {
    this.stopTimer?.();
    this.above.close();
  }

  /** Puts one value from above into the list. Returns what the stream above had: OK, EMPTY or CLOSED. */
  private gather(): number {
    if (this.failure !== undefined) return CLOSED;
    let value: T | undefined;
    try {
      value = this.above.poll();
    } catch (error) {
      this.failure = { error };
      return CLOSED;
    }
    if (this.above.state !== OK) return this.above.state;
    this.values.push(value as T);
    if (this.values.length === 1 && this.ms !== undefined) {
      this.stopTimer = this.host.after(this.ms, () => {
        this.isDue = true;
        this.bell.ring();
      });
    }
    return OK;
  }

  /** Hands the list on and begins a new one. */
  private handOn(): T[] {
    const { values } = this;
    this.stopTimer?.();
    this.stopTimer = undefined;
    this.isDue = false;
    this.values = [];
    this.state = OK;
    return values;
  }
}

/**
 * The asking half of a streaming answer: values that have arrived and that nobody has taken yet, in a ring with as many
 * places as the stream has credits.
 *
 *      STREAMED --push--> ring --next()--> taken --half of the credits taken--> CREDIT: so many more may come
 *      REPLY    --end---> done, after the values that are here
 *      FAILURE  --fail--> thrown once, after the values that are here; then done
 *      aborted, timed out, closed --giveUp--> thrown at once, and what is here is dropped
 *
 * The answering party never has more values under way than the credits that it was given, so the ring cannot overflow,
 * and a slow reader slows the other side down. Source: the credits of Reactive Streams (`request(n)`). One thread.
 */
import { PercoreError } from '../errors.js';

/** What a stream needs of the call that it answers. */
export interface IncomingHost {
  /** This many more values may come. */
  grant(values: number): void;
  /** Nobody takes any more. `dropped`: values that had arrived. */
  leave(dropped: number): void;
}

interface Waiting {
  readonly resolve: (result: IteratorResult<unknown, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

const DONE: IteratorReturnResult<undefined> = Object.freeze({ value: undefined, done: true });

export class Incoming {
  host!: IncomingHost;
  private values: unknown[];
  private first = 0;
  private count = 0;
  /** How many were taken since the last grant. */
  private taken = 0;
  private readonly grantAfter: number;
  /** Calls of `next` that came before their value: more than one if several read one stream. */
  private readonly waiting: Waiting[] = [];
  /** Those who wait for any values at all: `nextBatch`. */
  private readonly wakers: (() => void)[] = [];
  private isOver = false;
  private failure: { readonly error: unknown } | undefined;

  /** `credits`: how many values may be under way, and be held here: 1 or more. */
  constructor(readonly credits: number) {
    this.values = new Array<unknown>(Math.min(credits, 64)).fill(undefined);
    this.grantAfter = Math.max(1, credits >> 1);
  }

  /** A value has come. */
  push(value: unknown): void {
    if (this.waiting.length !== 0) {
      this.waiting.shift()!.resolve({ value, done: false });
      this.noteTaken(1);
      return;
    }
    if (this.count === this.values.length) this.grow();
    let at = this.first + this.count;
    if (at >= this.values.length) at -= this.values.length;
    this.values[at] = value;
    this.count++;
    if (this.wakers.length !== 0) this.wake();
  }

  /** All values have arrived. */
  end(): void {
    this.isOver = true;
    for (const { resolve } of this.waiting.splice(0)) resolve(DONE);
    this.wake();
  }

  /** No further value comes, because the other side has failed or died. */
  fail(error: unknown): void {
    this.isOver = true;
    const [first, ...others] = this.waiting.splice(0);
    if (first === undefined) this.failure = { error };
    else first.reject(error);
    for (const { resolve } of others) resolve(DONE);
    this.wake();
  }

  /** This side has had enough: what has arrived is dropped. Returns how many values that were. */
  clear(): number {
    const { count } = this;
    this.values.length = this.first = this.count = 0;
    return count;
  }

  next(): Promise<IteratorResult<unknown, undefined>> {
    if (this.count !== 0) {
      const value = this.values[this.first];
      this.values[this.first] = undefined;
      this.first = this.first + 1 === this.values.length ? 0 : this.first + 1;
      this.count--;
      this.noteTaken(1);
      return Promise.resolve({ value, done: false });
    }
    const { failure } = this;
    if (failure !== undefined) {
      this.failure = undefined;
      return Promise.reject(failure.error as Error);
    }
    if (this.isOver) return Promise.resolve(DONE);
    return new Promise((resolve, reject) => void this.waiting.push({ resolve, reject }));
  }

  /**
   * All values that have arrived, at least one. A waiting reader is woken after the turn, and takes what that turn
   * brought.
   */
  async nextBatch(): Promise<IteratorResult<unknown[], undefined>> {
    while (this.count === 0) {
      const { failure } = this;
      if (failure !== undefined) {
        this.failure = undefined;
        throw failure.error;
      }
      if (this.isOver) return DONE;
      await new Promise<void>((wake) => void this.wakers.push(wake));
    }
    const { values, first, count } = this;
    const end = first + count;
    const value = values.slice(first, end);
    if (end > values.length) value.push(...values.slice(0, end - values.length));
    values.fill(undefined);
    this.first = this.count = 0;
    this.noteTaken(count);
    return { value, done: false };
  }

  /** The reader has left the loop. */
  return(): void {
    this.failure = undefined;
    const dropped = this.clear();
    if (this.isOver) return;
    this.end();
    this.host.leave(dropped);
  }

  private noteTaken(count: number): void {
    this.taken += count;
    if (this.taken < this.grantAfter || this.isOver) return;
    this.host.grant(this.taken);
    this.taken = 0;
  }

  private wake(): void {
    for (const wake of this.wakers.splice(0)) wake();
  }

  private grow(): void {
    const { values, first } = this;
    if (this.count >= this.credits) throw tooMany(this.credits);
    const more = new Array<unknown>(Math.min(this.credits, values.length * 2)).fill(undefined);
    for (let i = 0; i < values.length; i++) more[i] = values[(first + i) % values.length];
    this.values = more;
    this.first = 0;
  }
}

const tooMany = (credits: number): PercoreError => new PercoreError(
  'ERR_PERCORE_DAMAGED', `a stream of ${credits} credits has more values under way: somebody else writes into the lane`,
);

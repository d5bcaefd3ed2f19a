/**
 * The answering half of a streaming answer: takes one value after the other from what the handler has returned, and
 * gathers them in records, since a record costs more than a value. What was gathered goes when the record is full,
 * after 20 µs, before this rests or ends, and at the end of the turn at the latest.
 *
 *      next() --value--> gathered, a credit less --no credit, or values wait for room--> rests --CREDIT, room--> next()
 *            \--done---> REPLY        \--throws--> FAILURE
 *      CANCEL, the caller's death --end--> return() of the iterator, whose `finally` runs
 *
 * A value is copied when it is yielded, so a generator may go on using its object. One thread.
 */
import { PercoreError } from '../errors.js';
import { isResult, notAResult } from '../iterators.js';
import { TOO_LARGE } from '../queues/index.js';
import { STREAMED } from './message.js';
import type { Outlet } from './outlet.js';
import type { Flushable } from './unpublished.js';
import { ValueBatch } from './value-batch.js';

/** Gathered values go after this time, however few they are. */
const GATHER_NS = 20_000;

export class Outgoing implements Flushable {
  private isOver = false;
  private isInLine = false;
  /** The turn knows that something was gathered here. */
  private isAwaitingFlush = false;
  private goOn: (() => void) | undefined;
  private closing: Promise<unknown> | undefined;
  private batch: ValueBatch | undefined;
  private gatheredSinceNs = 0;

  constructor(
    private readonly clock: { nowNs(): number },
    private readonly iterator: AsyncIterator<unknown> | Iterator<unknown>, private readonly outlet: Outlet,
    private readonly number: number, private readonly generation: number, private credits: number,
  ) {}

  /**
   * Runs until everything was sent, or nobody wants more. True: the caller waits to hear that this is the end. Throws
   * what the iterator throws, and why a value cannot be sent.
   */
  async run(): Promise<boolean> {
    try {
      while (!this.isOver) {
        if (this.credits === 0 || this.outlet.hasParcels) {
          this.sendGathered();
          await this.rest();
          continue;
        }
        const next = this.iterator.next();
        // A plain generator is not awaited: a promise costs more than the value.
        const isLater = next instanceof Promise || (isResult(next) && 'then' in next);
        const result = isLater ? await next : next;
        if (!isResult(result)) throw notAResult("the handler's iterator", result);
        const { value, done } = result;
        if (done === true) break;
        if (this.isOver) break;
        const failing = this.gather(value);
        if (failing !== undefined) await failing;
      }
    } finally {
      // Before the end, or before what the iterator has thrown.
      this.sendGathered();
    }
    await this.closing;
    return !this.isOver;
  }

  /** This many more values may go. */
  grant(values: number): void {
    this.credits += values;
    this.wake();
  }

  /** Nobody wants more. A generator that waits for something else ends when that has settled: see `context.signal`. */
  end(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.closing = this.closeIterator();
    // `run` awaits it, and may be late.
    this.closing.catch(() => undefined);
    this.wake();
  }

  /** Sends it by itself: it is too long to share a record. */
  private send(value: unknown): Promise<void> | undefined {
    this.credits--;
    try {
      // CLOSED: the caller has died; `end` will say so.
      if (this.outlet.sendReply(STREAMED, this.number, this.generation, value) !== TOO_LARGE) return undefined;
    } catch (error) {
      return this.abandon(error);
    }
    return this.abandon(tooLarge(this.outlet));
  }

  /** The turn ends: what was gathered goes. */
  flush(): void {
    this.isAwaitingFlush = false;
    this.sendGathered();
  }

  /** Sends it with others, if there are any. */
  private gather(value: unknown): Promise<void> | undefined {
    const batch = (this.batch ??= new ValueBatch(this.outlet.maxBytes));
    try {
      if (!batch.add(value)) {
        this.sendGathered();
        if (!batch.add(value)) return this.send(value);
      }
    } catch (error) {
      this.sendGathered();
      return this.abandon(error);
    }
    this.credits--;
    if (!this.isAwaitingFlush) {
      this.isAwaitingFlush = true;
      this.outlet.flushLater(this);
    }
    const { count } = batch;
    // The clock is read after 1, 2, 4, … values.
    if ((count & (count - 1)) !== 0) return undefined;
    const now = this.clock.nowNs();
    if (count === 1) {
      this.gatheredSinceNs = now;
    } else if (batch.isFull || now - this.gatheredSinceNs > GATHER_NS) {
      this.sendGathered();
      // The caller takes these while the next ones are made.
      this.outlet.publishInTurn();
    }
    return undefined;
  }

  private sendGathered(): void {
    const { batch } = this;
    if (batch === undefined || batch.count === 0) return;
    // CLOSED: the caller has died; `end` will say so.
    if (!this.isOver) this.outlet.sendGathered(this.number, this.generation, batch);
    batch.clear();
  }

  /** Ends the iterator because of an error, which is the one to report, whatever its `finally` throws. */
  private async abandon(error: unknown): Promise<void> {
    try {
      await this.closeIterator();
    } catch {
      // The first error is the one that the caller can act on.
    }
    throw error;
  }

  private async closeIterator(): Promise<unknown> {
    return this.iterator.return?.();
  }

  private rest(): Promise<void> {
    return new Promise((resolve) => {
      this.goOn = resolve;
      if (!this.outlet.hasParcels || this.isInLine) return;
      this.isInLine = true;
      this.outlet.whenRoom(0, () => {
        this.isInLine = false;
        this.wake();
      });
    });
  }

  private wake(): void {
    this.goOn?.();
    this.goOn = undefined;
  }
}

const tooLarge = (outlet: Outlet): PercoreError =>
  new PercoreError('ERR_PERCORE_TOO_LARGE', `a value of the answer: ${outlet.tooLarge}`);

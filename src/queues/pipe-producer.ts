/**
 * The producing end of a pipe. Records are framed into `out` and written from there:
 *
 *     offer -> out: | sent | rest of a record | or | gathered records, at most PIPE_BUF | -> write(2)
 *              0 ...... sent .................. used
 *
 * Of up to PIPE_BUF bytes the kernel takes all or nothing. So short records are never torn, alone or gathered, whoever
 * else writes to the same FIFO. Of a longer record the kernel may take a part. Then the record is accepted; its rest
 * goes out before anything else, without a further call and as soon as there is room, and until then offers are
 * answered BACK_PRESSURED.
 *
 * A record that is refused leaves no trace in `out`. If the reader has gone, the kernel says EPIPE, and what `out`
 * still holds is counted as dropped. There is one system call for each record, or one for up to `publishEvery` records:
 * a write costs 0.5 to 1 microseconds.
 */
import { EAGAIN, ENXIO, EPIPE } from '../errno.js';
import { native, type PipeEndHandle } from '../native.js';
import { PIPE_BUF, frame, measure, overheadOf } from './pipe-frames.js';
import {
  DROPPED_NEWEST, DROPPED_UNSENT, IS_BROKEN, PRODUCER_HIGH_WATER, PUBLISHED, REFUSED, memoryOf, openEnd, systemError,
  type PipeMemory, type PipeQueue, type PipeValue,
} from './pipe-memory.js';
import type { QueueProducer, WaitOptions } from './queue-ends.js';
import { AWAIT_ROOM, awaitPromised, noteRefusal, type Refuser } from '../refusals.js';
import { Waiters } from '../waiting.js';
import { BACK_PRESSURED, CLOSED, DROPPED, OK, TOO_LARGE, type ResultCode } from '../result-codes.js';


/** The producing end of a pipe; see `QueueProducer`. It belongs to the thread that opened it. */
export class PipeProducer<T extends PipeValue> implements QueueProducer<T>, Refuser {
  readonly maxRecordBytes: number;
  private readonly pipes = native().pipes;
  private readonly memory: PipeMemory;
  private readonly end: PipeEndHandle;
  private readonly overhead: number;
  private readonly writers = new Waiters<ResultCode>('no room in the queue', () => this.watchIfNeeded());
  private out = Buffer.allocUnsafeSlow(PIPE_BUF);
  private used = 0;
  private sent = 0;
  /** How many records are in `out`, including one that is partly sent. */
  private records = 0;
  /**
   * True if what is in `out` goes out without a further call: it is the rest of a record, or was flushed while the pipe
   * was full.
   */
  private isDue = false;
  private isWatching = false;
  /** True once no offer is taken any more. */
  private isOver = false;
  private isShut = false;
  /** True if the pipe's depth was asked for since the last write that succeeded. */
  private hasMeasured = false;
  private hasReader = true;

  constructor(private readonly queue: PipeQueue<T>, private readonly publishEvery: number) {
    this.memory = memoryOf(queue);
    this.maxRecordBytes = queue.maxRecordBytes;
    this.overhead = overheadOf(queue.framing);
    this.end = openEnd(queue, this.memory, true, () => this.onWritable());
  }

  offer(value: T): ResultCode {
    if (this.isOver) return CLOSED;
    const { framing, values } = this.queue;
    const length = measure(value, values, framing);
    if (length > this.maxRecordBytes) return TOO_LARGE;
    const framed = length + this.overhead;
    // What was accepted before goes first: the rest of a record that was longer than PIPE_BUF, or gathered records that
    // leave no room.
    if (this.used > 0 && this.used + framed > PIPE_BUF) {
      const code = this.push();
      if (code !== OK) return code === CLOSED ? this.lose() : this.refuse();
    }
    const at = this.used;
    if (at + framed > this.out.length) this.grow(at + framed);
    frame(value, length, framing, this.out, at);
    this.used += framed;
    this.records++;
    if (this.records >= this.publishEvery || framed > PIPE_BUF) {
      let code: ResultCode;
      try {
        code = this.push();
      } catch (error) {
        const isTorn = this.sent > 0;
        this.takeBack(at);
        if (isTorn) this.lose();
        throw error;
      }
      if (code === BACK_PRESSURED && this.sent > 0) {
        // The kernel took a part of the record, so it is accepted.
        this.sendByItself();
      } else if (code !== OK) {
        this.takeBack(at);
        return code === CLOSED ? this.lose() : this.refuse();
      }
    }
    this.memory.counts[PUBLISHED]!++;
    return OK;
  }

  /**
   * Takes back the record that was put at `at` last, which was not accepted. If its reader has gone while it was half
   * sent, nobody has seen the record either.
   */
  private takeBack(at: number): void {
    this.used = at;
    this.records--;
  }

  /** Writes what is gathered. If the pipe is full, the rest goes out without a further call. */
  flush(): ResultCode {
    if (this.isOver) return CLOSED;
    const code = this.push();
    if (code === CLOSED) return this.lose();
    if (code === BACK_PRESSURED) this.sendByItself();
    return OK;
  }

  room(options?: WaitOptions): Promise<ResultCode> {
    return this.writers.waitUnless(() => {
      const code = this.isOver ? CLOSED : this.look();
      return code === BACK_PRESSURED ? undefined : code;
    }, options);
  }

  /** Only for steps of reactors that this producer has refused; see `Refuser`. */
  [AWAIT_ROOM](_needed: number, then: () => void): () => void {
    return awaitPromised((options) => this.room(options), then);
  }

  /**
   * Closes this end. What was accepted still goes out, and keeps the thread's event loop alive until it has, or until
   * the reader goes.
   */
  close(): void {
    if (this.isOver) return;
    let code: ResultCode;
    try {
      code = this.push();
    } catch (error) {
      // This end closes in any case: another close() would only throw again, and nobody else could have the end.
      this.lose();
      throw error;
    }
    // A FIFO that nobody has ever read from may stay so for ever.
    if (code === CLOSED || (code === BACK_PRESSURED && !this.hasReader)) {
      this.lose();
      return;
    }
    this.isOver = true;
    this.writers.settle(CLOSED);
    if (code === OK) this.shut();
    else this.sendByItself();
  }

  /** Gives the kernel as much of `out` as it takes. Returns OK when all of it has gone. */
  private push(): ResultCode {
    // The loop ends: each pass takes bytes away or returns.
    while (this.sent < this.used) {
      const count = this.pipes.write(this.end, this.out, this.sent, this.used - this.sent);
      if (count < 0) return this.meaningOf(count);
      this.sent += count;
      this.hasMeasured = false;
      this.hasReader = true;
    }
    this.sent = this.used = this.records = 0;
    this.isDue = false;
    return OK;
  }

  /** OK when an offer has a chance now. */
  private look(): ResultCode {
    let code = this.push();
    if (code === OK) {
      const room = this.pipes.space(this.end);
      if (room < 0) code = this.meaningOf(room);
    }
    return code === CLOSED ? this.lose() : code;
  }

  /** The result code for a negative answer of the system. Throws for anything unexpected. */
  private meaningOf(code: number): ResultCode {
    this.hasReader = code !== -ENXIO;
    if (code === -EAGAIN || code === -ENXIO) return BACK_PRESSURED;
    if (code === -EPIPE) return CLOSED;
    throw systemError(code, 'write', this.queue.path);
  }

  /** Counts a refused offer and returns its result code. */
  private refuse(): ResultCode {
    const { counts, bytes } = this.memory;
    if (this.used > 0) this.sendByItself();
    if (!this.hasMeasured) {
      this.hasMeasured = true;
      const depthAndCapacity = new Float64Array(2);
      this.pipes.inspect(bytes, depthAndCapacity);
      counts[PRODUCER_HIGH_WATER] = Math.max(counts[PRODUCER_HIGH_WATER]!, depthAndCapacity[0]!);
    }
    if (this.queue.whenSlow === 'drop-newest') {
      counts[DROPPED_NEWEST]!++;
      return DROPPED;
    }
    counts[REFUSED]!++;
    noteRefusal(this, 0);
    return BACK_PRESSURED;
  }

  /** Nobody will read: counts what was accepted and not sent, and tells all who wait. */
  private lose(): ResultCode {
    this.memory.counts[DROPPED_UNSENT]! += this.records;
    this.records = this.used = this.sent = 0;
    this.isDue = false;
    this.isOver = true;
    this.memory.words[IS_BROKEN] = 1;
    this.shut();
    this.writers.settle(CLOSED);
    return CLOSED;
  }

  private shut(): void {
    if (this.isShut) return;
    this.isShut = true;
    this.isWatching = false;
    this.pipes.closeEnd(this.end);
  }

  /** Sends what is in `out` as soon as there is room, without a further call. */
  private sendByItself(): void {
    this.isDue = true;
    this.watchIfNeeded();
  }

  /** Watches the pipe while somebody waits or something is due, and only then. */
  private watchIfNeeded(): void {
    const isNeeded = !this.isShut && (this.isDue || this.writers.count > 0);
    if (isNeeded !== this.isWatching && !this.isShut) this.watch(isNeeded);
  }

  private watch(isOn: boolean): void {
    this.isWatching = isOn;
    const code = this.pipes.watch(this.end, isOn);
    if (code === 0) return;
    this.isWatching = false;
    throw systemError(code, 'watch', this.queue.path);
  }

  /** The pipe has room, or its reader has come or gone. */
  private onWritable(): void {
    let code: ResultCode;
    try {
      code = this.look();
    } catch (error) {
      const isHeard = this.writers.count > 0;
      this.writers.fail(error);
      this.lose();
      if (isHeard) return;
      throw error;
    }
    // Closed, and everything that was accepted is out.
    if (this.isOver && this.used === 0) this.shut();
    else if (code === OK) this.writers.settle(OK);
    // Perhaps what must come now is a reader, and no longer room.
    else if (code === BACK_PRESSURED) this.watch(true);
    this.watchIfNeeded();
  }

  private grow(bytes: number): void {
    // `out` is empty, or holds gathered records, which fit.
    const larger = Buffer.allocUnsafeSlow(Math.max(bytes, this.out.length * 2));
    this.out.copy(larger, 0, 0, this.used);
    this.out = larger;
  }
}

/**
 * The consuming end of a pipe. It reads as much as there is into a buffer, puts records together from it
 * (pipe-frames.ts) and hands them out one by one.
 *
 *     read(2) -> | whole records | part of one | -> poll, drain, for await
 *
 * The end comes when the last writer has closed and everything is read. If a part of a line is left then, it counts as
 * a line. A part of a record by length was cut off by its writer's death: it is counted and not delivered. A FIFO that
 * nobody has written to yet is empty and has not ended. With `keepOpen` it never ends, so that one `echo` after another
 * can write to it.
 *
 * The pipe is watched only while somebody waits in `ready`. The watcher reads what has come, since only that shows
 * whether a record is whole.
 */
import { native, type PipeEndHandle } from '../native.js';
import { FrameReader } from './pipe-frames.js';
import {
  CONSUMED, CONSUMER_HIGH_WATER, DROPPED_TOO_LARGE, DROPPED_UNREAD, IS_ENDED, memoryOf, openEnd, systemError,
  type PipeMemory, type PipeQueue, type PipeValue,
} from './pipe-memory.js';
import { type QueueConsumer, type WaitOptions, valuesOf } from './queue-ends.js';
import { EAGAIN, ENXIO } from '../errno.js';
import { checkFunction } from '../errors.js';
import { Waiters } from '../waiting.js';
import { limitOf } from './copy-bytes.js';
import { CLOSED, EMPTY, OK, type ResultCode } from '../result-codes.js';


/** The consuming end of a pipe; see `QueueConsumer`. It belongs to the thread that opened it. */
export class PipeConsumer<T extends PipeValue> implements QueueConsumer<T> {
  state: ResultCode = EMPTY;
  private readonly pipes = native().pipes;
  private readonly memory: PipeMemory;
  private readonly end: PipeEndHandle;
  private readonly frames: FrameReader;
  private readonly readers = new Waiters<ResultCode>('no record in the queue', () => this.watchIfNeeded());
  private isWatching = false;
  /** True if no record will follow, or if this end was closed. */
  private isOver = false;

  constructor(private readonly queue: PipeQueue<T>) {
    this.memory = memoryOf(queue);
    this.frames = new FrameReader(queue.framing, queue.maxRecordBytes);
    this.end = openEnd(queue, this.memory, false, () => this.onReadable());
  }

  poll(): T | undefined {
    this.state = this.look();
    if (this.state !== OK) return undefined;
    const value = this.take();
    this.tellOthers();
    return value;
  }

  drain(handler: (value: T) => void, limit = 0x7fffffff): number {
    checkFunction('handler', handler);
    limit = limitOf(limit);
    // A writer as fast as this reader does not keep it here: what comes behind a buffer's worth waits until next time.
    let unread = this.readBudget();
    let count = 0;
    try {
      while (count < limit) {
        if (!this.frames.find()) {
          unread = this.fill(unread);
          if (!this.frames.find()) break;
        }
        count++;
        handler(this.take());
      }
    } finally {
      this.tellOthers();
    }
    return count === 0 && this.isOver ? CLOSED : count;
  }

  ready(options?: WaitOptions): Promise<ResultCode> {
    return this.readers.waitUnless(() => {
      const code = this.look();
      return code === EMPTY ? undefined : code;
    }, options);
  }

  /**
   * Closes this end: the writer gets CLOSED at its next offer. Whole records that have arrived and were not read are
   * counted as dropped.
   */
  close(): void {
    let unread = this.isOver ? 0 : this.readBudget();
    let before: number;
    try {
      do {
        while (this.frames.find()) {
          this.frames.take();
          this.memory.counts[DROPPED_UNREAD]!++;
        }
        before = unread;
        unread = this.fill(unread);
      } while (unread !== before || this.frames.find());
    } finally {
      // A part of a record is not counted here: its writer has the rest, finds nobody to take it, and counts it.
      this.finish();
    }
  }

  [Symbol.asyncIterator](): AsyncIterator<T> {
    return valuesOf(this);
  }

  /** OK if a whole record is there, else EMPTY or CLOSED. Reads if necessary. */
  private look(): ResultCode {
    if (!this.frames.find() && !this.isOver) this.fill(this.readBudget());
    return this.frames.find() ? OK : this.isOver ? CLOSED : EMPTY;
  }

  /** Takes the record that `find` has found, counts it and returns its value. */
  private take(): T {
    const { frames } = this;
    frames.take();
    this.memory.counts[CONSUMED]!++;
    return frames.read(this.queue.values) as T;
  }

  /**
   * A read takes everything out of the pipe. What is left of it in the buffer does not make the pipe readable for
   * others, so those who wait for a record learn of it here.
   */
  private tellOthers(): void {
    if (this.readers.count > 0 && this.frames.find()) this.readers.settle(OK);
  }

  /** The most bytes that one call reads: a record of the greatest length and one buffer more. */
  private readBudget(): number {
    return this.queue.maxRecordBytes + this.frames.bytes.length;
  }

  /**
   * Reads until a whole record is there, the pipe is empty or has ended, or `budget` bytes were read. Returns how much
   * of the budget is left.
   */
  private fill(budget: number): number {
    const { frames } = this;
    const { counts } = this.memory;
    let left = budget;
    while (left > 0 && !this.isOver && !frames.find()) {
      // This comes first, since it may move `end` and replace `bytes`.
      const room = frames.room();
      const count = this.pipes.read(this.end, frames.bytes, frames.end, room);
      if (count <= 0) {
        this.onNothing(count);
        break;
      }
      left -= count;
      frames.filled(count);
      frames.find();
      if (count > counts[CONSUMER_HIGH_WATER]!) counts[CONSUMER_HIGH_WATER] = count;
      counts[DROPPED_TOO_LARGE] = frames.tooLarge;
    }
    return left;
  }

  /** Acts on a read that brought nothing. */
  private onNothing(code: number): void {
    if (code === -EAGAIN) return;
    if (code !== 0 && code !== -ENXIO) throw systemError(code, 'read', this.queue.path);
    // Nobody writes any more: a part of a record will stay a part, and a line without its line feed is all there is of
    // it. (ENXIO although a part is there means that its writer came and went while the FIFO was opened anew.)
    if (!this.frames.endLine()) this.memory.counts[DROPPED_UNREAD]! += this.frames.cut();
    if (code !== 0) return;
    if (!this.queue.keepOpen) {
      this.finish();
      return;
    }
    const reopened = this.pipes.reopen(this.end);
    if (reopened !== 0) throw systemError(reopened, 'open', this.queue.path);
  }

  /**
   * Nothing more will come; at most a last line is left. A call that does not wait may find this out as well. Those who
   * wait are told, since nothing is watched from then on.
   */
  private finish(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.isWatching = false;
    this.memory.words[IS_ENDED] = 1;
    this.pipes.closeEnd(this.end);
    this.readers.settle(this.frames.find() ? OK : CLOSED);
  }

  /** Watches the pipe while somebody waits in `ready`, and only then. */
  private watchIfNeeded(): void {
    const isNeeded = this.readers.count > 0;
    if (this.isOver || isNeeded === this.isWatching) return;
    this.isWatching = isNeeded;
    const code = this.pipes.watch(this.end, isNeeded);
    if (code === 0) return;
    this.isWatching = false;
    throw systemError(code, 'watch', this.queue.path);
  }

  private onReadable(): void {
    try {
      const code = this.look();
      if (code !== EMPTY) this.readers.settle(code);
    } catch (error) {
      // The pipe is watched only while somebody waits, so somebody hears of this.
      this.readers.fail(error);
    }
    this.watchIfNeeded();
  }
}

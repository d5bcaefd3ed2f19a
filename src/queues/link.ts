/**
 * Joins a queue to another: records go from ring to ring with one copy and no value in between, and backpressure is carried through. What
 * does not fit `to` stays in `from`, whose producers then feel it.
 *
 *   from |==peek==>|  copy  |==claim==> to           then: publish `to`, and only then release `from`
 *
 * In that order a death in between repeats records (at least once) and loses none.
 */
import { PercoreError, checkOptions, invalidArgument } from '../errors.js';
import { limitOf } from './copy-bytes.js';
import { BandedConsumer } from './banded-queue.js';
import { FixedConsumer, FixedProducer } from './fixed-records.js';
import { MpscConsumer, type Lane } from './mpsc-queue.js';
import { HEADER_BYTES } from './record.js';
import { BACK_PRESSURED, CLOSED, DROPPED, EMPTY, OK, type ResultCode } from './result-codes.js';
import { RingConsumer } from './ring-consumer.js';
import { VariableProducer, type VariableConsumer } from './variable-records.js';
import { checkWaitOptions, throwIfAborted, whenAborted, type WaitOptions } from '../waiting.js';
import { waitAsync } from './event-count.js';

export type LinkSource = FixedConsumer | VariableConsumer | MpscConsumer<FixedConsumer> | MpscConsumer<VariableConsumer> | BandedConsumer<FixedConsumer> | BandedConsumer<VariableConsumer>;
export type LinkTarget = FixedProducer | VariableProducer;

/** Records moved between two looks at the source. */
const BATCH = 64;
/** Up to so many bytes a loop over words is faster than making two views. */
const SMALL_BYTES = 256;

export class Link {
  /** Records moved so far. */
  moved = 0;
  /** Records taken from the source that the target has dropped, and counted, because its consumer asked for that (`drop-newest`). */
  dropped = 0;

  constructor(private readonly from: LinkSource, private readonly to: LinkTarget) {}

  /**
   * Moves up to `limit` records, those that the target drops included. Returns how many; 0 when the source is empty, BACK_PRESSURED when the target is full, CLOSED when the source has
   * ended or the target is closed. Blocks nobody.
   */
  move(limit = 0x7fffffff): number {
    limit = limitOf(limit);
    let total = 0;
    let code: ResultCode = OK;
    while (total < limit && code === OK) {
      const ring = this.select();
      if (ring === null) {
        code = this.from.look();
        break;
      }
      const before = this.moved + this.dropped;
      code = ring instanceof FixedConsumer ? this.moveFixed(ring, Math.min(BATCH, limit - total)) : this.moveVariable(ring, Math.min(BATCH, limit - total));
      total += this.moved + this.dropped - before;
    }
    return total > 0 ? total : code === EMPTY ? 0 : code;
  }

  /**
   * Moves until the source has ended, then closes nothing: resolves with CLOSED, `moved` says how many. Waits where there is nothing to
   * move or no room for the next record, without blocking the thread. Resolves with CLOSED too when one of its ends closes or leaves. Rejects by
   * `signal`, with nothing lost.
   */
  async run(given?: Pick<WaitOptions, 'signal'>): Promise<typeof CLOSED> {
    const options = checkWaitOptions(checkOptions('options', given, ['signal']));
    for (;;) {
      const code = this.move(1024);
      if (code === CLOSED) return code;
      // Other work of this thread has its turn between two runs.
      if (code > 0) await new Promise((resolve) => setImmediate(resolve));
      else if ((await this.wait(code === BACK_PRESSURED, options.signal)) === CLOSED) return CLOSED;
      throwIfAborted(options.signal);
    }
  }

  /** Waits at one end, for room or for a record, and no longer than the other end is there: then CLOSED. */
  private async wait(isFull: boolean, signal: AbortSignal | undefined): Promise<ResultCode> {
    const { from, to } = this;
    const over = new AbortController();
    const stop = (): void => over.abort();
    const stopListening = signal === undefined ? undefined : whenAborted(signal, stop);
    const options = { signal: over.signal };
    const waits = isFull
      ? [to.space(undefined, options), waitAsync({ ...from.wish(), look: () => (from.look() === CLOSED ? CLOSED : EMPTY) }, options)]
      : [from.ready(options), waitAsync(to.endWish(), options)];
    try {
      return await Promise.race(waits);
    } catch (error) {
      // With the reason that its signal has.
      throwIfAborted(signal);
      throw error;
    } finally {
      stopListening?.();
      over.abort();
      await Promise.allSettled(waits);
    }
  }

  private select(): FixedConsumer | VariableConsumer | null {
    if (this.from instanceof MpscConsumer || this.from instanceof BandedConsumer) return this.from.select() as FixedConsumer | VariableConsumer | null;
    return this.from.look() === OK ? this.from : null;
  }

  private moveFixed(from: FixedConsumer, limit: number): ResultCode {
    const count = from.peek(limit);
    let done = 0;
    let dropped = 0;
    let code: ResultCode = OK;
    for (; done < count; done++) {
      const at = this.to instanceof FixedProducer ? this.to.tryClaim(1) : this.to.tryClaim(from.recordBytes);
      if (at === DROPPED) {
        dropped++;
        continue;
      }
      if (at < 0) {
        code = at as ResultCode;
        break;
      }
      copy(from.bytes, from.words, from.offsetOf(done), this.to, this.to instanceof FixedProducer ? this.to.offsetOf(at) : at, from.recordBytes);
      code = this.to.commit();
      if (code !== OK) break;
    }
    return this.finish(code, done - dropped, dropped, () => from.release(done));
  }

  private moveVariable(from: VariableConsumer, limit: number): ResultCode {
    let done = 0;
    let dropped = 0;
    let code: ResultCode = OK;
    while (done + dropped < limit) {
      const offset = from.peek();
      if (offset < 0) break;
      const at = (this.to as VariableProducer).tryClaim(from.length, from.type);
      if (at === DROPPED) {
        dropped++;
        from.advance();
        continue;
      }
      if (at < 0) {
        code = at as ResultCode;
        break;
      }
      copy(from.bytes, from.words, offset, this.to, at, from.length);
      code = this.to.commit();
      if (code !== OK) break;
      from.advance();
      done++;
    }
    return this.finish(code, done, dropped, () => from.publishRelease());
  }

  private finish(code: ResultCode, done: number, dropped: number, release: () => void): ResultCode {
    // What a closing target did not take is counted there; the source is not released beyond what was taken.
    const flushed = this.to.flush();
    if (flushed === CLOSED || code === CLOSED) return CLOSED;
    release();
    this.moved += done;
    this.dropped += dropped;
    return code;
  }
}

function copy(bytes: Uint8Array, words: Int32Array, from: number, to: LinkTarget, at: number, length: number): void {
  if (length <= SMALL_BYTES && ((from | at) & 3) === 0) {
    let i = 0;
    for (; i + 4 <= length; i += 4) to.words[(at + i) >> 2] = words[(from + i) >> 2]!;
    for (; i < length; i++) to.bytes[at + i] = bytes[from + i]!;
    return;
  }
  to.bytes.set(bytes.subarray(from, from + length), at);
}

/** Throws unless both are ends of rings and every record of `from` fits `to`. */
export function checkLink(from: LinkSource | Lane, to: LinkTarget): void {
  if (!(from instanceof RingConsumer || from instanceof MpscConsumer || from instanceof BandedConsumer)) throw invalidArgument('from', from, 'a consumer of a queue made of rings: sub(queue)');
  if (!(to instanceof FixedProducer || to instanceof VariableProducer)) throw invalidArgument('to', to, 'a producer of a queue made of rings: pub(queue), of a banded queue one band of it: pub(queue).band(3)');
  const { recordBytes, capacity, isLosing, maxRecordBytes = (capacity >> 1) - HEADER_BYTES } = from.shape;
  const longest = recordBytes > 0 ? recordBytes : maxRecordBytes;
  const fits = to instanceof FixedProducer ? to.recordBytes === recordBytes : to.maxRecordBytes >= longest;
  if (fits && !isLosing) return;
  throw new PercoreError('ERR_PERCORE_INVALID_ARGUMENT', 'link needs a source that holds its records back (not drop-oldest or evict) and a target that takes each of them: fixed records of the same recordBytes, or variable ones of a ring at least as large', { argument: 'to' });
}

/**
 * Joins a queue to another. Records go from ring to ring with one copy and no value in between, and backpressure is
 * carried through: what does not fit into `to` stays in `from`, whose producers then feel it.
 *
 *       from |==peek==>|  copy  |==claim==> to           then: publish `to`, and only then release `from`
 *
 * In that order, a death in between repeats records (at least once) and loses none. link-ends.ts has what a link needs
 * of its two ends.
 */
import { PercoreError, checkOptions, invalidArgument } from '../errors.js';
import { checkWaitOptions, throwIfAborted, whenAborted, type WaitOptions } from '../waiting.js';
import { limitOf } from './copy-bytes.js';
import { END_WISH, LINK_FROM, LINK_TO, MOVE_TO, SHAPE, TAKES_ALL, WISH } from './doors.js';
import { waitAsync } from './event-count.js';
import type { LinkFrom, LinkTo, LinkableFrom, LinkableTo } from './link-ends.js';
import { HEADER_BYTES } from './record.js';
import { BACK_PRESSURED, CLOSED, EMPTY, OK, type ResultCode } from '../result-codes.js';

/** How many records are moved between two looks at the source. */
const BATCH = 64;
/** How many records `run` moves before other work of the thread has its turn. */
const RUN = 1024;

/**
 * Two queues that were joined by `link`. It belongs to the thread of both ends.
 *
 *     const joined = link(sub(arrivals), pub(orders));
 *     const code = await joined.run({ signal });          // CLOSED: `arrivals` has ended, or an end was closed
 *     console.log(`${joined.moved} records`);
 */
export class Link {
  /** How many records were moved so far. */
  moved = 0;
  /**
   * How many records were taken from the source but dropped by the target, which counts them too, because its consumer
   * has asked for that (`drop-newest`).
   */
  dropped = 0;

  /** `most` is how many records the source can hold at once. */
  constructor(private readonly from: LinkFrom, private readonly to: LinkTo, private readonly most: number) {}

  /**
   * Moves up to `limit` records, including those that the target drops. If `limit` is left out, it is what the source
   * can hold at once, so that a source which is filled meanwhile, or is its own target, does not keep the thread.
   * Returns how many there were; 0 when the source is empty, BACK_PRESSURED when the target is full, and CLOSED when
   * the source has ended or the target is closed. Blocks nobody.
   */
  move(limit: number = this.most): number {
    limit = limitOf(limit);
    let total = 0;
    let code: ResultCode = OK;
    while (total < limit && code === OK) {
      const ring = this.from.select();
      if (ring === null) {
        code = this.from.look();
        break;
      }
      const before = this.moved + this.dropped;
      code = ring[MOVE_TO](this.to, Math.min(BATCH, limit - total), this);
      total += this.moved + this.dropped - before;
    }
    return total > 0 ? total : code === EMPTY ? 0 : code;
  }

  /**
   * Moves records until the source has ended, then resolves with CLOSED and closes nothing; `moved` says how many there
   * were. Where there is nothing to move, or no room for the next record, it waits without blocking the thread. It also
   * resolves with CLOSED when one of its ends closes or leaves. Rejects with `signal.reason` when `signal` aborts;
   * nothing is lost then.
   */
  async run(given?: Pick<WaitOptions, 'signal'>): Promise<typeof CLOSED> {
    const { signal } = checkWaitOptions(checkOptions('options', given, ['signal']));
    for (;;) {
      throwIfAborted(signal);
      const code = this.move(RUN);
      if (code === CLOSED) return code;
      // Other work of this thread has its turn between two runs.
      if (code > 0) await new Promise((resolve) => setImmediate(resolve));
      else if ((await this.wait(code === BACK_PRESSURED, signal)) === CLOSED) return CLOSED;
    }
  }

  /**
   * Waits at one end, for room or for a record, but only as long as the other end exists; if it ends, the answer is
   * CLOSED.
   */
  private async wait(isFull: boolean, signal: AbortSignal | undefined): Promise<ResultCode> {
    const { from, to } = this;
    const over = new AbortController();
    const stop = (): void => over.abort();
    const stopListening = signal === undefined ? undefined : whenAborted(signal, stop);
    const options = { signal: over.signal };
    const waits = isFull
      ? [
          to.room(undefined, options),
          waitAsync({ ...from[WISH](), look: () => (from.look() === CLOSED ? CLOSED : EMPTY) }, options),
        ]
      : [from.ready(options), waitAsync(to[END_WISH](), options)];
    try {
      return await Promise.race(waits);
    } catch (error) {
      // Rejects with the reason of the caller's signal, not with that of `over`.
      throwIfAborted(signal);
      throw error;
    } finally {
      stopListening?.();
      over.abort();
      await Promise.allSettled(waits);
    }
  }
}

/** See `link` of index.ts. */
export function linkEnds(from: LinkableFrom, to: LinkableTo): Link {
  if (typeof from?.[LINK_FROM] !== 'function')
    throw invalidArgument('from', from, 'a consumer of a queue made of rings: sub(queue)');
  if (typeof to?.[LINK_TO] !== 'function') {
    throw invalidArgument(
      'to', to, 'a producer of a queue made of rings: pub(queue), of a banded queue one band of it: pub(queue).band(3)',
    );
  }
  const source = from[LINK_FROM]();
  const target = to[LINK_TO]();
  if (
    source.codec !== undefined
    && target.codec !== undefined
    && JSON.stringify(source.codec) !== JSON.stringify(target.codec)
  ) {
    throw invalidArgument('to', target.codec.name, `a queue with the codec of the source, ${source.codec.name}`);
  }
  const { recordBytes, capacity, isLosing, maxRecordBytes = (capacity >> 1) - HEADER_BYTES } = source.end[SHAPE];
  const longest = recordBytes > 0 ? recordBytes : maxRecordBytes;
  if (!isLosing && target.end[TAKES_ALL](recordBytes, longest)) {
    // `most` is the capacity: a record takes at least 8 bytes, and there are at most 8 bands.
    return new Link(source.end, target.end, capacity);
  }
  throw new PercoreError(
    'ERR_PERCORE_INVALID_ARGUMENT',
    'link needs a source that holds its records back (not drop-oldest or evict) and a target that takes each of them: '
      + 'fixed records of the same recordBytes, or variable ones of a ring at least as large',
    { argument: 'to' },
  );
}

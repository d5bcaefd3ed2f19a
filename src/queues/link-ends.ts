/**
 * What a link needs of the ends that it joins. Each end has methods that say how it is read or written. See link.ts.
 */
import type { WaitOptions } from '../waiting.js';
import type { CodecDescription } from './codec.js';
import { CLAIM_FOR, END_WISH, LINK_FROM, LINK_TO, MOVE_TO, SHAPE, TAKES_ALL, TAKE_BACK, WISH } from './doors.js';
import type { Wish } from './event-count.js';
import { CLOSED, DROPPED, OK, type ResultCode } from '../result-codes.js';

/** The shape of a consumer's records. */
export interface RecordShape {
  /** The length of each record in bytes; 0 means any length. */
  readonly recordBytes: number;
  readonly capacity: number;
  /** True if records may be overwritten before they are read. */
  readonly isLosing: boolean;
  /** The longest payload in bytes, if that is not half the capacity less a header. */
  readonly maxRecordBytes?: number;
}

/** What a link uses of an end: the end itself, or the ring below a codec. */
export interface Linked<End> {
  readonly end: End;
  readonly codec?: CodecDescription;
}

/** A consumer that can be linked. */
export interface LinkableFrom {
  /** For `link`: what this consumer reads. */
  [LINK_FROM](): Linked<LinkFrom>;
}

/** A producer that can be linked. */
export interface LinkableTo {
  /** For `link`: what this producer writes to. */
  [LINK_TO](): Linked<LinkTo>;
}

/** Where a link reads: one ring, or several rings of which it selects one. */
export interface LinkFrom {
  readonly [SHAPE]: RecordShape;
  /** The ring to read from now; null when no ring has a record. */
  select(): LinkSource | null;
  look(): ResultCode;
  [WISH](): Wish;
  ready(options?: WaitOptions): Promise<ResultCode>;
}

/** One ring that a link reads. */
export interface LinkSource {
  /** Moves up to `limit` records. Returns OK, or the code by which the target stopped it. */
  [MOVE_TO](to: LinkTo, limit: number, counts: LinkCounts): ResultCode;
}

/** Where a link writes. */
export interface LinkTo {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  /** True if every record of such a source fits. */
  [TAKES_ALL](recordBytes: number, longest: number): boolean;
  /** Claims room for one record of `length` bytes. Returns its byte offset, or a result code. */
  [CLAIM_FOR](length: number, type: number): number;
  commit(): ResultCode;
  flush(): ResultCode;
  room(units: undefined, options?: WaitOptions): Promise<ResultCode>;
  [END_WISH](): Wish;
}

/** Counts the records that were moved, and those that the target has dropped. */
export interface LinkCounts {
  moved: number;
  dropped: number;
}

/** What is used of a ring of fixed records. */
interface FixedSource {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  readonly recordBytes: number;
  available(limit?: number): number;
  offsetOf(i: number): number;
  release(count: number): void;
}

/** What is used of a ring of variable records. */
interface VariableSource {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  readonly length: number;
  readonly type: number;
  peek(): number;
  advance(): void;
  publishRelease(): void;
  /** Takes back what was advanced since the last release. */
  [TAKE_BACK](): void;
}

/** Moves records of a ring of fixed records. */
export function moveFixed(from: FixedSource, to: LinkTo, limit: number, counts: LinkCounts): ResultCode {
  const count = from.available(limit);
  let done = 0;
  let dropped = 0;
  let code: ResultCode = OK;
  for (; done < count; done++) {
    const at = to[CLAIM_FOR](from.recordBytes, 1);
    if (at === DROPPED) {
      dropped++;
      continue;
    }
    if (at < 0) {
      code = at as ResultCode;
      break;
    }
    copy(from.bytes, from.words, from.offsetOf(done), to, at, from.recordBytes);
    code = to.commit();
    if (code !== OK) break;
  }
  if (!publish(to, code)) return CLOSED;
  from.release(done);
  counts.moved += done - dropped;
  counts.dropped += dropped;
  return code;
}

/** Moves records of a ring of variable records. */
export function moveVariable(from: VariableSource, to: LinkTo, limit: number, counts: LinkCounts): ResultCode {
  let done = 0;
  let dropped = 0;
  let code: ResultCode = OK;
  // What was read before is not taken back below.
  from.publishRelease();
  while (done + dropped < limit) {
    const offset = from.peek();
    if (offset < 0) break;
    const at = to[CLAIM_FOR](from.length, from.type);
    if (at === DROPPED) {
      dropped++;
      from.advance();
      continue;
    }
    if (at < 0) {
      code = at as ResultCode;
      break;
    }
    copy(from.bytes, from.words, offset, to, at, from.length);
    code = to.commit();
    if (code !== OK) break;
    from.advance();
    done++;
  }
  if (!publish(to, code)) {
    from[TAKE_BACK]();
    return CLOSED;
  }
  from.publishRelease();
  counts.moved += done;
  counts.dropped += dropped;
  return code;
}

/** False if the target is closed. The target counts what it has not taken, and the source is then not released. */
const publish = (to: LinkTo, code: ResultCode): boolean => to.flush() !== CLOSED && code !== CLOSED;

/** For up to this many bytes, a loop over words is faster than making two views. */
const SMALL_BYTES = 256;

function copy(bytes: Uint8Array, words: Int32Array, from: number, to: LinkTo, at: number, length: number): void {
  if (length <= SMALL_BYTES && ((from | at) & 3) === 0) {
    let i = 0;
    for (; i + 4 <= length; i += 4) to.words[(at + i) >> 2] = words[(from + i) >> 2]!;
    for (; i < length; i++) to.bytes[at + i] = bytes[from + i]!;
    return;
  }
  to.bytes.set(bytes.subarray(from, from + length), at);
}

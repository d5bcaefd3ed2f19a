/**
 * Result codes: what a full or closed queue answers. Small negative numbers, never thrown, never mixed up with 0 or
 * with a position, which are both good answers.
 */
import { invalidArgument } from './errors.js';

/** It was taken. A call that answers a position instead answers 0 or more: so ask whether the answer is below 0. */
export const OK = 0;
/** No room now. Nothing was taken; try again after the consumer has released records. */
export const BACK_PRESSURED = -1;
/** The other side is gone or the queue is closed. Nothing was taken, and nothing will be. */
export const CLOSED = -2;
/** This record can never fit. The queue's `maxRecordBytes` says what can. */
export const TOO_LARGE = -3;
/** Nothing to read now. */
export const EMPTY = -4;

/** A step's answer: keep this record and call me with it again, after others of the band; it has more to do. */
export const AGAIN = -5;

/** Not taken because a consumer that is too slow has asked for that (`drop-newest`). Counted; go on with the next. */
export const DROPPED = -6;
/** This consumer held the producer back for too long and was put out. Subscribe again. */
export const EVICTED = -7;

export type ResultCode =
  | typeof OK
  | typeof BACK_PRESSURED
  | typeof CLOSED
  | typeof TOO_LARGE
  | typeof EMPTY
  | typeof AGAIN
  | typeof DROPPED
  | typeof EVICTED;

/** The code's name, for messages and counters: `BACK_PRESSURED` for -1. */
export function nameOfCode(code: number): string {
  switch (code) {
    case BACK_PRESSURED: return 'BACK_PRESSURED';
    case CLOSED: return 'CLOSED';
    case TOO_LARGE: return 'TOO_LARGE';
    case EMPTY: return 'EMPTY';
    case AGAIN: return 'AGAIN';
    case DROPPED: return 'DROPPED';
    case EVICTED: return 'EVICTED';
    default:
      if (typeof code !== 'number')
        throw invalidArgument('code', code, 'a number: what a queue or a step has answered');
      return code >= 0 ? 'OK' : `code ${code}`;
  }
}

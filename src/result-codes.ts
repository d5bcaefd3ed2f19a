/**
 * Result codes: what an operation answers when a queue is full, empty or closed. They are small negative numbers and
 * are never thrown. A negative number cannot be mistaken for 0 or for a position, both of which mean success.
 */
import { invalidArgument } from './errors.js';

/** Accepted. Calls that answer a position answer 0 or more for success, so test whether the answer is below 0. */
export const OK = 0;
/** There is no room at present. Nothing was accepted; try again after the consumer has released records. */
export const BACK_PRESSURED = -1;
/** The other side is gone or the queue is closed. Nothing was accepted, and nothing ever will be. */
export const CLOSED = -2;
/** This record is too large ever to fit. The queue's `maxRecordBytes` is the limit. */
export const TOO_LARGE = -3;
/** There is nothing to read at present. */
export const EMPTY = -4;

/** The answer of a step that has more to do: keep this record and call me with it again, after others of the band. */
export const AGAIN = -5;

/** Not accepted, because a slow consumer has chosen `drop-newest`. The record is counted; go on with the next one. */
export const DROPPED = -6;
/** This consumer held the producer back for too long and has lost its place. Leave and subscribe again. */
export const EVICTED = -7;

/** Any of the result codes. */
export type ResultCode =
  | typeof OK
  | typeof BACK_PRESSURED
  | typeof CLOSED
  | typeof TOO_LARGE
  | typeof EMPTY
  | typeof AGAIN
  | typeof DROPPED
  | typeof EVICTED;

/** The name of a code for messages and counters, such as `BACK_PRESSURED` for -1. */
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

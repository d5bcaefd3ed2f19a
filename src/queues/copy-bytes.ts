/**
 * What a raw queue takes: bytes, whose length is measured once and then used for the copy. A view of a growable buffer
 * may be longer when it is copied than it was when room was claimed, because another thread may grow the buffer
 * meanwhile, above all while `offer` blocks. A copy of the whole view would then overwrite the records behind it.
 */
import { bufferOf, isBytes, lengthOf as elementsOf, partOf } from '../byte-views.js';
import { PercoreError, checkBytes, invalidArgument } from '../errors.js';
import { TOO_LARGE } from '../result-codes.js';

/**
 * V8 keeps an array of up to so many bytes in its heap. Asking for its buffer would make one outside of the heap, which
 * takes two hundred nanoseconds and more.
 */
const FEW_BYTES = 64;

/**
 * The length in bytes of a record that was offered. Throws for anything but a Uint8Array: text would arrive as zeros,
 * and the elements of other views would be cut to bytes.
 */
export function lengthOf(record: Uint8Array): number {
  return elementsOf(isBytes(record) ? record : checkBytes('record', record));
}

/** Copies the first `length` bytes of `record` to byte `at`; `length` is what `lengthOf` has measured. */
export function copyBytes(record: Uint8Array, length: number, bytes: Uint8Array, at: number): void {
  if (length <= FEW_BYTES) {
    for (let i = 0; i < length; i++) bytes[at + i] = record[i]!;
  } else if (canGrow(bufferOf(record))) {
    bytes.set(partOf(record, 0, length), at);
  } else {
    bytes.set(record, at);
  }
}

/**
 * True if another thread may change the length of a buffer, and with it that of its views. Only this thread can change
 * the length of a resizable ArrayBuffer.
 */
const canGrow = (buffer: ArrayBufferLike & { growable?: boolean }): boolean => buffer.growable === true;

/**
 * Answers an impossible claim: a whole number that is out of range never fits, and anything else is no length at all.
 */
export function refuseClaim(argument: string, value: unknown, least: number, most: number): typeof TOO_LARGE {
  if (typeof value === 'number' && Number.isInteger(value)) return TOO_LARGE;
  throw invalidArgument(argument, value, `a whole number from ${least} to ${most}`);
}

/**
 * The limit of a call that hands out records: a whole number, or Infinity for as many as there are. Throws for anything
 * else.
 */
export function limitOf(limit: number): number {
  return typeof limit === 'number' && (limit | 0) === limit && limit >= 0 ? limit : checkLimit(limit);
}

function checkLimit(limit: unknown): number {
  if (limit === Infinity || (typeof limit === 'number' && Number.isInteger(limit) && limit > 0)) return 0x7fffffff;
  throw invalidArgument('limit', limit, 'a whole number, 0 or more, or Infinity');
}

/**
 * The error for a record's header that cannot be right. It never happens if only producers of this library write to the
 * ring.
 */
export function damaged(cursor: number, length: number, type: number, what: string): PercoreError {
  return new PercoreError(
    'ERR_PERCORE_DAMAGED',
    `the queue's memory is damaged: at sequence ${cursor} there is a header with length ${length} and type ${type}, `
      + `${what}. Something else writes to this memory, or a claim was written beyond its end. Create a new queue`,
    { argument: 'queue' },
  );
}

/** As `damaged`, for a word that names a place, lane or phase which the queue does not have. */
export function damagedWord(what: string, value: number, most: number): PercoreError {
  return new PercoreError(
    'ERR_PERCORE_DAMAGED',
    `the queue's memory is damaged: its ${what} is ${value}, beyond ${most}. Something else writes to this memory. `
      + `Create a new queue`,
    { argument: 'queue' },
  );
}

/** As `damaged`, for a cursor that no end of the queue can have stored. */
export function damagedCursor(whose: string, cursor: number, other: number, capacity: number): PercoreError {
  return new PercoreError(
    'ERR_PERCORE_DAMAGED',
    `the queue's memory is damaged: the cursor of its ${whose} is ${cursor}, that of the other end ${other}, and its `
      + `capacity ${capacity}. Something else writes to this memory. Create a new queue`,
    { argument: 'queue' },
  );
}

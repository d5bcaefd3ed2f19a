/**
 * What a raw queue takes: bytes, measured once, and copied by that measure. A view of a growable buffer may be longer
 * when it is copied than when room was claimed for it: another thread grows it meanwhile, above all while `offer`
 * stands still. Then it would be written over its neighbours.
 */
import { bufferOf, isBytes, lengthOf as elementsOf, partOf } from '../byte-views.js';
import { PercoreError, checkBytes, invalidArgument } from '../errors.js';
import { TOO_LARGE } from '../result-codes.js';

/**
 * Up to so many bytes V8 keeps an array in its heap, and asking for its buffer would make one outside of it: two
 * hundred nanoseconds and more.
 */
const FEW_BYTES = 64;

/**
 * Bytes of a record that was offered. Throws for what is no Uint8Array: text and other views would arrive as zeros or
 * cut numbers.
 */
export function lengthOf(record: Uint8Array): number {
  return elementsOf(isBytes(record) ? record : checkBytes('record', record));
}

/** Copies the first `length` bytes of `record`, as they were measured, to byte `at`. */
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
 * True where another thread may change the length of a buffer, and with it that of its views. That of a resizable
 * ArrayBuffer only this thread can.
 */
const canGrow = (buffer: ArrayBufferLike & { growable?: boolean }): boolean => buffer.growable === true;

/**
 * What happens to an impossible claim: a whole number that is out of range never fits, and anything else is no
 * length at all.
 */
export function refuseClaim(argument: string, value: unknown, least: number, most: number): typeof TOO_LARGE {
  if (typeof value === 'number' && Number.isInteger(value)) return TOO_LARGE;
  throw invalidArgument(argument, value, `a whole number from ${least} to ${most}`);
}

/**
 * The limit of a call that hands out records: a whole number, or Infinity for as many as there are. Throws for what is
 * none.
 */
export function limitOf(limit: number): number {
  return typeof limit === 'number' && (limit | 0) === limit && limit >= 0 ? limit : checkLimit(limit);
}

function checkLimit(limit: unknown): number {
  if (limit === Infinity || (typeof limit === 'number' && Number.isInteger(limit) && limit > 0)) return 0x7fffffff;
  throw invalidArgument('limit', limit, 'a whole number, 0 or more, or Infinity');
}

/** What was found where a record's header should be. Never of a ring that only producers of this library write to. */
export function damaged(cursor: number, length: number, type: number, what: string): PercoreError {
  return new PercoreError(
    'ERR_PERCORE_DAMAGED',
    `the queue's memory is damaged: at sequence ${cursor} there is a header with length ${length} and type ${type}, `
      + `${what}. Something else writes to this memory, or a claim was written beyond its end. Create a new queue`,
    { argument: 'queue' },
  );
}

/** As `damaged`, of a word that says which place, lane or phase there is, and names none. */
export function damagedWord(what: string, value: number, most: number): PercoreError {
  return new PercoreError(
    'ERR_PERCORE_DAMAGED',
    `the queue's memory is damaged: its ${what} is ${value}, beyond ${most}. Something else writes to this memory. `
      + `Create a new queue`,
    { argument: 'queue' },
  );
}

/** As `damaged`, of a cursor that no end of the queue can have stored. */
export function damagedCursor(whose: string, cursor: number, other: number, capacity: number): PercoreError {
  return new PercoreError(
    'ERR_PERCORE_DAMAGED',
    `the queue's memory is damaged: the cursor of its ${whose} is ${cursor}, that of the other end ${other}, and its `
      + `capacity ${capacity}. Something else writes to this memory. Create a new queue`,
    { argument: 'queue' },
  );
}

/** What streams of every kind are asked: connections, pipes, terminals. */
import { isBytes, isUint8Array, lengthOf } from '../byte-views.js';
import { checkBytes, checkInteger, checkOptions } from '../errors.js';
import { BANDS } from '../layout.js';
import { DEFAULT_BAND } from '../scheduling/internal.js';

export interface StreamOptions {
  /** Band in which its reading and writing runs, 0 to 7. Default 3. */
  priority?: number;
  /** Bytes that may wait to be sent before `offer` refuses: 1 to 2^30. Default 1 MiB. */
  highWaterBytes?: number;
  /** Most bytes given to a handler in one step: 1 to 65,536, default 65,536. Smaller lets urgent work in sooner. */
  readBytes?: number;
}

/** `highWaterBytes` where it is left out: a MiB that was offered and is not sent yet. */
export const DEFAULT_HIGH_WATER_BYTES: number = 1 << 20;
export const MOST_READ_BYTES = 65_536;

/** The longest offer: more than a system call can say it has taken. */
const MOST_OFFER_BYTES = 2 ** 31 - 1;
const STREAM_OPTIONS = ['priority', 'highWaterBytes', 'readBytes'] as const;

/** With the defaults filled in; `more` are the other options that there may be. Throws ERR_PERCORE_INVALID_ARGUMENT. */
export function checkStreamOptions(
  given: StreamOptions | undefined, more: readonly string[] = [],
): Required<StreamOptions> {
  const options = checkOptions('options', given, [...more, ...STREAM_OPTIONS]);
  return {
    priority: checkInteger('priority', options.priority ?? DEFAULT_BAND, 0, BANDS - 1),
    highWaterBytes: checkInteger('highWaterBytes', options.highWaterBytes ?? DEFAULT_HIGH_WATER_BYTES, 1, 2 ** 30),
    readBytes: checkInteger('readBytes', options.readBytes ?? MOST_READ_BYTES, 1, MOST_READ_BYTES),
  };
}

/**
 * Throws ERR_PERCORE_INVALID_ARGUMENT unless `bytes` is a Uint8Array with `length` bytes from `offset` on, whole
 * numbers both. For every call that copies bytes: text, fractions and what is no number would otherwise become bytes
 * that nobody has written.
 */
export function checkSpan(bytes: Uint8Array, offset: number, length: number): void {
  // A Proxy of an array is an instance of its class, and has no length.
  const isRight = isBytes(bytes)
    && Number.isInteger(offset) && Number.isInteger(length)
    && offset >= 0 && length >= 0 && length <= MOST_OFFER_BYTES && offset + length <= lengthOf(bytes);
  if (isRight) return;
  checkBytes('bytes', bytes);
  const all = lengthOf(bytes);
  checkInteger('offset', offset, 0, all);
  checkInteger('length', length, 0, Math.min(all - offset, MOST_OFFER_BYTES));
}

/** All of `bytes` from `offset` on; NaN, which `checkSpan` refuses, where one of them is nothing of the kind. */
export function restOf(bytes: Uint8Array, offset: number): number {
  return typeof offset === 'number' && isUint8Array(bytes) ? lengthOf(bytes) - offset : NaN;
}

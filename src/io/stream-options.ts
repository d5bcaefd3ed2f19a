/** The options that streams of every kind have: connections, pipes, terminals. */
import { isBytes, isUint8Array, lengthOf } from '../byte-views.js';
import { checkBytes, checkInteger, checkOptions } from '../errors.js';
import { BANDS } from '../layout.js';
import { DEFAULT_BAND } from '../scheduling/internal.js';

/** Options that connections, pipes and terminals have in common. */
export interface StreamOptions {
  /** The band in which its reading and writing runs, 0 to 7. Default 3. */
  priority?: number;
  /** How many bytes may wait to be sent before `offer` refuses: 1 to 2^30. Default 1 MiB. */
  highWaterBytes?: number;
  /**
   * Most bytes that a handler is given in one step: 1 to 65,536. Default 65,536. With fewer, urgent work comes sooner:
   * it waits for shorter steps, and on epoll the thread then takes no more than that (but at least 16 KiB) from the
   * kernel at once.
   */
  readBytes?: number;
}

/** The default of `highWaterBytes`: one MiB that was offered and is not sent yet. */
export const DEFAULT_HIGH_WATER_BYTES: number = 1 << 20;
export const MOST_READ_BYTES = 65_536;

/** The longest offer. Of a longer one, no system call could say how much it has taken. */
const MOST_OFFER_BYTES = 2 ** 31 - 1;
const STREAM_OPTIONS = ['priority', 'highWaterBytes', 'readBytes'] as const;

/** Fills in the defaults. `more` names further options that are allowed. Throws ERR_PERCORE_INVALID_ARGUMENT. */
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
 * Throws ERR_PERCORE_INVALID_ARGUMENT unless `bytes` is a Uint8Array that has `length` bytes from `offset` on, both
 * being whole numbers. Every call that copies bytes uses it; otherwise a text, a fraction or NaN would turn into bytes
 * that nobody has written.
 */
export function checkSpan(bytes: Uint8Array, offset: number, length: number): void {
  // A Proxy of an array is an instance of its class but has no length.
  const isRight = isBytes(bytes)
    && Number.isInteger(offset) && Number.isInteger(length)
    && offset >= 0 && length >= 0 && length <= MOST_OFFER_BYTES && offset + length <= lengthOf(bytes);
  if (isRight) return;
  checkBytes('bytes', bytes);
  const all = lengthOf(bytes);
  checkInteger('offset', offset, 0, all);
  checkInteger('length', length, 0, Math.min(all - offset, MOST_OFFER_BYTES));
}

/**
 * The number of bytes from `offset` to the end; NaN, which `checkSpan` refuses, if one of the two is of a wrong type.
 */
export function restOf(bytes: Uint8Array, offset: number): number {
  return typeof offset === 'number' && isUint8Array(bytes) ? lengthOf(bytes) - offset : NaN;
}

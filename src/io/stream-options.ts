/** What streams of every kind are asked: connections, pipes, terminals. */
import { checkInteger, invalidArgument } from '../errors.js';
import { BANDS } from '../layout.js';
import { DEFAULT_BAND } from '../ready.js';

export interface StreamOptions {
  /** Band in which its reading and writing runs, 0 to 7. Default 3. */
  priority?: number;
  /** Bytes that may wait to be sent before `offer` refuses: 1 to 2^30. Default 1 MiB. */
  highWaterBytes?: number;
  /** Most bytes given to a handler in one step: 1 to 65,536, default 65,536. Smaller lets urgent work in sooner. */
  readBytes?: number;
}

export const DEFAULT_HIGH_WATER_BYTES = 1 << 20;
export const MOST_READ_BYTES = 65_536;

/** With the defaults filled in. Throws ERR_PERCORE_INVALID_ARGUMENT. */
export function checkStreamOptions(options: StreamOptions): Required<StreamOptions> {
  return {
    priority: checkInteger('priority', options.priority ?? DEFAULT_BAND, 0, BANDS - 1),
    highWaterBytes: checkInteger('highWaterBytes', options.highWaterBytes ?? DEFAULT_HIGH_WATER_BYTES, 1, 2 ** 30),
    readBytes: checkInteger('readBytes', options.readBytes ?? MOST_READ_BYTES, 1, MOST_READ_BYTES),
  };
}

/** Throws ERR_PERCORE_INVALID_ARGUMENT unless `bytes` has `length` bytes from `offset` on. */
export function checkSpan(bytes: Uint8Array, offset: number, length: number): void {
  // Not the other way round: so it refuses what is no number as well.
  if (!(offset >= 0 && length >= 0 && offset + length <= bytes.length)) throw invalidArgument('length', length, `0 to ${bytes.length - offset}, from offset ${offset} of ${bytes.length} bytes`);
}

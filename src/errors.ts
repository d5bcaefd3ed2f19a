/**
 * Caller's mistakes and lost parties. Expected outcomes (full, empty, closed) are result codes, not errors:
 * see queues/result-codes.ts.
 */
export type PercoreErrorCode =
  | 'ERR_PERCORE_INVALID_ARGUMENT'
  | 'ERR_PERCORE_NATIVE_UNAVAILABLE'
  | 'ERR_PERCORE_LAYOUT_MISMATCH'
  | 'ERR_PERCORE_TIMER_INVALID_RATE'
  | 'ERR_PERCORE_TIMER_INVALID_INTERVAL'
  | 'ERR_PERCORE_ENTRY'
  | 'ERR_PERCORE_REACTOR_DIED'
  | 'ERR_PERCORE_CLOSED'
  | 'ERR_PERCORE_NO_HANDLER'
  | 'ERR_PERCORE_NAME_TAKEN'
  | 'ERR_PERCORE_UNSERIALIZABLE'
  | 'ERR_PERCORE_CODEC_UNAVAILABLE'
  | 'ERR_PERCORE_TOO_LARGE'
  | 'ERR_PERCORE_BACK_PRESSURED'
  | 'ERR_PERCORE_TIMEOUT'
  | 'ERR_PERCORE_ABORTED'
  | 'ERR_PERCORE_CLAIM'
  | 'ERR_PERCORE_NO_PLACE'
  | 'ERR_PERCORE_WOULD_BLOCK'
  | 'ERR_PERCORE_ADDRESS_IN_USE'
  | 'ERR_PERCORE_SYSTEM'
  | 'ERR_PERCORE_FILE_TRUNCATED'
  | 'ERR_PERCORE_REMOTE'
  | 'ERR_PERCORE_TIMER_INVALID_DELAY'
  | 'ERR_PERCORE_TIMER_INVALID_INTERVAL';

/** What a caller can read off an error besides its message. */
export interface PercoreErrorDetails {
  /** The argument at fault, as the caller wrote it. */
  argument?: string;
  /** The value it had. */
  value?: unknown;
  /** What would have been accepted. */
  allowed?: string;
  /** The reactor concerned. */
  reactorId?: number;
  /** errno's name and the system call, for ERR_PERCORE_SYSTEM. */
  errno?: string;
  syscall?: string;
  cause?: unknown;
}

export class PercoreError extends Error {
  readonly code: PercoreErrorCode;
  readonly argument?: string;
  readonly value?: unknown;
  readonly allowed?: string;
  readonly reactorId?: number;
  readonly errno?: string;
  readonly syscall?: string;

  constructor(code: PercoreErrorCode, message: string, details: PercoreErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'PercoreError';
    this.code = code;
    const { cause: _cause, ...rest } = details;
    Object.assign(this, rest);
  }
}

/** A value as messages have it: text in quotes and not too long, objects by their kind. */
export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
  if (typeof value === 'object' && value !== null) return Object.prototype.toString.call(value);
  // `must be a whole number, not 5` would not say what is wrong.
  if (typeof value === 'bigint') return `${value}n`;
  return String(value);
}

/** "capacity must be a power of two from 2 to 1073741824, not 3" */
export function invalidArgument(argument: string, value: unknown, allowed: string, code: PercoreErrorCode = 'ERR_PERCORE_INVALID_ARGUMENT'): PercoreError {
  return new PercoreError(code, `${argument} must be ${allowed}, not ${show(value)}`, { argument, value, allowed });
}

/** Throws unless `value` is a whole number from `least` to `most`. */
export function checkInteger(argument: string, value: unknown, least: number, most: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most) {
    throw invalidArgument(argument, value, `a whole number from ${least} to ${most}`);
  }
  return value;
}

/** Throws unless `value` is a function. */
export function checkFunction(argument: string, value: unknown): void {
  if (typeof value !== 'function') throw invalidArgument(argument, value, 'a function');
}

/**
 * Errors, and the checks of arguments that throw them. An error stands for a caller's mistake, a refusal of the system
 * or a party that has died. Outcomes that are to be expected (full, empty, closed) are result codes instead: see
 * result-codes.ts.
 */
import { isUint8Array } from './byte-views.js';

/** The values of `PercoreError.code`. `docs/guide/errors.md` says what each means and what to do about it. */
export type PercoreErrorCode =
  | 'ERR_PERCORE_INVALID_ARGUMENT'
  | 'ERR_PERCORE_NATIVE_UNAVAILABLE'
  | 'ERR_PERCORE_WORKER_UNAVAILABLE'
  | 'ERR_PERCORE_LAYOUT_MISMATCH'
  | 'ERR_PERCORE_TIMER_INVALID_RATE'
  | 'ERR_PERCORE_TIMER_INVALID_INTERVAL'
  | 'ERR_PERCORE_ENTRY'
  | 'ERR_PERCORE_REACTOR_DIED'
  | 'ERR_PERCORE_CLOSED'
  | 'ERR_PERCORE_NO_HANDLER'
  | 'ERR_PERCORE_NO_TASK'
  | 'ERR_PERCORE_TASK_FAILED'
  | 'ERR_PERCORE_NOT_REPORTED'
  | 'ERR_PERCORE_NAME_TAKEN'
  | 'ERR_PERCORE_CAPACITY'
  | 'ERR_PERCORE_DISCIPLINE'
  | 'ERR_PERCORE_UNSERIALIZABLE'
  | 'ERR_PERCORE_CODEC_UNAVAILABLE'
  | 'ERR_PERCORE_TOO_LARGE'
  | 'ERR_PERCORE_BACK_PRESSURED'
  | 'ERR_PERCORE_SIMULATION'
  | 'ERR_PERCORE_STEP_ANSWER'
  | 'ERR_PERCORE_TIMEOUT'
  | 'ERR_PERCORE_CLAIM'
  | 'ERR_PERCORE_DAMAGED'
  | 'ERR_PERCORE_NO_PLACE'
  | 'ERR_PERCORE_WOULD_BLOCK'
  | 'ERR_PERCORE_ADDRESS_IN_USE'
  | 'ERR_PERCORE_SYSTEM'
  | 'ERR_PERCORE_FILE_TRUNCATED'
  | 'ERR_PERCORE_REMOTE'
  | 'ERR_PERCORE_OFFLOAD'
  | 'ERR_PERCORE_TIMER_INVALID_DELAY'
  | 'ERR_PERCORE_CLOCK_BACKWARDS'
  | 'ERR_PERCORE_UNKNOWN_VERB'
  | 'ERR_PERCORE_UNKNOWN_NAME'
  | 'ERR_PERCORE_UNDECLARED'
  | 'ERR_PERCORE_LOCK_ORDER'
  | 'ERR_PERCORE_TOPOLOGY'
  | 'ERR_PERCORE_NO_CAPABILITY'
  | 'ERR_PERCORE_NO_REALTIME_BUDGET'
  | 'ERR_PERCORE_DEADLINE_AFFINITY'
  | 'ERR_PERCORE_NOT_ADMITTED'
  | 'ERR_PERCORE_BROKER_UNAVAILABLE'
  | 'ERR_PERCORE_BROKER_REFUSED';

/** What an error carries besides its code and message, so that programs need not parse the text. */
export interface PercoreErrorDetails {
  /** The argument at fault, as the caller writes it: 'options.capacity'. */
  argument?: string;
  /** The value that the argument had. */
  value?: unknown;
  /** What would have been accepted, in words. */
  allowed?: string;
  /** The reactor that the error is about. */
  reactorId?: number;
  /** For ERR_PERCORE_SYSTEM: the name of the system's error, such as 'ENOSPC'. */
  errno?: string;
  /** For ERR_PERCORE_SYSTEM: the system call that failed. */
  syscall?: string;
  /** The error that led to this one. */
  cause?: unknown;
}

/**
 * Thrown, or the reason of a rejected promise, when the caller has made a mistake, the system has refused something, or
 * a party has died. Outcomes that are to be expected (full, empty, closed) are result codes and are never thrown.
 * `code` is stable; the text of a message may change.
 *
 *     try {
 *       await runtime.call('sum', [1, 2], { timeoutMs: 100 });
 *     } catch (error) {
 *       if (!(error instanceof PercoreError) || error.code !== 'ERR_PERCORE_TIMEOUT') throw error;
 *     }
 */
export class PercoreError extends Error {
  /** What went wrong, for programs to act on: `docs/guide/errors.md` lists all codes. */
  readonly code: PercoreErrorCode;
  // Fields below are declared and not defined, so that those without a value do not exist and are not printed.
  /** The argument at fault, as the caller writes it: 'options.capacity'. */
  declare readonly argument?: string;
  /** The value that the argument had. */
  declare readonly value?: unknown;
  /** What would have been accepted, in words. */
  declare readonly allowed?: string;
  /** The reactor that the error is about. */
  declare readonly reactorId?: number;
  /** The name of the system's error, such as 'ENOSPC'. */
  declare readonly errno?: string;
  /** The system call that failed. */
  declare readonly syscall?: string;

  constructor(code: PercoreErrorCode, message: string, details: PercoreErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'PercoreError';
    this.code = code;
    const { cause: _cause, ...rest } = details;
    Object.assign(this, rest);
  }
}

/**
 * A text for whatever was thrown: the message of an error, or else the value itself. Never throws, although some values
 * cannot be turned into text, such as an object without a prototype.
 */
export function messageOf(error: unknown): string {
  try {
    return String(error instanceof Error ? error.message : error);
  } catch {
    return show(error);
  }
}

/** A value as it is written in messages: text in quotes and cut after 80 characters, objects by their kind. */
export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
  if ((typeof value === 'object' || typeof value === 'function') && value !== null) return kindOf(value);
  // Without the n, `must be a whole number, not 5` would not say what is wrong.
  if (typeof value === 'bigint') return `${value}n`;
  return String(value);
}

function kindOf(value: object): string {
  try {
    // A list that is refused for having nothing in it.
    if (Array.isArray(value) && value.length === 0) return '[]';
    return Object.prototype.toString.call(value);
  } catch {
    return 'a Proxy that cannot be read';
  }
}

/** The own keys of an object; undefined for an array, a view of bytes, or a Proxy that cannot be read. */
export function keysOf(value: object): string[] | undefined {
  try {
    return Array.isArray(value) || ArrayBuffer.isView(value) ? undefined : Object.keys(value);
  } catch {
    return undefined;
  }
}

/** Makes an error such as "capacity must be a power of two from 2 to 1073741824, not 3". */
export function invalidArgument(
  argument: string, value: unknown, allowed: string, code: PercoreErrorCode = 'ERR_PERCORE_INVALID_ARGUMENT',
): PercoreError {
  return new PercoreError(code, `${argument} must be ${allowed}, not ${show(value)}`, { argument, value, allowed });
}

/** Throws unless `value` is a whole number from `least` to `most`. */
export function checkInteger(argument: string, value: unknown, least: number, most: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most) {
    throw invalidArgument(argument, value, `a whole number from ${least} to ${most}`);
  }
  return value;
}

/**
 * Calls a function that throws Node's system errors, and throws ERR_PERCORE_SYSTEM in place of such an error: "cannot
 * make timers: EMFILE: Too many open files, timerfd_create".
 */
export function systemCall<T>(what: string, call: () => T): T {
  try {
    return call();
  } catch (cause) {
    const { code: errno, syscall, message } = cause as { code?: string; syscall?: string; message: string };
    throw new PercoreError('ERR_PERCORE_SYSTEM', `cannot ${what}: ${message}`, {
      cause, ...(errno === undefined ? {} : { errno }), ...(syscall === undefined ? {} : { syscall }),
    });
  }
}

/** Throws unless `value` is a function. */
export function checkFunction(argument: string, value: unknown): void {
  if (typeof value !== 'function') throw invalidArgument(argument, value, 'a function');
}

/** Throws unless `value` is text that is not empty. */
export function checkText(argument: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') throw invalidArgument(argument, value, 'a string that is not empty');
  return value;
}

/** Throws unless `value` is true or false. */
export function checkBoolean(argument: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw invalidArgument(argument, value, 'true or false');
  return value;
}

/** Throws unless `value` is one of the words in `allowed`. The message names the word that was probably meant. */
export function checkOneOf<T extends string>(argument: string, value: unknown, allowed: readonly T[]): T {
  if (allowed.includes(value as T)) return value as T;
  const words = allowed.map((each) => `'${each}'`);
  const last = words.pop();
  const list = words.length === 0 ? String(last) : `${words.join(', ')} or ${last}`;
  const meant = typeof value === 'string' ? nearest(value, allowed) : undefined;
  const hint = meant === undefined ? '' : `; did you mean '${meant}'?`;
  throw new PercoreError('ERR_PERCORE_INVALID_ARGUMENT', `${argument} must be ${list}, not ${show(value)}${hint}`, {
    argument, value, allowed: list,
  });
}

/** Throws unless `value` is a Uint8Array, of this realm or of another. A Buffer is one. */
export function checkBytes(argument: string, value: unknown): Uint8Array {
  // A Proxy of a Uint8Array is refused, since it has no bytes of its own.
  if (isUint8Array(value)) return value;
  throw invalidArgument(
    argument, value,
    'a Uint8Array (of text: Buffer.from(text); of another view: new Uint8Array(view.buffer, view.byteOffset, '
      + 'view.byteLength))',
  );
}

/**
 * Throws unless `value` is undefined or an object that has no keys but the known ones. Without this check a misspelt
 * option would be ignored silently. Returns the object, or an empty one for undefined, so that its fields can be read
 * at once. Too slow for hot paths.
 */
export function checkOptions<T extends object>(argument: string, value: T | undefined, known: readonly string[]): T {
  if (value === undefined) return {} as T;
  const keys = typeof value !== 'object' || value === null ? undefined : keysOf(value);
  if (keys === undefined) throw invalidArgument(argument, value, `an object with ${known.join(', ')}, or left out`);
  for (const key of keys) {
    if (known.includes(key)) continue;
    const meant = nearest(key, known);
    const hint = meant === undefined ? '.' : `; did you mean "${meant}"?`;
    throw new PercoreError(
      'ERR_PERCORE_INVALID_ARGUMENT',
      `${argument} has no option "${key}"${hint} It takes ${known.join(', ') || 'none'}`,
      { argument: `${argument}.${key}`, value: (value as Record<string, unknown>)[key], allowed: known.join(', ') },
    );
  }
  return value;
}

/**
 * The known word that was probably meant by `word`, if any. The one that takes the fewest edits wins, if it takes no
 * more than two and they change at most half of the word; otherwise one of the two may be the beginning of the other.
 */
export function nearest(word: string, known: readonly string[]): string | undefined {
  // One number is as near to another as any, so a guess would say nothing.
  if (/^\d+$/.test(word)) return undefined;
  let meant: string | undefined;
  let least = MOST_EDITS + 1;
  for (const each of known) {
    const [x, y] = [each.toLowerCase(), word.toLowerCase()];
    const isBeginning = y !== '' && (x.startsWith(y) || y.startsWith(x));
    let edits = editsBetween(x, y);
    // Two edits turn any short word into any other.
    if (edits * 2 > Math.max(x.length, y.length)) edits = Infinity;
    if (edits > MOST_EDITS && isBeginning) edits = MOST_EDITS + 0.5;
    if (edits >= least) continue;
    least = edits;
    meant = each;
  }
  return meant;
}

const MOST_EDITS = 2;

/** How many letters must be inserted, removed or replaced to turn one word into the other. */
function editsBetween(x: string, y: string): number {
  let row = Array.from({ length: y.length + 1 }, (_, j) => j);
  for (let i = 1; i <= x.length; i++) {
    const next = [i];
    for (let j = 1; j <= y.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (x[i - 1] === y[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[y.length]!;
}

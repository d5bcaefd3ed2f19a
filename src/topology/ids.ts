/**
 * Identifiers of 128 bits that need no agreement: each thread makes its own, no two threads make the same, and they
 * sort by time, to the millisecond over all threads and exactly within one (k-ordered).
 *
 *      127                              64 63                         16 15           0
 *      | milliseconds since 1970          | origin                      | counter      |
 *
 *      counter   counts within a millisecond, and begins at 0 in the next
 *      origin    who made it: 32 bits of the process, 16 bits of the thread, unless it is given
 *
 * Source of the idea: Boundary's Flake, and Twitter's Snowflake before it. Neither hides a clock that was set back, and
 * this does not either: identifiers of the same times would come again.
 */
import { isBytes, lengthOf } from '../byte-views.js';
import { PercoreError, checkFunction, checkInteger, checkOptions, invalidArgument } from '../errors.js';
import { ownOrigin } from './origin.js';

/** Bytes of an identifier. */
export const ID_BYTES = 16;

/** Options of `createIds`. */
export interface IdOptions {
  /**
   * The 48 bits that say who made an identifier: 0 to 2^48 - 1, as a number or a bigint. If it is left out, they are
   * made of the process and the thread, so that no two threads of a program share one, nor does a reactor that was
   * started again share it with its predecessor. If you give origins, no two threads of all machines may have the same.
   */
  readonly origin?: number | bigint;
  /** The clock: whole milliseconds since 1970. Default `Date.now`; for tests, and for disciplined clocks. */
  readonly nowMs?: () => number;
}

/** What an identifier says. */
export interface IdParts {
  /** When it was made, in milliseconds since 1970. */
  readonly timeMs: number;
  /** The 48 bits that say who made it. */
  readonly origin: bigint;
  /** Its position among those of its millisecond: 0 to 65,535. */
  readonly counter: number;
}

const MOST_ORIGIN = 2n ** 48n - 1n;
const MOST_COUNT = 2 ** 16 - 1;
const MOST_ID = 2n ** 128n - 1n;
const HALF = 2 ** 32;
/** How often it looks at the clock while a full millisecond passes: a real clock needs some ten thousand looks. */
const MOST_LOOKS = 2 ** 22;
const TEXT = /^[0-9a-f]{32}$/;

/** The last identifier of one origin by one clock in this thread. */
interface Last {
  ms: number;
  count: number;
}
const clocks = new WeakMap<() => number, Map<bigint, Last>>();

/** Generators of one origin and one clock share it, so that two of them in a thread do not make the same identifier. */
function lastOf(origin: bigint, nowMs: () => number): Last {
  const byOrigin = clocks.get(nowMs) ?? new Map<bigint, Last>();
  clocks.set(nowMs, byOrigin);
  const last = byOrigin.get(origin) ?? { ms: NaN, count: 0 };
  byOrigin.set(origin, last);
  return last;
}

/**
 * Makes a generator of 128-bit identifiers that sort by time. Works in any thread, with or without a runtime.
 *
 *     const ids = createIds();
 *     const id = ids.next();                             // a bigint
 *     ids.nextBytes(record, 8);                          // 16 bytes into a Uint8Array, without allocation
 *     const text = formatId(id);                         // 32 hexadecimal digits, which sort as the numbers do
 *
 * Throws ERR_PERCORE_INVALID_ARGUMENT for an invalid origin or clock.
 */
export function createIds(options: IdOptions = {}): Ids {
  const { origin, nowMs = Date.now } = checkOptions('options', options, ['origin', 'nowMs']);
  checkFunction('nowMs', nowMs);
  return new Ids(origin === undefined ? ownOrigin() : checkOrigin(origin), nowMs);
}

/** A generator of identifiers, made by `createIds`. It belongs to the thread that made it. */
export class Ids {
  /** The 48 bits of its identifiers that say who made them. */
  readonly origin: bigint;
  readonly #nowMs: () => number;
  readonly #last: Last;
  readonly #originBits: bigint;
  readonly #originHigh: number;
  readonly #originLow: number;
  /** Milliseconds and origin of the last identifiers that `next` made, in their places. */
  #base = 0n;
  #baseMs = -1;

  constructor(origin: bigint, nowMs: () => number) {
    this.origin = origin;
    this.#nowMs = nowMs;
    this.#originBits = origin << 16n;
    this.#originHigh = Number(origin >> 32n);
    this.#originLow = Number(origin & 0xffff_ffffn);
    this.#last = lastOf(origin, nowMs);
  }

  /**
   * The next identifier, larger than all earlier ones of this origin. Allocates the bigint.
   *
   * After 65,536 within one millisecond it blocks the thread until the next one, for less than a millisecond. Throws
   * ERR_PERCORE_CLOCK_BACKWARDS when the clock is behind the last identifier, and works again as soon as the clock has
   * caught up; throws ERR_PERCORE_BACK_PRESSURED when the millisecond is full and the clock stands still.
   */
  next(): bigint {
    const count = this.#advance();
    const { ms } = this.#last;
    if (ms !== this.#baseMs) {
      this.#base = (BigInt(ms) << 64n) | this.#originBits;
      this.#baseMs = ms;
    }
    return this.#base + BigInt(count);
  }

  /** The same as text: 32 hexadecimal digits. */
  nextText(): string {
    return this.next().toString(16).padStart(2 * ID_BYTES, '0');
  }

  /**
   * Writes the next identifier into `target` from `offset` (default 0) on: 16 bytes, highest first, so that the bytes
   * sort as the numbers do. Does not allocate. Throws as `next` does, and ERR_PERCORE_INVALID_ARGUMENT if 16 bytes do
   * not fit; then no identifier is used up.
   */
  nextBytes(target: Uint8Array, offset = 0): void {
    checkPlace(target, offset);
    const count = this.#advance();
    const { ms } = this.#last;
    writeWord(target, offset, Math.floor(ms / HALF));
    writeWord(target, offset + 4, ms % HALF);
    const high = this.#originHigh;
    target[offset + 8] = high >>> 8;
    target[offset + 9] = high;
    writeWord(target, offset + 10, this.#originLow);
    target[offset + 14] = count >>> 8;
    target[offset + 15] = count;
  }

  /** Moves to the next identifier; returns its counter, and leaves its time in `#last`. */
  #advance(): number {
    const last = this.#last;
    const now = this.#nowMs();
    if (now === last.ms && last.count < MOST_COUNT) return ++last.count;
    return this.#advanceTo(now);
  }

  #advanceTo(now: number): number {
    const last = this.#last;
    for (let looks = 0; now === last.ms && looks < MOST_LOOKS; looks++) now = this.#nowMs();
    if (!Number.isSafeInteger(now) || now < 0) {
      throw invalidArgument('nowMs()', now, 'whole milliseconds since 1970');
    }
    if (now < last.ms) {
      throw new PercoreError(
        'ERR_PERCORE_CLOCK_BACKWARDS',
        `the clock is ${last.ms - now} ms behind the last identifier (${now} after ${last.ms}): it has been set back. `
          + 'Wait until it has caught up; identifiers of these times already exist',
        { argument: 'nowMs()', value: now, allowed: `${last.ms} or later` },
      );
    }
    if (now === last.ms) {
      throw new PercoreError(
        'ERR_PERCORE_BACK_PRESSURED',
        `${MOST_COUNT + 1} identifiers were made in the millisecond ${now}, and the clock stands still`,
        { argument: 'nowMs()', value: now, allowed: `later than ${last.ms}` },
      );
    }
    last.ms = now;
    last.count = 0;
    return 0;
  }
}

/** An identifier as text: 32 hexadecimal digits, which sort as the numbers do. */
export function formatId(id: bigint): string {
  return checkId(id).toString(16).padStart(2 * ID_BYTES, '0');
}

/** An identifier from its text. Throws ERR_PERCORE_INVALID_ARGUMENT unless `formatId` could have made the text. */
export function parseId(text: string): bigint {
  if (typeof text === 'string' && TEXT.test(text)) return BigInt(`0x${text}`);
  throw invalidArgument('text', text, '32 hexadecimal digits, 0 to 9 and a to f');
}

/** The identifier that `nextBytes` wrote to `source` at `offset`. Allocates. */
export function readId(source: Uint8Array, offset = 0): bigint {
  checkPlace(source, offset);
  let id = 0n;
  for (let at = 0; at < ID_BYTES; at += 4) id = (id << 32n) | BigInt(readWord(source, offset + at));
  return id;
}

/** When an identifier was made, by whom, and its position within that millisecond. */
export function partsOfId(id: bigint): IdParts {
  checkId(id);
  return {
    timeMs: Number(id >> 64n), origin: (id >> 16n) & MOST_ORIGIN, counter: Number(id & BigInt(MOST_COUNT)),
  };
}

function checkId(id: unknown): bigint {
  if (typeof id === 'bigint' && id >= 0n && id <= MOST_ID) return id;
  throw invalidArgument('id', id, 'a bigint from 0n to 2n ** 128n - 1n');
}

function checkOrigin(origin: unknown): bigint {
  const isWhole = typeof origin === 'bigint' || Number.isInteger(origin);
  const value = isWhole ? BigInt(origin as bigint | number) : -1n;
  if (value >= 0n && value <= MOST_ORIGIN) return value;
  throw invalidArgument('origin', origin, `a whole number from 0 to ${MOST_ORIGIN}, or left out`);
}

function checkPlace(bytes: Uint8Array, offset: number): void {
  if (!isBytes(bytes)) throw invalidArgument('target', bytes, 'a Uint8Array');
  if (lengthOf(bytes) < ID_BYTES) throw invalidArgument('target', bytes, `at least ${ID_BYTES} bytes long`);
  checkInteger('offset', offset, 0, lengthOf(bytes) - ID_BYTES);
}

function writeWord(target: Uint8Array, at: number, word: number): void {
  target[at] = word >>> 24;
  target[at + 1] = word >>> 16;
  target[at + 2] = word >>> 8;
  target[at + 3] = word;
}

function readWord(source: Uint8Array, at: number): number {
  return ((source[at]! << 24) | (source[at + 1]! << 16) | (source[at + 2]! << 8) | source[at + 3]!) >>> 0;
}

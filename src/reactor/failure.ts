/**
 * How an error crosses from one thread to another: class, message, frames, its own fields, `cause` and `errors`.
 *
 * value-errors.ts knows what to take from an error and how to make one of it, and does the same for errors in messages.
 * There a value that cannot be sent is refused. Here nothing may be refused: each part is taken by itself, so a part
 * that cannot cross is lost alone.
 */
import { deserialize, serialize } from 'node:v8';

import { fillShell, headOf, isError, makeShell, packError as packParts, type ErrorHead } from '../queues/internal.js';

/** The part of an error that crosses the thread border. It can always be serialized. */
export interface Failure {
  readonly head: ErrorHead;
  /** Undefined if it is the class's own. */
  readonly name: string | undefined;
  readonly message: string | undefined;
  readonly stack: string | undefined;
  /** Its own enumerable fields, as far as they can be cloned; `code` among them. */
  readonly fields: readonly (readonly [string, Packed])[];
  /** One, or none. */
  readonly cause: readonly Packed[];
  /** Of an AggregateError. */
  readonly errors: readonly (Packed | undefined)[] | undefined;
}
type Packed = { failure: Failure } | { value: unknown };

/** An error within an error within an error: anything deeper is left out. */
const MOST_DEPTH = 8;
/** Parts of one error that cross: fields, its cause, errors of an AggregateError. */
const MOST_PARTS = 100;
/** How many letters of the message remain when an error is longer than the lane takes. */
const SHORT_MESSAGE = 300;

/** Whatever was thrown, with whatever fields, in a form that can cross. Never throws. */
export function packError(error: unknown): Failure {
  try {
    if (isAnError(error)) return pack(error, 0, new Set());
  } catch {
    // A Proxy that refuses to be looked at counts as a value.
  }
  return packThrownValue(error);
}

function pack(error: Error, depth: number, seen: Set<unknown>): Failure {
  seen.add(error);
  let parts = 0;
  const { name, message, stack, cause, errors, fields } = packParts(error, (value, key) => {
    if (++parts > MOST_PARTS || (depth === MOST_DEPTH && key !== 'code')) return undefined;
    return packPart(value, depth, seen);
  });
  return {
    head: headOf(error, 0), name, message, stack, cause: cause as Packed[],
    errors: errors as Packed[] | undefined, fields: Object.entries(fields) as [string, Packed][],
  };
}

const isFrame = (line: string): boolean => /^\s+(?:at |--- )/.test(line);

/** A string is the message; anything else that can be cloned is the cause of an error that says so. */
function packThrownValue(value: unknown): Failure {
  const isText = typeof value === 'string';
  return {
    head: headOf(new Error(), 0), name: undefined, stack: undefined, errors: undefined, fields: [],
    message: isText ? value : 'a value was thrown that is not an Error',
    cause: isText ? [] : packPart(value, 0, new Set()) ?? [],
  };
}

/** A list of one; undefined when the value cannot cross. */
function packPart(value: unknown, depth: number, seen: Set<unknown>): [Packed] | undefined {
  if (typeof value === 'function' || typeof value === 'symbol' || value === undefined) return undefined;
  try {
    if (isAnError(value)) return seen.has(value) ? undefined : [{ failure: pack(value, depth + 1, seen) }];
    // Copied at once: a getter in it runs here, not again later, when nobody would catch what it throws.
    return [{ value: typeof value === 'object' ? deserialize(serialize(value)) : value }];
  } catch {
    return undefined;
  }
}

/** An error that does not fit a lane keeps its class, its code and the beginning of its message. */
export function shortFailure({ head, name, message = '', fields }: Failure): Failure {
  const [code] = fields.flatMap(([key, part]) => (key === 'code' && 'value' in part ? [part.value] : []));
  const isShort = typeof code === 'number' || (typeof code === 'string' && code.length <= SHORT_MESSAGE);
  return {
    head: { ...head, exception: head.exception && [shortened(head.exception[0]), shortened(head.exception[1])] },
    name: name?.slice(0, SHORT_MESSAGE), message: shortened(message), stack: undefined, cause: [], errors: undefined,
    fields: isShort ? [['code', { value: code }]] : [],
  };
}

const shortened = (message: string): string =>
  message.length <= SHORT_MESSAGE ? message : `${message.slice(0, SHORT_MESSAGE)}… (the rest was too long to cross)`;

/**
 * The error as the caller sees it: everything that crossed, with the remote frames below a line that says where: `task
 * "name"`, or a handler's name in quotes. `reactorId` is undefined for a thread that is not a reactor.
 */
export function unpackError(
  failure: Failure, reactorId: number | undefined, where: string,
): Error & { code?: unknown } {
  const error = unpack(failure, reactorId);
  // Only the frames, and the lines that say which thread they belong to: name and message stand by themselves, and a
  // message may have several lines.
  const frames = (failure.stack ?? '').split('\n').filter(isFrame).join('\n');
  const place = reactorId === undefined ? where : `reactor ${reactorId}, ${where}`;
  define(error, 'stack', `${error.name}: ${error.message}\n    --- ${place} ---\n${frames}`);
  return error;
}

function unpack({ head, name, message, stack, cause, errors, fields }: Failure, reactorId: number | undefined): Error {
  const error = makeShell(head.kind, () => head.exception) as Error & { code?: unknown; reactorId?: unknown };
  const part = (packed: Packed | undefined): unknown =>
    packed === undefined ? undefined : 'failure' in packed ? unpack(packed.failure, reactorId) : packed.value;
  fillShell(error, {
    name, message, stack, cause: cause.map(part), errors: errors?.map(part),
    fields: Object.fromEntries(fields.map(([key, packed]) => [key, part(packed)])),
  });
  error.code ??= 'ERR_PERCORE_REMOTE';
  if (reactorId !== undefined) error.reactorId ??= reactorId;
  return error;
}

/** As the language itself defines such fields: not enumerable. */
function define(error: Error, key: string, value: unknown): void {
  Object.defineProperty(error, key, { value, writable: true, enumerable: false, configurable: true });
}

/** What was thrown in this thread, if it is an error; else an error that says what it was. */
export function errorOf(thrown: unknown, reactorId: number, where: string): Error {
  return isAnError(thrown) ? thrown : unpackError(packError(thrown), reactorId, where);
}

/** An Error, of this realm or of another. A Proxy may refuse to say what it is. */
function isAnError(value: unknown): value is Error {
  try {
    return typeof value === 'object' && value !== null && isError(value);
  } catch {
    return false;
  }
}

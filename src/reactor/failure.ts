/**
 * How an error crosses from one thread to another: name, message, code, frames, its own fields, `cause` and `errors`.
 *
 * `v8.serialize` alone would keep name, message and stack and drop the rest without a word; one field that cannot be
 * cloned would lose the whole error. So each part is taken by itself, and what cannot cross is left out.
 */
import * as types from 'node:util/types';
import { deserialize, serialize } from 'node:v8';
import { PercoreError } from '../errors.js';

/** What of an error crosses the thread border. Can always be serialized. */
export interface Failure {
  name: string;
  message: string;
  code: string | number | undefined;
  frames: string;
  /** Its own enumerable fields, as far as they can be cloned. */
  fields?: [string, Packed][];
  cause?: Packed;
  /** Of an AggregateError. */
  errors?: Packed[];
}
type Packed = { failure: Failure } | { value: unknown };

/** An error within an error within an error: from here on the rest is left out. */
const MOST_DEPTH = 8;
/** Own fields of one error, and errors of one AggregateError, that cross. */
const MOST_PARTS = 100;
/** Letters of the message that are left when an error is longer than the lane takes. */
const SHORT_MESSAGE = 300;
/** These have a place of their own in a Failure. */
const OWN_PLACE = new Set(['name', 'message', 'code', 'stack', 'cause', 'errors']);

/** Whatever was thrown, with whatever fields, in a form that crosses. Never throws. */
export function packError(error: unknown): Failure {
  return pack(error, 0, new Set());
}

function pack(error: unknown, depth: number, seen: Set<unknown>): Failure {
  if (!isError(error)) return packThrownValue(error);
  seen.add(error);
  const name = part(error, 'name');
  const message = part(error, 'message');
  const code = part(error, 'code');
  const stack = part(error, 'stack');
  const failure: Failure = {
    name: typeof name === 'string' ? name : 'Error',
    message: typeof message === 'string' ? message : '',
    code: typeof code === 'string' || typeof code === 'number' ? code : undefined,
    // The frames alone, and the lines that say of which thread they are: name and message travel by themselves, and a
    // message may have several lines.
    frames: typeof stack === 'string' ? stack.split('\n').filter(isFrame).join('\n') : '',
  };
  if (depth === MOST_DEPTH) return failure;
  const fields = ownKeys(error).filter((key) => !OWN_PLACE.has(key)).slice(0, MOST_PARTS);
  const packed = fields.flatMap(
    (key): [string, Packed][] => packPart(part(error, key), depth, seen).map((value) => [key, value]),
  );
  if (packed.length > 0) failure.fields = packed;
  const cause = part(error, 'cause');
  if (cause !== undefined) [failure.cause] = packPart(cause, depth, seen);
  const errors = part(error, 'errors');
  if (isList(errors)) {
    failure.errors = errors.slice(0, MOST_PARTS).flatMap((each: unknown) => packPart(each, depth, seen));
  }
  return failure;
}

const isFrame = (line: string): boolean => /^\s+(?:at |--- )/.test(line);

/** A string is the message; anything else that can be cloned is the cause of an error that says so. */
function packThrownValue(value: unknown): Failure {
  if (typeof value === 'string') return { name: 'Error', message: value, code: undefined, frames: '' };
  const [cause] = packPart(value, 0, new Set());
  return {
    name: 'Error',
    message: 'a value was thrown that is not an Error',
    code: undefined,
    frames: '',
    ...(cause === undefined ? {} : { cause }),
  };
}

/** A list of one, or of none when the value cannot cross. */
function packPart(value: unknown, depth: number, seen: Set<unknown>): Packed[] {
  if (isError(value)) return seen.has(value) ? [] : [{ failure: pack(value, depth + 1, seen) }];
  if (typeof value === 'function' || typeof value === 'symbol' || value === undefined) return [];
  try {
    // A copy at once: a getter in it runs here and not again later, when nobody would catch what it throws.
    return [{ value: typeof value === 'object' ? deserialize(serialize(value)) : value }];
  } catch {
    return [];
  }
}

/** An error that does not fit a lane keeps its name, its code and the beginning of its message. */
export function shortFailure({ name, message, code }: Failure): Failure {
  return {
    name: name.slice(0, SHORT_MESSAGE),
    message: message.length <= SHORT_MESSAGE ? message
      : `${message.slice(0, SHORT_MESSAGE)}… (the rest was too long to cross)`,
    code: typeof code === 'string' ? code.slice(0, SHORT_MESSAGE) : code,
    frames: '',
  };
}

/** Constructors by the name of the error: a TypeError arrives as one. */
const KINDS: Record<string, new (message: string) => Error> = {
  EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError,
};

/**
 * The error as the caller sees it: everything that crossed, with the remote frames below a line that says where:
 * `task "name"`, or a handler's name in quotes. `reactorId` is undefined for a thread that is no reactor.
 */
export function unpackError(
  failure: Failure, reactorId: number | undefined, where: string,
): Error & { code?: unknown } {
  const error = unpack(failure, reactorId);
  const place = reactorId === undefined ? where : `reactor ${reactorId}, ${where}`;
  error.stack = `${failure.name}: ${failure.message}\n    --- ${place} ---\n${failure.frames}`;
  return error;
}

function unpack(failure: Failure, reactorId: number | undefined): Error {
  const from = reactorId === undefined ? {} : { reactorId };
  const { name, message, code, frames, fields = [], cause, errors } = failure;
  let error: Error;
  if (typeof code === 'string' && code.startsWith('ERR_PERCORE_')) {
    error = new PercoreError(code as PercoreError['code'], message, from);
  }
  else if (errors !== undefined) error = new AggregateError([], message);
  else error = new (Object.hasOwn(KINDS, name) ? KINDS[name]! : Error)(message);
  if (!(error instanceof PercoreError)) Object.assign(error, { code: code ?? 'ERR_PERCORE_REMOTE', ...from });
  if (error.name !== name) define(error, 'name', name);
  define(error, 'stack', `${name}: ${message}\n${frames}`);
  for (const [key, value] of fields) {
    Object.defineProperty(
      error, key, { value: unpackPart(value, reactorId), writable: true, enumerable: true, configurable: true },
    );
  }
  if (cause !== undefined) define(error, 'cause', unpackPart(cause, reactorId));
  if (errors !== undefined) define(error, 'errors', errors.map((each) => unpackPart(each, reactorId)));
  return error;
}

function unpackPart(packed: Packed, reactorId: number | undefined): unknown {
  return 'failure' in packed ? unpack(packed.failure, reactorId) : packed.value;
}

/** As the language itself defines such fields: not enumerable. */
function define(error: Error, key: string, value: unknown): void {
  Object.defineProperty(error, key, { value, writable: true, enumerable: false, configurable: true });
}

/** What was thrown in this thread, if it is an error; else an error that says what it was. */
export function errorOf(thrown: unknown, reactorId: number, where: string): Error {
  return isError(thrown) ? thrown : unpackError(packError(thrown), reactorId, where);
}

/** An Error, of this realm or of another. A Proxy may refuse to say what it is. */
function isError(value: unknown): value is Error {
  try {
    return value instanceof Error || types.isNativeError(value);
  } catch {
    return false;
  }
}

function isList(value: unknown): value is unknown[] {
  try {
    return Array.isArray(value);
  } catch {
    return false;
  }
}

/** A getter may throw: `stack` does when the name is a symbol. */
function part(error: Error, key: string): unknown {
  try {
    return (error as unknown as Record<string, unknown>)[key];
  } catch {
    return undefined;
  }
}

function ownKeys(error: Error): string[] {
  try {
    return Object.keys(error);
  } catch {
    return [];
  }
}

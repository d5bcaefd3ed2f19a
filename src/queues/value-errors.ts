/**
 * Errors in messages: class, message, stack, cause and own fields. V8 alone keeps the class, the message and the stack.
 *
 * In the place of an error, a record has the error's class and a number, from which the reader makes an empty error
 * (`makeShell`). What the error holds comes in a table behind the value and is filled in at the end (`fillShell`),
 * since an error may be the cause of its own cause.
 */
import * as types from 'node:util/types';
import { PercoreError } from '../errors.js';

/** Records hold indexes into this list. */
const KINDS = [
  'Error', 'EvalError', 'RangeError', 'ReferenceError', 'SyntaxError', 'TypeError', 'URIError', 'AggregateError',
  'PercoreError', 'DOMException',
];
const PERCORE_ERROR = KINDS.indexOf('PercoreError');
const DOM_EXCEPTION = KINDS.indexOf('DOMException');
const AGGREGATE_ERROR = KINDS.indexOf('AggregateError');

/** What stands in the place of an error. */
export interface ErrorHead {
  readonly kind: number;
  readonly number: number;
  /** For a DOMException: its message and name, which can be given only when it is made. */
  readonly exception: readonly [string, string] | undefined;
}

/** What an error holds; `undefined` for what it does not have. */
export interface PackedError {
  name: string | undefined;
  message: string | undefined;
  stack: string | undefined;
  /** One element, or none. */
  cause: unknown[];
  errors: unknown[] | undefined;
  fields: Record<string, unknown>;
}

/** Own fields that have properties of their own in PackedError. */
const NAMED = new Set(['message', 'stack', 'cause', 'errors']);

/** True for errors of every realm, and for objects that only inherit from Error. */
export function isError(value: object): boolean {
  return types.isNativeError(value) || value instanceof Error;
}

/** The head for `error`, whose number in the table is `number`. */
export function headOf(error: object, number: number): ErrorHead {
  const kind = kindOfError(error);
  return {
    kind, number,
    exception: kind === DOM_EXCEPTION ? [textOf(error, 'message') ?? '', textOf(error, 'name') ?? 'Error'] : undefined,
  };
}

/**
 * Packs what `error` holds. `send` returns undefined for a value that cannot be sent, which is then left out. Never
 * throws.
 */
export function packError(error: object, send: (value: unknown, key: string) => [unknown] | undefined): PackedError {
  const kind = kindOfError(error);
  const name = textOf(error, 'name');
  const packed: PackedError = {
    name: name === KINDS[kind] || kind === DOM_EXCEPTION ? undefined : name,
    message: kind === DOM_EXCEPTION ? undefined : textOf(error, 'message'),
    stack: textOf(error, 'stack'),
    cause: [], errors: undefined, fields: Object.create(null) as Record<string, unknown>,
  };
  if (Object.hasOwn(error, 'cause')) packed.cause = valueOf(error, 'cause', send) ?? [];
  const errors: unknown = kind === AGGREGATE_ERROR ? get(error, 'errors') : undefined;
  if (Array.isArray(errors)) packed.errors = errors.map((each, i) => send(each, `errors[${i}]`)?.[0]);
  for (const key of Object.keys(error)) {
    if (NAMED.has(key) && (key !== 'errors' || packed.errors !== undefined)) continue;
    const item = valueOf(error, key, send);
    if (item !== undefined) packed.fields[key] = item[0];
  }
  return packed;
}

/** An empty error of this class. `read` returns what the head of a DOMException holds. */
export function makeShell(kind: number, read: () => unknown): Error {
  if (kind === DOM_EXCEPTION) return new DOMException(...(read() as [string, string]));
  if (kind === PERCORE_ERROR) return new PercoreError('ERR_PERCORE_REMOTE', '');
  if (kind === AGGREGATE_ERROR) return new AggregateError([]);
  const Class = (globalThis as unknown as Record<string, ErrorConstructor>)[KINDS[kind] ?? ''];
  if (Class === undefined) throw new TypeError(`no class ${kind} of errors`);
  return new Class();
}

/** Fills an empty error with what was packed of another. */
export function fillShell(shell: Error, { name, message, stack, cause, errors, fields }: PackedError): void {
  if (message !== undefined) define(shell, 'message', message);
  if (cause.length !== 0) define(shell, 'cause', cause[0]);
  if (errors !== undefined) define(shell, 'errors', errors);
  for (const key of Object.keys(fields))
    Object.defineProperty(shell, key, { value: fields[key], writable: true, enumerable: true, configurable: true });
  if (name !== undefined && name !== shell.name) define(shell, 'name', name);
  // The frames of the shell itself are those of the reader, which nobody asked for.
  define(shell, 'stack', stack);
}

function define(shell: Error, key: string, value: unknown): void {
  Object.defineProperty(shell, key, { value, writable: true, enumerable: false, configurable: true });
}

/**
 * The first class of the language on the prototype chain. It may be of another realm, whose classes have the same
 * names.
 */
function kindOfError(error: object): number {
  // Recognized by its code too, since another copy of this module has its own class.
  if (error instanceof PercoreError || textOf(error, 'code')?.startsWith('ERR_PERCORE_') === true) return PERCORE_ERROR;
  if (error instanceof DOMException) return DOM_EXCEPTION;
  for (
    let at: object | null = Object.getPrototypeOf(error) as object | null;
    at !== null;
    at = Object.getPrototypeOf(at) as object | null
  ) {
    const kind = KINDS.indexOf(Object.getOwnPropertyDescriptor(at, 'name')?.value as string);
    if (kind >= 0 && kind < PERCORE_ERROR) return kind;
  }
  return 0;
}

/** One property of an error, as `send` returns it; undefined if its getter throws. */
function valueOf(
  error: object, key: string, send: (value: unknown, key: string) => [unknown] | undefined,
): [unknown] | undefined {
  try {
    return send((error as Record<string, unknown>)[key], key);
  } catch {
    // A getter threw, so there is no value to be sent.
    return undefined;
  }
}

function textOf(error: object, key: string): string | undefined {
  const value = get(error, key);
  return typeof value === 'string' ? value : undefined;
}

function get(error: object, key: string): unknown {
  try {
    return (error as Record<string, unknown>)[key];
  } catch {
    // `stack` throws when the error's name is a symbol, and any getter may throw.
    return undefined;
  }
}

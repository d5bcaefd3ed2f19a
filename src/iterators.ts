/** Checks for the iterators that users hand over, since nobody else has checked what they return. */
import { invalidArgument, type PercoreError } from './errors.js';

type Walk = typeof Symbol.iterator | typeof Symbol.asyncIterator;

/** Returns the iterator of an iterable. Throws ERR_PERCORE_INVALID_ARGUMENT if it has none. */
export function iteratorOf<I>(argument: string, iterable: object, walk: Walk): I {
  const open = (iterable as Partial<Record<Walk, unknown>>)[walk];
  const iterator: unknown = typeof open === 'function' ? open.call(iterable) : undefined;
  if (typeof (iterator as { next?: unknown } | null | undefined)?.next === 'function') return iterator as I;
  const name = walk === Symbol.iterator ? 'Symbol.iterator' : 'Symbol.asyncIterator';
  throw invalidArgument(argument, iterable, `iterable: what its [${name}]() returns has a method next()`);
}

/** True if `result` is what `next()` must return (or, for an async iterator, resolve with): an object. */
export const isResult = (result: unknown): boolean => typeof result === 'object' && result !== null;

/** The error to throw when `next()` of the iterator of `whose` has returned something else. */
export const notAResult = (whose: string, result: unknown): PercoreError =>
  invalidArgument(`what next() of ${whose} answers`, result, 'an object with value and done');

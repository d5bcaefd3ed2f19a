/** Iterators of users, whose answers nobody has checked. */
import { invalidArgument, type PercoreError } from './errors.js';

type Walk = typeof Symbol.iterator | typeof Symbol.asyncIterator;

/** Asks an iterable for its iterator. Throws ERR_PERCORE_INVALID_ARGUMENT where it gives none. */
export function iteratorOf<I>(argument: string, iterable: object, walk: Walk): I {
  const open = (iterable as Partial<Record<Walk, unknown>>)[walk];
  const iterator: unknown = typeof open === 'function' ? open.call(iterable) : undefined;
  if (typeof (iterator as { next?: unknown } | null | undefined)?.next === 'function') return iterator as I;
  const name = walk === Symbol.iterator ? 'Symbol.iterator' : 'Symbol.asyncIterator';
  throw invalidArgument(argument, iterable, `iterable: what its [${name}]() returns has a method next()`);
}

/** True for what `next()` must answer, or promise. */
export const isResult = (result: unknown): boolean => typeof result === 'object' && result !== null;

/** What to throw if `next()` of `whose` has returned something that is not a result. */
export const notAResult = (whose: string, result: unknown): PercoreError =>
  invalidArgument(`what next() of ${whose} answers`, result, 'an object with value and done');

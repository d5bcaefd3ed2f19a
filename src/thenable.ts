/**
 * Whether what a user's function has answered is a promise, of the language or of a library. Whoever awaits it does so
 * by `await` or Promise.resolve, which take care of a `then` that calls back twice, throws, or lies.
 *
 * Not for each message: a step and the handler of a call look for themselves, where they see one kind of promise only
 * and V8 therefore knows the place of its `then`.
 */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (typeof value === 'object' || typeof value === 'function') && value !== null
    && typeof (value as Partial<PromiseLike<unknown>>).then === 'function';
}

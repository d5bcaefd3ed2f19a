/**
 * True if `value`, which a user's function has returned, is a promise, be it one of the language or of a library. To
 * wait for it, use `await` or Promise.resolve: they cope with a `then` that calls back twice, throws, or does not do
 * what it should.
 *
 * Do not call this for each message. A step and the handler of a call have a test of their own, since there V8 sees
 * only one kind of promise and therefore knows where its `then` is.
 */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (typeof value === 'object' || typeof value === 'function') && value !== null
    && typeof (value as Partial<PromiseLike<unknown>>).then === 'function';
}

/**
 * What happens to an error that a user's callback has thrown if there is no `onError` for it: it is an uncaught
 * exception, as with setTimeout. In a reactor that would end the whole thread because of one callback. So a reactor's
 * thread sets a reporter here, once, which counts such errors and reports them as 'stepError'; then only that callback
 * is affected.
 */

/** Gets an error, and a text that names the callback that threw it. */
export type ErrorReporter = (error: unknown, where: string) => void;

let reporter: ErrorReporter | undefined;

/** Sets the reporter of this thread; undefined removes it. */
export function setErrorReporter(report: ErrorReporter | undefined): void {
  reporter = report;
}

/** Gives the error to the reporter of this thread, or throws it if there is none. */
export function reportOrThrow(error: unknown, where: string): void {
  if (reporter === undefined) throw error;
  reporter(error, where);
}

/**
 * The same, except that without a reporter the error is thrown only after the present code has run, so that the other
 * callbacks of the turn still run. Each error is thrown by itself, so that a process with a handler for uncaught
 * exceptions learns of all of them.
 */
export function reportOrThrowLater(error: unknown, where: string): void {
  if (reporter !== undefined) return reporter(error, where);
  queueMicrotask(() => {
    throw error;
  });
}

/**
 * Gives the error to `onError`, or reports it if there is none. If `onError` throws, that error is reported instead.
 */
export function tellError(onError: ErrorReporter | undefined, error: unknown, where: string): void {
  if (onError === undefined) return reportOrThrow(error, where);
  try {
    onError(error, where);
  } catch (thrown) {
    reportOrThrow(thrown, `onError of ${where}`);
  }
}

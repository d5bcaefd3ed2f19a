/**
 * What happens to an error that a user's callback threw and that no `onError` takes: an uncaught exception, as
 * from setTimeout. That would end a whole reactor for one callback, so a reactor's thread says here, once, that it
 * counts and reports such errors ('stepError'): a callback then costs itself alone.
 */
export type ErrorReporter = (error: unknown, where: string) => void;

let reporter: ErrorReporter | undefined;

/** Of this thread. `where` names the callback. */
export function setErrorReporter(report: ErrorReporter | undefined): void {
  reporter = report;
}

/** Reports the error, or throws it where nobody reports. */
export function reportOrThrow(error: unknown, where: string): void {
  if (reporter === undefined) throw error;
  reporter(error, where);
}

/**
 * The same, thrown after what runs now, so that others of the turn go on. Each by itself: a process that handles
 * uncaught exceptions learns of all of them.
 */
export function reportOrThrowLater(error: unknown, where: string): void {
  if (reporter !== undefined) return reporter(error, where);
  queueMicrotask(() => {
    throw error;
  });
}

/** Gives the error to `onError` if there is one. What that throws is reported in its place. */
export function tellError(onError: ErrorReporter | undefined, error: unknown, where: string): void {
  if (onError === undefined) return reportOrThrow(error, where);
  try {
    onError(error, where);
  } catch (thrown) {
    reportOrThrow(thrown, `onError of ${where}`);
  }
}

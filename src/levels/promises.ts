/** What becomes of a promise that nobody waits for. */
import { reportOrThrowLater } from '../uncaught.js';

/**
 * Reports what the promise rejects with as an error of the code that made it, as what that code throws is: an event's
 * work, or a task that has to run to completion and is refused for having returned a promise. A rejection that nobody
 * waits for would end the thread: a whole level for an `async` too many.
 */
export function reportLater(promise: object, where: string): void {
  Promise.resolve(promise).catch((error: unknown) => reportOrThrowLater(error, where));
}

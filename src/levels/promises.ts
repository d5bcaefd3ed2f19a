/** What becomes of a promise where code has to run to completion, and is refused for having returned it. */
import { reportOrThrowLater } from '../uncaught.js';

/**
 * Reports what the promise rejects with as an error of that code. Nobody else waits for it, and what nobody waits for
 * ends the thread: a whole level for an `async` too many.
 */
export function reportLater(refused: object, where: string): void {
  Promise.resolve(refused).catch((error: unknown) => reportOrThrowLater(error, where));
}

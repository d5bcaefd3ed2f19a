/** What last happened in a reactor: it notes that itself, can read it, and it is reported with its death. */
import { invalidArgument } from '../errors.js';
import type { FlightEvent } from '../observe/index.js';
import type { Reactor, Runtime } from '../reactor/index.js';
import { checkName, partyOf } from '../reactor/internal.js';

/**
 * Keeps an event of your own among the last 1,024 of this thread. `what` has 1 to 256 letters; the first 200 letters of
 * `detail` are kept. It is meant for rare events; allocates. Throws ERR_PERCORE_INVALID_ARGUMENT.
 *
 *     noteEvent(reactor, 'reconnected', 'to the second exchange');
 */
export function noteEvent(of: Reactor | Runtime, what: string, detail = ''): void {
  const party = partyOf(of);
  checkName('what', what);
  if (typeof detail !== 'string') throw invalidArgument('detail', detail, 'text');
  party.flight.note(what, detail);
}

/**
 * The last notable events of this thread, oldest first: errors of steps, dropped messages, broken bounds, deaths of
 * other reactors, its way to the end, and your own. When a reactor dies by an error, the event 'reactorDied' has them.
 * Allocates.
 */
export function flightEvents(of: Reactor | Runtime): readonly FlightEvent[] {
  return partyOf(of).flight.events();
}

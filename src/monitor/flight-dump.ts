/** The flight recorders of all threads of a runtime, requested by the main thread or by a signal. */
import { checkFunction, checkInteger, checkOneOf, checkOptions } from '../errors.js';
import type { FlightEvent } from '../observe/index.js';
import type { Runtime } from '../reactor/index.js';
import { checkOpen, controllerOf } from '../reactor/internal.js';
import { untilClosed } from './until-closed.js';

/** What happened last in one thread. */
export interface Flight {
  /** The main thread comes after the last reactor. */
  readonly party: number;
  /** Undefined: the thread did not answer in time, because it is blocked or has died. */
  readonly events: readonly FlightEvent[] | undefined;
}
export interface FlightOptions {
  /** How long a thread may take to answer: 1 to 60,000, default 500. */
  readonly timeoutMs?: number;
}
export interface DumpOptions extends FlightOptions {
  /** Default 'SIGUSR2'. */
  readonly signal?: 'SIGUSR2' | 'SIGUSR1' | 'SIGHUP';
  /** Gets the text, one line for each event. Default: writes it to standard error. */
  readonly write?: (text: string) => void;
}

/**
 * Promises the last events of each reactor and of the main thread. Reactors are asked over Node's own channel, so a
 * blocked one has no answer. Allocates. Rejects with ERR_PERCORE_INVALID_ARGUMENT.
 *
 *     for (const { party, events } of await flightsOf(runtime)) console.log(party, events);
 */
export async function flightsOf(runtime: Runtime, options: FlightOptions = {}): Promise<readonly Flight[]> {
  const controller = controllerOf(runtime);
  const { timeoutMs = 500 } = checkOptions('options', options, ['timeoutMs']);
  checkInteger('options.timeoutMs', timeoutMs, 1, 60_000);
  const { members, main } = controller;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), timeoutMs);
  });
  const flights = await Promise.all(members.map(async (member) => {
    const events = member.isDead ? undefined : await Promise.race([member.lastEvents(), late]);
    return { party: member.id, events };
  }));
  clearTimeout(timer);
  return [...flights, { party: main.id, events: main.flight.events() }];
}

/**
 * Writes the last events of all threads when the process gets a signal, until the runtime closes or the returned
 * function is called. Throws ERR_PERCORE_CLOSED or ERR_PERCORE_INVALID_ARGUMENT.
 *
 *     dumpFlightOnSignal(runtime);                              // $ kill -USR2 <pid>
 */
export function dumpFlightOnSignal(runtime: Runtime, options: DumpOptions = {}): () => void {
  const controller = controllerOf(runtime);
  const { main } = controller;
  const {
    signal = 'SIGUSR2', timeoutMs = 500, write = (text: string) => void process.stderr.write(text),
  } = checkOptions('options', options, ['signal', 'timeoutMs', 'write']);
  checkOneOf('options.signal', signal, ['SIGUSR2', 'SIGUSR1', 'SIGHUP']);
  checkInteger('options.timeoutMs', timeoutMs, 1, 60_000);
  checkFunction('options.write', write);
  checkOpen(controller, 'dumpFlightOnSignal');
  const onSignal = (): void => {
    void flightsOf(runtime, { timeoutMs }).then(
      (flights) => write(flights.map((flight) => textOf(flight, main.id)).join('')));
  };
  process.on(signal, onSignal);
  return untilClosed(controller, () => void process.off(signal, onSignal));
}

function textOf({ party, events }: Flight, main: number): string {
  const name = party === main ? 'main thread' : `reactor ${party}`;
  if (events === undefined) return `${name}: no answer\n`;
  const lines = events.map(({ ns, what, detail }) => `  ${(ns / 1e9).toFixed(6)} s  ${plain(`${what}  ${detail}`)}\n`);
  return `${name}: ${events.length} events\n${lines.join('')}`;
}

/** An error's message may hold anything; this goes to a terminal, in one line for each event. */
function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (each) =>
    SHORT[each] ?? `\\u{${each.codePointAt(0)!.toString(16)}}`);
}

const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\t': '\\t' };

/** A topology as text for people. */
import { invalidArgument } from '../errors.js';
import type { PartyDump, Shown } from './messages.js';

/** Everything that runs, as plain data. */
export interface TopologyDump {
  /** Who may send to whom, as declared. */
  readonly sends: Readonly<Record<string, readonly string[]>>;
  /** Each reactor, and the main thread at the end. */
  readonly parties: readonly PartyDump[];
}

/**
 * A dump as text: a paragraph for each party, a line for each thing, its figures below. Throws
 * ERR_PERCORE_INVALID_ARGUMENT if it is not a dump.
 */
export function formatDump(dump: TopologyDump): string {
  if (!isDump(dump)) throw invalidArgument('dump', dump, 'what the dump of a running topology has resolved with');
  const { sends, parties } = dump;
  const edges = Object.entries(sends).map(([from, to]) => `  ${from} -> ${to.join(', ') || 'nobody'}`);
  return [...parties.map(formatParty), ['sends', ...edges].join('\n')].join('\n\n');
}

function isDump(value: unknown): value is TopologyDump {
  if (!isObject(value)) return false;
  const { sends, parties } = value;
  return isObject(sends) && Object.values(sends).every(Array.isArray) && Array.isArray(parties)
    && parties.every((party) => isObject(party) && Array.isArray(party['things']) && party['things'].every(isShown));
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;
const isShown = (value: unknown): boolean => isObject(value) && isObject(value['details']);

function formatParty({ id, name, reactors, things }: PartyDump): string {
  const where = id === reactors ? 'the main thread' : `reactor ${id} of ${reactors}`;
  const own = things.filter(({ kind }) => kind !== 'reactor');
  return [`${name}: ${where}`, ...own.flatMap(formatThing)].join('\n');
}

function formatThing({ kind, name, about, details }: Shown): string[] {
  const figures = Object.entries(details).filter(([, value]) => typeof value === 'number' && value !== 0)
    .map(([figure, value]) => `${figure} ${String(value)}`);
  return [`  ${kind} ${name}: ${about}`, ...(figures.length === 0 ? [] : [`    ${figures.join(', ')}`])];
}

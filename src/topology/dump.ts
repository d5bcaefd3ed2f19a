/** A topology as text for people. */
import type { PartyDump, Shown } from './messages.js';

/** Everything that runs, as plain data. */
export interface TopologyDump {
  /** Who may send to whom, as declared. */
  readonly sends: Readonly<Record<string, readonly string[]>>;
  readonly parties: readonly PartyDump[];
}

/** A dump as text: a paragraph a party, a line a thing, its figures below it. */
export function formatDump({ sends, parties }: TopologyDump): string {
  const edges = Object.entries(sends).map(([from, to]) => `  ${from} -> ${to.join(', ') || 'nobody'}`);
  return [...parties.map(formatParty), ['sends', ...edges].join('\n')].join('\n\n');
}

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
